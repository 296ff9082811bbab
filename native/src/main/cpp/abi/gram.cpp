// SPDX-License-Identifier: Apache-2.0
// The exported functions of Gram matrices.
#include <cmath>
#include <vector>

#include "abi/checks.h"
#include "merganser.h"

using namespace merganser;

namespace {

void check_precision(int32_t precision) {
  MG_REQUIRE(precision == MG_F64 || precision == MG_F32, "precision must be MG_F64 or MG_F32, not %d", precision);
}

// n x n elements can be counted.
void check_samples(int64_t n) {
  int64_t bytes;
  check_size(n, "n");
  MG_REQUIRE(!__builtin_mul_overflow(n, n, &bytes) && !__builtin_mul_overflow(bytes, int64_t{8}, &bytes),
             "a matrix of %lld x %lld is too large", Long{n}, Long{n});
}

void check_permutations(int64_t n, int64_t count, const int32_t* permutations) {
  std::vector<int64_t> seen(static_cast<size_t>(n), -1);
  for (int64_t b = 0; b < count; ++b) {
    for (int64_t i = 0; i < n; ++i) {
      const int32_t to = permutations[b * n + i];
      MG_REQUIRE(to >= 0 && to < n && seen[to] != b, "row %lld of permutations is none: %d at %lld is %s", Long{b}, to,
                 Long{i}, to >= 0 && to < n ? "there twice" : "no index");
      seen[to] = b;
    }
  }
}

}  // namespace

extern "C" {

int32_t mg_centre_columns(mg_context* context, int32_t from, int32_t to, int64_t rows, int64_t cols, const void* in,
                          int64_t ldin, void* out, int64_t ldout) {
  auto check = [&] {
    check_real(from);
    check_real(to);
    check_size(rows, "rows");
    check_size(cols, "cols");
    check_leading(ldin, cols, "ldin");
    check_leading(ldout, cols, "ldout");
    if (rows == 0 || cols == 0) return;
    check_array(context, "centre_columns", in, "in");
    check_array(context, "centre_columns", out, "out");
    MG_REQUIRE(in != out || (from == to && ldin == ldout), "out is in, but of another type or leading dimension");
  };
  return dispatch(check, &Table::centre_columns, context, from, to, rows, cols, in, ldin, out, ldout);
}

int32_t mg_gram(mg_context* context, int32_t dtype, int32_t precision, int32_t kind, int64_t n, int64_t p,
                const void* x, int64_t ldx, double* out) {
  auto check = [&] {
    check_real(dtype);
    check_precision(precision);
    MG_REQUIRE(kind == MG_GRAM_PRODUCTS || kind == MG_GRAM_DISTANCES, "unknown kind %d of Gram matrices", kind);
    check_samples(n);
    check_size(p, "p");
    check_leading(ldx, p, "ldx");
    if (n == 0) return;
    if (p > 0) check_array(context, "gram", x, "x");
    check_array(context, "gram", out, "out");
  };
  return dispatch(check, &Table::gram, context, dtype, precision, kind, n, p, x, ldx, out);
}

int32_t mg_centre_gram(mg_context* context, int32_t centring, int64_t n, const double* k, double* out) {
  auto check = [&] {
    MG_REQUIRE(centring >= MG_CENTRE_BIASED && centring <= MG_CENTRE_PACKED, "unknown centring %d", centring);
    check_samples(n);
    MG_REQUIRE(centring == MG_CENTRE_BIASED || n >= 3, "U-centring takes 3 samples or more, not %lld", Long{n});
    if (n == 0) return;
    check_array(context, "centre_gram", k, "k");
    check_array(context, "centre_gram", out, "out");
    MG_REQUIRE(centring != MG_CENTRE_PACKED || k != out, "a packed matrix cannot be written over k");
  };
  return dispatch(check, &Table::centre_gram, context, centring, n, k, out);
}

int32_t mg_gram_rows(mg_context* context, int32_t dtype, int32_t precision, int32_t layers, int64_t n,
                     const int64_t* widths, const void* const* x, double* out, int64_t ldout) {
  auto check = [&] {
    check_real(dtype);
    check_precision(precision);
    MG_REQUIRE(layers >= 0, "layers must be >= 0, not %d", layers);
    check_samples(n);
    MG_REQUIRE(n >= 3, "U-centring takes 3 samples or more, not %lld", Long{n});
    check_leading(ldout, n * (n - 1) / 2, "ldout");
    if (layers == 0) return;
    check_pointer(widths, "widths");
    check_pointer(x, "x");
    for (int32_t l = 0; l < layers; ++l) {
      check_size(widths[l], "widths");
      MG_REQUIRE(widths[l] == 0 || x[l], "x[%d] is NULL", l);
      if (widths[l] > 0) check_resident(context, x[l], "gram_rows", "x", l);
    }
    check_array(context, "gram_rows", out, "out");
  };
  return dispatch(check, &Table::gram_rows, context, dtype, precision, layers, n, widths, x, out, ldout);
}

int32_t mg_gaussian(mg_context* context, int64_t count, double gamma, double* d) {
  auto check = [&] {
    check_size(count, "count");
    MG_REQUIRE(std::isfinite(gamma) && gamma >= 0, "gamma must be >= 0 and finite, not %g", gamma);
    if (count > 0) check_array(context, "gaussian", d, "d");
  };
  return dispatch(check, &Table::gaussian, context, count, gamma, d);
}

int32_t mg_permuted_products(mg_context* context, int64_t n, const double* k, const double* l, int64_t count,
                             const int32_t* permutations, double* out) {
  auto check = [&] {
    check_samples(n);
    MG_REQUIRE(n <= INT32_MAX, "%lld samples are more than permutations of 32 bits have", Long{n});
    check_size(count, "count");
    if (count == 0) return;
    check_host("permuted_products", out, "out");
    if (n == 0) return;
    check_array(context, "permuted_products", k, "k");
    check_array(context, "permuted_products", l, "l");
    check_host("permuted_products", permutations, "permutations");
    check_permutations(n, count, permutations);
  };
  return dispatch(check, &Table::permuted_products, context, n, k, l, count, permutations, out);
}

}  // extern "C"
