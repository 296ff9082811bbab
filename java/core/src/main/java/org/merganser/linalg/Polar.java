// SPDX-License-Identifier: Apache-2.0
package org.merganser.linalg;

import org.merganser.compute.Memory;
import org.merganser.compute.Workspace;
import org.merganser.internal.kernel.Kernels;

/**
 * The orthogonal polar factor {@code Q = U V^T} of a square matrix {@code A = U diag(s) V^T}: the
 * orthogonal matrix that maximises {@code trace(Q^T A)}, so the solution of the orthogonal
 * Procrustes problem when A is a cross-covariance (Schönemann 1966).
 *
 * @param factor Q, n x n
 * @param singularValues decreasing
 * @param rank singular values above 1e-6 of the largest
 * @param completion how Q was chosen on the null space
 */
public record Polar(Matrix factor, double[] singularValues, long rank, Completion completion) {

  /** Factors a square F64 matrix. Cost about 22 n^3 flops. */
  public static Polar of(Matrix a, Workspace ws) {
    long n = a.rows();
    a.require("matrix", n, n);
    Matrix q = Matrix.allocate(n, n);
    try (Matrix sigma = Matrix.allocate(1, n)) {
      Kernels.Report report =
          ws.kernels().polar(n, a.address(), n, q.address(), n, sigma.address());
      Memory.keepAlive(a, q, sigma);
      return new Polar(q, sigma.row(0), report.rank(), Completion.of(report.completion()));
    }
  }
}
