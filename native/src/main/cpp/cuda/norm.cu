// SPDX-License-Identifier: Apache-2.0
// The largest column sum of magnitudes (MG_NORM_ONE) or the largest magnitude (MG_NORM_MAX) of a - shift I; NaN where
// there is one. Each column is summed by one thread in the order of rows, so the bytes are those of the CPU. Magnitudes
// order as their bits do, NaN above infinity, so an integer maximum ends it.
// Bytes: 8 for each element, read along rows by the threads of neighbouring columns, 32 rows ahead of the sum. Expected
// for 4096 x 4096 (134 MB): 128 warps have 1 MiB under way, about 1.7 TB/s, 0.08 ms; at 3.3 TB/s it would be 0.04 ms.
// Splitting columns would change the sums; maxima could be split, but are asked of the same matrices.
// Not yet run on a device.
#include <cmath>
#include <limits>

#include "cuda/types.cuh"

namespace merganser {
namespace cuda {

namespace {

constexpr int kColumns = 32, kAhead = 32;

template <bool kSum>
__global__ void __launch_bounds__(kColumns)
    largest_column(int64_t rows, int64_t cols, const double* a, int64_t lda, double shift, unsigned long long* largest) {
  const int64_t j = static_cast<int64_t>(blockIdx.x) * kColumns + threadIdx.x;
  if (j >= cols) return;
  double column = 0;
  for (int64_t i = 0; i < rows; i += kAhead) {
    double values[kAhead];
#pragma unroll
    for (int r = 0; r < kAhead; ++r) values[r] = i + r < rows ? a[(i + r) * lda + j] : 0;
#pragma unroll
    for (int r = 0; r < kAhead; ++r) {
      const double value = fabs(i + r == j ? values[r] - shift : values[r]);
      if (i + r >= rows) continue;
      if (kSum) {
        column += value;
      } else {
        column = !(value <= column) && column == column ? value : column;
      }
    }
  }
  atomicMax(largest, static_cast<unsigned long long>(bits_of(fabs(column))));
}

}  // namespace

void norm(mg_context* context, int32_t kind, int64_t rows, int64_t cols, const double* a, int64_t lda, double shift,
          double* out) {
  *out = 0;
  if (rows == 0 || cols == 0) return;
  OnDevice here;
  State& s = state(context);
  check(cudaMemsetAsync(s.counters, 0, sizeof *s.counters, s.stream), "norm");
  launch(s, "norm", blocks_of(tiles_of(cols, kColumns)), kColumns, 0,
         kind == MG_NORM_ONE ? &largest_column<true> : &largest_column<false>, rows, cols, a, lda, shift, s.counters);
  unsigned long long bits = 0;
  check(cudaMemcpyAsync(&bits, s.counters, sizeof bits, cudaMemcpyDeviceToHost, s.stream), "norm");
  synchronize(s, "norm");
  const double found = double_of(bits);
  *out = std::isnan(found) ? std::numeric_limits<double>::quiet_NaN() : found;
}

}  // namespace cuda
}  // namespace merganser
