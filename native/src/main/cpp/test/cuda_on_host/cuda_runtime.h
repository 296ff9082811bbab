// SPDX-License-Identifier: Apache-2.0
// Enough of the CUDA runtime to run the kernels of cuda/*.cu as loops on the host: their threads do not depend on each
// other. What the compiler of the GPU makes of them, and the hardware, only gpu-check can show.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#define __CUDA_ARCH__ 800
#define __global__
#define __host__
#define __device__
#define __grid_constant__
#define __forceinline__ inline
#define __launch_bounds__(threads)

enum cudaError_t { cudaSuccess = 0, cudaErrorMemoryAllocation = 2 };
enum cudaMemcpyKind { cudaMemcpyHostToDevice, cudaMemcpyDeviceToHost, cudaMemcpyDeviceToDevice };
using cudaStream_t = void*;
using cudaEvent_t = void*;

struct Index {
  unsigned int x;
};
inline Index blockIdx, threadIdx, blockDim, gridDim;

inline cudaError_t cudaMalloc(void** out, size_t bytes) {
  *out = std::malloc(bytes);
  return cudaSuccess;
}
inline cudaError_t cudaFree(void* pointer) {
  std::free(pointer);
  return cudaSuccess;
}
enum { cudaHostAllocDefault = 0 };
inline cudaError_t cudaHostAlloc(void** out, size_t bytes, int) { return cudaMalloc(out, bytes); }
inline cudaError_t cudaFreeHost(void* pointer) { return cudaFree(pointer); }
inline cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind, cudaStream_t) {
  std::memcpy(to, from, bytes);
  return cudaSuccess;
}
inline cudaError_t cudaMemsetAsync(void* to, int value, size_t bytes, cudaStream_t) {
  std::memset(to, value, bytes);
  return cudaSuccess;
}
inline cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  *free = *total = size_t{1} << 30;
  return cudaSuccess;
}
inline cudaError_t cudaStreamSynchronize(cudaStream_t) { return cudaSuccess; }
inline cudaError_t cudaGetLastError() { return cudaSuccess; }

inline double __dmul_rn(double a, double b) { return a * b; }
inline double __dadd_rn(double a, double b) { return a + b; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fadd_rn(float a, float b) { return a + b; }
inline void atomicAdd(unsigned long long* to, unsigned long long value) { *to += value; }
inline void atomicMin(unsigned long long* to, unsigned long long value) { *to = std::min(*to, value); }

#define MG_STAND_IN
#define MG_DYNAMIC_SHARED(T, name) T* name = nullptr

struct dim3 {
  dim3(unsigned int size) : x(size) {}
  unsigned int x;
};

#include <tuple>
#include <utility>

template <typename... Parameters, size_t... Index>
cudaError_t start(void (*kernel)(Parameters...), dim3 grid, dim3 block, size_t, cudaStream_t,
                  std::tuple<Parameters...>& values, std::index_sequence<Index...>) {
  gridDim.x = grid.x;
  blockDim.x = block.x;
  for (blockIdx.x = 0; blockIdx.x < gridDim.x; ++blockIdx.x) {
    for (threadIdx.x = 0; threadIdx.x < blockDim.x; ++threadIdx.x) std::apply(kernel, values);
  }
  return cudaSuccess;
}
