// SPDX-License-Identifier: Apache-2.0
// out[i][j] = a[i][j] / (row_divisors[i] col_divisors[j]), 0 where that product is 0: two operations, each rounded by
// itself, so the bytes are those of the CPU.
// Bytes: one read and one write of 8 for each element, the lists once for each block; a block has 256 columns and 8
// rows, whose loads are all under way at once. Expected at 3.3 TB/s: 4096 x 4096 (268 MB) 0.08 ms; the divisions (about
// 20 operations) take a third of that.
// Not yet run on a device.
#include "cuda/types.cuh"

namespace merganser {
namespace cuda {

namespace {

constexpr int kHeight = 8;

// Of an element that is NaN its bits, quiet; else of an operation without a value, what the processors have.
__device__ __forceinline__ double quotient(double a, double by) {
  if (by == 0) return 0;
  const double result = a / by;
  if (result == result) return result;
  if (a != a) return double_of(bits_of(a) | 0x0008000000000000u);
  return double_of(by != by ? bits_of(by) | 0x0008000000000000u : uint64_t{0xfff8000000000000u});
}

__global__ void __launch_bounds__(kThreads)
    divide_strips(int64_t rows, int64_t cols, int64_t across, const double* a, int64_t lda, const double* row_divisors,
                  const double* col_divisors, double* out, int64_t ldo) {
  const int64_t first = blockIdx.x / across * kHeight, j = blockIdx.x % across * kThreads + threadIdx.x;
  if (j >= cols) return;
  const double by = col_divisors ? col_divisors[j] : 1;
  const int height = static_cast<int>(rows - first < kHeight ? rows - first : kHeight);
  double values[kHeight];
#pragma unroll
  for (int r = 0; r < kHeight; ++r) values[r] = r < height ? a[(first + r) * lda + j] : 0;
#pragma unroll
  for (int r = 0; r < kHeight; ++r) {
    if (r < height) out[(first + r) * ldo + j] = quotient(values[r], (row_divisors ? row_divisors[first + r] : 1) * by);
  }
}

}  // namespace

void divide(mg_context* context, int64_t rows, int64_t cols, const double* a, int64_t lda, const double* row_divisors,
            const double* col_divisors, double* out, int64_t ldo) {
  if (rows == 0 || cols == 0) return;
  OnDevice here;
  State& s = state(context);
  Scratch scratch(s.scratch);
  const auto on_device = [&](const double* list, int64_t count) -> const double* {
    if (!list) return nullptr;
    double* copy = scratch.take<double>(count);
    check(cudaMemcpyAsync(copy, list, static_cast<size_t>(count) * sizeof *copy, cudaMemcpyHostToDevice, s.stream),
          "copying the divisors");
    return copy;
  };
  const double *by_row = on_device(row_divisors, rows), *by_col = on_device(col_divisors, cols);
  const int64_t across = tiles_of(cols, kThreads);
  launch(s, "divide", blocks_of(tiles_of(rows, kHeight) * across), kThreads, 0, divide_strips, rows, cols, across, a,
         lda, by_row, by_col, out, ldo);
  synchronize(s, "divide");
}

}  // namespace cuda
}  // namespace merganser
