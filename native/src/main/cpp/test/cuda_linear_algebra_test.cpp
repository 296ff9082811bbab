// SPDX-License-Identifier: Apache-2.0
// Polar factors and CCA maps of a device beside those of the CPU: what listed.cpp does not reach, which is large
// problems, singular ones, and errors. On a device on the host (see fake_device_test.cpp), or a GPU.
#include "test/check.h"
#include "test/listed_tools.h"

using namespace check;

namespace {

bool device() { return std::string(mg_cuda_reason()).empty(); }

struct Polar {
  int32_t status;
  std::string message;
  Vector q, sigma;
  std::vector<mg_polar_report> reports;
};

// `count` problems, where the context computes.
Polar polar(mg_context* context, int32_t dtype, int64_t count, int64_t n, const Vector& a, int64_t lda,
            bool with_sigma) {
  const int64_t ldq = n + 2;
  const Array in(context, MG_F64, a, 0), q(context, MG_F64, Vector(static_cast<size_t>(count * n * ldq), 7.0), 0),
      sigma(context, MG_F64, Vector(static_cast<size_t>(count * n), 7.0), 0);
  std::vector<mg_polar_report> reports(static_cast<size_t>(count));
  const int32_t status = mg_polar(context, dtype, count, n, in.doubles(), lda, q.doubles(), ldq,
                                  with_sigma ? sigma.doubles() : nullptr, reports.data());
  Polar result{status, status == MG_OK ? "" : mg_last_error(), q.values(MG_F64), sigma.values(MG_F64), reports};
  for (size_t i = 0; i < result.q.size(); ++i) {
    if (static_cast<int64_t>(i) % ldq >= n) CHECK(result.q[i] == 7);
  }
  return result;
}

// Both, and how they may differ: `distance` of the factors, relative `error` of sums and singular values.
Polar compare(mg_context* device, mg_context* cpu, int32_t dtype, int64_t count, int64_t n, const Vector& a,
              int64_t lda, double distance, double error) {
  Polar there;
  for (bool with_sigma : {dtype == MG_F64, false}) {
    there = polar(device, dtype, count, n, a, lda, with_sigma);
    const Polar here = polar(cpu, dtype, count, n, a, lda, with_sigma);
    CHECK(there.status == here.status && there.message == here.message);
    if (here.status != MG_OK) continue;
    CHECK(largest_difference(there.q, here.q) <= distance);
    for (int64_t k = 0; k < count; ++k) {
      const mg_polar_report &x = there.reports[k], &y = here.reports[k];
      CHECK(x.rank == y.rank && x.completion == y.completion);
      CHECK_NEAR(x.sum, y.sum, error * y.sum);
      for (int64_t i = 0; i < n; ++i) {
        CHECK_NEAR(there.sigma[k * n + i], here.sigma[k * n + i], error * here.sigma[k * n]);
      }
    }
  }
  return there;
}

// The polar factor of random numbers.
Vector orthogonal(mg_context* cpu, int64_t n, uint64_t seed) {
  Vector q(static_cast<size_t>(n * n));
  mg_polar_report report;
  const Vector a = gaussian(n * n, seed);
  CHECK_OK(mg_polar(cpu, MG_F64, 1, n, a.data(), n, q.data(), n, nullptr, &report));
  return q;
}

double orthogonality(int64_t n, const Vector& padded) {
  Vector q;
  for (int64_t i = 0; i < n * n; ++i) q.push_back(padded[i / n * (n + 2) + i % n]);
  return largest_difference(multiply(n, n, n, q, true, q, false), identity(n));
}

}  // namespace

TEST(fake_polar_of_every_size) {
  if (!device()) return;
  Context device(2, MG_BACKEND_CUDA), cpu;
  for (int64_t n : {1, 2, 5, 33, 128, 129}) {
    if (n > 64 && in_short()) continue;
    for (int64_t count : {1, 3}) {
      if (count == 3 && n == 128) continue;
      const int64_t lda = n + 3;
      Vector a = gaussian(count * n * lda, 40 + static_cast<uint64_t>(n));
      for (int64_t e = 0; e < count * n * lda; ++e) a[e] = e % lda < n ? a[e] : kNaN;  // which nobody may read
      const Polar wide = compare(device, cpu, MG_F64, count, n, a, lda, 1e-10 * static_cast<double>(n), 1e-12);
      CHECK(orthogonality(n, wide.q) < 1e-13);
      const Polar narrow = compare(device, cpu, MG_F32, count, n, a, lda, 1e-4, 1e-5);
      CHECK(orthogonality(n, narrow.q) < 1e-8);
      CHECK(same_bits(wide.q, polar(device, MG_F64, count, n, a, lda, false).q));
      // Large ones are iterated, not decomposed: only the iteration knows F32.
      CHECK(same_bits(wide.q, narrow.q) == (n <= 128) || fake_device());
    }
  }
}

// More problems than a launch takes.
TEST(fake_polar_of_many) {
  if (!device()) return;
  Context device(2, MG_BACKEND_CUDA), cpu;
  const int64_t count = 1030, n = 2, lda = 5;
  compare(device, cpu, MG_F64, count, n, gaussian(count * n * lda, 8), lda, 1e-8, 1e-12);
}

TEST(fake_polar_of_every_condition) {
  if (!device()) return;
  Context device(2, MG_BACKEND_CUDA), cpu;
  for (int64_t n : {20, 130}) {
    const Vector u = orthogonal(cpu, n, 1), v = orthogonal(cpu, n, 2), planted = multiply(n, n, n, u, false, v, false);
    for (double condition : {3.0, 1e4, 5e5, 1e7}) {
      for (int spectrum = 0; spectrum < 3; ++spectrum) {
        if (spectrum > 0 && in_short()) continue;
        Vector scaled = u;
        for (int64_t i = 0; i < n * n; ++i) {
          const double share = static_cast<double>(i % n) / static_cast<double>(n - 1);
          scaled[i] *= 1e3 * (spectrum == 0   ? std::pow(condition, -share)
                              : spectrum == 1 ? (i % n == 0 ? 1 / condition : 1)
                                              : (i % n == 0 ? 1 : 1 / condition));
        }
        const Vector a = multiply(n, n, n, scaled, false, v, false);
        // As sensitive as the two smallest singular values are small.
        const double sensitivity = spectrum == 1 ? 1 : condition;
        const Polar found = compare(device, cpu, MG_F64, 1, n, a, n, 1e-13 * (10 + sensitivity), 1e-11);
        if (condition < 1e6) {
          Vector q;
          for (int64_t i = 0; i < n * n; ++i) q.push_back(found.q[i / n * (n + 2) + i % n]);
          CHECK(largest_difference(q, planted) <= 2e-14 * (10 + sensitivity));
        }
        CHECK(orthogonality(n, found.q) < 1e-13);
        const Polar narrow = compare(device, cpu, MG_F32, 1, n, a, n, condition < 1e6 ? 5e-5 : 1e-4, 1e-5);
        CHECK(orthogonality(n, narrow.q) < 1e-8);
      }
    }
  }
}

TEST(fake_polar_completes_as_the_cpu) {
  if (!device()) return;
  Context device(2, MG_BACKEND_CUDA), cpu;
  const auto same = [&](int64_t n, const Vector& a, int32_t completion) {
    for (int32_t dtype : {MG_F64, MG_F32}) {
      const Polar found = compare(device, cpu, dtype, 1, n, a, n, 1e-8, 1e-12);
      CHECK(found.reports[0].completion == completion && orthogonality(n, found.q) < 1e-10);
    }
  };
  same(3, Vector(9, 0.0), MG_COMPLETION_IDENTITY);
  same(2, {0, 5, 0, 0}, MG_COMPLETION_ASSIGNMENT);
  same(3, {0, 0, 2, 0, 0, 0, -1, 0, 0}, MG_COMPLETION_IDENTITY);
  same(2, {0.5, -0.5, 0.5, -0.5}, MG_COMPLETION_INDEX);
  const int64_t n = 12;
  Vector pairs(static_cast<size_t>(n * n), 0.0);
  for (int64_t k = 0; k < n; k += 2) {
    const double s = static_cast<double>(n - k);
    pairs[k * n + k] = pairs[(k + 1) * n + k] = s;
    pairs[k * n + k + 1] = pairs[(k + 1) * n + k + 1] = -s;
  }
  same(n, pairs, MG_COMPLETION_INDEX);
  for (int64_t size : {17, 130}) {
    Vector holes = gaussian(size * size, 7);
    for (int64_t i = 0; i < size; ++i) holes[i * size + 7] = holes[5 * size + i] = 0;
    same(size, holes, MG_COMPLETION_ASSIGNMENT);
    const int64_t rank = size - 3;
    const Vector left = gaussian(size * rank, 5), right = gaussian(rank * size, 6);
    same(size, multiply(size, size, rank, left, false, right, false), MG_COMPLETION_IDENTITY);
    // One of several problems.
    Vector two = gaussian(2 * size * size, 9);
    std::copy(holes.begin(), holes.end(), two.begin() + size * size);
    compare(device, cpu, MG_F64, 2, size, two, size, 1e-8, 1e-12);
  }
}

TEST(fake_polar_of_any_scale) {
  if (!device()) return;
  Context device(2, MG_BACKEND_CUDA), cpu;
  for (int64_t n : {3, 40, 133}) {
    const Vector a = gaussian(n * n, 9);
    for (int exponent : {-1040, 400, 1008}) {
      Vector scaled = a;
      for (double& each : scaled) each = std::ldexp(each, exponent);
      compare(device, cpu, MG_F64, 1, n, scaled, n, exponent < -1000 ? 1e-4 : 1e-8, exponent < -1000 ? 1e-6 : 1e-12);
    }
  }
}

TEST(fake_polar_names_what_is_not_finite) {
  if (!device()) return;
  Context device(2, MG_BACKEND_CUDA), cpu;
  for (int64_t n : {2, 130}) {
    Vector a = gaussian(2 * n * n, 3);
    a[n * n + n + 1] = -kInf;
    CHECK(compare(device, cpu, MG_F64, 2, n, a, n, 0, 0).message == "problem 1: a[1, 1] is infinite");
    a[n + 1] = kNaN;
    a.resize(static_cast<size_t>(n * n));
    CHECK(compare(device, cpu, MG_F64, 1, n, a, n, 0, 0).message == "a[1, 1] is NaN");
  }
}

namespace {

struct Cca {
  int32_t status;
  std::string message;
  Vector t, tinv, correlations;
  std::vector<mg_cca_report> reports;
};

Cca cca(mg_context* context, int32_t dtype, int64_t n, const Covariances& p, const Vector& gamma, bool correlations) {
  const size_t size = gamma.size() * p.xx.size();
  const Array xx(context, MG_F64, p.xx, 0), yy(context, MG_F64, p.yy, 0), xy(context, MG_F64, p.xy, 0),
      t(context, MG_F64, Vector(size, 7.0), 0), tinv(context, MG_F64, Vector(size, 7.0), 0),
      rho(context, MG_F64, Vector(gamma.size() * static_cast<size_t>(n), 7.0), 0);
  std::vector<mg_cca_report> reports(gamma.size());
  const int32_t status =
      mg_cca_map(context, dtype, n, xx.doubles(), yy.doubles(), xy.doubles(), static_cast<int64_t>(gamma.size()),
                 gamma.data(), gamma.data(), t.doubles(), tinv.doubles(), correlations ? rho.doubles() : nullptr,
                 reports.data());
  return {status, status == MG_OK ? "" : mg_last_error(), t.values(MG_F64), tinv.values(MG_F64), rho.values(MG_F64),
          reports};
}

struct CcaTolerance {
  double map = 1e-9, value = 1e-11, condition = 1e-8;
};

Cca compare(mg_context* device, mg_context* cpu, int32_t dtype, int64_t n, const Covariances& p, const Vector& gamma,
            CcaTolerance allowed = {}) {
  Cca there;
  for (bool correlations : {true, false}) {
    there = cca(device, dtype, n, p, gamma, correlations);
    const Cca here = cca(cpu, dtype, n, p, gamma, correlations);
    CHECK(there.status == here.status && there.message == here.message);
    if (here.status != MG_OK) continue;
    CHECK(largest_difference(there.t, here.t) <= allowed.map * largest_magnitude(here.t));
    CHECK(largest_difference(there.tinv, here.tinv) <= allowed.map * largest_magnitude(here.tinv));
    CHECK(largest_difference(there.correlations, here.correlations) <= allowed.value);
    for (size_t k = 0; k < gamma.size(); ++k) {
      const mg_cca_report &x = there.reports[k], &y = here.reports[k];
      CHECK(x.rank == y.rank && x.completion == y.completion);
      CHECK(x.clipped_x == y.clipped_x && x.clipped_y == y.clipped_y);
      CHECK_NEAR(x.condition, y.condition, allowed.condition * y.condition);
      CHECK_NEAR(x.sum, y.sum, allowed.value * static_cast<double>(n));
    }
  }
  return there;
}

}  // namespace

TEST(fake_cca_sweeps) {
  if (!device()) return;
  Context device(2, MG_BACKEND_CUDA), cpu;
  const Vector gammas = {0, 1e-3, 0.1, 1, 100};
  for (int64_t n : {2, 7, 33, 130}) {
    if (n > 64 && kSanitized) continue;
    const Covariances p = covariances(n, 4 * n, 1, 9);
    compare(device, cpu, MG_F64, n, p, n > 64 ? Vector{0, 0.1, 100} : gammas);
    CcaTolerance narrow;
    narrow.map = 1e-3;
    narrow.value = narrow.condition = 1e-4;
    compare(device, cpu, MG_F32, n, p, {0.1}, narrow);
    if (!fake_device()) {  // by the fast path, whose iteration alone knows F32
      const bool same = same_bits(cca(device, MG_F32, n, p, {0.1}, true).t, cca(device, MG_F64, n, p, {0.1}, true).t);
      CHECK(same == (n <= 128));
    }
    // One by one the same as together.
    const Cca both = cca(device, MG_F64, n, p, {1, 0.1}, true), second = cca(device, MG_F64, n, p, {0.1}, true);
    CHECK(std::equal(second.t.begin(), second.t.end(), both.t.begin() + n * n));
    CHECK(std::equal(second.correlations.begin(), second.correlations.end(), both.correlations.begin() + n));
  }
}

// The least correlation is too small for the iteration, and still more than 0: M is decomposed.
TEST(fake_cca_of_a_least_correlation_near_0) {
  if (!device() || kSanitized) return;
  Context device(2, MG_BACKEND_CUDA), cpu;
  const int64_t n = 130;
  const Vector u = orthogonal(cpu, n, 1), v = orthogonal(cpu, n, 2);
  Vector scaled = u;
  for (int64_t i = 0; i < n * n; ++i) {
    scaled[i] *= 0.9 * std::pow(2e-6, static_cast<double>(i % n) / static_cast<double>(n - 1));
  }
  CcaTolerance sensitive;
  sensitive.map = 1e-8;
  const Covariances p{identity(n), identity(n), multiply(n, n, n, scaled, false, v, false)};
  const Cca found = compare(device, cpu, MG_F64, n, p, {0}, sensitive);
  CHECK(found.reports[0].rank == n && largest_difference(found.t, multiply(n, n, n, u, false, v, false)) <= 1e-8);
}

TEST(fake_cca_of_singular_covariances) {
  if (!device()) return;
  Context device(2, MG_BACKEND_CUDA), cpu;
  for (int64_t n : {12, 130}) {
    Covariances dead = covariances(n, 3 * n, 1, 6);
    for (int64_t i = 0; i < n; ++i) dead.xx[3 * n + i] = dead.xx[i * n + 3] = dead.xy[3 * n + i] = 0;
    CHECK(compare(device, cpu, MG_F64, n, dead, {0.1}).reports[0].rank == n - 1);
    CHECK(compare(device, cpu, MG_F32, n, dead, {0, 0.1}).reports[1].rank == n - 1);
    const Covariances low = covariances(n, n / 2, 0, 3);
    const Cca clipped = compare(device, cpu, MG_F64, n, {low.xx, low.xx, low.xx}, {0});
    CHECK(clipped.reports[0].clipped_x == n - n / 2 && largest_difference(clipped.t, identity(n)) < 1e-8);
  }
  const Vector xx = {4, 0, 0, 0, 1, 0, 0, 0, 0}, yy = {0, 0, 0, 0, 4, 0, 0, 0, 1}, xy = {0, 4, 0, 0, 0, 1, 0, 0, 0};
  const Cca rotated = compare(device, cpu, MG_F64, 3, {xx, yy, xy}, {0.1});
  CHECK(rotated.reports[0].completion == MG_COMPLETION_ASSIGNMENT);
}

// Where rounding of the statistics is larger than gamma.
TEST(fake_cca_takes_noise_for_noise) {
  if (!device()) return;
  Context device(2, MG_BACKEND_CUDA), cpu;
  const int64_t n = 40, samples = 20;
  const Vector x = gaussian(samples * n, 21), turn = gaussian(n * n, 22);
  const Vector y = multiply(samples, n, n, x, false, turn, false);
  const auto rounded = [&](const Vector& a, const Vector& b) {
    Vector c = multiply(n, n, samples, a, true, b, false);
    for (double& each : c) each = static_cast<float>(each);
    return c;
  };
  const Covariances p{rounded(x, x), rounded(y, y), rounded(x, y)};
  for (double gamma : {0.0, 1e-8}) {
    for (mg_context* each : {static_cast<mg_context*>(device), static_cast<mg_context*>(cpu)}) {
      const Cca found = cca(each, MG_F64, n, p, {gamma}, true), only = cca(each, MG_F64, n, p, {gamma}, false);
      CHECK(found.status == MG_OK && found.reports[0].rank <= samples);
      CHECK(same_bits(found.t, only.t) && found.reports[0].sum == only.reports[0].sum);
      for (double rho : found.correlations) CHECK(rho >= 0 && rho <= 1);
      CHECK_NEAR(found.reports[0].sum, static_cast<double>(samples), 0.1 * static_cast<double>(samples));
    }
  }
}

TEST(fake_cca_of_any_scale) {
  if (!device()) return;
  Context device(2, MG_BACKEND_CUDA), cpu;
  for (int64_t n : {6, 133}) {
    const Covariances p = covariances(n, 3 * n, 1, 5);
    const Cca want = cca(device, MG_F64, n, p, {0.125}, true);
    for (const auto& [ex, ey] : {std::pair{-300, 0}, {170, 500}}) {
      Covariances q = p;
      for (double& each : q.xx) each = std::ldexp(each, 2 * ex);
      for (double& each : q.yy) each = std::ldexp(each, 2 * ey);
      for (double& each : q.xy) each = std::ldexp(each, ex + ey);
      // gamma is that of both sides here.
      const Cca found = compare(device, cpu, MG_F64, n, q, {0});
      const Cca plain = cca(device, MG_F64, n, p, {0}, false);
      Vector t = found.t;
      for (double& each : t) each = std::ldexp(each, ey - ex);
      CHECK(same_bits(t, plain.t));
    }
    CHECK(want.status == MG_OK);
  }
  for (double v : {1e-300, 1e300}) {
    const Vector constant(25, v);
    compare(device, cpu, MG_F64, 5, {constant, constant, constant}, {0});
  }
}

TEST(fake_cca_fails_as_the_cpu) {
  if (!device()) return;
  Context device(2, MG_BACKEND_CUDA), cpu;
  const Vector good = {2, 1, 1, 2}, zero(4, 0.0), three = {3, 0, 0, 3};
  const auto message = [&](const Vector& xx, const Vector& yy, const Vector& xy, const Vector& gamma) {
    const Cca found = compare(device, cpu, MG_F64, 2, {xx, yy, xy}, gamma);
    CHECK(found.status == MG_NUMERICAL);
    for (double each : found.t) CHECK(each == 7 || gamma.size() > 1);
    return found.message;
  };
  CHECK(message({2, kNaN, 1, 2}, good, good, {0}) == "sxx[0, 1] is NaN");
  CHECK(message(good, good, {1, 1, 1, kInf}, {0}) == "sxy[1, 1] is infinite");
  CHECK(message(zero, good, good, {0}) == "Sxx + gamma_x I has no variance; raise gamma_x (now 0)");
  CHECK(message(zero, zero, zero, {1, 0}) == "problem 1: Sxx + gamma_x I has no variance; raise gamma_x (now 0)");
  CHECK(message(good, {1, 0, 0, -1}, good, {0}) == "Syy + gamma_y I is not a covariance: it has eigenvalues -1 and 1");
  // Which no element shows.
  CHECK(message(good, {1, 0, 0, -1}, {0.1, 0, 0, 0.1}, {0}) ==
        "Syy + gamma_y I is not a covariance: it has eigenvalues -1 and 1");
  CHECK(message(identity(2), identity(2), three, {0}) ==
        "Sxx, Syy and Sxy are not covariances of the same samples: a canonical correlation is 3; raise gamma (now 0 "
        "and 0), or form products in F64");
  // By the symmetric form, whose elements are checked on the host.
  const Vector wide = {1e300, 0, 0, 0, 1.7e308, 0, 0, 0, 0}, tiny = {1e-310, 0, 0, 0, 1e-310, 0, 0, 0, 0};
  const Vector cross = {1e-6, 0, 0, 0, 0.1, 0, 0, 0, 0};
  CHECK(compare(device, cpu, MG_F64, 3, {wide, tiny, cross}, {0}).message == "T[1, 1] is infinite");
  // A correlation above 1 that no bound of the elements shows.
  const int64_t n = 140;
  const Covariances large{identity(n), identity(n), Vector(static_cast<size_t>(n * n), 1.1 / static_cast<double>(n))};
  CHECK(compare(device, cpu, MG_F64, n, large, {0}).status == MG_NUMERICAL);
  // Nor the iteration, which goes on from any well-conditioned matrix: 1.2 times an orthogonal one.
  Vector turned(static_cast<size_t>(n * n));
  for (int64_t e = 0; e < n * n; ++e) {
    const double angle = 2 * std::acos(-1.0) * static_cast<double>(e / n * (e % n) % n) / static_cast<double>(n);
    turned[e] = 1.2 * (std::cos(angle) + std::sin(angle)) / std::sqrt(static_cast<double>(n));
  }
  CHECK(compare(device, cpu, MG_F64, n, {identity(n), identity(n), turned}, {0}).status == MG_NUMERICAL);
}

// Word for word, of matrices with gaps between their rows; what is not finite is named where it lies.
TEST(fake_decompositions_fail_as_the_cpu) {
  if (!device()) return;
  Context device(2, MG_BACKEND_CUDA), cpu;
  const int64_t n = 5, ld = n + 2, padded = n * ld;
  const auto message = [&](mg_context* context, int which, const Vector& values) {
    const Array a(context, MG_F64, values, 0), b(context, MG_F64, Vector(static_cast<size_t>(padded), 1.0), 0);
    const Array x(context, 8 * padded, 0), y(context, 8 * padded, 0), z(context, 8 * n, 0);
    double *const in = a.doubles(), *const out = x.doubles(), *const other = y.doubles(), *const list = z.doubles();
    const int32_t status = which == 0   ? mg_qr(context, n, n, in, ld, out, ld, other, ld)
                           : which == 1 ? mg_general_eigenvalues(context, 1, n, in, ld, other, out)
                           : which == 2 ? mg_svd(context, n, n, in, ld, out, ld, list, other, ld)
                           : which == 3 ? mg_symmetric_eigen(context, n, in, ld, out, ld, list)
                                        : mg_solve(context, n, n, in, ld, b.doubles(), ld, out, ld);
    return std::string(status == MG_OK ? "" : mg_last_error());
  };
  for (int which = 0; which < 5; ++which) {
    for (double bad : {kNaN, kInf}) {
      Vector a = gaussian(padded, 3);
      a[3 * ld + 2] = bad;
      const std::string wanted = message(cpu, which, a);
      CHECK(wanted.rfind("a[", 0) == 0 && message(device, which, a) == wanted);
    }
  }
}
