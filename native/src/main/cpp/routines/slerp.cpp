// SPDX-License-Identifier: Apache-2.0
// Spherical interpolation: the three products, then two weights for a weighted sum. The angle and the sines are our
// own, since those of the C library differ between processors in the last place.
#include <algorithm>
#include <cmath>

#include "core/buffer.h"
#include "core/isa.h"
#include "core/pool.h"
#include "routines/routines.h"

namespace merganser {

namespace {

constexpr double kHalfPi = 1.57079632679489661923;

// By its Taylor sum; |x| <= pi/2.
double sine_small(double x) {
  double term = x, sum = x;
  for (int k = 1; k <= 13; ++k) {
    term *= -x * x / (2 * k * (2 * k + 1));
    sum += term;
  }
  return sum;
}

// 0 <= x <= pi
double sine(double x) { return sine_small(x > kHalfPi ? 2 * kHalfPi - x : x); }

// 0 <= x; the argument is halved until the sum converges fast.
double arctangent(double x) {
  if (x > 1) return kHalfPi - arctangent(1 / x);
  double factor = 1;
  for (; x > 0.1; factor *= 2) x = x / (1 + std::sqrt(1 + x * x));
  double term = x, sum = 0;
  for (int k = 0; k <= 9; ++k) {
    sum += term / (2 * k + 1);
    term *= -x * x;
  }
  return factor * sum;
}

// |c| < 1
double arccosine(double c) { return 2 * arctangent(std::sqrt((1 - c) / (1 + c))); }

}  // namespace

void products(mg_context* context, int32_t dtype, int64_t count, const void* x, const void* y, double* sums) {
  constexpr int64_t kChunk = 16384;
  const auto run = kernels().merge.products[dtype];
  const int64_t chunks = divide_up(count, kChunk), bytes = size_of(dtype);
  Buffer<double> parts(chunks, 3);
  parallel_for(context, chunks, [&](int64_t task, int32_t) {
    const int64_t begin = task * kChunk;
    run(static_cast<const char*>(x) + begin * bytes, static_cast<const char*>(y) + begin * bytes,
        std::min(kChunk, count - begin), &parts[3 * task]);
  });
  for (int k = 0; k < 3; ++k) {
    double sum = 0;
    for (int64_t c = 0; c < chunks; ++c) sum += parts[3 * c + k];
    sums[k] = sum;
  }
}

void slerp_weights(const double* sums, double t, double* weights) {
  const auto norm = [](double square) {
    const double root = std::sqrt(square);
    return root <= 1e-8 ? 1 : root;
  };
  const double c = sums[0] / norm(sums[1]) / norm(sums[2]);
  weights[0] = 1 - t;
  weights[1] = t;
  if (std::fabs(c) > 0.9995) return;
  const double angle = arccosine(c), divisor = sine(angle);
  // t may lie outside [0, 1]: the sine of any multiple, by its period.
  const auto part = [&](double share) {
    double x = std::fmod(std::fabs(share * angle), 4 * kHalfPi);
    const bool negative = (share < 0) != (x > 2 * kHalfPi);
    if (x > 2 * kHalfPi) x -= 2 * kHalfPi;
    return (negative ? -sine(x) : sine(x)) / divisor;
  };
  weights[0] = part(1 - t);
  weights[1] = part(t);
}

}  // namespace merganser
