// SPDX-License-Identifier: Apache-2.0
// Orthogonal polar factors: many small problems by one launch (polar_small.cu), larger ones one after the other by
// products (polar_iteration.cpp); where a may be singular a singular value decomposition decides, and the null space is
// completed on the host by the CPU's own code (completion.cpp) with its products on the device.
// All work is on 2^-e a, whose largest element is near 1: nothing leaves the range of F64.
#include <algorithm>
#include <cmath>
#include <vector>

#include "cuda/blas.h"
#include "cuda/matrix.h"
#include "cuda/polar.h"
#include "routines/completion.h"
#include "routines/dense.h"

namespace merganser {
namespace cuda {

namespace {

constexpr const char* kRoutine = "polar";
constexpr int64_t kMostSmall = 1024;  // problems of a launch: what they take in memory

void copy_rows(State& s, int64_t n, const double* from, int64_t from_ld, cudaMemcpyKind kind, double* to,
               int64_t to_ld) {
  const size_t width = static_cast<size_t>(n) * sizeof *to;
  check(cudaMemcpy2DAsync(to, static_cast<size_t>(to_ld) * sizeof *to, from,
                          static_cast<size_t>(from_ld) * sizeof *from, width, static_cast<size_t>(n), kind, s.stream),
        kRoutine);
}

// One problem of n x n, its elements scaled by 2^-exponent.
struct Problem {
  mg_context* context;
  State& s;
  int64_t n;
  const double* a;
  int64_t lda;
  double* q;
  int64_t ldq;
  double* sigma;  // or NULL
  int exponent;
  mg_polar_report* report;

  void scaled(double* to) const { scaled_copy(s, kRoutine, n, a, lda, -exponent, 0, to); }

  void report_values(std::vector<double>& values) const {
    if (!sigma) return;
    for (double& each : values) each = std::ldexp(each, exponent);
    check_finite("sigma", 1, n, values.data(), n);
    Scratch staging(s.staging);
    double* staged = staging.take<double>(n);
    std::copy(values.begin(), values.end(), staged);
    check(cudaMemcpyAsync(sigma, staged, static_cast<size_t>(n) * sizeof *sigma, cudaMemcpyHostToDevice, s.stream),
          kRoutine);
    synchronize(s, kRoutine);
  }

  bool by_iteration(int32_t dtype) const {
    Scratch scratch(s.scratch);
    double* copy = scratch.take<double>(n * n);
    double* x = scratch.take<double>(n * n);
    scaled(copy);
    scaled(x);
    if (iterated_polar(context, s, kRoutine, dtype, n, 0, x) != Iterated::DONE) return false;
    *report = {n, MG_COMPLETION_NONE, std::ldexp(dot(s, kRoutine, n, x, copy), exponent)};
    if (sigma) {
      std::vector<double> values(static_cast<size_t>(n));
      singular_values(s, kRoutine, dtype, n, x, copy, values.data());
      report_values(values);
    }
    copy_rows(s, n, x, n, cudaMemcpyDeviceToDevice, q, ldq);
    return true;
  }

  void by_decomposition() const {
    check_cancelled(context);
    Scratch scratch(s.scratch);
    double* copy = scratch.take<double>(n * n);
    double* u = scratch.take<double>(n * n);
    double* vt = scratch.take<double>(n * n);
    double* found = scratch.take<double>(n);
    scaled(copy);
    solver(s, kRoutine).svd(n, n, copy, u, found, vt);
    std::vector<double> values = read(s, kRoutine, found, n);
    double sum = 0;
    for (double each : values) sum += each;
    const int64_t rank = numerical_rank(n, values.data());
    *report = {rank, MG_COMPLETION_NONE, std::ldexp(sum, exponent)};
    if (rank == n) {
      blas(s, kRoutine).gemm<double>(Op::N, Op::N, n, n, n, 1, u, n, vt, n, 0, q, ldq);
    } else {
      scaled(copy);
      report->completion = complete(rank, u, vt, copy);
    }
    report_values(values);
  }

  int32_t complete(int64_t rank, const double* u, const double* vt, const double* preference) const {
    Buffer<double> left(n, n), right(n, n), wish(n, n), result(n, n);
    copy_rows(s, n, u, n, cudaMemcpyDeviceToHost, left.data(), n);
    copy_rows(s, n, vt, n, cudaMemcpyDeviceToHost, right.data(), n);
    copy_rows(s, n, preference, n, cudaMemcpyDeviceToHost, wish.data(), n);
    synchronize(s, kRoutine);
    const int32_t completion =
        completed_polar(context, n, rank, left.data(), right.data(), wish.data(), n, result.data());
    copy_rows(s, n, result.data(), n, cudaMemcpyHostToDevice, q, ldq);
    synchronize(s, kRoutine);
    return completion;
  }
};

}  // namespace

void polar(mg_context* context, int32_t dtype, int64_t count, int64_t n, const double* a, int64_t lda, double* q,
           int64_t ldq, double* sigma, mg_polar_report* reports) {
  if (count == 0) return;
  OnDevice here;
  State& s = state(context);
  const std::vector<Seen> seen = look(s, kRoutine, count, n, a, lda);
  const auto each = [&](int64_t k, const auto& run) { count == 1 ? run() : of_problem(k, run); };
  std::vector<SmallPolar> small(static_cast<size_t>(count));
  for (int64_t k = 0; k < count; ++k) {
    each(k, [&] { require_finite("a", seen[static_cast<size_t>(k)]); });
    small[static_cast<size_t>(k)].exponent = seen[static_cast<size_t>(k)].exponent();
  }
  for (int64_t k = 0; n <= kSmallPolar && k < count; k += kMostSmall) {
    check_cancelled(context);
    small_polar(s, kRoutine, std::min(kMostSmall, count - k), n, a + k * n * lda, lda, q + k * n * ldq, ldq,
                sigma ? sigma + k * n : nullptr, small.data() + k);
  }
  for (int64_t k = 0; k < count; ++k) {
    const SmallPolar& found = small[static_cast<size_t>(k)];
    const Problem problem{context, s,   n, a + k * n * lda, lda, q + k * n * ldq, ldq, sigma ? sigma + k * n : nullptr,
                          found.exponent, reports + k};
    each(k, [&] {
      check_cancelled(context);
      if (n > kSmallPolar) {
        if (!problem.by_iteration(dtype)) problem.by_decomposition();
      } else if (!found.converged || found.rank < n) {
        problem.by_decomposition();
      } else {
        const double largest = std::ldexp(found.largest, found.exponent);
        if (sigma) check_finite("sigma", 1, 1, &largest, 1);
        reports[k] = {n, MG_COMPLETION_NONE, std::ldexp(found.sum, found.exponent)};
      }
    });
  }
  synchronize(s, kRoutine);
}

}  // namespace cuda
}  // namespace merganser
