// SPDX-License-Identifier: Apache-2.0
// CCA maps: worked values, invariants, rank deficiency.
#include <array>
#include "test/check.h"

using namespace check;

namespace {

struct Cca {
  Vector t, tinv, correlations;
  mg_cca_report report;
};

Cca cca(mg_context* context, int64_t n, const Vector& sxx, const Vector& syy, const Vector& sxy, double gamma) {
  Cca result{Vector(sxx.size()), Vector(sxx.size()), Vector(static_cast<size_t>(n)), {}};
  CHECK_OK(mg_cca_map(context, MG_F64, n, sxx.data(), syy.data(), sxy.data(), 1, &gamma, &gamma, result.t.data(),
                      result.tinv.data(), result.correlations.data(), &result.report));
  return result;
}

const Vector kPlantedXX = {2, 1, 1, 2}, kPlantedYY = {14, 5, 5, 2}, kPlantedXY = {4, 1, 5, 2};

}  // namespace

TEST(cca_planted) {
  Context context;
  const Cca exact = cca(context, 2, kPlantedXX, kPlantedYY, kPlantedXY, 0);
  CHECK(largest_difference(exact.t, {1, -2, 0, 1}) < 1e-12);
  CHECK(largest_difference(exact.correlations, {1, 1}) < 1e-12);
  CHECK(exact.report.rank == 2 && exact.report.completion == MG_COMPLETION_NONE);
  CHECK_NEAR(exact.report.condition, 9, 1e-11);
  const Cca weak = cca(context, 2, kPlantedXX, kPlantedYY, kPlantedXY, 0.1);
  CHECK(largest_difference(weak.t, {0.881665516, -1.666291758, 0.047512289, 0.885694908}) < 1e-9);
  CHECK(largest_difference(weak.correlations, {0.979255189, 0.772676531}) < 1e-9);
  const Cca strong = cca(context, 2, kPlantedXX, kPlantedYY, kPlantedXY, 1);
  CHECK(largest_difference(strong.t, {0.666778520, -1.001688077, 0.152936399, 0.718770851}) < 1e-9);
  CHECK(largest_difference(strong.correlations, {0.833031372, 0.284708154}) < 1e-9);
  const Cca procrustes = cca(context, 2, kPlantedXX, kPlantedYY, kPlantedXY, 1e7);
  CHECK(largest_difference(procrustes.t, {0.832050294, -0.554700196, 0.554700196, 0.832050294}) < 1e-6);
}

TEST(cca_general) {
  Context context;
  const Vector sxx = {4, 0, 0, 1}, syy = {2, .5, .5, 1}, sxy = {1, .5, .2, .6};
  const Cca exact = cca(context, 2, sxx, syy, sxy, 0);
  CHECK(largest_difference(exact.t, {1.418587940, -0.017691158, -0.261401292, 1.069008372}) < 1e-9);
  CHECK(largest_difference(exact.tinv, {0.707082575, 0.011701601, 0.172900703, 0.938307725}) < 1e-9);
  CHECK(largest_difference(exact.correlations, {0.651478099, 0.290082256}) < 1e-9);
  const Cca weak = cca(context, 2, sxx, syy, sxy, 0.1);
  CHECK(largest_difference(weak.t, {1.397830449, -0.002331401, -0.251303658, 1.058941814}) < 1e-9);
}

TEST(cca_worked_check) {
  Context context;
  const Cca result = cca(context, 2, {4, 0, 0, 1}, {1, 0, 0, 9}, {0, 3, .5, 0}, 0);
  CHECK(largest_difference(result.t, {0, 2.0 / 3, 1, 0}) < 1e-14);
  CHECK(largest_difference(result.tinv, {0, 1, 1.5, 0}) < 1e-14);
  CHECK(largest_difference(result.correlations, {.5, .5}) < 1e-14);
}

TEST(cca_recovers_an_orthogonal_map) {
  Context context;
  const int64_t n = 9;
  const Covariances p = covariances(n, 200, 0.5, 4);
  Vector q(static_cast<size_t>(n * n)), sigma(static_cast<size_t>(n));
  mg_polar_report report;
  const Vector a = gaussian(n * n, 8);
  CHECK_OK(mg_polar(context, MG_F64, 1, n, a.data(), n, q.data(), n, sigma.data(), &report));
  const Vector qs = multiply(n, n, n, q, false, p.xx, false);
  const Vector syy = multiply(n, n, n, qs, false, q, true), sxy = multiply(n, n, n, p.xx, false, q, true);
  for (double gamma : {0.0, 0.1, 10.0}) {
    const Cca result = cca(context, n, p.xx, syy, sxy, gamma);
    CHECK(largest_difference(result.tinv, q) < 1e-9);
  }
}

TEST(cca_self_merge_with_a_dead_feature) {
  Context context;
  for (int64_t n : {3, 8, 33}) {
    Vector s = covariances(n, 30 * n, 0.5, 11).xx;
    for (int64_t i = 0; i < n; ++i) s[1 * n + i] = s[i * n + 1] = 0;
    const Cca result = cca(context, n, s, s, s, 0.1);
    CHECK(result.report.rank == n - 1 && result.report.completion == MG_COMPLETION_IDENTITY);
    CHECK(result.report.clipped_x == 0 && result.report.clipped_y == 0);
    CHECK(largest_difference(result.t, identity(n)) < 1e-12);
    CHECK(largest_difference(result.tinv, identity(n)) < 1e-12);
  }
}

TEST(cca_dead_features_follow_the_assignment) {
  Context context;
  // y is x with features rotated by one place, and feature 2 of x, 0 of y are dead.
  const Vector sxx = {4, 0, 0, 0, 1, 0, 0, 0, 0}, syy = {0, 0, 0, 0, 4, 0, 0, 0, 1};
  const Vector sxy = {0, 4, 0, 0, 0, 1, 0, 0, 0};
  const Cca result = cca(context, 3, sxx, syy, sxy, 0.1);
  CHECK(result.report.rank == 2 && result.report.completion == MG_COMPLETION_ASSIGNMENT);
  CHECK(largest_difference(result.t, {0, 1, 0, 0, 0, 1, 1, 0, 0}) < 1e-12);
}

TEST(cca_singular_without_gamma_is_clipped) {
  Context context;
  const int64_t n = 12;
  const Covariances p = covariances(n, 6, 0.0, 3);  // rank 6
  const Cca result = cca(context, n, p.xx, p.xx, p.xx, 0);
  CHECK(result.report.clipped_x == n - 6 && result.report.clipped_y == n - 6);
  CHECK(result.report.rank == 6 && result.report.completion == MG_COMPLETION_IDENTITY);
  CHECK(largest_difference(result.t, identity(n)) < 1e-9);
}

namespace {

// Covariances of `samples` vectors of which y is x mixed, every product rounded to F32 as in MIXED mode.
Covariances rounded_covariances(int64_t n, int64_t samples, int64_t rank) {
  const Vector factor = gaussian(samples * rank, 21), mix = gaussian(rank * n, 22), turn = gaussian(n * n, 23);
  Vector x = multiply(samples, n, rank, factor, false, mix, false);
  Vector y = multiply(samples, n, n, x, false, turn, false);
  for (Vector* each : {&x, &y}) {
    for (int64_t f = 0; f < n; ++f) {
      double mean = 0;
      for (int64_t s = 0; s < samples; ++s) mean += (*each)[s * n + f] / static_cast<double>(samples);
      for (int64_t s = 0; s < samples; ++s) (*each)[s * n + f] -= mean;
    }
  }
  const auto product = [&](const Vector& a, const Vector& b) {
    Vector c(static_cast<size_t>(n * n));
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t j = 0; j < n; ++j) {
        float sum = 0;
        for (int64_t s = 0; s < samples; ++s) {
          sum += static_cast<float>(a[s * n + i]) * static_cast<float>(b[s * n + j]);
        }
        c[i * n + j] = sum / static_cast<double>(samples);
      }
    }
    return c;
  };
  return {product(x, x), product(y, y), product(x, y)};
}

}  // namespace

// Where rounding of the statistics is larger than gamma, noise is no correlation.
TEST(cca_correlations_are_at_most_one) {
  Context context;
  for (const auto& [n, samples, rank] : {std::array<int64_t, 3>{32, 20, 32}, {40, 400, 11}, {64, 30, 64}}) {
    const int64_t most = std::min(samples - 1, rank);
    const Covariances p = rounded_covariances(n, samples, rank);
    double trace = 0;
    for (int64_t i = 0; i < n; ++i) trace += p.xx[i * n + i] / static_cast<double>(n);
    for (double gamma : {0.0, 1e-12, 1e-9, 1e-8}) {
      const Cca result = cca(context, n, p.xx, p.yy, p.xy, gamma * trace);
      double sum = 0;
      for (double each : result.correlations) {
        CHECK(each >= 0 && each <= 1);
        sum += each;
      }
      CHECK(sum <= static_cast<double>(most) + 1e-3 && sum > 0.9 * static_cast<double>(most));
      CHECK(result.report.rank <= most);
      CHECK(largest_difference(multiply(n, n, n, result.t, false, result.tinv, false), identity(n)) < 1e-6);
      mg_cca_report only;
      const double g = gamma * trace;
      Vector t(p.xx.size()), tinv(p.xx.size());
      CHECK_OK(mg_cca_map(context, MG_F64, n, p.xx.data(), p.yy.data(), p.xy.data(), 1, &g, &g, t.data(), tinv.data(),
                          nullptr, &only));
      CHECK(same_bits(t, result.t) && only.sum == result.report.sum);
    }
  }
  const Vector one = identity(3), three = {3, 0, 0, 0, 3, 0, 0, 0, 3};
  mg_cca_report report;
  const double none = 0;
  Vector t(9), tinv(9);
  for (double* correlations : {static_cast<double*>(nullptr), t.data()}) {
    CHECK_FAILS(mg_cca_map(context, MG_F64, 3, one.data(), one.data(), three.data(), 1, &none, &none, t.data(),
                           tinv.data(), correlations, &report),
                MG_NUMERICAL,
                "Sxx, Syy and Sxy are not covariances of the same samples: a canonical correlation is 3; raise gamma "
                "(now 0 and 0), or form products in F64");
  }
}

// Variances at the ends of the range of F64 give what variances near 1 give.
TEST(cca_of_any_scale) {
  Context context;
  const int64_t n = 40;
  const Covariances p = covariances(n, 90, 1, 5);
  const Cca want = cca(context, n, p.xx, p.yy, p.xy, 0.125);
  for (int ex : {-300, -170, 0, 170, 500}) {
    for (int ey : {-300, 0, 500}) {
      if (std::abs(ex - ey) > 900) continue;
      Covariances q = p;
      for (double& each : q.xx) each = std::ldexp(each, 2 * ex);
      for (double& each : q.yy) each = std::ldexp(each, 2 * ey);
      for (double& each : q.xy) each = std::ldexp(each, ex + ey);
      const double gx = std::ldexp(0.125, 2 * ex), gy = std::ldexp(0.125, 2 * ey);
      Cca found{Vector(p.xx.size()), Vector(p.xx.size()), Vector(static_cast<size_t>(n)), {}};
      CHECK_OK(mg_cca_map(context, MG_F64, n, q.xx.data(), q.yy.data(), q.xy.data(), 1, &gx, &gy, found.t.data(),
                          found.tinv.data(), found.correlations.data(), &found.report));
      for (double& each : found.t) each = std::ldexp(each, ey - ex);
      for (double& each : found.tinv) each = std::ldexp(each, ex - ey);
      CHECK(same_bits(found.t, want.t) && same_bits(found.tinv, want.tinv));
      CHECK(same_bits(found.correlations, want.correlations));
    }
  }
  // Finite covariances whose eigenvalues are not; subnormal ones.
  for (double v : {1e-320, 1e-300, 1e300, 1.7e308}) {
    for (int64_t size : {2, 5, 40, 200}) {
      const Vector constant(static_cast<size_t>(size * size), v);
      const Cca found = cca(context, size, constant, constant, constant, 0);
      CHECK(found.report.rank == 1);
      CHECK_NEAR(found.correlations[0], 1, 1e-9);
      for (double each : found.t) CHECK(std::isfinite(each));
    }
  }
}

TEST(polar_of_any_scale) {
  Context context;
  for (int64_t n : {3, 40}) {
    Vector a = gaussian(n * n, 9), q(a.size()), other(a.size()), sigma(static_cast<size_t>(n));
    mg_polar_report report;
    CHECK_OK(mg_polar(context, MG_F64, 1, n, a.data(), n, q.data(), n, nullptr, &report));
    const double sum = report.sum;
    for (int exponent : {-1040, -400, 400, 1015}) {
      Vector scaled = a;
      for (double& each : scaled) each = std::ldexp(each, exponent);
      for (double* values : {static_cast<double*>(nullptr), sigma.data()}) {
        CHECK_OK(mg_polar(context, MG_F64, 1, n, scaled.data(), n, other.data(), n, values, &report));
        CHECK(largest_difference(other, q) < (exponent < -1000 ? 1e-5 : 1e-9));
        CHECK_NEAR(std::ldexp(report.sum, -exponent), sum, sum * (exponent < -1000 ? 1e-6 : 1e-12));
      }
    }
  }
}

namespace {

// Without correlations, and so perhaps without a singular value decomposition.
Cca map_only(mg_context* context, int64_t n, const Covariances& p, double gamma, int32_t dtype = MG_F64) {
  Cca result{Vector(p.xx.size()), Vector(p.xx.size()), {}, {}};
  CHECK_OK(mg_cca_map(context, dtype, n, p.xx.data(), p.yy.data(), p.xy.data(), 1, &gamma, &gamma, result.t.data(),
                      result.tinv.data(), nullptr, &result.report));
  return result;
}

double relative(const Vector& a, const Vector& b) { return largest_difference(a, b) / largest_magnitude(b); }

}  // namespace

TEST(cca_without_correlations) {
  Context context;
  for (int64_t n : {5, 255, 256, 300}) {
    if (n > 256 && kSanitized) continue;
    const Covariances p = covariances(n, 4 * n, 2 * std::sqrt(static_cast<double>(n)), 5);
    const Cca full = cca(context, n, p.xx, p.yy, p.xy, 0.1), only = map_only(context, n, p, 0.1);
    double sum = 0;
    for (double each : full.correlations) sum += each;
    CHECK(relative(only.t, full.t) < 1e-10 && relative(only.tinv, full.tinv) < 1e-10);
    CHECK_NEAR(full.report.sum, sum, 1e-12 * sum);
    CHECK_NEAR(only.report.sum, sum, 1e-11 * sum);
    CHECK(only.report.rank == n && only.report.completion == MG_COMPLETION_NONE);
    const Cca narrow = map_only(context, n, p, 0.1, MG_F32);
    CHECK(relative(narrow.t, full.t) < 1e-3);
    CHECK(largest_difference(multiply(n, n, n, narrow.t, false, narrow.tinv, false), identity(n)) < 1e-7);
    CHECK_NEAR(narrow.report.sum, sum, 1e-6 * sum);
  }
}

// The iteration must leave rank-deficient problems to the rule of completion.cpp, to the bit.
TEST(cca_without_correlations_on_dead_features) {
  Context context;
  const int64_t n = 260;
  Covariances p = covariances(n, 3 * n, 1, 6);
  for (int64_t dead : {3, 100}) {
    for (int64_t i = 0; i < n; ++i) p.xx[dead * n + i] = p.xx[i * n + dead] = p.xy[dead * n + i] = 0;
  }
  const Cca full = cca(context, n, p.xx, p.yy, p.xy, 0.1);
  CHECK(full.report.rank == n - 2 && full.report.completion != MG_COMPLETION_NONE);
  for (int32_t dtype : {MG_F64, MG_F32}) {
    const Cca only = map_only(context, n, p, 0.1, dtype);
    CHECK(same_bits(only.t, full.t) && same_bits(only.tinv, full.tinv));
    CHECK(only.report.rank == full.report.rank && only.report.completion == full.report.completion);
    CHECK(only.report.sum == full.report.sum);
  }
}

TEST(cca_sweep_over_gamma) {
  const double gammas[] = {0, 1e-3, 0.1, 1, 100}, others[] = {0, 1e-2, 0.1, 3, 1e3};
  for (int64_t n : {7, 256}) {
    const Covariances p = covariances(n, 4 * n, 1, 9);
    const size_t size = static_cast<size_t>(n * n);
    for (bool correlations : {true, false}) {
      Context context;
      Vector t, tinv, values;
      for (int k = 0; k < 5; ++k) {
        Vector one(size), inverse(size), spectrum(static_cast<size_t>(n));
        mg_cca_report report;
        CHECK_OK(mg_cca_map(context, MG_F64, n, p.xx.data(), p.yy.data(), p.xy.data(), 1, &gammas[k], &others[k],
                            one.data(), inverse.data(), correlations ? spectrum.data() : nullptr, &report));
        t.insert(t.end(), one.begin(), one.end());
        tinv.insert(tinv.end(), inverse.begin(), inverse.end());
        values.insert(values.end(), spectrum.begin(), spectrum.end());
      }
      for (int32_t threads : kThreadCounts) {
        Context with(threads);
        Vector ts(5 * size), tinvs(5 * size), spectra(static_cast<size_t>(5 * n));
        mg_cca_report reports[5];
        CHECK_OK(mg_cca_map(with, MG_F64, n, p.xx.data(), p.yy.data(), p.xy.data(), 5, gammas, others, ts.data(),
                            tinvs.data(), correlations ? spectra.data() : nullptr, reports));
        CHECK(same_bits(ts, t) && same_bits(tinvs, tinv) && same_bits(spectra, values));
      }
    }
  }
  Context context;
  const Vector zero(4, 0.0);
  Vector t(8), tinv(8);
  const double some[] = {1, 0};
  mg_cca_report reports[2];
  CHECK_FAILS(mg_cca_map(context, MG_F64, 2, zero.data(), zero.data(), zero.data(), 2, some, some, t.data(),
                         tinv.data(), nullptr, reports),
              MG_NUMERICAL, "problem 1: Sxx + gamma_x I has no variance; raise gamma_x (now 0)");
  CHECK_OK(mg_cca_map(context, MG_F64, 2, nullptr, nullptr, nullptr, 0, nullptr, nullptr, nullptr, nullptr, nullptr,
                      nullptr));
}

TEST(cca_ignores_the_thread_count) {
  for (int64_t n : {33, 300}) {
    Covariances p = covariances(n, 2 * n, 0.5, 21);
    for (bool dead : {false, true}) {
      if (dead) {
        for (int64_t i = 0; i < n; ++i) p.xx[i] = p.xx[i * n] = p.xy[i] = 0;
      }
      Cca first, first_only, first_narrow;
      for (int32_t threads : kThreadCounts) {
        Context context(threads);
        const Cca result = cca(context, n, p.xx, p.yy, p.xy, 0.1);
        const Cca only = map_only(context, n, p, 0.1), narrow = map_only(context, n, p, 0.1, MG_F32);
        if (first.t.empty()) {
          first = result;
          first_only = only;
          first_narrow = narrow;
        }
        CHECK(same_bits(result.t, first.t) && same_bits(result.tinv, first.tinv));
        CHECK(same_bits(result.correlations, first.correlations));
        CHECK(same_bits(only.t, first_only.t) && same_bits(only.tinv, first_only.tinv));
        CHECK(same_bits(narrow.t, first_narrow.t) && same_bits(narrow.tinv, first_narrow.tinv));
      }
    }
  }
}

TEST(cca_errors) {
  Context context;
  Vector t = {7, 7, 7, 7}, tinv(4), correlations(2);
  mg_cca_report report;
  const auto run = [&](const Vector& sxx, const Vector& syy, const Vector& sxy, double gamma) {
    return mg_cca_map(context, MG_F64, 2, sxx.data(), syy.data(), sxy.data(), 1, &gamma, &gamma, t.data(), tinv.data(),
                      correlations.data(), &report);
  };
  const Vector good = {2, 1, 1, 2}, zero(4, 0.0);
  CHECK_FAILS(run({2, kNaN, 1, 2}, good, good, 0), MG_NUMERICAL, "sxx[0, 1] is NaN");
  CHECK_FAILS(run(good, good, {1, 1, 1, kInf}, 0), MG_NUMERICAL, "sxy[1, 1] is infinite");
  CHECK_FAILS(run(good, good, good, -1), MG_INVALID_ARGUMENT, "gamma_x must be >= 0 and finite, not -1");
  CHECK_FAILS(run(zero, good, good, 0), MG_NUMERICAL, "Sxx + gamma_x I has no variance; raise gamma_x (now 0)");
  CHECK_FAILS(run(good, {1, 0, 0, -1}, good, 0), MG_NUMERICAL,
              "Syy + gamma_y I is not a covariance: it has eigenvalues -1 and 1");
  CHECK(t == Vector(4, 7.0));
  CHECK_OK(run(zero, zero, zero, 1));
  CHECK(report.rank == 0 && report.completion == MG_COMPLETION_IDENTITY);
  CHECK(largest_difference(t, identity(2)) < 1e-15);
}
