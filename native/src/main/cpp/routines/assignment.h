// SPDX-License-Identifier: Apache-2.0
// Inside of the assignment solver: the costs as it reads them, its scratch memory, and the solver itself, whose phases
// are in assignment_solver.cpp, assignment_lists.cpp, assignment_paths.cpp and assignment_auction.cpp. The CPU's costs
// are in assignment_costs.h, its entries in assignment.cpp; the CUDA plug-in compiles the same phases over costs of its
// own.
#pragma once

#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "merganser_testing.h"
#include "routines/routines.h"
#include "runtime/buffer.h"
#include "runtime/context.h"
#include "runtime/isa.h"

namespace merganser {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Elements of the caller's arrays, of any alignment.
typedef double AnyF64 __attribute__((aligned(1), may_alias));
typedef float AnyF32 __attribute__((aligned(1), may_alias));

// Element j of a row of MG_F64 or MG_F32.
inline double element_of(int32_t type, const void* row, int64_t j) {
  return type == MG_F64 ? static_cast<const AnyF64*>(row)[j] : static_cast<double>(static_cast<const AnyF32*>(row)[j]);
}

class CandidateLists;

// The costs as the minimisation sees them, c = sign * element, and the scans of them that depend on where they lie. A
// call reads a row or more, but for at().
class Costs {
 public:
  Costs(const mg_costs& given, bool maximise)
      : rows(given.rows),
        cols(given.cols),
        type(given.k >= 0 ? static_cast<int32_t>(MG_F64) : given.dtype),
        sign(maximise ? -1.0 : 1.0) {}
  virtual ~Costs() = default;
  Costs(const Costs&) = delete;
  Costs& operator=(const Costs&) = delete;

  const int64_t rows, cols;
  const int32_t type;  // of the elements that row() gives: MG_F64 or MG_F32, an index into the kernels
  const double sign;

  // Elements of row i, until the next call of any function.
  virtual const void* row(int64_t i) = 0;
  // c of one pair; the same bits as in a row.
  virtual double at(int64_t i, int64_t j) = 0;
  // c[i] = at(i, columns[i]) for all rows.
  virtual void pairs(const int64_t* columns, double* c);
  // The rows that row() is asked for next.
  virtual void prefetch(const std::vector<int32_t>&) {}

  // Fails with the first bad cost in order of rows.
  virtual void check() = 0;
  // The same, and the least c of each column with its lowest row, -1 where no c is finite.
  virtual void column_minima(double* minimum, int32_t* row) = 0;
  // Rows that row_minima() is then called for, in this order.
  virtual void expect(const std::vector<int32_t>& rows, const double* v) = 0;
  // As the kernel of this name; `free` is told from +Inf only where it is the minimum.
  virtual OpenAndFree row_minima(int64_t i, const double* v, const double* taken) = 0;
  // The list of row i, or those of all rows i with column_of[i] < 0.
  virtual void build_list(CandidateLists& lists, int64_t i) = 0;
  virtual void build_free_lists(CandidateLists& lists, const int32_t* column_of) = 0;
  // worst[i] = max of u_i + v_j - c_ij over the columns j but columns[i]; returns the first row with a bad cost, or
  // `rows`.
  virtual int64_t excesses(const int64_t* columns, const double* u, const double* v, double* worst) = 0;

 protected:
  // Says what is wrong with row i, whose elements these are.
  [[noreturn]] void throw_bad_cost(int64_t i, const void* row) const;
};

// u + v - c with a small relative error also where the terms cancel, however far apart they are.
inline double excess_of(double u, double v, double c) {
  const double sum = u + v, part = sum - u;
  const double lost = (u - (sum - part)) + (v - part);
  const double rest = sum - c, other = rest - sum;
  const double lost_too = (sum - (rest - other)) + (-c - other);
  return rest + (lost + lost_too);
}

// Below, a whole row is scanned as quickly as a list.
constexpr int64_t kSmallestForLists = 96;

struct Bound {
  double value;
  int32_t index;
};

typedef std::vector<std::pair<float, int32_t>> Overfull;

// Memory of a solver, kept from one problem to the next.
struct AssignmentScratch {
  Buffer<double> v, taken, d;
  Buffer<int32_t> pred, column_of, row_of, found;
  Buffer<char> closed;
  Buffer<char> list_cost;
  Buffer<int32_t> list_column;
  Buffer<struct ListHead> head;
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

struct ListHead {
  double tau;     // no column outside the list has a reduced cost below tau
  int32_t count;  // multiple of 8 with the padding; -1 before the first build
};

// For each row, the columns of the smallest reduced costs with their c: see assignment_lists.cpp.
class CandidateLists {
 public:
  static constexpr int64_t kEntries = 32;  // at most; a multiple of 8
  static constexpr int64_t kFewest = 8;    // that routes ask for
  // Which of the kListBlocks minima, from 1, is the threshold of a list of so many entries at most.
  static int32_t rank_of(int64_t entries);

  // Empty lists of at most `entries` entries, in the memory of a scratch.
  void open(const Costs& costs, AssignmentScratch& scratch, int64_t entries);

  const double* v() const { return v_; }
  double scale() const { return scale_; }  // h * scale is well inside the range of F32
  void set_scale(double scale) { scale_ = scale; }
  int32_t rank() const { return rank_; }

  bool built(int64_t i) const { return head_[i].count >= 0; }
  double tau(int64_t i) const { return head_[i].tau; }
  int64_t count(int64_t i) const { return head_[i].count; }
  const int32_t* columns(int64_t i) const { return column_ + i * kEntries; }
  double cost(int64_t i, int64_t e) const {
    return element_ == 8 ? static_cast<const double*>(costs(i))[e] : static_cast<const float*>(costs(i))[e];
  }
  // The two smallest reduced costs in the list.
  TwoSmallest minima(int64_t i) const;

  // The list of row i from the columns, in increasing order, with (float)(h * scale) <= threshold: `h` and `c` give
  // that of entry e and its c.
  template <typename H, typename C>
  void put(int64_t i, float threshold, int64_t count, const int32_t* columns, const H& h, const C& c, Overfull& all);

 private:
  const void* costs(int64_t i) const { return cost_ + i * kEntries * element_; }
  void cut(int64_t i, Overfull& all, const int32_t* columns);

  char* cost_ = nullptr;
  int32_t* column_ = nullptr;
  ListHead* head_ = nullptr;
  const double *v_ = nullptr, *taken_ = nullptr;
  double scale_ = 1;
  int64_t cols_ = 0, entries_ = kEntries, element_ = 8;
  int32_t type_ = MG_F64, rank_ = 0;
};

template <typename H, typename C>
void CandidateLists::put(int64_t i, float threshold, int64_t count, const int32_t* columns, const H& h, const C& c,
                         Overfull& all) {
  double tau = static_cast<double>(threshold) / scale_;
  const bool over = count > entries_;
  if (over) {
    all.clear();
    for (int64_t e = 0; e < count; ++e) all.emplace_back(h(e), static_cast<int32_t>(e));
    cut(i, all, columns);
    // From the F64 values of the first ones left out, which are as large in F32.
    tau = kInfinity;
    const float out = all[entries_].first;
    for (size_t k = static_cast<size_t>(entries_); k < all.size(); ++k) {
      const int32_t e = all[k].second;
      if (all[k].first == out) tau = std::min(tau, c(e) - v_[columns[e]]);
    }
    count = entries_;
  }
  const int64_t padded = (count + 7) / 8 * 8;
  int32_t* into = column_ + i * kEntries;
  char* values = cost_ + i * kEntries * element_;
  for (int64_t k = 0; k < padded; ++k) {
    const int64_t e = over && k < count ? all[k].second : k;
    into[k] = k < count ? columns[e] : 0;
    const double value = k < count ? c(e) : kInfinity;
    if (element_ == 8) {
      reinterpret_cast<double*>(values)[k] = value;
    } else {
      reinterpret_cast<float*>(values)[k] = static_cast<float>(value);
    }
  }
  head_[i] = {tau, static_cast<int32_t>(padded)};
}

// What happened, in order of mg_assignment_counters.
struct AssignmentCounters {
  int64_t free_after_columns, free_after_greedy, reduction_steps, free_after_reduction, auction_steps, lists,
      dense_scans, sparse_paths, dense_paths, dense_rows;
};

// What a context keeps between calls, but for the CPU's own: one scratch a participant, the route that tests force and
// what the last call did.
struct AssignmentState {
  std::vector<AssignmentScratch> scratch;  // by participant
  int32_t route = 0;
  int64_t counters[MG_ASSIGNMENT_COUNTERS] = {};

  void clear_counters();
  void count(const AssignmentCounters& of_a_problem);
};

class AssignmentSolver {
 public:
  // `route`: mg_assignment_route bits.
  AssignmentSolver(mg_context* context, Costs& costs, AssignmentScratch& scratch, int32_t route);

  // From the duals of the columns in start_v, or from scratch when it is NULL. Throws MG_NUMERICAL.
  void solve(const double* start_v);

  int32_t column_of(int64_t i) const { return s_.column_of[i]; }
  const double* v() const { return s_.v.data(); }
  const AssignmentCounters& counters() const { return counters_; }
  // Each column at its least cost: an optimum without any arithmetic.
  bool by_columns() const { return by_columns_; }

 private:
  // assignment_lists.cpp
  void reduce_columns();
  void match_tight_edges();
  void match_tight_edges_of_lists();
  void build_free_lists();
  void build_list(int64_t i);
  TwoSmallest two_smallest(int64_t i);
  void reduce_rows(int passes);
  int64_t settle(int64_t i);
  int64_t free_tied(int64_t i, double minimum);
  void choose_scale(const double* start_v);

  // assignment_auction.cpp
  void auction();
  int32_t bid(int32_t i, double eps);
  void keep_tight_pairs();

  // assignment_paths.cpp
  void augment_all();
  int64_t sparse_path(int32_t start, double& mu);
  int64_t dense_path(int32_t start, double& mu);
  void offer(int32_t row, int32_t column, double distance);
  double matched_cost(int64_t i, int32_t j);

  void assign(int64_t i, int64_t j) {
    s_.column_of[i] = static_cast<int32_t>(j);
    s_.row_of[j] = static_cast<int32_t>(i);
    s_.taken[j] = kInfinity;
  }

  mg_context* context_;
  Costs& costs_;
  AssignmentScratch& s_;
  const AssignmentKernels& k_;
  const int32_t route_;
  const int64_t rows_, cols_;
  CandidateLists list_;
  bool lists_ = false;
  bool sparse_ = true;
  bool by_columns_ = false;
  double range_ = 0;  // largest less smallest cost of a sample
  // The path now searched.
  double limit_ = kInfinity;
  int32_t limit_column_ = -1;
  AssignmentCounters counters_{};
};

// The solution of a problem from the duals `start`, or from none, and what it took.
AssignmentCounters solve_assignment(mg_context* context, Costs& costs, AssignmentScratch& scratch, int32_t route,
                                    const double* start, int64_t* row_to_col, double* u, double* v, double* value);

// The duals to start from that v holds, checked; empty when not `warm`.
std::vector<double> assignment_start(const Costs& costs, bool warm, const double* v);

// mg_assignment_certify of costs whose factors were checked.
double assignment_violation(Costs& costs, const int64_t* row_to_col, const double* u, const double* v);

// From c of the matched pairs in u, and the duals of the columns: those of the rows, and the value.
void finish_assignment(int64_t rows, double sign, const int64_t* row_to_col, double* u, const double* v, double* value);

// Whether prices and costs of the matching are of one order, so that roundings are far below the least cost that was
// chosen; then make_exact() has nothing to do. `matched`: c of the pairs.
bool plain_assignment(int64_t rows, int64_t cols, const double* start, const double* matched, const double* u,
                      const double* v);

// Given what the solver found from `start` (NULL: from scratch): proves that it is an optimum, or replaces it by one.
// No rounding is left, whatever the sizes of costs and duals; a matching that is an optimum stays.
void make_exact(mg_context* context, Costs& costs, const double* start, int64_t* columns, double* u, double* v,
                double* value);

// The costs are the caller's memory, which another thread may write meanwhile. Every loop ends whatever is read, by
// counts alone, and no index comes from a cost; a state that constant costs cannot lead to ends here.
[[noreturn]] void costs_changed();

[[noreturn]] void no_finite_assignment(const char* side, int64_t index);

// Of factors: an element that is not finite; the largest magnitudes of both, whose products must be in range.
[[noreturn]] void throw_bad_factor(const char* name, int64_t i, int64_t l, double value);
void check_products(double largest_x, double largest_y, int64_t k);

}  // namespace merganser
