// SPDX-License-Identifier: Apache-2.0
// Random drop with a probability by the rank of the magnitude within its row, as on the CPU: the same order, the same
// probabilities, the same words of Philox, so the same bytes.
//
// One block sorts a row, by digits of 4 bits from the lowest on: each thread counts the digits of neighbours of its
// own, a scan of the 16 x 256 counts gives it the places, and equal digits keep their order. Keys and indices go between
// two buffers in memory, which for the rows at work are in the second-level cache up to some thousand elements each.
// Eight passes of F32 at 20 bytes an element, 160; a tile of 1 M elements of BF16: 170 MB, at some 4 TB/s 0.05 ms, and
// as much again for accesses that are 8 neighbours apart; reading the tile from the host takes as long. Considered:
// digits of 8 bits, whose counts of each thread do not fit; sorting in shared memory, which ends at some 4000 elements.
// Not yet run on a device.
#include <algorithm>
#include <optional>

#include "cuda/types.cuh"
#include "routines/ranked_drop.h"

namespace merganser {
namespace cuda {

namespace {

#define MG_LOOP __host__ __device__ __forceinline__
#include "kernels/merge_formulas.inc"
#undef MG_LOOP

constexpr int kBits = 4, kDigits = 1 << kBits;
constexpr int64_t kMemory = int64_t{1} << 30;  // for rows that are sorted at the same time

template <typename Bits>
struct Buffers {
  Bits *key, *other_key;
  uint32_t *index, *other_index;
};

// The places of the digits of each thread, in counts[digit][thread]: how many come before.
__device__ __forceinline__ void scan(unsigned int* counts, unsigned int* sums) {
  const int t = static_cast<int>(threadIdx.x);
  unsigned int sum = 0;
#pragma unroll
  for (int e = 0; e < kDigits; ++e) sum += counts[t * kDigits + e];
  sums[t] = sum;
  __syncthreads();
  for (int apart = 1; apart < kThreads; apart *= 2) {
    const unsigned int more = t >= apart ? sums[t - apart] : 0;
    __syncthreads();
    sums[t] += more;
    __syncthreads();
  }
  unsigned int before = sums[t] - sum;
#pragma unroll
  for (int e = 0; e < kDigits; ++e) {
    const unsigned int own = counts[t * kDigits + e];
    counts[t * kDigits + e] = before;
    before += own;
  }
  __syncthreads();
}

// By one block; the result is in the first buffers, as the number of passes is even.
template <typename Bits>
__device__ __forceinline__ void sort_row(Buffers<Bits> row, uint32_t length, unsigned int* counts,
                                         unsigned int* sums) {
  constexpr int kPasses = static_cast<int>(2 * sizeof(Bits));
  static_assert(kPasses % 2 == 0);
  const uint32_t t = threadIdx.x, own = (length + kThreads - 1) / kThreads;
  const uint32_t begin = t * own < length ? t * own : length, end = begin + own < length ? begin + own : length;
  for (int pass = 0; pass < kPasses; ++pass) {
    for (int d = 0; d < kDigits; ++d) counts[d * kThreads + t] = 0;
    for (uint32_t j = begin; j < end; ++j) {
      ++counts[(static_cast<uint32_t>(row.key[j] >> kBits * pass) & (kDigits - 1)) * kThreads + t];
    }
    __syncthreads();
    scan(counts, sums);
    for (uint32_t j = begin; j < end; ++j) {
      const Bits key = row.key[j];
      const unsigned int at = counts[(static_cast<uint32_t>(key >> kBits * pass) & (kDigits - 1)) * kThreads + t]++;
      row.other_key[at] = key;
      row.other_index[at] = row.index[j];
    }
    __syncthreads();
    row = {row.other_key, row.key, row.other_index, row.index};
  }
}

__device__ __forceinline__ uint32_t word_of_element(uint64_t key, uint32_t subsequence, uint64_t element) {
  uint32_t x[4] = {static_cast<uint32_t>(element >> 2), static_cast<uint32_t>(element >> 34), subsequence, 0};
  uint32_t k0 = static_cast<uint32_t>(key), k1 = static_cast<uint32_t>(key >> 32);
#pragma unroll
  for (int round = 0; round < kPhiloxRounds; ++round) {
    philox_round(x[0], x[1], x[2], x[3], k0, k1);
    k0 += kPhiloxKey0;
    k1 += kPhiloxKey1;
  }
  const uint32_t low = (element & 1) != 0 ? x[1] : x[0], high = (element & 1) != 0 ? x[3] : x[2];
  return (element & 2) != 0 ? high : low;
}

template <typename Real>
struct Drop {
  int64_t rows, first;
  uint32_t length, subsequence;
  uint64_t key;
  const uint32_t* below;  // of each rank
  const Real* scale;      // likewise, or NULL
};

template <typename T>
__global__ void __launch_bounds__(kThreads)
    drop_rows(const void* x, const void* base, const Drop<typename Arithmetic<T>::Real> drop,
              const Buffers<typename Arithmetic<T>::Bits> all, void* out) {
  typedef Arithmetic<T> A;
  typedef typename A::Real Real;
  typedef typename A::Bits Bits;
  typedef WordOf<T> W;
  typedef typename Word<sizeof(Real)>::Type RealWord;
  __shared__ unsigned int counts[kDigits * kThreads];
  __shared__ unsigned int sums[kThreads];
  const int64_t place = int64_t{blockIdx.x} * drop.length;
  const Buffers<Bits> row{all.key + place, all.other_key + place, all.index + place, all.other_index + place};
  for (int64_t r = blockIdx.x; r < drop.rows; r += gridDim.x) {
    const int64_t begin = r * drop.length;
    // From the end, so that of equal magnitudes the first is the largest.
    for (uint32_t j = threadIdx.x; j < drop.length; j += kThreads) {
      const uint32_t i = drop.length - 1 - j;
      const Real delta = A::load(value_of(load<W, 1>(x, begin + i).word[0])) -
                         A::load(value_of(load<W, 1>(base, begin + i).word[0]));
      store(out, begin + i, Pack<RealWord, 1>{word_of(delta)});
      row.key[j] = bits_of(delta) & magnitude_mask(Bits());
      row.index[j] = i;
    }
    __syncthreads();
    sort_row(row, drop.length, counts, sums);
    for (uint32_t rank = threadIdx.x; rank < drop.length; rank += kThreads) {
      const int64_t i = begin + row.index[rank];
      const uint32_t word = word_of_element(drop.key, drop.subsequence, static_cast<uint64_t>(drop.first + i));
      const Real delta = value_of(load<RealWord, 1>(out, i).word[0]);
      const Real kept = drop.scale ? drop.scale[rank] * delta : delta;
      store(out, i, Pack<RealWord, 1>{word_of(word < drop.below[rank] ? kept : Real(0))});
    }
    __syncthreads();
  }
}

// A copy of a list on the device.
template <typename Element>
const Element* on_device(State& s, Scratch& scratch, Scratch& staging, const std::vector<Element>& list) {
  const int64_t count = static_cast<int64_t>(list.size());
  Element* staged = staging.take<Element>(count);
  Element* there = scratch.take<Element>(count);
  std::copy(list.begin(), list.end(), staged);
  check(cudaMemcpyAsync(there, staged, list.size() * sizeof(Element), cudaMemcpyHostToDevice, s.stream), "ranked_drop");
  return there;
}

template <typename T>
void run(State& s, int64_t rows, int64_t length, int64_t first, const void* x, const void* base,
         const mg_ranked_drop_options& options, void* out) {
  typedef typename Arithmetic<T>::Real Real;
  typedef typename Arithmetic<T>::Bits Bits;
  const DropLimits<Real> limits(length, options);
  Scratch scratch(s.scratch), staging(s.staging);
  const Drop<Real> drop{rows,
                        first,
                        static_cast<uint32_t>(length),
                        static_cast<uint32_t>(options.subsequence),
                        static_cast<uint64_t>(options.key),
                        on_device(s, scratch, staging, limits.below),
                        options.inverse != 0 ? on_device(s, scratch, staging, limits.scale) : nullptr};
  const int64_t bytes = 2 * length * static_cast<int64_t>(sizeof(Bits) + sizeof(uint32_t));
  int64_t blocks = std::min<int64_t>({rows, s.blocks, std::max<int64_t>(1, kMemory / bytes)});
  std::optional<Scratch> memory;
  const auto all = take_fewer(blocks, 1, [&](int64_t count) {
    memory.emplace(s.scratch);
    const int64_t size = count * length;
    return Buffers<Bits>{memory->take<Bits>(size), memory->take<Bits>(size), memory->take<uint32_t>(size),
                         memory->take<uint32_t>(size)};
  });
  launch(s, "ranked_drop", blocks_of(blocks), kThreads, 0, drop_rows<T>, x, base, drop, all, out);
  synchronize(s, "ranked_drop");
}

}  // namespace

void ranked_drop(mg_context* context, int32_t dtype, int64_t rows, int64_t length, int64_t first, const void* x,
                 const void* base, const mg_ranked_drop_options* options, void* out) {
  if (rows == 0) return;
  OnDevice here;
  State& s = state(context);
  with_type(dtype, [&](auto type) { run<decltype(type)>(s, rows, length, first, x, base, *options, out); });
}

}  // namespace cuda
}  // namespace merganser
