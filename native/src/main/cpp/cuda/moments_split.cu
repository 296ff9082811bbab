// SPDX-License-Identifier: Apache-2.0
// Operands of products of F32 on tensor cores, which take TF32: 11 bits of a significand where F32 has 24. With r(x)
// the nearest number of TF32 and u = 2^-11,
//   hi = r(z), lo = r(z - hi): z = hi + lo + e, |z - hi| <= u |z|, |e| <= u^2 |z|  (z - hi is exact),
//   z_x z_y = lo_x hi_y + hi_x lo_y + hi_x hi_y + d, |d| <= (3 u^2 + O(u^3)) |z_x z_y|, 3 u^2 = 7.2e-7,
// of lo_x lo_y, e_x z_y and z_x e_y. Products of two numbers of TF32 are exact in F32, and are added in F32: a block is
// off by 3 u^2 sum |z_x z_y| at most, beside what sums in F32 are off, of which there are three where
// MG_MOMENTS_MIXED has one.
// Largest error / sum |z_x z_y| on the stand-in of the tests, which cuts operands to TF32:
//                            three products   F32     one product of z rounded to TF32
//     2 samples x 100        3.3e-7           5.9e-8  8.6e-4
//   512 samples x 64         1.4e-7           1.0e-7  6.6e-5
//  4096 samples x 64         3.1e-8           3.4e-8  2.6e-5
// The other version, two products, lo_x hi_y + hi_x hi_y, is off by u.
// Here: a thread has a feature and 8 samples at a time, 4 bytes read and 8 written for each value. Expected at
// 3.3 TB/s: 65536 x 512 (0.4 GB) 0.12 ms. Products, three of TF32 at 300 TF/s for one of F32 at 60: 65536 x 512 x 512
// 0.34 ms for 0.57.
// Not yet run on a device, whose tensor cores may add with fewer bits than F32.
#include "cuda/moments.h"

#include "cuda/types.cuh"

namespace merganser {
namespace cuda {

namespace {

constexpr int kAtOnce = 8, kSplitRows = 64;

// To the nearest, of two the even one; z is finite, and far from the largest number.
__device__ __forceinline__ float to_tf32(float z) {
  const unsigned int bits = word_of(z);
  return value_of((bits + 0xfffu + (bits >> 13 & 1u)) & ~0x1fffu);
}

__global__ void __launch_bounds__(kThreads) split(const Group group) {
  const Series series = group.series[blockIdx.y];
  const int64_t f = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (!series.z || f >= series.width) return;
  float* z = static_cast<float*>(series.z) + f;
  float* rest = series.rest + f;
  for (int64_t tile = static_cast<int64_t>(blockIdx.z) * kSplitRows; tile < group.rows;
       tile += static_cast<int64_t>(gridDim.z) * kSplitRows) {
    const int64_t end = group.rows < tile + kSplitRows ? group.rows : tile + kSplitRows;
    for (int64_t begin = tile; begin < end; begin += kAtOnce) {
      float values[kAtOnce];
#pragma unroll
      for (int k = 0; k < kAtOnce; ++k) values[k] = begin + k < end ? z[(begin + k) * series.ldz] : 0;
#pragma unroll
      for (int k = 0; k < kAtOnce; ++k) {
        if (begin + k >= end) continue;
        const float high = to_tf32(values[k]);
        z[(begin + k) * series.ldz] = high;
        rest[(begin + k) * series.ldz] = to_tf32(values[k] - high);
      }
    }
  }
}

}  // namespace

void split_panels(State& s, const Group& group) {
  const int64_t tiles = tiles_of(group.rows, kSplitRows);
  const dim3 grid(blocks_of(tiles_of(group.widest, kThreads)), static_cast<unsigned int>(group.count),
                  blocks_of(tiles < 4096 ? tiles : 4096));
  launch(s, "moments_update", grid, kThreads, 0, split, group);
}

}  // namespace cuda
}  // namespace merganser
