// SPDX-License-Identifier: Apache-2.0
package org.merganser.align;

import java.util.Arrays;
import java.util.EnumSet;
import java.util.Set;
import org.merganser.align.SpaceAlignment.Evidence;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.internal.Opened;
import org.merganser.linalg.Cca;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Polar.Completion;
import org.merganser.method.Setting;
import org.merganser.method.Settings;
import org.merganser.model.Architecture;
import org.merganser.model.FeatureSpace;
import org.merganser.stats.SpaceMoments;
import org.merganser.stats.StatisticsRequest;
import org.merganser.stats.StatisticsRequest.Part;

/**
 * Ridge regression: features of the reference predicted from those of the model on the writing
 * side, and the other way round on the reading side, each by least squares with a penalty.
 *
 * <pre>
 *   T = Sxy (Syy + ly I)^-1  [n_ref x n],   S = Syx (Sxx + lx I)^-1  [n x n_ref]
 * </pre>
 *
 * x the reference's activations, y the model's; {@code l} absolute, or relative: {@code lx = lambda
 * trace(Sxx) / n_ref}. A pair of maps: S is no inverse of T, and widths may differ. A regression
 * shrinks what it cannot predict, so a model aligned to itself does not stay as it is unless lambda
 * is 0.
 *
 * <p>No function is kept exactly: merged models are judged by their own accuracy. Fails when a
 * model has no variance at all, or with lambda = 0 and fewer samples than features. The score is
 * the mean correlation of features with their predictions, which the spectrum lists. Cost about 25
 * n^3 flops a space and side.
 *
 * <p>Source: Hoerl and Kennard 1970, "Ridge regression: biased estimation for nonorthogonal
 * problems".
 */
public final class RidgeAligner implements Aligner {
  /** Own blocks of all models and their blocks with the reference. */
  public static final StatisticsRequest REQUEST =
      StatisticsRequest.of(Part.OWN, Part.REFERENCE_CROSS);

  /** Settings. */
  public record Options(
      @Setting(value = "penalty of both regressions", min = 0) double lambda,
      @Setting("lambda in mean variances of the side that predicts, or in units of variance")
          Unit unit) {
    public Options {
      Settings.check(Options.class, lambda, unit);
    }

    /**
     * Relative lambda 0.1: of 0.001, 0.01, 0.1 and 1 what most pairs of perceptrons choose on
     * samples that no model was trained on (6 of 9, on blobs and on the embedded images).
     */
    public static Options defaults() {
      return new Options(0.1, Unit.RELATIVE);
    }

    public Options withLambda(double value) {
      return new Options(value, unit);
    }

    public Options withUnit(Unit value) {
      return new Options(lambda, value);
    }
  }

  private final Options options;
  private final Regulariser lambda;

  private RidgeAligner(Options options) {
    this.options = options;
    this.lambda = new Regulariser("lambda", options.lambda(), options.unit());
  }

  public static RidgeAligner relativeLambda(double lambda) {
    return new RidgeAligner(new Options(lambda, Unit.RELATIVE));
  }

  public static RidgeAligner absoluteLambda(double lambda) {
    return new RidgeAligner(new Options(lambda, Unit.ABSOLUTE));
  }

  public static RidgeAligner of(Options options) {
    return new RidgeAligner(options);
  }

  @Override
  public String id() {
    return "ridge";
  }

  @Override
  public String summary() {
    return "features predicted by ridge regression, both ways";
  }

  @Override
  public Options options() {
    return options;
  }

  @Override
  public Set<Trait> traits() {
    Set<Trait> traits =
        EnumSet.of(
            Trait.NEEDS_DATA, Trait.ANY_WIDTHS, Trait.UNDOES_PERMUTATIONS, Trait.UNDOES_ROTATIONS);
    if (options.unit() == Unit.RELATIVE || options.lambda() == 0) {
      traits.add(Trait.UNDOES_SCALE);
      traits.add(Trait.IGNORES_UNIT);
    }
    if (options.lambda() == 0) {
      traits.add(Trait.KEEPS_EQUAL_MODELS);
      traits.add(Trait.UNDOES_FEATURE_SCALES);
    }
    return traits;
  }

  @Override
  public StatisticsRequest request(Architecture architecture) {
    return REQUEST;
  }

  @Override
  public AlignmentSet align(AlignmentProblem problem, Workspace ws) {
    return AllToFirst.align(this, problem, this::alignSpace, ws);
  }

  private SpaceAlignment alignSpace(
      FeatureSpace space, SpaceMoments moments, int model, Workspace ws) {
    try (Matrix sxx = moments.covariance(0, 0, ws);
        Matrix syy = moments.covariance(model, model, ws);
        Matrix sxy = moments.covariance(0, model, ws);
        Matrix syx = LinAlg.transpose(sxy, ws);
        Opened opened = new Opened()) {
      Matrix out = opened.add(regression(sxy, syy, space, moments, model, ws));
      Matrix in = opened.add(regression(syx, sxx, space, moments, 0, ws));
      FeatureMap map = MapPair.of(out, in);
      double[] matched = MatchedCorrelation.of(moments, model, map, ws);
      double mean = Arrays.stream(matched).average().orElse(0);
      opened.release();
      return new SpaceAlignment(
          map,
          mean,
          SpaceAlignment.decreasing(matched),
          Completion.NONE,
          Evidence.regression(moments.samples(), space.width(), mean));
    }
  }

  /**
   * {@code C (S + l I)^-1} of a cross-covariance C and the covariance S of what predicts. With t
   * the trace of S, the CCA map W of what predicts into features of covariance {@code t I} has
   * {@code W^T W = t (S + l I)^-1}, whatever rotation it ends with. (Those features are S/t times
   * what predicts; correlations with them are at most 1.)
   */
  private Matrix regression(
      Matrix cross,
      Matrix own,
      FeatureSpace space,
      SpaceMoments moments,
      int predictor,
      Workspace ws) {
    double trace = own.trace(ws);
    double penalty = lambda(trace, own.rows(), space, moments, predictor);
    double[] divisors = new double[Math.toIntExact(cross.rows())];
    Arrays.fill(divisors, trace);
    try (Matrix round = scaledIdentity(own.rows(), trace);
        Cca whitening = Cca.mapOnly(round, own, own, 0, penalty, DType.F64, ws);
        Matrix scaled = LinAlg.divide(cross, divisors, null, ws);
        Matrix halfway = LinAlg.multiplyTransposed(scaled, whitening.map(), ws)) {
      return LinAlg.multiply(halfway, whitening.map(), ws);
    }
  }

  private static Matrix scaledIdentity(long n, double scale) {
    Matrix matrix = Matrix.zeros(n, n);
    for (long i = 0; i < n; i++) {
      matrix.set(i, i, scale);
    }
    return matrix;
  }

  private double lambda(
      double trace, long width, FeatureSpace space, SpaceMoments moments, int predictor) {
    String where = "space \"" + space.id() + "\", model " + predictor;
    double penalty = lambda.of(trace, width, where, "nothing can be predicted from them");
    lambda.requireSamples(moments.samples(), width, where);
    return penalty;
  }
}
