// SPDX-License-Identifier: Apache-2.0
// Problems of assignment from their numbers.
#pragma once

#include "merganser.h"

namespace check {

inline mg_costs matrix(int32_t dtype, int64_t rows, int64_t cols, const void* cost, int64_t ld) {
  return {dtype, rows, cols, -1, cost, ld, nullptr, 0};
}

inline mg_costs products(int32_t dtype, int64_t rows, int64_t cols, int64_t k, const void* x, int64_t ldx,
                         const void* y, int64_t ldy) {
  return {dtype, rows, cols, k, x, ldx, y, ldy};
}

inline int32_t assign(mg_context* context, const mg_costs& costs, int32_t maximise, int32_t warm, int64_t* row_to_col,
                      double* u, double* v, double* value) {
  return mg_assignment(context, &costs, maximise, warm, row_to_col, u, v, value);
}

inline int32_t certified(mg_context* context, const mg_costs& costs, int32_t maximise, const int64_t* row_to_col,
                         const double* u, const double* v, double* violation) {
  return mg_assignment_certify(context, &costs, maximise, row_to_col, u, v, violation);
}

}  // namespace check
