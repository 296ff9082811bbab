// SPDX-License-Identifier: Apache-2.0
// sum_ij k[i, j] l[pi(i), pi(j)] for many permutations: half of the elements, both matrices being symmetric. A row r of
// l stays in the first-level cache for all permutations; with it goes row i = pi^-1(r) of k, whose columns j > i take
// the elements pi(j) of that row. Rows of k come in a stream, which the processor sees ahead; gathering from them and
// keeping those of k would not.
#include <algorithm>

#include "routines/gram.h"
#include "routines/routines.h"
#include "runtime/buffer.h"
#include "runtime/isa.h"
#include "runtime/pool.h"

namespace merganser {

void permuted_products(mg_context* context, int64_t n, const double* k, const double* l, int64_t count,
                       const int32_t* permutations, double* out) {
  constexpr int64_t kGroup = 256;  // permutations of an item
  const auto run = kernels().gram.gathered_product;
  const int64_t chunks = divide_up(n, kPermutedRows), groups = divide_up(count, kGroup);
  Buffer<int32_t> inverse(count, n);
  parallel_for(context, groups, [&](int64_t group, int32_t) {
    for (int64_t b = group * kGroup; b < std::min(count, (group + 1) * kGroup); ++b) {
      for (int64_t i = 0; i < n; ++i) inverse[b * n + permutations[b * n + i]] = static_cast<int32_t>(i);
    }
  });
  Buffer<double> parts(chunks, count);
  parallel_for(context, chunks * groups, [&](int64_t item, int32_t) {
    const int64_t chunk = item / groups, begin = item % groups * kGroup, end = std::min(count, begin + kGroup);
    double* sums = parts.data() + chunk * count;
    std::fill(sums + begin, sums + end, 0.0);
    for (int64_t r = chunk * kPermutedRows; r < std::min(n, (chunk + 1) * kPermutedRows); ++r) {
      const double* row = l + r * n;
      for (int64_t b = begin; b < end; ++b) {
        const int64_t i = inverse[b * n + r], next = i * n + i + 1;
        const double half = run(k + next, row, permutations + b * n + i + 1, n - i - 1);
        sums[b] += (half + half) + k[next - 1] * row[r];
      }
    }
  });
  for (int64_t b = 0; b < count; ++b) {
    double sum = 0;
    for (int64_t c = 0; c < chunks; ++c) sum += parts[c * count + b];
    out[b] = sum;
  }
}

}  // namespace merganser
