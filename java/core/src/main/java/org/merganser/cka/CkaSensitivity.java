// SPDX-License-Identifier: Apache-2.0
package org.merganser.cka;

import java.util.Arrays;
import java.util.function.DoubleUnaryOperator;
import org.merganser.compute.Workspace;
import org.merganser.error.ShapeException;
import org.merganser.internal.Directions;
import org.merganser.linalg.Gram;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Svd;
import org.merganser.similarity.SimilarityMeasure;

/**
 * What linear CKA says of X beside {@code Y = X + c 1_S v^T}, the same samples with a subset S
 * moved by {@code c v}, for every c at once (Davari et al. 2023).
 *
 * <p>With rho the share of S, {@code s = 1_S - rho 1}, {@code q = |s|^2}, {@code C = Xc^T Xc} of
 * centred X, {@code m = Xc^T s} and |v| = 1
 *
 * <pre>
 * CKA(c) = (|C|^2 + 2 c v'Cm + c^2 |m|^2)
 *        / (|C| sqrt(|C|^2 + 4 c v'Cm + c^2 (2 |m|^2 + 2 (m'v)^2 + 2 q v'Cv) + 4 c^3 q m'v + c^4 q^2))
 * limit  = |m|^2 / (q |C|) = CKA(X, 1_S)
 * </pre>
 *
 * <p>so far away only who was moved counts, not where to; for one sample it is {@code n/(n-1)
 * K_ii/|K|}, near 0 for many samples although all others stayed. The curve need not be monotone.
 * Immutable, and each further c costs a few operations.
 */
public final class CkaSensitivity {
  private static final double SCAN_FROM = 1e-4;
  private static final double SCAN_TO = 1e9;
  private static final double SCAN_STEP = 1.05;

  private final Translation translation;
  private final Translation debiased;
  private final double length;
  private final double radius;
  private final int samples;

  private CkaSensitivity(
      Translation translation, Translation debiased, double length, double radius, int samples) {
    this.translation = translation;
    this.samples = samples;
    this.debiased = debiased;
    this.length = length;
    this.radius = radius;
  }

  /**
   * @param x samples, [n x p], F64
   * @param subset rows of S, each once: some, not all
   * @param direction v, p numbers; c is in units of its length
   * @throws IllegalArgumentException for an empty subset, one of all samples, and v = 0
   * @throws org.merganser.error.NumericalException where X is not finite or constant
   */
  public static CkaSensitivity of(Matrix x, int[] subset, double[] direction, Workspace ws) {
    boolean[] inside = Subsets.inside(subset, x.rows());
    try (Matrix centred = Samples.centred("X", x, ws);
        Matrix gram = Gram.linear(centred, ws)) {
      double norm = Translation.sum(LinAlg.rowProducts(gram, gram, ws));
      double[] a = projections(centred, direction, ws);
      CkaSensitivity biased = biased(gram, norm, inside, a, length(direction), ws);
      if (inside.length < Samples.LEAST_DEBIASED) {
        return biased;
      }
      return new CkaSensitivity(
          biased.translation,
          debiased(gram, centred, inside, a, ws),
          biased.length,
          biased.radius,
          inside.length);
    }
  }

  /**
   * From the centred Gram of centred X, without the unbiased estimator.
   *
   * @param norm squared norm of the Gram
   * @param a projections on the direction
   * @param length of the direction
   */
  static CkaSensitivity biased(
      Matrix gram, double norm, boolean[] inside, double[] a, double length, Workspace ws) {
    double[] s = Subsets.centredIndicator(inside);
    Translation biased = Translation.biased(norm, s, Vectors.times(gram, s, ws), a);
    double radius = Math.sqrt(gram.trace(ws) / inside.length);
    return new CkaSensitivity(biased, null, length, radius, inside.length);
  }

  /** Null where nothing is left of the U-centred Gram. */
  private static Translation debiased(
      Matrix gram, Matrix centred, boolean[] inside, double[] a, Workspace ws) {
    try (Matrix u = gram.on(ws)) {
      Gram.uCentre(u, ws);
      double norm = Translation.sum(LinAlg.rowProducts(u, u, ws));
      if (!Samples.isSeen(norm, centred, ws)) {
        return null;
      }
      double[] us = Vectors.times(u, Subsets.indicator(inside), ws);
      return Translation.debiased(norm, inside, us, a);
    }
  }

  private static double length(double[] direction) {
    return Math.sqrt(Translation.dot(direction, direction));
  }

  /** {@code Xc v / |v|}. */
  static double[] projections(Matrix centred, double[] direction, Workspace ws) {
    double length = length(direction);
    if (!(length > 0) || Double.isInfinite(length)) {
      throw new IllegalArgumentException(
          "the direction has length " + length + "; give a finite one that is not 0");
    }
    if (direction.length != centred.columns()) {
      throw new ShapeException(
          direction.length + " numbers for a direction of " + centred.columns() + " features");
    }
    return Vectors.times(
        centred, Arrays.stream(direction).map(each -> each / length).toArray(), ws);
  }

  /**
   * The same with the unbiased estimator of HSIC. For one sample its limit is another one for c to
   * minus infinity, with the opposite sign.
   *
   * @throws IllegalArgumentException for fewer than 4 samples
   * @throws org.merganser.error.NumericalException where one sample alone differs from the others
   */
  public CkaSensitivity debiased() {
    Samples.requireDebiased(samples);
    if (debiased == null) {
      throw Samples.unseen("X");
    }
    return new CkaSensitivity(debiased, debiased, length, radius, samples);
  }

  /**
   * CKA of X and {@code X + c 1_S v^T}.
   *
   * @throws org.merganser.error.NumericalException where that moves all samples to one point
   */
  public double at(double c) {
    return translation.at(c * length);
  }

  /** The values at each c. */
  public double[] curve(double... c) {
    return Arrays.stream(c).map(this::at).toArray();
  }

  /** For c to infinity. */
  public double limit() {
    return translation.limit();
  }

  /**
   * {@code sqrt(E |x - mean|^2)}, the size of the cloud of samples: a measure for {@code c |v|}.
   */
  public double radius() {
    return radius;
  }

  /**
   * The first c &gt; 0 where CKA has fallen halfway from 1 to its limit, {@code (1 + limit) / 2};
   * infinite where it never does, X being two points, S and the rest.
   */
  public double halfDistance() {
    double half = (1 + limit()) / 2;
    if (half > 1 - 1e-12) {
      return Double.POSITIVE_INFINITY;
    }
    DoubleUnaryOperator above = c -> translation.at(c) - half;
    double unit = radius;
    double from = 0;
    for (double to = SCAN_FROM * unit; to < SCAN_TO * unit; to *= SCAN_STEP) {
      if (above.applyAsDouble(to) <= 0) {
        return bisected(above, from, to) / length;
      }
      from = to;
    }
    return Double.POSITIVE_INFINITY;
  }

  private static double bisected(DoubleUnaryOperator above, double from, double to) {
    double low = from;
    double high = to;
    for (double middle = (low + high) / 2; low < middle && middle < high; ) {
      if (above.applyAsDouble(middle) > 0) {
        low = middle;
      } else {
        high = middle;
      }
      middle = (low + high) / 2;
    }
    return high;
  }

  /**
   * Where RBF CKA of X and X with a subset moved goes for c to infinity, whatever the direction.
   *
   * @param grows whether the bandwidth grows with c, for more than half of the distances do: only
   *     membership is left then, as with the linear kernel; else the kernel is 0 between both sides
   *     and stays what it is among them, so that one outlier does little
   * @param bandwidthX {@code t m} of X
   * @param bandwidthY of what was moved; infinite where it grows
   */
  public record RbfLimit(double value, boolean grows, double bandwidthX, double bandwidthY) {}

  /**
   * For kernels {@code exp(-|x - y|^2 / (2 t^2 m^2))} with m^2 the median squared distance of
   * different samples. For small t both Grams are near the identity and the value near 1 whatever
   * happens.
   *
   * @param frozen whether the bandwidth of X serves for both sides; else each has its own
   * @throws IllegalArgumentException also for more than 8192 samples
   * @throws org.merganser.error.NumericalException also where half of the pairs of samples are the
   *     same
   */
  public static RbfLimit rbfLimit(Matrix x, int[] subset, double t, boolean frozen, Workspace ws) {
    return RbfTranslation.limit(x, subset, t, frozen, ws);
  }

  /**
   * The gradient of linear CKA of X and Y in X, [n x p], new, on the Workspace:
   *
   * <pre>2 (L / (|K| |L|) - CKA K / |K|^2) X</pre>
   *
   * <p>with centred Grams K of X and L of Y; U-centred ones for the unbiased estimator.
   *
   * @param estimator of HSIC; the unbiased one takes 4 samples
   */
  public static Matrix gradient(
      Matrix x, Matrix y, SimilarityMeasure.Estimator estimator, Workspace ws) {
    return CkaGradient.of(x, y, estimator == SimilarityMeasure.Estimator.DEBIASED, ws);
  }

  /**
   * A random direction of length 1 that a linear readout does not see, {@code W v = 0}: logits stay
   * what they are however far samples are moved.
   *
   * @param readout W, [classes x p]
   * @param seed of the direction
   * @throws IllegalArgumentException where the rows of W span all p features
   */
  public static double[] unseenBy(Matrix readout, long seed, Workspace ws) {
    int p = Math.toIntExact(readout.columns());
    double[] v = Directions.random(p, seed);
    try (Matrix wide = Samples.wide(readout, ws);
        Svd svd = Svd.of(wide, ws);
        Matrix rows = svd.rightTransposed().toHost(ws)) {
      double[] sigma = svd.singularValues();
      double tolerance = Math.max(readout.rows(), p) * Math.ulp(1.0) * sigma[0];
      int rank = (int) Arrays.stream(sigma).filter(each -> each > tolerance).count();
      if (rank == p) {
        throw new IllegalArgumentException(
            "the rows of the readout, a %s, span all %d features: every direction changes logits"
                .formatted(readout, p));
      }
      // Twice: what rounding leaves of the rows goes with the second.
      for (int round = 0; round < 2; round++) {
        for (int r = 0; r < rank; r++) {
          double[] row = rows.row(r);
          double along = Translation.dot(row, v);
          for (int j = 0; j < p; j++) {
            v[j] -= along * row[j];
          }
        }
        Directions.normalise(v);
      }
    }
    return v;
  }

  @Override
  public String toString() {
    return "CkaSensitivity: limit " + limit();
  }
}
