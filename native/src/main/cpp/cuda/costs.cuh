// SPDX-License-Identifier: Apache-2.0
// Costs of an assignment on the device: parts of the matrix as kernels read them, and reductions over a block.
#pragma once

#include "cuda/assignment_costs.h"
#include "cuda/types.cuh"

namespace merganser {
namespace cuda {
namespace {

// c as the minimisation sees it.
template <typename Real>
struct PartRow {
  const Real* row;
  double sign;
  __device__ PartRow(const CostPart& part, int64_t r)
      : row(static_cast<const Real*>(part.base) + (part.index ? part.index[r] : r) * part.ld), sign(part.sign) {}
  __device__ __forceinline__ double operator[](int64_t j) const { return sign * static_cast<double>(row[j]); }
};

// As kernels/assignment.inc has it. NaN fails.
__device__ __forceinline__ bool acceptable(double c) {
  return c >= -1e300 && (c <= 1e300 || c == __longlong_as_double(0x7ff0000000000000));
}

__device__ __forceinline__ double infinity() { return __longlong_as_double(0x7ff0000000000000); }

// A minimum and, of equal ones, the lowest place; place -1 is none.
struct Lowest {
  double value;
  int place;

  __device__ __forceinline__ void add(double x, int at) {
    if (at >= 0 && (place < 0 || x < value || (x == value && at < place))) {
      value = x;
      place = at;
    }
  }
};

__device__ __forceinline__ Lowest lowest_of_warp(Lowest mine) {
#pragma unroll
  for (int step = 16; step > 0; step /= 2) {
    const double value = __shfl_xor_sync(0xffffffffu, mine.value, step);
    const int place = __shfl_xor_sync(0xffffffffu, mine.place, step);
    mine.add(value, place);
  }
  return mine;
}

// The least or, with kLargest, the largest of a block of up to kThreads, in all of its threads.
template <bool kLargest>
__device__ __forceinline__ double extreme_of_block(double mine, double* shared) {
#pragma unroll
  for (int step = 16; step > 0; step /= 2) {
    const double other = __shfl_xor_sync(0xffffffffu, mine, step);
    if (kLargest ? other > mine : other < mine) mine = other;
  }
  if (threadIdx.x % 32 == 0) shared[threadIdx.x / 32] = mine;
  __syncthreads();
  for (int w = 0; w < static_cast<int>(blockDim.x) / 32; ++w) {
    if (kLargest ? shared[w] > mine : shared[w] < mine) mine = shared[w];
  }
  __syncthreads();
  return mine;
}

// The rank-th smallest, from 1, of the kListBlocks minima, in all threads of a warp.
__device__ __forceinline__ float rank_of_minima(const float* minima, int rank) {
  const float low = minima[threadIdx.x % 32], high = minima[32 + threadIdx.x % 32];
  int below_low = 0, below_high = 0;
  for (int b = 0; b < static_cast<int>(kListBlocks); ++b) {
    below_low += minima[b] < low;
    below_high += minima[b] < high;
  }
  const float none = -__int_as_float(0x7f800000);
  float best = below_low < rank ? low : none;
  if (below_high < rank && high > best) best = high;
#pragma unroll
  for (int step = 16; step > 0; step /= 2) {
    const float other = __shfl_xor_sync(0xffffffffu, best, step);
    if (other > best) best = other;
  }
  return best;
}

// (float)(h * scale), as list_reduced has it.
__device__ __forceinline__ float narrow_reduced(double c, double v, double scale) {
  return __double2float_rn((c - v) * scale);
}

}  // namespace
}  // namespace cuda
}  // namespace merganser
