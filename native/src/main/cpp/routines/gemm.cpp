// SPDX-License-Identifier: Apache-2.0
// C = alpha op(A) op(B) + beta C, everything by rows. A matrix times its own transpose is symmetric: half of that is
// computed.
#include <utility>

#include "routines/product.h"
#include "routines/routines.h"
#include "runtime/blas.h"

namespace merganser {

namespace {

template <typename T>
View<const T> operand(const void* data, int64_t ld, bool transpose) {
  const View<const T> rows = by_rows(static_cast<const T*>(data), ld);
  return transpose ? rows.transposed() : rows;
}

}  // namespace

void gemm(mg_context* context, int32_t dtype, int32_t transpose_a, int32_t transpose_b, int64_t m, int64_t n, int64_t k,
          double alpha, const void* a, int64_t lda, const void* b, int64_t ldb, double beta, void* c, int64_t ldc) {
  if (m == 0 || n == 0) return;
  // On every level, so that what works on one processor works on all.
  for (const auto& [extent, name] : {std::pair{m, "m"}, {n, "n"}, {k, "k"}, {lda, "lda"}, {ldb, "ldb"}, {ldc, "ldc"}}) {
    blas_int(extent, name);
  }
  SerialBlas blas(context);
  const bool symmetric = a == b && lda == ldb && !transpose_a != !transpose_b && m == n && beta == 0;
  const auto run = [&](auto zero) {
    typedef decltype(zero) T;
    const View<T> result = by_rows(static_cast<T*>(c), ldc);
    multiply<T>(context, m, n, k, alpha, operand<T>(a, lda, transpose_a), operand<T>(b, ldb, transpose_b), beta, result,
                symmetric ? Uplo::kLower : Uplo::kAll);
    if (symmetric) mirror<T>(context, n, result);
  };
  dtype == MG_F64 ? run(double{}) : run(float{});
}

}  // namespace merganser
