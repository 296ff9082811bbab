// SPDX-License-Identifier: Apache-2.0
// The selection of a rank by digits, over an array in parts, as callers do it; and by sorting.
#pragma once

#include <algorithm>
#include <cstring>

#include "test/listed_tools.h"

namespace check {

struct Ranked {
  double threshold;
  int64_t last;
  bool operator==(const Ranked& other) const { return threshold == other.threshold && last == other.last; }
};

// Of |x - base| as the library forms it.
inline std::vector<double> magnitudes(int32_t dtype, const Vector& x, const Vector* base) {
  std::vector<double> all(x.size());
  for (size_t i = 0; i < x.size(); ++i) {
    const double b = base ? (*base)[i] : 0;
    all[i] = dtype == MG_F64 ? std::fabs(x[i] - b)
                             : std::fabs(static_cast<float>(x[i]) - static_cast<float>(b));
  }
  return all;
}

inline uint64_t key_of(int32_t dtype, double magnitude) {
  uint64_t wide = 0;
  uint32_t narrow = 0;
  const float value = static_cast<float>(magnitude);
  std::memcpy(&wide, &magnitude, 8);
  std::memcpy(&narrow, &value, 4);
  return dtype == MG_F64 ? wide : narrow;
}

inline double magnitude_of(int32_t dtype, uint64_t key) {
  double wide = 0;
  float value = 0;
  const uint32_t narrow = static_cast<uint32_t>(key);
  std::memcpy(&wide, &key, 8);
  std::memcpy(&value, &narrow, 4);
  return dtype == MG_F64 ? wide : value;
}

inline std::vector<int64_t> counts_of(const std::vector<char>& bytes) {
  std::vector<int64_t> counts(bytes.size() / 8);
  std::memcpy(counts.data(), bytes.data(), bytes.size());
  return counts;
}

inline Ranked by_sorting(const std::vector<double>& magnitudes, int64_t k) {
  std::vector<std::pair<double, int64_t>> order;
  for (size_t i = 0; i < magnitudes.size(); ++i) order.push_back({-magnitudes[i], static_cast<int64_t>(i)});
  std::nth_element(order.begin(), order.begin() + (k - 1), order.end());
  return {-order[k - 1].first, order[k - 1].second};
}

// x and base lie on the context's device; parts of `part` elements, digits of `width` bits.
inline Ranked by_digits(mg_context* context, int32_t dtype, int64_t n, const char* x, const char* base, int64_t k,
                        int64_t part, int32_t width = 16) {
  const int64_t size = size_of(dtype);
  const auto at = [&](const char* array, int64_t i) { return array ? array + i * size : nullptr; };
  uint64_t prefix = 0;
  int64_t need = k;
  for (int32_t left = dtype == MG_F64 ? 63 : 31; left > 0;) {
    const int32_t digit = std::min(width, left);
    left -= digit;
    Array sums(context, (int64_t{1} << digit) * 8, 0);
    sums.write(std::vector<char>(static_cast<size_t>(8) << digit, 0));
    for (int64_t i = 0; i < n; i += part) {
      CHECK_OK(mg_magnitude_counts(context, dtype, std::min(part, n - i), at(x, i), at(base, i), left, digit,
                                   static_cast<int64_t>(prefix), reinterpret_cast<int64_t*>(sums.data())));
    }
    const std::vector<int64_t> found = counts_of(sums.read());
    int64_t d = (int64_t{1} << digit) - 1;
    for (; d > 0 && need > found[d]; --d) need -= found[d];
    prefix = prefix << digit | static_cast<uint64_t>(d);
  }
  const double threshold = magnitude_of(dtype, prefix);
  for (int64_t i = 0; i < n; i += part) {
    int64_t found = -1, index = -2;
    CHECK_OK(mg_magnitude_find(context, dtype, std::min(part, n - i), at(x, i), at(base, i), threshold, need, &found,
                               &index));
    if (index >= 0) return {threshold, i + index};
    need -= found;
  }
  return {threshold, -1};
}

}  // namespace check
