// SPDX-License-Identifier: Apache-2.0
package org.merganser.similarity;

import java.util.Arrays;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.internal.Opened;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Svd;
import org.merganser.linalg.Tensor;
import org.merganser.similarity.SimilarityMeasure.Route;
import org.merganser.stats.SpaceMoments;

/**
 * Canonical correlations of two bases: the singular values of {@code U_x^T U_y}, the cosines of the
 * principal angles between the spaces that both sides span over the samples. No covariance is
 * inverted.
 *
 * @param values decreasing, in [0, 1]
 * @param dimsX directions of X that were taken
 * @param dimsY of Y
 * @param forced how many are 1 whatever the data, since both spaces meet: {@code dimsX + dimsY - (n
 *     - 1)}, at least 0
 */
record Correlations(double[] values, int dimsX, int dimsY, int forced) {
  static Correlations of(Basis x, int dimsX, Basis y, int dimsY, int samples, Workspace ws) {
    try (Matrix cosines = Basis.overlap(x, dimsX, y, dimsY, ws);
        Svd svd = Svd.of(cosines, ws)) {
      return of(svd, dimsX, dimsY, samples);
    }
  }

  /**
   * The same from covariances, for what has no activations any more: the singular values of {@code
   * (Sxx + gx I)^-1/2 Sxy (Syy + gy I)^-1/2}, roots by eigenvectors, of which those below the
   * tolerance {@code p eps} of the largest are left out. The regularisers {@code g = gamma trace /
   * p} pull correlations towards 0.
   *
   * @return as many as features of the narrower side, 0 where the rank has an end
   */
  static double[] ofMoments(SpaceMoments moments, int i, int j, double gamma, Workspace ws) {
    try (Opened opened = new Opened()) {
      Matrix x = opened.add(whitening(opened.add(moments.covariance(i, i, ws)), gamma, ws));
      Matrix y = opened.add(whitening(opened.add(moments.covariance(j, j, ws)), gamma, ws));
      Matrix cross = opened.add(moments.covariance(i, j, ws));
      Matrix left = opened.add(LinAlg.multiply(x, cross, ws));
      Matrix cosines = opened.add(LinAlg.multiplyTransposed(left, y, ws));
      Svd svd = opened.add(Svd.of(cosines, ws));
      double[] values = of(svd, 0, 0, Integer.MAX_VALUE).values();
      return Arrays.copyOf(values, Math.min(moments.width(i), moments.width(j)));
    }
  }

  /** {@code (s + g)^-1/2 V^T} of a covariance, [r x p]. */
  private static Matrix whitening(Matrix covariance, double gamma, Workspace ws) {
    double g = gamma * covariance.trace(ws) / covariance.rows();
    try (Svd svd = Svd.of(covariance, ws)) {
      double[] s = svd.singularValues();
      double tolerance = s.length * Math.ulp(1.0) * s[0];
      double[] factors =
          Arrays.stream(s)
              .filter(each -> each > tolerance)
              .map(each -> 1 / Math.sqrt(each + g))
              .toArray();
      if (factors.length == 0) {
        throw new NumericalException("all features are constant; nothing correlates with them");
      }
      try (Tensor rows = svd.rightTransposed().asTensor().rows(0, factors.length)) {
        return Matrix.of(rows.scaledRows(factors, ws));
      }
    }
  }

  static Correlations of(Svd cosines, int dimsX, int dimsY, int samples) {
    double[] values =
        Arrays.stream(cosines.singularValues()).map(rho -> Math.min(1, Math.max(0, rho))).toArray();
    return new Correlations(values, dimsX, dimsY, Math.max(0, dimsX + dimsY - (samples - 1)));
  }

  double sum() {
    return Arrays.stream(values).sum();
  }

  double sumOfSquares() {
    return Arrays.stream(values).map(rho -> rho * rho).sum();
  }

  /** A value with the ranks, and the warning where correlations are forced. */
  Finding finding(double value, int samples) {
    Finding found =
        Finding.of(value, Route.FEATURE)
            .detail("dims-x", dimsX)
            .detail("dims-y", dimsY)
            .detail("forced", forced);
    if (forced > 0) {
      found.warn(
          "CCA_SATURATED",
          "CCA is not informative: "
              + forced
              + " of "
              + values.length
              + " correlations are 1 whatever the data, as the ranks "
              + dimsX
              + " and "
              + dimsY
              + " leave no room in "
              + samples
              + " samples; need n > "
              + (dimsX + dimsY)
              + ", or fewer directions (svcca)");
    }
    return found;
  }
}
