// SPDX-License-Identifier: Apache-2.0
package org.merganser.linalg;

import java.util.ArrayList;
import java.util.List;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.internal.Opened;
import org.merganser.internal.kernel.Kernels;
import org.merganser.internal.kernel.LinAlgKernels.Covariances;
import org.merganser.internal.kernel.LinAlgKernels.Report;
import org.merganser.linalg.Polar.Completion;

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
 * <p>It owns both matrices, which {@link #close} frees: whoever computes a map closes it, or hands
 * the matrices on to something that does.
 */
public final class Cca implements AutoCloseable {
  private final Matrix map;
  private final Matrix inverse;
  private final double[] correlations;
  private final Report report;

  private Cca(Matrix map, Matrix inverse, double[] correlations, Report report) {
    this.map = map;
    this.inverse = inverse;
    this.correlations = correlations;
    this.report = report;
  }

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

  /** T, n x n: {@code x_hat = T y}. */
  public Matrix map() {
    return map;
  }

  /** {@code T^-1} in closed form. */
  public Matrix inverse() {
    return inverse;
  }

  /**
   * A copy of the canonical correlations of the regularised problem, decreasing; empty when they
   * were not wanted.
   */
  public double[] correlations() {
    return correlations.clone();
  }

  /** Sum of the correlations, also when they were not wanted. */
  public double sum() {
    return report.sum();
  }

  /** Number of correlations above 1e-6 of the largest. */
  public long rank() {
    return report.rank();
  }

  /** How T was chosen where there is no correlation. */
  public Completion completion() {
    return Completion.of(report.completion());
  }

  /** Eigenvalues of X and Y raised to 1e-10 of the largest, since gamma left them singular. */
  public long clipped() {
    return report.clippedX() + report.clippedY();
  }

  /** Condition number of T in the 1-norm. */
  public double condition() {
    return report.condition();
  }

  @Override
  public void close() {
    map.close();
    inverse.close();
  }

  @Override
  public String toString() {
    return "Cca of " + map.rows() + " features, rank " + rank() + ", completion " + completion();
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
    long stacked = Math.multiplyExact(n, count);
    try (Opened opened = new Opened();
        Matrix correlations = Matrix.allocate(wanted ? count : 0, n)) {
      Matrix t = opened.add(Matrix.allocate(stacked, n, ws));
      Matrix inverse = opened.add(Matrix.allocate(stacked, n, ws));
      Report[] reports =
          Kernels.of(ws)
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
      List<Matrix> maps = split(t, count, ws);
      maps.forEach(opened::add);
      List<Matrix> inverses = split(inverse, count, ws);
      List<Cca> result = new ArrayList<>();
      for (int k = 0; k < count; k++) {
        double[] found = wanted ? correlations.row(k) : new double[0];
        result.add(new Cca(maps.get(k), inverses.get(k), found, reports[k]));
      }
      opened.release();
      return result;
    }
  }

  private static void requireGammas(double gammaX, double gammaY) {
    if (!(gammaX >= 0 && gammaY >= 0) || Double.isInfinite(gammaX + gammaY)) {
      throw new IllegalArgumentException(
          "gamma must be finite and at least 0, not " + gammaX + " and " + gammaY);
    }
  }

  /**
   * The matrices of a stack, each in memory of its own, so that each can be closed; takes the
   * stack.
   */
  static List<Matrix> split(Matrix stack, int count, Workspace ws) {
    if (count == 1) {
      return List.of(stack);
    }
    long n = stack.columns();
    try (stack;
        Opened opened = new Opened()) {
      List<Matrix> parts = new ArrayList<>();
      for (int k = 0; k < count; k++) {
        try (Tensor rows = stack.asTensor().rows(k * n, (k + 1) * n)) {
          parts.add(Matrix.of(opened.add(rows.on(ws))));
        }
      }
      opened.release();
      return parts;
    }
  }
}
