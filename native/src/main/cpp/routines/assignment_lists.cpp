// SPDX-License-Identifier: Apache-2.0
// Linear assignment, the phases that scan rows: column reduction, tight-edge greedy, candidate lists and augmenting row
// reduction through them.
//
// A list holds the columns of a row with the smallest h = c - v, and tau with h >= tau outside. Prices v only fall, so
// h only rises and tau holds for ever: the two smallest of the list are those of the row while the second is <= tau;
// otherwise the list is built anew. Comparing F32 roundings of h is exact: rounding is monotone, so a column left out
// because its F32 is above the threshold t has h > t; those left out for want of room are compared in F64.
#include <algorithm>
#include <atomic>
#include <cmath>

#include "routines/assignment.h"
#include "runtime/error.h"
#include "runtime/pool.h"

namespace merganser {

namespace {

// Below, a whole row is scanned as quickly as a list.
constexpr int64_t kSmallestForLists = 96;
constexpr int64_t kRowsOfBlock = 64;
// Steps that one free row may start in a pass. Tried at n = 4096, CPU time on one Zen 5 core (uniform / correlations of
// noise / Euclidean): without a limit 41 / 69 / 245 ms, 1000 30 / 67 / 215 ms, 30 with the auction 33 / 45 / 208 ms.
constexpr int64_t kLongestChain = 30;
// Expected entries of a list before it is cut to its capacity.
constexpr double kAimedEntries = 18.4;

// Elements of a matrix that is read in less time than it takes to wake threads for it.
constexpr int64_t kAlone = int64_t{1} << 21;

}  // namespace

void no_finite_assignment(const char* side, int64_t index) {
  fail(MG_NUMERICAL,
       format("no finite assignment: %s %lld cannot be assigned without a forbidden edge", side, Long{index}));
}

void costs_changed() { fail(MG_NUMERICAL, "the costs changed while they were read"); }

AssignmentSolver::AssignmentSolver(mg_context* context, const Costs& costs, AssignmentScratch& scratch, bool serial,
                                   int32_t route)
    : context_(context),
      costs_(costs),
      s_(scratch),
      k_(kernels().assignment),
      serial_(serial || (!costs.factored() && costs.rows * costs.cols < kAlone)),
      route_(route),
      rows_(costs.rows),
      cols_(costs.cols),
      element_(costs.type == MG_F64 ? 8 : 4),
      entries_(route & MG_ASSIGNMENT_SHORT_LISTS ? 8 : kListEntries) {
  lists_ = cols_ >= kSmallestForLists || (route & MG_ASSIGNMENT_LISTS);
  const int64_t padded = cols_ + 64;
  s_.v.reserve(padded);
  s_.taken.reserve(padded);
  s_.d.reserve(padded);
  s_.pred.reserve(padded);
  s_.row_of.reserve(padded);
  s_.closed.reserve(padded);
  s_.column_of.reserve(rows_ + 1);
  if (lists_) {
    s_.list_cost.reserve(rows_ * kListEntries * element_);
    s_.list_column.reserve(rows_ * kListEntries);
    s_.head.reserve(rows_);
    for (int64_t i = 0; i < rows_; ++i) s_.head[i] = {0, -1};
  }
  const size_t count = serial_ ? 1 : static_cast<size_t>(participants(context));
  if (s_.rows_of.size() < count) s_.rows_of.resize(count);
  s_.bytes = padded * 40 + (lists_ ? rows_ * kListEntries * (element_ + 4) : 0);
  for (size_t t = 0; t < count; ++t) {
    RowScratch& scratch = s_.rows_of[t];
    scratch.h32.reserve(padded);
    scratch.columns.reserve(padded);
    if (costs_.factored()) scratch.row.reserve(costs_.scratch(kRowsOfBlock));
    s_.bytes += padded * 8 + costs_.scratch(kRowsOfBlock) * 8;
  }
  std::fill_n(s_.v.data(), cols_, 0.0);
  std::fill_n(s_.taken.data(), cols_, 0.0);
  std::fill_n(s_.row_of.data(), cols_, -1);
  std::fill_n(s_.column_of.data(), rows_, -1);
  std::fill_n(s_.d.data(), cols_, kInfinity);
  std::fill_n(s_.closed.data(), cols_, 0);
}

void AssignmentSolver::solve(const double* start_v) {
  if (rows_ == 0) {
    if (start_v) std::copy_n(start_v, cols_, s_.v.data());
    return;
  }
  if (start_v) {
    std::copy_n(start_v, cols_, s_.v.data());
    check_all();
  } else if (rows_ == cols_) {
    reduce_columns();
  } else {
    check_all();
  }
  s_.free.clear();
  for (int64_t i = 0; i < rows_; ++i) {
    if (s_.column_of[i] < 0) s_.free.push_back(static_cast<int32_t>(i));
  }
  counters_.free_after_columns = static_cast<int64_t>(s_.free.size());
  by_columns_ = s_.free.empty();
  if (s_.free.empty()) return;
  // A start from duals has a list for every row, which saves the greedy phase its pass over the costs.
  const bool through_lists = start_v && lists_ && !(route_ & MG_ASSIGNMENT_GREEDY);
  if (through_lists) {
    choose_scale(start_v);
    build_free_lists();
    match_tight_edges_of_lists();
  } else if (2 * counters_.free_after_columns > rows_ || (route_ & MG_ASSIGNMENT_GREEDY)) {
    match_tight_edges();
  }
  counters_.free_after_greedy = static_cast<int64_t>(s_.free.size());
  if (s_.free.empty()) return;
  if (lists_ && !through_lists) {
    choose_scale(start_v);
    build_free_lists();
  }
  // With duals close to optimal ones the paths are short, and prices that reduction lowers make them longer.
  const bool close = start_v && 3 * counters_.free_after_greedy < rows_;
  const bool reduce = !close && !(route_ & MG_ASSIGNMENT_NO_REDUCTION);
  if (reduce) reduce_rows(3);
  counters_.free_after_reduction = static_cast<int64_t>(s_.free.size());
  const bool many = reduce && lists_ && 50 * counters_.free_after_reduction > rows_;
  if (rows_ == cols_ && !s_.free.empty() && (many || (route_ & MG_ASSIGNMENT_AUCTION))) {
    auction();
  }
  augment_all();
}

// Runs fn on blocks of rows; each call has the scratch of its thread. What fn computes must not depend on it.
void AssignmentSolver::for_rows(int64_t block, const std::function<void(int64_t, int64_t, RowScratch&)>& fn) {
  const int64_t blocks = divide_up(rows_, block);
  if (serial_) {
    for (int64_t b = 0; b < blocks; ++b) {
      check_cancelled(context_);
      fn(b * block, std::min(rows_, (b + 1) * block), s_.rows_of[0]);
    }
    return;
  }
  parallel_for(context_, blocks, [&](int64_t b, int32_t participant) {
    fn(b * block, std::min(rows_, (b + 1) * block), s_.rows_of[participant]);
  });
}

// Costs were found to be bad: says where the first one is.
void AssignmentSolver::report_bad() {
  for (int64_t i = 0; i < rows_; ++i) {
    if (k_.cost_bad[costs_.type](row(i), costs_.sign, cols_) < cols_) {
      throw_bad_cost(costs_, i, s_.rows_of[0].row.data());
    }
  }
  costs_changed();
}

void AssignmentSolver::check_all() {
  if (costs_.factored()) return;  // the factors have been checked
  std::atomic<bool> bad{false};
  for_rows(kRowsOfBlock, [&](int64_t begin, int64_t end, RowScratch& scratch) {
    for (int64_t i = begin; i < end; ++i) {
      const void* row = costs_.row(i, scratch.row.data());
      if (k_.cost_bad[costs_.type](row, costs_.sign, cols_) < cols_) bad.store(true, std::memory_order_relaxed);
    }
  });
  if (bad.load()) report_bad();
}

// v_j = min_i c_ij; each column, in order, takes its lowest minimal row if that is still free. Costs are checked in the
// same pass. Each thread has minima of its own; the lowest row of equal ones wins, so how rows fall to threads is not
// seen.
void AssignmentSolver::reduce_columns() {
  const int32_t type = costs_.type;
  const auto set_up = [&](auto zero, RowScratch& scratch) {
    using T = decltype(zero);
    scratch.minimum.reserve(cols_ * element_);
    scratch.argmin.reserve(cols_ * element_);
    std::fill_n(reinterpret_cast<T*>(scratch.minimum.data()), cols_, std::numeric_limits<T>::infinity());
    std::fill_n(reinterpret_cast<T*>(scratch.argmin.data()), cols_, T{-1});
  };
  const size_t count = serial_ ? 1 : static_cast<size_t>(participants(context_));
  for (size_t t = 0; t < count; ++t) {
    if (type == MG_F64) {
      set_up(double{}, s_.rows_of[t]);
    } else {
      set_up(float{}, s_.rows_of[t]);
    }
  }
  std::atomic<bool> bad{false};
  for_rows(kRowsOfBlock, [&](int64_t begin, int64_t end, RowScratch& scratch) {
    int64_t stride;
    const void* rows = costs_.rows_at(begin, end - begin, scratch.row.data(), &stride);
    if (k_.column_minima[type](rows, stride, costs_.sign, begin, end - begin, scratch.minimum.data(),
                               scratch.argmin.data(), cols_)) {
      bad.store(true, std::memory_order_relaxed);
    }
  });
  if (bad.load()) report_bad();
  s_.left.assign(rows_, 0);
  std::vector<int32_t>& claims = s_.left;
  const auto merge = [&](auto zero) {
    using T = decltype(zero);
    for (int64_t j = 0; j < cols_; ++j) {
      T least = std::numeric_limits<T>::infinity(), row = -1;
      for (size_t t = 0; t < count; ++t) {
        const T value = reinterpret_cast<const T*>(s_.rows_of[t].minimum.data())[j];
        const T who = reinterpret_cast<const T*>(s_.rows_of[t].argmin.data())[j];
        if (who >= 0 && (row < 0 || value < least || (value == least && who < row))) {
          least = value;
          row = who;
        }
      }
      if (row < 0) no_finite_assignment("column", j);
      s_.v[j] = least;
      const int64_t i = static_cast<int64_t>(row);
      s_.pred[j] = static_cast<int32_t>(i);
      ++claims[i];
    }
  };
  if (type == MG_F64) {
    merge(double{});
  } else {
    merge(float{});
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
  const int64_t block = costs_.factored() ? kRowsOfBlock : 1;
  for (size_t at = 0; at < s_.free.size();) {
    // Rows next to each other are computed together.
    const int64_t first = s_.free[at];
    int64_t count = 1;
    while (count < block && at + static_cast<size_t>(count) < s_.free.size() &&
           s_.free[at + static_cast<size_t>(count)] == first + count) {
      ++count;
    }
    int64_t stride;
    const char* rows = static_cast<const char*>(costs_.rows_at(first, count, s_.rows_of[0].row.data(), &stride));
    for (int64_t r = 0; r < count; ++r) {
      check_cancelled(context_);
      const OpenAndFree best =
          k_.row_minima[costs_.type](rows + r * stride * element_, costs_.sign, s_.v.data(), s_.taken.data(), cols_);
      if (best.open_index < 0) no_finite_assignment("row", first + r);
      if (best.free_index >= 0 && best.free == best.open) {
        assign(first + r, best.free_index);
      } else {
        s_.left.push_back(static_cast<int32_t>(first + r));
      }
    }
    at += static_cast<size_t>(count);
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
  for (int64_t s = 0; s < samples; ++s) {
    const void* row = this->row(s * rows_ / samples);
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
  scale_ = std::ldexp(1.0, std::clamp(-exponent, -1000, 800));
}

// The lists of the rows that are free now. Those of assigned rows are built when they are displaced.
void AssignmentSolver::build_free_lists() {
  for_rows(kRowsOfBlock, [&](int64_t begin, int64_t end, RowScratch& scratch) {
    if (std::all_of(&s_.column_of[begin], &s_.column_of[end - 1] + 1, [](int32_t j) { return j >= 0; })) return;
    int64_t stride;
    const char* rows = static_cast<const char*>(costs_.rows_at(begin, end - begin, scratch.row.data(), &stride));
    for (int64_t i = begin; i < end; ++i) {
      if (s_.column_of[i] < 0) build_list(i, rows + (i - begin) * stride * element_, scratch);
    }
  });
  counters_.lists += static_cast<int64_t>(s_.free.size());
}

void AssignmentSolver::build_list(int64_t i) {
  build_list(i, row(i), s_.rows_of[0]);
  ++counters_.lists;
}

void AssignmentSolver::build_list(int64_t i, const void* row, RowScratch& scratch) {
  const double* v = s_.v.data();
  float minima[kListBlocks];
  const int64_t width = divide_up(cols_, kListBlocks);
  k_.list_reduced[costs_.type](row, costs_.sign, v, scale_, cols_, width, scratch.h32.data(), minima);
  // With w columns a block, the rank-th of 64 block minima leaves about this many columns below it.
  const double aim = kAimedEntries * static_cast<double>(entries_) / kListEntries;
  const int32_t rank = std::max(2, static_cast<int32_t>(kListBlocks * (1 - std::exp(-aim / kListBlocks)) + 0.5));
  const float largest = std::numeric_limits<float>::max();
  const float threshold = std::min(k_.list_threshold(minima, rank), largest);
  int64_t count = k_.list_collect(scratch.h32.data(), threshold, cols_, scratch.columns.data());
  int32_t* columns = scratch.columns.data();
  const auto cost = [&](int64_t j) { return costs_.sign * element_of(costs_.type, row, j); };
  double tau = static_cast<double>(threshold) / scale_;
  if (count > entries_) {
    // Keeps the least, equal ones by column; tau comes from the F64 values of the first ones left out.
    auto& all = scratch.overfull;
    all.clear();
    for (int64_t e = 0; e < count; ++e) all.emplace_back(scratch.h32[columns[e]], columns[e]);
    std::nth_element(all.begin(), all.begin() + entries_, all.end());
    const float out = all[entries_].first;
    // Those equal to the first one left out: free columns first, then from a place that differs between rows. Rows
    // with the same many ties would compete for the same few columns otherwise.
    const auto below = std::partition(all.begin(), all.end(), [&](const auto& e) { return e.first < out; });
    auto tied = std::partition(below, all.end(), [&](const auto& e) { return e.first == out; });
    const int64_t wanted = entries_ - (below - all.begin());
    const auto start =
        static_cast<int32_t>(static_cast<uint64_t>(i) * 0x9e3779b97f4a7c15u % static_cast<uint64_t>(cols_));
    std::nth_element(below, below + wanted, tied, [&](const auto& a, const auto& b) {
      const bool a_free = s_.taken[a.second] == 0, b_free = s_.taken[b.second] == 0;
      if (a_free != b_free) return a_free;
      const bool a_late = a.second < start, b_late = b.second < start;
      return a_late != b_late ? b_late : a.second < b.second;
    });
    tau = kInfinity;
    for (auto e = below + wanted; e < tied; ++e) tau = std::min(tau, cost(e->second) - v[e->second]);
    count = entries_;
    for (int64_t e = 0; e < count; ++e) columns[e] = all[e].second;
    std::sort(columns, columns + count);
  }
  const int64_t padded = divide_up(count, 8) * 8;
  int32_t* into = s_.list_column.data() + i * kListEntries;
  char* values = s_.list_cost.data() + i * kListEntries * element_;
  for (int64_t e = 0; e < padded; ++e) {
    const bool real = e < count;
    into[e] = real ? columns[e] : 0;
    const double c = real ? cost(columns[e]) : kInfinity;
    if (element_ == 8) {
      reinterpret_cast<double*>(values)[e] = c;
    } else {
      reinterpret_cast<float*>(values)[e] = static_cast<float>(c);
    }
  }
  s_.head[i] = {tau, static_cast<int32_t>(padded)};
}

TwoSmallest AssignmentSolver::list_minima(int64_t i) const {
  return k_.list_scan[costs_.type](list_cost(i), list_column(i), s_.head[i].count, s_.v.data());
}

// The two smallest reduced costs of row i: from its list, from a new list, or from the whole row.
TwoSmallest AssignmentSolver::two_smallest(int64_t i) {
  if (lists_) {
    if (s_.head[i].count >= 0) {
      const TwoSmallest best = list_minima(i);
      if (best.second <= s_.head[i].tau) return best;
    }
    build_list(i);
    const TwoSmallest best = list_minima(i);
    if (best.second <= s_.head[i].tau) return best;
  }
  ++counters_.dense_scans;
  return k_.two_smallest[costs_.type](row(i), costs_.sign, s_.v.data(), cols_);
}

// The first free column of row i whose reduced cost is its minimum, or -1: one of its list, or of a new list where all
// of the old one may be tied. New lists prefer free columns.
int64_t AssignmentSolver::free_tied(int64_t i, double minimum) {
  for (int turn = 0; turn < 2 && lists_; ++turn) {
    const int32_t* columns = list_column(i);
    for (int64_t e = 0; e < s_.head[i].count; ++e) {
      if (s_.row_of[columns[e]] < 0 && list_entry(i, e) - s_.v[columns[e]] == minimum) return columns[e];
    }
    if (turn == 1 || s_.head[i].tau > minimum) break;
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
