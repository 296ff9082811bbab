// SPDX-License-Identifier: Apache-2.0
// Exact linear assignment after Jonker and Volgenant (1987), dense, with F64 duals:
//   column reduction, tight-edge greedy, augmenting row reduction, shortest augmenting paths.
// Invariant: u_i + v_j <= c_ij with equality on assigned pairs, where u_i is the minimum of c_ij - v_j. In a
// rectangular problem v starts at 0 and only falls on columns that stay assigned, so free columns keep v = 0.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "core/buffer.h"
#include "core/error.h"
#include "core/isa.h"
#include "core/pool.h"
#include "routines/routines.h"

namespace merganser {

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// The cost matrix as seen by the minimisation: c = sign * cost.
struct Costs {
  const void* data;
  int32_t type;  // index into the kernels: F64, F32
  int64_t rows, cols, ld;
  double sign;

  const void* row(int64_t i) const { return static_cast<const char*>(data) + i * ld * (type == MG_F64 ? 8 : 4); }
  double at(int64_t i, int64_t j) const {
    const char* element = static_cast<const char*>(row(i)) + j * (type == MG_F64 ? 8 : 4);
    double value;
    kernels().widen[type](element, &value, 1);
    return sign * value;
  }
};

void check_costs(mg_context* context, const Costs& costs) {
  const auto bad = kernels().cost_bad[costs.type];
  std::vector<int64_t> first(participants(context), INT64_MAX);
  parallel_for(context, costs.rows, [&](int64_t i, int32_t slot) {
    if (bad(costs.row(i), costs.sign, costs.cols) < costs.cols) first[slot] = std::min(first[slot], i);
  });
  const int64_t i = *std::min_element(first.begin(), first.end());
  if (i == INT64_MAX) return;
  const int64_t j = bad(costs.row(i), costs.sign, costs.cols);
  const double value = costs.sign * costs.at(i, j);
  const char* what = std::isnan(value)   ? "is NaN"
                     : std::isinf(value) ? (value > 0 ? "is +Inf, which a maximum would always take"
                                                      : "is -Inf, which a minimum would always take")
                                         : "is beyond 1e300";
  fail(MG_NUMERICAL, format("cost[%lld, %lld] %s", static_cast<long long>(i), static_cast<long long>(j), what));
}

[[noreturn]] void infeasible(const char* side, int64_t index) {
  fail(MG_NUMERICAL, format("no finite assignment: %s %lld cannot be assigned without a forbidden edge", side,
                            static_cast<long long>(index)));
}

class Solver {
 public:
  Solver(mg_context* context, const Costs& costs)
      : context_(context),
        costs_(costs),
        k_(kernels()),
        rows_(costs.rows),
        cols_(costs.cols),
        v_(std::max<int64_t>(cols_, 1)),
        taken_(std::max<int64_t>(cols_, 1)),
        column_of_(static_cast<size_t>(rows_), -1),
        row_of_(static_cast<size_t>(cols_), -1) {
    std::fill_n(v_.data(), cols_, 0.0);
    std::fill_n(taken_.data(), cols_, 0.0);
  }

  void solve() {
    if (rows_ == cols_) reduce_columns();
    std::vector<int64_t> free = match_tight_edges();
    for (int pass = 0; pass < 2 && !free.empty(); ++pass) free = reduce_rows(free);
    augment_all(free);
  }

  const std::vector<int64_t>& columns() const { return column_of_; }
  const double* v() const { return v_.data(); }

 private:
  void assign(int64_t i, int64_t j) {
    column_of_[i] = j;
    row_of_[j] = i;
    taken_[j] = kInfinity;
  }

  // v_j = min_i c_ij; each column takes its lowest minimal row if that is still free.
  void reduce_columns() {
    Buffer<int64_t> argmin(std::max<int64_t>(cols_, 1));
    std::fill_n(v_.data(), cols_, kInfinity);
    std::fill_n(argmin.data(), cols_, -1);
    for (int64_t i = 0; i < rows_; ++i) {
      check_cancelled(context_);
      k_.column_minima[costs_.type](costs_.row(i), costs_.sign, i, v_.data(), argmin.data(), cols_);
    }
    for (int64_t j = 0; j < cols_; ++j) {
      if (argmin[j] < 0) infeasible("column", j);
      if (column_of_[argmin[j]] < 0) assign(argmin[j], j);
    }
  }

  // Gives each free row the first free column whose reduced cost is the row's minimum; returns the rows left.
  std::vector<int64_t> match_tight_edges() {
    std::vector<int64_t> left;
    for (int64_t i = 0; i < rows_; ++i) {
      if (column_of_[i] >= 0) continue;
      check_cancelled(context_);
      const OpenAndFree best = k_.row_minima[costs_.type](costs_.row(i), costs_.sign, v_.data(), taken_.data(), cols_);
      if (best.open_index < 0) infeasible("row", i);
      if (best.free_index >= 0 && best.free == best.open) {
        assign(i, best.free_index);
      } else {
        left.push_back(i);
      }
    }
    return left;
  }

  // One pass: a row takes its cheapest column and lowers that price until its second choice is as good; a displaced row
  // goes on at once if the price fell. Ties and rounding can make rows take turns for ever, so steps are bounded: any
  // state reached is valid.
  std::vector<int64_t> reduce_rows(const std::vector<int64_t>& free) {
    std::vector<int64_t> left;
    int64_t steps = 4 * rows_;
    for (int64_t start : free) {
      for (int64_t i = start; i >= 0;) {
        check_cancelled(context_);
        if (--steps < 0) {
          left.push_back(i);
          break;
        }
        i = settle(i, left);
      }
    }
    std::sort(left.begin(), left.end());
    return left;
  }

  // Assigns row i; returns the displaced row to go on with, or -1.
  int64_t settle(int64_t i, std::vector<int64_t>& left) {
    const TwoSmallest best = k_.two_smallest[costs_.type](costs_.row(i), costs_.sign, v_.data(), cols_);
    int64_t j = best.first_index;
    if (best.second_index < 0 && row_of_[j] >= 0) {  // its only allowed column: no price can decide
      left.push_back(i);
      return -1;
    }
    bool fell = false;
    if (best.second_index >= 0 && best.first < best.second) {
      const double price = v_[j] - (best.second - best.first);
      fell = price < v_[j];
      v_[j] = price;
    } else if (row_of_[j] >= 0) {
      j = best.second_index;
    }
    const int64_t displaced = row_of_[j];
    assign(i, j);
    if (displaced < 0) return -1;
    column_of_[displaced] = -1;
    if (fell) return displaced;
    left.push_back(displaced);
    return -1;
  }

  // Dijkstra over columns from each free row; reduced costs are the lengths.
  void augment_all(const std::vector<int64_t>& free) {
    if (free.empty()) return;
    Buffer<double> d(cols_), closed(cols_);
    Buffer<int64_t> pred(cols_);
    std::vector<int64_t> scanned;
    std::fill_n(closed.data(), cols_, 0.0);
    for (int64_t start : free) {
      std::fill_n(d.data(), cols_, kInfinity);
      scanned.clear();
      double mu = 0;
      const int64_t end = shortest_path(start, d, closed, pred, scanned, mu);
      for (int64_t j : scanned) {
        v_[j] += std::min(0.0, d[j] - mu);
        closed[j] = 0;
      }
      for (int64_t j = end; j >= 0;) {
        const int64_t i = pred[j];
        const int64_t before = column_of_[i];
        assign(i, j);
        j = before;
      }
    }
  }

  int64_t shortest_path(int64_t start, Buffer<double>& d, Buffer<double>& closed, Buffer<int64_t>& pred,
                        std::vector<int64_t>& scanned, double& mu) {
    int64_t i = start;
    double h = 0;
    for (;;) {
      check_cancelled(context_);
      const OpenAndFree best = k_.relax[costs_.type](costs_.row(i), costs_.sign, v_.data(), h, i, closed.data(),
                                                     taken_.data(), d.data(), pred.data(), cols_);
      if (best.open_index < 0) infeasible("row", start);
      mu = best.open;
      if (best.free_index >= 0 && best.free == mu) return best.free_index;
      const int64_t j = best.open_index;
      closed[j] = kInfinity;
      scanned.push_back(j);
      i = row_of_[j];
      h = costs_.at(i, j) - v_[j] - mu;
    }
  }

  mg_context* context_;
  const Costs& costs_;
  const Kernels& k_;
  int64_t rows_, cols_;
  Buffer<double> v_, taken_;  // taken: 0 for a free column, +Inf for an assigned one
  std::vector<int64_t> column_of_, row_of_;
};

}  // namespace

void assignment(mg_context* context, int32_t dtype, int64_t rows, int64_t cols, const void* cost, int64_t ld,
                bool maximise, int64_t* row_to_col, double* u, double* v, double* value) {
  const Costs costs{cost, dtype, rows, cols, ld, maximise ? -1.0 : 1.0};
  check_costs(context, costs);
  Solver solver(context, costs);
  solver.solve();
  double total = 0;
  for (int64_t i = 0; i < rows; ++i) {
    const int64_t j = solver.columns()[i];
    const double c = costs.at(i, j);
    row_to_col[i] = j;
    u[i] = c - solver.v()[j];
    total += costs.sign * c;
  }
  std::copy_n(solver.v(), cols, v);
  *value = total;
}

void assignment_certify(mg_context* context, int32_t dtype, int64_t rows, int64_t cols, const void* cost, int64_t ld,
                        bool maximise, const int64_t* row_to_col, const double* u, const double* v, double* violation) {
  const Costs costs{cost, dtype, rows, cols, ld, maximise ? -1.0 : 1.0};
  check_costs(context, costs);
  std::vector<char> used(static_cast<size_t>(cols), 0);
  for (int64_t i = 0; i < rows; ++i) {
    const int64_t j = row_to_col[i];
    MG_REQUIRE(j >= 0 && j < cols && !used[j], "row_to_col[%lld] = %lld is out of range or taken twice",
               static_cast<long long>(i), static_cast<long long>(j));
    MG_REQUIRE(std::isfinite(u[i]), "u[%lld] is not finite", static_cast<long long>(i));
    used[j] = 1;
  }
  std::vector<double> worst(participants(context), 0.0);
  for (int64_t j = 0; j < cols; ++j) {
    MG_REQUIRE(std::isfinite(v[j]), "v[%lld] is not finite", static_cast<long long>(j));
    if (rows < cols) worst[0] = std::max(worst[0], used[j] ? v[j] : std::fabs(v[j]));
  }
  parallel_for(context, rows, [&](int64_t i, int32_t slot) {
    const int64_t j = row_to_col[i];
    const double excess = kernels().violation[dtype](costs.row(i), costs.sign, v, u[i], cols);
    const double slack = std::fabs(u[i] - (costs.at(i, j) - v[j]));
    worst[slot] = std::max({worst[slot], excess, slack});
  });
  *violation = *std::max_element(worst.begin(), worst.end());
}

}  // namespace merganser
