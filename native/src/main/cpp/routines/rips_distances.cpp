// SPDX-License-Identifier: Apache-2.0
// The distances of a filtration. Given ones are checked and copied tile by tile with their mirror images, because a
// column read by itself takes a line of memory for each element. Those of points come from differences, so that equal
// points are at 0 and near ones lose nothing, as they would in |x|^2 + |y|^2 - 2 x.y.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "routines/rips.h"
#include "routines/routines.h"
#include "runtime/error.h"
#include "runtime/pool.h"

namespace merganser {

namespace {

constexpr int64_t kTile = 64;
constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr double kSymmetry = 1e-12;  // of the sum of two that should be equal, as products round both ways round

// Not one that is infinite and one that is not, whose sum is.
bool same(double a, double b) { return a == b || (std::fabs(a - b) <= kSymmetry * (a + b) && std::isfinite(a + b)); }

template <typename Real>
double element(const void* x, int64_t i) {
  Real value;
  std::memcpy(&value, static_cast<const char*>(x) + i * static_cast<int64_t>(sizeof value), sizeof value);
  return value;
}

// Whether a tile at or below the diagonal and its mirror image are distances; both are copied.
template <typename Real>
bool copy_tile(const void* x, int64_t ld, int64_t rows, int64_t columns, int64_t n, float* out, int64_t stride) {
  bool right = true;
  for (int64_t i = rows; i < std::min(rows + kTile, n); ++i) {
    for (int64_t j = columns; j < std::min(columns + kTile, i); ++j) {
      const double value = element<Real>(x, i * ld + j), mirrored = element<Real>(x, j * ld + i);
      // The larger, so that the order of points does not matter.
      const float rounded = static_cast<float>(std::max(value, mirrored));
      right = right && value >= 0 && same(value, mirrored) && (rounded < kInfinity || value == kInfinity);
      out[i * stride + j] = out[j * stride + i] = rounded;
    }
  }
  return right;
}

// Says what is wrong first, row by row.
template <typename Real>
void explain(const void* x, int64_t ld, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      const double value = element<Real>(x, i * ld + j), mirrored = element<Real>(x, j * ld + i);
      const auto at = [&](int64_t r, int64_t c) { return format("distances[%lld, %lld]", Long{r}, Long{c}); };
      if (std::isnan(value)) fail(MG_NUMERICAL, at(i, j) + " is NaN");
      MG_REQUIRE(value >= 0, "%s is %.9g; distances are >= 0", at(i, j).c_str(), value);
      MG_REQUIRE(i != j || value == 0, "%s is %.9g; a point has distance 0 to itself", at(i, j).c_str(), value);
      MG_REQUIRE(same(value, mirrored) || std::isnan(mirrored), "%s is %.17g, but %s is %.17g", at(i, j).c_str(), value,
                 at(j, i).c_str(), mirrored);
      MG_REQUIRE(value == kInfinity || static_cast<float>(value) < kInfinity, "%s is %.9g, beyond the range of F32",
                 at(i, j).c_str(), value);
    }
  }
}

template <typename Real>
bool copy(mg_context* context, const void* x, int64_t ld, int64_t n, float* out, int64_t stride) {
  std::vector<char> right(static_cast<size_t>(divide_up(n, kTile)), 1);
  parallel_for(context, divide_up(n, kTile), [&](int64_t item, int32_t) {
    const int64_t rows = item * kTile;
    bool all = true;
    for (int64_t columns = 0; columns <= rows; columns += kTile) {
      all = copy_tile<Real>(x, ld, rows, columns, n, out, stride) && all;
    }
    for (int64_t i = rows; i < std::min(rows + kTile, n); ++i) {
      all = all && element<Real>(x, i * ld + i) == 0;
      out[i * stride + i] = kInfinity;
      std::fill(out + i * stride + n, out + (i + 1) * stride, kInfinity);
    }
    right[static_cast<size_t>(item)] = all;
  });
  return std::find(right.begin(), right.end(), 0) == right.end();
}

// The coordinates in F64, all of one after the other, so that a loop over points is one over whole registers.
template <typename Real>
Buffer<double> coordinates(const void* x, int64_t ld, int64_t n, int64_t k) {
  Buffer<double> result(k, n);
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t c = 0; c < k; ++c) {
      const double value = element<Real>(x, i * ld + c);
      if (!std::isfinite(value)) {
        const char* const what = std::isnan(value) ? "NaN" : value > 0 ? "Inf" : "-Inf";
        fail(MG_NUMERICAL, format("points[%lld, %lld] is %s; coordinates are finite", Long{i}, Long{c}, what));
      }
      result[c * n + i] = value;
    }
  }
  return result;
}

// A row at a time: both halves of the matrix, which have the same bits, since differences are squared.
void measure(mg_context* context, const Buffer<double>& points, int64_t n, int64_t k, float* out, int64_t stride) {
  parallel_for(context, n, [&](int64_t i, int32_t) {
    Buffer<double> squares(n);
    double* const sum = squares.data();
    std::fill(sum, sum + n, 0.0);
    for (int64_t c = 0; c < k; ++c) {
      const double* const at = points.data() + c * n;
      const double own = at[i];
      for (int64_t j = 0; j < n; ++j) sum[j] += (at[j] - own) * (at[j] - own);
    }
    float* const row = out + i * stride;
    for (int64_t j = 0; j < n; ++j) row[j] = static_cast<float>(std::sqrt(sum[j]));
    const float* const far = std::find(row, row + n, kInfinity);
    MG_REQUIRE(far == row + n, "points %lld and %lld are farther from each other than F32 tells", Long{i},
               static_cast<Long>(far - row));
    row[i] = kInfinity;
    std::fill(row + n, row + stride, kInfinity);
  });
}

}  // namespace

Distances::Distances(mg_context* context, int32_t dtype, int64_t n, int64_t k, const void* x, int64_t ldx)
    : n_(n), stride_(divide_up(n, 16) * 16), values_(n, stride_), kernels_(kernels().topology) {
  const bool wide = dtype == MG_F64;
  if (k >= 0) {
    const auto points = (wide ? coordinates<double> : coordinates<float>)(x, ldx, n, k);
    measure(context, points, n, k, values_.data(), stride_);
  } else if (!(wide ? copy<double> : copy<float>)(context, x, ldx, n, values_.data(), stride_)) {
    (wide ? explain<double> : explain<float>)(x, ldx, n);
  }
}

float Distances::enclosing_radius() const {
  // Numbers >= 0 order as their bits, whose maximum the compiler takes a register at a time.
  typedef int32_t Bits __attribute__((may_alias));
  int32_t least = std::numeric_limits<int32_t>::max();
  for (int64_t i = 0; i < n_; ++i) {
    const Bits* const bits = reinterpret_cast<const Bits*>(row(i));
    int32_t largest = 0;
    for (int64_t j = 0; j < i; ++j) largest = std::max<int32_t>(largest, bits[j]);
    for (int64_t j = i + 1; j < n_; ++j) largest = std::max<int32_t>(largest, bits[j]);
    least = std::min(least, largest);
  }
  float radius;
  std::memcpy(&radius, &least, sizeof radius);
  return radius;
}

}  // namespace merganser
