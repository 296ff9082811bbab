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
  const char* first = static_cast<const char*>(x) + i * ldx * size_of(dtype);
  if (!factored()) {
    *stride = ldx;
    return first;
  }
  *stride = panels() * kFactorPanel;
  kernels().assignment.factor_rows[dtype](first, ldx, count, packed, k, panels(), scratch, *stride);
  return scratch;
}

double Costs::at(int64_t i, int64_t j) const {
  if (!factored()) return sign * element_of(dtype, x, i * ldx + j);
  double sum = 0;
  for (int64_t l = 0; l < k; ++l) sum += element_of(dtype, x, i * ldx + l) * element_of(dtype, y, j * ldy + l);
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

void count(AssignmentState& state, const AssignmentCounters& c) {
  int64_t* out = state.counters;
  for (const int64_t each : {c.free_after_columns, c.free_after_greedy, c.reduction_steps, c.free_after_reduction,
                             c.auction_steps, c.lists, c.dense_scans, c.sparse_paths, c.dense_paths, c.dense_rows}) {
    *out++ += each;
  }
}

// Solves from the duals `start`, or from none, and returns what it took.
AssignmentCounters solve(mg_context* context, const Costs& costs, AssignmentState& state, int32_t participant,
                         bool serial, const double* start, int64_t* row_to_col, double* u, double* v, double* value) {
  AssignmentScratch& scratch = state.scratch[participant];
  AssignmentSolver solver(context, costs, scratch, serial, state.route);
  solver.solve(start);
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
  if (!solver.by_columns()) make_exact(context, costs, start, row_to_col, u, v, value);
  const AssignmentCounters counters = solver.counters();
  if (scratch.bytes > kKeptBytes) scratch = AssignmentScratch();
  return counters;
}

void solve(mg_context* context, const Costs& costs, bool warm, int64_t* row_to_col, double* u, double* v,
           double* value) {
  if (warm) {
    MG_REQUIRE(costs.rows == costs.cols,
               "a start from given duals needs as many rows as columns, not %lld rows and %lld columns",
               Long{costs.rows}, Long{costs.cols});
    for (int64_t j = 0; j < costs.cols; ++j) {
      MG_REQUIRE(std::fabs(v[j]) <= 1e300, "v[%lld] = %g is no dual to start from", Long{j}, v[j]);
    }
  }
  AssignmentState& state = state_of(context);
  std::fill(std::begin(state.counters), std::end(state.counters), 0);
  const std::vector<double> given(v, v + (warm ? costs.cols : 0));
  const double* start = warm ? given.data() : nullptr;
  count(state, solve(context, costs, state, 0, false, start, row_to_col, u, v, value));
}

// Largest |element|; the first that is not finite is an error.
double largest_of(const char* name, int32_t dtype, int64_t rows, int64_t k, const void* data, int64_t ld) {
  double largest = 0;
  std::vector<double> row(k);
  for (int64_t i = 0; i < rows; ++i) {
    kernels().elementwise.widen[dtype](static_cast<const char*>(data) + i * ld * size_of(dtype), row.data(), k);
    for (int64_t l = 0; l < k; ++l) {
      const double magnitude = std::fabs(row[l]);
      if (!(magnitude < kInfinity)) {
        fail(MG_NUMERICAL,
             format("%s[%lld, %lld] is %s", name, Long{i}, Long{l}, std::isnan(magnitude) ? "NaN" : "infinite"));
      }
      largest = std::max(largest, magnitude);
    }
  }
  return largest;
}

// y in panels, as the kernels read it.
template <typename T>
const void* pack(mg_context* context, const Costs& c, Buffer<char>& packed) {
  packed.reserve(c.panels() * kFactorPanel * c.k * static_cast<int64_t>(sizeof(T)));
  parallel_for(context, c.panels(), [&](int64_t p, int32_t) {
    T* panel = reinterpret_cast<T*>(packed.data()) + p * kFactorPanel * c.k;
    for (int64_t w = 0; w < kFactorPanel; ++w) {
      const int64_t j = p * kFactorPanel + w;
      for (int64_t l = 0; l < c.k; ++l) {
        panel[l * kFactorPanel + w] = j < c.cols ? static_cast<T>(element_of(c.dtype, c.y, j * c.ldy + l)) : T{};
      }
    }
  });
  return packed.data();
}

// Calls run with the costs of a problem.
template <typename Run>
void with_costs(mg_context* context, const mg_costs& given, bool maximise, const Run& run) {
  Costs costs(given, maximise);
  Buffer<char>& packed = state_of(context).packed;
  if (costs.factored()) {
    const double bound = largest_of("x", costs.dtype, costs.rows, costs.k, costs.x, costs.ldx) *
                         largest_of("y", costs.dtype, costs.cols, costs.k, costs.y, costs.ldy);
    if (!(bound * static_cast<double>(costs.k) <= 1e300)) {
      fail(MG_NUMERICAL, "products of x and y may be beyond 1e300");
    }
    const auto packing = costs.dtype == MG_F64 ? &pack<double> : &pack<float>;
    costs.packed = packing(context, costs, packed);
  }
  run(costs);
  if (packed.size() > kKeptBytes) packed = Buffer<char>();
}

double violation_of(mg_context* context, const Costs& costs, const int64_t* row_to_col, const double* u,
                    const double* v) {
  const int64_t rows = costs.rows, cols = costs.cols;
  std::vector<char> used(cols, 0);
  for (int64_t i = 0; i < rows; ++i) {
    const int64_t j = row_to_col[i];
    MG_REQUIRE(j >= 0 && j < cols && !used[j], "row_to_col[%lld] = %lld is out of range or taken twice", Long{i},
               Long{j});
    MG_REQUIRE(std::isfinite(u[i]), "u[%lld] is not finite", Long{i});
    used[j] = 1;
  }
  std::vector<double> worst(participants(context), 0.0);
  std::vector<int64_t> bad(worst.size(), INT64_MAX);
  std::vector<Buffer<double>> scratch(worst.size());
  for (int64_t j = 0; j < cols; ++j) {
    MG_REQUIRE(std::isfinite(v[j]), "v[%lld] is not finite", Long{j});
    if (rows < cols) worst[0] = std::max(worst[0], used[j] ? v[j] : std::fabs(v[j]));
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
  fail(MG_NUMERICAL, format("cost[%lld, %lld] %s", Long{i}, Long{j}, what));
}

void assignment(mg_context* context, const mg_costs* given, int32_t maximise, int32_t warm, int64_t* row_to_col,
                double* u, double* v, double* value) {
  with_costs(context, *given, maximise,
             [&](const Costs& costs) { solve(context, costs, warm, row_to_col, u, v, value); });
}

void assignment_batch(mg_context* context, int64_t problems, const mg_costs* given, int32_t maximise,
                      int64_t* row_to_col, double* u, double* v, double* value) {
  AssignmentState& state = state_of(context);
  std::vector<int64_t> row_offset(problems + 1, 0), col_offset(row_offset);
  for (int64_t p = 0; p < problems; ++p) {
    row_offset[p + 1] = row_offset[p] + given[p].rows;
    col_offset[p + 1] = col_offset[p] + given[p].cols;
  }
  std::fill(std::begin(state.counters), std::end(state.counters), 0);
  std::vector<AssignmentCounters> counters(problems);
  // The failure of the first problem is reported, whichever thread is quicker.
  std::vector<std::exception_ptr> failures(problems);
  parallel_for(context, problems, [&](int64_t p, int32_t participant) {
    try {
      counters[p] = solve(context, Costs(given[p], maximise), state, participant, true, nullptr,
                          row_to_col + row_offset[p], u + row_offset[p], v + col_offset[p], value + p);
    } catch (const Error& error) {
      if (error.status == MG_CANCELLED) throw;
      failures[p] = std::current_exception();
    }
  });
  for (int64_t p = 0; p < problems; ++p) {
    const std::exception_ptr& failure = failures[p];
    if (failure) of_problem(p, [&] { std::rethrow_exception(failure); });
  }
  for (const AssignmentCounters& each : counters) count(state, each);
}

void assignment_certify(mg_context* context, const mg_costs* given, int32_t maximise, const int64_t* row_to_col,
                        const double* u, const double* v, double* violation) {
  with_costs(context, *given, maximise,
             [&](const Costs& costs) { *violation = violation_of(context, costs, row_to_col, u, v); });
}

}  // namespace merganser
