// SPDX-License-Identifier: Apache-2.0
package org.merganser.internal.kernel;

import org.bytedeco.javacpp.DoublePointer;
import org.merganser.natives.global.merganser;
import org.merganser.natives.mg_cca_report;
import org.merganser.natives.mg_polar_report;

/** Products, passes over matrices, and solvers. */
public final class LinAlgKernels {
  private final Context context;

  LinAlgKernels(Context context) {
    this.context = context;
  }

  /** {@code c = alpha op(a) op(b) + beta c}. */
  public void gemm(
      double alpha,
      MatrixBlock a,
      boolean transposeA,
      MatrixBlock b,
      boolean transposeB,
      double beta,
      MatrixBlock c) {
    try (Call call = context.enter()) {
      call.check(
          merganser.mg_gemm(
              call.context(),
              c.dtype(),
              transposeA ? 1 : 0,
              transposeB ? 1 : 0,
              c.rows(),
              c.columns(),
              transposeA ? a.rows() : a.columns(),
              alpha,
              call.in(a.block()),
              a.ld(),
              call.in(b.block()),
              b.ld(),
              beta,
              beta == 0 ? call.out(c.block()) : call.inOut(c.block()),
              c.ld()));
    }
  }

  /** {@code out = a^T}, of the same type. */
  public void transpose(MatrixBlock a, MatrixBlock out) {
    try (Call call = context.enter()) {
      call.check(
          merganser.mg_transpose(
              call.context(),
              a.dtype(),
              a.rows(),
              a.columns(),
              call.in(a.block()),
              a.ld(),
              call.out(out.block()),
              out.ld()));
    }
  }

  /**
   * What a solver says; {@code sum} is that of the singular values, {@code condition} is 1 for a
   * polar factor.
   */
  public record Report(
      long rank, int completion, long clippedX, long clippedY, double condition, double sum) {}

  /**
   * Factors of {@code count} stacked square matrices, and their reports one after the other.
   *
   * @param precision of most of the iteration
   * @param sigma may be null
   */
  public Report[] polar(int precision, int count, MatrixBlock a, MatrixBlock q, Block sigma) {
    try (Call call = context.enter();
        mg_polar_report report = JavaCppLimit.explain(() -> new mg_polar_report(count))) {
      call.check(
          merganser.mg_polar(
              call.context(),
              precision,
              count,
              a.columns(),
              call.inDoubles(a.block()),
              a.ld(),
              call.outDoubles(q.block()),
              q.ld(),
              call.outDoubles(sigma),
              report));
      Report[] reports = new Report[count];
      for (int k = 0; k < count; k++) {
        report.position(k);
        reports[k] = new Report(report.rank(), report.completion(), 0, 0, 1, report.sum());
      }
      report.position(0);
      return reports;
    }
  }

  /** Thin: {@code a = u diag(sigma) vt}. */
  public void svd(MatrixBlock a, MatrixBlock u, Block sigma, MatrixBlock vt) {
    try (Call call = context.enter()) {
      call.check(
          merganser.mg_svd(
              call.context(),
              a.rows(),
              a.columns(),
              call.inDoubles(a.block()),
              a.ld(),
              call.outDoubles(u.block()),
              u.ld(),
              call.outDoubles(sigma),
              call.outDoubles(vt.block()),
              vt.ld()));
    }
  }

  /** Eigenvalues of a symmetric a, ascending, and vectors as rows. */
  public void symmetricEigen(MatrixBlock a, MatrixBlock vectors, Block values) {
    try (Call call = context.enter()) {
      call.check(
          merganser.mg_symmetric_eigen(
              call.context(),
              a.rows(),
              call.inDoubles(a.block()),
              a.ld(),
              call.outDoubles(vectors.block()),
              vectors.ld(),
              call.outDoubles(values)));
    }
  }

  /** Thin: {@code a = q r}, m >= n, with no negative element on the diagonal of r. */
  public void qr(MatrixBlock a, MatrixBlock q, MatrixBlock r) {
    try (Call call = context.enter()) {
      call.check(
          merganser.mg_qr(
              call.context(),
              a.rows(),
              a.columns(),
              call.inDoubles(a.block()),
              a.ld(),
              call.outDoubles(q.block()),
              q.ld(),
              call.outDoubles(r.block()),
              r.ld()));
    }
  }

  /** Eigenvalues of {@code count} stacked square matrices, [count x n] each. */
  public void generalEigenvalues(int count, MatrixBlock a, Block real, Block imaginary) {
    try (Call call = context.enter()) {
      call.check(
          merganser.mg_general_eigenvalues(
              call.context(),
              count,
              a.columns(),
              call.inDoubles(a.block()),
              a.ld(),
              call.outDoubles(real),
              call.outDoubles(imaginary)));
    }
  }

  /** {@code a x = b} for a symmetric positive definite a. */
  public void solve(MatrixBlock a, MatrixBlock b, MatrixBlock x) {
    try (Call call = context.enter()) {
      call.check(
          merganser.mg_solve(
              call.context(),
              a.rows(),
              b.columns(),
              call.inDoubles(a.block()),
              a.ld(),
              call.inDoubles(b.block()),
              b.ld(),
              call.outDoubles(x.block()),
              x.ld()));
    }
  }

  /** Covariances, n x n. */
  public record Covariances(long n, Block sxx, Block syy, Block sxy) {}

  /**
   * One map for each gamma, stacked, and their reports.
   *
   * @param precision of the orthogonal factor
   * @param correlations may be null
   */
  public Report[] cca(
      int precision,
      Covariances of,
      double[] gammaX,
      double[] gammaY,
      Block t,
      Block tinv,
      Block correlations) {
    int count = gammaX.length;
    Kernels.requireLength("gamma_y", gammaY.length, count);
    try (Call call = context.enter();
        mg_cca_report report = JavaCppLimit.explain(() -> new mg_cca_report(count))) {
      call.check(
          merganser.mg_cca_map(
              call.context(),
              precision,
              of.n(),
              call.inDoubles(of.sxx()),
              call.inDoubles(of.syy()),
              call.inDoubles(of.sxy()),
              count,
              call.list(gammaX),
              call.list(gammaY),
              call.outDoubles(t),
              call.outDoubles(tinv),
              call.outDoubles(correlations),
              report));
      Report[] reports = new Report[count];
      for (int k = 0; k < count; k++) {
        report.position(k);
        reports[k] =
            new Report(
                report.rank(),
                report.completion(),
                report.clipped_x(),
                report.clipped_y(),
                report.condition(),
                report.sum());
      }
      report.position(0);
      return reports;
    }
  }

  /** {@code c[i, j] = a[i, j] / (rows[i] columns[j])}, 0 where the product is; null for ones. */
  public void divide(MatrixBlock a, double[] rows, double[] columns, MatrixBlock c) {
    Kernels.requireLength("row_divisors", rows.length, a.rows());
    try (Call call = context.enter()) {
      call.check(
          merganser.mg_divide(
              call.context(),
              a.rows(),
              a.columns(),
              call.inDoubles(a.block()),
              a.ld(),
              call.list(rows),
              columns == null ? null : call.list(columns),
              call.outDoubles(c.block()),
              c.ld()));
    }
  }

  /** The largest sum of magnitudes of a column. */
  public double norm1(MatrixBlock a) {
    return norm(merganser.MG_NORM_ONE, a, 0);
  }

  /** The largest magnitude of {@code a - I}. */
  public double distanceToIdentity(MatrixBlock a) {
    return norm(merganser.MG_NORM_MAX, a, 1);
  }

  private double norm(int kind, MatrixBlock a, double shift) {
    try (Call call = context.enter()) {
      DoublePointer norm = call.list(0.0);
      call.check(
          merganser.mg_norm(
              call.context(),
              kind,
              a.rows(),
              a.columns(),
              call.inDoubles(a.block()),
              a.ld(),
              shift,
              norm));
      return norm.get();
    }
  }

  /** {@code out[i] = sum_j a[i, j] b[i, j]}. */
  public void rowProducts(MatrixBlock a, MatrixBlock b, double[] out) {
    Kernels.requireLength("out", out.length, a.rows());
    try (Call call = context.enter()) {
      DoublePointer products = call.list(out);
      call.check(
          merganser.mg_row_products(
              call.context(),
              a.rows(),
              a.columns(),
              call.inDoubles(a.block()),
              a.ld(),
              call.inDoubles(b.block()),
              b.ld(),
              products));
      products.get(out);
    }
  }
}
