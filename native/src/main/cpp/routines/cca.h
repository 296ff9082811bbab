// SPDX-License-Identifier: Apache-2.0
// The parts of the CCA map that the fast path of a backend shares with the symmetric form. The latter is on the host
// and calls dense.h and product.h, which the CUDA plug-in has of its own.
#pragma once

#include <cstdint>

#include "runtime/buffer.h"
#include "runtime/context.h"

namespace merganser {

constexpr double kAboveOne = 1e-6;  // of a correlation: rounding

struct CcaProblem {
  mg_context* context;
  int32_t dtype;
  bool correlations;  // whether they are wanted
  int64_t n;
  const double *sxx, *syy, *sxy;
  double gamma_x, gamma_y;
};

// A problem in units in which variances are near 1: powers of two, so that nothing else changes.
struct ScaledCca {
  Buffer<double> sxx, syy, sxy;
  CcaProblem problem;
  int exponent = 0;  // T of the given problem is 2^exponent times that of the scaled one

  explicit ScaledCca(const CcaProblem& given);
};

// Half the exponent of the largest element; 0 where squares and sums of n are far inside the range of F64.
int halved_exponent(double largest);

struct CcaSolution {
  Buffer<double> t, tinv, correlations;
  mg_cca_report report{};

  explicit CcaSolution(int64_t n) : t(n, n), tinv(n, n), correlations(n) {}
};

Buffer<double> regularised(int64_t n, const double* s, double gamma);
double largest_variance(int64_t n, const double* s);

// Correlations at most 1, where rounding took one above.
void clamp_correlations(CcaSolution& solution);

// For singular X or Y, rank deficiency, and correlations that are above 1 by noise.
void solve_symmetric(const CcaProblem& problem, bool singular_x, bool singular_y, CcaSolution& solution);

// Undoes the scale, fills in the condition and writes the results.
void finish(const ScaledCca& scaled, CcaSolution& solution, double* t, double* tinv, double* correlations,
            mg_cca_report* report);

}  // namespace merganser
