// SPDX-License-Identifier: Apache-2.0
package org.merganser.linalg;

import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.ShapeException;

/** Products of F64 matrices. Results do not depend on the number of threads. */
public final class LinAlg {
  private LinAlg() {}

  /** {@code A B}, [m x k] times [k x n]. */
  public static Matrix multiply(Matrix a, Matrix b, Workspace ws) {
    return product(a, false, b, false, ws);
  }

  /** {@code A B^T}, [m x k] times [n x k] transposed. */
  public static Matrix multiplyTransposed(Matrix a, Matrix b, Workspace ws) {
    return product(a, false, b, true, ws);
  }

  /** {@code A^T B}, [k x m] transposed times [k x n]. */
  public static Matrix transposeMultiply(Matrix a, Matrix b, Workspace ws) {
    return product(a, true, b, false, ws);
  }

  /** {@code max |A - I|} over the elements of a square matrix. */
  public static double distanceToIdentity(Matrix a) {
    double worst = 0;
    for (long i = 0; a.columns() > 0 && i < a.rows(); i++) {
      for (long j = 0; j < a.columns(); j++) {
        double distance = Math.abs(a.get(i, j) - (i == j ? 1 : 0));
        if (!(distance <= worst)) {
          worst = distance;
        }
      }
    }
    return worst;
  }

  private static Matrix product(
      Matrix a, boolean transposeA, Matrix b, boolean transposeB, Workspace ws) {
    a.require("left factor", a.rows(), a.columns());
    b.require("right factor", b.rows(), b.columns());
    long m = transposeA ? a.columns() : a.rows();
    long k = transposeA ? a.rows() : a.columns();
    long inner = transposeB ? b.columns() : b.rows();
    long n = transposeB ? b.rows() : b.columns();
    if (k != inner) {
      throw new ShapeException("cannot multiply: inner sizes are " + k + " and " + inner);
    }
    Matrix c = Matrix.zeros(m, n);
    if (m > 0 && n > 0 && k > 0) {
      ws.kernels()
          .gemm(
              DType.F64.code(),
              transposeA,
              transposeB,
              m,
              n,
              k,
              1,
              a.block(),
              a.columns(),
              b.block(),
              b.columns(),
              0,
              c.block(),
              n);
    }
    return c;
  }
}
