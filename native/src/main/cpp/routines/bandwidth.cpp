// SPDX-License-Identifier: Apache-2.0
// The measure of memory that benchmarks compare with.
#include <algorithm>

#include "routines/routines.h"
#include "runtime/isa.h"
#include "runtime/pool.h"

namespace merganser {

void bandwidth(mg_context* context, int64_t bytes, int32_t reads, const void* const* in, int32_t writes,
               void* const* out) {
  constexpr int64_t kLine = 64, kChunk = 4096;  // lines
  const ElementwiseKernels& kernels = merganser::kernels().elementwise;
  const int64_t lines = bytes / kLine;
  parallel_for(context, divide_up(lines, kChunk), [&](int64_t item, int32_t) {
    const void* from[8];
    void* to[8];
    const int64_t begin = item * kChunk;
    for (int32_t k = 0; k < reads; ++k) from[k] = static_cast<const char*>(in[k]) + begin * kLine;
    for (int32_t k = 0; k < writes; ++k) to[k] = static_cast<char*>(out[k]) + begin * kLine;
    kernels.xor_lines(from, reads, to, writes, std::min(kChunk, lines - begin));
    kernels.store_fence();
  });
}

}  // namespace merganser
