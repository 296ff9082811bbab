// SPDX-License-Identifier: Apache-2.0
// Linear assignment, the last phase: a shortest augmenting path (Dijkstra over columns, reduced costs as lengths) from
// each free row.
//
// Sparse form: a scanned row relaxes its list only; every other column of it is at least tau - offset away. While the
// smallest such bound is not above the nearest open column, that row is relaxed over all columns. Nothing at or beyond
// the nearest free column is kept. Dense form: every scanned row is relaxed over all columns.
#include <algorithm>
#include <cmath>

#include "routines/assignment.h"
#include "runtime/error.h"

namespace merganser {

namespace {

// Order of the heaps: the smallest on top, equal ones by index.
bool later(const Bound& a, const Bound& b) { return a.value > b.value || (a.value == b.value && a.index > b.index); }

bool later_row(const AssignmentScratch::Pending& a, const AssignmentScratch::Pending& b) {
  return a.bound > b.bound || (a.bound == b.bound && a.row > b.row);
}

}  // namespace

void AssignmentSolver::augment_all() {
  const bool always_sparse = lists_ && (route_ & MG_ASSIGNMENT_SPARSE);
  sparse_ = always_sparse || (sparse_ && lists_ && !(route_ & MG_ASSIGNMENT_DENSE));
  int aborted = 0;
  for (const int32_t start : s_.free) {
    check_cancelled(context_);
    double mu = 0;
    int64_t end = -1;
    if (sparse_) {
      end = sparse_path(start, mu);
      if (end < 0 && ++aborted >= 3) sparse_ = false;
    }
    const bool sparse = end >= 0;
    if (!sparse) end = dense_path(start, mu);
    ++(sparse ? counters_.sparse_paths : counters_.dense_paths);
    for (const Bound& closed : s_.closed_at) {
      s_.v[closed.index] += std::min(0.0, closed.value - mu);
      s_.closed[closed.index] = 0;
    }
    for (int64_t j = end; j >= 0;) {
      const int64_t i = s_.pred[j];
      const int64_t before = s_.column_of[i];
      assign(i, j);
      j = before;
    }
  }
}

// c of an assigned pair, which is nearly always in the list of its row.
double AssignmentSolver::matched_cost(int64_t i, int32_t j) {
  if (!lists_) return costs_.at(i, j);
  const int32_t* columns = list_.columns(i);
  for (int64_t e = 0; e < list_.count(i); ++e) {
    if (columns[e] == j) {
      const double c = list_.cost(i, e);
      if (c < kInfinity) return c;  // not the padding, which repeats column 0
    }
  }
  return costs_.at(i, j);
}

void AssignmentSolver::offer(int32_t row, int32_t column, double distance) {
  double& d = s_.d[column];
  if (!(distance < d) || !(distance < limit_) || s_.closed[column]) return;
  if (d == kInfinity) s_.touched.push_back(column);
  d = distance;
  s_.pred[column] = row;
  if (s_.row_of[column] < 0) {
    limit_ = distance;
    limit_column_ = column;
  } else {
    s_.columns.push_back({distance, column});
    std::push_heap(s_.columns.begin(), s_.columns.end(), later);
  }
}

// Returns the free column at the end of the path, or -1 when too many rows had to be relaxed over all columns.
int64_t AssignmentSolver::sparse_path(int32_t start, double& mu) {
  const bool bounded = !(route_ & MG_ASSIGNMENT_SPARSE);
  const int64_t most = std::max<int64_t>(64, cols_ / 16);
  int64_t dense = 0, end = -1;
  s_.columns.clear();
  s_.pending.clear();
  s_.touched.clear();
  s_.closed_at.clear();
  limit_ = kInfinity;
  limit_column_ = -1;
  int32_t i = start;
  double offset = 0;
  for (;;) {
    check_cancelled(context_);
    if (!list_.built(i)) build_list(i);
    const int32_t* columns = list_.columns(i);
    for (int64_t e = 0; e < list_.count(i); ++e) offer(i, columns[e], list_.cost(i, e) - s_.v[columns[e]] - offset);
    if (list_.tau(i) - offset < limit_) {
      s_.pending.push_back({list_.tau(i) - offset, offset, i});
      std::push_heap(s_.pending.begin(), s_.pending.end(), later_row);
    }
    double next = kInfinity;
    for (;;) {
      while (!s_.columns.empty() &&
             (s_.columns.front().value != s_.d[s_.columns.front().index] || s_.closed[s_.columns.front().index])) {
        std::pop_heap(s_.columns.begin(), s_.columns.end(), later);
        s_.columns.pop_back();
      }
      next = s_.columns.empty() ? kInfinity : s_.columns.front().value;
      if (s_.pending.empty() || s_.pending.front().bound > next || !(s_.pending.front().bound < limit_)) break;
      const AssignmentScratch::Pending row = s_.pending.front();
      std::pop_heap(s_.pending.begin(), s_.pending.end(), later_row);
      s_.pending.pop_back();
      if (++dense > most && bounded) break;
      ++counters_.dense_rows;
      int32_t* found = s_.found.data();
      const void* all = costs_.row(row.row);
      const int64_t count =
          k_.improved[costs_.type](all, costs_.sign, s_.v.data(), row.offset, s_.d.data(), limit_, cols_, found);
      for (int64_t e = 0; e < count; ++e) {
        const double c = costs_.sign * element_of(costs_.type, all, found[e]);
        offer(row.row, found[e], c - s_.v[found[e]] - row.offset);
      }
    }
    if (dense > most && bounded) break;
    if (limit_ <= next) {
      if (limit_column_ < 0) no_finite_assignment("row", start);
      mu = limit_;
      end = limit_column_;
      break;
    }
    const int32_t j = s_.columns.front().index;
    std::pop_heap(s_.columns.begin(), s_.columns.end(), later);
    s_.columns.pop_back();
    s_.closed[j] = 1;
    s_.closed_at.push_back({next, j});
    i = s_.row_of[j];
    offset = matched_cost(i, j) - s_.v[j] - next;
  }
  for (const int32_t j : s_.touched) s_.d[j] = kInfinity;
  if (end < 0) {
    for (const Bound& closed : s_.closed_at) s_.closed[closed.index] = 0;
    s_.closed_at.clear();
  }
  return end;
}

// A closed column has v = -Inf and d = +Inf for the time of the search, so that no mask is needed.
int64_t AssignmentSolver::dense_path(int32_t start, double& mu) {
  s_.closed_at.clear();
  s_.touched.clear();
  std::vector<double>& prices = s_.prices;
  prices.clear();
  int32_t i = start;
  double offset = 0;
  int64_t end = -1;
  while (end < 0) {
    check_cancelled(context_);
    ++counters_.dense_rows;
    const OpenAndFree best = k_.relax[costs_.type](costs_.row(i), costs_.sign, s_.v.data(), offset, i, s_.taken.data(),
                                                   s_.d.data(), s_.pred.data(), cols_);
    if (best.open_index < 0) no_finite_assignment("row", start);
    mu = best.open;
    if (best.free_index >= 0 && best.free == mu) {
      end = best.free_index;
      break;
    }
    const int32_t j = static_cast<int32_t>(best.open_index);
    i = s_.row_of[j];
    offset = matched_cost(i, j) - s_.v[j] - mu;
    s_.closed_at.push_back({mu, j});
    prices.push_back(s_.v[j]);
    s_.v[j] = -kInfinity;
    s_.d[j] = kInfinity;
  }
  for (size_t e = 0; e < prices.size(); ++e) s_.v[s_.closed_at[e].index] = prices[e];
  std::fill_n(s_.d.data(), cols_, kInfinity);
  return end;
}

}  // namespace merganser
