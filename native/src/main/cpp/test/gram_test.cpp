// SPDX-License-Identifier: Apache-2.0
// Gram matrices: chosen numbers, and what is refused.
#include <vector>

#include "test/check.h"
#include "test/oracle.h"

using namespace check;

namespace {

// Example C of the tests of similarity, in 8 samples.
const double kX[] = {0, 3, 6, 7, 0, 4, 3, 3, 3, 10, 8, 1, 6, 4, 2, 2, 9, 5, 9, 1, 0, 5, 6, 10};
const double kY[] = {3, 1, 8, 2, 4, 7, 9, 5, 6, 6, 1, 8, 7, 0, 2, 3};

double dot(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

}  // namespace

TEST(gram_rows_give_the_unbiased_criterion) {
  Context context;
  const int64_t widths[] = {3, 2};
  const void* x[] = {kX, kY};
  std::vector<double> rows(2 * 28);
  CHECK_OK(mg_gram_rows(context, MG_F64, MG_F64, 2, 8, widths, x, rows.data(), 28));
  const std::vector<double> a(rows.begin(), rows.begin() + 28), b(rows.begin() + 28, rows.end());
  const double pairs = 8.0 * 5 / 2;
  CHECK(std::fabs(dot(a, b) / pairs - 95.6214285714) < 1e-9);
  CHECK(std::fabs(dot(a, a) / pairs - 301.5380952381) < 1e-9);
  CHECK(std::fabs(dot(b, b) / pairs - 128.9047619048) < 1e-9);
}

TEST(gram_centring_a_linear_gram_changes_nothing) {
  Context context;
  std::vector<double> k(64), centred(64);
  CHECK_OK(mg_gram(context, MG_F64, MG_F64, MG_GRAM_PRODUCTS, 8, 3, kX, 3, k.data()));
  CHECK_OK(mg_centre_gram(context, MG_CENTRE_BIASED, 8, k.data(), centred.data()));
  for (int e = 0; e < 64; ++e) CHECK(std::fabs(k[e] - centred[e]) < 1e-12);
}

TEST(gram_of_an_offset_in_f32) {
  // Products of uncentred numbers would keep nothing: 1e6 is 1e12 squared, and F32 has 7 digits.
  Context context;
  std::vector<float> x;
  for (double each : kX) x.push_back(static_cast<float>(each + 1048576));
  std::vector<double> found(64), exact(64);
  CHECK_OK(mg_gram(context, MG_F32, MG_F32, MG_GRAM_PRODUCTS, 8, 3, x.data(), 3, found.data()));
  CHECK_OK(mg_gram(context, MG_F64, MG_F64, MG_GRAM_PRODUCTS, 8, 3, kX, 3, exact.data()));
  for (int e = 0; e < 64; ++e) CHECK(std::fabs(found[e] - exact[e]) < 1e-4);
}

TEST(gram_routines_say_what_they_refuse) {
  Context context;
  double x[9] = {}, out[9] = {};
  const int32_t twice[] = {0, 1, 2, 0, 2, 2}, beyond[] = {0, 1, 3};
  CHECK_FAILS(mg_permuted_products(context, 3, x, x, 2, twice, out), MG_INVALID_ARGUMENT,
              "row 1 of permutations is none: 2 at 2 is there twice");
  CHECK_FAILS(mg_permuted_products(context, 3, x, x, 1, beyond, out), MG_INVALID_ARGUMENT,
              "row 0 of permutations is none: 3 at 2 is no index");
  CHECK_FAILS(mg_centre_gram(context, MG_CENTRE_UNBIASED, 2, x, out), MG_INVALID_ARGUMENT,
              "U-centring takes 3 samples or more, not 2");
  CHECK_FAILS(mg_centre_gram(context, MG_CENTRE_PACKED, 3, x, x), MG_INVALID_ARGUMENT,
              "a packed matrix cannot be written over k");
  CHECK_FAILS(mg_gram(context, MG_F64, MG_F16, MG_GRAM_PRODUCTS, 3, 3, x, 3, out), MG_INVALID_ARGUMENT,
              "precision must be MG_F64 or MG_F32, not 2");
  CHECK_FAILS(mg_gram(context, MG_F64, MG_F64, 2, 3, 3, x, 3, out), MG_INVALID_ARGUMENT,
              "unknown kind 2 of Gram matrices");
  CHECK_FAILS(mg_gram(context, MG_F64, MG_F64, 0, int64_t{1} << 31, 0, x, 1, out), MG_INVALID_ARGUMENT,
              "a matrix of 2147483648 x 2147483648 is too large");
  CHECK_FAILS(mg_gaussian(context, 9, -1, out), MG_INVALID_ARGUMENT, "gamma must be >= 0 and finite, not -1");
  CHECK_FAILS(mg_centre_columns(context, MG_F64, MG_F32, 3, 3, x, 3, x, 3), MG_INVALID_ARGUMENT,
              "out is in, but of another type or leading dimension");
  const int64_t width = 3;
  const void* layers[] = {x};
  CHECK_FAILS(mg_gram_rows(context, MG_F64, MG_F64, 1, 3, &width, layers, out, 2), MG_INVALID_ARGUMENT,
              "ldout = 2 is below the row length 3");
}

