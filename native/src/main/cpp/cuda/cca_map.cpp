// SPDX-License-Identifier: Apache-2.0
// CCA maps: the fast path of routines/cca.cpp on the device,
//   X = Lx Lx^T, Y = Ly Ly^T, M = Lx^-1 Sxy Ly^-T, P = polar(M), T = Lx P Ly^-1, Tinv = Ly P^T Lx^-1,
// with the same criteria. Where a factor does not exist or M is rank deficient the CPU's own symmetric form
// (cca_symmetric.cpp) runs on the host, with its products and decompositions on the device (dense.cpp).
// A correlation above 1 is seen before the polar factor: (1 + 1e-6)^2 I - M^T M has no Cholesky factor then.
// Versions considered: eigenvectors of Sxx and Syy once for all gamma (see cca.cpp: more products than the two
// factorisations save); inverses instead of triangular solves (no quicker at this size, and less accurate).
// Expected on an H100-class card for n = 4096, F64 or F32: three factorisations 12 ms, six triangular products and
// solves of n^3 flops each 15 ms at half the rate of a product, polar 65 ms (polar_iteration.cpp): 0.1 s. Correlations
// are eigenvalues of a symmetric matrix, which cost 0.3 s more. A sweep takes that for each gamma.
// Not yet run on a device.
#include <algorithm>
#include <limits>
#include <optional>
#include <vector>

#include "cuda/blas.h"
#include "cuda/matrix.h"
#include "cuda/polar.h"
#include "routines/cca.h"
#include "routines/completion.h"

namespace merganser {
namespace cuda {

namespace {

constexpr const char* kRoutine = "cca_map";

// The covariances of one call, and copies on the host once a problem needs them.
struct Inputs {
  mg_context* context;
  State& s;
  int32_t dtype;
  int64_t n;
  const double *sxx, *syy, *sxy;
  bool correlations;
  double largest_x = 0, largest_y = 0;
  Buffer<double> host_xx, host_yy, host_xy;

  void look_for_errors() {
    const auto look_at = [&](const char* name, const double* a) {
      const Seen seen = look(s, kRoutine, 1, n, a, n)[0];
      require_finite(name, seen);
      return seen.largest;
    };
    largest_x = look_at("sxx", sxx);
    largest_y = look_at("syy", syy);
    look_at("sxy", sxy);
  }

  CcaProblem on_host(double gamma_x, double gamma_y) {
    if (host_xx.size() == 0) {
      const auto fetch = [&](Buffer<double>& to, const double* from) {
        to = Buffer<double>(n, n);
        const size_t bytes = static_cast<size_t>(n * n) * sizeof *from;
        check(cudaMemcpyAsync(to.data(), from, bytes, cudaMemcpyDeviceToHost, s.stream), kRoutine);
      };
      fetch(host_xy, sxy);
      fetch(host_yy, syy);
      fetch(host_xx, sxx);
      synchronize(s, kRoutine);
    }
    return {context, dtype, correlations, n, host_xx.data(), host_yy.data(), host_xy.data(), gamma_x, gamma_y};
  }
};

// Where the results of one problem go, on the device.
struct Outputs {
  double *t, *tinv, *correlations;  // the last may be NULL
  mg_cca_report* report;
};

void put(State& s, double* to, const double* from, int64_t count, cudaMemcpyKind kind) {
  check(cudaMemcpyAsync(to, from, static_cast<size_t>(count) * sizeof *to, kind, s.stream), kRoutine);
}

// The factor of s + gamma I in the lower triangle of `factor`, in units of 2^exponent. False when it is singular to
// working precision, also where rounding lets the factorisation pass.
bool factorise(State& s, int64_t n, const double* covariance, int exponent, double gamma, double* factor) {
  scaled_copy(s, kRoutine, n, covariance, n, -exponent, std::ldexp(gamma, -exponent), factor);
  const double largest = diagonal_range(s, kRoutine, n, factor).largest;
  if (!(largest > 0) || !solver(s, kRoutine).potrf(n, factor, n)) return false;
  const double least = diagonal_range(s, kRoutine, n, factor).least;
  return least * least > static_cast<double>(n) * std::numeric_limits<double>::epsilon() * largest;
}

// P = polar(m); correlations, at most 1, when they are wanted, and their sum. False when m is rank deficient or a
// correlation is above 1: then the symmetric form has to decide.
class PolarOfM {
 public:
  PolarOfM(const Inputs& inputs, const double* m, double* p)
      : inputs_(inputs), s_(inputs.s), n_(inputs.n), m_(m), p_(p) {}

  bool find(double largest) {
    if (largest > 1 + kAboveOne) return false;
    const bool found = n_ <= kSmallPolar ? by_block() : by_iteration();
    if (!found || sigma_.empty()) return found;
    if (sigma_[0] > 1 + kAboveOne || numerical_rank(n_, sigma_.data()) < n_) return false;
    sum = 0;
    for (double& each : sigma_) {
      each = std::min(1.0, each);
      sum += each;
    }
    return true;
  }

  const std::vector<double>& correlations() const { return sigma_; }
  double sum = 0;

 private:
  bool by_block() {
    Scratch scratch(s_.scratch);
    double* sigma = scratch.take<double>(n_);
    SmallPolar result{};
    small_polar(s_, kRoutine, 1, n_, m_, n_, p_, n_, sigma, &result);
    sigma_ = read(s_, kRoutine, sigma, n_);
    return result.converged && result.rank == n_;
  }

  bool by_iteration() {
    put(s_, p_, m_, n_ * n_, cudaMemcpyDeviceToDevice);
    switch (iterated_polar(inputs_.context, s_, kRoutine, inputs_.dtype, n_, 1 + kAboveOne, p_)) {
      case Iterated::ABOVE:
        return false;
      case Iterated::UNCLEAR:
        by_decomposition();
        return true;
      default:
        if (inputs_.correlations) {
          sigma_.resize(static_cast<size_t>(n_));
          singular_values(s_, kRoutine, inputs_.dtype, n_, p_, m_, sigma_.data());
        } else {
          sum = dot(s_, kRoutine, n_, p_, m_);
        }
        return true;
    }
  }

  void by_decomposition() {
    check_cancelled(inputs_.context);
    Scratch scratch(s_.scratch);
    double* copy = scratch.take<double>(n_ * n_);
    double* u = scratch.take<double>(n_ * n_);
    double* vt = scratch.take<double>(n_ * n_);
    double* sigma = scratch.take<double>(n_);
    put(s_, copy, m_, n_ * n_, cudaMemcpyDeviceToDevice);
    solver(s_, kRoutine).svd(n_, n_, copy, u, sigma, vt);
    blas(s_, kRoutine).gemm<double>(Op::N, Op::N, n_, n_, n_, 1, u, n_, vt, n_, 0, p_, n_);
    sigma_ = read(s_, kRoutine, sigma, n_);
  }

  const Inputs& inputs_;
  State& s_;
  int64_t n_;
  const double* m_;
  double* p_;
  std::vector<double> sigma_;
};

// False when the symmetric form has to decide; then it says what was singular.
bool by_cholesky(const Inputs& inputs, double gamma_x, double gamma_y, const Outputs& out, bool& singular_x,
                 bool& singular_y) {
  State& s = inputs.s;
  const int64_t n = inputs.n;
  const int ex = halved_exponent(std::max(inputs.largest_x, gamma_x));
  const int ey = halved_exponent(std::max(inputs.largest_y, gamma_y));
  Scratch scratch(s.scratch);
  double *lx = scratch.take<double>(n * n), *ly = scratch.take<double>(n * n);
  double *m = scratch.take<double>(n * n), *p = scratch.take<double>(n * n);
  singular_x = !factorise(s, n, inputs.sxx, 2 * ex, gamma_x, lx);
  singular_y = !factorise(s, n, inputs.syy, 2 * ey, gamma_y, ly);
  if (singular_x || singular_y) return false;
  check_cancelled(inputs.context);
  scaled_copy(s, kRoutine, n, inputs.sxy, n, -ex - ey, 0, m);
  blas(s, kRoutine).trsm<double>(Side::LEFT, Op::N, n, n, lx, n, m, n);
  blas(s, kRoutine).trsm<double>(Side::RIGHT, Op::T, n, n, ly, n, m, n);
  const Seen seen = look(s, kRoutine, 1, n, m, n)[0];
  require_finite("Lx^-1 Sxy Ly^-T", seen);
  PolarOfM polar(inputs, m, p);
  if (!polar.find(seen.largest)) return false;
  check_cancelled(inputs.context);
  Blas& b = blas(s, kRoutine);
  double *t = p, *tinv = m;
  b.transpose<double>(n, n, p, n, tinv, n);
  b.trmm<double>(Side::LEFT, Op::N, n, n, lx, n, t, n, t, n);
  b.trsm<double>(Side::RIGHT, Op::N, n, n, ly, n, t, n);
  b.trmm<double>(Side::LEFT, Op::N, n, n, ly, n, tinv, n, tinv, n);
  b.trsm<double>(Side::RIGHT, Op::N, n, n, lx, n, tinv, n);
  if (ex != ey) {
    scaled_copy(s, kRoutine, n, t, n, ex - ey, 0, t);
    scaled_copy(s, kRoutine, n, tinv, n, ey - ex, 0, tinv);
  }
  require_finite("T", look(s, kRoutine, 1, n, t, n)[0]);
  require_finite("T^-1", look(s, kRoutine, 1, n, tinv, n)[0]);
  double norms[2];
  norm(inputs.context, MG_NORM_ONE, n, n, t, n, 0, &norms[0]);
  norm(inputs.context, MG_NORM_ONE, n, n, tinv, n, 0, &norms[1]);
  put(s, out.t, t, n * n, cudaMemcpyDeviceToDevice);
  put(s, out.tinv, tinv, n * n, cudaMemcpyDeviceToDevice);
  if (out.correlations) put(s, out.correlations, polar.correlations().data(), n, cudaMemcpyHostToDevice);
  *out.report = {n, MG_COMPLETION_NONE, 0, 0, norms[0] * norms[1], polar.sum};
  synchronize(s, kRoutine);
  return true;
}

void by_symmetric_form(Inputs& inputs, double gamma_x, double gamma_y, const Outputs& out, bool singular_x,
                       bool singular_y) {
  State& s = inputs.s;
  const int64_t n = inputs.n;
  const ScaledCca scaled(inputs.on_host(gamma_x, gamma_y));
  CcaSolution solution(n);
  solve_symmetric(scaled.problem, singular_x, singular_y, solution);
  Buffer<double> t(n, n), tinv(n, n), correlations(n);
  finish(scaled, solution, t.data(), tinv.data(), correlations.data(), out.report);
  put(s, out.t, t.data(), n * n, cudaMemcpyHostToDevice);
  put(s, out.tinv, tinv.data(), n * n, cudaMemcpyHostToDevice);
  if (out.correlations) put(s, out.correlations, correlations.data(), n, cudaMemcpyHostToDevice);
  synchronize(s, kRoutine);
}

}  // namespace

void cca_map(mg_context* context, int32_t dtype, int64_t n, const double* sxx, const double* syy, const double* sxy,
             int64_t count, const double* gamma_x, const double* gamma_y, double* t, double* tinv, double* correlations,
             mg_cca_report* reports) {
  if (count == 0) return;
  OnDevice here;
  Inputs inputs{context, state(context), dtype, n, sxx, syy, sxy, correlations != nullptr, 0, 0, {}, {}, {}};
  inputs.look_for_errors();
  for (int64_t k = 0; k < count; ++k) {
    const auto run = [&] {
      check_cancelled(context);
      const Outputs out{t + k * n * n, tinv + k * n * n, correlations ? correlations + k * n : nullptr, reports + k};
      bool singular_x, singular_y;
      if (!by_cholesky(inputs, gamma_x[k], gamma_y[k], out, singular_x, singular_y)) {
        by_symmetric_form(inputs, gamma_x[k], gamma_y[k], out, singular_x, singular_y);
      }
    };
    count == 1 ? run() : of_problem(k, run);
  }
}

}  // namespace cuda
}  // namespace merganser
