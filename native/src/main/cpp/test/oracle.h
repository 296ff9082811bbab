// SPDX-License-Identifier: Apache-2.0
// The types and sums of the library from their definitions, in plain loops that share no code with it.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "test/check.h"

namespace check {

inline int64_t size_of(int32_t dtype) { return dtype == MG_F64 ? 8 : dtype == MG_F32 ? 4 : 2; }

// The value of a 16-bit pattern.
inline double half_value(uint16_t h) {
  const int exponent = h >> 10 & 31, mantissa = h & 1023;
  const double sign = h & 0x8000 ? -1 : 1;
  if (exponent == 31) return mantissa ? kNaN : sign * kInf;
  return sign * (exponent ? std::ldexp(1024 + mantissa, exponent - 25) : std::ldexp(mantissa, -24));
}
inline double bfloat_value(uint16_t b) {
  const int exponent = b >> 7 & 255, mantissa = b & 127;
  const double sign = b & 0x8000 ? -1 : 1;
  if (exponent == 255) return mantissa ? kNaN : sign * kInf;
  return sign * (exponent ? std::ldexp(128 + mantissa, exponent - 134) : std::ldexp(mantissa, -133));
}

// Rounding by its definition: the nearest of the non-negative patterns 0 .. infinity, ties to the even pattern;
// infinity counts as the value that would follow the largest.
template <typename Value>
uint16_t nearest(double x, Value value, uint16_t infinity) {
  const uint16_t sign = std::signbit(x) ? 0x8000 : 0;
  const double a = std::fabs(x);
  const auto at = [&](uint16_t p) { return p == infinity ? 2 * value(infinity - 1) - value(infinity - 2) : value(p); };
  if (a >= at(infinity)) return sign | infinity;
  uint16_t low = 0, high = infinity;
  while (high - low > 1) {
    const uint16_t middle = static_cast<uint16_t>((low + high) / 2);
    (at(middle) <= a ? low : high) = middle;
  }
  const double below = a - at(low), above = at(high) - a;  // exact: neighbours within a factor of two, or subnormal
  const bool up = above < below || (above == below && (low & 1));
  return sign | (up ? high : low);
}

// Element i of an array of any type and alignment.
inline double element(int32_t dtype, const void* array, int64_t i) {
  const char* at = static_cast<const char*>(array) + i * size_of(dtype);
  double f64;
  float f32;
  uint16_t bits;
  switch (dtype) {
    case MG_F64:
      std::memcpy(&f64, at, 8);
      return f64;
    case MG_F32:
      std::memcpy(&f32, at, 4);
      return f32;
    default:
      std::memcpy(&bits, at, 2);
      return dtype == MG_F16 ? half_value(bits) : bfloat_value(bits);
  }
}

// Rounds once and stores; every NaN as the positive quiet one.
inline void store(int32_t dtype, double value, void* array, int64_t i) {
  char* at = static_cast<char*>(array) + i * size_of(dtype);
  const bool nan = std::isnan(value);
  const uint64_t quiet64 = 0x7ff8000000000000u;
  const uint32_t quiet32 = 0x7fc00000u;
  const float f32 = static_cast<float>(value);
  if (dtype == MG_F64) {
    std::memcpy(at, nan ? static_cast<const void*>(&quiet64) : &value, 8);
  } else if (dtype == MG_F32) {
    std::memcpy(at, nan ? static_cast<const void*>(&quiet32) : &f32, 4);
  } else {
    const uint16_t bits = dtype == MG_F16 ? (nan ? 0x7e00 : nearest(value, half_value, 0x7c00))
                                          : (nan ? 0x7fc0 : nearest(value, bfloat_value, 0x7f80));
    std::memcpy(at, &bits, 2);
  }
}

// Largest relative error of one rounding, and the spacing of the subnormals.
inline double unit(int32_t dtype) {
  return dtype == MG_F64 ? 0x1p-53 : dtype == MG_F32 ? 0x1p-24 : dtype == MG_F16 ? 0x1p-11 : 0x1p-8;
}
inline double least(int32_t dtype) {
  return dtype == MG_F64 ? 0x1p-1074 : dtype == MG_F32 ? 0x1p-149 : dtype == MG_F16 ? 0x1p-24 : 0x1p-133;
}

// Centred sums of products by two passes in long double.
template <typename T>
Vector two_pass(const std::vector<T>& x, int64_t dx, const std::vector<T>& y, int64_t dy, int64_t n) {
  const auto means = [n](const std::vector<T>& a, int64_t d) {
    std::vector<long double> mean(d, 0.0L);
    for (int64_t m = 0; m < n; ++m) {
      for (int64_t f = 0; f < d; ++f) mean[f] += a[m * d + f];
    }
    for (long double& each : mean) each /= n;
    return mean;
  };
  const auto mx = means(x, dx), my = means(y, dy);
  std::vector<long double> sums(dx * dy, 0.0L);
  for (int64_t m = 0; m < n; ++m) {
    for (int64_t i = 0; i < dx; ++i) {
      for (int64_t j = 0; j < dy; ++j) sums[i * dy + j] += (x[m * dx + i] - mx[i]) * (y[m * dy + j] - my[j]);
    }
  }
  return Vector(sums.begin(), sums.end());
}

}  // namespace check
