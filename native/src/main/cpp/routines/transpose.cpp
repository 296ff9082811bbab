// SPDX-License-Identifier: Apache-2.0
// out = in^T by square tiles, whose lines stay in the first-level cache while both sides go through them.
#include <algorithm>

#include "routines/routines.h"
#include "runtime/isa.h"
#include "runtime/pool.h"

namespace merganser {

void transpose(mg_context* context, int32_t dtype, int64_t rows, int64_t cols, const void* in, int64_t ldin, void* out,
               int64_t ldout) {
  constexpr int64_t kTile = 64;
  const auto kernel = kernels().elementwise.transpose[dtype];
  const int64_t bytes = size_of(dtype), across = divide_up(cols, kTile);
  parallel_for(context, divide_up(rows, kTile) * across, [&](int64_t item, int32_t) {
    const int64_t i = item / across * kTile, j = item % across * kTile;
    kernel(static_cast<const char*>(in) + (i * ldin + j) * bytes, ldin, std::min(kTile, rows - i),
           std::min(kTile, cols - j), static_cast<char*>(out) + (j * ldout + i) * bytes, ldout);
  });
}

}  // namespace merganser
