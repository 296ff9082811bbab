// SPDX-License-Identifier: Apache-2.0
// The symmetric form of the CCA map, see cca.cpp. Correlations are at most 1 when (Sxx Sxy; Sxy^T Syy) has no negative
// eigenvalue. Rounding of the statistics gives it some where features are collinear or samples fewer than features; a
// smaller gamma then raises noise to correlations far above 1. Seen in the result, directions within reach of that
// noise are taken out.
#include "routines/cca.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "routines/completion.h"
#include "routines/dense.h"
#include "routines/product.h"
#include "runtime/error.h"

namespace merganser {

int halved_exponent(double largest) {
  if (largest == 0 || (largest > 1e-100 && largest < 1e100)) return 0;
  int exponent;
  std::frexp(largest, &exponent);
  return exponent / 2;
}

namespace {

constexpr double kNoise = 100;  // eigenvalues below this many times the noise of the statistics count as noise
constexpr double kMostNoise = 0.01;

int halved(int64_t n, const double* s, double gamma) {
  double largest = gamma;
  for (int64_t i = 0; i < n * n; ++i) largest = std::max(largest, std::fabs(s[i]));
  return halved_exponent(largest);
}

const double* scale(int64_t n, const double* from, int exponent, Buffer<double>& to) {
  to = Buffer<double>(n, n);
  for (int64_t i = 0; i < n * n; ++i) to[i] = std::ldexp(from[i], exponent);
  return to.data();
}

// Largest sum of magnitudes in a column.
double norm1(int64_t n, const double* a) {
  Buffer<double> sums(n);
  std::fill_n(sums.data(), n, 0.0);
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < n; ++j) sums[j] += std::fabs(a[i * n + j]);
  }
  return *std::max_element(sums.data(), sums.data() + n);
}

}  // namespace

ScaledCca::ScaledCca(const CcaProblem& p) : problem(p) {
  const int ex = halved(p.n, p.sxx, p.gamma_x), ey = halved(p.n, p.syy, p.gamma_y);
  if (ex == 0 && ey == 0) return;
  problem.sxx = scale(p.n, p.sxx, -2 * ex, sxx);
  problem.syy = scale(p.n, p.syy, -2 * ey, syy);
  problem.sxy = scale(p.n, p.sxy, -ex - ey, sxy);
  problem.gamma_x = std::ldexp(p.gamma_x, -2 * ex);
  problem.gamma_y = std::ldexp(p.gamma_y, -2 * ey);
  exponent = ex - ey;
}

Buffer<double> regularised(int64_t n, const double* s, double gamma) {
  Buffer<double> result(n, n);
  std::copy_n(s, n * n, result.data());
  for (int64_t i = 0; i < n; ++i) result[i * n + i] += gamma;
  return result;
}

double largest_variance(int64_t n, const double* s) {
  double largest = 0;
  for (int64_t i = 0; i < n; ++i) largest = std::max(largest, s[i * n + i]);
  return largest;
}

// Correlations at most 1, where rounding took one above.
void clamp_correlations(CcaSolution& solution) {
  solution.report.sum = 0;
  for (int64_t i = 0; i < solution.correlations.size(); ++i) {
    solution.correlations[i] = std::min(1.0, solution.correlations[i]);
    solution.report.sum += solution.correlations[i];
  }
}

namespace {

// X^1/2 and X^-1/2. `whitening` is X^-1/2 with 0 for eigenvalues that are rounding noise: products with such a
// direction are noise too, and 1 / sqrt(clipped eigenvalue) would raise them to the level of weak correlations.
struct Roots {
  Buffer<double> half, inverse_half, whitening;
  int64_t clipped = 0;
};

// Only a singular X has its eigenvalues below 1e-10 of the largest raised, or below the noise if that is larger.
Roots roots(mg_context* context, int64_t n, Buffer<double> x, bool singular, char side, double gamma, double level) {
  Buffer<double> values(n), scaled(n, n);
  eigen(context, n, x.data(), values.data());
  const double largest = values[n - 1];
  if (!(largest > 0)) {
    fail(MG_NUMERICAL,
         format("S%c%c + gamma_%c I has no variance; raise gamma_%c (now %g)", side, side, side, side, gamma));
  }
  if (!(values[0] >= -1e-4 * largest) || !(largest < std::numeric_limits<double>::infinity())) {
    fail(MG_NUMERICAL, format("S%c%c + gamma_%c I is not a covariance: it has eigenvalues %g and %g", side, side, side,
                              values[0], largest));
  }
  Roots result;
  const double floor = std::max(1e-10 * largest, level);
  const double least = std::max(static_cast<double>(n) * std::numeric_limits<double>::epsilon() * largest, level);
  int64_t noise = 0;
  if (singular || values[0] <= least) {
    while (noise < n && values[noise] <= least) ++noise;
    for (int64_t i = 0; i < n && values[i] < floor; ++i, ++result.clipped) values[i] = floor;
  }
  const auto power = [&](double exponent, int64_t zeros) {
    for (int64_t i = 0; i < n; ++i) {
      const double root = std::sqrt(values[i]);
      const double scale = i < zeros ? 0 : exponent < 0 ? 1 / root : root;
      for (int64_t j = 0; j < n; ++j) scaled[i * n + j] = scale * x[i * n + j];
    }
    Buffer<double> product(n, n);
    multiply<double>(context, n, n, n, 1, by_rows(x.data(), n).transposed(), by_rows(scaled.data(), n), 0,
                     by_rows(product.data(), n));
    return product;
  };
  result.half = power(0.5, 0);
  result.inverse_half = power(-0.5, 0);
  if (noise > 0) result.whitening = power(-0.5, noise);
  return result;
}

// Sxy_ij / sqrt(Sxx_ii Syy_jj); a feature without variance has correlation 0 with everything.
Buffer<double> correlation(const CcaProblem& p) {
  const int64_t n = p.n;
  const auto inverse_deviations = [n](const double* s) {
    const double largest = largest_variance(n, s);
    Buffer<double> result(n);
    for (int64_t i = 0; i < n; ++i) {
      const double variance = s[i * n + i];
      result[i] = variance > 1e-12 * largest ? 1 / std::sqrt(variance) : 0;
    }
    return result;
  };
  const Buffer<double> x = inverse_deviations(p.sxx), y = inverse_deviations(p.syy);
  Buffer<double> result(n, n);
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < n; ++j) result[i * n + j] = p.sxy[i * n + j] * x[i] * y[j];
  }
  return result;
}

// What rounding did to the statistics: how far the smallest eigenvalue of (Sxx Sxy; Sxy^T Syy) is below 0, both sides
// in units of their largest variance.
double noise_of(const CcaProblem& p) {
  const int64_t n = p.n;
  const double x = 1 / std::sqrt(largest_variance(n, p.sxx)), y = 1 / std::sqrt(largest_variance(n, p.syy));
  Buffer<double> joint(2 * n, 2 * n), values(2 * n);
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      joint[i * 2 * n + j] = p.sxx[i * n + j] * x * x;
      joint[(n + i) * 2 * n + n + j] = p.syy[i * n + j] * y * y;
      joint[i * 2 * n + n + j] = joint[(n + j) * 2 * n + i] = p.sxy[i * n + j] * x * y;
    }
  }
  check_finite("the joint covariance", 2 * n, 2 * n, joint.data(), 2 * n);
  eigen(p.context, 2 * n, joint.data(), values.data());
  return std::max(0.0, -values[0]);
}

// `level`: eigenvalues up to it are noise, in units of the largest variance.
void solve_above(const CcaProblem& p, bool singular_x, bool singular_y, double level, CcaSolution& solution) {
  const int64_t n = p.n;
  const Roots x = roots(p.context, n, regularised(n, p.sxx, p.gamma_x), singular_x, 'x', p.gamma_x,
                        level * largest_variance(n, p.sxx));
  const Roots y = roots(p.context, n, regularised(n, p.syy, p.gamma_y), singular_y, 'y', p.gamma_y,
                        level * largest_variance(n, p.syy));
  const auto product = [&](bool transpose_b, const double* a, const double* b, double* c) {
    multiply<double>(p.context, n, n, n, 1, by_rows(a, n), transpose_b ? by_rows(b, n).transposed() : by_rows(b, n), 0,
                     by_rows(c, n));
  };
  Buffer<double> k(n, n), scratch(n, n), u(n, n), vt(n, n), q(n, n);
  const auto whitening = [](const Roots& side) {
    return side.whitening.data() ? side.whitening.data() : side.inverse_half.data();
  };
  product(false, whitening(x), p.sxy, scratch.data());
  product(false, scratch.data(), whitening(y), k.data());
  check_finite("X^-1/2 Sxy Y^-1/2", n, n, k.data(), n);
  thin_svd(p.context, n, n, k.data(), u.data(), solution.correlations.data(), vt.data());
  const double highest = solution.correlations[0];
  if (!(highest <= 1 + kAboveOne)) {
    const double by_noise = level == 0 ? kNoise * noise_of(p) : 0;
    if (by_noise > 0 && by_noise <= kMostNoise) {
      return solve_above(p, singular_x, singular_y, by_noise, solution);
    }
    if (level == 0 || !(highest <= 1 + 1 / kNoise)) {
      fail(MG_NUMERICAL, format("Sxx, Syy and Sxy are not covariances of the same samples: a canonical correlation is "
                                "%g; raise gamma (now %g and %g), or form products in F64",
                                highest, p.gamma_x, p.gamma_y));
    }
  }
  mg_cca_report& report = solution.report;
  report.rank = numerical_rank(n, solution.correlations.data());
  report.completion =
      completed_polar(p.context, n, report.rank, u.data(), vt.data(), correlation(p).data(), n, q.data());
  clamp_correlations(solution);
  report.clipped_x = x.clipped;
  report.clipped_y = y.clipped;
  product(false, x.half.data(), q.data(), scratch.data());
  product(false, scratch.data(), y.inverse_half.data(), solution.t.data());
  product(true, y.half.data(), q.data(), scratch.data());
  product(false, scratch.data(), x.inverse_half.data(), solution.tinv.data());
}

}  // namespace

void solve_symmetric(const CcaProblem& problem, bool singular_x, bool singular_y, CcaSolution& solution) {
  solve_above(problem, singular_x, singular_y, 0, solution);
}

void finish(const ScaledCca& scaled, CcaSolution& solution, double* t, double* tinv, double* correlations,
            mg_cca_report* report) {
  const int64_t n = scaled.problem.n;
  if (scaled.exponent != 0) {
    for (int64_t i = 0; i < n * n; ++i) {
      solution.t[i] = std::ldexp(solution.t[i], scaled.exponent);
      solution.tinv[i] = std::ldexp(solution.tinv[i], -scaled.exponent);
    }
  }
  check_finite("T", n, n, solution.t.data(), n);
  check_finite("T^-1", n, n, solution.tinv.data(), n);
  solution.report.condition = norm1(n, solution.t.data()) * norm1(n, solution.tinv.data());
  std::copy_n(solution.t.data(), n * n, t);
  std::copy_n(solution.tinv.data(), n * n, tinv);
  if (correlations) std::copy_n(solution.correlations.data(), n, correlations);
  *report = solution.report;
}

}  // namespace merganser
