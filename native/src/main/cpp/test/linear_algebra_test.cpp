// SPDX-License-Identifier: Apache-2.0
// gemm and the polar factor: worked values, rank deficiency, errors.
#include "test/check.h"

using namespace check;

namespace {

struct Polar {
  Vector q, sigma;
  mg_polar_report report;
};

Polar polar(mg_context* context, int64_t n, const Vector& a) {
  Polar result{Vector(a.size()), Vector(static_cast<size_t>(n)), {}};
  CHECK_OK(mg_polar(context, n, a.data(), n, result.q.data(), n, result.sigma.data(), &result.report));
  return result;
}

double orthogonality(int64_t n, const Vector& q) {
  return largest_difference(multiply(n, n, n, q, true, q, false), identity(n));
}

}  // namespace

TEST(gemm_edges) {
  Context context;
  Vector c = {1, 2, 3, 4};
  CHECK_OK(mg_gemm(context, 0, 0, 2, 2, 0, 1, nullptr, 1, nullptr, 2, 0.5, c.data(), 2));
  CHECK(c == (Vector{0.5, 1, 1.5, 2}));
  CHECK_OK(mg_gemm(context, 0, 0, 0, 0, 0, 1, nullptr, 1, nullptr, 1, 0, nullptr, 1));
  CHECK_FAILS(mg_gemm(context, 0, 0, 2, 2, 2, 1, c.data(), 1, c.data(), 2, 0, c.data(), 2), MG_INVALID_ARGUMENT,
              "lda = 1 is below the row length 2");
  CHECK_FAILS(mg_gemm(nullptr, 0, 0, 0, 0, 0, 1, nullptr, 1, nullptr, 1, 0, nullptr, 1), MG_INVALID_ARGUMENT,
              "context is NULL");
}

TEST(polar_goldens) {
  Context context;
  CHECK(largest_difference(polar(context, 2, {0, 2, -3, 0}).q, {0, 1, -1, 0}) < 1e-15);
  const Polar planted = polar(context, 2, {4, 1, 5, 2});
  CHECK(largest_difference(planted.q, {0.832050294, -0.554700196, 0.554700196, 0.832050294}) < 1e-9);
  CHECK(planted.report.rank == 2 && planted.report.completion == MG_COMPLETION_NONE);
}

TEST(polar_completion) {
  Context context;
  const Polar zero = polar(context, 3, Vector(9, 0.0));
  CHECK(zero.report.rank == 0 && zero.report.completion == MG_COMPLETION_IDENTITY);
  CHECK(largest_difference(zero.q, identity(3)) < 1e-14);

  // Feature 0 goes to 1; on the null space (from e0, to e1) the identity has no say, the assignment has.
  const Polar shifted = polar(context, 2, {0, 5, 0, 0});
  CHECK(shifted.report.rank == 1 && shifted.report.completion == MG_COMPLETION_ASSIGNMENT);
  CHECK(largest_difference(shifted.q, {0, 1, 1, 0}) < 1e-14);

  // One feature dead on each side, in the same place.
  const Polar dead = polar(context, 3, {0, 0, 2, 0, 0, 0, -1, 0, 0});
  CHECK(dead.report.rank == 2 && dead.report.completion == MG_COMPLETION_IDENTITY);
  CHECK(largest_difference(dead.q, {0, 0, 1, 0, 1, 0, -1, 0, 0}) < 1e-14);
}

TEST(polar_completion_in_index_order) {
  Context context;
  // a = u v^T with u = (1,1)/2, v = (1,-1)/2: the null vectors are orthogonal to each other under both matchings.
  const Vector a = {0.5, -0.5, 0.5, -0.5};
  const Polar result = polar(context, 2, a);
  CHECK(result.report.rank == 1 && result.report.completion == MG_COMPLETION_INDEX);
  CHECK(orthogonality(2, result.q) < 1e-14);
  CHECK(same_bits(result.q, polar(context, 2, a).q));
  // Larger, with several such directions: u_k = (e_2k + e_2k+1), v_k = (e_2k - e_2k+1).
  const int64_t n = 12;
  Vector large(static_cast<size_t>(n * n), 0.0);
  for (int64_t k = 0; k < n; k += 2) {
    const double s = static_cast<double>(n - k);
    large[k * n + k] = large[(k + 1) * n + k] = s;
    large[k * n + k + 1] = large[(k + 1) * n + k + 1] = -s;
  }
  const Polar many = polar(context, n, large);
  CHECK(many.report.rank == n / 2 && many.report.completion == MG_COMPLETION_INDEX);
  CHECK(orthogonality(n, many.q) < 1e-13);
}

TEST(polar_low_rank_is_orthogonal) {
  Context context;
  for (int64_t n : {3, 17, 64}) {
    for (int64_t rank : {int64_t{1}, n / 2, n - 1}) {
      const Vector a = multiply(n, n, rank, gaussian(n * rank, 5), false, gaussian(rank * n, 6), false);
      const Polar result = polar(context, n, a);
      CHECK(result.report.rank == rank);
      CHECK(orthogonality(n, result.q) < 1e-10);
    }
  }
}

TEST(polar_errors) {
  Context context;
  mg_polar_report report;
  Vector a = {1, 2, kNaN, 4}, q(4), sigma(2);
  CHECK_FAILS(mg_polar(context, 2, a.data(), 2, q.data(), 2, sigma.data(), &report), MG_NUMERICAL, "a[1, 0] is NaN");
  a[2] = -kInf;
  CHECK_FAILS(mg_polar(context, 2, a.data(), 2, q.data(), 2, sigma.data(), &report), MG_NUMERICAL,
              "a[1, 0] is infinite");
  CHECK_FAILS(mg_polar(context, 0, a.data(), 2, q.data(), 2, sigma.data(), &report), MG_INVALID_ARGUMENT,
              "n must be >= 1, not 0");
}
