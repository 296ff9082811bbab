// SPDX-License-Identifier: Apache-2.0
// Polar factor by products alone: scaled Newton-Schulz steps
//   X <- a X (3/2 I - a^2/2 G),  G = X^T X,
// take a singular value x to f(x) = a x (3 - a^2 x^2) / 2. With a^2 = 3 / (1 + l + l^2) an interval [l, 1] goes to
// [f(l), 1], the best a cubic can do; small values grow by 2.6. That step would take the largest to f(1) = f(l), as
// small as the smallest, where rounding is as large as on the smallest: well-conditioned directions would end with the
// error of the worst. So a^2 is at most 2.6, f(1) at least 0.32, growth 2.4 (Nakatsukasa and Higham 2012 on what makes
// an iteration stable). Near 1 a = 1: the usual step, which takes an error e to 3/4 e^2 and tells it by |I - G|.
// The interval comes from G of the input: |G|_F bounds the largest value, three steps of the power method on G and on
// G^-1 by its Cholesky factor estimate both ends. An estimate of l that is too high costs steps, not the result: the
// end is judged by |I - G|.
// As on the CPU MG_F32 runs in F32 only what it can: steps on small singular values are F64, and the last one.
//
// Versions considered, in units of n^3 flops for a condition of 1e4 and in time at n = 4096 on an H100-class card:
//   this                          16 steps of 3 (SYRK and GEMM): 48, at 55 TF/s of F64 or F32 60 ms, and the
//                                 factorisation for l, 4 ms;
//   Newton with inverses (CPU)    4 to 6 steps of 2.7, most of it in triangular solves and panels at a third of the
//                                 rate, and pivoting: 50 to 60 ms, and several times that below n = 1000;
//   Halley (QDWH) by Cholesky     5 steps of 3.3 where its weights stay below 100; above, it loses half the digits, and
//                                 its QR form has 10 n^3 a step;
//   degree 5 (X G^2)              grows by 4.1 for 5: the same for each product, and more rounding;
//   gesvdp                        a polar factor, then symmetric eigenvectors: seconds. It decides what is singular.
// Not yet run on a device.
#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "cuda/blas.h"
#include "cuda/matrix.h"
#include "cuda/polar.h"

namespace merganser {
namespace cuda {

namespace {

constexpr double kLeast = 4e-6;          // of an estimated singular value, against the largest: those below 1e-6 count
                                         // as 0, and estimates are from above
constexpr double kCautious = 0.7;        // of the estimate: a step costs less than two
constexpr double kMostScale = 2.6;       // of a^2
constexpr double kNearOne = 0.95;        // from where |I - G| is looked at
constexpr double kForFloat = 1.0 / 16;   // F32 will do: its rounding grows to 1e-6
constexpr double kFloatDone = 0.9995;    // and has given what it can
constexpr double kToleranceNarrow = 1e-9;
constexpr int kLastSteps = 40;

constexpr int kPowers = 4;  // y_0, a start, to y_3, by the power method

// X of one type, with room for G and the next X.
template <typename T>
struct Matrices {
  T *x, *next, *g;
};

struct Iteration {
  mg_context* context;
  State& s;
  const char* routine;
  int64_t n;
  double l = 0;  // all singular values are in [l, 1], as far as is known

  template <typename T>
  void square(const Matrices<T>& m) const {
    check_cancelled(context);
    blas(s, routine).syrk<T>(Op::T, n, n, 1, m.x, n, 0, m.g, n);
  }
  // X <- X (diagonal I + factor G), which g holds already.
  template <typename T>
  void multiply(Matrices<T>& m) const {
    blas(s, routine).gemm<T>(Op::N, Op::N, n, n, n, 1, m.x, n, m.g, n, 0, m.next, n);
    std::swap(m.x, m.next);
  }

  // A step on X / size, from G of X.
  template <typename T>
  void step(Matrices<T>& m, double size) {
    const double square = std::min(kMostScale, 3 / (1 + l + l * l)), a = std::sqrt(square);
    symmetric_sum<T>(s, routine, n, 1.5 * a / size, -0.5 * a * square / (size * size * size), m.g, m.g);
    multiply(m);
    const auto image = [&](double x) { return 0.5 * a * x * (3 - square * x * x); };
    l = std::min(image(l), image(1));
  }

  template <typename T>
  void steps(Matrices<T>& m, double until) {
    while (l < until) {
      square(m);
      step(m, 1);
    }
  }

  bool finish(Matrices<double>& m, double tolerance) const {
    const double root = std::sqrt(static_cast<double>(n));
    for (int k = 0; k < kLastSteps; ++k) {
      square(m);
      const double away = symmetric_sum_and_distance(s, routine, n, 1.5, -0.5, m.g, m.g);
      if (!(away <= 2 * root)) return false;
      multiply(m);
      if (0.75 * away * away <= tolerance * root) return true;
    }
    return false;
  }

  double largest_bound(const double* g) const { return std::sqrt(std::sqrt(dot(s, routine, n, g, g))); }

  // Estimates of the largest and the smallest singular value from G, from inside; false where it has no Cholesky
  // factor. `factor` has room for it.
  bool ends(const double* g, double* factor, double& largest, double& smallest) const {
    Scratch scratch(s.scratch), staging(s.staging);
    double* up = scratch.take<double>(kPowers * n);
    double* down = scratch.take<double>(kPowers * n);
    double* start = staging.take<double>(n);
    uint32_t seed = 1;
    for (int64_t i = 0; i < n; ++i) {
      seed = seed * 1664525u + 1013904223u;
      start[i] = seed & 0x80000000u ? 1 : -1;
    }
    const size_t line = static_cast<size_t>(n) * sizeof(double);
    for (double* each : {up, down}) {
      check(cudaMemcpyAsync(each, start, line, cudaMemcpyHostToDevice, s.stream), routine);
    }
    check(cudaMemcpyAsync(factor, g, line * static_cast<size_t>(n), cudaMemcpyDeviceToDevice, s.stream), routine);
    if (!solver(s, routine).potrf(n, factor, n)) return false;
    Blas& b = blas(s, routine);
    for (int k = 1; k < kPowers; ++k) {
      double* image = down + k * n;
      check(cudaMemcpyAsync(image, image - n, line, cudaMemcpyDeviceToDevice, s.stream), routine);
      b.trsv<double>(Op::N, n, factor, n, image);
      b.trsv<double>(Op::T, n, factor, n, image);
      b.gemv<double>(Op::N, n, n, g, n, up + (k - 1) * n, up + k * n);
    }
    double* squares = scratch.take<double>(2 * kPowers);
    row_dots(s, routine, kPowers, n, up, n, up, n, squares);
    row_dots(s, routine, kPowers, n, down, n, down, n, squares + kPowers);
    const std::vector<double> found = read(s, routine, squares, 2 * kPowers);
    // |y_3| / |y_2| is an eigenvalue of G, the square of a singular value.
    largest = std::pow(found[kPowers - 1] / found[kPowers - 2], 0.25);
    smallest = std::pow(found[2 * kPowers - 2] / found[2 * kPowers - 1], 0.25);
    return true;
  }
};

}  // namespace

Iterated iterated_polar(mg_context* context, State& s, const char* routine, int32_t dtype, int64_t n, double bound,
                        double* x) {
  Scratch scratch(s.scratch);
  const int64_t size = n * n;
  Matrices<double> m{x, scratch.take<double>(size), scratch.take<double>(size)};
  Iteration iteration{context, s, routine, n};
  iteration.square(m);
  symmetric_sum<double>(s, routine, n, 0, 1, m.g, m.g);
  if (bound > 0) {  // and so it is when bound^2 I - G is positive definite
    symmetric_sum<double>(s, routine, n, bound * bound, -1, m.g, m.next);
    if (!solver(s, routine).potrf(n, m.next, n)) return Iterated::ABOVE;
  } else {
    bound = iteration.largest_bound(m.g);
  }
  double largest = 0, smallest = 0;
  if (!(bound > 0) || !iteration.ends(m.g, m.next, largest, smallest)) return Iterated::UNCLEAR;
  if (!(smallest > kLeast * largest) || !(largest < std::numeric_limits<double>::infinity())) return Iterated::UNCLEAR;
  const bool narrow = dtype == MG_F32;
  iteration.l = std::min(kCautious * smallest / bound, kNearOne);
  iteration.step(m, bound);
  iteration.steps(m, narrow ? kForFloat : kNearOne);
  if (narrow && iteration.l < kFloatDone) {
    Scratch floats(s.scratch);
    Matrices<float> f{floats.take<float>(size), floats.take<float>(size), floats.take<float>(size)};
    convert_all(s, routine, size, m.x, f.x);
    iteration.steps(f, kFloatDone);
    convert_all(s, routine, size, f.x, m.x);
  }
  const double exact = 2 * std::sqrt(static_cast<double>(n)) * std::numeric_limits<double>::epsilon();
  if (!iteration.finish(m, narrow ? kToleranceNarrow : exact)) return Iterated::UNCLEAR;
  if (m.x != x) {
    check(cudaMemcpyAsync(x, m.x, static_cast<size_t>(size) * sizeof *x, cudaMemcpyDeviceToDevice, s.stream), routine);
  }
  return Iterated::DONE;
}

void singular_values(State& s, const char* routine, int32_t dtype, int64_t n, const double* q, const double* a,
                     double* sigma) {
  Scratch scratch(s.scratch);
  double* h = scratch.take<double>(n * n);
  double* values = scratch.take<double>(n);
  Blas& b = blas(s, routine);
  // As on the CPU: of a q from F32 the symmetric part is taken, in which its error counts in second order only.
  const bool narrow = dtype == MG_F32;
  b.gemm<double>(Op::T, Op::N, n, n, n, narrow ? 0.5 : 1, q, n, a, n, 0, h, n);
  if (narrow) b.gemm<double>(Op::T, Op::N, n, n, n, 0.5, a, n, q, n, 1, h, n);
  solver(s, routine).eigenvalues(n, h, values);
  const std::vector<double> increasing = read(s, routine, values, n);
  for (int64_t i = 0; i < n; ++i) sigma[i] = std::max(0.0, increasing[static_cast<size_t>(n - 1 - i)]);
}

}  // namespace cuda
}  // namespace merganser
