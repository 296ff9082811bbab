// SPDX-License-Identifier: Apache-2.0
package org.merganser.similarity;

import java.util.Arrays;
import org.merganser.compute.Workspace;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Svd;
import org.merganser.linalg.Tensor;
import org.merganser.similarity.SimilarityMeasure.Route;

/**
 * The nuclear norm of {@code X^T Y}, the most that a rotation brings together.
 *
 * @param route that it came by
 */
record NuclearNorm(double value, Route route) {
  /**
   * Singular values of the p x q product; where both have more features than samples, those of
   * {@code S_x U_x^T U_y S_y}, n x n, with thin decompositions.
   */
  static NuclearNorm of(Pair pair, Workspace ws) {
    Sample x = pair.x();
    Sample y = pair.y();
    if (Math.min(x.columns(), y.columns()) > pair.samples()) {
      try (Basis left = Basis.of(x, ws);
          Basis right = Basis.of(y, ws);
          Matrix scaledX = scaled(left, ws);
          Matrix scaledY = scaled(right, ws);
          Matrix product = LinAlg.multiplyTransposed(scaledX, scaledY, ws)) {
        return new NuclearNorm(sum(product, ws), Route.GRAM);
      }
    }
    try (Matrix cross = LinAlg.transposeMultiply(x.centred(), y.centred(), ws)) {
      return new NuclearNorm(sum(cross, ws), Route.FEATURE);
    }
  }

  /** {@code S U^T}, [r x n]. */
  private static Matrix scaled(Basis basis, Workspace ws) {
    double[] s = Arrays.copyOf(basis.singularValues(), basis.rank());
    try (Matrix vectors = basis.vectors(s.length)) {
      Tensor scaled = vectors.asTensor().scaledRows(s, ws);
      return Matrix.of(scaled);
    }
  }

  private static double sum(Matrix a, Workspace ws) {
    try (Svd svd = Svd.of(a, ws)) {
      return Arrays.stream(svd.singularValues()).sum();
    }
  }
}
