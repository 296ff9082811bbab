// SPDX-License-Identifier: Apache-2.0
package org.merganser.linalg;

import org.merganser.compute.Memory;
import org.merganser.compute.Workspace;
import org.merganser.internal.kernel.Kernels;

/**
 * The map of canonical correlation analysis from features y into the space of features x.
 *
 * <pre>
 *   X = Sxx + gx I,  Y = Syy + gy I,  K = X^-1/2 Sxy Y^-1/2 = U S V^T
 *   T = X^1/2 U V^T Y^-1/2,   Tinv = Y^1/2 V U^T X^-1/2
 * </pre>
 *
 * Computed through two Cholesky factors and one orthogonal factor, which give the same T (Horoi et
 * al. 2024 for the map). A rank-deficient K is completed as {@link Completion} says.
 *
 * @param map T, n x n: {@code x_hat = T y}
 * @param inverse its closed-form inverse
 * @param correlations canonical correlations of the regularised problem, decreasing
 * @param rank correlations above 1e-6 of the largest
 * @param completion how T was chosen where there is no correlation
 * @param clipped eigenvalues of X and Y raised to 1e-10 of the largest, since gamma left them
 *     singular
 * @param condition condition number of T in the 1-norm
 */
public record Cca(
    Matrix map,
    Matrix inverse,
    double[] correlations,
    long rank,
    Completion completion,
    long clipped,
    double condition) {

  /**
   * @param sxx covariance of x, n x n F64
   * @param syy covariance of y
   * @param sxy cross-covariance, rows x, columns y
   * @param gammaX regulariser of x, at least 0, in units of variance; never changed
   * @param gammaY regulariser of y
   * @throws org.merganser.error.NumericalException for non-finite input or no variance at all
   */
  public static Cca map(
      Matrix sxx, Matrix syy, Matrix sxy, double gammaX, double gammaY, Workspace ws) {
    long n = sxx.rows();
    sxx.require("Sxx", n, n);
    syy.require("Syy", n, n);
    sxy.require("Sxy", n, n);
    if (!(gammaX >= 0 && gammaY >= 0) || Double.isInfinite(gammaX + gammaY)) {
      throw new IllegalArgumentException(
          "gamma must be finite and at least 0, not " + gammaX + " and " + gammaY);
    }
    Matrix t = Matrix.allocate(n, n);
    Matrix inverse = Matrix.allocate(n, n);
    try (Matrix correlations = Matrix.allocate(1, n)) {
      Kernels.Report report =
          ws.kernels()
              .cca(
                  n,
                  sxx.address(),
                  syy.address(),
                  sxy.address(),
                  gammaX,
                  gammaY,
                  t.address(),
                  inverse.address(),
                  correlations.address());
      Memory.keepAlive(sxx, syy, sxy, t, inverse, correlations);
      return new Cca(
          t,
          inverse,
          correlations.row(0),
          report.rank(),
          Completion.of(report.completion()),
          report.clippedX() + report.clippedY(),
          report.condition());
    }
  }
}
