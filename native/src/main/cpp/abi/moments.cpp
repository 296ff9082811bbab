// SPDX-License-Identifier: Apache-2.0
// The exported functions of moments.
#include "abi/checks.h"
#include "merganser.h"
#include "routines/moments_state.h"

using namespace merganser;

namespace {

void check_moments(const mg_context* context, const mg_moments* moments) {
  MG_REQUIRE(moments, "moments is NULL");
  MG_REQUIRE(moments->table == context->table, "the moments belong to another backend");
}

}  // namespace

extern "C" {

int32_t mg_moments_create(mg_context* context, int32_t series, const int64_t* widths, int32_t pairs,
                          const int32_t* pair_i, const int32_t* pair_j, int32_t mode, int32_t nonfinite,
                          mg_moments** out) {
  auto check = [&] {
    MG_REQUIRE(series >= 1, "series must be >= 1, not %d", series);
    MG_REQUIRE(pairs >= 0, "pairs must be >= 0, not %d", pairs);
    check_pointer(widths, "widths");
    check_pointer(out, "out");
    if (pairs > 0) {
      check_pointer(pair_i, "pair_i");
      check_pointer(pair_j, "pair_j");
    }
    MG_REQUIRE(mode >= MG_MOMENTS_F32 && mode <= MG_MOMENTS_TF32X3, "unknown moments mode %d", mode);
    MG_REQUIRE(nonfinite == MG_NONFINITE_FAIL || nonfinite == MG_NONFINITE_SKIP_SAMPLE, "unknown nonfinite policy %d",
               nonfinite);
    for (int32_t s = 0; s < series; ++s) {
      MG_REQUIRE(widths[s] >= 1 && widths[s] <= INT32_MAX, "width of series %d must be in [1, 2^31), not %lld", s,
                 Long{widths[s]});
    }
    for (int32_t k = 0; k < pairs; ++k) {
      MG_REQUIRE(0 <= pair_i[k] && pair_i[k] <= pair_j[k] && pair_j[k] < series,
                 "pair %d is (%d, %d); expected 0 <= i <= j < %d", k, pair_i[k], pair_j[k], series);
    }
  };
  return dispatch(check, &Table::moments_create, context, series, widths, pairs, pair_i, pair_j, mode, nonfinite, out);
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
      MG_REQUIRE(samples == 0 || data[s], "data of series %d is NULL", static_cast<int>(s));
      if (samples > 0) check_resident(context, data[s], "moments_update", "data", static_cast<int32_t>(s));
    }
  };
  return dispatch(check, &Table::moments_update, context, moments, data, dtype, outer, inner, strides);
}

int64_t mg_moments_count(const mg_moments* moments) { return moments ? moments->count : 0; }

int64_t mg_moments_skipped(const mg_moments* moments) { return moments ? moments->skipped : 0; }

int32_t mg_moments_series(mg_context* context, const mg_moments* moments, int32_t series, double* mean, double* m2) {
  auto check = [&] {
    check_moments(context, moments);
    MG_REQUIRE(series >= 0 && series < static_cast<int32_t>(moments->widths.size()), "series %d of %d", series,
               static_cast<int>(moments->widths.size()));
    check_host("moments_series", mean, "mean");
    check_host("moments_series", m2, "m2");
  };
  return dispatch(check, &Table::moments_series, context, moments, series, mean, m2);
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

}  // extern "C"
