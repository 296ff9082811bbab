// SPDX-License-Identifier: Apache-2.0
// CCA map of y into the space of x (Horoi et al. 2024). With X = Sxx + gamma_x I, Y = Syy + gamma_y I:
//   K = X^-1/2 Sxy Y^-1/2 = U S V^T,  T = X^1/2 U V^T Y^-1/2,  Tinv = Y^1/2 V U^T X^-1/2.
// Fast path: X = Lx Lx^T, Y = Ly Ly^T, M = Lx^-1 Sxy Ly^-T has the same singular values and, with P = polar(M),
//   T = Lx P Ly^-1,  Tinv = Ly P^T Lx^-1.
// The symmetric form is used when a Cholesky factor does not exist or M is rank deficient: the completion on the null
// space refers to features, and Lx^-1 turns them.
#include "routines/cca.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "routines/completion.h"
#include "routines/dense.h"
#include "routines/newton.h"
#include "routines/problems.h"
#include "routines/product.h"
#include "routines/routines.h"
#include "routines/triangular.h"
#include "runtime/blas.h"
#include "runtime/buffer.h"
#include "runtime/error.h"
#include "runtime/pool.h"

namespace merganser {

namespace {

// The factor in the lower triangle of a. Nothing when a is singular to working precision, also where rounding lets the
// factorisation pass.
std::optional<Triangle<double>> factorise(mg_context* context, int64_t n, Buffer<double>& a) {
  const double largest = largest_variance(n, a.data());
  if (!(largest > 0)) return std::nullopt;
  const auto factor = cholesky(context, n, by_rows(a.data(), n));
  const double least = static_cast<double>(n) * std::numeric_limits<double>::epsilon() * largest;
  for (int64_t i = 0; factor && i < n; ++i) {
    if (a[i * n + i] * a[i * n + i] <= least) return std::nullopt;
  }
  return factor;
}

// A lower bound of the largest singular value, from the longest row and two steps of the power method.
double largest_seen(int64_t n, const double* m) {
  const double* longest = m;
  double most = 0;
  for (int64_t i = 0; i < n; ++i) {
    double square = 0;
    for (int64_t j = 0; j < n; ++j) square += m[i * n + j] * m[i * n + j];
    if (square > most) {
      most = square;
      longest = m + i * n;
    }
  }
  double seen = std::sqrt(most);
  if (!(seen > 0 && seen < 1e100)) return seen;
  Buffer<double> x(n), next(n);
  std::copy_n(longest, n, x.data());
  for (int step = 0; step < 2; ++step) {
    double norm = 0;
    for (int64_t j = 0; j < n; ++j) norm += x[j] * x[j];
    std::fill_n(next.data(), n, 0.0);
    double square = 0;
    for (int64_t i = 0; i < n; ++i) {
      double image = 0;
      for (int64_t j = 0; j < n; ++j) image += m[i * n + j] * x[j];
      image /= std::sqrt(norm);
      square += image * image;
      for (int64_t j = 0; j < n; ++j) next[j] += image * m[i * n + j];
    }
    seen = std::max(seen, std::sqrt(square));
    std::swap(x, next);
  }
  return seen;
}

// False when M is rank deficient or a correlation is above 1: then the symmetric form has to decide.
bool solve_by_cholesky(const CcaProblem& p, const Triangle<double>& lx, const Triangle<double>& ly,
                       CcaSolution& solution) {
  const int64_t n = p.n;
  double* m = solution.tinv.data();
  std::copy_n(p.sxy, n * n, m);
  lx.solve(p.context, n, by_rows(m, n));
  ly.solve(p.context, n, by_rows(m, n).transposed());
  check_finite("Lx^-1 Sxy Ly^-T", n, n, m, n);
  if (largest_seen(n, m) > 1 + kAboveOne) return false;
  double *polar = solution.t.data(), *sigma = solution.correlations.data();
  const bool iterated = newton_polar(p.context, p.dtype, n, m, polar);
  if (iterated && !p.correlations) {
    solution.report.sum = sum_of_singular_values(n, polar, m, n);
  } else {
    if (iterated) {
      singular_values(p.context, p.dtype, n, polar, m, sigma);
    } else {
      Buffer<double> u(n, n), vt(n, n);
      thin_svd(p.context, n, n, m, u.data(), sigma, vt.data());
      multiply<double>(p.context, n, n, n, 1, by_rows(u.data(), n), by_rows(vt.data(), n), 0, by_rows(polar, n));
    }
    if (sigma[0] > 1 + kAboveOne || numerical_rank(n, sigma) < n) return false;
    clamp_correlations(solution);
  }
  transpose(p.context, MG_F64, n, n, polar, n, solution.tinv.data(), n);
  const View<double> t = by_rows(solution.t.data(), n), tinv = by_rows(solution.tinv.data(), n);
  lx.multiply(p.context, n, t);
  ly.transposed().solve(p.context, n, t.transposed());
  ly.multiply(p.context, n, tinv);
  lx.transposed().solve(p.context, n, tinv.transposed());
  solution.report.rank = n;
  return true;
}

void solve(const CcaProblem& given, double* t, double* tinv, double* correlations, mg_cca_report* report) {
  const int64_t n = given.n;
  CcaSolution solution(n);
  const ScaledCca scaled(given);
  const CcaProblem& problem = scaled.problem;
  {
    Buffer<double> lx = regularised(n, problem.sxx, problem.gamma_x), ly = regularised(n, problem.syy, problem.gamma_y);
    const auto factor_x = factorise(problem.context, n, lx), factor_y = factorise(problem.context, n, ly);
    if (!factor_x || !factor_y || !solve_by_cholesky(problem, *factor_x, *factor_y, solution)) {
      solve_symmetric(problem, !factor_x, !factor_y, solution);
    }
  }
  finish(scaled, solution, t, tinv, correlations, report);
}

}  // namespace

// Nothing but Sxx, Syy and Sxy is shared by different gammas: eigenvectors of Sxx and Syy could be, and then
// M = Dx (Ex^T Sxy Ey) Dy is a scaling, but T and Tinv need four more products of n x n matrices, which costs more than
// the two factorisations and the solves that it saves. What a sweep gains is that its maps run at the same time, each
// on one thread.
void cca_map(mg_context* context, int32_t dtype, int64_t n, const double* sxx, const double* syy, const double* sxy,
             int64_t count, const double* gamma_x, const double* gamma_y, double* t, double* tinv, double* correlations,
             mg_cca_report* reports) {
  if (count == 0) return;
  check_finite("sxx", n, n, sxx, n);
  check_finite("syy", n, n, syy, n);
  check_finite("sxy", n, n, sxy, n);
  SerialBlas blas(context);
  each_problem(context, count, [&](mg_context* part, int64_t k) {
    solve({part, dtype, correlations != nullptr, n, sxx, syy, sxy, gamma_x[k], gamma_y[k]}, t + k * n * n,
          tinv + k * n * n, correlations ? correlations + k * n : nullptr, reports + k);
  });
}

}  // namespace merganser
