// SPDX-License-Identifier: Apache-2.0
// The exported functions of linear assignment.
#include <algorithm>

#include "abi/checks.h"
#include "merganser.h"

using namespace merganser;

namespace {

void check_costs(const mg_context* context, const char* routine, const mg_costs& c) {
  check_real(c.dtype);
  check_size(c.rows, "rows");
  check_size(c.cols, "cols");
  MG_REQUIRE(c.k >= -1, "k must be >= 0, or -1 for a matrix, not %lld", Long{c.k});
  MG_REQUIRE(c.rows <= c.cols, "%lld rows cannot all be assigned to %lld columns", Long{c.rows}, Long{c.cols});
  MG_REQUIRE(c.cols < INT32_MAX, "%lld columns are too many", Long{c.cols});
  if (c.k < 0) {
    check_leading(c.ldx, c.cols, "ld");
    if (c.rows > 0) check_array(context, routine, c.x, "cost");
    return;
  }
  check_leading(c.ldx, c.k, "ldx");
  check_leading(c.ldy, c.k, "ldy");
  if (c.rows > 0 && c.k > 0) check_array(context, routine, c.x, "x");
  if (c.cols > 0 && c.k > 0) check_array(context, routine, c.y, "y");
}

void check_solution(const char* routine, int64_t rows, int64_t cols, const int64_t* row_to_col, const double* u,
                    const double* v, const double* value) {
  if (rows > 0) {
    check_pointer(row_to_col, "row_to_col");
    check_host(routine, u, "u");
  }
  if (cols > 0) check_host(routine, v, "v");
  check_pointer(value, "value");
}

}  // namespace

extern "C" {

int32_t mg_assignment(mg_context* context, const mg_costs* costs, int32_t maximise, int32_t warm, int64_t* row_to_col,
                      double* u, double* v, double* value) {
  auto check = [&] {
    check_pointer(costs, "costs");
    check_costs(context, "assignment", *costs);
    check_solution("assignment", costs->rows, costs->cols, row_to_col, u, v, value);
  };
  return dispatch(check, &Table::assignment, context, costs, maximise, warm, row_to_col, u, v, value);
}

int32_t mg_assignment_batch(mg_context* context, int64_t problems, const mg_costs* costs, int32_t maximise,
                            int64_t* row_to_col, double* u, double* v, double* value) {
  auto check = [&] {
    check_size(problems, "problems");
    if (problems == 0) return;
    check_pointer(costs, "costs");
    int64_t all_rows = 0, all_cols = 0;
    for (int64_t p = 0; p < problems; ++p) {
      of_problem(p, [&] {
        check_costs(context, "assignment_batch", costs[p]);
        MG_REQUIRE(costs[p].k < 0, "a batch is of matrices, not of products of rows");
        MG_REQUIRE(!__builtin_add_overflow(all_rows, costs[p].rows, &all_rows) &&
                       !__builtin_add_overflow(all_cols, costs[p].cols, &all_cols),
                   "too many rows or columns");
      });
    }
    check_solution("assignment_batch", all_rows, all_cols, row_to_col, u, v, value);
  };
  return dispatch(check, &Table::assignment_batch, context, problems, costs, maximise, row_to_col, u, v, value);
}

int32_t mg_assignment_certify(mg_context* context, const mg_costs* costs, int32_t maximise, const int64_t* row_to_col,
                              const double* u, const double* v, double* violation) {
  auto check = [&] {
    check_pointer(costs, "costs");
    check_costs(context, "assignment_certify", *costs);
    check_solution("assignment_certify", costs->rows, costs->cols, row_to_col, u, v, violation);
  };
  return dispatch(check, &Table::assignment_certify, context, costs, maximise, row_to_col, u, v, violation);
}

}  // extern "C"
