// SPDX-License-Identifier: Apache-2.0
package org.merganser.linalg;

import java.util.ArrayList;
import java.util.List;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.internal.Opened;
import org.merganser.internal.kernel.Codes;
import org.merganser.internal.kernel.Kernels;
import org.merganser.internal.kernel.LinAlgKernels.Report;

/**
 * The orthogonal polar factor {@code Q = U V^T} of a square matrix {@code A = U diag(s) V^T}: the
 * orthogonal matrix that maximises {@code trace(Q^T A)}, so the solution of the orthogonal
 * Procrustes problem when A is a cross-covariance (Schönemann 1966).
 *
 * <p>It owns the factor, which {@link #close} frees: whoever computes it closes it, or hands the
 * factor on to something that does.
 */
public final class Polar implements AutoCloseable {
  /**
   * How an orthogonal factor was completed on the null space of a rank-deficient matrix, where the
   * data say nothing. With {@code K = U_r S V_r^T} and null bases {@code U_0, V_0} the factor is
   * {@code Q = U_r V_r^T + U_0 polar(U_0^T P V_0) V_0^T}, the nearest to P whatever bases the
   * solver chose.
   */
  public enum Completion {
    /** Full rank: nothing to complete. */
    NONE,
    /** P is the identity. */
    IDENTITY,
    /** P is the best one-to-one matching of features, since the identity gave a singular matrix. */
    ASSIGNMENT,
    /** Neither fixed the null space; its directions were paired in index order. */
    INDEX;

    static Completion of(int code) {
      return switch (code) {
        case Codes.COMPLETION_NONE -> NONE;
        case Codes.COMPLETION_IDENTITY -> IDENTITY;
        case Codes.COMPLETION_ASSIGNMENT -> ASSIGNMENT;
        case Codes.COMPLETION_INDEX -> INDEX;
        default -> throw new IllegalArgumentException("completion " + code);
      };
    }
  }

  private final Matrix factor;
  private final double[] singularValues;
  private final Report report;

  private Polar(Matrix factor, double[] singularValues, Report report) {
    this.factor = factor;
    this.singularValues = singularValues;
    this.report = report;
  }

  /**
   * Factors a square F64 matrix. From 32 rows on an iteration takes the place of the singular value
   * decomposition, and the singular values are the eigenvalues of {@code Q^T A}, unless one may lie
   * below 1e-6 of the largest.
   */
  public static Polar of(Matrix a, Workspace ws) {
    return solve(a, 1, a.rows(), true, DType.F64, ws).get(0);
  }

  /**
   * The factor alone: singular values are empty, and their sum is given. The iteration runs on all
   * threads, which the eigenvalues of {@link #of} do not.
   *
   * @param precision F64, or F32 for most of the iteration: Q is orthogonal to about 1e-9 and off
   *     by about 1e-5
   */
  public static Polar factorOnly(Matrix a, DType precision, Workspace ws) {
    return solve(a, 1, a.rows(), false, precision, ws).get(0);
  }

  /**
   * Factors of matrices of one size, at the same time: for many small ones, as the heads of an
   * attention layer.
   *
   * @param singularValues whether they are wanted
   */
  public static List<Polar> ofEach(List<Matrix> matrices, boolean singularValues, Workspace ws) {
    if (matrices.isEmpty()) {
      return List.of();
    }
    long n = matrices.get(0).rows();
    try (Matrix stacked = Matrix.allocate(matrices.size() * n, n, ws)) {
      for (int k = 0; k < matrices.size(); k++) {
        Matrix each = matrices.get(k);
        each.require("matrix " + k, n, n);
        stacked.asTensor().rows(k * n, (k + 1) * n).copyFrom(each.asTensor(), ws);
      }
      return solve(stacked, matrices.size(), n, singularValues, DType.F64, ws);
    }
  }

  /** Q, n x n. */
  public Matrix factor() {
    return factor;
  }

  /** A copy of the singular values, decreasing; empty when they were not wanted. */
  public double[] singularValues() {
    return singularValues.clone();
  }

  /** Sum of the singular values, {@code trace(Q^T A)}, also when they were not wanted. */
  public double sum() {
    return report.sum();
  }

  /** Number of singular values above 1e-6 of the largest. */
  public long rank() {
    return report.rank();
  }

  /** How Q was chosen on the null space. */
  public Completion completion() {
    return Completion.of(report.completion());
  }

  @Override
  public void close() {
    factor.close();
  }

  @Override
  public String toString() {
    return "Polar of " + factor.rows() + " rows, rank " + rank() + ", completion " + completion();
  }

  private static List<Polar> solve(
      Matrix a, int count, long n, boolean wanted, DType precision, Workspace ws) {
    a.require("matrix", count * n, n);
    requirePrecision(precision);
    try (Opened opened = new Opened();
        Matrix sigma = Matrix.allocate(wanted ? count : 0, n)) {
      Matrix q = opened.add(Matrix.allocate(count * n, n, ws));
      Report[] reports =
          Kernels.of(ws)
              .linAlg()
              .polar(
                  precision.code(),
                  count,
                  a.natives(),
                  q.natives(),
                  wanted ? sigma.asTensor().block() : null);
      List<Matrix> factors = Cca.split(q, count, ws);
      List<Polar> result = new ArrayList<>();
      for (int k = 0; k < count; k++) {
        double[] found = wanted ? sigma.row(k) : new double[0];
        result.add(new Polar(factors.get(k), found, reports[k]));
      }
      opened.release();
      return result;
    }
  }

  static void requirePrecision(DType precision) {
    if (precision != DType.F64 && precision != DType.F32) {
      throw new IllegalArgumentException("precision must be F64 or F32, not " + precision);
    }
  }
}
