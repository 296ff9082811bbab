// SPDX-License-Identifier: Apache-2.0
// Dot products in F64, chunks in order.
#include <algorithm>

#include "routines/routines.h"
#include "runtime/buffer.h"
#include "runtime/isa.h"
#include "runtime/pool.h"

namespace merganser {

void dot_products(mg_context* context, int32_t dtype, int64_t count, const void* x, const void* y, double* sums) {
  constexpr int64_t kChunk = 16384;
  const auto run = kernels().merge.dot_products[dtype];
  const int64_t chunks = divide_up(count, kChunk), bytes = size_of(dtype);
  Buffer<double> parts(chunks, 3);
  parallel_for(context, chunks, [&](int64_t item, int32_t) {
    const int64_t begin = item * kChunk;
    run(static_cast<const char*>(x) + begin * bytes, static_cast<const char*>(y) + begin * bytes,
        std::min(kChunk, count - begin), &parts[3 * item]);
  });
  for (int k = 0; k < 3; ++k) {
    double sum = 0;
    for (int64_t c = 0; c < chunks; ++c) sum += parts[3 * c + k];
    sums[k] = sum;
  }
}

}  // namespace merganser
