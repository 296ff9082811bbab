// SPDX-License-Identifier: Apache-2.0
// The family of activations from its definition in long double.
#pragma once

#include <algorithm>

#include "test/oracle.h"

namespace check {

// A value with the sum of the magnitudes of its terms.
struct Terms {
  long double sum = 0, size = 0;
  void add(long double factor, long double term) {
    if (factor == 0 || term == 0) return;  // a term that a factor drops, also of an infinite x
    sum += factor * term;
    size += std::fabs(factor * term);
  }
};

struct GammaValues {
  Terms value, x, n, s;
  long double lost = 0;  // what subnormal exponentials lose in units of the smallest number
};

inline GammaValues gamma_values(long double x, long double n, long double s) {
  const long double u = n * x, e = std::exp(-std::fabs(u)), r = 1 / (1 + e), far = e * r, q = far * r;
  const long double sigma = u >= 0 ? r : far, logarithm = std::log1p(e), positive = u >= 0 ? x : 0;
  GammaValues v;
  v.value.add(1 - s, positive);
  v.value.add((1 - s) / n, logarithm);
  v.value.add(s, sigma);
  v.x.add(1 - s, sigma);
  v.x.add(s * n, q);
  if (q != 0) v.n.add(s, x * q);
  v.n.add(-(1 - s) / (n * n), logarithm);
  if (far != 0) v.n.add(-(1 - s) / (n * n), std::fabs(u) * far);
  v.s.add(1, sigma);
  v.s.add(-1, positive);
  v.s.add(-1 / n, logarithm);
  if (std::isnan(x)) v.value.sum = v.x.sum = v.n.sum = v.s.sum = kNaN;
  v.lost = (1 + std::fabs(s)) * (2 + std::fabs(n) + 1 / (n * n)) * (2 + std::min(std::fabs(u), 800.0L));
  return v;
}

// By how many units in the last place of its terms a number is off, as far as its type goes.
inline double units_off(int32_t dtype, double found, const Terms& terms, long double lost = 1) {
  const long double most = dtype == MG_F64 ? std::numeric_limits<double>::max() : std::numeric_limits<float>::max();
  if (std::isnan(terms.sum)) return std::isnan(found) ? 0 : kInf;
  if (terms.size > most / 2) {
    // The sum may overflow on the way, or be infinite.
    const bool near = std::fabs(found - terms.sum) <= terms.size * 16 * unit(dtype);
    return !std::isfinite(found) || near ? 0 : kInf;
  }
  int exponent;
  std::frexp(terms.size, &exponent);
  const long double last = std::ldexp(2.0L, exponent - 1) * unit(dtype);
  const long double off = std::fabs(found - terms.sum) - 2 * lost * least(dtype);
  return static_cast<double>(std::max(0.0L, off) / std::max(last, static_cast<long double>(least(dtype))));
}

}  // namespace check
