// SPDX-License-Identifier: Apache-2.0
// C = alpha op(A) op(B) + beta C by fixed output tiles, each one serial BLAS call over the whole of k: the result does
// not depend on the number of threads.
#include <algorithm>

#include "core/blas.h"
#include "core/pool.h"
#include "routines/dense.h"
#include "routines/routines.h"

namespace merganser {

void gemm_tiles(mg_context* context, bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, double alpha,
                const double* a, int64_t lda, const double* b, int64_t ldb, double beta, double* c, int64_t ldc) {
  const int64_t tile = std::max(m, n) <= 1024 ? 256 : 512;
  const int64_t tile_columns = divide_up(n, tile);
  const int depth = blas_int(k, "k");
  const int a_row = blas_int(lda, "lda"), b_row = blas_int(ldb, "ldb"), c_row = blas_int(ldc, "ldc");
  parallel_for(context, divide_up(m, tile) * tile_columns, [&](int64_t task, int32_t) {
    const int64_t i = task / tile_columns * tile, j = task % tile_columns * tile;
    cblas_dgemm(kRowMajor, transpose_a ? kTrans : kNoTrans, transpose_b ? kTrans : kNoTrans,
                static_cast<int>(std::min(tile, m - i)), static_cast<int>(std::min(tile, n - j)), depth, alpha,
                a + (transpose_a ? i : i * lda), a_row, b + (transpose_b ? j * ldb : j), b_row, beta, c + i * ldc + j,
                c_row);
  });
}

void gemm(mg_context* context, bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, double alpha,
          const double* a, int64_t lda, const double* b, int64_t ldb, double beta, double* c, int64_t ldc) {
  if (m == 0 || n == 0) return;
  SerialBlas blas(context);
  gemm_tiles(context, transpose_a, transpose_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

}  // namespace merganser
