// SPDX-License-Identifier: Apache-2.0
// What the CPU's routines of Gram matrices share with the plug-in: the sizes that fix an order of operations.
#pragma once

#include <cstdint>

namespace merganser {

constexpr int64_t kCentreRows = 256;   // rows of a column that are summed before their sum is added
constexpr int64_t kGramDepth = 2048;   // columns that are multiplied before F32 is folded into F64
constexpr int64_t kPermutedRows = 64;  // rows of the second matrix whose products are summed by themselves

// What is taken off an element of a symmetric n x n matrix with sum T of all rows' sums S, to centre it, is m_i + m_j
// with m_i = S_i / row - (T / row) / all.
struct GramDivisors {
  double row, all;
  GramDivisors(int64_t n, bool unbiased)
      : row(static_cast<double>(unbiased ? n - 2 : n)), all(static_cast<double>(unbiased ? 2 * (n - 1) : 2 * n)) {}
};

}  // namespace merganser
