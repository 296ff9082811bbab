// SPDX-License-Identifier: Apache-2.0
package org.merganser.lora;

import java.util.Arrays;
import org.merganser.compute.Workspace;
import org.merganser.internal.Opened;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Svd;
import org.merganser.linalg.Tensor;

/**
 * The singular value decomposition {@code B A = U diag(s) V^T} of a product of factors, A [R x in]
 * and B [out x R], by those of the factors and of an R x R matrix between them; the product is
 * never formed. F64.
 *
 * <pre>
 *   B^T = P_b D_b Q_b^T,  A = P_a D_a Q_a^T          thin, of R rows
 *   D_b P_b^T P_a D_a = X diag(s) Y^T,  U = Q_b X,  V = Q_a Y
 * </pre>
 *
 * <p>It owns its factors.
 */
record LowRank(Matrix leftTransposed, double[] values, Matrix rightTransposed)
    implements AutoCloseable {

  /**
   * @param bTransposed [R x out]
   * @param a [R x in]
   */
  static LowRank of(Matrix bTransposed, Matrix a, Workspace ws) {
    try (Svd ofB = Svd.of(bTransposed, ws);
        Svd ofA = Svd.of(a, ws);
        Matrix between = LinAlg.transposeMultiply(ofB.left(), ofA.left(), ws);
        Tensor scaled = between.asTensor().scaledRows(ofB.singularValues(), ws);
        Matrix across = LinAlg.transpose(Matrix.of(scaled), ws);
        Tensor scaledAcross = across.asTensor().scaledRows(ofA.singularValues(), ws);
        Svd core = Svd.of(Matrix.of(scaledAcross), ws);
        Opened opened = new Opened()) {
      // The core is transposed: its left vectors are those of A.
      Matrix left = opened.add(LinAlg.multiply(core.rightTransposed(), ofB.rightTransposed(), ws));
      Matrix right = opened.add(LinAlg.transposeMultiply(core.left(), ofA.rightTransposed(), ws));
      LowRank found = new LowRank(left, core.singularValues(), right);
      opened.release();
      return found;
    }
  }

  /** How many singular values there are. */
  long rank() {
    return values.length;
  }

  /** {@code diag(sqrt s) U^T} of the leading ones, [r x out]. */
  Matrix left(long leading, Workspace ws) {
    return scaled(leftTransposed, leading, ws);
  }

  /** {@code diag(sqrt s) V^T} of the leading ones, [r x in]. */
  Matrix right(long leading, Workspace ws) {
    return scaled(rightTransposed, leading, ws);
  }

  private Matrix scaled(Matrix vectors, long leading, Workspace ws) {
    double[] roots = Arrays.stream(values).limit(leading).map(Math::sqrt).toArray();
    try (Tensor rows = vectors.asTensor().rows(0, leading)) {
      return Matrix.of(rows.scaledRows(roots, ws));
    }
  }

  @Override
  public void close() {
    leftTransposed.close();
    rightTransposed.close();
  }
}
