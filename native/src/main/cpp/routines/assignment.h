// SPDX-License-Identifier: Apache-2.0
// Inside of the assignment solver: where costs come from, its scratch memory, and the solver itself, whose phases are
// in assignment_lists.cpp, assignment_paths.cpp and assignment_auction.cpp. The entries are in assignment.cpp.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <vector>

#include "merganser_testing.h"
#include "routines/routines.h"
#include "runtime/buffer.h"
#include "runtime/context.h"
#include "runtime/isa.h"
#include "runtime/pool.h"

namespace merganser {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Elements of the caller's arrays, of any alignment.
typedef double AnyF64 __attribute__((aligned(1), may_alias));
typedef float AnyF32 __attribute__((aligned(1), may_alias));

// Element j of a row of MG_F64 or MG_F32.
inline double element_of(int32_t type, const void* row, int64_t j) {
  return type == MG_F64 ? static_cast<const AnyF64*>(row)[j] : static_cast<double>(static_cast<const AnyF32*>(row)[j]);
}

// The costs as the minimisation sees them: c = sign * element. Products are computed when they are read.
struct Costs : mg_costs {
  Costs(const mg_costs& given, bool maximise)
      : mg_costs(given), type(factored() ? static_cast<int32_t>(MG_F64) : dtype), sign(maximise ? -1.0 : 1.0) {}

  int32_t type;  // of the elements that row() gives: MG_F64 or MG_F32, an index into the kernels
  double sign;
  const void* packed = nullptr;  // y in panels

  bool factored() const { return k >= 0; }
  int64_t panels() const { return divide_up(cols, kFactorPanel); }
  // Elements of scratch that `count` rows need.
  int64_t scratch(int64_t count) const { return factored() ? count * panels() * kFactorPanel : 0; }
  // Rows i to i + count - 1 of the elements; `stride` is set to the elements between two of them.
  const void* rows_at(int64_t i, int64_t count, double* scratch, int64_t* stride) const;
  const void* row(int64_t i, double* scratch) const {
    int64_t stride;
    return rows_at(i, 1, scratch, &stride);
  }
  // c of one pair; the same bits as in a row.
  double at(int64_t i, int64_t j) const;
};

// u + v - c with a small relative error also where the terms cancel, however far apart they are.
inline double excess_of(double u, double v, double c) {
  const double sum = u + v, part = sum - u;
  const double lost = (u - (sum - part)) + (v - part);
  const double rest = sum - c, other = rest - sum;
  const double lost_too = (sum - (rest - other)) + (-c - other);
  return rest + (lost + lost_too);
}

// Entries of a list at most; a multiple of 8.
constexpr int64_t kListEntries = 32;

struct ListHead {
  double tau;     // no column outside the list has a reduced cost below tau
  int32_t count;  // multiple of 8 with the padding; -1 before the first build
};

struct Bound {
  double value;
  int32_t index;
};

// One for each thread that scans rows.
struct RowScratch {
  Buffer<double> row;  // rows of factored costs
  Buffer<float> h32;
  Buffer<int32_t> columns;
  Buffer<char> minimum, argmin;  // column minima of this thread's rows
  std::vector<std::pair<float, int32_t>> overfull;
};

// Memory of a solver, kept from one problem to the next.
struct AssignmentScratch {
  Buffer<double> v, taken, d;
  Buffer<int32_t> pred, column_of, row_of;
  Buffer<char> closed;
  Buffer<char> list_cost;
  Buffer<int32_t> list_column;
  Buffer<ListHead> head;
  std::vector<RowScratch> rows_of;  // by participant
  std::vector<int32_t> free, left, queue, touched;
  std::vector<Bound> columns, closed_at;
  std::vector<double> prices;  // of the columns closed_at
  struct Pending {
    double bound, offset;
    int32_t row;
  };
  std::vector<Pending> pending;
  int64_t bytes = 0;  // of the last problem
};

// What happened, in order of mg_assignment_counters.
struct AssignmentCounters {
  int64_t free_after_columns, free_after_greedy, reduction_steps, free_after_reduction, auction_steps, lists,
      dense_scans, sparse_paths, dense_paths, dense_rows;
};

// What a context keeps between calls: one scratch a participant, the packed factor, the route that tests force and what
// the last call did.
struct AssignmentState {
  std::vector<AssignmentScratch> scratch;  // by participant
  Buffer<char> packed;
  int32_t route = 0;
  int64_t counters[MG_ASSIGNMENT_COUNTERS] = {};
};

class AssignmentSolver {
 public:
  // `serial`: uses no other thread of the pool. `route`: mg_assignment_route bits.
  AssignmentSolver(mg_context* context, const Costs& costs, AssignmentScratch& scratch, bool serial, int32_t route);

  // From the duals of the columns in start_v, or from scratch when it is NULL. Throws MG_NUMERICAL.
  void solve(const double* start_v);

  int32_t column_of(int64_t i) const { return s_.column_of[i]; }
  const double* v() const { return s_.v.data(); }
  const AssignmentCounters& counters() const { return counters_; }
  // Each column at its least cost: an optimum without any arithmetic.
  bool by_columns() const { return by_columns_; }

 private:
  // assignment_lists.cpp
  void check_all();
  void reduce_columns();
  void match_tight_edges();
  void match_tight_edges_of_lists();
  void build_free_lists();
  void build_list(int64_t i);
  void build_list(int64_t i, const void* row, RowScratch& scratch);
  TwoSmallest list_minima(int64_t i) const;
  TwoSmallest two_smallest(int64_t i);
  void reduce_rows(int passes);
  int64_t settle(int64_t i);
  int64_t free_tied(int64_t i, double minimum);
  void choose_scale(const double* start_v);
  void for_rows(int64_t block, const std::function<void(int64_t begin, int64_t end, RowScratch&)>& fn);
  [[noreturn]] void report_bad();

  // assignment_auction.cpp
  void auction();
  int32_t bid(int32_t i, double eps);
  void keep_tight_pairs();

  // assignment_paths.cpp
  void augment_all();
  int64_t sparse_path(int32_t start, double& mu);
  int64_t dense_path(int32_t start, double& mu);
  void offer(int32_t row, int32_t column, double distance);
  double matched_cost(int64_t i, int32_t j) const;

  void assign(int64_t i, int64_t j) {
    s_.column_of[i] = static_cast<int32_t>(j);
    s_.row_of[j] = static_cast<int32_t>(i);
    s_.taken[j] = kInfinity;
  }
  const void* list_cost(int64_t i) const { return s_.list_cost.data() + i * kListEntries * element_; }
  const int32_t* list_column(int64_t i) const { return s_.list_column.data() + i * kListEntries; }
  double list_entry(int64_t i, int64_t e) const {
    return element_ == 8 ? static_cast<const double*>(list_cost(i))[e] : static_cast<const float*>(list_cost(i))[e];
  }
  const void* row(int64_t i) { return costs_.row(i, s_.rows_of[0].row.data()); }

  mg_context* context_;
  const Costs& costs_;
  AssignmentScratch& s_;
  const AssignmentKernels& k_;
  const bool serial_;
  const int32_t route_;
  const int64_t rows_, cols_, element_;
  const int64_t entries_;  // of a list: kListEntries, fewer when the route asks
  bool lists_ = false;
  bool sparse_ = true;
  bool by_columns_ = false;
  double scale_ = 1;  // h * scale is well inside the range of F32
  double range_ = 0;  // largest less smallest cost of a sample
  // The path now searched.
  double limit_ = kInfinity;
  int32_t limit_column_ = -1;
  AssignmentCounters counters_{};
};

// Given what the solver found from `start` (NULL: from scratch): proves that it is an optimum, or replaces it by one.
// No rounding is left, whatever the sizes of costs and duals; a matching that is an optimum stays.
void make_exact(mg_context* context, const Costs& costs, const double* start, int64_t* columns, double* u, double* v,
                double* value);

// The costs are the caller's memory, which another thread may write meanwhile. Every loop ends whatever is read, by
// counts alone, and no index comes from a cost; a state that constant costs cannot lead to ends here.
[[noreturn]] void costs_changed();

// Says what is wrong with the first bad cost of row i; scratch for one row.
[[noreturn]] void throw_bad_cost(const Costs& costs, int64_t i, double* scratch);
[[noreturn]] void no_finite_assignment(const char* side, int64_t index);

}  // namespace merganser
