// SPDX-License-Identifier: Apache-2.0
// Linear assignment: the phases of routines/assignment.h on the host, which read lists, minima and, where they must,
// whole rows that assignment_costs.cu makes on the device. The results have the bytes of the CPU's.
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
