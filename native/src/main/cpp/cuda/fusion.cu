// SPDX-License-Identifier: Apache-2.0
// The divergence of the softmax of a row from that of the base's, with the exponential and the logarithm of the CPU in
// its order: sixteen threads have a row, each every sixteenth element, and shuffles add their sums: the bytes of the
// CPU. And scores, an element at a time, which memory takes.
//
// Three passes over the row, the last two from the second-level cache. Some 120 operations in F64 for an element (four
// exponentials of 20, a logarithm of 25, three divisions): 33.6 M elements take 0.13 ms at 33 T/s without tensor cores,
// memory 0.08 ms in F32. One row is 16 threads, whatever its length: a vector of a million takes milliseconds. They read
// one element at a time, as the order of the sums says which thread has it; scores are read and written in packs.
// Not yet run on a device.
#include <cstring>

#include "cuda/types.cuh"
#include "kernels/kernels.h"

namespace merganser {
namespace cuda {

namespace {

#define MG_LOOP __host__ __device__ __forceinline__
#include "kernels/merge_formulas.inc"

#include "kernels/formulas.inc"

#include "kernels/fusion_formulas.inc"
#undef MG_LOOP

constexpr int kLanes = 16, kRowsOfBlock = kThreads / kLanes;
constexpr unsigned int kAll = 0xffffffffu;

// Value i of the row that begins at `begin`.
template <typename T>
__device__ __forceinline__ double at(const void* x, int64_t begin, int64_t i) {
  return T::f64(value_of(load<WordOf<T>, 1>(x, begin + i).word[0]));
}

__device__ __forceinline__ double over_lanes(double sum) {
#pragma unroll
  for (int apart = kLanes / 2; apart > 0; apart /= 2) sum += __shfl_xor_sync(kAll, sum, apart);
  return sum;
}

template <typename T>
__device__ __forceinline__ double largest(const void* x, int64_t begin, int64_t cols, int lane) {
  double most = at<T>(x, begin, 0);
  for (int64_t i = lane; i < cols; i += kLanes) {
    const double value = at<T>(x, begin, i);
    most = choose(value > most, value, most);
  }
#pragma unroll
  for (int apart = kLanes / 2; apart > 0; apart /= 2) {
    const double other = __shfl_xor_sync(kAll, most, apart);
    most = choose(other > most, other, most);
  }
  return most;
}

template <typename T>
__device__ __forceinline__ double exponentials(const void* x, int64_t begin, int64_t cols, int lane, double less) {
  double sum = 0;
  for (int64_t i = lane; i < cols; i += kLanes) sum += exponential(at<T>(x, begin, i) - less);
  return over_lanes(sum);
}

template <typename T>
__global__ void __launch_bounds__(kThreads)
    diverge_rows(int64_t rows, int64_t cols, const void* x, const void* base, double* out) {
  const int lane = static_cast<int>(threadIdx.x) % kLanes;
  const int64_t wanted = static_cast<int64_t>(blockIdx.x) * kRowsOfBlock + threadIdx.x / kLanes;
  const int64_t row = wanted < rows ? wanted : rows - 1, begin = row * cols;  // all shuffle with the others
  const double most = largest<T>(x, begin, cols, lane), most_base = largest<T>(base, begin, cols, lane);
  const double sum = exponentials<T>(x, begin, cols, lane, most);
  const double sum_base = exponentials<T>(base, begin, cols, lane, most_base);
  double terms = 0;
  for (int64_t i = lane; i < cols; i += kLanes) {
    terms += divergence_term(at<T>(x, begin, i) - most, at<T>(base, begin, i) - most_base, sum, sum_base);
  }
  terms = over_lanes(terms);
  if (wanted < rows && lane == 0) out[row] = choose(terms < 0, 0.0, terms);
}

template <typename T>
struct Score {
  typedef typename Arithmetic<T>::Real Real;
  static constexpr int kPack = 16 / sizeof(Real);
  int64_t skipped, cols;
  const void *x, *base;
  const double* divergences;
  void* out;

  template <int kCount>
  __device__ __forceinline__ void run(int64_t i) const {
    typedef Arithmetic<T> A;
    const auto here = load<WordOf<T>, kCount>(x, i), from = load<WordOf<T>, kCount>(base, i);
    int64_t row = (skipped + i) / cols, left = (row + 1) * cols - (skipped + i);  // of the row
    Pack<typename Word<sizeof(Real)>::Type, kCount> score;
#pragma unroll
    for (int e = 0; e < kCount; ++e, --left) {
      if (left == 0) {
        ++row;
        left = cols;
      }
      const double apart = magnitude_of(A::load(value_of(here.word[e])) - A::load(value_of(from.word[e])));
      score.word[e] = word_of(only_nan(static_cast<Real>(apart * divergences[row])));
    }
    store(out, i, score);
  }
};

template <typename T>
__global__ void __launch_bounds__(kThreads) score_all(int64_t packs, int64_t count, const Score<T> score) {
  for_packs<Score<T>::kPack>(packs, count, score);
}

}  // namespace

void row_divergences(mg_context* context, int32_t dtype, int64_t rows, int64_t cols, const void* x, const void* base,
                     double* out) {
  if (rows == 0) return;
  OnDevice here;
  State& s = state(context);
  Scratch scratch(s.scratch), staging(s.staging);
  double *there = scratch.take<double>(rows), *staged = staging.take<double>(rows);
  with_type(dtype, [&](auto type) {
    launch(s, "row_divergences", blocks_of(tiles_of(rows, kRowsOfBlock)), kThreads, 0, diverge_rows<decltype(type)>,
           rows, cols, x, base, there);
  });
  const size_t bytes = static_cast<size_t>(rows) * sizeof *there;
  check(cudaMemcpyAsync(staged, there, bytes, cudaMemcpyDeviceToHost, s.stream), "row_divergences");
  synchronize(s, "row_divergences");
  std::memcpy(out, staged, bytes);
}

void fusion_scores(mg_context* context, int32_t dtype, int64_t skipped, int64_t count, int64_t cols, const void* x,
                   const void* base, const double* divergences, void* out) {
  if (count == 0) return;
  OnDevice here;
  State& s = state(context);
  Scratch scratch(s.scratch), staging(s.staging);
  const int64_t rows = tiles_of(skipped + count, cols);
  double *there = scratch.take<double>(rows), *staged = staging.take<double>(rows);
  const size_t bytes = static_cast<size_t>(rows) * sizeof *there;
  std::memcpy(staged, divergences, bytes);
  check(cudaMemcpyAsync(there, staged, bytes, cudaMemcpyHostToDevice, s.stream), "fusion_scores");
  with_type(dtype, [&](auto type) {
    typedef Score<decltype(type)> Scores;
    const Spread spread(s, count, Scores::kPack, aligned(x) && aligned(base) && aligned(out));
    launch(s, "fusion_scores", spread.blocks, kThreads, 0, score_all<decltype(type)>, spread.packs, count,
           Scores{skipped, cols, x, base, there, out});
  });
  synchronize(s, "fusion_scores");
}

}  // namespace cuda
}  // namespace merganser
