// SPDX-License-Identifier: Apache-2.0
// C = alpha op(A) op(B) + beta C, everything by rows.
#include <utility>

#include "core/blas.h"
#include "routines/product.h"
#include "routines/routines.h"

namespace merganser {

void gemm(mg_context* context, bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, double alpha,
          const double* a, int64_t lda, const double* b, int64_t ldb, double beta, double* c, int64_t ldc) {
  if (m == 0 || n == 0) return;
  // On every level, so that what works on one processor works on all.
  for (const auto& [extent, name] : {std::pair{m, "m"}, {n, "n"}, {k, "k"}, {lda, "lda"}, {ldb, "ldb"}, {ldc, "ldc"}}) {
    blas_int(extent, name);
  }
  SerialBlas blas(context);
  const View<const double> rows_of_a = by_rows(a, lda), rows_of_b = by_rows(b, ldb);
  multiply<double>(context, m, n, k, alpha, transpose_a ? rows_of_a.transposed() : rows_of_a,
                   transpose_b ? rows_of_b.transposed() : rows_of_b, beta, by_rows(c, ldc));
}

}  // namespace merganser
