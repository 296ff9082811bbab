// SPDX-License-Identifier: Apache-2.0
// NP Merge on the device: the formulas of kernels/np_formulas.inc for one float, and the elements of a part.
#pragma once

#include "cuda/np.h"
#include "cuda/types.cuh"

namespace merganser {
namespace cuda {
namespace {

#define MG_LOOP __host__ __device__ __forceinline__
typedef float Chain;
MG_LOOP float smaller(float x, float y) { return x < y ? x : y; }
MG_LOOP float larger(float x, float y) { return x > y ? x : y; }
MG_LOOP float root(float x) { return sqrtf(x); }
MG_LOOP float where_half(float weight, float yes, float no) { return weight >= 0.5f ? yes : no; }
MG_LOOP float times_power(float x, float shifted) { return float_of(bits_of(x) + (bits_of(shifted) << 23)); }
#include "kernels/np_formulas.inc"
#undef MG_LOOP

// kCount neighbours from element i on as F32; where kCount > 1, i and the address allow one access.
template <typename T, int kCount>
__device__ __forceinline__ void load_floats(const void* base, int64_t i, float* to) {
  const auto pack = load<WordOf<T>, kCount>(base, i);
#pragma unroll
  for (int e = 0; e < kCount; ++e) to[e] = T::f32(value_of(pack.word[e]));
}
template <int kCount>
__device__ __forceinline__ void store_floats(const float* from, float* base, int64_t i) {
  Pack<unsigned int, kCount> pack;
#pragma unroll
  for (int e = 0; e < kCount; ++e) pack.word[e] = word_of(from[e]);
  store(base, i, pack);
}

// Whether packs of kCount elements from this address on are aligned.
template <typename W, int kCount>
__device__ __forceinline__ bool allows(const void* base) {
  return reinterpret_cast<uintptr_t>(base) % (sizeof(W) * kCount) == 0;
}

// Calls body.run<kCount>(i) for whole packs and body.run<1>(i) for the rest of i in [begin, begin + n), which the
// threads of the block share.
template <int kCount, typename Body>
__device__ __forceinline__ void for_part(bool packed, int64_t begin, int n, const Body& body) {
  const int packs = packed ? n / kCount : 0;
  for (int p = static_cast<int>(threadIdx.x); p < packs; p += kThreads) body.template run<kCount>(begin + p * kCount);
  for (int i = packs * kCount + static_cast<int>(threadIdx.x); i < n; i += kThreads) body.template run<1>(begin + i);
}

__device__ __forceinline__ bool refused(const NpView& np) {
  return np.worst[0] != kNpNone || np.worst[1] != kNpNone;
}

// The groups of the elements of one part, counted from that of the first one: divisions of small numbers.
struct Groups {
  int64_t first, begin;
  uint32_t before, span;  // `before`: elements of its group before the part; a large span has one border at most
  uint32_t border;
  __device__ __forceinline__ Groups(const NpSlot& slot, const NpPart& part)
      : first(part.begin / slot.span), begin(part.begin) {
    const int64_t inside = part.begin - first * slot.span, left = slot.span - inside;
    span = slot.span < kNpTile ? static_cast<uint32_t>(slot.span) : 0;
    before = static_cast<uint32_t>(inside);
    border = static_cast<uint32_t>(left < kNpTile ? left : kNpTile);
  }
  __device__ __forceinline__ uint32_t of(int64_t i) const {
    const uint32_t at = static_cast<uint32_t>(i - begin);
    return span == 0 ? (at >= border ? 1u : 0u) : (before + at) / span;
  }
};

// Calls run with a value of the type of the models.
template <typename Run>
void with_input(const CudaNp& np, const Run& run) {
  np.options.dtype == MG_F32 ? run(F32{}) : run(BF16{});
}

template <int kModels>
struct Count {
  static constexpr int value = kModels;
};

// Calls run with the number of models.
template <typename Run>
void with_models(const CudaNp& np, const Run& run) {
  switch (np.options.models) {
    case 2:
      return run(Count<2>{});
    case 3:
      return run(Count<3>{});
    case 4:
      return run(Count<4>{});
    case 5:
      return run(Count<5>{});
    case 6:
      return run(Count<6>{});
    case 7:
      return run(Count<7>{});
    default:
      return run(Count<8>{});
  }
}

}  // namespace
}  // namespace cuda
}  // namespace merganser
