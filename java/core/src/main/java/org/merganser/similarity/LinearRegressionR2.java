// SPDX-License-Identifier: Apache-2.0
package org.merganser.similarity;

import java.util.Arrays;
import java.util.Set;
import org.merganser.compute.Workspace;
import org.merganser.internal.Opened;
import org.merganser.internal.Seeds;
import org.merganser.linalg.Gram;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;
import org.merganser.method.Setting;
import org.merganser.method.Settings;

/**
 * How much of the variance of X a linear map of Y predicts. With the thin decomposition {@code Y =
 * U diag(s) V^T} of centred Y, {@code d = s^2 / (s^2 + lambda)} (1 up to the rank, without lambda)
 * and {@code a_i} the rows of {@code U^T X}:
 *
 * <pre>
 *   R^2(X from Y) = 1 - |X - U diag(d) U^T X|^2 / |X|^2 = sum (2 d_i - d_i^2) |a_i|^2 / |X|^2
 * </pre>
 *
 * <p>With folds, samples are divided into as many parts at random (by the seed of the Workspace),
 * each is predicted by a map fitted to the others, and the errors of all are summed: {@code 1 - sum
 * |x - prediction|^2 / |X|^2}, at most 1, below 0 where the mean would predict better. Without, as
 * many features as samples predict anything.
 *
 * <p>Which side is predicted matters. Cost O(n(p q + q^2)), times the folds.
 *
 * <p>Source: as in Kornblith et al. 2019; Hoerl and Kennard 1970 for lambda.
 */
public final class LinearRegressionR2 extends PairedMeasure {
  private static final String STREAM = "linreg-r2";

  /** Settings. */
  public record Options(
      @Setting(value = "penalty on the map, in units of squared singular values of Y", min = 0)
          double lambda,
      @Setting(value = "parts that are predicted from the others; 1 fits all at once", min = 1)
          int folds) {
    public Options {
      Settings.check(Options.class, lambda, folds);
    }

    /** No penalty, one fit. */
    public static Options defaults() {
      return new Options(0, 1);
    }

    public Options withLambda(double value) {
      return new Options(value, folds);
    }

    public Options withFolds(int value) {
      return new Options(lambda, value);
    }
  }

  private final Options options;

  private LinearRegressionR2(Options options) {
    this.options = options;
  }

  public static LinearRegressionR2 of(Options options) {
    return new LinearRegressionR2(options);
  }

  @Override
  public String id() {
    return "linreg-r2";
  }

  @Override
  public String summary() {
    return "variance of X that a linear map of Y predicts";
  }

  @Override
  public Options options() {
    return options;
  }

  @Override
  public double least() {
    return options.folds() == 1 ? 0 : Double.NEGATIVE_INFINITY;
  }

  @Override
  public Set<Invariance> invariances(Side side) {
    if (side == Side.Y && options.lambda() > 0) {
      return ISOMETRIES;
    }
    // The map of least norm, which more features than samples leave, is not that of mapped
    // features.
    return side == Side.Y && options.folds() == 1 ? AFFINE_MAPS : SIMILARITIES;
  }

  @Override
  public Set<Trait> traits() {
    if (options.folds() > 1) {
      // Which samples are predicted from which follows from their order.
      return Set.of();
    }
    return options.lambda() == 0
        ? set(Trait.NORMALISED, Trait.IGNORES_ORDER)
        : set(Trait.IGNORES_ORDER);
  }

  @Override
  public int minimumSamples() {
    return options.folds() == 1 ? 2 : Math.max(3, options.folds());
  }

  @Override
  Finding compare(Pair pair, Workspace ws) {
    return options.folds() == 1
        ? Finding.of(fitted(pair, ws), Route.FEATURE)
        : Finding.of(predicted(pair, ws), Route.FEATURE).detail("folds", options.folds());
  }

  private double fitted(Pair pair, Workspace ws) {
    try (Basis y = Basis.of(pair.y(), ws);
        Matrix u = y.vectors(y.rank());
        Matrix parts = LinAlg.multiply(u, pair.x().centred(), ws)) {
      double[] squares = LinAlg.rowProducts(parts, parts, ws);
      double sum = 0;
      for (int i = 0; i < squares.length; i++) {
        double s = y.singularValues()[i];
        double d = s * s / (s * s + options.lambda());
        sum += (2 * d - d * d) * squares[i];
      }
      return Math.min(1, sum / pair.x().squaredNorm());
    }
  }

  private double predicted(Pair pair, Workspace ws) {
    int n = pair.samples();
    int[] order = Seeds.order(n, ws.seed(), STREAM);
    try (Matrix x = pair.x().centred().toHost(ws);
        Matrix y = pair.y().centred().toHost(ws)) {
      double errors = 0;
      for (int fold = 0; fold < options.folds(); fold++) {
        int from = (int) ((long) n * fold / options.folds());
        int to = (int) ((long) n * (fold + 1) / options.folds());
        int[] test = Arrays.copyOfRange(order, from, to);
        int[] train = Arrays.copyOf(order, n - test.length);
        System.arraycopy(order, to, train, from, n - to);
        errors += error(x, y, train, test, ws);
      }
      return 1 - errors / pair.x().squaredNorm();
    }
  }

  /** Sum of squared errors of some samples of X, predicted by a map fitted to others. */
  private double error(Matrix x, Matrix y, int[] train, int[] test, Workspace ws) {
    try (Opened opened = new Opened()) {
      Matrix testX = opened.add(rows(x, test));
      Matrix testY = opened.add(rows(y, test));
      Matrix fittedX = opened.add(centred(x, train, testX, ws));
      Matrix fittedY = opened.add(centred(y, train, testY, ws));
      if (isNothing(fittedY, y, ws)) {
        // Nothing varies that could predict: what is left is the mean.
        return squares(testX, ws);
      }
      Basis basis = opened.add(Basis.of("Y", fittedY, ws));
      int r = basis.rank();
      double[] inverse = new double[r];
      for (int i = 0; i < r; i++) {
        double s = basis.singularValues()[i];
        inverse[i] = s / (s * s + options.lambda());
      }
      // Test samples of Y in the directions of the fit, then its coefficients: rank r throughout.
      Matrix directions = opened.add(basis.rightVectors(r));
      Tensor scaled = opened.add(directions.asTensor().scaledRows(inverse, ws));
      Matrix scores = opened.add(LinAlg.multiplyTransposed(testY, Matrix.of(scaled), ws));
      Matrix u = opened.add(basis.vectors(r));
      Matrix parts = opened.add(LinAlg.multiply(u, fittedX, ws));
      Matrix predicted = opened.add(LinAlg.multiply(scores, parts, ws));
      Matrix host = opened.add(predicted.toHost(ws));
      double sum = 0;
      for (int i = 0; i < test.length; i++) {
        double[] wanted = testX.row(i);
        double[] found = host.row(i);
        for (int j = 0; j < wanted.length; j++) {
          double error = wanted[j] - found[j];
          sum += error * error;
        }
      }
      return sum;
    }
  }

  /** Some rows less their means, which are taken from the test rows as well. */
  private static Matrix centred(Matrix x, int[] train, Matrix test, Workspace ws) {
    try (Matrix rows = rows(x, train);
        Opened opened = new Opened()) {
      Matrix centred = opened.add(Gram.centredColumns(rows, ws));
      Sample.shift(test, CentredBatch.mean(rows, centred, ws), ws);
      opened.release();
      return centred;
    }
  }

  /** Whether some rows differ by no more than the rounding of all. */
  private static boolean isNothing(Matrix centred, Matrix all, Workspace ws) {
    double rounding = all.rows() * Math.ulp(1.0);
    return !(squares(centred, ws) > rounding * rounding * squares(all, ws));
  }

  private static double squares(Matrix x, Workspace ws) {
    return Arrays.stream(LinAlg.rowProducts(x, x, ws)).sum();
  }

  private static Matrix rows(Matrix x, int[] which) {
    try (Opened opened = new Opened()) {
      Matrix rows = opened.add(Matrix.allocate(which.length, x.columns()));
      for (int i = 0; i < which.length; i++) {
        rows.setRow(i, x.row(which[i]));
      }
      opened.release();
      return rows;
    }
  }
}
