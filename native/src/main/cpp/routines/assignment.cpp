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
#include "runtime/pool.h"

namespace merganser {

const void* Costs::rows_at(int64_t i, int64_t count, double* scratch, int64_t* stride) const {
  if (!factored()) {
    *stride = ld;
    return static_cast<const char*>(data) + i * ld * (type == MG_F64 ? 8 : 4);
  }
  *stride = panels() * kFactorPanel;
  const char* first = static_cast<const char*>(x) + i * ldx * (factor_type == MG_F64 ? 8 : 4);
  kernels().assignment.factor_rows[factor_type](first, ldx, count, packed, k, panels(), scratch, *stride);
  return scratch;
}

double Costs::at(int64_t i, int64_t j) const {
  if (!factored()) {
    return sign * element_of(type, data, i * ld + j);
  }
  double sum = 0;
  for (int64_t l = 0; l < k; ++l)
    sum += element_of(factor_type, x, i * ldx + l) * element_of(factor_type, y, j * ldy + l);
  return sign * sum;
}

namespace {

// Scratch above this is given back after the call.
constexpr int64_t kKeptBytes = int64_t{64} << 20;

AssignmentState& state_of(mg_context* context) {
  AssignmentState& state = context->kept<AssignmentState>();
  const size_t needed = static_cast<size_t>(participants(context));
  if (state.scratch.size() < needed) state.scratch.resize(needed);
  return state;
}

void forget_large(AssignmentScratch& scratch) {
  if (scratch.bytes > kKeptBytes) scratch = AssignmentScratch();
}

void finish(const Costs& costs, const AssignmentSolver& solver, int64_t* row_to_col, double* u, double* v,
            double* value) {
  double total = 0;
  for (int64_t i = 0; i < costs.rows; ++i) {
    const int64_t j = solver.column_of(i);
    const double c = costs.at(i, j);
    row_to_col[i] = j;
    u[i] = c - solver.v()[j];
    if (!std::isfinite(u[i])) costs_changed();
    total += costs.sign * c;
  }
  std::copy_n(solver.v(), costs.cols, v);
  *value = total;
}

void count(AssignmentState& state, const AssignmentCounters& c) {
  int64_t* out = state.counters;
  for (const int64_t each : {c.free_after_columns, c.free_after_greedy, c.reduction_steps, c.free_after_reduction,
                             c.auction_steps, c.lists, c.dense_scans, c.sparse_paths, c.dense_paths, c.dense_rows}) {
    *out++ += each;
  }
}

void solve(mg_context* context, const Costs& costs, bool warm, int64_t* row_to_col, double* u, double* v,
           double* value) {
  MG_REQUIRE(costs.cols < INT32_MAX, "%lld columns are too many", static_cast<long long>(costs.cols));
  if (warm) {
    MG_REQUIRE(costs.rows == costs.cols,
               "a start from given duals needs as many rows as columns, not %lld rows and %lld columns",
               static_cast<long long>(costs.rows), static_cast<long long>(costs.cols));
    for (int64_t j = 0; j < costs.cols; ++j) {
      MG_REQUIRE(std::fabs(v[j]) <= 1e300, "v[%lld] = %g is no dual to start from", static_cast<long long>(j), v[j]);
    }
  }
  AssignmentState& state = state_of(context);
  AssignmentScratch& scratch = state.scratch[0];
  std::fill(std::begin(state.counters), std::end(state.counters), 0);
  AssignmentSolver solver(context, costs, scratch, false, state.route);
  std::vector<double> start(v, v + (warm ? costs.cols : 0));
  solver.solve(warm ? start.data() : nullptr);
  finish(costs, solver, row_to_col, u, v, value);
  count(state, solver.counters());
  if (!solver.by_columns()) make_exact(context, costs, warm ? start.data() : nullptr, row_to_col, u, v, value);
  forget_large(scratch);
}

// Largest |element|; the first that is not finite is an error.
double largest_of(const char* name, int32_t dtype, int64_t rows, int64_t k, const void* data, int64_t ld) {
  double largest = 0;
  std::vector<double> row(static_cast<size_t>(k));
  for (int64_t i = 0; i < rows; ++i) {
    kernels().elementwise.widen[dtype](static_cast<const char*>(data) + i * ld * size_of(dtype), row.data(), k);
    for (int64_t l = 0; l < k; ++l) {
      const double magnitude = std::fabs(row[static_cast<size_t>(l)]);
      if (!(magnitude < kInfinity)) {
        fail(MG_NUMERICAL, format("%s[%lld, %lld] is %s", name, static_cast<long long>(i), static_cast<long long>(l),
                                  std::isnan(magnitude) ? "NaN" : "infinite"));
      }
      largest = std::max(largest, magnitude);
    }
  }
  return largest;
}

Costs factored(mg_context* context, int32_t dtype, int64_t rows, int64_t cols, int64_t k, const void* x, int64_t ldx,
               const void* y, int64_t ldy, bool maximise) {
  const double bound = largest_of("x", dtype, rows, k, x, ldx) * largest_of("y", dtype, cols, k, y, ldy);
  if (!(bound * static_cast<double>(k) <= 1e300)) fail(MG_NUMERICAL, "products of x and y may be beyond 1e300");
  Costs costs{rows, cols, MG_F64, maximise ? -1.0 : 1.0};
  costs.factor_type = dtype;
  costs.k = k;
  costs.x = x;
  costs.y = y;
  costs.ldx = ldx;
  costs.ldy = ldy;
  Buffer<char>& packed = state_of(context).packed;
  const int64_t size = size_of(dtype);
  packed.reserve(costs.panels() * kFactorPanel * k * size);
  const auto pack = [&](auto zero) {
    using T = decltype(zero);
    parallel_for(context, costs.panels(), [&](int64_t p, int32_t) {
      T* panel = reinterpret_cast<T*>(packed.data()) + p * kFactorPanel * k;
      for (int64_t c = 0; c < kFactorPanel; ++c) {
        const int64_t j = p * kFactorPanel + c;
        for (int64_t l = 0; l < k; ++l) {
          panel[l * kFactorPanel + c] = j < cols ? static_cast<T>(element_of(dtype, y, j * ldy + l)) : T{};
        }
      }
    });
  };
  if (dtype == MG_F64) {
    pack(double{});
  } else {
    pack(float{});
  }
  costs.packed = packed.data();
  return costs;
}

void forget_factors(mg_context* context, const Costs& costs) {
  Buffer<char>& packed = state_of(context).packed;
  if (costs.panels() * kFactorPanel * costs.k * size_of(costs.factor_type) > kKeptBytes) packed = Buffer<char>();
}

double violation_of(mg_context* context, const Costs& costs, const int64_t* row_to_col, const double* u,
                    const double* v) {
  const int64_t rows = costs.rows, cols = costs.cols;
  std::vector<char> used(static_cast<size_t>(cols), 0);
  for (int64_t i = 0; i < rows; ++i) {
    const int64_t j = row_to_col[i];
    MG_REQUIRE(j >= 0 && j < cols && !used[static_cast<size_t>(j)],
               "row_to_col[%lld] = %lld is out of range or taken twice", static_cast<long long>(i),
               static_cast<long long>(j));
    MG_REQUIRE(std::isfinite(u[i]), "u[%lld] is not finite", static_cast<long long>(i));
    used[static_cast<size_t>(j)] = 1;
  }
  std::vector<double> worst(static_cast<size_t>(participants(context)), 0.0);
  std::vector<int64_t> bad(worst.size(), INT64_MAX);
  std::vector<Buffer<double>> scratch(worst.size());
  for (int64_t j = 0; j < cols; ++j) {
    MG_REQUIRE(std::isfinite(v[j]), "v[%lld] is not finite", static_cast<long long>(j));
    if (rows < cols) worst[0] = std::max(worst[0], used[static_cast<size_t>(j)] ? v[j] : std::fabs(v[j]));
  }
  constexpr int64_t kBlock = 48;
  for (auto& each : scratch) each.reserve(costs.scratch(kBlock));
  parallel_for(context, divide_up(rows, kBlock), [&](int64_t block, int32_t participant) {
    const int64_t begin = block * kBlock, end = std::min(rows, begin + kBlock);
    int64_t stride;
    const size_t s = static_cast<size_t>(participant);
    const char* first = static_cast<const char*>(costs.rows_at(begin, end - begin, scratch[s].data(), &stride));
    for (int64_t i = begin; i < end; ++i) {
      const char* row = first + (i - begin) * stride * size_of(costs.type);
      if (kernels().assignment.cost_bad[costs.type](row, costs.sign, cols) < cols) bad[s] = std::min(bad[s], i);
      const double excess = kernels().assignment.violation[costs.type](row, costs.sign, v, u[i], cols);
      const double own = costs.at(i, row_to_col[i]);
      const double slack = std::isinf(own) ? kInfinity : std::fabs(excess_of(u[i], v[row_to_col[i]], own));
      worst[s] = std::max({worst[s], excess, slack});
    }
  });
  const int64_t i = *std::min_element(bad.begin(), bad.end());
  if (i != INT64_MAX) throw_bad_cost(costs, i, scratch[0].data());
  return *std::max_element(worst.begin(), worst.end());
}

}  // namespace

void throw_bad_cost(const Costs& costs, int64_t i, double* scratch) {
  const int64_t j = kernels().assignment.cost_bad[costs.type](costs.row(i, scratch), costs.sign, costs.cols);
  if (j == costs.cols) costs_changed();
  const double value = costs.sign * costs.at(i, j);
  const char* what = std::isnan(value)   ? "is NaN"
                     : std::isinf(value) ? (value > 0 ? "is +Inf, which a maximum would always take"
                                                      : "is -Inf, which a minimum would always take")
                                         : "is beyond 1e300; an infinity forbids an entry";
  fail(MG_NUMERICAL, format("cost[%lld, %lld] %s", static_cast<long long>(i), static_cast<long long>(j), what));
}

void assignment(mg_context* context, int32_t dtype, int64_t rows, int64_t cols, const void* cost, int64_t ld,
                int32_t maximise, int64_t* row_to_col, double* u, double* v, double* value) {
  Costs costs{rows, cols, dtype, maximise ? -1.0 : 1.0};
  costs.data = cost;
  costs.ld = ld;
  solve(context, costs, false, row_to_col, u, v, value);
}

void assignment_warm(mg_context* context, int32_t dtype, int64_t rows, int64_t cols, const void* cost, int64_t ld,
                     int32_t maximise, int64_t* row_to_col, double* u, double* v, double* value) {
  Costs costs{rows, cols, dtype, maximise ? -1.0 : 1.0};
  costs.data = cost;
  costs.ld = ld;
  solve(context, costs, true, row_to_col, u, v, value);
}

void assignment_factors(mg_context* context, int32_t dtype, int64_t rows, int64_t cols, int64_t k, const void* x,
                        int64_t ldx, const void* y, int64_t ldy, int32_t maximise, int32_t warm, int64_t* row_to_col,
                        double* u, double* v, double* value) {
  const Costs costs = factored(context, dtype, rows, cols, k, x, ldx, y, ldy, maximise);
  solve(context, costs, warm, row_to_col, u, v, value);
  forget_factors(context, costs);
}

void assignment_batch(mg_context* context, int64_t problems, int32_t dtype, const int64_t* rows, const int64_t* cols,
                      const void* const* cost, const int64_t* ld, int32_t maximise, int64_t* row_to_col, double* u,
                      double* v, double* value) {
  AssignmentState& state = state_of(context);
  std::vector<int64_t> row_offset(static_cast<size_t>(problems) + 1, 0), col_offset(row_offset);
  for (int64_t p = 0; p < problems; ++p) {
    MG_REQUIRE(cols[p] < INT32_MAX, "%lld columns are too many", static_cast<long long>(cols[p]));
    row_offset[static_cast<size_t>(p + 1)] = row_offset[static_cast<size_t>(p)] + rows[p];
    col_offset[static_cast<size_t>(p + 1)] = col_offset[static_cast<size_t>(p)] + cols[p];
  }
  std::fill(std::begin(state.counters), std::end(state.counters), 0);
  std::vector<AssignmentCounters> counters(static_cast<size_t>(problems));
  // The failure of the first problem is reported, whichever thread is quicker.
  std::vector<std::exception_ptr> failures(static_cast<size_t>(problems));
  parallel_for(context, problems, [&](int64_t p, int32_t participant) {
    const size_t at = static_cast<size_t>(p);
    try {
      Costs costs{rows[p], cols[p], dtype, maximise ? -1.0 : 1.0};
      costs.data = cost[p];
      costs.ld = ld[p];
      AssignmentScratch& scratch = state.scratch[static_cast<size_t>(participant)];
      AssignmentSolver solver(context, costs, scratch, true, state.route);
      solver.solve(nullptr);
      finish(costs, solver, row_to_col + row_offset[at], u + row_offset[at], v + col_offset[at], value + p);
      counters[at] = solver.counters();
      if (!solver.by_columns()) {
        make_exact(context, costs, nullptr, row_to_col + row_offset[at], u + row_offset[at], v + col_offset[at],
                   value + p);
      }
      forget_large(scratch);
    } catch (const Error& error) {
      if (error.status == MG_CANCELLED) throw;
      failures[at] = std::make_exception_ptr(
          Error{error.status, format("problem %lld: ", static_cast<long long>(p)) + error.text});
    }
  });
  for (const std::exception_ptr& failure : failures) {
    if (failure) std::rethrow_exception(failure);
  }
  for (const AssignmentCounters& each : counters) count(state, each);
}

void assignment_certify(mg_context* context, int32_t dtype, int64_t rows, int64_t cols, const void* cost, int64_t ld,
                        int32_t maximise, const int64_t* row_to_col, const double* u, const double* v,
                        double* violation) {
  Costs costs{rows, cols, dtype, maximise ? -1.0 : 1.0};
  costs.data = cost;
  costs.ld = ld;
  *violation = violation_of(context, costs, row_to_col, u, v);
}

void assignment_factors_certify(mg_context* context, int32_t dtype, int64_t rows, int64_t cols, int64_t k,
                                const void* x, int64_t ldx, const void* y, int64_t ldy, int32_t maximise,
                                const int64_t* row_to_col, const double* u, const double* v, double* violation) {
  const Costs costs = factored(context, dtype, rows, cols, k, x, ldx, y, ldy, maximise);
  *violation = violation_of(context, costs, row_to_col, u, v);
  forget_factors(context, costs);
}

}  // namespace merganser
