// SPDX-License-Identifier: Apache-2.0
// The kernels of assignment_costs.cu, whose head says what they are. Blocks of one row have as many threads as its
// columns need, kThreads at most.
#pragma once

#include "cuda/costs.cuh"

namespace merganser {
namespace cuda {
namespace {

constexpr int kWarps = kThreads / 32;

// Products of rows: out[r, j] = sum_l x[row, l] y[j, l] in the order of l. A block has 64 x 64 of them, a thread 4 x 4,
// 16 apart.
constexpr int kTile = 64, kDepth = 16;

template <typename T>
__global__ void __launch_bounds__(kThreads)
    factor_part(const void* x, int64_t ldx, const void* y, int64_t ldy, int64_t k, int64_t first, const int32_t* index,
                int64_t count, int64_t cols, double* out) {
  __shared__ double left[kDepth][kTile + 1], right[kDepth][kTile + 1];
  const int64_t row = static_cast<int64_t>(blockIdx.y) * kTile, column = static_cast<int64_t>(blockIdx.x) * kTile;
  const int tr = static_cast<int>(threadIdx.x) / 16, tc = static_cast<int>(threadIdx.x) % 16;
  double sum[4][4] = {};
  for (int64_t l = 0; l < k; l += kDepth) {
    for (int e = static_cast<int>(threadIdx.x); e < kTile * kDepth; e += kThreads) {
      const int w = e / kDepth, at = e % kDepth;
      const bool deep = l + at < k;
      double a = 0, b = 0;
      if (deep && row + w < count) {
        const int64_t r = index ? index[row + w] : first + row + w;
        a = T::f64(value_of(load<WordOf<T>, 1>(x, r * ldx + l + at).word[0]));
      }
      if (deep && column + w < cols) {
        b = T::f64(value_of(load<WordOf<T>, 1>(y, (column + w) * ldy + l + at).word[0]));
      }
      left[at][w] = a;
      right[at][w] = b;
    }
    __syncthreads();
    const int depth = k - l < kDepth ? static_cast<int>(k - l) : kDepth;
    for (int at = 0; at < depth; ++at) {
      double a[4], b[4];
#pragma unroll
      for (int q = 0; q < 4; ++q) {
        a[q] = left[at][tr + 16 * q];
        b[q] = right[at][tc + 16 * q];
      }
#pragma unroll
      for (int p = 0; p < 4; ++p) {
#pragma unroll
        for (int q = 0; q < 4; ++q) sum[p][q] = __dadd_rn(sum[p][q], __dmul_rn(a[p], b[q]));
      }
    }
    __syncthreads();
  }
#pragma unroll
  for (int p = 0; p < 4; ++p) {
#pragma unroll
    for (int q = 0; q < 4; ++q) {
      const int64_t r = row + tr + 16 * p, j = column + tc + 16 * q;
      if (r < count && j < cols) out[r * cols + j] = sum[p][q];
    }
  }
}

// Rows at an address that no element can have, copied to one that they can.
template <typename T>
__global__ void __launch_bounds__(kThreads)
    align_part(const void* x, int64_t ld, int64_t first, const int32_t* index, int64_t cols, WordOf<T>* out) {
  const int64_t r = blockIdx.x, row = index ? index[r] : first + r;
  for (int64_t j = threadIdx.x; j < cols; j += blockDim.x) {
    out[r * cols + j] = load<WordOf<T>, 1>(x, row * ld + j).word[0];
  }
}

// bits[0] = the largest of the bits of |x|, whose order is that of the numbers; bits[1] = the least place of what is
// not finite.
template <typename T>
__global__ void __launch_bounds__(kThreads)
    largest_magnitude(const void* x, int64_t rows, int64_t k, int64_t ld, unsigned long long* bits) {
  unsigned long long largest = 0, first = ~0ull;
  const int64_t threads = static_cast<int64_t>(gridDim.x) * kThreads;
  for (int64_t e = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x; e < rows * k; e += threads) {
    const double value = T::f64(value_of(load<WordOf<T>, 1>(x, e / k * ld + e % k).word[0]));
    const unsigned long long magnitude = bits_of(value) & 0x7fffffffffffffffull;
    if (magnitude > largest) largest = magnitude;
    if (magnitude >= 0x7ff0000000000000ull && static_cast<unsigned long long>(e) < first) {
      first = static_cast<unsigned long long>(e);
    }
  }
  atomicMax(&bits[0], largest);
  if (first != ~0ull) atomicMin(&bits[1], first);
}

// *bad = the least row with a bad cost.
template <typename Real>
__global__ void __launch_bounds__(kThreads) bad_rows(CostPart part, int64_t cols, unsigned long long* bad) {
  const PartRow<Real> c(part, blockIdx.x);
  bool found = false;
  for (int64_t j = threadIdx.x; j < cols; j += blockDim.x) found = found || !acceptable(c[j]);
  if (found) atomicMin(bad, static_cast<unsigned long long>(part.first + blockIdx.x));
}

// Block (x, y): 256 columns over a piece of `piece` rows. Minima of the pieces one after the other.
template <typename Real>
__global__ void __launch_bounds__(kThreads)
    minima_of_pieces(CostPart part, int64_t cols, int64_t piece, double* value, int32_t* row, unsigned long long* bad) {
  const int64_t j = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (j >= cols) return;
  const int64_t begin = blockIdx.y * piece, end = begin + piece < part.count ? begin + piece : part.count;
  const Real* element = static_cast<const Real*>(part.base) + begin * part.ld + j;
  double least = infinity();
  int64_t where = -1, wrong = -1;
#pragma unroll 8
  for (int64_t r = begin; r < end; ++r) {
    const double c = part.sign * static_cast<double>(*element);
    element += part.ld;
    if (c < least) {
      least = c;
      where = r;
    }
    if (!acceptable(c) && wrong < 0) wrong = r;
  }
  value[blockIdx.y * cols + j] = least;
  row[blockIdx.y * cols + j] = static_cast<int32_t>(where < 0 ? where : part.first + where);
  if (wrong >= 0) atomicMin(bad, static_cast<unsigned long long>(part.first + wrong));
}

// Pieces in their order after what is there from rows before them: the first of equal ones is the lowest row.
__global__ void __launch_bounds__(kThreads) join_pieces(int64_t cols, int pieces, bool more, const double* value,
                                                        const int32_t* row, double* minimum, int32_t* argmin) {
  const int64_t j = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (j >= cols) return;
  double least = more ? minimum[j] : infinity();
  int32_t where = more ? argmin[j] : -1;
  for (int p = 0; p < pieces; ++p) {
    if (value[p * cols + j] < least) {
      least = value[p * cols + j];
      where = row[p * cols + j];
    }
  }
  minimum[j] = least;
  argmin[j] = where;
}

// The least h of a row, and the columns that have it as bits, 32 a word.
template <typename Real>
__global__ void __launch_bounds__(kThreads)
    tight_columns(CostPart part, int64_t cols, const double* v, double* least, unsigned int* tight) {
  __shared__ double shared[kWarps];
  const PartRow<Real> c(part, blockIdx.x);
  double mine = infinity();
#pragma unroll 4
  for (int64_t j = threadIdx.x; j < cols; j += blockDim.x) {
    const double h = c[j] - v[j];
    if (h < mine) mine = h;
  }
  mine = extreme_of_block<false>(mine, shared);
  if (threadIdx.x == 0) least[blockIdx.x] = mine;
  const int64_t words = (cols + 31) / 32;
  for (int64_t w = threadIdx.x / 32; w < words; w += blockDim.x / 32) {
    const int64_t j = 32 * w + threadIdx.x % 32;
    const bool here = j < cols;
    const unsigned int bits = __ballot_sync(0xffffffffu, here && c[here ? j : 0] - v[here ? j : 0] == mine);
    if (threadIdx.x % 32 == 0) tight[blockIdx.x * words + w] = bits;
  }
}

// A WideList of each row of the part: of the `wide`-th smallest block minimum or, where more columns than it holds are
// below that, of the `narrow`-th, which the solver's list is cut at.
template <typename Real>
__global__ void __launch_bounds__(kThreads)
    wide_lists(CostPart part, int64_t cols, const double* v, double scale, int wide, int narrow, char* out,
               int64_t bytes) {
  constexpr int kWide = WideList::kWide;
  __shared__ float minima[kListBlocks], of_warp[kWarps][kListBlocks];
  __shared__ int count[kWarps], found[kWarps][kWide];
  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
  const int warps = static_cast<int>(blockDim.x) / 32;
  const PartRow<Real> c(part, blockIdx.x);
  const float none = __int_as_float(0x7f800000);
  const int64_t slab = (cols + kListBlocks - 1) / kListBlocks * 16;
  for (int s = 0; s < static_cast<int>(kListSlabs); ++s) {
    const int64_t end = (s + 1) * slab < cols ? (s + 1) * slab : cols;
    float least = none;
#pragma unroll 4
    for (int64_t j = s * slab + threadIdx.x; j < end; j += 32 * warps) {
      const float h = narrow_reduced(c[j], v[j], scale);
      if (h < least) least = h;
    }
    const float other = __shfl_xor_sync(0xffffffffu, least, 16);
    if (other < least) least = other;
    if (lane < 16) of_warp[warp][16 * s + lane] = least;
  }
  __syncthreads();
  for (int b = static_cast<int>(threadIdx.x); b < static_cast<int>(kListBlocks); b += blockDim.x) {
    float least = of_warp[0][b];
    for (int w = 1; w < warps; ++w) {
      if (of_warp[w][b] < least) least = of_warp[w][b];
    }
    minima[b] = least;
  }
  __syncthreads();
  // Each warp has a run of columns.
  const int64_t run = (cols + blockDim.x - 1) / blockDim.x * 32;
  const int64_t begin = warp * run < cols ? warp * run : cols, end = begin + run < cols ? begin + run : cols;
  float threshold = 0;
  int total = kWide + 1, before = 0;
  for (int turn = 0; turn < 2 && total > kWide; ++turn) {
    threshold = rank_of_minima(minima, turn == 0 ? wide : narrow);
    const float largest = __int_as_float(0x7f7fffff);
    if (!(threshold < largest)) threshold = largest;
    int mine = 0;
    for (int64_t start = begin; start < end && mine <= kWide; start += 32) {
      const int64_t j = start + lane;
      const bool below = j < end && narrow_reduced(c[j < end ? j : begin], v[j < end ? j : begin], scale) <= threshold;
      const unsigned int bits = __ballot_sync(0xffffffffu, below);
      const int at = mine + __popc(bits & ((1u << lane) - 1));
      if (below && at < kWide) found[warp][at] = static_cast<int>(j);
      mine += __popc(bits);
    }
    if (lane == 0) count[warp] = mine;
    __syncthreads();
    total = before = 0;
    for (int w = 0; w < warps; ++w) {
      if (w < warp) before += count[w];
      total += count[w];
    }
    __syncthreads();
  }
  WideList* list = reinterpret_cast<WideList*>(out + blockIdx.x * bytes);
  if (threadIdx.x == 0) {
    list->threshold = threshold;
    list->count = total > kWide ? -1 : total;
  }
  if (total > kWide) return;
  Real* costs = reinterpret_cast<Real*>(list + 1);
  for (int e = lane; e < count[warp]; e += 32) {
    const int j = found[warp][e];
    list->column[before + e] = j;
    costs[before + e] = static_cast<Real>(c[j]);
  }
}

// As kernels/assignment.inc has it.
__device__ __forceinline__ double excess(double u, double v, double c) {
  const double sum = u + v, part = sum - u;
  const double lost = (u - (sum - part)) + (v - part);
  const double rest = sum - c, other = rest - sum;
  const double lost_too = (sum - (rest - other)) + (-c - other);
  return rest + (lost + lost_too);
}

template <typename Real>
__global__ void __launch_bounds__(kThreads)
    excesses_of(CostPart part, int64_t cols, const int64_t* columns, const double* u, const double* v, double* worst,
                unsigned long long* bad) {
  __shared__ double shared[kWarps];
  const PartRow<Real> c(part, blockIdx.x);
  const double dual = u[part.first + blockIdx.x];
  const int64_t own = columns[part.first + blockIdx.x];
  double mine = -infinity();
  bool wrong = false;
#pragma unroll 2
  for (int64_t j = threadIdx.x; j < cols; j += blockDim.x) {
    const double cost = c[j], now = excess(dual, v[j], cost);
    if (now > mine && j != own) mine = now;
    wrong = wrong || !acceptable(cost);
  }
  if (wrong) atomicMin(bad, static_cast<unsigned long long>(part.first + blockIdx.x));
  mine = extreme_of_block<true>(mine, shared);
  if (threadIdx.x == 0) worst[part.first + blockIdx.x] = mine;
}

// c of one column of each row: an element of a matrix, or a product.
template <typename T>
__global__ void __launch_bounds__(kThreads)
    pairs_of(int64_t rows, const void* x, int64_t ldx, const void* y, int64_t ldy, int64_t k, double sign,
             const int64_t* columns, double* out) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= rows) return;
  const int64_t j = columns[i];
  double c = 0;
  if (k < 0) {
    c = T::f64(value_of(load<WordOf<T>, 1>(x, i * ldx + j).word[0]));
  } else {
    for (int64_t l = 0; l < k; ++l) {
      const double a = T::f64(value_of(load<WordOf<T>, 1>(x, i * ldx + l).word[0]));
      const double b = T::f64(value_of(load<WordOf<T>, 1>(y, j * ldy + l).word[0]));
      c = __dadd_rn(c, __dmul_rn(a, b));
    }
  }
  out[i] = sign * c;
}

}  // namespace
}  // namespace cuda
}  // namespace merganser
