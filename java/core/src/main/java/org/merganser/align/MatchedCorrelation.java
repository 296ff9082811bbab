// SPDX-License-Identifier: Apache-2.0
package org.merganser.align;

import org.merganser.compute.Workspace;
import org.merganser.error.ShapeException;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.merganser.stats.SpaceMoments;

/** Computes {@link FeatureMap#matchedCorrelations}. */
final class MatchedCorrelation {
  private MatchedCorrelation() {}

  static double[] of(SpaceMoments moments, int model, FeatureMap map, Workspace ws) {
    if (map.width() != moments.width(0) || map.width() != moments.width(model)) {
      throw new ShapeException(
          "a map of "
              + map.width()
              + " features for moments of "
              + moments.width(0)
              + " and "
              + moments.width(model));
    }
    return map instanceof LinearMap dense
        ? ofDense(moments, model, dense.matrix(), ws)
        : ofPairs(moments, model, map);
  }

  private static double[] ofPairs(SpaceMoments moments, int model, FeatureMap map) {
    double[] found = new double[Math.toIntExact(map.width())];
    int[] partner = new int[found.length];
    double[] scale = new double[found.length];
    for (int r = 0; r < found.length; r++) {
      partner[r] = r;
      scale[r] = 1;
    }
    if (map instanceof ScaledPermutation permutation) {
      partner = permutation.permutation();
      scale = permutation.scales();
    }
    try (Matrix correlation = moments.correlation(0, model)) {
      for (int r = 0; r < found.length; r++) {
        found[r] = Math.signum(scale[r]) * correlation.get(r, partner[r]);
      }
    }
    return found;
  }

  private static double[] ofDense(SpaceMoments moments, int model, Matrix map, Workspace ws) {
    double[] found = new double[Math.toIntExact(map.rows())];
    boolean[] dead = moments.dead(0);
    double[] variance = moments.variance(0);
    try (Matrix own = moments.covariance(model, model);
        Matrix cross = moments.covariance(0, model);
        Matrix mapped = LinAlg.multiply(map, own, ws)) {
      for (int r = 0; r < found.length; r++) {
        double covariance = 0;
        double mappedVariance = 0;
        for (int c = 0; c < found.length; c++) {
          covariance += map.get(r, c) * cross.get(r, c);
          mappedVariance += map.get(r, c) * mapped.get(r, c);
        }
        if (!dead[r] && mappedVariance > 0) {
          // The roots apart: the product of two variances may overflow or underflow.
          found[r] = covariance / (Math.sqrt(variance[r]) * Math.sqrt(mappedVariance));
        }
      }
    }
    return found;
  }
}
