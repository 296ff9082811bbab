// SPDX-License-Identifier: Apache-2.0
// Linear assignment, warm start for inputs that row reduction leaves with many free rows (correlations of noise,
// Euclidean, low rank): an auction with epsilon scaling. A bidding row lowers the price of its cheapest column by the
// margin to its second choice plus eps. Prices only fall, so lists stay valid, and any prices are feasible duals of a
// square problem; only pairs that are exactly tight are kept.
//
// Tried at n = 4096, CPU time of one Zen 5 core (correlations of noise / Euclidean): first eps range/20 72 / 208 ms,
// range/200 45 / 480 ms, range/2000 50 / 700 ms, so the share of free rows chooses; last eps 8 times smaller: no gain;
// keeping the pairs that still fit after eps shrinks: no gain; a step limit below 6 n leaves prices that cost 10 times
// more in the paths than the steps saved.
#include <algorithm>

#include "routines/assignment.h"
#include "runtime/error.h"

namespace merganser {

namespace {

constexpr double kFirst = 1.0 / 200;     // of the range of costs
constexpr double kFirstHard = 1.0 / 20;  // when more than a twentieth of the rows are free
constexpr double kLargest = 1.0 / 8;
constexpr double kShrink = 1.0 / 8;
constexpr double kGrow = 4;            // while no phase has come to its end
constexpr int64_t kStepsOfPhase = 12;  // times the rows

}  // namespace

void AssignmentSolver::auction() {
  const double last = range_ / static_cast<double>(rows_);
  const bool hard = 20 * static_cast<int64_t>(s_.free.size()) > rows_;
  std::vector<int32_t>& queue = s_.queue;
  // Growth ends for good: where no phase ends (a row without a column of its own), eps would rise and fall for ever.
  bool again = false, ended = false, growing = true;
  for (double eps = range_ * (hard ? kFirstHard : kFirst); eps > 0;) {
    if (!again) {
      std::fill_n(s_.row_of.data(), cols_, -1);
      std::fill_n(s_.column_of.data(), rows_, -1);
      std::fill_n(s_.taken.data(), cols_, 0.0);
      queue.resize(rows_);
      for (int64_t i = 0; i < rows_; ++i) queue[rows_ - 1 - i] = static_cast<int32_t>(i);
    }
    int64_t steps = kStepsOfPhase * rows_;
    while (!queue.empty() && --steps >= 0) {
      check_cancelled(context_);
      const int32_t i = queue.back();
      queue.pop_back();
      const int32_t displaced = bid(i, eps);
      if (displaced >= 0) queue.push_back(displaced);
    }
    ended = ended || queue.empty();
    again = growing && !ended && eps < range_ * kLargest;
    growing = again;
    if (!again && eps <= last) break;
    eps *= again ? kGrow : kShrink;
  }
  keep_tight_pairs();
  reduce_rows(2);
  sparse_ = true;
}

// Row i takes its cheapest column; returns the row that it displaces, or -1.
int32_t AssignmentSolver::bid(int32_t i, double eps) {
  ++counters_.auction_steps;
  const TwoSmallest best = two_smallest(i);
  int64_t j = best.first_index;
  if (j < 0) no_finite_assignment("row", i);
  if (best.first == best.second && s_.row_of[j] >= 0) {
    const int64_t other = free_tied(i, best.first);
    if (other >= 0) j = other;
  }
  const int32_t displaced = s_.row_of[j];
  if (best.second_index < 0 && displaced >= 0) return -1;  // its only allowed column: no price can decide
  s_.v[j] -= (best.second_index < 0 ? 0 : best.second - best.first) + eps;
  if (displaced >= 0) s_.column_of[displaced] = -1;
  assign(i, j);
  return displaced;
}

void AssignmentSolver::keep_tight_pairs() {
  std::fill_n(s_.taken.data(), cols_, 0.0);
  s_.free.clear();
  for (int64_t i = 0; i < rows_; ++i) {
    const int32_t j = s_.column_of[i];
    if (j >= 0 && two_smallest(i).first == matched_cost(i, j) - s_.v[j]) {
      assign(i, j);
      continue;
    }
    if (j >= 0) s_.row_of[j] = -1;
    s_.column_of[i] = -1;
    s_.free.push_back(static_cast<int32_t>(i));
  }
}

}  // namespace merganser
