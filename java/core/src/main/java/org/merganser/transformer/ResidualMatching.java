// SPDX-License-Identifier: Apache-2.0
package org.merganser.transformer;

import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Polar;

/**
 * The map R of the residual stream of the source into that of the target that maximises {@code
 * trace(R^T N)}, N = sum of {@code T^T S} over everything whose rows (once transposed, where it
 * writes) lie in the stream: an orthogonal one by the polar factor, or a signed permutation by
 * assignment.
 */
final class ResidualMatching {
  private ResidualMatching() {}

  /** R, d x d on the host. */
  static Matrix orthogonal(Matrix n, Workspace ws) {
    try (Polar polar = Polar.factorOnly(n, DType.F64, ws)) {
      return polar.factor().toHost(ws);
    }
  }

  /**
   * A signed permutation.
   *
   * @param signs of the target's features
   */
  record Signed(int[] features, int[] signs) {}

  /**
   * Features of the source by those of the target.
   *
   * @param n on the host
   * @param gains products of gains, which have no sign to change: [d x d], rows of the target; what
   *     is added to magnitudes
   * @param signed whether signs are free; else all are 1
   */
  static Signed permutation(Matrix n, Matrix gains, boolean signed, Workspace ws) {
    int d = Math.toIntExact(n.rows());
    double[] products = new double[d];
    double[] magnitudes = new double[d];
    Rows rows = Rows.of(n);
    Rows others = Rows.of(gains);
    try (Matrix c = Matrix.allocate(d, d)) {
      for (int i = 0; i < d; i++) {
        rows.read(i, products);
        others.read(i, magnitudes);
        for (int j = 0; j < d; j++) {
          magnitudes[j] += signed ? Math.abs(products[j]) : products[j];
        }
        Rows.write(c, i, magnitudes);
      }
      int[] features = Matchings.best(c, null, ws).assignment().columns();
      int[] signs = new int[d];
      for (int i = 0; i < d; i++) {
        signs[i] = signed && n.get(i, features[i]) < 0 ? -1 : 1;
      }
      return new Signed(features, signs);
    }
  }
}
