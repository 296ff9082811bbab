// SPDX-License-Identifier: Apache-2.0
// Linear assignment: the phases of routines/assignment.h on the host, which read lists, minima and, where they must,
// whole rows that assignment_costs.cu makes on the device. The results have the bytes of the CPU's: decisions depend on
// lists as they are at their time, so the host derives each from a wider one that the device made earlier, or has it
// made anew.
//
// Considered: copying the matrix to the host and solving there (n = 14336, F32: 822 MB, 16 to 30 ms over PCIe 5 into
// memory that takes 100 ms to page-lock, then the CPU's passes over it, which are bound by its memory); lists rebuilt
// on the device one at a time when the host asks (1 to 2 n round trips of 20 us).
//
// Expected on an H100, n = 14336, F32: 1 ms for the passes of assignment_costs.cu and their results; then the host: n
// to 2 n lists of 0.5 us and 4 n to 10 n steps of 0.1 us, 10 to 30 ms for uniform costs and correlations with few
// rebuilds; Euclidean costs (10 n lists, 36 n steps, 5 % of the lists a round trip) 0.3 s.
#include <algorithm>

#include "cuda/assignment_costs.h"

namespace merganser {
namespace cuda {

AssignmentState& kept_assignment(mg_context* context) {
  AssignmentState& state = context->kept<AssignmentState>();
  if (state.scratch.empty()) state.scratch.resize(1);
  return state;
}

void assignment(mg_context* context, const mg_costs* given, int32_t maximise, int32_t warm, int64_t* row_to_col,
                double* u, double* v, double* value) {
  OnDevice here;
  DeviceCosts costs(context, *given, maximise);
  const std::vector<double> start = assignment_start(costs, warm, v);
  AssignmentState& state = kept_assignment(context);
  state.clear_counters();
  state.count(solve_assignment(context, costs, state.scratch[0], state.route, warm ? start.data() : nullptr, row_to_col,
                               u, v, value));
}

void assignment_certify(mg_context* context, const mg_costs* given, int32_t maximise, const int64_t* row_to_col,
                        const double* u, const double* v, double* violation) {
  OnDevice here;
  DeviceCosts costs(context, *given, maximise);
  *violation = assignment_violation(costs, row_to_col, u, v);
}

}  // namespace cuda
}  // namespace merganser
