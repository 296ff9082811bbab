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
  const auto lower = cholesky(context, n, by_rows(factor.data(), n));
  double least = lower ? largest : 0;
  for (int64_t i = 0; lower && i < n; ++i) least = std::min(least, factor[i * n + i] * factor[i * n + i]);
  if (!(least > static_cast<double>(n) * std::numeric_limits<double>::epsilon() * largest)) fail_not_definite();
  for (int64_t i = 0; i < n; ++i) std::copy_n(b + i * ldb, cols, x + i * ldx);
  lower->solve(context, cols, by_rows(x, ldx));
  lower->transposed().solve(context, cols, by_rows(x, ldx));
  check_finite("x", n, cols, x, ldx);
}

}  // namespace merganser
