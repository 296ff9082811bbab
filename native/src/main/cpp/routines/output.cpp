// SPDX-License-Identifier: Apache-2.0
// The size from which outputs bypass the caches.
#include "routines/output.h"

#include <unistd.h>

#include <cstdio>

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

int64_t past_caches_limit() {
  static const int64_t limit = last_cache() / 2;
  return limit;
}

}  // namespace merganser
