// SPDX-License-Identifier: Apache-2.0
// What was read of a group of panels, into the state: means and sums of squares by the operations and the order of
// routines/moments.cpp (the same bytes), and the fold of products into F64,
//   block += sum over panels of products - rows o_x o_y^T + w d_x d_y^T  (see there).
// fold: a thread has 8 rows of one column and keeps their F64 sums over all panels of the call.
// Bytes: 4 for each product and 16 for each element of the block. Expected at 3.3 TB/s for d = 512 and 8 panels of 1024:
// 8 MB + 4 MB, 4 us, beside products of 4 GF (0.07 ms at 60 TF/s); for d = 4096 and one panel of 4096: 0.34 GB, 0.1 ms,
// beside 69 GF (1.1 ms), half of each for an own block. write_tiles, an own block of d = 4096: the triangle is read and
// the square written, 0.2 GB, 0.06 ms.
// Not yet run on a device.
#include "cuda/moments.h"
#include "cuda/types.cuh"
#include "routines/moments_rules.h"

namespace merganser {
namespace cuda {

namespace {

constexpr int kAhead = 4, kFoldRows = 8, kTile = 32, kTileRows = 8;

// value + low without the rounding of value + low (Knuth).
__device__ __forceinline__ void add_exactly(double a, double b, double& value, double& low) {
  value = a + b;
  const double other = value - a;
  low = (a - (value - other)) + (b - other);
}

__device__ __forceinline__ int64_t rows_of(const Group& group, int64_t panel) {
  const int64_t left = group.rows - panel * group.panel_rows;
  return left < group.panel_rows ? left : group.panel_rows;
}

// n rows / (n + rows) of a panel.
struct Weights {
  double rows, share, weight;
  __device__ __forceinline__ Weights(const Group& group, int64_t panel) {
    const int64_t count = rows_of(group, panel), before = group.before + panel * group.panel_rows;
    rows = static_cast<double>(count);
    share = rows / static_cast<double>(before + count);
    weight = static_cast<double>(before) * share;
  }
};

__global__ void __launch_bounds__(kThreads) merge(const Group group) {
  const Series series = group.series[blockIdx.y];
  const int64_t f = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (f >= series.width) return;
  double mean = series.mean[f], low = series.low[f], m2 = series.m2[f];
  for (int64_t first = 0; first < group.panels; first += kAhead) {
    double sums[kAhead], squares[kAhead], shifts[kAhead];
#pragma unroll
    for (int k = 0; k < kAhead; ++k) {
      const bool there = first + k < group.panels;
      const int64_t at = (first + k) * series.width + f;
      sums[k] = there ? series.sum[at] : 0;
      squares[k] = there ? series.square[at] : 0;
      shifts[k] = there ? series.shift[at] : 0;
    }
#pragma unroll
    for (int k = 0; k < kAhead; ++k) {
      if (first + k >= group.panels) continue;
      const Weights w(group, first + k);
      const double offset = sums[k] / w.rows;
      double panel_mean, panel_low, delta = 0;
      add_exactly(shifts[k], offset, panel_mean, panel_low);
      if (w.weight == 0) {
        mean = panel_mean;
        low = panel_low;
      } else {
        delta = (panel_mean - mean) + (panel_low - low);
        add_exactly(mean, low + delta * w.share, mean, low);
      }
      series.offset[(first + k) * series.width + f] = offset;
      series.delta[(first + k) * series.width + f] = delta;
      double own = squares[k] - w.rows * offset * offset;
      if (own < 0) own = 0;  // by rounding; NaN is kept
      m2 += own + w.weight * delta * delta;
    }
  }
  series.mean[f] = mean;
  series.low[f] = low;
  series.m2[f] = m2;
}

// As deviation_exponent() of a series that is in a block and MG_MOMENTS_MIXED.
__device__ __forceinline__ int exponent_of(const Group& group, int64_t panel, int32_t series) {
  const double largest =
      double_of(group.verdicts[panel * group.count + series].largest) / static_cast<double>(rows_of(group, panel));
  if (!(largest > 0 && largest <= 1.7976931348623157e308)) return 0;
  const int exponent = ilogb(largest) / 2;
  return exponent > kPlainExponent || exponent < -kPlainExponent ? exponent : 0;
}

__global__ void __launch_bounds__(kThreads) scale(const Group group) {
  const Series series = group.series[blockIdx.y];
  const int64_t f = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x, panel = blockIdx.z;
  const int exponent = exponent_of(group, panel, static_cast<int32_t>(blockIdx.y));
  if (exponent == 0 || !series.z || f >= series.width) return;
  const float by = ldexpf(1.0f, -exponent);
  float* z = static_cast<float*>(series.z) + panel * group.panel_rows * series.ldz + f;
  for (int64_t r = 0; r < rows_of(group, panel); ++r) z[r * series.ldz] *= by;
}

// A block has 8 rows of 256 columns; `across` of them cover the columns.
// Two blocks: 91 to 102 registers. With three, 80, and left to itself on sm_100 ptxas spills.
template <typename Real, bool kProducts>
__global__ void __launch_bounds__(kThreads, 2)
    fold_panels(const Group group, const Fold what, const int64_t across, Real* block) {
  const int64_t c = blockIdx.x % across * kThreads + threadIdx.x;
  const int64_t begin = blockIdx.x / across * kFoldRows;  // of the rows of this call
  const Series left = group.series[what.series_i], right = group.series[what.series_j];
  const bool own = what.series_i == what.series_j;
  const int64_t last = what.rows - begin < kFoldRows ? what.rows - begin : kFoldRows;
  if (c >= right.width || (own && c >= what.first + begin + last)) return;
  // Of an own block the rows from the diagonal on.
  const int64_t above = own ? c - what.first - begin : 0;
  double sums[kFoldRows];
  Real* to = block + (what.first + begin) * what.ld + c;
#pragma unroll
  for (int r = 0; r < kFoldRows; ++r) sums[r] = r < last && r >= above ? static_cast<double>(to[r * what.ld]) : 0;
  for (int64_t p = 0; p < what.panels; ++p) {
    const int64_t panel = what.panel + p;
    const Weights w(group, panel);
    const double u = right.offset[panel * right.width + c], v = right.delta[panel * right.width + c];
    double by = 1;
    if (kProducts && what.scaled) {
      by = ldexp(1.0, exponent_of(group, panel, what.series_i) + exponent_of(group, panel, what.series_j));
    }
    const float* product = kProducts ? what.products + (p * what.rows + begin) * what.ld + c : nullptr;
    const double* offsets = left.offset + panel * left.width + what.first + begin;
    const double* deltas = left.delta + panel * left.width + what.first + begin;
#pragma unroll
    for (int r = 0; r < kFoldRows; ++r) {
      if (r >= last || r < above) continue;
      const double rank_two = -w.rows * offsets[r] * u + w.weight * deltas[r] * v;
      sums[r] += kProducts ? static_cast<double>(product[r * what.ld]) * by + rank_two : rank_two;
    }
  }
#pragma unroll
  for (int r = 0; r < kFoldRows; ++r) {
    if (r < last && r >= above) to[r * what.ld] = static_cast<Real>(sums[r]);
  }
}

template <typename Real>
void run_fold(State& s, const Group& group, const Fold& what, Real* block, int64_t width) {
  const int64_t across = tiles_of(width, kThreads), blocks = tiles_of(what.rows, kFoldRows) * across;
  launch(s, "moments_update", blocks_of(blocks), kThreads, 0,
         what.products ? &fold_panels<Real, true> : &fold_panels<Real, false>, group, what, across, block);
}

// 32 x 32 tiles; the ones above the diagonal of an own block come from those below.
template <typename Real>
__global__ void __launch_bounds__(kTile* kTileRows)
    write_tiles(int64_t rows, int64_t cols, int64_t across, int64_t ld, const Real* block, const double* m2, double* out,
                unsigned long long* bad) {
  __shared__ double tile[kTile][kTile + 1];
  const int64_t i = blockIdx.x / across * kTile, j = blockIdx.x % across * kTile;
  const bool mirrored = m2 && j > i;
  const int64_t from_i = mirrored ? j : i, from_j = mirrored ? i : j;
#pragma unroll
  for (int r = 0; r < kTile; r += kTileRows) {
    const int64_t row = from_i + r + threadIdx.y, col = from_j + threadIdx.x;
    if (row < rows && col < cols && (!m2 || col < row)) {
      const double value = static_cast<double>(block[row * ld + col]);
      if (!(fabs(value) <= 1.7976931348623157e308)) atomicMax(bad, 1ull);
      tile[r + threadIdx.y][threadIdx.x] = value;
    }
  }
  __syncthreads();
#pragma unroll
  for (int r = 0; r < kTile; r += kTileRows) {
    const int y = r + static_cast<int>(threadIdx.y), x = static_cast<int>(threadIdx.x);
    const int64_t row = i + y, col = j + x;
    if (row >= rows || col >= cols) continue;
    double value;
    if (m2 && row == col) {
      value = m2[row];
    } else if (m2 && col > row) {
      value = tile[x][y];
    } else {
      value = tile[y][x];
    }
    out[row * cols + col] = value;
  }
}

}  // namespace

void scale_panels(State& s, const Group& group) {
  const dim3 grid(blocks_of(tiles_of(group.widest, kThreads)), static_cast<unsigned int>(group.count),
                  blocks_of(group.panels));
  launch(s, "moments_update", grid, kThreads, 0, scale, group);
}

void merge_sums(State& s, const Group& group) {
  const dim3 grid(blocks_of(tiles_of(group.widest, kThreads)), static_cast<unsigned int>(group.count));
  launch(s, "moments_update", grid, kThreads, 0, merge, group);
}

void fold(State& s, const Group& group, const Fold& what, double* block, int64_t width) {
  run_fold(s, group, what, block, width);
}
void fold(State& s, const Group& group, const Fold& what, float* block, int64_t width) {
  run_fold(s, group, what, block, width);
}

bool write_block(State& s, int64_t rows, int64_t cols, const void* block, bool narrow, const double* m2, double* out) {
  const int64_t across = tiles_of(cols, kTile), ld = ld_of(cols);
  const dim3 grid = blocks_of(tiles_of(rows, kTile) * across), threads(kTile, kTileRows);
  check(cudaMemsetAsync(s.counters, 0, sizeof *s.counters, s.stream), "moments_block");
  if (narrow) {
    launch(s, "moments_block", grid, threads, 0, write_tiles<float>, rows, cols, across, ld,
           static_cast<const float*>(block), m2, out, s.counters);
  } else {
    launch(s, "moments_block", grid, threads, 0, write_tiles<double>, rows, cols, across, ld,
           static_cast<const double*>(block), m2, out, s.counters);
  }
  unsigned long long bad = 0;
  check(cudaMemcpyAsync(&bad, s.counters, sizeof bad, cudaMemcpyDeviceToHost, s.stream), "moments_block");
  synchronize(s, "moments_block");
  return bad == 0;
}

}  // namespace cuda
}  // namespace merganser
