// SPDX-License-Identifier: Apache-2.0
// The exported routines: argument checks, then dispatch through the context's table.
#include <algorithm>
#include <cmath>

#include "core/abi_checks.h"
#include "core/isa.h"
#include "merganser.h"
#include "routines/moments_state.h"

using namespace merganser;

namespace {

void check_moments(const mg_context* context, const mg_moments* moments) {
  check_context(context);
  MG_REQUIRE(moments, "moments is NULL");
  MG_REQUIRE(moments->table == context->table, "the moments belong to another backend");
}

void check_leading(int64_t ld, int64_t columns, const char* name) {
  MG_REQUIRE(ld >= columns && ld >= 1, "%s = %lld is below the row length %lld", name, static_cast<Long>(ld),
             static_cast<Long>(columns));
}

void check_matrix(const mg_context* context, const char* routine, int64_t rows, int64_t cols, const void* matrix,
                  int64_t ld, const char* name, const char* leading) {
  check_size(rows, "rows");
  check_size(cols, "cols");
  check_leading(ld, cols, leading);
  if (rows > 0 && cols > 0) check_array(context, routine, matrix, name);
}

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

void check_apply(const mg_context* context, const char* routine, int32_t dtype, int64_t outer, int64_t n_in,
                 int64_t inner, int64_t n_out, const void* in, int64_t in_stride, const void* out, int64_t out_stride) {
  check_dtype(dtype);
  check_size(outer, "outer");
  check_size(n_in, "n_in");
  check_size(inner, "inner");
  check_size(n_out, "n_out");
  int64_t in_slice, out_slice, total;
  MG_REQUIRE(!__builtin_mul_overflow(n_in, inner, &in_slice) && !__builtin_mul_overflow(n_out, inner, &out_slice) &&
                 !__builtin_mul_overflow(outer, std::max(in_slice, out_slice), &total),
             "the tensor has too many elements");
  if (outer > 1) {
    MG_REQUIRE(in_stride >= in_slice, "in_stride = %lld is below the slice of %lld elements",
               static_cast<Long>(in_stride), static_cast<Long>(in_slice));
    MG_REQUIRE(out_stride >= out_slice, "out_stride = %lld is below the slice of %lld elements",
               static_cast<Long>(out_stride), static_cast<Long>(out_slice));
  }
  if (outer > 0 && in_slice > 0) check_array(context, routine, in, "in");
  if (outer > 0 && out_slice > 0) check_array(context, routine, out, "out");
}

}  // namespace

extern "C" {

int32_t mg_moments_create(mg_context* context, int32_t streams, const int64_t* widths, int32_t pairs,
                          const int32_t* pair_i, const int32_t* pair_j, int32_t mode, int32_t nonfinite,
                          mg_moments** out) {
  auto check = [&] {
    check_context(context);
    MG_REQUIRE(streams >= 1, "streams must be >= 1, not %d", streams);
    MG_REQUIRE(pairs >= 0, "pairs must be >= 0, not %d", pairs);
    check_pointer(widths, "widths");
    check_pointer(out, "out");
    if (pairs > 0) {
      check_pointer(pair_i, "pair_i");
      check_pointer(pair_j, "pair_j");
    }
    MG_REQUIRE(mode >= MG_MOMENTS_F32 && mode <= MG_MOMENTS_F64, "unknown moments mode %d", mode);
    MG_REQUIRE(nonfinite == MG_NONFINITE_FAIL || nonfinite == MG_NONFINITE_SKIP_SAMPLE, "unknown nonfinite policy %d",
               nonfinite);
    for (int32_t s = 0; s < streams; ++s) {
      MG_REQUIRE(widths[s] >= 1 && widths[s] <= INT32_MAX, "width of stream %d must be in [1, 2^31), not %lld", s,
                 static_cast<Long>(widths[s]));
    }
    for (int32_t k = 0; k < pairs; ++k) {
      MG_REQUIRE(0 <= pair_i[k] && pair_i[k] <= pair_j[k] && pair_j[k] < streams,
                 "pair %d is (%d, %d); expected 0 <= i <= j < %d", k, pair_i[k], pair_j[k], streams);
    }
  };
  return dispatch(check, &Table::moments_create, context, streams, widths, pairs, pair_i, pair_j, mode, nonfinite, out);
}

void mg_moments_destroy(mg_context*, mg_moments* moments) { delete moments; }

int32_t mg_moments_update(mg_context* context, mg_moments* moments, const void* const* data, int32_t dtype,
                          int64_t outer, int64_t inner, const int64_t* strides) {
  auto check = [&] {
    check_moments(context, moments);
    check_real(dtype);
    check_size(outer, "outer");
    check_size(inner, "inner");
    int64_t samples;
    MG_REQUIRE(!__builtin_mul_overflow(outer, inner, &samples), "too many samples");
    check_pointer(data, "data");
    check_pointer(strides, "strides");
    for (size_t s = 0; s < moments->widths.size(); ++s) {
      MG_REQUIRE(samples == 0 || data[s], "data of stream %d is NULL", static_cast<int>(s));
      if (samples > 0) check_resident(context, data[s], "moments_update", "data", static_cast<int32_t>(s));
    }
  };
  return dispatch(check, &Table::moments_update, context, moments, data, dtype, outer, inner, strides);
}

int64_t mg_moments_count(const mg_moments* moments) { return moments ? moments->count : 0; }

int64_t mg_moments_skipped(const mg_moments* moments) { return moments ? moments->skipped : 0; }

int32_t mg_moments_stream(mg_context* context, const mg_moments* moments, int32_t stream, double* mean, double* m2) {
  auto check = [&] {
    check_moments(context, moments);
    MG_REQUIRE(stream >= 0 && stream < static_cast<int32_t>(moments->widths.size()), "stream %d of %d", stream,
               static_cast<int>(moments->widths.size()));
    check_host("moments_stream", mean, "mean");
    check_host("moments_stream", m2, "m2");
  };
  return dispatch(check, &Table::moments_stream, context, moments, stream, mean, m2);
}

int32_t mg_moments_block(mg_context* context, const mg_moments* moments, int32_t pair, double* out) {
  auto check = [&] {
    check_moments(context, moments);
    MG_REQUIRE(pair >= 0 && pair < static_cast<int32_t>(moments->pair_i.size()), "pair %d of %d", pair,
               static_cast<int>(moments->pair_i.size()));
    check_array(context, "moments_block", out, "out");
  };
  return dispatch(check, &Table::moments_block, context, moments, pair, out);
}

int32_t mg_gemm(mg_context* context, int32_t dtype, int32_t transpose_a, int32_t transpose_b, int64_t m, int64_t n,
                int64_t k, double alpha, const void* a, int64_t lda, const void* b, int64_t ldb, double beta, void* c,
                int64_t ldc) {
  auto check = [&] {
    check_context(context);
    check_real(dtype);
    check_size(m, "m");
    check_size(n, "n");
    check_size(k, "k");
    check_leading(lda, transpose_a ? m : k, "lda");
    check_leading(ldb, transpose_b ? k : n, "ldb");
    check_leading(ldc, n, "ldc");
    if (m == 0 || n == 0) return;
    if (k > 0) {
      check_array(context, "gemm", a, "a");
      check_array(context, "gemm", b, "b");
    }
    check_array(context, "gemm", c, "c");
  };
  return dispatch(check, &Table::gemm, context, dtype, transpose_a, transpose_b, m, n, k, alpha, a, lda, b, ldb, beta,
                  c, ldc);
}

int32_t mg_polar(mg_context* context, int32_t dtype, int64_t count, int64_t n, const double* a, int64_t lda, double* q,
                 int64_t ldq, double* sigma, mg_polar_report* reports) {
  auto check = [&] {
    check_context(context);
    check_real(dtype);
    check_size(count, "count");
    MG_REQUIRE(n >= 1, "n must be >= 1, not %lld", static_cast<Long>(n));
    check_leading(lda, n, "lda");
    check_leading(ldq, n, "ldq");
    if (count == 0) return;
    check_array(context, "polar", a, "a");
    check_array(context, "polar", q, "q");
    if (sigma) check_array(context, "polar", sigma, "sigma");
    check_pointer(reports, "reports");
  };
  return dispatch(check, &Table::polar, context, dtype, count, n, a, lda, q, ldq, sigma, reports);
}

int32_t mg_cca_map(mg_context* context, int32_t dtype, int64_t n, const double* sxx, const double* syy,
                   const double* sxy, int64_t count, const double* gamma_x, const double* gamma_y, double* t,
                   double* tinv, double* correlations, mg_cca_report* reports) {
  auto check = [&] {
    check_context(context);
    check_real(dtype);
    MG_REQUIRE(n >= 1, "n must be >= 1, not %lld", static_cast<Long>(n));
    check_size(count, "count");
    if (count == 0) return;
    check_pointer(gamma_x, "gamma_x");
    check_pointer(gamma_y, "gamma_y");
    for (int64_t k = 0; k < count; ++k) {
      MG_REQUIRE(std::isfinite(gamma_x[k]) && gamma_x[k] >= 0, "gamma_x must be >= 0 and finite, not %g", gamma_x[k]);
      MG_REQUIRE(std::isfinite(gamma_y[k]) && gamma_y[k] >= 0, "gamma_y must be >= 0 and finite, not %g", gamma_y[k]);
    }
    check_array(context, "cca_map", sxx, "sxx");
    check_array(context, "cca_map", syy, "syy");
    check_array(context, "cca_map", sxy, "sxy");
    check_array(context, "cca_map", t, "t");
    check_array(context, "cca_map", tinv, "tinv");
    if (correlations) check_array(context, "cca_map", correlations, "correlations");
    check_pointer(reports, "reports");
  };
  return dispatch(check, &Table::cca_map, context, dtype, n, sxx, syy, sxy, count, gamma_x, gamma_y, t, tinv,
                  correlations, reports);
}

int32_t mg_divide(mg_context* context, int64_t rows, int64_t cols, const double* a, int64_t lda,
                  const double* row_divisors, const double* col_divisors, double* out, int64_t ldo) {
  auto check = [&] {
    check_context(context);
    check_matrix(context, "divide", rows, cols, a, lda, "a", "lda");
    check_matrix(context, "divide", rows, cols, out, ldo, "out", "ldo");
    if (row_divisors) check_host("divide", row_divisors, "row_divisors");
    if (col_divisors) check_host("divide", col_divisors, "col_divisors");
  };
  return dispatch(check, &Table::divide, context, rows, cols, a, lda, row_divisors, col_divisors, out, ldo);
}

int32_t mg_norm(mg_context* context, int32_t kind, int64_t rows, int64_t cols, const double* a, int64_t lda,
                double shift, double* out) {
  auto check = [&] {
    check_context(context);
    MG_REQUIRE(kind == MG_NORM_ONE || kind == MG_NORM_MAX, "unknown norm %d", kind);
    check_matrix(context, "norm", rows, cols, a, lda, "a", "lda");
    check_host("norm", out, "out");
  };
  return dispatch(check, &Table::norm, context, kind, rows, cols, a, lda, shift, out);
}

int32_t mg_row_products(mg_context* context, int64_t rows, int64_t cols, const double* x, int64_t ldx, const double* y,
                        int64_t ldy, double* out) {
  auto check = [&] {
    check_context(context);
    check_matrix(context, "row_products", rows, cols, x, ldx, "x", "ldx");
    check_matrix(context, "row_products", rows, cols, y, ldy, "y", "ldy");
    if (rows > 0) check_host("row_products", out, "out");
  };
  return dispatch(check, &Table::row_products, context, rows, cols, x, ldx, y, ldy, out);
}

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

int32_t mg_assignment_route(mg_context* context, int32_t route) {
  return guard([&] {
    check_context(context);
    MG_REQUIRE(route >= 0 && route < 128, "unknown route %d", route);
    context->assignment_route = route;
  });
}

int32_t mg_assignment_counters(mg_context* context, int64_t* counters) {
  return guard([&] {
    check_context(context);
    check_pointer(counters, "counters");
    std::copy_n(context->assignment_counters, MG_ASSIGNMENT_COUNTERS, counters);
  });
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

int32_t mg_apply_dense(mg_context* context, int32_t dtype, int64_t outer, int64_t n_in, int64_t inner, int64_t n_out,
                       const double* map, int64_t ldmap, int32_t transpose, const void* in, int64_t in_stride,
                       void* out, int64_t out_stride) {
  auto check = [&] {
    check_context(context);
    check_apply(context, "apply_dense", dtype, outer, n_in, inner, n_out, in, in_stride, out, out_stride);
    check_leading(ldmap, transpose ? n_out : n_in, "ldmap");
    if (n_in > 0 && n_out > 0) check_array(context, "apply_dense", map, "map");
  };
  return dispatch(check, &Table::apply_dense, context, dtype, outer, n_in, inner, n_out, map, ldmap, transpose, in,
                  in_stride, out, out_stride);
}

int32_t mg_apply_gather(mg_context* context, int32_t dtype, int64_t outer, int64_t n_in, int64_t inner, int64_t n_out,
                        const int64_t* index, const double* scale, const void* in, int64_t in_stride, void* out,
                        int64_t out_stride) {
  auto check = [&] {
    check_context(context);
    check_apply(context, "apply_gather", dtype, outer, n_in, inner, n_out, in, in_stride, out, out_stride);
    if (n_out > 0) check_pointer(index, "index");
    for (int64_t r = 0; r < n_out; ++r) {
      MG_REQUIRE(index[r] >= 0 && index[r] < n_in, "index[%lld] = %lld is outside [0, %lld)", static_cast<Long>(r),
                 static_cast<Long>(index[r]), static_cast<Long>(n_in));
    }
  };
  return dispatch(check, &Table::apply_gather, context, dtype, outer, n_in, inner, n_out, index, scale, in, in_stride,
                  out, out_stride);
}

int32_t mg_weighted_sum(mg_context* context, int32_t dtype, int64_t count, int32_t models, const void* const* in,
                        const double* weights, void* out) {
  auto check = [&] {
    check_context(context);
    check_dtype(dtype);
    check_size(count, "count");
    MG_REQUIRE(models >= 1, "models must be >= 1, not %d", models);
    check_pointer(in, "in");
    check_pointer(weights, "weights");
    for (int32_t k = 0; k < models; ++k) {
      MG_REQUIRE(std::isfinite(weights[k]), "weights[%d] is %g", k, weights[k]);
      MG_REQUIRE(count == 0 || in[k], "in[%d] is NULL", k);
      if (count > 0) check_resident(context, in[k], "weighted_sum", "in", k);
    }
    if (count > 0) check_array(context, "weighted_sum", out, "out");
  };
  return dispatch(check, &Table::weighted_sum, context, dtype, count, models, in, weights, out);
}

int32_t mg_convert(mg_context* context, int32_t from, int32_t to, int64_t count, const void* in, void* out,
                   int64_t* overflowed) {
  auto check = [&] {
    check_context(context);
    check_dtype(from);
    check_dtype(to);
    check_size(count, "count");
    if (count > 0) {
      check_array(context, "convert", in, "in");
      check_array(context, "convert", out, "out");
    }
    check_pointer(overflowed, "overflowed");
  };
  return dispatch(check, &Table::convert, context, from, to, count, in, out, overflowed);
}

int32_t mg_nonfinite_count(mg_context* context, int32_t dtype, int64_t count, const void* in, int64_t* nonfinite,
                           int64_t* first) {
  auto check = [&] {
    check_context(context);
    check_dtype(dtype);
    check_size(count, "count");
    if (count > 0) check_array(context, "nonfinite_count", in, "in");
    check_pointer(nonfinite, "nonfinite");
    check_pointer(first, "first");
  };
  return dispatch(check, &Table::nonfinite_count, context, dtype, count, in, nonfinite, first);
}

}  // extern "C"
