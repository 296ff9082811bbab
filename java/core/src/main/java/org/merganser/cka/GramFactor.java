// SPDX-License-Identifier: Apache-2.0
package org.merganser.cka;

import org.merganser.compute.Workspace;
import org.merganser.internal.Opened;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Svd;
import org.merganser.linalg.Tensor;

/**
 * F with {@code F F^T = K}, [n x rank]: {@code V diag(s)^1/2} of {@code K = V diag(s) V^T}, the
 * samples up to a rotation. Directions are kept whose variance is above {@code n eps} times the
 * largest, with the eps of the products that K was summed of: a Gram holds half their digits, and
 * what is below is no direction.
 */
final class GramFactor {
  private GramFactor() {}

  /**
   * @param gram centred, not 0
   * @param epsilon of its products
   */
  static Matrix of(Matrix gram, double epsilon, Workspace ws) {
    try (Svd svd = Svd.of(gram, ws)) {
      double[] s = svd.singularValues();
      double least = s.length * epsilon * s[0];
      int rank = 0;
      while (rank < s.length && s[rank] > least) {
        rank++;
      }
      double[] scales = new double[rank];
      for (int r = 0; r < rank; r++) {
        scales[r] = Math.sqrt(s[r]);
      }
      try (Opened opened = new Opened();
          Tensor rows = svd.rightTransposed().asTensor().rows(0, rank);
          Tensor scaled = rows.scaledRows(scales, ws)) {
        Matrix factor = opened.add(LinAlg.transpose(Matrix.of(scaled), ws));
        opened.release();
        return factor;
      }
    }
  }
}
