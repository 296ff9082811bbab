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
    if (map.referenceWidth() != moments.width(0) || map.width() != moments.width(model)) {
      throw new ShapeException(
          "a map of "
              + map.width()
              + (map.isInvertible() ? "" : " into " + map.referenceWidth())
              + " features for moments of "
              + moments.width(0)
              + " and "
              + moments.width(model));
    }
    return Side.OUT
        .of(map)
        .map(dense -> ofDense(moments, model, dense, ws))
        .orElseGet(() -> ofPairs(moments, model, map, ws));
  }

  private static double[] ofPairs(SpaceMoments moments, int model, FeatureMap map, Workspace ws) {
    int[] partner = new int[Math.toIntExact(map.width())];
    double[] scale = new double[partner.length];
    for (int r = 0; r < partner.length; r++) {
      partner[r] = r;
      scale[r] = 1;
    }
    if (map instanceof ScaledPermutation permutation) {
      partner = permutation.permutation();
      scale = permutation.scales();
    }
    try (Matrix correlation = moments.correlation(0, model, ws)) {
      double[] found = correlation.entries(partner, ws);
      for (int r = 0; r < found.length; r++) {
        found[r] *= Math.signum(scale[r]);
      }
      return found;
    }
  }

  private static double[] ofDense(SpaceMoments moments, int model, Matrix map, Workspace ws) {
    double[] found = new double[Math.toIntExact(map.rows())];
    boolean[] dead = moments.dead(0);
    double[] variance = moments.variance(0);
    try (Matrix own = moments.covariance(model, model, ws);
        Matrix cross = moments.covariance(0, model, ws);
        Matrix mapped = LinAlg.multiply(map, own, ws)) {
      double[] covariance = LinAlg.rowProducts(map, cross, ws);
      double[] mappedVariance = LinAlg.rowProducts(map, mapped, ws);
      for (int r = 0; r < found.length; r++) {
        if (!dead[r] && mappedVariance[r] > 0) {
          // The roots apart: the product of two variances may overflow or underflow.
          found[r] = covariance[r] / (Math.sqrt(variance[r]) * Math.sqrt(mappedVariance[r]));
        }
      }
    }
    return found;
  }
}
