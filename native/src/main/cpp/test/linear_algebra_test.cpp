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
  CHECK_OK(mg_polar(context, MG_F64, 1, n, a.data(), n, result.q.data(), n, result.sigma.data(), &result.report));
  return result;
}

double orthogonality(int64_t n, const Vector& q) {
  return largest_difference(multiply(n, n, n, q, true, q, false), identity(n));
}

}  // namespace

TEST(gemm_edges) {
  Context context;
  Vector c = {1, 2, 3, 4};
  CHECK_OK(mg_gemm(context, MG_F64, 0, 0, 2, 2, 0, 1, nullptr, 1, nullptr, 2, 0.5, c.data(), 2));
  CHECK(c == (Vector{0.5, 1, 1.5, 2}));
  CHECK_OK(mg_gemm(context, MG_F64, 0, 0, 0, 0, 0, 1, nullptr, 1, nullptr, 1, 0, nullptr, 1));
  CHECK_FAILS(mg_gemm(context, MG_F64, 0, 0, 2, 2, 2, 1, c.data(), 1, c.data(), 2, 0, c.data(), 2), MG_INVALID_ARGUMENT,
              "lda = 1 is below the row length 2");
  CHECK_FAILS(mg_gemm(nullptr, MG_F64, 0, 0, 0, 0, 0, 1, nullptr, 1, nullptr, 1, 0, nullptr, 1), MG_INVALID_ARGUMENT,
              "context is NULL");
}

// Around the edges of tiles in registers (14 x 16 and 6 x 8), of packed blocks (rows 84, columns 512) and of depth
// (512).
TEST(gemm_shapes) {
  Context one(1), two(2), eight(8);
  struct Shape {
    int64_t m, n, k;
  };
  std::vector<Shape> shapes = {{84, 16, 512}, {85, 17, 513}, {99, 513, 40}, {600, 520, 1030}, {3, 1030, 700}};
  for (int64_t m : {1, 5, 6, 7, 13, 14, 15, 29}) {
    for (int64_t n : {1, 7, 8, 9, 15, 16, 17, 33}) shapes.push_back({m, n, 1 + (m * n) % 5});
  }
  for (const Shape& s : shapes) {
    const Vector a = gaussian(s.m * s.k, 1), b = gaussian(s.k * s.n, 2), start = gaussian(s.m * s.n, 3);
    for (int form = 0; form < 4; ++form) {
      const bool ta = form & 1, tb = form & 2;
      const Vector product = multiply(s.m, s.n, s.k, a, ta, b, tb);
      const auto run = [&](mg_context* context, double alpha, double beta, Vector c) {
        CHECK_OK(mg_gemm(context, MG_F64, ta, tb, s.m, s.n, s.k, alpha, a.data(), ta ? s.m : s.k, b.data(), tb ? s.k : s.n,
                         beta, c.data(), s.n));
        return c;
      };
      const double allowed = 1e-14 * (1 + std::sqrt(static_cast<double>(s.k)));
      // With beta = 0 what C held is not read.
      CHECK(largest_difference(run(two, 1, 0, Vector(start.size(), kNaN)), product) <= 4 * allowed);
      Vector expected = start;
      for (size_t i = 0; i < expected.size(); ++i) expected[i] = -0.5 * product[i] + 2 * start[i];
      const Vector c = run(two, -0.5, 2, start);
      CHECK(largest_difference(c, expected) <= 4 * allowed);
      CHECK(same_bits(run(one, -0.5, 2, start), c) && same_bits(run(eight, -0.5, 2, start), c));
    }
  }
}

// A matrix times its own transpose is what it is times a copy, and symmetric to the bit; not with a C that is added.
TEST(gemm_of_one_matrix) {
  Context one(1), two(2), eight(8);
  int32_t level = 0;
  CHECK_OK(mg_isa(&level));
  for (int64_t n : {1, 7, 17, 64, 200, 257, 600}) {
    const int64_t k = n < 100 ? 2 * n + 513 : n / 2;
    const Vector a = gaussian(n * k, 1), copy = a, start = gaussian(n * n, 2);
    for (int32_t ta : {0, 1}) {
      const int64_t lda = ta ? n : k;
      const auto run = [&](mg_context* context, const Vector& b, double beta) {
        Vector c = start;
        CHECK_OK(mg_gemm(context, MG_F64, ta, 1 - ta, n, n, k, 0.5, a.data(), lda, b.data(), lda, beta, c.data(), n));
        return c;
      };
      const Vector own = run(two, a, 0), other = run(two, copy, 0);
      CHECK(largest_difference(own, other) <= 1e-13 * static_cast<double>(k));
      CHECK(level == MG_ISA_PORTABLE || same_bits(own, other));
      CHECK(same_bits(run(one, a, 0), own) && same_bits(run(eight, a, 0), own));
      CHECK(same_bits(run(two, a, 1), run(two, copy, 1)));
      for (int64_t i = 0; i < n; ++i) {
        for (int64_t j = 0; j < i; ++j) CHECK(own[i * n + j] == own[j * n + i]);
      }
    }
    std::vector<float> narrow(a.begin(), a.end()), same = narrow, c(start.size()), d = c;
    CHECK_OK(mg_gemm(two, MG_F32, 1, 0, n, n, k, 1, narrow.data(), n, narrow.data(), n, 0, c.data(), n));
    CHECK_OK(mg_gemm(two, MG_F32, 1, 0, n, n, k, 1, narrow.data(), n, same.data(), n, 0, d.data(), n));
    for (size_t i = 0; i < c.size(); ++i) CHECK_NEAR(c[i], d[i], 1e-5 * static_cast<double>(k));
  }
  // Of one matrix, but of other shapes or without a transpose: nothing is symmetric.
  const Vector a = gaussian(36, 3), copy = a;
  Vector own(36), other(36);
  for (int32_t t : {0, 1}) {
    CHECK_OK(mg_gemm(one, MG_F64, t, t, 6, 6, 6, 1, a.data(), 6, a.data(), 6, 0, own.data(), 6));
    CHECK_OK(mg_gemm(one, MG_F64, t, t, 6, 6, 6, 1, a.data(), 6, copy.data(), 6, 0, other.data(), 6));
    CHECK(same_bits(own, other));
  }
  for (Vector* c : {&own, &other}) {
    const Vector& b = c == &own ? a : copy;
    std::fill(c->begin(), c->end(), 0.0);
    CHECK_OK(mg_gemm(one, MG_F64, 0, 1, 2, 5, 6, 1, a.data(), 6, b.data(), 6, 0, c->data(), 5));
    CHECK_OK(mg_gemm(one, MG_F64, 0, 1, 3, 3, 4, 1, a.data(), 4, b.data(), 6, 0, c->data() + 20, 3));
  }
  CHECK(same_bits(own, other));
}

// NaN and infinities go where the definition takes them, also beside the zeros that fill a tile.
TEST(gemm_specials) {
  Context context;
  const int64_t n = 17;
  Vector a = gaussian(n * n, 1), b = identity(n), c(a.size());
  a[3 * n + 2] = kNaN;
  a[16 * n + 16] = kInf;
  CHECK_OK(mg_gemm(context, MG_F64, 0, 0, n, n, n, 1, a.data(), n, b.data(), n, 0, c.data(), n));
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      if (i == 3) {
        CHECK(std::isnan(c[i * n + j]));
      } else if (i == 16) {
        CHECK(j == 16 ? c[i * n + j] == kInf : std::isnan(c[i * n + j]));
      } else {
        CHECK(c[i * n + j] == a[i * n + j]);
      }
    }
  }
}

// A Newton iteration that hands over from F64 to F32 and ends in products, over conditions and spectra.
// Outputs that a cache does not hold go past it: the bytes are those of a row at a time, whatever the alignment, and
// nothing between the rows is touched.
TEST(divide_large_outputs_are_those_of_rows) {
  constexpr int64_t kRows = 2500, kCols = 2099, kLd = kCols + 2;
  Context context;
  const Vector a = gaussian(kRows * kCols, 1), by_col = gaussian(kCols, 3);
  Vector by_row = gaussian(kRows, 2);
  by_row[kRows / 2] = 0;
  Vector whole(static_cast<size_t>(kRows * kLd + 1), 7.0), rows = whole;
  CHECK_OK(mg_divide(context, kRows, kCols, a.data(), kCols, by_row.data(), by_col.data(), whole.data() + 1, kLd));
  for (int64_t i = 0; i < kRows; ++i) {
    CHECK_OK(mg_divide(context, 1, kCols, a.data() + i * kCols, kCols, by_row.data() + i, by_col.data(),
                       rows.data() + 1 + i * kLd, kLd));
  }
  CHECK(same_bits(whole, rows));
  CHECK(whole[1 + kCols] == 7 && whole[kRows / 2 * kLd + 1] == 0);
}

TEST(polar_planted) {
  Context context;
  for (int64_t n : {256, 300}) {
    if (n > 256 && kSanitized) continue;
    const Vector u = polar(context, n, gaussian(n * n, 1)).q, v = polar(context, n, gaussian(n * n, 2)).q;
    const Vector planted = multiply(n, n, n, u, false, v, false);
    for (double condition : {1.0, 3.0, 1e2, 1e4, 5e5}) {
      for (int spectrum = 0; spectrum < 3; ++spectrum) {
        Vector scaled = u;
        for (int64_t i = 0; i < n; ++i) {
          for (int64_t j = 0; j < n; ++j) {
            const double share = static_cast<double>(j) / static_cast<double>(n - 1);
            const double sigma = spectrum == 0   ? std::pow(condition, -share)
                                 : spectrum == 1 ? (j == 0 ? 1 / condition : 1)
                                                 : (j == 0 ? 1 : 1 / condition);
            scaled[i * n + j] *= 1e3 * sigma;
          }
        }
        const Vector a = multiply(n, n, n, scaled, false, v, false);
        for (int32_t dtype : {MG_F64, MG_F32}) {
          Vector q(a.size());
          mg_polar_report report{};
          CHECK_OK(mg_polar(context, dtype, 1, n, a.data(), n, q.data(), n, nullptr, &report));
          // The factor is as sensitive as the two smallest singular values are small.
          const double sensitivity = spectrum == 2 ? condition : spectrum == 0 ? 0.1 * condition : 1;
          CHECK(largest_difference(q, planted) <= (dtype == MG_F64 ? 1e-14 * (10 + sensitivity) : 3e-5));
          CHECK(orthogonality(n, q) <= (dtype == MG_F64 ? 1e-13 : 1e-8));
          CHECK(report.rank == n);
        }
      }
    }
  }
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

namespace {

// Without singular values, and so perhaps by iteration.
Polar factor_only(mg_context* context, int64_t n, const Vector& a, int32_t dtype = MG_F64) {
  Polar result{Vector(a.size()), {}, {}};
  CHECK_OK(mg_polar(context, dtype, 1, n, a.data(), n, result.q.data(), n, nullptr, &result.report));
  return result;
}

// An n x n matrix with the singular values sigma(k).
template <typename Sigma>
Vector with_singular_values(mg_context* context, int64_t n, const Sigma& sigma, uint64_t seed) {
  const Vector u = polar(context, n, gaussian(n * n, seed)).q, v = polar(context, n, gaussian(n * n, seed + 1)).q;
  Vector scaled = v;
  for (int64_t k = 0; k < n; ++k) {
    for (int64_t j = 0; j < n; ++j) scaled[k * n + j] *= sigma(k);
  }
  return multiply(n, n, n, u, false, scaled, false);
}

}  // namespace

TEST(polar_without_singular_values) {
  Context context;
  for (int64_t n : {64, 256, 300}) {
    if (n > 256 && kSanitized) continue;
    // Conditions on both sides of where the iteration hands over, and of where rank is lost.
    for (double condition : {1., 10., 1e3, 1e5, 5e5, 1e7}) {
      const Vector a = with_singular_values(
          context, n,
          [&](int64_t k) { return std::pow(condition, -static_cast<double>(k) / static_cast<double>(n - 1)); }, 40);
      const Polar full = polar(context, n, a), only = factor_only(context, n, a),
                  narrow = factor_only(context, n, a, MG_F32);
      CHECK(only.report.rank == full.report.rank && only.report.completion == full.report.completion);
      CHECK_NEAR(only.report.sum, full.report.sum, 1e-11 * full.report.sum);
      CHECK_NEAR(narrow.report.sum, full.report.sum, 1e-5 * full.report.sum);
      CHECK(largest_difference(only.q, full.q) < 1e-12 * std::min(condition, 1e6));
      CHECK(largest_difference(narrow.q, full.q) < 1e-5 * std::min(condition, 1e4));
      CHECK(orthogonality(n, only.q) < 1e-12);
      CHECK(orthogonality(n, narrow.q) < 1e-8);
    }
  }
}

TEST(polar_without_singular_values_hands_over) {
  Context context;
  const int64_t n = 256;
  const Vector low = multiply(n, n, n - 3, gaussian(n * (n - 3), 5), false, gaussian((n - 3) * n, 6), false);
  Vector holes = gaussian(n * n, 7);
  for (int64_t i = 0; i < n; ++i) holes[i * n + 17] = holes[5 * n + i] = 0;
  const Vector zero(static_cast<size_t>(n * n), 0.0), huge = gaussian(n * n, 8, 0, 1e200);
  for (const Vector& a : {low, holes, zero, huge}) {
    const Polar full = polar(context, n, a);
    for (int32_t dtype : {MG_F64, MG_F32}) {
      const Polar only = factor_only(context, n, a, dtype);
      CHECK(only.report.rank == full.report.rank && only.report.completion == full.report.completion);
      // The squares of the huge one overflow; it is regular.
      if (full.report.rank < n) CHECK(same_bits(only.q, full.q));
      CHECK(largest_difference(only.q, full.q) < 1e-2);
    }
  }
}

TEST(polar_batches) {
  const int64_t count = 5;
  for (int64_t n : {1, 16, 64, 256}) {
    if (n > 64 && kSanitized) continue;
    const int64_t lda = n + 3, ldq = n + 1;
    const Vector a = gaussian(count * n * lda, 12);
    Vector q, sigma;
    for (int64_t k = 0; k < count; ++k) {
      Context context;
      Vector one(static_cast<size_t>(n * ldq), 7.0), values(static_cast<size_t>(n));
      mg_polar_report report;
      CHECK_OK(mg_polar(context, MG_F64, 1, n, a.data() + k * n * lda, lda, one.data(), ldq, values.data(), &report));
      q.insert(q.end(), one.begin(), one.end());
      sigma.insert(sigma.end(), values.begin(), values.end());
    }
    for (int32_t threads : kThreadCounts) {
      Context context(threads);
      Vector qs(q.size(), 7.0), sigmas(sigma.size()), only(q.size(), 7.0);
      mg_polar_report reports[count], others[count];
      CHECK_OK(mg_polar(context, MG_F64, count, n, a.data(), lda, qs.data(), ldq, sigmas.data(), reports));
      CHECK(same_bits(qs, q) && same_bits(sigmas, sigma));
      CHECK_OK(mg_polar(context, MG_F64, count, n, a.data(), lda, only.data(), ldq, nullptr, others));
      CHECK(largest_difference(only, q) < 1e-9);
      for (int64_t k = 0; k < count; ++k) CHECK(reports[k].rank == n && others[k].rank == n);
    }
  }
  Context context;
  Vector a = gaussian(8, 3), q(8);
  a[5] = kNaN;
  mg_polar_report reports[2];
  CHECK_FAILS(mg_polar(context, MG_F64, 2, 2, a.data(), 2, q.data(), 2, nullptr, reports), MG_NUMERICAL,
              "problem 1: a[0, 1] is NaN");
  CHECK_OK(mg_polar(context, MG_F64, 0, 2, nullptr, 2, nullptr, 2, nullptr, nullptr));
  CHECK_FAILS(mg_polar(context, MG_F16, 1, 2, a.data(), 2, q.data(), 2, nullptr, reports), MG_INVALID_ARGUMENT,
              "dtype must be MG_F64 or MG_F32, not 2");
}

TEST(polar_errors) {
  Context context;
  mg_polar_report report;
  Vector a = {1, 2, kNaN, 4}, q(4), sigma(2);
  CHECK_FAILS(mg_polar(context, MG_F64, 1, 2, a.data(), 2, q.data(), 2, sigma.data(), &report), MG_NUMERICAL,
              "a[1, 0] is NaN");
  a[2] = -kInf;
  CHECK_FAILS(mg_polar(context, MG_F64, 1, 2, a.data(), 2, q.data(), 2, sigma.data(), &report), MG_NUMERICAL,
              "a[1, 0] is infinite");
  CHECK_FAILS(mg_polar(context, MG_F64, 1, 0, a.data(), 2, q.data(), 2, sigma.data(), &report), MG_INVALID_ARGUMENT,
              "n must be >= 1, not 0");
}

TEST(svd_worked) {
  Context context;
  // [3 0; 0 -4; 0 0] has the singular values 4 and 3.
  const Vector a = {3, 0, 7, 0, -4, 7, 0, 0, 7};
  Vector u(6), sigma(2), vt(4);
  CHECK_OK(mg_svd(context, 3, 2, a.data(), 3, u.data(), 2, sigma.data(), vt.data(), 2));
  CHECK_NEAR(sigma[0], 4, 1e-15);
  CHECK_NEAR(sigma[1], 3, 1e-15);
  CHECK_NEAR(u[2] * vt[1], -1, 1e-15);
  CHECK_NEAR(u[1] * vt[2], 1, 1e-15);
  // Rank 1: the rest of u and vt is orthonormal all the same.
  const Vector ones(12, 1.0);
  Vector left(12), values(3), right(12);
  CHECK_OK(mg_svd(context, 4, 3, ones.data(), 3, left.data(), 3, values.data(), right.data(), 3));
  CHECK_NEAR(values[0], std::sqrt(12.0), 1e-14);
  CHECK(values[1] < 1e-14 && values[2] < 1e-14);
  CHECK(largest_difference(multiply(3, 3, 4, left, true, left, false), identity(3)) < 1e-14);
  // Beyond the range in which squares are numbers.
  const double tiny[] = {3e-310, 0, 0, 4e-310};
  CHECK_OK(mg_svd(context, 2, 2, tiny, 2, left.data(), 2, values.data(), right.data(), 2));
  CHECK(std::fabs(values[0] / 4e-310 - 1) < 1e-12 && std::fabs(values[1] / 3e-310 - 1) < 1e-12);
}

TEST(qr_worked) {
  Context context;
  // [-3 1; -4 2] = [-0.6 0.8; -0.8 -0.6] [5 -2.2; 0 -0.4], with a positive pivot in place of -0.4; the 7s do not count.
  const Vector a = {-3, 1, 7, -4, 2, 7};
  Vector q(4), r(4);
  CHECK_OK(mg_qr(context, 2, 2, a.data(), 3, q.data(), 2, r.data(), 2));
  CHECK(largest_difference(q, {-0.6, -0.8, -0.8, 0.6}) < 1e-15);
  CHECK(largest_difference(r, {5, -2.2, 0, 0.4}) < 2e-15);
  // Nothing: any orthonormal columns.
  const Vector zeros(6);
  Vector left(6);
  CHECK_OK(mg_qr(context, 3, 2, zeros.data(), 2, left.data(), 2, r.data(), 2));
  CHECK(largest_difference(multiply(2, 2, 3, left, true, left, false), identity(2)) < 1e-15);
  CHECK(r == Vector(4));
}

TEST(general_eigenvalues_worked) {
  Context context;
  // A rotation by 60 degrees times 2, and a Jordan block.
  const double c = 1, s = std::sqrt(3.0);
  const Vector a = {c, -s, s, c, 3, 1, 0, 3};
  Vector re(4), im(4);
  CHECK_OK(mg_general_eigenvalues(context, 2, 2, a.data(), 2, re.data(), im.data()));
  CHECK(largest_difference(re, {1, 1, 3, 3}) < 1e-7 && largest_difference(im, {s, -s, 0, 0}) < 1e-7);
}

TEST(qr_and_general_eigenvalues_errors) {
  Context context;
  Vector a = {1, 2, kNaN, 4}, q(4), r(4);
  CHECK_FAILS(mg_qr(context, 2, 2, a.data(), 2, q.data(), 2, r.data(), 2), MG_NUMERICAL, "a[1, 0] is NaN");
  CHECK_FAILS(mg_qr(context, 1, 2, a.data(), 2, q.data(), 2, r.data(), 2), MG_INVALID_ARGUMENT, "m = 1 is below n = 2");
  CHECK_FAILS(mg_general_eigenvalues(context, 1, 2, a.data(), 2, q.data(), r.data()), MG_NUMERICAL, "a[1, 0] is NaN");
  CHECK_FAILS(mg_general_eigenvalues(context, 1, 0, a.data(), 2, q.data(), r.data()), MG_INVALID_ARGUMENT,
              "n must be >= 1, not 0");
}

TEST(solve_worked) {
  Context context;
  // [4 2; 2 3] times [1 -1; 2 0] is [8 -4; 8 -2]; what is above the diagonal does not count.
  const Vector a = {4, -5, 7, 2, 3, 7}, b = {8, -4, 9, 8, -2, 9};
  Vector x(4);
  CHECK_OK(mg_solve(context, 2, 2, a.data(), 3, b.data(), 3, x.data(), 2));
  CHECK_NEAR(x[0], 1, 1e-15);
  CHECK_NEAR(x[1], -1, 1e-15);
  CHECK_NEAR(x[2], 2, 1e-15);
  CHECK_NEAR(x[3], 0, 1e-15);
  Vector in_place = {8, -4, 8, -2};
  CHECK_OK(mg_solve(context, 2, 2, a.data(), 3, in_place.data(), 2, in_place.data(), 2));
  CHECK(same_bits(in_place, x));
  CHECK_OK(mg_solve(context, 2, 0, a.data(), 3, nullptr, 1, nullptr, 1));
}

// Few unknowns and right sides take another way than many; parts of wider matrices on both.
TEST(solve_few_and_many) {
  Context one(1), two(2);
  for (int64_t n : {5, 200, 256, 257}) {
    for (int64_t cols : {1, 4, 5}) {
      const int64_t ld = n + 3, ldx = cols + 2;
      const Vector root = gaussian(n * n, 1), wanted = gaussian(n * cols, 2);
      const Vector square = multiply(n, n, n, root, false, root, true);
      Vector a(static_cast<size_t>(n * ld), kNaN), whole = square;
      for (int64_t i = 0; i < n; ++i) {
        whole[i * n + i] += static_cast<double>(n);
        for (int64_t j = 0; j < n; ++j) a[i * ld + j] = j <= i ? whole[i * n + j] : 7;  // the upper triangle is not read
      }
      const Vector b = multiply(n, cols, n, whole, false, wanted, false);
      Vector x(static_cast<size_t>(n * ldx), 7.0);
      const auto solve = [&](mg_context* context) {
        CHECK_OK(mg_solve(context, n, cols, a.data(), ld, b.data(), cols, x.data(), ldx));
        return x;
      };
      const Vector found = solve(one);
      CHECK(same_bits(solve(two), found));
      for (int64_t i = 0; i < n; ++i) {
        for (int64_t j = 0; j < cols; ++j) CHECK_NEAR(found[i * ldx + j], wanted[i * cols + j], 1e-11);
        CHECK(found[i * ldx + cols] == 7 && found[i * ldx + cols + 1] == 7);
      }
      // Singular to working precision: the last row is the first one.
      for (int64_t j = 0; j < n; ++j) a[(n - 1) * ld + j] = a[j * ld];
      a[(n - 1) * ld + n - 1] = a[0];
      CHECK_FAILS(mg_solve(one, n, cols, a.data(), ld, b.data(), cols, x.data(), ldx), MG_NUMERICAL,
                  "a is not positive definite to working precision: it has no Cholesky factor");
    }
  }
}

TEST(solve_errors) {
  Context context;
  const Vector singular = {1, 1, 1, 1}, infinite = {1, kInf, 0, 1}, zero(4), right = {1, kNaN};
  Vector b = {1, 1}, x(2);
  const auto solve = [&](const Vector& a, const Vector& y) {
    return mg_solve(context, 2, 1, a.data(), 2, y.data(), 1, x.data(), 1);
  };
  for (const Vector* a : {&singular, &zero}) {
    CHECK_FAILS(solve(*a, b), MG_NUMERICAL,
                "a is not positive definite to working precision: it has no Cholesky factor");
  }
  CHECK_FAILS(solve(infinite, b), MG_NUMERICAL, "a[0, 1] is infinite");
  CHECK_FAILS(solve({2, 0, 0, 2}, right), MG_NUMERICAL, "b[1, 0] is NaN");
  CHECK_FAILS(mg_solve(context, 0, 1, b.data(), 1, b.data(), 1, x.data(), 1), MG_INVALID_ARGUMENT,
              "n must be >= 1, not 0");
  CHECK_FAILS(mg_solve(context, 2, 2, b.data(), 2, b.data(), 1, x.data(), 2), MG_INVALID_ARGUMENT,
              "ldb = 1 is below the row length 2");
}

TEST(svd_errors) {
  Context context;
  Vector a = {1, 2, kNaN, 4, 5, 6}, u(4), sigma(2), vt(6);
  CHECK_FAILS(mg_svd(context, 2, 3, a.data(), 3, u.data(), 2, sigma.data(), vt.data(), 3), MG_NUMERICAL, "a[0, 2] is NaN");
  CHECK_FAILS(mg_svd(context, 0, 3, a.data(), 3, u.data(), 2, sigma.data(), vt.data(), 3), MG_INVALID_ARGUMENT,
              "m must be >= 1, not 0");
  CHECK_FAILS(mg_svd(context, 2, 3, a.data(), 3, u.data(), 1, sigma.data(), vt.data(), 3), MG_INVALID_ARGUMENT,
              "ldu = 1 is below the row length 2");
}
