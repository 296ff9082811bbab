// SPDX-License-Identifier: Apache-2.0
// Linear assignment, warm start for inputs that row reduction leaves with many free rows (Euclidean, low rank, blocks of
// equal costs): an auction with epsilon scaling. A bidding row lowers the price of its cheapest column by the margin to
// its second choice plus eps. Prices only fall, so lists stay valid, and any prices are feasible duals of a square
// problem; only pairs that are exactly tight are kept.
#include <algorithm>

#include "core/error.h"
#include "routines/assignment.h"

namespace merganser {

namespace {

constexpr double kFirstEps = 1.0 / 20;
constexpr double kShrink = 1.0 / 8;
constexpr int64_t kStepsOfPhase = 12;  // times the rows

}  // namespace

void AssignmentSolver::auction() {
  const double last = range_ / static_cast<double>(rows_);
  for (double eps = range_ * kFirstEps; eps > 0; eps *= kShrink) {
    std::fill_n(s_.row_of.data(), cols_, -1);
    std::fill_n(s_.column_of.data(), rows_, -1);
    std::vector<int32_t>& queue = s_.queue;
    queue.resize(static_cast<size_t>(rows_));
    for (int64_t i = 0; i < rows_; ++i) queue[static_cast<size_t>(rows_ - 1 - i)] = static_cast<int32_t>(i);
    int64_t steps = kStepsOfPhase * rows_;
    while (!queue.empty() && --steps >= 0) {
      check_cancelled(context_);
      const int32_t i = queue.back();
      queue.pop_back();
      ++counters_.auction_steps;
      const TwoSmallest best = two_smallest(i);
      if (best.first_index < 0) no_finite_assignment("row", i);
      const int64_t j = best.first_index;
      if (best.second_index < 0 && s_.row_of[j] >= 0) continue;
      const double margin = best.second_index < 0 ? 0 : best.second - best.first;
      s_.v[j] -= margin + eps;
      const int32_t displaced = s_.row_of[j];
      s_.row_of[j] = i;
      s_.column_of[i] = static_cast<int32_t>(j);
      if (displaced >= 0) {
        s_.column_of[displaced] = -1;
        queue.push_back(displaced);
      }
    }
    if (eps <= last) break;
  }
  std::fill_n(s_.taken.data(), cols_, 0.0);
  s_.free.clear();
  for (int64_t i = 0; i < rows_; ++i) {
    const int32_t j = s_.column_of[i];
    bool tight = false;
    if (j >= 0) {
      const TwoSmallest best = two_smallest(i);
      tight = costs_.at(i, j) - s_.v[j] == best.first;
    }
    if (tight) {
      assign(i, j);
    } else {
      if (j >= 0) s_.row_of[j] = -1;
      s_.column_of[i] = -1;
      s_.free.push_back(static_cast<int32_t>(i));
    }
  }
  reduce_rows(2);
  sparse_ = false;
}

}  // namespace merganser
