// SPDX-License-Identifier: Apache-2.0
// Linear assignment, the phases that scan rows: column reduction, tight-edge greedy, candidate lists and augmenting row
// reduction through them.
//
// A list holds the columns of a row with the smallest h = c - v, and tau with h >= tau outside. Prices v only fall, so
// h only rises and tau holds for ever: the two smallest of the list are those of the row while the second is <= tau;
// otherwise the list is built anew. Comparing F32 roundings of h is exact: rounding is monotone, so a column left out
// because its F32 is above the threshold t has h > t; those left out for want of room are compared in F64.
#include <algorithm>
#include <cmath>

#include "routines/assignment.h"
#include "runtime/error.h"

namespace merganser {

namespace {

// Steps that one free row may start in a pass. Tried at n = 4096, CPU time on one Zen 5 core (uniform / correlations of
// noise / Euclidean): without a limit 41 / 69 / 245 ms, 1000 30 / 67 / 215 ms, 30 with the auction 33 / 45 / 208 ms.
constexpr int64_t kLongestChain = 30;
// Expected entries of a list before it is cut to its capacity.
constexpr double kAimedEntries = 18.4;

}  // namespace

void CandidateLists::open(const Costs& costs, AssignmentScratch& scratch, int64_t entries) {
  cols_ = costs.cols;
  entries_ = entries;
  type_ = costs.type;
  element_ = size_of(type_);
  scratch.list_cost.reserve(costs.rows * kEntries * element_);
  scratch.list_column.reserve(costs.rows * kEntries);
  scratch.head.reserve(costs.rows);
  scratch.bytes += costs.rows * kEntries * (element_ + 4);
  cost_ = scratch.list_cost.data();
  column_ = scratch.list_column.data();
  head_ = scratch.head.data();
  v_ = scratch.v.data();
  taken_ = scratch.taken.data();
  for (int64_t i = 0; i < costs.rows; ++i) head_[i] = {0, -1};
  rank_ = rank_of(entries);
}

// With w columns a block, the rank-th of 64 block minima leaves about `aim` columns below it.
int32_t CandidateLists::rank_of(int64_t entries) {
  const double aim = kAimedEntries * static_cast<double>(entries) / kEntries;
  return std::max(2, static_cast<int32_t>(kListBlocks * (1 - std::exp(-aim / kListBlocks)) + 0.5));
}

TwoSmallest CandidateLists::minima(int64_t i) const {
  return kernels().assignment.list_scan[type_](costs(i), columns(i), count(i), v_);
}

// Puts what the list keeps in front, in order of columns: the least; of those equal to the first one left out, free
// columns first, then from a place that differs between rows. Rows with the same many ties would compete for the same
// few columns otherwise.
void CandidateLists::cut(int64_t i, Overfull& all, const int32_t* columns) {
  std::nth_element(all.begin(), all.begin() + entries_, all.end());
  const float out = all[entries_].first;
  const auto below = std::partition(all.begin(), all.end(), [&](const auto& e) { return e.first < out; });
  const auto tied = std::partition(below, all.end(), [&](const auto& e) { return e.first == out; });
  const auto start =
      static_cast<int32_t>(static_cast<uint64_t>(i) * 0x9e3779b97f4a7c15u % static_cast<uint64_t>(cols_));
  std::nth_element(below, all.begin() + entries_, tied, [&](const auto& a, const auto& b) {
    const int32_t ja = columns[a.second], jb = columns[b.second];
    const bool a_free = taken_[ja] == 0, b_free = taken_[jb] == 0;
    if (a_free != b_free) return a_free;
    const bool a_late = ja < start, b_late = jb < start;
    return a_late != b_late ? b_late : ja < jb;
  });
  std::sort(all.begin(), all.begin() + entries_, [](const auto& a, const auto& b) { return a.second < b.second; });
}

// v_j = min_i c_ij; each column, in order, takes its lowest minimal row if that is still free.
void AssignmentSolver::reduce_columns() {
  costs_.column_minima(s_.v.data(), s_.pred.data());
  std::vector<int32_t>& claims = s_.left;
  claims.assign(rows_, 0);
  for (int64_t j = 0; j < cols_; ++j) {
    if (s_.pred[j] < 0) no_finite_assignment("column", j);
    ++claims[s_.pred[j]];
  }
  // Columns that are equal in a row, dead features say: a start from their minima would tie every row with all of them.
  if (lists_ && *std::max_element(claims.begin(), claims.end()) > std::max<int64_t>(8, rows_ / 50)) {
    std::fill_n(s_.v.data(), cols_, 0.0);
    return;
  }
  for (int64_t j = 0; j < cols_; ++j) {
    if (s_.column_of[s_.pred[j]] < 0) assign(s_.pred[j], j);
  }
}

// Gives each free row the first free column whose reduced cost is the row's minimum. Without it inputs with many ties
// are 20 times slower.
void AssignmentSolver::match_tight_edges() {
  s_.left.clear();
  costs_.expect(s_.free, s_.v.data());
  for (const int32_t i : s_.free) {
    check_cancelled(context_);
    const OpenAndFree best = costs_.row_minima(i, s_.v.data(), s_.taken.data());
    if (best.open_index < 0) no_finite_assignment("row", i);
    if (best.free_index >= 0 && best.free == best.open) {
      assign(i, best.free_index);
    } else {
      s_.left.push_back(i);
    }
  }
  s_.free.swap(s_.left);
}

void AssignmentSolver::match_tight_edges_of_lists() {
  s_.left.clear();
  for (const int32_t i : s_.free) {
    check_cancelled(context_);
    const TwoSmallest best = two_smallest(i);
    if (best.first_index < 0) no_finite_assignment("row", i);
    const int64_t j = s_.row_of[best.first_index] < 0 ? best.first_index
                      : best.first == best.second     ? free_tied(i, best.first)
                                                      : -1;
    if (j >= 0) {
      assign(i, j);
    } else {
      s_.left.push_back(i);
    }
  }
  s_.free.swap(s_.left);
}

// From 16 rows: a power of two that brings costs and prices near 1, so that no scale of the problem leaves the range of
// F32; and the range of costs. Costs outside what the sample shows make lists useless, not wrong.
void AssignmentSolver::choose_scale(const double* start_v) {
  double low = kInfinity, high = -kInfinity, largest = 0;
  const int64_t samples = std::min<int64_t>(rows_, 16);
  std::vector<int32_t> chosen;
  for (int64_t s = 0; s < samples; ++s) chosen.push_back(static_cast<int32_t>(s * rows_ / samples));
  costs_.prefetch(chosen);
  for (const int32_t i : chosen) {
    const void* row = costs_.row(i);
    for (int64_t j = 0; j < cols_; ++j) {
      const double c = costs_.sign * element_of(costs_.type, row, j);
      if (c == kInfinity) continue;
      low = std::min(low, c);
      high = std::max(high, c);
    }
  }
  range_ = high > low ? high - low : 0;
  if (high >= low) largest = std::max(std::fabs(low), std::fabs(high));
  if (start_v) {
    for (int64_t j = 0; j < cols_; ++j) largest = std::max(largest, std::fabs(start_v[j]));
  }
  int exponent = 0;
  if (largest > 0) std::frexp(largest, &exponent);
  list_.set_scale(std::ldexp(1.0, std::clamp(-exponent, -1000, 800)));
}

// The lists of the rows that are free now. Those of assigned rows are built when they are displaced.
void AssignmentSolver::build_free_lists() {
  costs_.build_free_lists(list_, s_.column_of.data());
  counters_.lists += static_cast<int64_t>(s_.free.size());
}

void AssignmentSolver::build_list(int64_t i) {
  costs_.build_list(list_, i);
  ++counters_.lists;
}

// The two smallest reduced costs of row i: from its list, from a new list, or from the whole row.
TwoSmallest AssignmentSolver::two_smallest(int64_t i) {
  if (lists_) {
    if (list_.built(i)) {
      const TwoSmallest best = list_.minima(i);
      if (best.second <= list_.tau(i)) return best;
    }
    build_list(i);
    const TwoSmallest best = list_.minima(i);
    if (best.second <= list_.tau(i)) return best;
  }
  ++counters_.dense_scans;
  return k_.two_smallest[costs_.type](costs_.row(i), costs_.sign, s_.v.data(), cols_);
}

// The first free column of row i whose reduced cost is its minimum, or -1: one of its list, or of a new list where all
// of the old one may be tied. New lists prefer free columns.
int64_t AssignmentSolver::free_tied(int64_t i, double minimum) {
  for (int turn = 0; turn < 2 && lists_; ++turn) {
    const int32_t* columns = list_.columns(i);
    for (int64_t e = 0; e < list_.count(i); ++e) {
      if (s_.row_of[columns[e]] < 0 && list_.cost(i, e) - s_.v[columns[e]] == minimum) return columns[e];
    }
    if (turn == 1 || list_.tau(i) > minimum) break;
    build_list(i);
  }
  return -1;
}

// A row takes its cheapest column and lowers that price until its second choice is as good; a displaced row goes on at
// once if the price fell, else waits for the next pass. Ties and rounding can make rows take turns for ever, so steps
// are bounded: any state reached is valid.
void AssignmentSolver::reduce_rows(int passes) {
  for (int pass = 0; pass < passes && !s_.free.empty(); ++pass) {
    s_.left.clear();
    int64_t steps = lists_ ? 40 * rows_ : 4 * rows_;
    const int64_t scans = counters_.lists + counters_.dense_scans;
    for (size_t at = 0; at < s_.free.size(); ++at) {
      int64_t chain = 0;
      for (int64_t i = s_.free[at]; i >= 0;) {
        check_cancelled(context_);
        if (++chain > kLongestChain || --steps < 0 ||
            (lists_ && counters_.lists + counters_.dense_scans - scans > 4 * rows_)) {
          s_.left.push_back(static_cast<int32_t>(i));
          break;
        }
        ++counters_.reduction_steps;
        i = settle(i);
      }
    }
    if (lists_ && counters_.lists + counters_.dense_scans - scans > 2 * rows_) sparse_ = false;
    std::sort(s_.left.begin(), s_.left.end());
    s_.free.swap(s_.left);
  }
}

// Assigns row i; returns the displaced row to go on with, or -1.
int64_t AssignmentSolver::settle(int64_t i) {
  const TwoSmallest best = two_smallest(i);
  int64_t j = best.first_index;
  if (j < 0) no_finite_assignment("row", i);
  if (best.second_index < 0 && s_.row_of[j] >= 0) {  // its only allowed column: no price can decide
    s_.left.push_back(static_cast<int32_t>(i));
    return -1;
  }
  if (best.first == best.second && s_.row_of[j] >= 0) {
    const int64_t other = free_tied(i, best.first);
    if (other >= 0) {
      assign(i, other);
      return -1;
    }
  }
  bool fell = false;
  if (best.second_index >= 0 && best.first < best.second) {
    const double price = s_.v[j] - (best.second - best.first);
    fell = price < s_.v[j];
    s_.v[j] = price;
  } else if (s_.row_of[j] >= 0) {
    j = best.second_index;
  }
  const int64_t displaced = s_.row_of[j];
  assign(i, j);
  if (displaced < 0) return -1;
  s_.column_of[displaced] = -1;
  if (fell) return displaced;
  s_.left.push_back(static_cast<int32_t>(displaced));
  return -1;
}

}  // namespace merganser
