// SPDX-License-Identifier: Apache-2.0
// out[i] = sum_k w_k in_k[i], k in order: see kernels/sum.inc for the arithmetic.
#include <algorithm>
#include <vector>

#include "routines/output.h"
#include "routines/routines.h"
#include "runtime/isa.h"
#include "runtime/pool.h"

namespace merganser {

void weighted_sum(mg_context* context, int32_t dtype, int64_t count, int32_t models, const void* const* in,
                  const double* weights, void* out) {
  constexpr int64_t kBytes = 256 << 10;
  const auto sum_line = kernels().elementwise.sum_line[dtype];
  const int64_t bytes = size_of(dtype), chunk = kBytes / bytes;
  const bool past_caches = count * bytes >= past_caches_limit();
  parallel_for(context, divide_up(count, chunk), [&](int64_t item, int32_t) {
    std::vector<const void*> at(models);
    const int64_t begin = item * chunk;
    for (int32_t k = 0; k < models; ++k) at[k] = static_cast<const char*>(in[k]) + begin * bytes;
    sum_line(at.data(), weights, models, static_cast<char*>(out) + begin * bytes, std::min(chunk, count - begin),
             past_caches);
  });
}

}  // namespace merganser
