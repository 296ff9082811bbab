// SPDX-License-Identifier: Apache-2.0
// The exported functions of linear algebra.
#include <algorithm>
#include <cmath>

#include "abi/checks.h"
#include "merganser.h"

using namespace merganser;

namespace {

void check_matrix(const mg_context* context, const char* routine, int64_t rows, int64_t cols, const void* matrix,
                  int64_t ld, const char* name, const char* leading) {
  check_size(rows, "rows");
  check_size(cols, "cols");
  check_leading(ld, cols, leading);
  if (rows > 0 && cols > 0) check_array(context, routine, matrix, name);
}

}  // namespace

extern "C" {

int32_t mg_gemm(mg_context* context, int32_t dtype, int32_t transpose_a, int32_t transpose_b, int64_t m, int64_t n,
                int64_t k, double alpha, const void* a, int64_t lda, const void* b, int64_t ldb, double beta, void* c,
                int64_t ldc) {
  auto check = [&] {
    check_real(dtype);
    check_size(m, "m");
    check_size(n, "n");
    check_size(k, "k");
    check_leading(lda, transpose_a ? m : k, "lda");
    check_leading(ldb, transpose_b ? k : n, "ldb");
    check_leading(ldc, n, "ldc");
    if (m == 0 || n == 0) return;
    if (k > 0) {
      check_array(context, "gemm", a, "a");
      check_array(context, "gemm", b, "b");
    }
    check_array(context, "gemm", c, "c");
  };
  return dispatch(check, &Table::gemm, context, dtype, transpose_a, transpose_b, m, n, k, alpha, a, lda, b, ldb, beta,
                  c, ldc);
}

int32_t mg_transpose(mg_context* context, int32_t dtype, int64_t rows, int64_t cols, const void* in, int64_t ldin,
                     void* out, int64_t ldout) {
  auto check = [&] {
    check_real(dtype);
    check_matrix(context, "transpose", rows, cols, in, ldin, "in", "ldin");
    check_matrix(context, "transpose", cols, rows, out, ldout, "out", "ldout");
  };
  return dispatch(check, &Table::transpose, context, dtype, rows, cols, in, ldin, out, ldout);
}

int32_t mg_polar(mg_context* context, int32_t dtype, int64_t count, int64_t n, const double* a, int64_t lda, double* q,
                 int64_t ldq, double* sigma, mg_polar_report* reports) {
  auto check = [&] {
    check_real(dtype);
    check_size(count, "count");
    MG_REQUIRE(n >= 1, "n must be >= 1, not %lld", Long{n});
    check_leading(lda, n, "lda");
    check_leading(ldq, n, "ldq");
    if (count == 0) return;
    check_array(context, "polar", a, "a");
    check_array(context, "polar", q, "q");
    if (sigma) check_array(context, "polar", sigma, "sigma");
    check_pointer(reports, "reports");
  };
  return dispatch(check, &Table::polar, context, dtype, count, n, a, lda, q, ldq, sigma, reports);
}

int32_t mg_svd(mg_context* context, int64_t m, int64_t n, const double* a, int64_t lda, double* u, int64_t ldu,
               double* sigma, double* vt, int64_t ldvt) {
  auto check = [&] {
    MG_REQUIRE(m >= 1, "m must be >= 1, not %lld", Long{m});
    MG_REQUIRE(n >= 1, "n must be >= 1, not %lld", Long{n});
    check_leading(lda, n, "lda");
    check_leading(ldu, std::min(m, n), "ldu");
    check_leading(ldvt, n, "ldvt");
    check_array(context, "svd", a, "a");
    check_array(context, "svd", u, "u");
    check_array(context, "svd", sigma, "sigma");
    check_array(context, "svd", vt, "vt");
  };
  return dispatch(check, &Table::svd, context, m, n, a, lda, u, ldu, sigma, vt, ldvt);
}

int32_t mg_symmetric_eigen(mg_context* context, int64_t n, const double* a, int64_t lda, double* vectors, int64_t ldv,
                           double* values) {
  auto check = [&] {
    MG_REQUIRE(n >= 1, "n must be >= 1, not %lld", Long{n});
    check_leading(lda, n, "lda");
    check_leading(ldv, n, "ldv");
    check_array(context, "symmetric_eigen", a, "a");
    check_array(context, "symmetric_eigen", vectors, "vectors");
    check_array(context, "symmetric_eigen", values, "values");
  };
  return dispatch(check, &Table::symmetric_eigen, context, n, a, lda, vectors, ldv, values);
}

int32_t mg_qr(mg_context* context, int64_t m, int64_t n, const double* a, int64_t lda, double* q, int64_t ldq, double* r,
              int64_t ldr) {
  auto check = [&] {
    MG_REQUIRE(n >= 1, "n must be >= 1, not %lld", Long{n});
    MG_REQUIRE(m >= n, "m = %lld is below n = %lld", Long{m}, Long{n});
    check_leading(lda, n, "lda");
    check_leading(ldq, n, "ldq");
    check_leading(ldr, n, "ldr");
    check_array(context, "qr", a, "a");
    check_array(context, "qr", q, "q");
    check_array(context, "qr", r, "r");
  };
  return dispatch(check, &Table::qr, context, m, n, a, lda, q, ldq, r, ldr);
}

int32_t mg_general_eigenvalues(mg_context* context, int64_t count, int64_t n, const double* a, int64_t lda,
                               double* real, double* imaginary) {
  auto check = [&] {
    check_size(count, "count");
    MG_REQUIRE(n >= 1, "n must be >= 1, not %lld", Long{n});
    check_leading(lda, n, "lda");
    if (count == 0) return;
    check_array(context, "general_eigenvalues", a, "a");
    check_array(context, "general_eigenvalues", real, "real");
    check_array(context, "general_eigenvalues", imaginary, "imaginary");
  };
  return dispatch(check, &Table::general_eigenvalues, context, count, n, a, lda, real, imaginary);
}

int32_t mg_solve(mg_context* context, int64_t n, int64_t cols, const double* a, int64_t lda, const double* b,
                 int64_t ldb, double* x, int64_t ldx) {
  auto check = [&] {
    MG_REQUIRE(n >= 1, "n must be >= 1, not %lld", Long{n});
    check_leading(lda, n, "lda");
    check_array(context, "solve", a, "a");
    check_matrix(context, "solve", n, cols, b, ldb, "b", "ldb");
    check_matrix(context, "solve", n, cols, x, ldx, "x", "ldx");
  };
  return dispatch(check, &Table::solve, context, n, cols, a, lda, b, ldb, x, ldx);
}

int32_t mg_cca_map(mg_context* context, int32_t dtype, int64_t n, const double* sxx, const double* syy,
                   const double* sxy, int64_t count, const double* gamma_x, const double* gamma_y, double* t,
                   double* tinv, double* correlations, mg_cca_report* reports) {
  auto check = [&] {
    check_real(dtype);
    MG_REQUIRE(n >= 1, "n must be >= 1, not %lld", Long{n});
    check_size(count, "count");
    if (count == 0) return;
    check_pointer(gamma_x, "gamma_x");
    check_pointer(gamma_y, "gamma_y");
    for (int64_t k = 0; k < count; ++k) {
      MG_REQUIRE(std::isfinite(gamma_x[k]) && gamma_x[k] >= 0, "gamma_x must be >= 0 and finite, not %g", gamma_x[k]);
      MG_REQUIRE(std::isfinite(gamma_y[k]) && gamma_y[k] >= 0, "gamma_y must be >= 0 and finite, not %g", gamma_y[k]);
    }
    check_array(context, "cca_map", sxx, "sxx");
    check_array(context, "cca_map", syy, "syy");
    check_array(context, "cca_map", sxy, "sxy");
    check_array(context, "cca_map", t, "t");
    check_array(context, "cca_map", tinv, "tinv");
    if (correlations) check_array(context, "cca_map", correlations, "correlations");
    check_pointer(reports, "reports");
  };
  return dispatch(check, &Table::cca_map, context, dtype, n, sxx, syy, sxy, count, gamma_x, gamma_y, t, tinv,
                  correlations, reports);
}

int32_t mg_divide(mg_context* context, int64_t rows, int64_t cols, const double* a, int64_t lda,
                  const double* row_divisors, const double* col_divisors, double* out, int64_t ldo) {
  auto check = [&] {
    check_matrix(context, "divide", rows, cols, a, lda, "a", "lda");
    check_matrix(context, "divide", rows, cols, out, ldo, "out", "ldo");
    if (row_divisors) check_host("divide", row_divisors, "row_divisors");
    if (col_divisors) check_host("divide", col_divisors, "col_divisors");
  };
  return dispatch(check, &Table::divide, context, rows, cols, a, lda, row_divisors, col_divisors, out, ldo);
}

int32_t mg_norm(mg_context* context, int32_t kind, int64_t rows, int64_t cols, const double* a, int64_t lda,
                double shift, double* out) {
  auto check = [&] {
    MG_REQUIRE(kind == MG_NORM_ONE || kind == MG_NORM_MAX, "unknown norm %d", kind);
    check_matrix(context, "norm", rows, cols, a, lda, "a", "lda");
    check_host("norm", out, "out");
  };
  return dispatch(check, &Table::norm, context, kind, rows, cols, a, lda, shift, out);
}

int32_t mg_row_products(mg_context* context, int64_t rows, int64_t cols, const double* x, int64_t ldx, const double* y,
                        int64_t ldy, double* out) {
  auto check = [&] {
    check_matrix(context, "row_products", rows, cols, x, ldx, "x", "ldx");
    check_matrix(context, "row_products", rows, cols, y, ldy, "y", "ldy");
    if (rows > 0) check_host("row_products", out, "out");
  };
  return dispatch(check, &Table::row_products, context, rows, cols, x, ldx, y, ldy, out);
}

}  // extern "C"
