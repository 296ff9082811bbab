// SPDX-License-Identifier: Apache-2.0
package org.merganser.align;

import java.util.Arrays;
import java.util.EnumSet;
import java.util.Set;
import org.merganser.align.SpaceAlignment.Evidence;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.internal.Opened;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Polar;
import org.merganser.model.Architecture;
import org.merganser.model.FeatureSpace;
import org.merganser.stats.SpaceMoments;
import org.merganser.stats.StatisticsRequest;
import org.merganser.stats.StatisticsRequest.Part;

/**
 * Orthogonal Procrustes: the rotation (reflections included) of a model's activations nearest to
 * the reference's, {@code min_Q |X - Y Q^T|_F}, {@code T = polar(Sxy)}. The scaled form is {@code T
 * = s polar(Sxy)} with {@code s = sqrt(trace Sxx / trace Syy)}: the limits of CCA for large
 * absolute and relative gamma.
 *
 * <p>Exact only in spaces without nonlinearity. The score is {@code |Sxy|_* / sqrt(trace Sxx trace
 * Syy)}, in [0, 1] and 1 when the activations are equal up to a rotation and scale. Cost about 22
 * n^3 flops a space.
 *
 * <p>Source: Schönemann 1966, "A generalized solution of the orthogonal Procrustes problem".
 */
public final class ProcrustesAligner implements Aligner {
  /** Blocks with the reference; variances come with any request. */
  public static final StatisticsRequest REQUEST = StatisticsRequest.of(Part.REFERENCE_CROSS);

  private final boolean scaled;

  private ProcrustesAligner(boolean scaled) {
    this.scaled = scaled;
  }

  /** T orthogonal. */
  public static ProcrustesAligner orthogonal() {
    return new ProcrustesAligner(false);
  }

  /** T orthogonal times the ratio of the activations' sizes. */
  public static ProcrustesAligner scaled() {
    return new ProcrustesAligner(true);
  }

  @Override
  public String id() {
    return scaled ? "procrustes-scaled" : "procrustes";
  }

  @Override
  public String summary() {
    return "features rotated onto each other" + (scaled ? ", lengths matched too" : "");
  }

  @Override
  public Set<Trait> traits() {
    Set<Trait> traits =
        EnumSet.of(
            Trait.NEEDS_DATA,
            Trait.INVERTIBLE,
            Trait.KEEPS_EQUAL_MODELS,
            Trait.UNDOES_PERMUTATIONS,
            Trait.UNDOES_ROTATIONS,
            Trait.IGNORES_UNIT);
    if (scaled) {
      traits.add(Trait.UNDOES_SCALE);
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
    double sizeX = size(moments, space, 0);
    double sizeY = size(moments, space, model);
    try (Matrix sxy = moments.covariance(0, model, ws);
        Opened opened = new Opened()) {
      Polar polar = opened.add(Polar.of(sxy, ws));
      double[] spectrum =
          Arrays.stream(polar.singularValues()).map(s -> s / (sizeX * sizeY)).toArray();
      double score = Arrays.stream(spectrum).sum();
      FeatureMap map =
          scaled
              ? scaled(polar.factor(), sizeX / sizeY, ws)
              : LinearMap.orthogonal(polar.factor(), ws);
      Evidence evidence = Evidence.dense(moments.samples(), space.width(), score);
      opened.release();
      return new SpaceAlignment(map, score, spectrum, polar.completion(), evidence);
    }
  }

  /** Takes q over. */
  private static LinearMap scaled(Matrix q, double scale, Workspace ws) {
    double[] divisors = new double[Math.toIntExact(q.rows())];
    try (q;
        Matrix transpose = LinAlg.transpose(q, ws);
        Opened opened = new Opened()) {
      Arrays.fill(divisors, 1 / scale);
      Matrix map = opened.add(LinAlg.divide(q, divisors, null, ws));
      Arrays.fill(divisors, scale);
      Matrix inverse = LinAlg.divide(transpose, divisors, null, ws);
      opened.release();
      return LinearMap.of(map, inverse);
    }
  }

  /** Square root of the trace of the covariance. */
  private static double size(SpaceMoments moments, FeatureSpace space, int model) {
    double trace = Arrays.stream(moments.variance(model)).sum();
    if (!(trace > 0)) {
      throw new NumericalException(
          "space \""
              + space.id()
              + "\", model "
              + model
              + ": all "
              + space.width()
              + " features are constant; there is nothing to rotate");
    }
    return Math.sqrt(trace);
  }
}
