// SPDX-License-Identifier: Apache-2.0
// out[i] = sum_j x[i][j] y[i][j] in F64, each rounded by itself, in the CPU's order: eight sums of every eighth column,
// added pairwise. So eight threads have a row, each one of the sums, and shuffles add them: the bytes of the CPU.
// Bytes: 16 for each pair of elements. Expected at 3.3 TB/s: 4096 x 4096 (268 MB) 0.08 ms; 4096 rows are 1024 warps
// with 16 loads of 256 bytes under way each, 4 MiB.
// Not yet run on a device.
#include <cstring>

#include "cuda/types.cuh"

namespace merganser {
namespace cuda {

namespace {

constexpr int kLanes = 8, kAhead = 8, kRowsOfBlock = kThreads / kLanes;

__global__ void __launch_bounds__(kThreads)
    multiply_rows(int64_t rows, int64_t cols, const double* x, int64_t ldx, const double* y, int64_t ldy, double* out) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kRowsOfBlock + threadIdx.x / kLanes;
  const int64_t row = i < rows ? i : rows - 1;  // all threads of a warp shuffle
  const double *left = x + row * ldx, *right = y + row * ldy;
  double sum = 0;
  int64_t j = threadIdx.x % kLanes;
  for (; j + (kAhead - 1) * kLanes < cols; j += kAhead * kLanes) {
    double a[kAhead], b[kAhead];
#pragma unroll
    for (int k = 0; k < kAhead; ++k) {
      a[k] = left[j + k * kLanes];
      b[k] = right[j + k * kLanes];
    }
#pragma unroll
    for (int k = 0; k < kAhead; ++k) sum += a[k] * b[k];
  }
  for (; j < cols; j += kLanes) sum += left[j] * right[j];
#pragma unroll
  for (int apart = kLanes / 2; apart > 0; apart /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, apart);
  if (i < rows && threadIdx.x % kLanes == 0) out[i] = sum;
}

}  // namespace

void row_products(mg_context* context, int64_t rows, int64_t cols, const double* x, int64_t ldx, const double* y,
                  int64_t ldy, double* out) {
  if (rows == 0) return;
  OnDevice here;
  State& s = state(context);
  Scratch scratch(s.scratch), staging(s.staging);
  const size_t bytes = static_cast<size_t>(rows) * sizeof *out;
  double *sums = scratch.take<double>(rows), *staged = staging.take<double>(rows);
  launch(s, "row_products", blocks_of(tiles_of(rows, kRowsOfBlock)), kThreads, 0, multiply_rows, rows, cols, x, ldx, y,
         ldy, sums);
  check(cudaMemcpyAsync(staged, sums, bytes, cudaMemcpyDeviceToHost, s.stream), "row_products");
  synchronize(s, "row_products");
  std::memcpy(out, staged, bytes);
}

}  // namespace cuda
}  // namespace merganser
