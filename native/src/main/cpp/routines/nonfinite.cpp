// SPDX-License-Identifier: Apache-2.0
// Number of NaN and infinite values, and the index of the first. Chunks of a fixed size over the pool.
#include <algorithm>
#include <vector>

#include "routines/routines.h"
#include "runtime/error.h"
#include "runtime/isa.h"
#include "runtime/pool.h"

namespace merganser {

void nonfinite_count(mg_context* context, int32_t dtype, int64_t count, const void* in, int64_t* nonfinite,
                     int64_t* first) {
  // Some microseconds, or waking a thread costs more than it saves.
  constexpr int64_t kChunk = 65536;
  const auto run = kernels().elementwise.count_nonfinite[dtype];
  const auto at = [&](int64_t i) { return static_cast<const char*>(in) + i * size_of(dtype); };
  struct Found {
    int64_t count = 0;
    int64_t first_chunk = INT64_MAX;
  };
  std::vector<Found> found(participants(context));
  parallel_for(context, divide_up(count, kChunk), [&](int64_t item, int32_t participant) {
    const int64_t begin = item * kChunk;
    const int64_t here = run(at(begin), std::min(kChunk, count - begin));
    if (here == 0) return;
    found[participant].count += here;
    found[participant].first_chunk = std::min(found[participant].first_chunk, item);
  });
  int64_t total = 0;
  int64_t chunk = INT64_MAX;
  for (const Found& each : found) {
    total += each.count;
    chunk = std::min(chunk, each.first_chunk);
  }
  *nonfinite = total;
  *first = -1;
  if (total == 0) return;
  const int64_t end = std::min(count, (chunk + 1) * kChunk);
  int64_t i = chunk * kChunk;
  while (i < end && run(at(i), 1) == 0) ++i;
  if (i == end) fail(MG_NUMERICAL, "the values changed while they were read");
  *first = i;
}

}  // namespace merganser
