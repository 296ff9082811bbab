// SPDX-License-Identifier: Apache-2.0
// out_j = in_0 ^ in_1 ^ ... : the measure of memory that gpu-check compares with, in any mix of 1 to 8 arrays read and 0
// to 8 written, by accesses of 16 bytes, four of each array under way.
// Bytes: those of all arrays. Expected: 3.0 to 3.3 TB/s on an H100-class card from 64 MiB on; below 50 MB the cache of the
// card answers.
// Not yet run on a device.
#include "cuda/types.cuh"

namespace merganser {
namespace cuda {

namespace {

using Line = Pack<unsigned long long, 2>;

constexpr int kAhead = 4;

struct Arrays {
  const Line* in[8];
  Line* out[8];
};

// Without outputs a number that is hardly ever found keeps the reads.
template <int kReads>
__global__ void __launch_bounds__(kThreads)
    xor_all(const __grid_constant__ Arrays arrays, int writes, int64_t lines, unsigned long long* unlikely) {
  const int64_t step = static_cast<int64_t>(gridDim.x) * kThreads;
  unsigned long long all = 0;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x; i < lines; i += kAhead * step) {
    Line sums[kAhead];
#pragma unroll
    for (int k = 0; k < kAhead; ++k) sums[k] = i + k * step < lines ? arrays.in[0][i + k * step] : Line{};
#pragma unroll
    for (int array = 1; array < kReads; ++array) {
#pragma unroll
      for (int k = 0; k < kAhead; ++k) {
        const Line line = i + k * step < lines ? arrays.in[array][i + k * step] : Line{};
        sums[k].word[0] ^= line.word[0];
        sums[k].word[1] ^= line.word[1];
      }
    }
    for (int array = 0; array < writes; ++array) {
#pragma unroll
      for (int k = 0; k < kAhead; ++k) {
        if (i + k * step < lines) arrays.out[array][i + k * step] = sums[k];
      }
    }
#pragma unroll
    for (int k = 0; k < kAhead; ++k) all ^= sums[k].word[0] + sums[k].word[1];
  }
  if (writes == 0 && all == 0x9e3779b97f4a7c15u) *unlikely = all;
}

template <int kReads>
void run(State& s, const Arrays& arrays, int32_t reads, int32_t writes, int64_t lines) {
  if constexpr (kReads < 8) {
    if (reads > kReads) return run<kReads + 1>(s, arrays, reads, writes, lines);
  }
  const int64_t needed = tiles_of(lines, kAhead * kThreads);
  launch(s, "bandwidth", static_cast<unsigned int>(needed < s.blocks ? needed : s.blocks), kThreads, 0,
         xor_all<kReads>, arrays, writes, lines, s.counters);
}

}  // namespace

void bandwidth(mg_context* context, int64_t bytes, int32_t reads, const void* const* in, int32_t writes,
               void* const* out) {
  if (bytes == 0) return;
  OnDevice here;
  State& s = state(context);
  Arrays arrays{};
  for (int32_t k = 0; k < reads; ++k) arrays.in[k] = static_cast<const Line*>(in[k]);
  for (int32_t k = 0; k < writes; ++k) arrays.out[k] = static_cast<Line*>(out[k]);
  run<1>(s, arrays, reads, writes, bytes / static_cast<int64_t>(sizeof(Line)));
  synchronize(s, "bandwidth");
}

}  // namespace cuda
}  // namespace merganser
