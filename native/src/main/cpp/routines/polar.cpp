// SPDX-License-Identifier: Apache-2.0
// Orthogonal polar factor q = U V^T of a = U diag(sigma) V^T: the orthogonal Procrustes map when a is a
// cross-covariance. By Newton iteration where that pays, else by divide and conquer. Rank deficiency, which the
// iteration sees and hands over, is completed as in completion.cpp.
#include <algorithm>
#include <cmath>

#include "routines/completion.h"
#include "routines/dense.h"
#include "routines/newton.h"
#include "routines/problems.h"
#include "routines/routines.h"
#include "runtime/blas.h"
#include "runtime/buffer.h"
#include "runtime/pool.h"

namespace merganser {

namespace {

void polar_one(mg_context* context, int32_t dtype, int64_t n, const double* a, int64_t lda, double* q, int64_t ldq,
               double* sigma, mg_polar_report* report) {
  check_finite("a", n, n, a, lda);
  Buffer<double> copy(n, n), result(n, n);
  double largest = 0;
  for (int64_t i = 0; i < n; ++i) {
    std::copy_n(a + i * lda, n, copy.data() + i * n);
    for (int64_t j = 0; j < n; ++j) largest = std::max(largest, std::fabs(a[i * lda + j]));
  }
  if (largest > 0 && !(largest > 1e-100 && largest < 1e100)) {
    // Squares and sums leave the range of F64: the same in units of a power of two near the largest element.
    int exponent;
    std::frexp(largest, &exponent);
    for (int64_t i = 0; i < n * n; ++i) copy[i] = std::ldexp(copy[i], -exponent);
    polar_one(context, dtype, n, copy.data(), n, q, ldq, sigma, report);
    if (sigma) {
      for (int64_t i = 0; i < n; ++i) sigma[i] = std::ldexp(sigma[i], exponent);
      check_finite("sigma", 1, n, sigma, n);
    }
    report->sum = std::ldexp(report->sum, exponent);
    return;
  }
  if (newton_polar(context, dtype, n, copy.data(), result.data())) {
    *report = {n, MG_COMPLETION_NONE, sum_of_singular_values(n, result.data(), a, lda)};
    if (sigma) singular_values(context, dtype, n, result.data(), copy.data(), sigma);
  } else {
    Buffer<double> u(n, n), vt(n, n), values(n);
    thin_svd(context, n, n, copy.data(), u.data(), values.data(), vt.data());
    const int64_t rank = numerical_rank(n, values.data());
    const int32_t completion = completed_polar(context, n, rank, u.data(), vt.data(), a, lda, result.data());
    double sum = 0;
    for (int64_t i = 0; i < n; ++i) sum += values[i];
    if (sigma) std::copy_n(values.data(), n, sigma);
    *report = {rank, completion, sum};
  }
  for (int64_t i = 0; i < n; ++i) std::copy_n(result.data() + i * n, n, q + i * ldq);
}

}  // namespace

void polar(mg_context* context, int32_t dtype, int64_t count, int64_t n, const double* a, int64_t lda, double* q,
           int64_t ldq, double* sigma, mg_polar_report* reports) {
  SerialBlas blas(context);
  each_problem(context, count, [&](mg_context* part, int64_t k) {
    polar_one(part, dtype, n, a + k * n * lda, lda, q + k * n * ldq, ldq, sigma ? sigma + k * n : nullptr, reports + k);
  });
}

}  // namespace merganser
