// SPDX-License-Identifier: Apache-2.0
// The exported functions of linear assignment.
#include <algorithm>

#include "abi/checks.h"
#include "merganser.h"

using namespace merganser;

namespace {

void check_cost(const mg_context* context, const char* routine, int32_t dtype, int64_t rows, int64_t cols,
                const void* cost, int64_t ld) {
  check_real(dtype);
  check_size(rows, "rows");
  check_size(cols, "cols");
  MG_REQUIRE(rows <= cols, "%lld rows cannot all be assigned to %lld columns", static_cast<Long>(rows),
             static_cast<Long>(cols));
  check_leading(ld, cols, "ld");
  if (rows > 0) check_array(context, routine, cost, "cost");
}

void check_factors(const mg_context* context, const char* routine, int32_t dtype, int64_t rows, int64_t cols, int64_t k,
                   const void* x, int64_t ldx, const void* y, int64_t ldy) {
  check_real(dtype);
  check_size(rows, "rows");
  check_size(cols, "cols");
  check_size(k, "k");
  MG_REQUIRE(rows <= cols, "%lld rows cannot all be assigned to %lld columns", static_cast<Long>(rows),
             static_cast<Long>(cols));
  check_leading(ldx, k, "ldx");
  check_leading(ldy, k, "ldy");
  if (rows > 0 && k > 0) check_array(context, routine, x, "x");
  if (cols > 0 && k > 0) check_array(context, routine, y, "y");
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

int32_t mg_assignment(mg_context* context, int32_t dtype, int64_t rows, int64_t cols, const void* cost, int64_t ld,
                      int32_t maximise, int64_t* row_to_col, double* u, double* v, double* value) {
  auto check = [&] {
    check_context(context);
    check_cost(context, "assignment", dtype, rows, cols, cost, ld);
    check_solution("assignment", rows, cols, row_to_col, u, v, value);
  };
  return dispatch(check, &Table::assignment, context, dtype, rows, cols, cost, ld, maximise, row_to_col, u, v, value);
}

int32_t mg_assignment_warm(mg_context* context, int32_t dtype, int64_t rows, int64_t cols, const void* cost, int64_t ld,
                           int32_t maximise, int64_t* row_to_col, double* u, double* v, double* value) {
  auto check = [&] {
    check_context(context);
    check_cost(context, "assignment_warm", dtype, rows, cols, cost, ld);
    check_solution("assignment_warm", rows, cols, row_to_col, u, v, value);
  };
  return dispatch(check, &Table::assignment_warm, context, dtype, rows, cols, cost, ld, maximise, row_to_col, u, v,
                  value);
}

int32_t mg_assignment_factors(mg_context* context, int32_t dtype, int64_t rows, int64_t cols, int64_t k, const void* x,
                              int64_t ldx, const void* y, int64_t ldy, int32_t maximise, int32_t warm,
                              int64_t* row_to_col, double* u, double* v, double* value) {
  auto check = [&] {
    check_context(context);
    check_factors(context, "assignment_factors", dtype, rows, cols, k, x, ldx, y, ldy);
    check_solution("assignment_factors", rows, cols, row_to_col, u, v, value);
  };
  return dispatch(check, &Table::assignment_factors, context, dtype, rows, cols, k, x, ldx, y, ldy, maximise, warm,
                  row_to_col, u, v, value);
}

int32_t mg_assignment_batch(mg_context* context, int64_t problems, int32_t dtype, const int64_t* rows,
                            const int64_t* cols, const void* const* cost, const int64_t* ld, int32_t maximise,
                            int64_t* row_to_col, double* u, double* v, double* value) {
  auto check = [&] {
    check_context(context);
    check_real(dtype);
    check_size(problems, "problems");
    if (problems == 0) return;
    check_pointer(rows, "rows");
    check_pointer(cols, "cols");
    check_pointer(cost, "cost");
    check_pointer(ld, "ld");
    int64_t all_rows = 0, all_cols = 0;
    for (int64_t p = 0; p < problems; ++p) {
      check_size(rows[p], "rows");
      check_size(cols[p], "cols");
      MG_REQUIRE(rows[p] <= cols[p], "problem %lld: %lld rows cannot all be assigned to %lld columns",
                 static_cast<Long>(p), static_cast<Long>(rows[p]), static_cast<Long>(cols[p]));
      check_leading(ld[p], cols[p], "ld");
      MG_REQUIRE(rows[p] == 0 || cost[p], "cost[%lld] is NULL", static_cast<Long>(p));
      if (rows[p] > 0) {
        merganser::check_resident(context, cost[p], "assignment_batch", "cost", static_cast<int32_t>(p));
      }
      MG_REQUIRE(!__builtin_add_overflow(all_rows, rows[p], &all_rows) &&
                     !__builtin_add_overflow(all_cols, cols[p], &all_cols),
                 "too many rows or columns");
    }
    check_solution("assignment_batch", all_rows, all_cols, row_to_col, u, v, value);
  };
  return dispatch(check, &Table::assignment_batch, context, problems, dtype, rows, cols, cost, ld, maximise, row_to_col,
                  u, v, value);
}

int32_t mg_assignment_certify(mg_context* context, int32_t dtype, int64_t rows, int64_t cols, const void* cost,
                              int64_t ld, int32_t maximise, const int64_t* row_to_col, const double* u, const double* v,
                              double* violation) {
  auto check = [&] {
    check_context(context);
    check_cost(context, "assignment_certify", dtype, rows, cols, cost, ld);
    check_solution("assignment_certify", rows, cols, row_to_col, u, v, violation);
  };
  return dispatch(check, &Table::assignment_certify, context, dtype, rows, cols, cost, ld, maximise, row_to_col, u, v,
                  violation);
}

int32_t mg_assignment_factors_certify(mg_context* context, int32_t dtype, int64_t rows, int64_t cols, int64_t k,
                                      const void* x, int64_t ldx, const void* y, int64_t ldy, int32_t maximise,
                                      const int64_t* row_to_col, const double* u, const double* v, double* violation) {
  auto check = [&] {
    check_context(context);
    check_factors(context, "assignment_factors_certify", dtype, rows, cols, k, x, ldx, y, ldy);
    check_solution("assignment_factors_certify", rows, cols, row_to_col, u, v, violation);
  };
  return dispatch(check, &Table::assignment_factors_certify, context, dtype, rows, cols, k, x, ldx, y, ldy, maximise,
                  row_to_col, u, v, violation);
}

}  // extern "C"
