// SPDX-License-Identifier: Apache-2.0
// Ranks of magnitudes |x| or |x - base| by their bits, which order as they do: 31 of F32, 63 of F64. How many have each
// digit below a prefix, and where the equal ones are; both of a part of an array.
//
// A digit has up to 2^16 bins, more than shared memory: a block counts one slice of 2^13, and the y of the grid are the
// slices. So a tile is read up to eight times, the first time from memory, then from the second-level cache. When all
// elements of a warp have the same digit one thread adds for all; others wait for one another only where neighbours
// are equal. The sums of a block go to the device's counts, which stay there from tile to tile.
//
// A tile of 1 M elements of BF16 and its base, 4 MB: 8 reads at some 5.5 TB/s, 6 us, and the launch. Reading the tile
// from the host takes ten times that. Considered: digits of 11 bits in one read, as the CPU's do not, which is one more
// read of all tiles from the host; atomics in memory, 1 M of them in 20 us where few bins are hot.
// Finding: one read, 1.2 us of that tile; chunks of 4096 elements are counted, the host walks their counts, and one
// block looks into the chunk: two launches and two waits, some 20 us, are more. Not yet run on a device.
#include "cuda/types.cuh"

namespace merganser {
namespace cuda {

namespace {

#define MG_LOOP __host__ __device__ __forceinline__
#include "kernels/merge_formulas.inc"
#undef MG_LOOP

constexpr int kSlice = 1 << 13;
constexpr int kChunk = 4096, kOwn = kChunk / kThreads;
constexpr unsigned int kWhole = 0xffffffffu;
constexpr unsigned int kNone = 0xffffffffu;  // no digit of this slice

template <typename T, bool kDifference>
struct Keys {
  typedef Arithmetic<T> A;
  typedef typename A::Bits Bits;
  typedef WordOf<T> W;
  const void *x, *base;

  template <int kCount>
  __device__ __forceinline__ void at(int64_t i, Bits* key) const {
    const auto pack = load<W, kCount>(x, i);
    if constexpr (kDifference) {
      const auto other = load<W, kCount>(base, i);
#pragma unroll
      for (int e = 0; e < kCount; ++e) {
        key[e] = bits_of(A::load(value_of(pack.word[e])) - A::load(value_of(other.word[e]))) & magnitude_mask(Bits());
      }
    } else {
#pragma unroll
      for (int e = 0; e < kCount; ++e) key[e] = bits_of(A::load(value_of(pack.word[e]))) & magnitude_mask(Bits());
    }
  }
};

template <typename Bits>
struct Digit {
  int shift, width;
  Bits prefix;
  bool whole;  // no bits above it

  // Within the slice.
  __device__ __forceinline__ unsigned int of(Bits key, unsigned int slice) const {
    const Bits above = key >> shift;
    const unsigned int digit = static_cast<unsigned int>(above) & ((1u << width) - 1);
    const bool here = (whole || above >> width == prefix) && digit / kSlice == slice;
    return here ? digit % kSlice : kNone;
  }
};

// All threads of a warp together.
template <int kCount>
__device__ __forceinline__ void tally(unsigned int* table, const unsigned int* digit) {
  const unsigned int first = __shfl_sync(kWhole, digit[0], 0);
  bool same = true;
#pragma unroll
  for (int e = 0; e < kCount; ++e) same = same && digit[e] == first;
  if (__all_sync(kWhole, same)) {
    if (threadIdx.x % 32 == 0 && first != kNone) atomicAdd(&table[first], 32u * kCount);
    return;
  }
#pragma unroll
  for (int e = 0; e < kCount; ++e) {
    if (digit[e] != kNone) atomicAdd(&table[digit[e]], 1u);
  }
}

template <int kCount, typename K, typename Bits>
__device__ __forceinline__ void count_rounds(const K& keys, int64_t begin, int64_t end, const Digit<Bits>& digit,
                                             unsigned int* table) {
  constexpr int64_t kRound = int64_t{kThreads} * kCount;
  for (int64_t round = begin + blockIdx.x * kRound; round < end; round += gridDim.x * kRound) {
    const int64_t i = round + static_cast<int64_t>(threadIdx.x) * kCount;
    const bool there = i < end;
    Bits key[kCount] = {};
    if (there) keys.template at<kCount>(i, key);
    unsigned int digits[kCount];
#pragma unroll
    for (int e = 0; e < kCount; ++e) digits[e] = there ? digit.of(key[e], blockIdx.y) : kNone;
    tally<kCount>(table, digits);
  }
}

template <typename K, int kCount>
__global__ void __launch_bounds__(kThreads)
    count_digits(const K keys, int64_t packed, int64_t count, const Digit<typename K::Bits> digit,
                 unsigned long long* counts) {
  __shared__ unsigned int table[kSlice];
  for (int b = static_cast<int>(threadIdx.x); b < kSlice; b += kThreads) table[b] = 0;
  __syncthreads();
  count_rounds<kCount>(keys, 0, packed, digit, table);
  count_rounds<1>(keys, packed, count, digit, table);
  __syncthreads();
  unsigned long long* const sums = counts + int64_t{blockIdx.y} * kSlice;
  for (int b = static_cast<int>(threadIdx.x); b < kSlice; b += kThreads) {
    if (table[b] > 0) atomicAdd(&sums[b], static_cast<unsigned long long>(table[b]));
  }
}

// Of a chunk, by a block.
template <typename K>
__global__ void __launch_bounds__(kThreads)
    count_equal(const K keys, int64_t count, typename K::Bits threshold, unsigned int* counts) {
  __shared__ unsigned int number;
  if (threadIdx.x == 0) number = 0;
  __syncthreads();
  const int64_t begin = int64_t{blockIdx.x} * kChunk;
  unsigned int own = 0;
  for (int64_t i = begin + threadIdx.x; i < begin + kChunk && i < count; i += kThreads) {
    typename K::Bits key;
    keys.template at<1>(i, &key);
    own += key == threshold ? 1 : 0;
  }
  if (own > 0) atomicAdd(&number, own);
  __syncthreads();
  if (threadIdx.x == 0) counts[blockIdx.x] = number;
}

// The need-th of a chunk, by one block; each thread has neighbours of its own.
template <typename K>
__global__ void __launch_bounds__(kThreads)
    locate(const K keys, int64_t begin, int64_t count, typename K::Bits threshold, unsigned int need,
           unsigned long long* index) {
  __shared__ unsigned int sums[kThreads];
  const int t = static_cast<int>(threadIdx.x);
  unsigned int equal = 0, own = 0;  // bits
  for (int e = 0; e < kOwn; ++e) {
    const int64_t i = begin + t * kOwn + e;
    typename K::Bits key = 0;
    if (i < count) keys.template at<1>(i, &key);
    if (i >= count || key != threshold) continue;
    equal |= 1u << e;
    ++own;
  }
  sums[t] = own;
  __syncthreads();
  for (int apart = 1; apart < kThreads; apart *= 2) {
    const unsigned int more = t >= apart ? sums[t - apart] : 0;
    __syncthreads();
    sums[t] += more;
    __syncthreads();
  }
  unsigned int before = sums[t] - own;
  if (need <= before || need > sums[t]) return;
  for (int e = 0; e < kOwn; ++e) {
    if ((equal >> e & 1u) != 0 && ++before == need) *index = static_cast<unsigned long long>(begin + t * kOwn + e);
  }
}

template <typename K>
void count(State& s, const K& keys, bool is_aligned, int64_t n, const Digit<typename K::Bits>& digit, int64_t* counts) {
  constexpr int kCount = 16 / sizeof(typename K::W);
  const int64_t packed = is_aligned ? n / kCount * kCount : 0;
  const unsigned int slices = static_cast<unsigned int>(tiles_of(int64_t{1} << digit.width, kSlice));
  const unsigned int blocks = static_cast<unsigned int>(Spread(s, n, kCount, packed > 0).blocks);
  launch(s, "magnitude_counts", dim3(blocks, slices), kThreads, 0, count_digits<K, kCount>, keys, packed, n, digit,
         reinterpret_cast<unsigned long long*>(counts));
  synchronize(s, "magnitude_counts");
}

template <typename K>
void find(State& s, const K& keys, int64_t n, typename K::Bits threshold, int64_t need, int64_t* found,
          int64_t* index) {
  const char* const name = "magnitude_find";
  const int64_t chunks = tiles_of(n, kChunk);
  Scratch scratch(s.scratch), staging(s.staging);
  unsigned int* counts = scratch.take<unsigned int>(chunks);
  unsigned int* staged = staging.take<unsigned int>(chunks);
  launch(s, name, blocks_of(chunks), kThreads, 0, count_equal<K>, keys, n, threshold, counts);
  check(cudaMemcpyAsync(staged, counts, static_cast<size_t>(chunks) * sizeof(unsigned int), cudaMemcpyDeviceToHost,
                        s.stream),
        name);
  synchronize(s, name);
  int64_t chunk = 0;
  for (; chunk < chunks && *found + staged[chunk] < need; ++chunk) *found += staged[chunk];
  if (chunk == chunks) return;
  launch(s, name, 1, kThreads, 0, locate<K>, keys, chunk * kChunk, n, threshold,
         static_cast<unsigned int>(need - *found), s.counters);
  *found = need;
  unsigned long long* place = staging.take<unsigned long long>(1);
  check(cudaMemcpyAsync(place, s.counters, sizeof *place, cudaMemcpyDeviceToHost, s.stream), name);
  synchronize(s, name);
  *index = static_cast<int64_t>(*place);
}

// Calls run with the keys of x, or of x - base.
template <typename Run>
void with_keys(int32_t dtype, const void* x, const void* base, const Run& run) {
  with_type(dtype, [&](auto type) {
    typedef decltype(type) T;
    base ? run(Keys<T, true>{x, base}) : run(Keys<T, false>{x, base});
  });
}

}  // namespace

void magnitude_counts(mg_context* context, int32_t dtype, int64_t count, const void* x, const void* base, int32_t shift,
                      int32_t width, int64_t prefix, int64_t* counts) {
  if (count == 0) return;
  OnDevice here;
  State& s = state(context);
  const bool is_aligned = aligned(x) && (!base || aligned(base));
  with_keys(dtype, x, base, [&](auto keys) {
    typedef typename decltype(keys)::Bits Bits;
    const bool whole = shift + width == static_cast<int32_t>(8 * sizeof(Bits) - 1);
    const Digit<Bits> digit{shift, width, static_cast<Bits>(prefix), whole};
    cuda::count(s, keys, is_aligned, count, digit, counts);
  });
}

void magnitude_find(mg_context* context, int32_t dtype, int64_t count, const void* x, const void* base,
                    double threshold, int64_t need, int64_t* found, int64_t* index) {
  *found = 0;
  *index = -1;
  if (count == 0) return;
  OnDevice here;
  State& s = state(context);
  with_keys(dtype, x, base, [&](auto keys) {
    typedef typename decltype(keys)::A::Real Real;
    cuda::find(s, keys, count, bits_of(static_cast<Real>(threshold)), need, found, index);
  });
}

}  // namespace cuda
}  // namespace merganser
