// SPDX-License-Identifier: Apache-2.0
// The CPU's entries of linear assignment: see assignment_solver.cpp.
#include <algorithm>
#include <exception>

#include "routines/assignment_costs.h"
#include "runtime/error.h"
#include "runtime/pool.h"

namespace merganser {

namespace {

// Scratch above this is given back after the call.
constexpr int64_t kKeptBytes = int64_t{64} << 20;

// What a context keeps, with room for every participant.
struct Kept {
  AssignmentState& solver;
  CostsState& costs;

  explicit Kept(mg_context* context)
      : solver(context->kept<AssignmentState>()), costs(context->kept<CostsState>()) {
    const size_t needed = static_cast<size_t>(participants(context));
    if (solver.scratch.size() < needed) solver.scratch.resize(needed);
    if (costs.scratch.size() < needed) costs.scratch.resize(needed);
  }
};

// Solves from the duals `start`, or from none, and returns what it took.
AssignmentCounters solve(mg_context* context, HostCosts& costs, Kept& kept, int32_t participant, const double* start,
                         int64_t* row_to_col, double* u, double* v, double* value) {
  AssignmentScratch& scratch = kept.solver.scratch[participant];
  const AssignmentCounters counters =
      solve_assignment(context, costs, scratch, kept.solver.route, start, row_to_col, u, v, value);
  if (scratch.bytes + costs.bytes() > kKeptBytes) {
    scratch = AssignmentScratch();
    kept.costs.scratch[participant].clear();
  }
  return counters;
}

// Calls run with the costs of a problem.
template <typename Run>
void with_costs(mg_context* context, const mg_costs& given, bool maximise, const Run& run) {
  Kept kept(context);
  Buffer<char>& packed = kept.costs.packed;
  HostCosts costs(context, given, maximise, kept.costs.scratch[0], packed, false);
  run(costs, kept);
  if (packed.size() > kKeptBytes) packed = Buffer<char>();
}

}  // namespace

void assignment(mg_context* context, const mg_costs* given, int32_t maximise, int32_t warm, int64_t* row_to_col,
                double* u, double* v, double* value) {
  with_costs(context, *given, maximise, [&](HostCosts& costs, Kept& kept) {
    const std::vector<double> start = assignment_start(costs, warm, v);
    kept.solver.clear_counters();
    kept.solver.count(solve(context, costs, kept, 0, warm ? start.data() : nullptr, row_to_col, u, v, value));
  });
}

void assignment_batch(mg_context* context, int64_t problems, const mg_costs* given, int32_t maximise,
                      int64_t* row_to_col, double* u, double* v, double* value) {
  Kept kept(context);
  std::vector<int64_t> row_offset(problems + 1, 0), col_offset(row_offset);
  for (int64_t p = 0; p < problems; ++p) {
    row_offset[p + 1] = row_offset[p] + given[p].rows;
    col_offset[p + 1] = col_offset[p] + given[p].cols;
  }
  kept.solver.clear_counters();
  std::vector<AssignmentCounters> counters(problems);
  // The failure of the first problem is reported, whichever thread is quicker.
  std::vector<std::exception_ptr> failures(problems);
  parallel_for(context, problems, [&](int64_t p, int32_t participant) {
    try {
      Buffer<char> none;  // no problem of a batch has factors
      HostCosts costs(context, given[p], maximise, kept.costs.scratch[participant], none, true);
      counters[p] = solve(context, costs, kept, participant, nullptr, row_to_col + row_offset[p], u + row_offset[p],
                          v + col_offset[p], value + p);
    } catch (const Error& error) {
      if (error.status == MG_CANCELLED) throw;
      failures[p] = std::current_exception();
    }
  });
  for (int64_t p = 0; p < problems; ++p) {
    const std::exception_ptr& failure = failures[p];
    if (failure) of_problem(p, [&] { std::rethrow_exception(failure); });
  }
  for (const AssignmentCounters& each : counters) kept.solver.count(each);
}

void assignment_certify(mg_context* context, const mg_costs* given, int32_t maximise, const int64_t* row_to_col,
                        const double* u, const double* v, double* violation) {
  with_costs(context, *given, maximise,
             [&](HostCosts& costs, Kept&) { *violation = assignment_violation(costs, row_to_col, u, v); });
}

}  // namespace merganser
