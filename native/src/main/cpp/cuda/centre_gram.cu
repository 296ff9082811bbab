// SPDX-License-Identifier: Apache-2.0
// Symmetric matrices, centred, with the CPU's bytes: sixteen threads have a row, each the sum of every sixteenth element,
// and shuffles add them pairwise; the sums of the rows are a row themselves. Then each element by itself.
// Bytes: the matrix is read twice and written once (half of it, packed). Expected at 3.3 TB/s: n = 8192 (537 MB) 0.5 ms.
// Not yet run on a device.
#include <algorithm>

#include "cuda/gram.h"
#include "cuda/types.cuh"
#include "routines/gram.h"

namespace merganser {
namespace cuda {

namespace {

constexpr int kLanes = 16, kRowsOfBlock = kThreads / kLanes;
constexpr int64_t kMostRows = 65535;  // of a grid's second dimension

__device__ __forceinline__ double sum_of(const double* x, int64_t n, int lane) {
  double sum = 0;
  for (int64_t j = lane; j < n; j += kLanes) sum += x[j];
#pragma unroll
  for (int apart = kLanes / 2; apart > 0; apart /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, apart);
  return sum;
}

// Without the element on the diagonal where `hollow`.
__global__ void __launch_bounds__(kThreads)
    sum_rows(int64_t rows, int64_t n, bool hollow, const double* k, double* sums) {
  const int lane = static_cast<int>(threadIdx.x) % kLanes;
  const int64_t wanted = static_cast<int64_t>(blockIdx.x) * kRowsOfBlock + threadIdx.x / kLanes;
  const int64_t i = wanted < rows ? wanted : rows - 1;  // all shuffle with the others
  const double* row = k + i * n;
  double sum = sum_of(row, hollow ? i : n, lane);
  if (hollow) sum += sum_of(row + i + 1, n - i - 1, lane);
  if (wanted < rows && lane == 0) sums[i] = sum;
}

__global__ void __launch_bounds__(kThreads)
    means_of(int64_t n, GramDivisors by, const double* sums, const double* total, double* means) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i < n) means[i] = sums[i] / by.row - *total / by.row / by.all;
}

__global__ void __launch_bounds__(kThreads)
    take_off(int64_t n, int32_t centring, const double* k, const double* means, double* out) {
  const int64_t j = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (j >= n) return;
  const double mine = means[j];
  for (int64_t i = blockIdx.y; i < n; i += gridDim.y) {
    if (centring == MG_CENTRE_PACKED && j <= i) continue;
    const bool zero = centring == MG_CENTRE_UNBIASED && i == j;
    const double less = zero ? 0 : k[i * n + j] - (means[i] + mine);
    out[centring == MG_CENTRE_PACKED ? i * (2 * n - i - 1) / 2 + j - i - 1 : i * n + j] = less;
  }
}

}  // namespace

void centre_gram_on(State& s, const char* routine, int32_t centring, int64_t n, const double* k, double* out) {
  Scratch scratch(s.scratch);
  const bool unbiased = centring != MG_CENTRE_BIASED;
  double *sums = scratch.take<double>(n), *total = scratch.take<double>(1), *means = scratch.take<double>(n);
  const unsigned int across = blocks_of(tiles_of(n, kThreads));
  launch(s, routine, blocks_of(tiles_of(n, kRowsOfBlock)), kThreads, 0, sum_rows, n, n, unbiased, k, sums);
  launch(s, routine, 1, kThreads, 0, sum_rows, int64_t{1}, n, false, sums, total);
  launch(s, routine, across, kThreads, 0, means_of, n, GramDivisors(n, unbiased), sums, total, means);
  launch(s, routine, dim3(across, static_cast<unsigned int>(std::min(n, kMostRows))), kThreads, 0, take_off, n, centring,
         k, means, out);
}

void centre_gram(mg_context* context, int32_t centring, int64_t n, const double* k, double* out) {
  if (n == 0) return;
  OnDevice here;
  State& s = state(context);
  centre_gram_on(s, "centre_gram", centring, n, k, out);
  synchronize(s, "centre_gram");
}

}  // namespace cuda
}  // namespace merganser
