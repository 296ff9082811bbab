// SPDX-License-Identifier: Apache-2.0
// What a kernel sees of its block: indices, shared memory, barriers, warps, atomics. Each thread is a fiber that runs
// until it waits, alone; the threads of a warp follow each other in an order that changes at every wait, so that a
// value read without a barrier is the garbage, or the leftover, that a GPU shows now and then. A barrier or a warp
// operation that not all reach is an error of the launch that names kernel, thread and line.
#pragma once

#include <functional>
#include <tuple>
#include <type_traits>
#include <utility>

#include "vector_types.h"

#define __CUDA_ARCH__ 800
#define __global__
#define __host__
#define __device__
#define __grid_constant__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __align__(bytes) __attribute__((aligned(bytes)))
// Thread-local variables of the plug-in are its shared memory: the runtime finds them together, and fills them with
// garbage before each block. So code of the plug-in has no other ones.
#define __shared__ static thread_local

extern dim3 gridDim, blockDim;
extern uint3 blockIdx, threadIdx;
constexpr int warpSize = 32;

namespace standin {

// Where a thread waits.
struct Site {
  const char *what, *file;
  int line;
};

// Waits for the block; answers how many threads came with a predicate that is not 0.
int block_barrier(const Site& site, int predicate);

// Waits for the warp; answers the 32 values of 8 bytes that its threads brought.
const uint64_t* warp_exchange(const Site& site, unsigned int mask, uint64_t value);

[[noreturn]] void trap(const Site& site);
int lane();
void* dynamic_shared();

// Queues a launch. `anchor` is a thread-local variable of the plug-in.
cudaError_t launch(const void* kernel, dim3 grid, dim3 block, size_t shared, cudaStream_t stream, void* (*anchor)(),
                   std::function<void()> thread);

inline thread_local char shared_anchor;
inline void* anchor() { return &shared_anchor; }

template <typename T>
uint64_t bits(T value) {
  static_assert(std::is_arithmetic<T>::value && (sizeof(T) == 4 || sizeof(T) == 8), "a type that shuffles take");
  uint64_t word = 0;
  std::memcpy(&word, &value, sizeof value);
  return word;
}
template <typename T>
T value_of(uint64_t word) {
  T value;
  std::memcpy(&value, &word, sizeof value);
  return value;
}

template <typename T>
T shuffle(const Site& site, unsigned int mask, T value, int source) {
  const uint64_t* values = warp_exchange(site, mask, bits(value));
  return value_of<T>(values[source]);
}

template <typename T, typename Combine>
T reduce(const Site& site, unsigned int mask, T value, const Combine& combine) {
  static_assert(std::is_same<T, int>::value || std::is_same<T, unsigned int>::value, "int or unsigned int");
  const uint64_t* values = warp_exchange(site, mask, bits(value));
  T result = value_of<T>(values[0]);
  for (int i = 1; i < warpSize; ++i) result = combine(result, value_of<T>(values[i]));
  return result;
}

}  // namespace standin

#define MG_STANDIN_HERE const char *file = __builtin_FILE(), int line = __builtin_LINE()
#define MG_STANDIN_SITE(what) (standin::Site{what, file, line})

inline void __syncthreads(MG_STANDIN_HERE) { standin::block_barrier(MG_STANDIN_SITE("__syncthreads"), 0); }
inline int __syncthreads_count(int predicate, MG_STANDIN_HERE) {
  return standin::block_barrier(MG_STANDIN_SITE("__syncthreads_count"), predicate);
}
inline int __syncthreads_or(int predicate, MG_STANDIN_HERE) {
  return standin::block_barrier(MG_STANDIN_SITE("__syncthreads_or"), predicate) > 0;
}
inline int __syncthreads_and(int predicate, MG_STANDIN_HERE) {
  return standin::block_barrier(MG_STANDIN_SITE("__syncthreads_and"), !predicate) == 0;
}

inline void __syncwarp(unsigned int mask = 0xffffffffu, MG_STANDIN_HERE) {
  standin::warp_exchange(MG_STANDIN_SITE("__syncwarp"), mask, 0);
}
template <typename T>
T __shfl_sync(unsigned int mask, T value, int source, int width = warpSize, MG_STANDIN_HERE) {
  const int lane = standin::lane();
  return standin::shuffle(MG_STANDIN_SITE("__shfl_sync"), mask, value, (lane & ~(width - 1)) | (source & (width - 1)));
}
template <typename T>
T __shfl_up_sync(unsigned int mask, T value, unsigned int delta, int width = warpSize, MG_STANDIN_HERE) {
  const int lane = standin::lane(), from = lane - static_cast<int>(delta);
  return standin::shuffle(MG_STANDIN_SITE("__shfl_up_sync"), mask, value, from < (lane & ~(width - 1)) ? lane : from);
}
template <typename T>
T __shfl_down_sync(unsigned int mask, T value, unsigned int delta, int width = warpSize, MG_STANDIN_HERE) {
  const int lane = standin::lane(), from = lane + static_cast<int>(delta);
  return standin::shuffle(MG_STANDIN_SITE("__shfl_down_sync"), mask, value, from > (lane | (width - 1)) ? lane : from);
}
template <typename T>
T __shfl_xor_sync(unsigned int mask, T value, int lanes, int width = warpSize, MG_STANDIN_HERE) {
  const int lane = standin::lane(), from = lane ^ lanes;
  return standin::shuffle(MG_STANDIN_SITE("__shfl_xor_sync"), mask, value, from > (lane | (width - 1)) ? lane : from);
}
inline unsigned int __ballot_sync(unsigned int mask, int predicate, MG_STANDIN_HERE) {
  const uint64_t* values = standin::warp_exchange(MG_STANDIN_SITE("__ballot_sync"), mask, predicate != 0);
  unsigned int result = 0;
  for (int i = 0; i < warpSize; ++i) result |= static_cast<unsigned int>(values[i]) << i;
  return result;
}
inline int __any_sync(unsigned int mask, int predicate, MG_STANDIN_HERE) {
  return __ballot_sync(mask, predicate, file, line) != 0;
}
inline int __all_sync(unsigned int mask, int predicate, MG_STANDIN_HERE) {
  return __ballot_sync(mask, predicate, file, line) == 0xffffffffu;
}
template <typename T>
unsigned int __match_any_sync(unsigned int mask, T value, MG_STANDIN_HERE) {
  const uint64_t mine = standin::bits(value);
  const uint64_t* values = standin::warp_exchange(MG_STANDIN_SITE("__match_any_sync"), mask, mine);
  unsigned int result = 0;
  for (int i = 0; i < warpSize; ++i) result |= static_cast<unsigned int>(values[i] == mine) << i;
  return result;
}
template <typename T>
T __reduce_add_sync(unsigned int mask, T value, MG_STANDIN_HERE) {
  return standin::reduce(MG_STANDIN_SITE("__reduce_add_sync"), mask, value, [](T a, T b) {
    return static_cast<T>(static_cast<unsigned int>(a) + static_cast<unsigned int>(b));
  });
}
template <typename T>
T __reduce_min_sync(unsigned int mask, T value, MG_STANDIN_HERE) {
  return standin::reduce(MG_STANDIN_SITE("__reduce_min_sync"), mask, value, [](T a, T b) { return b < a ? b : a; });
}
template <typename T>
T __reduce_max_sync(unsigned int mask, T value, MG_STANDIN_HERE) {
  return standin::reduce(MG_STANDIN_SITE("__reduce_max_sync"), mask, value, [](T a, T b) { return a < b ? b : a; });
}
inline unsigned int __reduce_and_sync(unsigned int mask, unsigned int value, MG_STANDIN_HERE) {
  return standin::reduce(MG_STANDIN_SITE("__reduce_and_sync"), mask, value, std::bit_and<unsigned int>());
}
inline unsigned int __reduce_or_sync(unsigned int mask, unsigned int value, MG_STANDIN_HERE) {
  return standin::reduce(MG_STANDIN_SITE("__reduce_or_sync"), mask, value, std::bit_or<unsigned int>());
}
inline unsigned int __reduce_xor_sync(unsigned int mask, unsigned int value, MG_STANDIN_HERE) {
  return standin::reduce(MG_STANDIN_SITE("__reduce_xor_sync"), mask, value, std::bit_xor<unsigned int>());
}
inline void __trap(MG_STANDIN_HERE) { standin::trap(MG_STANDIN_SITE("__trap")); }

// One thread runs at a time. What a fence orders is ordered already: a missing one only a GPU can show.
inline void __threadfence() {}
inline void __threadfence_block() {}
inline void __threadfence_system() {}

// The types for which a GPU has the operation, and no others.
#define MG_STANDIN_ATOMIC(name, T, expression) \
  inline T name(T* at, T value) {              \
    const T old = *at;                         \
    *at = (expression);                        \
    return old;                                \
  }
#define MG_STANDIN_ATOMIC3(name, expression)         \
  MG_STANDIN_ATOMIC(name, int, expression)           \
  MG_STANDIN_ATOMIC(name, unsigned int, expression) \
  MG_STANDIN_ATOMIC(name, unsigned long long, expression)
MG_STANDIN_ATOMIC(atomicAdd, int, static_cast<int>(static_cast<unsigned int>(old) + static_cast<unsigned int>(value)))
MG_STANDIN_ATOMIC(atomicAdd, unsigned int, old + value)
MG_STANDIN_ATOMIC(atomicAdd, unsigned long long, old + value)
MG_STANDIN_ATOMIC(atomicAdd, float, old + value)
MG_STANDIN_ATOMIC(atomicAdd, double, old + value)
MG_STANDIN_ATOMIC(atomicSub, int, static_cast<int>(static_cast<unsigned int>(old) - static_cast<unsigned int>(value)))
MG_STANDIN_ATOMIC(atomicSub, unsigned int, old - value)
MG_STANDIN_ATOMIC3(atomicExch, (static_cast<void>(old), value))
MG_STANDIN_ATOMIC(atomicExch, float, (static_cast<void>(old), value))
MG_STANDIN_ATOMIC3(atomicMin, value < old ? value : old)
MG_STANDIN_ATOMIC(atomicMin, long long, value < old ? value : old)
MG_STANDIN_ATOMIC3(atomicMax, old < value ? value : old)
MG_STANDIN_ATOMIC(atomicMax, long long, old < value ? value : old)
MG_STANDIN_ATOMIC3(atomicAnd, old& value)
MG_STANDIN_ATOMIC3(atomicOr, old | value)
MG_STANDIN_ATOMIC3(atomicXor, old ^ value)
MG_STANDIN_ATOMIC(atomicInc, unsigned int, old >= value ? 0 : old + 1)
MG_STANDIN_ATOMIC(atomicDec, unsigned int, old == 0 || old > value ? value : old - 1)
#undef MG_STANDIN_ATOMIC3
#undef MG_STANDIN_ATOMIC
#define MG_STANDIN_CAS(T)                        \
  inline T atomicCAS(T* at, T compare, T value) { \
    const T old = *at;                           \
    if (old == compare) *at = value;             \
    return old;                                  \
  }
MG_STANDIN_CAS(int)
MG_STANDIN_CAS(unsigned int)
MG_STANDIN_CAS(unsigned long long)
MG_STANDIN_CAS(unsigned short)
#undef MG_STANDIN_CAS

// launch.cuh's forms for the stand-in.
#define MG_STAND_IN
#define MG_DYNAMIC_SHARED(T, name) T* name = static_cast<T*>(standin::dynamic_shared())

template <typename... Parameters, size_t... Index>
cudaError_t start(void (*kernel)(Parameters...), dim3 grid, dim3 block, size_t shared, cudaStream_t stream,
                  std::tuple<Parameters...>& values, std::index_sequence<Index...>) {
  static_assert((sizeof(Parameters) + ... + 0) <= 4096, "the parameters of a kernel are at most 4 KiB");
  return standin::launch(reinterpret_cast<const void*>(kernel), grid, block, shared, stream, &standin::anchor,
                         [kernel, values] { std::apply(kernel, values); });
}
