// SPDX-License-Identifier: Apache-2.0
// Passes over F64 matrices: as quick as memory, so that plain loops on every level are enough, but for quotients, which
// need wide registers to be. Items have a fixed size, and each result one order of operations.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "routines/output.h"
#include "routines/routines.h"
#include "runtime/pool.h"

namespace merganser {

namespace {

constexpr int64_t kItem = 1 << 15;  // elements
constexpr int64_t kStrip = 512;     // columns
constexpr int64_t kAhead = 2;       // rows
constexpr int64_t kLine = 512;      // elements in the first-level cache

int64_t rows_of_an_item(int64_t columns) { return std::max<int64_t>(1, kItem / std::max<int64_t>(1, columns)); }

// A NaN stays: nothing is larger, and it is not at most anything.
double larger(double a, double b) { return !(b <= a) && a == a ? b : a; }

}  // namespace

void divide(mg_context* context, int64_t rows, int64_t cols, const double* a, int64_t lda, const double* row_divisors,
            const double* col_divisors, double* out, int64_t ldo) {
  if (rows == 0 || cols == 0) return;
  const std::vector<double> ones(col_divisors ? 0 : cols, 1.0);
  const double* by = col_divisors ? col_divisors : ones.data();
  const int64_t height = rows_of_an_item(cols);
  const auto kernel = kernels().elementwise.divide;
  const Output output(rows * cols * static_cast<int64_t>(sizeof(double)));
  parallel_for(context, divide_up(rows, height), [&](int64_t item, int32_t) {
    alignas(64) double line[kLine];
    for (int64_t i = item * height; i < std::min(rows, (item + 1) * height); ++i) {
      for (int64_t j = 0; j < cols; j += kLine) {
        const int64_t n = std::min(kLine, cols - j);
        kernel(a + i * lda + j, row_divisors ? row_divisors[i] : 1, by + j, line, n);
        output.put(line, out + i * ldo + j, n * static_cast<int64_t>(sizeof(double)));
      }
    }
    output.finish();
  });
}

void norm(mg_context* context, int32_t kind, int64_t rows, int64_t cols, const double* a, int64_t lda, double shift,
          double* out) {
  *out = 0;
  if (rows == 0 || cols == 0) return;
  // Sums of columns need all rows of a strip; maxima are taken by the same strips.
  const int64_t strips = divide_up(cols, kStrip);
  std::vector<double> found(strips, 0.0);
  parallel_for(context, strips, [&](int64_t strip, int32_t) {
    double column[kStrip] = {};
    const int64_t first = strip * kStrip, width = std::min(kStrip, cols - first);
    for (int64_t i = 0; i < rows; ++i) {
      const double* row = a + i * lda + first;
      // Rows of a strip lie apart, and the processor's own prefetch ends at a page.
      if (i + kAhead < rows) {
        for (int64_t j = 0; j < width; j += 8) __builtin_prefetch(row + kAhead * lda + j);
      }
      const int64_t diagonal = i - first;
      const bool shifted = diagonal >= 0 && diagonal < width;
      const double before = shifted ? column[diagonal] : 0;
      if (kind == MG_NORM_ONE) {
        for (int64_t j = 0; j < width; ++j) column[j] += std::fabs(row[j]);
        if (shifted) column[diagonal] = before + std::fabs(row[diagonal] - shift);
      } else {
        for (int64_t j = 0; j < width; ++j) column[j] = larger(column[j], std::fabs(row[j]));
        if (shifted) column[diagonal] = larger(before, std::fabs(row[diagonal] - shift));
      }
    }
    for (int64_t j = 0; j < width; ++j) found[strip] = larger(found[strip], column[j]);
  });
  for (double each : found) *out = larger(*out, each);
  if (std::isnan(*out)) *out = std::numeric_limits<double>::quiet_NaN();  // one of them, whichever was read
}

void row_products(mg_context* context, int64_t rows, int64_t cols, const double* x, int64_t ldx, const double* y,
                  int64_t ldy, double* out) {
  constexpr int64_t kLanes = 8;
  const int64_t height = rows_of_an_item(cols);
  parallel_for(context, divide_up(rows, height), [&](int64_t item, int32_t) {
    for (int64_t i = item * height; i < std::min(rows, (item + 1) * height); ++i) {
      const double* left = x + i * ldx;
      const double* right = y + i * ldy;
      double lanes[kLanes] = {};
      int64_t j = 0;
      for (; j + kLanes <= cols; j += kLanes) {
        for (int64_t l = 0; l < kLanes; ++l) lanes[l] += left[j + l] * right[j + l];
      }
      for (int64_t l = 0; j < cols; ++j, ++l) lanes[l] += left[j] * right[j];
      out[i] = ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
    }
  });
}

}  // namespace merganser
