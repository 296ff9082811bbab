// SPDX-License-Identifier: Apache-2.0
// Linear equations with a symmetric positive definite matrix: A = L L^T, then two triangular solves.
#include <algorithm>
#include <cmath>
#include <limits>

#include "routines/dense.h"
#include "routines/routines.h"
#include "routines/triangular.h"
#include "runtime/blas.h"
#include "runtime/buffer.h"

namespace merganser {

namespace {

// Where LAPACK does it as a whole, a right side at a time: large products have nothing to give there.
constexpr int64_t kFewUnknowns = 256, kFewSides = 4;

// Fails unless the diagonal of L is that of a matrix that is definite to working precision.
void require_definite(int64_t n, const double* factor, double largest) {
  double least = largest;
  for (int64_t i = 0; i < n; ++i) least = std::min(least, factor[i * n + i] * factor[i * n + i]);
  if (!(least > static_cast<double>(n) * std::numeric_limits<double>::epsilon() * largest)) fail_not_definite();
}

// The factor by rows is U = L^T to LAPACK, and A = U^T U.
void solve_few(int64_t n, int64_t cols, double* factor, double largest, const double* b, int64_t ldb, double* x,
               int64_t ldx) {
  const int order = static_cast<int>(n), step = blas_int(ldx, "ldx");
  int info = 0;
  dpotrf_("U", &order, factor, &order, &info, 1);
  if (info != 0) fail_not_definite();
  require_definite(n, factor, largest);
  for (int64_t i = 0; i < n; ++i) std::copy_n(b + i * ldb, cols, x + i * ldx);
  for (int64_t j = 0; j < cols; ++j) {
    for (const char* transpose : {"T", "N"}) dtrsv_("U", transpose, "N", &order, factor, &order, x + j, &step, 1, 1, 1);
  }
}

void solve_many(mg_context* context, int64_t n, int64_t cols, double* factor, double largest, const double* b,
                int64_t ldb, double* x, int64_t ldx) {
  const auto lower = cholesky(context, n, by_rows(factor, n));
  if (!lower) fail_not_definite();
  require_definite(n, factor, largest);
  for (int64_t i = 0; i < n; ++i) std::copy_n(b + i * ldb, cols, x + i * ldx);
  lower->solve(context, cols, by_rows(x, ldx));
  lower->transposed().solve(context, cols, by_rows(x, ldx));
}

}  // namespace

void solve(mg_context* context, int64_t n, int64_t cols, const double* a, int64_t lda, const double* b, int64_t ldb,
           double* x, int64_t ldx) {
  SerialBlas blas(context);
  check_finite("a", n, n, a, lda);
  check_finite("b", n, cols, b, ldb);
  Buffer<double> factor(n, n);
  double largest = 0;
  for (int64_t i = 0; i < n; ++i) {
    std::copy_n(a + i * lda, i + 1, factor.data() + i * n);
    largest = std::max(largest, a[i * lda + i]);
  }
  if (n <= kFewUnknowns && cols <= kFewSides) {
    solve_few(n, cols, factor.data(), largest, b, ldb, x, ldx);
  } else {
    solve_many(context, n, cols, factor.data(), largest, b, ldb, x, ldx);
  }
  check_finite("x", n, cols, x, ldx);
}

}  // namespace merganser
