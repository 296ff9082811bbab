// SPDX-License-Identifier: Apache-2.0
package org.merganser.similarity;

import java.util.Arrays;
import org.merganser.compute.Workspace;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Svd;
import org.merganser.similarity.SimilarityMeasure.Route;

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
