// SPDX-License-Identifier: Apache-2.0
// out[i] = sum_k w_k in_k[i], k in order, in F64 without contraction, rounded once. A tile of F64 sums
// stays in the first-level cache while the models pass through it.
#include <algorithm>

#include "core/isa.h"
#include "core/pool.h"
#include "routines/routines.h"

namespace merganser {

void weighted_sum(mg_context* context, int32_t dtype, int64_t count, int32_t models, const void* const* in,
                  const double* weights, void* out) {
  constexpr int64_t kTile = 2048;
  constexpr int64_t kChunk = 8 * kTile;
  const Kernels& k = kernels();
  const int64_t bytes = size_of(dtype);
  parallel_for(context, divide_up(count, kChunk), [&](int64_t task, int32_t) {
    alignas(64) double sum[kTile];
    const int64_t end = std::min(count, (task + 1) * kChunk);
    for (int64_t begin = task * kChunk; begin < end; begin += kTile) {
      const int64_t n = std::min(kTile, end - begin);
      const auto at = [&](int32_t model) { return static_cast<const char*>(in[model]) + begin * bytes; };
      k.scale[dtype](at(0), weights[0], sum, n);
      for (int32_t model = 1; model < models; ++model) k.scale_add[dtype](at(model), weights[model], sum, n);
      k.store_sum[dtype](sum, static_cast<char*>(out) + begin * bytes, n);
    }
  });
}

}  // namespace merganser
