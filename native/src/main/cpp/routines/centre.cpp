// SPDX-License-Identifier: Apache-2.0
// Columns less their means. Differences to the first row are summed, which leaves nothing of an offset that all rows
// have; chunks of rows in order, so that the error grows with the root of their number at most.
#include "routines/centre.h"

#include <algorithm>
#include <cstring>

#include "routines/gram.h"
#include "routines/routines.h"
#include "runtime/isa.h"
#include "runtime/pool.h"

namespace merganser {

void centre_stripe(int32_t from, int32_t to, int64_t rows, const void* in, int64_t ldin, int64_t begin, int64_t width,
                   void* out, int64_t ldout) {
  const auto& kernel = kernels().gram;
  const int64_t bytes = size_of(from);
  const char* columns = static_cast<const char*>(in) + begin * bytes;
  char* target = static_cast<char*>(out);
  alignas(64) double first[kStripe];  // a copy, of the type of the input: its row may be written
  double mean[kStripe] = {};
  std::memcpy(first, columns, static_cast<size_t>(width * bytes));
  for (int64_t r = 0; r < rows; r += kCentreRows) {
    double sum[kStripe] = {};
    kernel.sum_differences[from](columns + r * ldin * bytes, ldin, first, std::min(kCentreRows, rows - r), width, sum);
    for (int64_t f = 0; f < width; ++f) mean[f] += sum[f];
  }
  for (int64_t f = 0; f < width; ++f) mean[f] /= static_cast<double>(rows);
  for (int64_t r = 0; r < rows; ++r) {
    kernel.centre_row[from][to](columns + r * ldin * bytes, first, mean, target + r * ldout * size_of(to), width);
  }
}

void centre_columns(mg_context* context, int32_t from, int32_t to, int64_t rows, int64_t cols, const void* in,
                    int64_t ldin, void* out, int64_t ldout) {
  if (rows == 0) return;
  parallel_for(context, divide_up(cols, kStripe), [&](int64_t item, int32_t) {
    const int64_t begin = item * kStripe;
    centre_stripe(from, to, rows, in, ldin, begin, std::min(kStripe, cols - begin),
                  static_cast<char*>(out) + begin * size_of(to), ldout);
  });
}

}  // namespace merganser
