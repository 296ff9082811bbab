// SPDX-License-Identifier: Apache-2.0
// out[i] = sum_k w_k in_k[i], k in order: see kernels/sum.inc for the arithmetic. The sums of a tile leave the cache
// past the others (routines/stream.h). A tile of 1 KiB gives the most: with larger ones reading waits while they are
// written out (BF16 of three models in a loop of its own, fraction of the limit: 0.82 at 512 bytes, 0.87 at 1 KiB, 0.86
// at 2 KiB, 0.77 at 4 KiB). A tile of F64 sums through which the models passed one after the other, before, took two to
// four times as long.
#include <algorithm>
#include <vector>

#include "core/isa.h"
#include "core/pool.h"
#include "routines/routines.h"
#include "routines/stream.h"

namespace merganser {

void weighted_sum(mg_context* context, int32_t dtype, int64_t count, int32_t models, const void* const* in,
                  const double* weights, void* out) {
  constexpr int64_t kBytes = 1024;
  const auto sum_line = kernels().sum_line[dtype];
  const int64_t bytes = size_of(dtype), tile = kBytes / bytes, chunk = 64 * tile;
  const Output output(count * bytes);
  parallel_for(context, divide_up(count, chunk), [&](int64_t task, int32_t) {
    alignas(64) char sums[kBytes];
    std::vector<const void*> at(models);
    const int64_t end = std::min(count, (task + 1) * chunk);
    for (int64_t begin = task * chunk; begin < end; begin += tile) {
      const int64_t n = std::min(tile, end - begin);
      for (int32_t k = 0; k < models; ++k) at[k] = static_cast<const char*>(in[k]) + begin * bytes;
      sum_line(at.data(), weights, models, sums, n);
      output.put(sums, static_cast<char*>(out) + begin * bytes, n * bytes);
    }
    output.finish();
  });
}

}  // namespace merganser
