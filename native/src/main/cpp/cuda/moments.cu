// SPDX-License-Identifier: Apache-2.0
// The passes over a batch of activations, of any strides. The definition, and so the bytes of means and sums of
// squares, are those of routines/moments.cpp: panels, in them pieces of 512 samples, in a piece one order of samples
// for each feature.
// pack: z = x - shift, rounded to the type of the products, with the F64 sums of x - shift and of its square, in which
// non-finite values show. A block has a piece of 64 features; tiles of 32 samples go through shared memory, so that
// both layouts are read along memory and z is written along features. The tile after is under way while 64 threads add
// up this one, sample after sample: 32 additions that wait for each other, about 300 cycles, a fraction of the time in
// which a multiprocessor's share of memory brings the tiles of its four blocks (32 KiB). The other version, a thread for
// each feature without shared memory, has a quarter of the loads under way and no way to read N,C,H,W along memory.
// Bytes: 4 read and 4 written for each value (F32), expected at 3.3 TB/s: 65536 x 512 (268 MB) 0.09 ms, beside
// products of 65536 x 512 x 512 (34 GF, 0.6 ms at 60 TF/s). The shift reads 32 samples of a panel, up to 3 % more.
// Not yet run on a device.
#include "cuda/moments.h"

#include "cuda/types.cuh"
#include "routines/moments_rules.h"

namespace merganser {
namespace cuda {

namespace {

constexpr int kTileRows = 32, kTileWidth = 64, kMine = kTileRows * kTileWidth / kThreads;

__device__ __forceinline__ double number(unsigned int word) { return value_of(word); }
__device__ __forceinline__ double number(unsigned long long word) { return value_of(word); }

// Where in its memory sample k of those that are kept begins.
__device__ __forceinline__ int64_t place(const Series& series, const int64_t* kept, int64_t k) {
  const int64_t m = kept ? kept[k] : k;
  if (series.inner == 1) return m * series.outer_stride;
  if ((m | series.inner) >> 32 == 0) {
    const unsigned int sample = static_cast<unsigned int>(m), inner = static_cast<unsigned int>(series.inner);
    return sample / inner * series.outer_stride + sample % inner * series.inner_stride;
  }
  return m / series.inner * series.outer_stride + m % series.inner * series.inner_stride;
}

// Whether neighbours in memory are features of a sample rather than samples.
__device__ __forceinline__ bool by_features(const Series& series) {
  const int64_t step = series.inner == 1 ? series.outer_stride : series.inner_stride;
  return (series.feature_stride < 0 ? -series.feature_stride : series.feature_stride) <= (step < 0 ? -step : step);
}

// The part of a tile that this thread reads: sample row(k), feature column(k), for k < kMine.
struct Part {
  bool features;
  __device__ __forceinline__ int row(int k) const {
    return features ? static_cast<int>(threadIdx.x) / kTileWidth + k * (kThreads / kTileWidth)
                    : static_cast<int>(threadIdx.x) % kTileRows;
  }
  __device__ __forceinline__ int column(int k) const {
    return features ? static_cast<int>(threadIdx.x) % kTileWidth
                    : static_cast<int>(threadIdx.x) / kTileRows + k * (kThreads / kTileRows);
  }
};

// Kept samples begin, ..., end - 1 of a tile and features from `feature` on into registers, 0 outside.
template <typename W>
__device__ __forceinline__ void fetch(const Series& series, const int64_t* kept, const Part& part, int64_t begin,
                                      int64_t end, int64_t feature, W* words) {
  const bool aligned = reinterpret_cast<uintptr_t>(series.data) % sizeof(W) == 0;
  const W* data = static_cast<const W*>(series.data);
  const int64_t only = part.features || begin + part.row(0) >= end ? 0 : place(series, kept, begin + part.row(0));
#pragma unroll
  for (int k = 0; k < kMine; ++k) {
    const int64_t sample = begin + part.row(k), f = feature + part.column(k);
    words[k] = 0;
    if (sample >= end || f >= series.width) continue;
    const int64_t at = (part.features ? place(series, kept, sample) : only) + f * series.feature_stride;
    words[k] = aligned ? data[at] : load<W, 1>(data, at).word[0];
  }
}

template <typename T>
__global__ void __launch_bounds__(kThreads)
    search_batch(const Group batch, int64_t samples, unsigned long long* keys, int* marks) {
  using W = WordOf<T>;
  const Series series = batch.series[blockIdx.y];
  const Part part{by_features(series)};
  const int64_t feature = static_cast<int64_t>(blockIdx.x) * kTileWidth;
  for (int64_t begin = static_cast<int64_t>(blockIdx.z) * kTileRows; begin < samples;
       begin += static_cast<int64_t>(gridDim.z) * kTileRows) {
    W words[kMine];
    fetch(series, nullptr, part, begin, samples, feature, words);
#pragma unroll
    for (int k = 0; k < kMine; ++k) {
      if ((words[k] & T::kExponent) != T::kExponent) continue;
      const int64_t sample = begin + part.row(k);
      if (marks) {
        atomicExch(&marks[sample], 1);
      } else {
        const int64_t key = sample * series.width + feature + part.column(k);
        atomicMin(&keys[blockIdx.y], static_cast<unsigned long long>(key));
      }
    }
  }
}

// Two blocks: left to itself ptxas keeps to 64 registers for sm_100, and spills.
template <typename T>
__global__ void __launch_bounds__(kThreads, 2) average_few(const Group group) {
  const Series series = group.series[blockIdx.y];
  const int64_t f = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x, panel = blockIdx.z;
  if (f >= series.width) return;
  const int64_t begin = group.begin + panel * group.panel_rows, left = group.rows - panel * group.panel_rows;
  const int64_t rows = left < group.panel_rows ? left : group.panel_rows;
  const int64_t few = rows < kShiftSamples ? rows : kShiftSamples, step = rows / few;
  const auto value = [&](int64_t k) {
    const int64_t at = place(series, group.kept, begin + k) + f * series.feature_stride;
    return number(load<WordOf<T>, 1>(series.data, at).word[0]);
  };
  const double first = 0 + (value(0) - 0);
  double sum = 0;
#pragma unroll 8
  for (int64_t k = 0; k < few; ++k) sum += value(k * step) - first;
  series.shift[panel * series.width + f] = first + sum / static_cast<double>(few);
}

__global__ void __launch_bounds__(kThreads) shift_to_means(const Group group, const unsigned char* redo) {
  const Series series = group.series[blockIdx.y];
  const int64_t f = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x, panel = blockIdx.z;
  if (f >= series.width || !redo[panel * group.count + blockIdx.y]) return;
  const int64_t left = group.rows - panel * group.panel_rows, at = panel * series.width + f;
  series.shift[at] += series.sum[at] / static_cast<double>(left < group.panel_rows ? left : group.panel_rows);
}

// z is double or float.
template <typename T, typename Z>
__global__ void __launch_bounds__(kThreads) pack_pieces(const Group group, const unsigned char* redo) {
  using W = WordOf<T>;
  __shared__ W tiles[2][kTileRows][kTileWidth + 1];
  const Series series = group.series[blockIdx.y];
  const int64_t panel = blockIdx.z / group.pieces, piece = blockIdx.z % group.pieces;
  const int64_t feature = static_cast<int64_t>(blockIdx.x) * kTileWidth;
  const int64_t first = panel * group.panel_rows + piece * kMomentsPiece;
  int64_t end = first + kMomentsPiece;
  if (end > (panel + 1) * group.panel_rows) end = (panel + 1) * group.panel_rows;
  if (end > group.rows) end = group.rows;
  if (feature >= series.width || first >= end) return;
  if (redo && !redo[panel * group.count + blockIdx.y]) return;

  const Part part{by_features(series)};
  const int column = threadIdx.x % kTileWidth;  // of z and of the sums
  const int64_t mine = feature + column;
  const double shift = mine < series.width ? series.shift[panel * series.width + mine] : 0;
  Z* z = static_cast<Z*>(series.z);
  double sum = 0, square = 0;
  W words[kMine];
  fetch(series, group.kept, part, group.begin + first, group.begin + end, feature, words);
  int turn = 0;
  for (int64_t begin = first; begin < end; begin += kTileRows, turn ^= 1) {
#pragma unroll
    for (int k = 0; k < kMine; ++k) tiles[turn][part.row(k)][part.column(k)] = words[k];
    __syncthreads();  // the other tile may be read still, so one barrier is enough
    if (begin + kTileRows < end) {
      fetch(series, group.kept, part, group.begin + begin + kTileRows, group.begin + end, feature, words);
    }
    const int rows = static_cast<int>(end - begin < kTileRows ? end - begin : kTileRows);
    if (z && mine < series.width) {
#pragma unroll
      for (int k = 0; k < kMine; ++k) {
        const int r = static_cast<int>(threadIdx.x) / kTileWidth + k * (kThreads / kTileWidth);
        if (r < rows) z[(begin + r) * series.ldz + mine] = static_cast<Z>(number(tiles[turn][r][column]) - shift);
      }
    }
    if (threadIdx.x < kTileWidth && mine < series.width) {
#pragma unroll 8
      for (int r = 0; r < rows; ++r) {
        const double value = number(tiles[turn][r][column]) - shift;
        sum += value;
        square += value * value;
      }
    }
  }
  if (threadIdx.x >= kTileWidth || mine >= series.width) return;
  double* parts = series.parts + (panel * group.pieces + piece) * 2 * series.width;
  parts[mine] = sum;
  parts[series.width + mine] = square;
}

// Pieces in order, and what the sums say.
__global__ void __launch_bounds__(kThreads) add_pieces(const Group group, const unsigned char* redo) {
  const Series series = group.series[blockIdx.y];
  const int64_t f = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x, panel = blockIdx.z;
  if (static_cast<int64_t>(blockIdx.x) * kThreads >= series.width) return;
  if (redo && !redo[panel * group.count + blockIdx.y]) return;
  const int64_t left = group.rows - panel * group.panel_rows;
  const int64_t rows = left < group.panel_rows ? left : group.panel_rows;
  bool bad = false, far = false, some = false;
  unsigned long long largest = 0;
  if (f < series.width) {
    const double* part = series.parts + panel * group.pieces * 2 * series.width + f;
    double sum = part[0], square = part[series.width];
    for (int64_t first = kMomentsPiece; first < rows; first += kMomentsPiece) {
      part += 2 * series.width;
      sum += part[0];
      square += part[series.width];
    }
    series.sum[panel * series.width + f] = sum;
    series.square[panel * series.width + f] = square;
    bad = !(fabs(sum) <= 1.7976931348623157e308);
    far = 2 * sum * sum > static_cast<double>(rows) * square;
    some = sum != 0;
    largest = square == square ? static_cast<unsigned long long>(bits_of(square)) : 0;
  }
#pragma unroll
  for (int apart = 16; apart > 0; apart /= 2) {
    const unsigned long long other = __shfl_xor_sync(0xffffffffu, largest, apart);
    largest = other > largest ? other : largest;
  }
  bad = __any_sync(0xffffffffu, bad);
  far = __any_sync(0xffffffffu, far);
  some = __any_sync(0xffffffffu, some);
  if (threadIdx.x % 32 != 0) return;
  Verdict& verdict = group.verdicts[panel * group.count + blockIdx.y];
  atomicMax(&verdict.largest, largest);
  if (bad) atomicMax(&verdict.bad, 1u);
  if (far) atomicMax(&verdict.far, 1u);
  if (some) atomicMax(&verdict.some, 1u);
}

dim3 grid_of(const Group& group, int width, int64_t depth) {
  return dim3(blocks_of(tiles_of(group.widest, width)), static_cast<unsigned int>(group.count), blocks_of(depth));
}

}  // namespace

void find_nonfinite(State& s, const Group& batch, int32_t dtype, int64_t samples, unsigned long long* keys,
                    int* marks) {
  const int64_t depth = tiles_of(samples, kTileRows);
  const dim3 grid = grid_of(batch, kTileWidth, depth < 4096 ? depth : 4096);
  launch(s, "moments_update", grid, kThreads, 0, dtype == MG_F64 ? &search_batch<F64> : &search_batch<F32>, batch,
         samples, keys, marks);
}

void choose_shifts(State& s, const Group& group, int32_t dtype) {
  launch(s, "moments_update", grid_of(group, kThreads, group.panels), kThreads, 0,
         dtype == MG_F64 ? &average_few<F64> : &average_few<F32>, group);
}

void move_shifts(State& s, const Group& group, const unsigned char* redo) {
  launch(s, "moments_update", grid_of(group, kThreads, group.panels), kThreads, 0, shift_to_means, group, redo);
}

void pack(State& s, const Group& group, Types types, const unsigned char* redo) {
  const size_t bytes = static_cast<size_t>(group.panels * group.count) * sizeof(Verdict);
  check(cudaMemsetAsync(group.verdicts, 0, bytes, s.stream), "moments_update");
  const auto kernel = types.dtype == MG_F64 ? (types.wide ? &pack_pieces<F64, double> : &pack_pieces<F64, float>)
                                            : (types.wide ? &pack_pieces<F32, double> : &pack_pieces<F32, float>);
  launch(s, "moments_update", grid_of(group, kTileWidth, group.panels * group.pieces), kThreads, 0, kernel, group, redo);
  launch(s, "moments_update", grid_of(group, kThreads, group.panels), kThreads, 0, add_pieces, group, redo);
}

}  // namespace cuda
}  // namespace merganser
