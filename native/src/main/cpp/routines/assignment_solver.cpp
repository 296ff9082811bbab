// SPDX-License-Identifier: Apache-2.0
// Exact linear assignment: candidate-list Jonker-Volgenant (after Jonker and Volgenant 1987) with F64 duals.
//   1  column reduction          one pass over the costs           assignment_lists.cpp
//   2  tight-edge greedy         when most rows are still free
//   3  augmenting row reduction  through lists of cheap columns
//   5  epsilon-scaling auction   when row reduction fails          assignment_auction.cpp
//   4  shortest augmenting paths sparse through lists, or dense    assignment_paths.cpp
//   6  exactness                 where F64 prices are not enough   assignment_exact.cpp
// Invariant: u_i + v_j <= c_ij with equality on assigned pairs, where u_i is the minimum of c_ij - v_j. In a
// rectangular problem v starts at 0 and only falls on columns that stay assigned, so free columns keep v = 0.
#include <algorithm>
#include <cmath>

#include "routines/assignment.h"
#include "runtime/error.h"

namespace merganser {

void no_finite_assignment(const char* side, int64_t index) {
  fail(MG_NUMERICAL,
       format("no finite assignment: %s %lld cannot be assigned without a forbidden edge", side, Long{index}));
}

void costs_changed() { fail(MG_NUMERICAL, "the costs changed while they were read"); }

void throw_bad_factor(const char* name, int64_t i, int64_t l, double value) {
  fail(MG_NUMERICAL, format("%s[%lld, %lld] is %s", name, Long{i}, Long{l}, std::isnan(value) ? "NaN" : "infinite"));
}

void check_products(double largest_x, double largest_y, int64_t k) {
  if (!(largest_x * largest_y * static_cast<double>(k) <= 1e300)) {
    fail(MG_NUMERICAL, "products of x and y may be beyond 1e300");
  }
}

void Costs::throw_bad_cost(int64_t i, const void* row) const {
  const int64_t j = kernels().assignment.cost_bad[type](row, sign, cols);
  if (j == cols) costs_changed();
  const double value = element_of(type, row, j);
  const char* what = std::isnan(value)   ? "is NaN"
                     : std::isinf(value) ? (value > 0 ? "is +Inf, which a maximum would always take"
                                                      : "is -Inf, which a minimum would always take")
                                         : "is beyond 1e300; an infinity forbids an entry";
  fail(MG_NUMERICAL, format("cost[%lld, %lld] %s", Long{i}, Long{j}, what));
}

void Costs::pairs(const int64_t* columns, double* c) {
  for (int64_t i = 0; i < rows; ++i) c[i] = at(i, columns[i]);
}

void AssignmentState::clear_counters() { std::fill(std::begin(counters), std::end(counters), 0); }

void AssignmentState::count(const AssignmentCounters& c) {
  int64_t* out = counters;
  for (const int64_t each : {c.free_after_columns, c.free_after_greedy, c.reduction_steps, c.free_after_reduction,
                             c.auction_steps, c.lists, c.dense_scans, c.sparse_paths, c.dense_paths, c.dense_rows}) {
    *out++ += each;
  }
}

AssignmentSolver::AssignmentSolver(mg_context* context, Costs& costs, AssignmentScratch& scratch, int32_t route)
    : context_(context),
      costs_(costs),
      s_(scratch),
      k_(kernels().assignment),
      route_(route),
      rows_(costs.rows),
      cols_(costs.cols) {
  lists_ = cols_ >= kSmallestForLists || (route & MG_ASSIGNMENT_LISTS);
  const int64_t padded = cols_ + 64;
  s_.v.reserve(padded);
  s_.taken.reserve(padded);
  s_.d.reserve(padded);
  s_.pred.reserve(padded);
  s_.row_of.reserve(padded);
  s_.found.reserve(padded);
  s_.closed.reserve(padded);
  s_.column_of.reserve(rows_ + 1);
  s_.bytes = padded * 44;
  const bool few = route & MG_ASSIGNMENT_SHORT_LISTS;
  if (lists_) list_.open(costs, s_, few ? CandidateLists::kFewest : CandidateLists::kEntries);
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
    costs_.check();
  } else if (rows_ == cols_) {
    reduce_columns();
  } else {
    costs_.check();
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

AssignmentCounters solve_assignment(mg_context* context, Costs& costs, AssignmentScratch& scratch, int32_t route,
                                    const double* start, int64_t* row_to_col, double* u, double* v, double* value) {
  AssignmentSolver solver(context, costs, scratch, route);
  solver.solve(start);
  for (int64_t i = 0; i < costs.rows; ++i) row_to_col[i] = solver.column_of(i);
  costs.pairs(row_to_col, u);
  std::copy_n(solver.v(), costs.cols, v);
  finish_assignment(costs.rows, costs.sign, row_to_col, u, v, value);
  if (!solver.by_columns()) make_exact(context, costs, start, row_to_col, u, v, value);
  return solver.counters();
}

void finish_assignment(int64_t rows, double sign, const int64_t* row_to_col, double* u, const double* v,
                       double* value) {
  double total = 0;
  for (int64_t i = 0; i < rows; ++i) {
    total += sign * u[i];
    u[i] -= v[row_to_col[i]];
    if (!std::isfinite(u[i])) costs_changed();
  }
  *value = total;
}

std::vector<double> assignment_start(const Costs& costs, bool warm, const double* v) {
  if (!warm) return {};
  MG_REQUIRE(costs.rows == costs.cols,
             "a start from given duals needs as many rows as columns, not %lld rows and %lld columns", Long{costs.rows},
             Long{costs.cols});
  for (int64_t j = 0; j < costs.cols; ++j) {
    MG_REQUIRE(std::fabs(v[j]) <= 1e300, "v[%lld] = %g is no dual to start from", Long{j}, v[j]);
  }
  return std::vector<double>(v, v + costs.cols);
}

double assignment_violation(Costs& costs, const int64_t* row_to_col, const double* u, const double* v) {
  const int64_t rows = costs.rows, cols = costs.cols;
  std::vector<char> used(cols, 0);
  for (int64_t i = 0; i < rows; ++i) {
    const int64_t j = row_to_col[i];
    MG_REQUIRE(j >= 0 && j < cols && !used[j], "row_to_col[%lld] = %lld is out of range or taken twice", Long{i},
               Long{j});
    MG_REQUIRE(std::isfinite(u[i]), "u[%lld] is not finite", Long{i});
    used[j] = 1;
  }
  double worst = 0;
  for (int64_t j = 0; j < cols; ++j) {
    MG_REQUIRE(std::isfinite(v[j]), "v[%lld] is not finite", Long{j});
    if (rows < cols) worst = std::max(worst, used[j] ? v[j] : std::fabs(v[j]));
  }
  std::vector<double> excess(rows), own(rows);
  if (costs.excesses(row_to_col, u, v, excess.data()) < rows) {
    costs.check();
    costs_changed();
  }
  costs.pairs(row_to_col, own.data());
  for (int64_t i = 0; i < rows; ++i) {
    const double slack = std::isinf(own[i]) ? kInfinity : std::fabs(excess_of(u[i], v[row_to_col[i]], own[i]));
    worst = std::max({worst, excess[i], slack});
  }
  return worst;
}

}  // namespace merganser
