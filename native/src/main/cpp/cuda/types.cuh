// SPDX-License-Identifier: Apache-2.0
// The four types on the device: the arithmetic of kernels/types.inc, the same source as the CPU's, and access to
// memory.
#pragma once

#include <stdint.h>

#include "cuda/launch.cuh"

namespace merganser {
namespace cuda {
namespace {

#define MG_LOOP __host__ __device__ __forceinline__
#include "kernels/types.inc"
#undef MG_LOOP

template <int kBytes>
struct Word;
template <>
struct Word<8> {
  typedef unsigned long long Type;
};
template <>
struct Word<4> {
  typedef unsigned int Type;
};
template <>
struct Word<2> {
  typedef unsigned short Type;
};

// Plain words: the element types of types.inc are unaligned, and the GPU faults on what is.
template <typename T>
using WordOf = typename Word<sizeof(typename T::Raw)>::Type;

__device__ __forceinline__ double value_of(unsigned long long u) { return double_of(u); }
__device__ __forceinline__ float value_of(unsigned int u) { return float_of(u); }
__device__ __forceinline__ unsigned short value_of(unsigned short u) { return u; }
__device__ __forceinline__ unsigned long long word_of(double x) { return bits_of(x); }
__device__ __forceinline__ unsigned int word_of(float x) { return bits_of(x); }
__device__ __forceinline__ unsigned short word_of(unsigned short x) { return x; }

template <typename W, int kCount>
struct alignas(sizeof(W) * kCount) Pack {
  W word[kCount];
};

// Passes over elements in any order take packs of 16 bytes of the wider of their types. Others have one element at a time,
// neighbours in neighbouring threads, whose accesses are whole sectors too, and several of them under way in a thread:
//   sums in the CPU's order, which says what thread has an element: centre_gram and centre_columns (means), dot_products,
//     formula_sums, fusion (divergences), gamma (sums), moments, norm, np_groups, permuted_products, row_products;
//   rows of matrices, which begin between multiples of 16 for most n: assignment, centre_gram and centre_columns (taking
//     means off), divide, gram, matrix, moments_merge, moments_split, polar_small; with a pack for some rows and not for
//     others the threads of a warp would part;
//   other orders on the two sides: apply_dense, transpose, ranked_drop; scaled rows and elements of apply_gather;
//   what is done once: gemm with k = 0, values and states that np_create and np_load fill.
// kCount neighbours: one access of a pack when kCount > 1, whose pointers are aligned to it; a single one is read in
// bytes where it must be.
template <typename W, int kCount>
__device__ __forceinline__ Pack<W, kCount> load(const void* base, int64_t i) {
  const W* from = static_cast<const W*>(base) + i;
  if (kCount > 1 || reinterpret_cast<uintptr_t>(base) % sizeof(W) == 0) {
    return *reinterpret_cast<const Pack<W, kCount>*>(from);
  }
  Pack<W, kCount> pack;
  W word = 0;
  const unsigned char* bytes = reinterpret_cast<const unsigned char*>(from);
  for (int b = static_cast<int>(sizeof(W)) - 1; b >= 0; --b) word = static_cast<W>(word << 8 | bytes[b]);
  pack.word[0] = word;
  return pack;
}

template <typename W, int kCount>
__device__ __forceinline__ void store(void* base, int64_t i, Pack<W, kCount> pack) {
  W* to = static_cast<W*>(base) + i;
  if (kCount > 1 || reinterpret_cast<uintptr_t>(base) % sizeof(W) == 0) {
    *reinterpret_cast<Pack<W, kCount>*>(to) = pack;
    return;
  }
  unsigned char* bytes = reinterpret_cast<unsigned char*>(to);
  for (int b = 0; b < static_cast<int>(sizeof(W)); ++b) bytes[b] = static_cast<unsigned char>(pack.word[0] >> 8 * b);
}

// Calls body.run<kCount>(i) for the first `packs` packs, spread over all threads, and body.run<1>(i) for the rest.
template <int kCount, typename Body>
__device__ __forceinline__ void for_packs(int64_t packs, int64_t count, const Body& body) {
  const int64_t thread = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  const int64_t threads = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t p = thread; p < packs; p += threads) body.template run<kCount>(p * kCount);
  for (int64_t i = packs * kCount + thread; i < count; i += threads) body.template run<1>(i);
}

// Calls run with a value of the type that the code names.
template <typename Run>
void with_type(int32_t dtype, const Run& run) {
  switch (dtype) {
    case MG_F64:
      return run(F64{});
    case MG_F32:
      return run(F32{});
    case MG_F16:
      return run(F16{});
    default:
      return run(BF16{});
  }
}

constexpr int kThreads = 256;

constexpr int64_t tiles_of(int64_t count, int64_t tile) { return (count + tile - 1) / tile; }

// A grid of so many blocks.
inline unsigned int blocks_of(int64_t count) {
  if (count > INT32_MAX) fail(MG_INVALID_ARGUMENT, format("%lld blocks are more than a launch on CUDA has", Long{count}));
  return static_cast<unsigned int>(count);
}

// How `count` elements are spread: in packs where the pointers allow it.
struct Spread {
  int64_t packs;
  int blocks;
  Spread(const State& state, int64_t count, int pack, bool aligned) : packs(aligned ? count / pack : 0) {
    const int64_t items = packs > 0 ? packs : count;
    const int64_t needed = (items + kThreads - 1) / kThreads;
    blocks = static_cast<int>(needed < state.blocks ? needed : state.blocks);
  }
};

inline bool aligned(const void* pointer) { return reinterpret_cast<uintptr_t>(pointer) % 16 == 0; }

}  // namespace
}  // namespace cuda
}  // namespace merganser
