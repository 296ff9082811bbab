// SPDX-License-Identifier: Apache-2.0
// out = in^T by tiles that are turned in the first-level cache and copied out from there: rows of the output that lie a
// power of two apart would drive each other out of it.
#include <algorithm>

#include "routines/output.h"
#include "routines/routines.h"
#include "runtime/isa.h"
#include "runtime/pool.h"

namespace merganser {

void transpose(mg_context* context, int32_t dtype, int64_t rows, int64_t cols, const void* in, int64_t ldin, void* out,
               int64_t ldout) {
  constexpr int64_t kRows = 64, kCols = 32;
  const auto kernel = kernels().elementwise.transpose[dtype];
  const int64_t bytes = size_of(dtype), across = divide_up(cols, kCols);
  const Output output(rows * cols * bytes);
  parallel_for(context, divide_up(rows, kRows) * across, [&](int64_t item, int32_t) {
    const int64_t i = item / across * kRows, j = item % across * kCols;
    const int64_t height = std::min(kRows, rows - i), width = std::min(kCols, cols - j);
    alignas(64) char tile[kRows * kCols * sizeof(double)];
    kernel(static_cast<const char*>(in) + (i * ldin + j) * bytes, ldin, height, width, tile, kRows);
    for (int64_t c = 0; c < width; ++c) {
      output.put(tile + c * kRows * bytes, static_cast<char*>(out) + ((j + c) * ldout + i) * bytes, height * bytes);
    }
    output.finish();
  });
}

}  // namespace merganser
