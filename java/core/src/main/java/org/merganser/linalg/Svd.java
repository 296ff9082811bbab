// SPDX-License-Identifier: Apache-2.0
package org.merganser.linalg;

import org.merganser.compute.Workspace;
import org.merganser.internal.Opened;
import org.merganser.internal.kernel.Kernels;

/**
 * The thin singular value decomposition {@code A = U diag(s) V^T} of an m x n matrix, with r =
 * min(m, n): U [m x r] and V [n x r] have orthonormal columns, s decreases. The sign of a pair of
 * vectors is free, and so is the basis where singular values are equal.
 *
 * <p>It owns the factors, which {@link #close} frees.
 */
public final class Svd implements AutoCloseable {
  private final Matrix left;
  private final double[] singularValues;
  private final Matrix right;

  private Svd(Matrix left, double[] singularValues, Matrix right) {
    this.left = left;
    this.singularValues = singularValues;
    this.right = right;
  }

  /**
   * Decomposes an F64 matrix with at least one element.
   *
   * @throws org.merganser.error.NumericalException where it is not finite, saying where
   */
  public static Svd of(Matrix a, Workspace ws) {
    a.require("matrix", a.rows(), a.columns());
    long rank = Math.min(a.rows(), a.columns());
    try (Opened opened = new Opened();
        Matrix sigma = Matrix.allocate(1, rank, ws)) {
      Matrix left = opened.add(Matrix.allocate(a.rows(), rank, ws));
      Matrix right = opened.add(Matrix.allocate(rank, a.columns(), ws));
      Kernels.of(ws)
          .linAlg()
          .svd(a.natives(), left.natives(), sigma.asTensor().block(), right.natives());
      try (Matrix here = sigma.toHost(ws)) {
        Svd found = new Svd(left, here.row(0), right);
        opened.release();
        return found;
      }
    }
  }

  /** U, m x r. */
  public Matrix left() {
    return left;
  }

  /** A copy of the singular values, decreasing. */
  public double[] singularValues() {
    return singularValues.clone();
  }

  /** {@code V^T}, r x n. */
  public Matrix rightTransposed() {
    return right;
  }

  @Override
  public void close() {
    left.close();
    right.close();
  }

  @Override
  public String toString() {
    return "Svd of " + left.rows() + " x " + right.columns();
  }
}
