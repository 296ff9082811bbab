// SPDX-License-Identifier: Apache-2.0
package org.merganser.cka;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.DoubleBinaryOperator;
import org.merganser.cka.ReliabilityReport.Check;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.internal.Seeds;
import org.merganser.linalg.Matrix;

/**
 * What changes of X do to CKA, measured on the data: those that must do nothing, and some that do.
 * On at most 512 samples, fewer of very wide ones. Rotations are products of reflections, which
 * take no p x p matrix; an invertible map is a rotation, a scale of 0.1 to 10 for each feature, and
 * another rotation.
 */
final class InvarianceCheck {
  private static final int MOST_SAMPLES = 512;
  private static final int LEAST_SAMPLES = 32;
  private static final long MOST_ELEMENTS = 1 << 21;
  private static final int REFLECTIONS = 8;

  private final double[][] x;
  private final double[][] y;

  /** The Gram of Y, which stays what it is; null where these samples of Y are all the same. */
  private final Matrix l;

  private final CkaKernel kernel;
  private final SplittableRandom random;
  private final Workspace ws;
  private final double value;

  private InvarianceCheck(double[][] x, double[][] y, Matrix l, CkaKernel kernel, Workspace ws) {
    this.x = x;
    this.y = y;
    this.l = l;
    this.kernel = kernel;
    this.random = Seeds.stream(ws.seed(), "cka changes");
    this.ws = ws;
    this.value = cka(x, l);
  }

  static List<Check> of(Matrix x, Matrix y, CkaKernel kernel, Workspace ws) {
    int n = Math.toIntExact(x.rows());
    long fitting = MOST_ELEMENTS / Math.max(x.columns(), y.columns());
    int kept = (int) Math.min(n, Math.max(LEAST_SAMPLES, Math.min(MOST_SAMPLES, fitting)));
    int[] rows = Arrays.copyOf(Seeds.order(n, ws.seed(), "cka changed samples"), kept);
    Arrays.sort(rows);
    try (Matrix left = Samples.rows(x, rows, ws);
        Matrix right = Samples.rows(y, rows, ws);
        Matrix l = gram(right, kernel, ws);
        Matrix hereX = left.toHost(ws);
        Matrix hereY = right.toHost(ws)) {
      return new InvarianceCheck(hereX.toArray(), hereY.toArray(), l, kernel, ws).all();
    }
  }

  /** Null where nothing varies. */
  private static Matrix gram(Matrix samples, CkaKernel kernel, Workspace ws) {
    try (Matrix centred = Samples.centred("samples", samples, ws)) {
      return kernel.centred("samples", centred, ws);
    } catch (NumericalException e) {
      return null;
    }
  }

  private List<Check> all() {
    List<Check> checks = new ArrayList<>();
    checks.add(same("rotation", rotated(x)));
    checks.add(same("scale of 10", map(x, (each, j) -> 10 * each)));
    double[] shift = gaussian(size());
    checks.add(same("translation", map(x, (each, j) -> each + shift[(int) j])));
    int[] order = order(x[0].length);
    double[][] permuted = copy(x);
    for (int i = 0; i < x.length; i++) {
      for (int j = 0; j < order.length; j++) {
        permuted[i][j] = x[i][order[j]];
      }
    }
    checks.add(same("order of features", permuted));
    int[] rows = order(x.length);
    checks.add(check("order of samples on both sides", true, reordered(rows)));
    double[] scales = new double[x[0].length];
    Arrays.setAll(scales, j -> Math.pow(10, 2 * random.nextDouble() - 1));
    checks.add(other("invertible map", rotated(map(rotated(x), (e, j) -> e * scales[(int) j]))));
    checks.add(other("standardised features", standardised()));
    checks.add(other("ReLU", map(x, (each, j) -> Math.max(0, each))));
    return checks;
  }

  private Check same(String name, double[][] changed) {
    return check(name, true, cka(changed, l));
  }

  private Check other(String name, double[][] changed) {
    return check(name, false, cka(changed, l));
  }

  private Check check(String name, boolean invariant, double changed) {
    return new Check(name, invariant, Math.abs(changed - value), x.length);
  }

  private double reordered(int[] rows) {
    try (Matrix right = Matrix.of(picked(y, rows));
        Matrix other = gram(right, kernel, ws)) {
      return cka(picked(x, rows), other);
    }
  }

  /** NaN where nothing varies on one side. */
  private double cka(double[][] samples, Matrix other) {
    try (Matrix left = Matrix.of(samples);
        Matrix k = gram(left, kernel, ws)) {
      return k == null || other == null ? Double.NaN : GramPair.Products.of(k, other, ws).cka();
    }
  }

  private double[][] rotated(double[][] samples) {
    double[][] turned = copy(samples);
    int p = samples[0].length;
    for (int round = 0; round < REFLECTIONS; round++) {
      double[] u = gaussian(1);
      double square = Translation.dot(u, u);
      for (double[] row : turned) {
        double along = 2 * Translation.dot(row, u) / square;
        for (int j = 0; j < p; j++) {
          row[j] -= along * u[j];
        }
      }
    }
    return turned;
  }

  private double[][] standardised() {
    int p = x[0].length;
    double[] mean = new double[p];
    double[] square = new double[p];
    for (double[] row : x) {
      for (int j = 0; j < p; j++) {
        mean[j] += row[j] / x.length;
      }
    }
    for (double[] row : x) {
      for (int j = 0; j < p; j++) {
        square[j] += (row[j] - mean[j]) * (row[j] - mean[j]) / x.length;
      }
    }
    double rounding = x.length * Math.ulp(1.0);
    return map(
        x,
        (each, at) -> {
          int j = (int) at;
          double deviation = Math.sqrt(square[j]);
          // A constant feature stays one.
          return deviation > rounding * Math.abs(mean[j]) ? (each - mean[j]) / deviation : 0;
        });
  }

  /** About the size of the entries of X. */
  private double size() {
    double sum = 0;
    for (double[] row : x) {
      sum += Translation.dot(row, row) / row.length;
    }
    return Math.sqrt(sum / x.length);
  }

  private double[] gaussian(double scale) {
    double[] values = new double[x[0].length];
    Arrays.setAll(values, j -> scale * random.nextGaussian());
    return values;
  }

  private int[] order(int count) {
    return Seeds.order(count, random.nextLong(), "cka order");
  }

  private static double[][] picked(double[][] samples, int[] rows) {
    return Arrays.stream(rows).mapToObj(i -> samples[i]).toArray(double[][]::new);
  }

  private static double[][] copy(double[][] samples) {
    return Arrays.stream(samples).map(double[]::clone).toArray(double[][]::new);
  }

  /** Of an entry and its feature. */
  private static double[][] map(double[][] samples, DoubleBinaryOperator of) {
    double[][] mapped = copy(samples);
    for (double[] row : mapped) {
      for (int j = 0; j < row.length; j++) {
        row[j] = of.applyAsDouble(row[j], j);
      }
    }
    return mapped;
  }
}
