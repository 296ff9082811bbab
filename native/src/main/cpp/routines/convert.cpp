// SPDX-License-Identifier: Apache-2.0
// Conversion between F64, F32, F16 and BF16, rounded once to nearest even. Chunks of a
// fixed size over the pool.
#include <algorithm>
#include <vector>

#include "routines/routines.h"
#include "runtime/isa.h"
#include "runtime/pool.h"

namespace merganser {

void convert(mg_context* context, int32_t from, int32_t to, int64_t count, const void* in, void* out,
             int64_t* overflowed) {
  constexpr int64_t kChunk = 16384;
  const auto run = kernels().elementwise.convert[from][to];
  std::vector<int64_t> counts(participants(context));
  parallel_for(context, divide_up(count, kChunk), [&](int64_t item, int32_t participant) {
    const int64_t begin = item * kChunk;
    const int64_t n = std::min(kChunk, count - begin);
    counts[participant] +=
        run(static_cast<const char*>(in) + begin * size_of(from), static_cast<char*>(out) + begin * size_of(to), n);
  });
  *overflowed = 0;
  for (int64_t each : counts) *overflowed += each;
}

}  // namespace merganser
