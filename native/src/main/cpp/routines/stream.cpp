// SPDX-License-Identifier: Apache-2.0
// The measure of memory that benchmarks compare with, and the size from which outputs bypass the caches.
#include "routines/stream.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "core/pool.h"
#include "routines/routines.h"

namespace merganser {

namespace {

// Of the last cache that this processor shares. The C library reports the sum over all dies where there are several
// (384 MB for 32), so the kernel is asked first.
int64_t last_cache() {
  int64_t bytes = 0;
  if (FILE* file = std::fopen("/sys/devices/system/cpu/cpu0/cache/index3/size", "re")) {
    long long kib = 0;
    char unit = 0;
    if (std::fscanf(file, "%lld%c", &kib, &unit) == 2 && unit == 'K') bytes = kib << 10;
    std::fclose(file);
  }
#if defined(_SC_LEVEL3_CACHE_SIZE)
  if (bytes <= 0) bytes = sysconf(_SC_LEVEL3_CACHE_SIZE);
#endif
  return bytes > 0 ? bytes : int64_t{16} << 20;
}

}  // namespace

int64_t stream_limit() {
  static const int64_t limit = last_cache() / 2;
  return limit;
}

void stream(mg_context* context, int64_t bytes, int32_t reads, const void* const* in, int32_t writes,
            void* const* out) {
  constexpr int64_t kLine = 64, kChunk = 4096;  // lines
  const MergeKernels& kernels = merge_kernels();
  const int64_t lines = bytes / kLine;
  parallel_for(context, divide_up(lines, kChunk), [&](int64_t task, int32_t) {
    const void* from[8];
    void* to[8];
    const int64_t begin = task * kChunk;
    for (int32_t k = 0; k < reads; ++k) from[k] = static_cast<const char*>(in[k]) + begin * kLine;
    for (int32_t k = 0; k < writes; ++k) to[k] = static_cast<char*>(out[k]) + begin * kLine;
    kernels.xor_lines(from, reads, to, writes, std::min(kChunk, lines - begin));
    kernels.store_fence();
  });
}

}  // namespace merganser
