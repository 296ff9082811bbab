// SPDX-License-Identifier: Apache-2.0
// Exact k-th largest |x| or |x - base| and the index of the last element kept, by the bits of the magnitude, which
// order as it does: 31 of F32 and of differences, 15 of F16 and BF16 as they are.
//
// Radix selection from the top. The first digit, 11 bits, is counted over all data. What is left to order is one
// number for each element of that bin, all of them different: the lower bits of the magnitude, and below them the
// index, from the end, so that of equal magnitudes the first is the largest. It is selected in digits of at most 11
// bits, and the last one gives threshold and index together. The second pass also collects these numbers, and the rest
// works on them. There are eight bins to an octave, of which the fullest holds 0.06 of normal data; where a bin has more
// than a sixteenth (few different values), nothing is collected and every pass reads the data, once all bits of the
// magnitude are known only where the index can be. Which way it goes changes nothing in the result, nor does the order
// in which numbers are collected. All is decided on the device; the host waits once, for the result.
//
// Bytes: twice those of the data, half a byte of an element for what is collected, then little. Expected at 3.3 TB/s:
// 33.6 M of F32 (134 MB) 0.08 ms and some 12 short launches, 0.12 ms; of BF16 0.08 ms. In the worst case, all equal, 3
// to 5 passes: 0.25 ms. Not yet run on a device.
//
// A first digit has four tables, of neighbouring threads, so that equal ones do not wait for one another; when all
// elements of a warp have the same digit, one thread adds for all. Collected numbers gather in shared memory, and a
// warp adds to the common count once for some hundred: in every round that would be a million times, 0.6 ms.
// Considered: bracketing by a sample, as the CPU does, which saves most of the second pass and needs a fallback and a
// way to the host in between; match_any for equal digits, which is slower than the tables on random data.
#include <algorithm>

#include "cuda/types.cuh"

namespace merganser {
namespace cuda {

namespace {

#define MG_LOOP __host__ __device__ __forceinline__
#include "kernels/merge_formulas.inc"
#undef MG_LOOP

constexpr int kDigit = 11, kBins = 1 << kDigit, kTables = 4;
constexpr unsigned int kWhole = 0xffffffffu;
typedef unsigned long long Number;

// What is known so far. On the device.
struct Search {
  Number need;        // rank of the answer among those with the digits found
  Number prefix;      // digits found of the number below the first digit
  Number bin;         // elements with the first digit
  Number collected;   // of them
  Number nan, first_nan;
  unsigned int first;  // digit
  unsigned int lost;   // no such rank: the data changed
};

// Magnitudes of the elements.
template <typename T, bool kDifference>
struct Keys {
  static constexpr bool kShort = !kDifference && sizeof(typename T::Raw) == 2;
  static constexpr int kRest = (kShort ? 15 : 31) - kDigit;  // bits below the first digit
  static constexpr uint32_t kInfinity = kShort ? T::kExponent : 0x7f800000u;
  typedef WordOf<T> W;
  const void *x, *base;

  template <int kCount>
  __device__ __forceinline__ void at(int64_t i, uint32_t* key) const {
    const auto pack = load<W, kCount>(x, i);
    if constexpr (kDifference) {
      const auto other = load<W, kCount>(base, i);
#pragma unroll
      for (int e = 0; e < kCount; ++e) {
        const float delta =
            Arithmetic<T>::load(value_of(pack.word[e])) - Arithmetic<T>::load(value_of(other.word[e]));
        key[e] = bits_of(delta) & 0x7fffffffu;
      }
    } else {
#pragma unroll
      for (int e = 0; e < kCount; ++e) key[e] = pack.word[e] & (kShort ? 0x7fffu : 0x7fffffffu);
    }
  }
};

// Calls body.round<kCount>(keys, i, there) for the elements of [begin, end), packs of kCount from i on, with all threads
// of a warp in every round.
template <int kCount, typename K, typename Body>
__device__ __forceinline__ void for_rounds(const K& keys, int64_t begin, int64_t end, Body& body) {
  constexpr int64_t kRound = int64_t{kThreads} * kCount;
  for (int64_t round = begin + blockIdx.x * kRound; round < end; round += gridDim.x * kRound) {
    const int64_t i = round + static_cast<int64_t>(threadIdx.x) * kCount;
    const bool there = i < end;
    uint32_t key[kCount] = {};
    if (there) keys.template at<kCount>(i, key);
    body.template round<kCount>(key, i, there);
  }
}

constexpr uint32_t kNoDigit = kBins;

// Adds one to the bin of each digit in a table of a block; all threads of a warp together.
template <int kCopies, int kCount>
__device__ __forceinline__ void tally(unsigned int* table, const uint32_t* digit) {
  const unsigned int lane = threadIdx.x % 32;
  const uint32_t first = __shfl_sync(kWhole, digit[0], 0);
  bool same = true;
#pragma unroll
  for (int e = 0; e < kCount; ++e) same = same && digit[e] == first;
  if (__all_sync(kWhole, same)) {
    if (lane == 0 && first != kNoDigit) atomicAdd(&table[first * kCopies], 32u * kCount);
    return;
  }
#pragma unroll
  for (int e = 0; e < kCount; ++e) {
    if (digit[e] != kNoDigit) atomicAdd(&table[digit[e] * kCopies + lane % kCopies], 1u);
  }
}

template <int kCopies>
__device__ __forceinline__ void clear(unsigned int* table) {
  for (int b = static_cast<int>(threadIdx.x); b < kBins * kCopies; b += kThreads) table[b] = 0;
  __syncthreads();
}

template <int kCopies>
__device__ __forceinline__ void add_to(const unsigned int* table, Number* counts) {
  __syncthreads();
  for (int b = static_cast<int>(threadIdx.x); b < kBins; b += kThreads) {
    Number sum = 0;
#pragma unroll
    for (int c = 0; c < kCopies; ++c) sum += table[b * kCopies + c];
    if (sum > 0) atomicAdd(&counts[b], sum);
  }
}

template <typename K>
struct FirstDigit {
  unsigned int* table;
  Number nan, first_nan;
  template <int kCount>
  __device__ __forceinline__ void round(const uint32_t* key, int64_t i, bool there) {
    uint32_t digit[kCount];
#pragma unroll
    for (int e = kCount - 1; e >= 0; --e) {
      digit[e] = there ? key[e] >> K::kRest : kNoDigit;
      if (!there || key[e] <= K::kInfinity) continue;
      ++nan;
      const Number at = static_cast<Number>(i + e);
      if (at < first_nan) first_nan = at;
    }
    tally<kTables, kCount>(table, digit);
  }
};

template <typename K, int kCount>
__global__ void __launch_bounds__(kThreads)
    count_first(const K keys, int64_t packed, int64_t count, Number* counts, Search* search) {
  __shared__ unsigned int table[kBins * kTables];
  clear<kTables>(table);
  FirstDigit<K> body{table, 0, ~Number{0}};
  for_rounds<kCount>(keys, 0, packed, body);
  for_rounds<1>(keys, packed, count, body);
  if (body.nan > 0) {
    atomicAdd(&search->nan, body.nan);
    atomicMin(&search->first_nan, body.first_nan);
  }
  add_to<kTables>(table, counts);
}

// The digit in which the rank lies, counted from the top, by one block. The counts are cleared for the next one.
__global__ void __launch_bounds__(kThreads) pick(Number* counts, Search* search, int width) {
  constexpr int kOwn = kBins / kThreads;
  __shared__ Number sums[kThreads];
  const int t = static_cast<int>(threadIdx.x), top = kBins - 1 - t * kOwn;  // a thread's first bin
  const Number need = search->need;
  Number own[kOwn], sum = 0;
#pragma unroll
  for (int b = 0; b < kOwn; ++b) {
    own[b] = counts[top - b];
    counts[top - b] = 0;
    sum += own[b];
  }
  sums[t] = sum;
  __syncthreads();
  for (int apart = 1; apart < kThreads; apart *= 2) {
    const Number more = t >= apart ? sums[t - apart] : 0;
    __syncthreads();
    sums[t] += more;
    __syncthreads();
  }
  if (t == kThreads - 1 && sums[t] < need) search->lost = 1;
  Number before = sums[t] - sum;
  if (need <= before || need > sums[t]) return;
#pragma unroll
  for (int b = 0; b < kOwn; ++b) {
    if (need > before && need <= before + own[b]) {
      const Number digit = static_cast<Number>(top - b);
      search->need = need - before;
      if (width == 0) {
        search->first = static_cast<unsigned int>(digit);
        search->bin = own[b];
      } else {
        search->prefix = search->prefix << width | digit;
      }
    }
    before += own[b];
  }
}

// Numbers of all elements with the first digit: its lower bits above `bits` of the index from the end.
struct Digit {
  int bits, shift, width;  // of the index; of the digit
  int64_t capacity;        // of what is collected
  Number* collection;
  __device__ __forceinline__ Number last() const { return (Number{1} << bits) - 1; }
};

constexpr int kGathered = 512;  // numbers that gather in a warp, more than a round can bring

template <typename K, bool kCollect>
struct NextDigit {
  const Digit& digit;
  unsigned int* table;
  Number* gathered;  // of the warp, and how many
  unsigned int number;
  Search* search;
  Number prefix;
  unsigned int first;
  bool collect;

  __device__ __forceinline__ uint32_t digit_of(Number x, bool there) const {
    const int above = digit.shift + digit.width;
    const bool matches = there && (above >= 64 ? 0 : x >> above) == prefix;
    return matches ? static_cast<uint32_t>(x >> digit.shift) & ((1u << digit.width) - 1) : kNoDigit;
  }
  template <int kCount>
  __device__ __forceinline__ void round(const uint32_t* key, int64_t i, bool there) {
    uint32_t digits[kCount];
#pragma unroll
    for (int e = 0; e < kCount; ++e) {
      const bool mine = there && key[e] >> K::kRest == first;
      const Number low = key[e] & ((1u << K::kRest) - 1);
      const Number x = low << digit.bits | (digit.last() - static_cast<Number>(i + e));
      digits[e] = digit_of(x, mine);
      if (!kCollect || !collect) continue;
      const unsigned int all = __ballot_sync(kWhole, mine);
      if (mine) gathered[number + __popc(all & ((1u << threadIdx.x % 32) - 1))] = x;
      number += __popc(all);
    }
    tally<1, kCount>(table, digits);
    if (kCollect && number > kGathered / 2) write();
  }
  // By all threads of the warp.
  __device__ __forceinline__ void write() {
    const unsigned int lane = threadIdx.x % 32;
    Number begin = 0;
    if (lane == 0) begin = atomicAdd(&search->collected, static_cast<Number>(number));
    begin = __shfl_sync(kWhole, begin, 0);
    __syncwarp();
    for (unsigned int j = lane; j < number; j += 32) {
      if (begin + j < static_cast<Number>(digit.capacity)) digit.collection[begin + j] = gathered[j];
    }
    __syncwarp();
    number = 0;
  }
};

// Of all data, collecting; or of what was collected, or of the data where it was not.
template <typename K, int kCount, bool kCollect>
__global__ void __launch_bounds__(kThreads)
    count_next(const K keys, int64_t packed, int64_t count, const Digit digit, Number* counts, Search* search) {
  static_assert(32 * kCount <= kGathered / 2);
  __shared__ unsigned int table[kBins];
  __shared__ Number gathered[kCollect ? kThreads / 32 : 1][kGathered];
  const bool few = search->bin <= static_cast<Number>(digit.capacity);
  clear<1>(table);
  NextDigit<K, kCollect> body{
      digit, table, gathered[kCollect ? threadIdx.x / 32 : 0], 0, search, search->prefix, search->first, few};
  if (!kCollect && few) {
    const int64_t collected = static_cast<int64_t>(search->bin < search->collected ? search->bin : search->collected);
    for (int64_t round = int64_t{blockIdx.x} * kThreads; round < collected; round += int64_t{gridDim.x} * kThreads) {
      const int64_t j = round + threadIdx.x;
      const uint32_t each = body.digit_of(j < collected ? digit.collection[j] : 0, j < collected);
      tally<1, 1>(table, &each);
    }
  } else {
    int64_t begin = 0, end = count;
    const int known = digit.bits - digit.shift - digit.width;  // bits of the index
    if (known > 0) {
      const int open = digit.shift + digit.width;
      const Number most = (body.prefix & ((Number{1} << known) - 1)) << open, last = digit.last();
      begin = static_cast<int64_t>(last - (most | ((Number{1} << open) - 1))) / kCount * kCount;
      end = static_cast<int64_t>(last - most) + 1;
      if (end > count) end = count;
    }
    int64_t middle = packed < end ? packed : end / kCount * kCount;
    if (middle < begin) middle = begin;
    for_rounds<kCount>(keys, begin, middle, body);
    for_rounds<1>(keys, middle, end, body);
    if (kCollect) body.write();
  }
  add_to<1>(table, counts);
}

template <typename T, bool kDifference>
Search select(State& s, int64_t count, const void* x, const void* base, int64_t k) {
  typedef Keys<T, kDifference> K;
  constexpr int kCount = 16 / sizeof(typename T::Raw);
  const K keys{x, base};
  const int64_t packed = aligned(x) && (!kDifference || aligned(base)) ? count / kCount * kCount : 0;
  // As many as shared memory lets run at once, for the last ones by themselves cannot use the GPU.
  const int blocks = std::min(Spread(s, count, kCount, packed > 0).blocks, std::max(1, s.blocks / 2));
  Digit digit{};
  for (digit.bits = 1; (int64_t{1} << digit.bits) < count; ++digit.bits) {
  }
  digit.capacity = std::clamp<int64_t>(count / 16, 4096, int64_t{1} << 26);

  Scratch scratch(s.scratch), staging(s.staging);
  Number* counts = scratch.take<Number>(kBins);
  Search* search = scratch.take<Search>(1);
  digit.collection = scratch.take<Number>(digit.capacity);
  Search* staged = staging.take<Search>(1);
  *staged = Search{};
  staged->need = static_cast<Number>(k);
  staged->first_nan = ~Number{0};
  const char* const name = "kth_magnitude";
  check(cudaMemsetAsync(counts, 0, kBins * sizeof(Number), s.stream), name);
  check(cudaMemcpyAsync(search, staged, sizeof(Search), cudaMemcpyHostToDevice, s.stream), name);

  launch(s, name, blocks, kThreads, 0, count_first<K, kCount>, keys, packed, count, counts, search);
  launch(s, name, 1, kThreads, 0, pick, counts, search, 0);
  const int bits = K::kRest + digit.bits, passes = (bits + kDigit - 1) / kDigit;
  const int width = (bits + passes - 1) / passes;
  for (int left = bits; left > 0; left -= digit.width) {
    digit.width = left < width ? left : width;
    digit.shift = left - digit.width;
    const auto next = left == bits ? count_next<K, kCount, true> : count_next<K, kCount, false>;
    launch(s, name, blocks, kThreads, 0, next, keys, packed, count, digit, counts, search);
    launch(s, name, 1, kThreads, 0, pick, counts, search, digit.width);
  }
  check(cudaMemcpyAsync(staged, search, sizeof(Search), cudaMemcpyDeviceToHost, s.stream), name);
  synchronize(s, name);
  Search found = *staged;
  // The bits of the magnitude, and the index.
  const Number last = (Number{1} << digit.bits) - 1;
  found.first = found.first << K::kRest | static_cast<unsigned int>(found.prefix >> digit.bits);
  found.prefix = last - (found.prefix & last);
  return found;
}

template <typename T>
void run(State& s, int64_t count, const void* x, const void* base, int64_t k, mg_threshold* out) {
  const Search found = base ? select<T, true>(s, count, x, base, k) : select<T, false>(s, count, x, base, k);
  if (found.nan > 0) {
    fail(MG_NUMERICAL, format("kth_magnitude: %lld of %lld values%s are NaN, the first at index %lld",
                              static_cast<Long>(found.nan), Long{count}, base ? " less their base" : "",
                              static_cast<Long>(found.first_nan)));
  }
  if (found.lost != 0) fail(MG_NUMERICAL, "kth_magnitude: the data changed while they were read");
  const bool as_they_are = !base && sizeof(typename T::Raw) == 2;
  out->threshold = as_they_are ? T::f32(static_cast<unsigned short>(found.first)) : float_of(found.first);
  out->last = static_cast<int64_t>(found.prefix);
}

}  // namespace

void kth_magnitude(mg_context* context, int32_t dtype, int64_t count, const void* x, const void* base, int64_t k,
                   mg_threshold* out) {
  OnDevice here;
  State& s = state(context);
  switch (dtype) {
    case MG_F32:
      return run<F32>(s, count, x, base, k, out);
    case MG_F16:
      return run<F16>(s, count, x, base, k, out);
    default:
      return run<BF16>(s, count, x, base, k, out);
  }
}

}  // namespace cuda
}  // namespace merganser
