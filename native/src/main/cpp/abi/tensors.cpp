// SPDX-License-Identifier: Apache-2.0
// The exported functions that go over the elements of tensors.
#include <algorithm>
#include <cmath>

#include "abi/checks.h"
#include "merganser.h"

using namespace merganser;

namespace {

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
    MG_REQUIRE(in_stride >= in_slice, "in_stride = %lld is below the slice of %lld elements", Long{in_stride},
               Long{in_slice});
    MG_REQUIRE(out_stride >= out_slice, "out_stride = %lld is below the slice of %lld elements", Long{out_stride},
               Long{out_slice});
  }
  if (outer > 0 && in_slice > 0) check_array(context, routine, in, "in");
  if (outer > 0 && out_slice > 0) check_array(context, routine, out, "out");
}

void check_gamma(const mg_context* context, const char* routine, int32_t dtype, int32_t shape, int64_t rows,
                 int64_t columns, const void* x, const void* n, const void* s, double least) {
  check_real(dtype);
  MG_REQUIRE(shape >= MG_GAMMA_UNIFORM && shape <= MG_GAMMA_PER_ELEMENT, "unknown shape %d", shape);
  int64_t count;
  MG_REQUIRE(rows >= 1 && columns >= 1 && !__builtin_mul_overflow(rows, columns, &count),
             "there are no arrays of %lld x %lld elements here", Long{rows}, Long{columns});
  MG_REQUIRE(std::isfinite(least) && least >= 0, "least must be >= 0, not %g", least);
  check_array(context, routine, x, "x");
  check_array(context, routine, n, "n");
  check_array(context, routine, s, "s");
}

}  // namespace

extern "C" {

int32_t mg_apply_dense(mg_context* context, int32_t dtype, int64_t outer, int64_t n_in, int64_t inner, int64_t n_out,
                       const double* map, int64_t ldmap, int32_t transpose, const void* in, int64_t in_stride,
                       void* out, int64_t out_stride) {
  auto check = [&] {
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
    check_apply(context, "apply_gather", dtype, outer, n_in, inner, n_out, in, in_stride, out, out_stride);
    if (n_out > 0) check_pointer(index, "index");
    for (int64_t r = 0; r < n_out; ++r) {
      MG_REQUIRE(index[r] >= 0 && index[r] < n_in, "index[%lld] = %lld is outside [0, %lld)", Long{r}, Long{index[r]},
                 Long{n_in});
    }
  };
  return dispatch(check, &Table::apply_gather, context, dtype, outer, n_in, inner, n_out, index, scale, in, in_stride,
                  out, out_stride);
}

int32_t mg_weighted_sum(mg_context* context, int32_t dtype, int64_t count, int32_t models, const void* const* in,
                        const double* weights, void* out) {
  auto check = [&] {
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
    check_dtype(dtype);
    check_size(count, "count");
    if (count > 0) check_array(context, "nonfinite_count", in, "in");
    check_pointer(nonfinite, "nonfinite");
    check_pointer(first, "first");
  };
  return dispatch(check, &Table::nonfinite_count, context, dtype, count, in, nonfinite, first);
}

int32_t mg_gamma_forward(mg_context* context, int32_t dtype, int32_t shape, int64_t rows, int64_t columns,
                         const void* x, const void* n, const void* s, double least, void* out) {
  auto check = [&] {
    check_gamma(context, "gamma_forward", dtype, shape, rows, columns, x, n, s, least);
    check_array(context, "gamma_forward", out, "out");
  };
  return dispatch(check, &Table::gamma_forward, context, dtype, shape, rows, columns, x, n, s, least, out);
}

int32_t mg_gamma_backward(mg_context* context, int32_t dtype, int32_t shape, int64_t rows, int64_t columns,
                          const void* x, const void* g, const void* n, const void* s, double least, void* dx, void* dn,
                          void* ds) {
  auto check = [&] {
    check_gamma(context, "gamma_backward", dtype, shape, rows, columns, x, n, s, least);
    check_array(context, "gamma_backward", g, "g");
    check_array(context, "gamma_backward", dx, "dx");
    MG_REQUIRE(!dn == !ds, "dn and ds must both be NULL or both not");
    if (dn) check_resident(context, dn, "gamma_backward", "dn");
    if (ds) check_resident(context, ds, "gamma_backward", "ds");
  };
  return dispatch(check, &Table::gamma_backward, context, dtype, shape, rows, columns, x, g, n, s, least, dx, dn, ds);
}

}  // extern "C"
