// SPDX-License-Identifier: Apache-2.0
// How a kernel is started, and its dynamic shared memory. The tests run the same source with a CUDA runtime of their
// own, whose header brings its own form of both.
#pragma once

#include <tuple>
#include <utility>

#include "cuda/plugin.h"

#ifndef MG_STAND_IN
// T* name: the `shared` bytes of the launch, aligned to 16.
#define MG_DYNAMIC_SHARED(T, name)                                   \
  extern __shared__ __align__(16) unsigned char mg_dynamic_shared[]; \
  T* name = reinterpret_cast<T*>(mg_dynamic_shared)

namespace merganser {
namespace cuda {
namespace {

template <typename... Parameters, size_t... Index>
cudaError_t start(void (*kernel)(Parameters...), dim3 grid, dim3 block, size_t shared, cudaStream_t stream,
                  std::tuple<Parameters...>& values, std::index_sequence<Index...>) {
  void* pointers[] = {static_cast<void*>(&std::get<Index>(values))...};
  return cudaLaunchKernel(reinterpret_cast<const void*>(kernel), grid, block, pointers, shared, stream);
}

}  // namespace
}  // namespace cuda
}  // namespace merganser
#endif

namespace merganser {
namespace cuda {
namespace {

// kernel<<<grid, block, shared, stream of s>>>(arguments...), checked: a launch that fails names the routine.
template <typename... Parameters, typename... Arguments>
void launch(State& s, const char* routine, dim3 grid, dim3 block, size_t shared, void (*kernel)(Parameters...),
            Arguments... arguments) {
  std::tuple<Parameters...> values(static_cast<Parameters>(arguments)...);
  check(start(kernel, grid, block, shared, s.stream, values, std::index_sequence_for<Parameters...>()), routine);
}

}  // namespace
}  // namespace cuda
}  // namespace merganser
