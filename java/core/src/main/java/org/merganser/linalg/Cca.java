// SPDX-License-Identifier: Apache-2.0
package org.merganser.linalg;

import java.util.ArrayList;
import java.util.List;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.internal.kernel.LinAlgKernels.Covariances;
import org.merganser.internal.kernel.LinAlgKernels.Report;

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
 * @param correlations canonical correlations of the regularised problem, decreasing; empty when
 *     they were not wanted
 * @param sum of the correlations, also when they were not wanted
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
    double sum,
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
    double[] forX = {gammaX};
    double[] forY = {gammaY};
    return maps(sxx, syy, sxy, forX, forY, true, DType.F64, ws).get(0);
  }

  /**
   * The map alone: correlations are empty, and their sum is given. It saves the eigenvalues that
   * correlations are taken from, which are found on one thread.
   *
   * @param precision F64, or F32 for the orthogonal factor: {@code T Tinv = I} still holds to about
   *     1e-8, T is off by about 1e-6 times the ratio of the largest correlation to the smallest
   */
  public static Cca mapOnly(
      Matrix sxx,
      Matrix syy,
      Matrix sxy,
      double gammaX,
      double gammaY,
      DType precision,
      Workspace ws) {
    double[] forX = {gammaX};
    double[] forY = {gammaY};
    return maps(sxx, syy, sxy, forX, forY, false, precision, ws).get(0);
  }

  /**
   * One map for each gamma, computed at the same time.
   *
   * @param gammaX at least one
   * @param gammaY as many
   * @param correlations whether they are wanted; see {@link #mapOnly}
   */
  public static List<Cca> sweep(
      Matrix sxx,
      Matrix syy,
      Matrix sxy,
      double[] gammaX,
      double[] gammaY,
      boolean correlations,
      Workspace ws) {
    if (gammaX.length != gammaY.length || gammaX.length == 0) {
      throw new IllegalArgumentException(
          gammaX.length + " gammas of x and " + gammaY.length + " of y; give as many, at least 1");
    }
    return maps(sxx, syy, sxy, gammaX, gammaY, correlations, DType.F64, ws);
  }

  private static List<Cca> maps(
      Matrix sxx,
      Matrix syy,
      Matrix sxy,
      double[] gammaX,
      double[] gammaY,
      boolean wanted,
      DType precision,
      Workspace ws) {
    long n = sxx.rows();
    sxx.require("Sxx", n, n);
    syy.require("Syy", n, n);
    sxy.require("Sxy", n, n);
    Polar.requirePrecision(precision);
    for (int k = 0; k < gammaX.length; k++) {
      requireGammas(gammaX[k], gammaY[k]);
    }
    int count = gammaX.length;
    Matrix t = Matrix.allocate(Math.multiplyExact(n, count), n, ws);
    Matrix inverse = Matrix.allocate(Math.multiplyExact(n, count), n, ws);
    try (Matrix correlations = Matrix.allocate(wanted ? count : 0, n)) {
      Report[] reports =
          ws.kernels()
              .linAlg()
              .cca(
                  precision.code(),
                  new Covariances(
                      n, sxx.asTensor().block(), syy.asTensor().block(), sxy.asTensor().block()),
                  gammaX,
                  gammaY,
                  t.asTensor().block(),
                  inverse.asTensor().block(),
                  wanted ? correlations.asTensor().block() : null);
      List<Cca> result = new ArrayList<>();
      for (int k = 0; k < count; k++) {
        Report report = reports[k];
        result.add(
            new Cca(
                part(t, count, k),
                part(inverse, count, k),
                wanted ? correlations.row(k) : new double[0],
                report.sum(),
                report.rank(),
                Completion.of(report.completion()),
                report.clippedX() + report.clippedY(),
                report.condition()));
      }
      return result;
    }
  }

  private static void requireGammas(double gammaX, double gammaY) {
    if (!(gammaX >= 0 && gammaY >= 0) || Double.isInfinite(gammaX + gammaY)) {
      throw new IllegalArgumentException(
          "gamma must be finite and at least 0, not " + gammaX + " and " + gammaY);
    }
  }

  /** Problem k of several stacked ones; the only one is the matrix itself, which can be closed. */
  static Matrix part(Matrix stacked, int count, int k) {
    if (count == 1) {
      return stacked;
    }
    long n = stacked.columns();
    return Matrix.of(stacked.asTensor().rows(k * n, (k + 1) * n));
  }
}
