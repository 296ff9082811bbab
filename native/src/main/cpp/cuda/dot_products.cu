// SPDX-License-Identifier: Apache-2.0
// sum x y, sum x x and sum y y in F64, each product and sum rounded by itself, in the CPU's order: chunks of 16384
// elements, in each sixteen sums of every sixteenth element, added pairwise; then the chunks in order. So sixteen
// threads have a chunk and shuffles add their sums: the bytes of the CPU, which depend on the count only.
// Bytes: each element once. Expected at 3.3 TB/s: 2 x 16.8 million of F32 (134 MB) 0.04 ms, of BF16 0.02 ms; those are
// 1024 chunks, so 16384 threads with 32 loads under way each, 2 MiB of F32. The six operations in F64 for each pair
// take 0.003 ms. A single chunk is 1024 steps of a sum: about 10 us.
// Not yet run on a device.
#include "cuda/types.cuh"

namespace merganser {
namespace cuda {

namespace {

constexpr int kLanes = 16, kAhead = 16, kChunksOfBlock = kThreads / kLanes;
constexpr int64_t kChunk = 16384;

template <typename T>
__global__ void __launch_bounds__(kThreads)
    multiply_chunks(int64_t count, int64_t chunks, const void* x, const void* y, double* parts) {
  const int64_t chunk = static_cast<int64_t>(blockIdx.x) * kChunksOfBlock + threadIdx.x / kLanes;
  const int64_t begin = chunk * kChunk;  // beyond count in the last warps, which shuffle with the others
  const int64_t end = begin + kChunk < count ? begin + kChunk : count;
  double sum[3] = {};
  for (int64_t i = begin + threadIdx.x % kLanes; i < end; i += kAhead * kLanes) {
    WordOf<T> a[kAhead], b[kAhead];
#pragma unroll
    for (int k = 0; k < kAhead; ++k) {
      const bool inside = i + k * kLanes < end;
      a[k] = inside ? load<WordOf<T>, 1>(x, i + k * kLanes).word[0] : WordOf<T>(0);
      b[k] = inside ? load<WordOf<T>, 1>(y, i + k * kLanes).word[0] : WordOf<T>(0);
    }
#pragma unroll
    for (int k = 0; k < kAhead; ++k) {
      const double p = T::f64(value_of(a[k])), q = T::f64(value_of(b[k]));
      sum[0] += p * q;
      sum[1] += p * p;
      sum[2] += q * q;
    }
  }
#pragma unroll
  for (int k = 0; k < 3; ++k) {
#pragma unroll
    for (int apart = kLanes / 2; apart > 0; apart /= 2) sum[k] += __shfl_xor_sync(0xffffffffu, sum[k], apart);
  }
  if (chunk >= chunks || threadIdx.x % kLanes != 0) return;
#pragma unroll
  for (int k = 0; k < 3; ++k) parts[3 * chunk + k] = sum[k];
}

}  // namespace

void dot_products(mg_context* context, int32_t dtype, int64_t count, const void* x, const void* y, double* sums) {
  for (int k = 0; k < 3; ++k) sums[k] = 0;
  if (count == 0) return;
  OnDevice here;
  State& s = state(context);
  Scratch scratch(s.scratch), staging(s.staging);
  const int64_t chunks = tiles_of(count, kChunk);
  double *parts = scratch.take<double>(3 * chunks), *staged = staging.take<double>(3 * chunks);
  with_type(dtype, [&](auto type) {
    launch(s, "dot_products", blocks_of(tiles_of(chunks, kChunksOfBlock)), kThreads, 0,
           multiply_chunks<decltype(type)>, count, chunks, x, y, parts);
  });
  check(cudaMemcpyAsync(staged, parts, static_cast<size_t>(3 * chunks) * sizeof *parts, cudaMemcpyDeviceToHost,
                        s.stream),
        "dot_products");
  synchronize(s, "dot_products");
  for (int64_t c = 0; c < chunks; ++c) {
    for (int k = 0; k < 3; ++k) sums[k] += staged[3 * c + k];
  }
}

}  // namespace cuda
}  // namespace merganser
