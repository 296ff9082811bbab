// SPDX-License-Identifier: Apache-2.0
package org.merganser.similarity;

import java.util.Arrays;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.merganser.similarity.SimilarityMeasure.Estimator;
import org.merganser.similarity.SimilarityMeasure.Route;

/**
 * HSIC of X with Y, and of each with itself, by one estimator.
 *
 * @param noiseX what rounding alone may make of {@code xx}
 * @param noiseY likewise
 */
record HsicSums(double xy, double xx, double yy, double noiseX, double noiseY) {
  static final HsicSums ZERO = new HsicSums(0, 0, 0, 0, 0);

  private static final double EPS = Math.ulp(1.0);

  /** Which sums of two Gram matrices K, L are formed. */
  enum Form {
    /** {@code <K, L> / (n-1)^2} of centred ones. */
    BIASED,
    /** {@code <U(K), U(L)> / (n(n-3))}. */
    DEBIASED,
    /** {@code <K, L>} of centred ones without their diagonals. */
    OFF_DIAGONAL;

    static Form of(Estimator estimator) {
      return estimator == Estimator.BIASED ? BIASED : DEBIASED;
    }

    private double divisor(double n) {
      return switch (this) {
        case BIASED -> (n - 1) * (n - 1);
        case DEBIASED -> n * (n - 3);
        case OFF_DIAGONAL -> 1;
      };
    }
  }

  /** The cheaper one: {@code n (p+q)^2} flops through features, {@code n^2 (p+q)} otherwise. */
  static Route route(Route wanted, Matrix x, Matrix y) {
    if (wanted != Route.AUTO) {
      return wanted;
    }
    return x.rows() < x.columns() + y.columns() ? Route.GRAM : Route.FEATURE;
  }

  /**
   * Of linear kernels, by either route: with {@code r, t} the squared norms of the samples and
   * {@code s = |X^T Y|^2 = <K, L>},
   *
   * <pre>
   *   biased (n-1)^2 = s
   *   debiased n(n-3) = s - n/(n-2) sum r t + sum r sum t / ((n-1)(n-2))
   * </pre>
   *
   * @param x centred, F64
   * @param y centred, F64
   */
  static HsicSums linear(Matrix x, Matrix y, Form form, Route wanted, Workspace ws) {
    double[] r = LinAlg.rowProducts(x, x, ws);
    double[] t = LinAlg.rowProducts(y, y, ws);
    double[] s = route(wanted, x, y) == Route.GRAM ? ofSamples(x, y, ws) : ofFeatures(x, y, ws);
    double n = x.rows();
    double divisor = form.divisor(n);
    return new HsicSums(
        linear(s[0], r, t, form, n) / divisor,
        linear(s[1], r, r, form, n) / divisor,
        linear(s[2], t, t, form, n) / divisor,
        n * EPS * s[1] / divisor,
        n * EPS * s[2] / divisor);
  }

  private static double linear(double product, double[] r, double[] t, Form form, double n) {
    if (form == Form.BIASED) {
      return product;
    }
    double diagonal = 0;
    for (int i = 0; i < r.length; i++) {
      diagonal += r[i] * t[i];
    }
    if (form == Form.OFF_DIAGONAL) {
      return product - diagonal;
    }
    double sums = Arrays.stream(r).sum() * Arrays.stream(t).sum();
    return product - n / (n - 2) * diagonal + sums / ((n - 1) * (n - 2));
  }

  /** {@code |X^T Y|^2, |X^T X|^2, |Y^T Y|^2}. */
  private static double[] ofFeatures(Matrix x, Matrix y, Workspace ws) {
    return new double[] {squaredNorm(x, y, ws), squaredNorm(x, x, ws), squaredNorm(y, y, ws)};
  }

  private static double squaredNorm(Matrix x, Matrix y, Workspace ws) {
    try (Matrix cross = LinAlg.transposeMultiply(x, y, ws)) {
      return inner(cross, cross, ws);
    }
  }

  /** {@code <K, L>, <K, K>, <L, L>}, the same. */
  private static double[] ofSamples(Matrix x, Matrix y, Workspace ws) {
    try (Matrix k = LinAlg.multiplyTransposed(x, x, ws);
        Matrix l = LinAlg.multiplyTransposed(y, y, ws)) {
      return new double[] {inner(k, l, ws), inner(k, k, ws), inner(l, l, ws)};
    }
  }

  /**
   * Of other kernels.
   *
   * @param k centred or U-centred, as the form wants it; elements of at most 1
   * @param l likewise
   */
  static HsicSums of(Matrix k, Matrix l, Form form, Workspace ws) {
    double n = k.rows();
    double divisor = form.divisor(n);
    double noise = n * n * EPS * (n * n * EPS) / divisor;
    return new HsicSums(
        inner(k, l, ws) / divisor,
        inner(k, k, ws) / divisor,
        inner(l, l, ws) / divisor,
        noise,
        noise);
  }

  /** {@code <A, B>}, the sum of products of elements. */
  static double inner(Matrix a, Matrix b, Workspace ws) {
    return Arrays.stream(LinAlg.rowProducts(a, b, ws)).sum();
  }

  /** The sum of this and a multiple of another. */
  HsicSums plus(double weight, HsicSums other) {
    return new HsicSums(
        xy + weight * other.xy,
        xx + weight * other.xx,
        yy + weight * other.yy,
        noiseX + weight * other.noiseX,
        noiseY + weight * other.noiseY);
  }

  /**
   * {@code xy / sqrt(xx yy)}, CKA.
   *
   * @throws NumericalException where {@code xx} or {@code yy} is no more than rounding
   */
  double cosine() {
    requireVaried("X", xx, noiseX);
    requireVaried("Y", yy, noiseY);
    // The roots apart: the product of two fourth powers may overflow or underflow.
    return Math.max(-1, Math.min(1, xy / Math.sqrt(xx) / Math.sqrt(yy)));
  }

  private static void requireVaried(String name, double own, double noise) {
    if (own <= noise) {
      throw new NumericalException(
          name
              + ": nothing but rounding is left of its centred Gram matrix, as when one sample"
              + " differs from all others and these are equal, so the value is undefined; take the"
              + " biased estimator, or other samples");
    }
  }
}
