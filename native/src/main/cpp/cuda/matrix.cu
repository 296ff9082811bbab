// SPDX-License-Identifier: Apache-2.0
// Passes over F64 matrices, bound by memory: at n = 4096 a read is 134 MB, 40 us at 3.3 TB/s, where a product takes 2.5
// ms. Reductions are two-step: blocks write partial sums, one block adds them in their order. Whole arrays are converted in
// packs; rows and tiles are read by 8 bytes, since rows of an odd n begin between multiples of 16.
#include "cuda/matrix.h"

#include <algorithm>
#include <cmath>

#include "cuda/types.cuh"
#include "routines/dense.h"

namespace merganser {
namespace cuda {

namespace {

constexpr int kSide = 32;  // of tiles that are transposed
constexpr int kWarps = kThreads / 32;

unsigned int blocks_of(int64_t items, int64_t each) { return static_cast<unsigned int>((items + each - 1) / each); }

// The sum over the block, to every thread. All threads call it, once.
__device__ __forceinline__ double block_sum(double value) {
  __shared__ double sums[kWarps];
  for (int apart = 16; apart > 0; apart /= 2) value += __shfl_xor_sync(0xffffffffu, value, apart);
  if (threadIdx.x % 32 == 0) sums[threadIdx.x / 32] = value;
  __syncthreads();
  double total = 0;
  for (int w = 0; w < kWarps; ++w) total += sums[w];
  return total;
}

// seen[2 k] = bits of the largest magnitude, seen[2 k + 1] = least row * n + column of what is not finite.
__global__ void __launch_bounds__(kThreads)
    look_at_rows(int64_t count, int64_t n, const double* a, int64_t lda, unsigned long long* seen) {
  for (int64_t line = blockIdx.x; line < count * n; line += gridDim.x) {
    const int64_t k = line / n, i = line % n;
    const double* row = a + line * lda;
    unsigned long long largest = 0, first = ~0ull;
    for (int64_t j = threadIdx.x; j < n; j += kThreads) {
      const unsigned long long magnitude = bits_of(row[j]) & 0x7fffffffffffffffu;
      if (magnitude >= 0x7ff0000000000000u) {
        const unsigned long long at = static_cast<unsigned long long>(i * n + j);
        first = at < first ? at : first;
      } else {
        largest = magnitude > largest ? magnitude : largest;
      }
    }
    for (int apart = 16; apart > 0; apart /= 2) {
      const unsigned long long other = __shfl_xor_sync(0xffffffffu, largest, apart);
      largest = other > largest ? other : largest;
    }
    if (threadIdx.x % 32 == 0) atomicMax(&seen[2 * k], largest);
    if (first != ~0ull) atomicMin(&seen[2 * k + 1], first);
  }
}

__global__ void __launch_bounds__(kThreads)
    scale_and_shift(int64_t n, const double* a, int64_t lda, int exponent, double shift, double* out) {
  const int64_t j = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (j >= n) return;
  for (int64_t i = blockIdx.y; i < n; i += gridDim.y) {
    const double x = exponent == 0 ? a[i * lda + j] : ldexp(a[i * lda + j], exponent);
    out[i * n + j] = i == j ? x + shift : x;
  }
}

template <typename From, typename To>
struct ConvertElements {
  typedef typename Word<sizeof(From)>::Type FromWord;
  typedef typename Word<sizeof(To)>::Type ToWord;
  const From* in;
  To* out;

  template <int kCount>
  __device__ __forceinline__ void run(int64_t i) const {
    const auto pack = load<FromWord, kCount>(in, i);
    Pack<ToWord, kCount> result;
#pragma unroll
    for (int e = 0; e < kCount; ++e) result.word[e] = word_of(static_cast<To>(value_of(pack.word[e])));
    store(out, i, result);
  }
};

constexpr int kPack = 2;

template <typename From, typename To>
__global__ void __launch_bounds__(kThreads)
    convert_elements(int64_t packs, int64_t count, const From* in, To* out) {
  for_packs<kPack>(packs, count, ConvertElements<From, To>{in, out});
}

// A block takes the tile (blockIdx.y, blockIdx.x) of the lower triangle and its mirror image. `partial`, when it is not
// NULL, gets the sum of squares of I - A over both, at the index of the tile.
template <typename T>
__global__ void __launch_bounds__(kThreads)
    sum_by_tiles(int64_t n, T diagonal, T factor, const T* a, T* out, double* partial) {
  __shared__ T tile[kSide][kSide + 1];
  const int64_t row0 = static_cast<int64_t>(blockIdx.y) * kSide, column0 = static_cast<int64_t>(blockIdx.x) * kSide;
  if (column0 > row0) return;
  const int column = static_cast<int>(threadIdx.x % kSide);
  double square = 0;
  for (int row = static_cast<int>(threadIdx.x / kSide); row < kSide; row += kWarps) {
    const int64_t i = row0 + row, j = column0 + column;
    if (i >= n || j > i) continue;
    const T x = a[i * n + j];
    const double away = static_cast<double>(i == j ? x - 1 : x);
    square = fma(i == j ? away : 2 * away, away, square);
    const T sum = factor * x + (i == j ? diagonal : T{0});
    tile[row][column] = sum;
    out[i * n + j] = sum;
  }
  __syncthreads();
  for (int row = static_cast<int>(threadIdx.x / kSide); row < kSide; row += kWarps) {
    const int64_t i = column0 + row, j = row0 + column;  // of the mirror image
    if (i < j && j < n) out[i * n + j] = tile[column][row];
  }
  if (!partial) return;
  const double total = block_sum(square);
  if (threadIdx.x == 0) partial[blockIdx.y * (static_cast<int64_t>(blockIdx.y) + 1) / 2 + blockIdx.x] = total;
}

__global__ void __launch_bounds__(kThreads)
    dots_of_rows(int64_t cols, const double* a, int64_t lda, const double* b, int64_t ldb, double* out) {
  const int64_t i = blockIdx.x;
  double sum = 0;
  for (int64_t j = threadIdx.x; j < cols; j += kThreads) sum = fma(a[i * lda + j], b[i * ldb + j], sum);
  sum = block_sum(sum);
  if (threadIdx.x == 0) out[i] = sum;
}

// One block.
__global__ void __launch_bounds__(kThreads) sum_of(int64_t count, const double* values, double* out) {
  double sum = 0;
  for (int64_t i = threadIdx.x; i < count; i += kThreads) sum += values[i];
  sum = block_sum(sum);
  if (threadIdx.x == 0) *out = sum;
}

__global__ void __launch_bounds__(kThreads) take_diagonal(int64_t n, const double* a, double* out) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i < n) out[i] = a[i * n + i];
}

dim3 row_grid(int64_t n) {
  constexpr int64_t kMostRows = 65535;
  return dim3(blocks_of(n, kThreads), static_cast<unsigned int>(std::min(n, kMostRows)));
}

template <typename T>
void launch_tiles(State& s, const char* routine, int64_t n, double diagonal, double factor, const T* a, T* out,
                  double* partial) {
  const unsigned int tiles = blocks_of(n, kSide);
  launch(s, routine, dim3(tiles, tiles), dim3(kThreads), 0, sum_by_tiles<T>, n, static_cast<T>(diagonal),
         static_cast<T>(factor), a, out, partial);
}

double total(State& s, const char* routine, int64_t count, const double* values) {
  Scratch scratch(s.scratch);
  double* sum = scratch.take<double>(1);
  launch(s, routine, dim3(1), dim3(kThreads), 0, sum_of, count, values, sum);
  return read(s, routine, sum, 1)[0];
}

}  // namespace

std::vector<double> read(State& s, const char* routine, const double* from, int64_t count) {
  Scratch staging(s.staging);
  double* staged = staging.take<double>(count);
  check(cudaMemcpyAsync(staged, from, static_cast<size_t>(count) * sizeof *from, cudaMemcpyDeviceToHost, s.stream),
        routine);
  synchronize(s, routine);
  return {staged, staged + count};
}

std::vector<Seen> look(State& s, const char* routine, int64_t count, int64_t n, const double* a, int64_t lda) {
  Scratch scratch(s.scratch), staging(s.staging);
  const size_t bytes = 16 * static_cast<size_t>(count);
  unsigned long long* seen = scratch.take<unsigned long long>(2 * count);
  unsigned long long* staged = staging.take<unsigned long long>(2 * count);
  for (int64_t k = 0; k < count; ++k) {
    staged[2 * k] = 0;
    staged[2 * k + 1] = ~0ull;
  }
  check(cudaMemcpyAsync(seen, staged, bytes, cudaMemcpyHostToDevice, s.stream), routine);
  const int64_t blocks = std::min<int64_t>(count * n, s.blocks);
  launch(s, routine, dim3(static_cast<unsigned int>(blocks)), dim3(kThreads), 0, look_at_rows, count, n, a, lda, seen);
  check(cudaMemcpyAsync(staged, seen, bytes, cudaMemcpyDeviceToHost, s.stream), routine);
  synchronize(s, routine);
  std::vector<Seen> all;
  for (int64_t k = 0; k < count; ++k) {
    Seen one{double_of(staged[2 * k]), -1, -1, 0};
    if (staged[2 * k + 1] != ~0ull) {
      const int64_t at = static_cast<int64_t>(staged[2 * k + 1]);
      one.row = at / n;
      one.column = at % n;
      one.value = read(s, routine, a + (k * n + one.row) * lda + one.column, 1)[0];
    }
    all.push_back(one);
  }
  return all;
}

void require_finite(const char* name, const Seen& seen) {
  if (seen.row >= 0) fail_not_finite(name, seen.row, seen.column, seen.value);
}

void scaled_copy(State& s, const char* routine, int64_t n, const double* a, int64_t lda, int exponent, double shift,
                 double* out) {
  launch(s, routine, row_grid(n), dim3(kThreads), 0, scale_and_shift, n, a, lda, exponent, shift, out);
}

template <typename From, typename To>
void convert_all(State& s, const char* routine, int64_t count, const From* in, To* out) {
  const Spread spread(s, count, kPack, aligned(in) && aligned(out));
  launch(s, routine, dim3(static_cast<unsigned int>(spread.blocks)), dim3(kThreads), 0, convert_elements<From, To>,
         spread.packs, count, in, out);
}
template void convert_all(State&, const char*, int64_t, const double*, float*);
template void convert_all(State&, const char*, int64_t, const float*, double*);

template <typename T>
void symmetric_sum(State& s, const char* routine, int64_t n, double diagonal, double factor, const T* a, T* out) {
  launch_tiles<T>(s, routine, n, diagonal, factor, a, out, nullptr);
}
template void symmetric_sum(State&, const char*, int64_t, double, double, const double*, double*);
template void symmetric_sum(State&, const char*, int64_t, double, double, const float*, float*);

double symmetric_sum_and_distance(State& s, const char* routine, int64_t n, double diagonal, double factor,
                                  const double* a, double* out) {
  Scratch scratch(s.scratch);
  const int64_t side = blocks_of(n, kSide), tiles = side * (side + 1) / 2;
  double* partial = scratch.take<double>(tiles);
  launch_tiles<double>(s, routine, n, diagonal, factor, a, out, partial);
  return std::sqrt(total(s, routine, tiles, partial));
}

void row_dots(State& s, const char* routine, int64_t rows, int64_t cols, const double* a, int64_t lda, const double* b,
              int64_t ldb, double* out) {
  launch(s, routine, dim3(static_cast<unsigned int>(rows)), dim3(kThreads), 0, dots_of_rows, cols, a, lda, b, ldb, out);
}

double dot(State& s, const char* routine, int64_t n, const double* a, const double* b) {
  Scratch scratch(s.scratch);
  double* rows = scratch.take<double>(n);
  row_dots(s, routine, n, n, a, n, b, n, rows);
  return total(s, routine, n, rows);
}

Range diagonal_range(State& s, const char* routine, int64_t n, const double* a) {
  Scratch scratch(s.scratch);
  double* diagonal = scratch.take<double>(n);
  launch(s, routine, dim3(blocks_of(n, kThreads)), dim3(kThreads), 0, take_diagonal, n, a, diagonal);
  const std::vector<double> all = read(s, routine, diagonal, n);
  const auto [least, largest] = std::minmax_element(all.begin(), all.end());
  return {*least, *largest};
}

}  // namespace cuda
}  // namespace merganser
