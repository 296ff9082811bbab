// SPDX-License-Identifier: Apache-2.0
// Scaled Newton iteration for the orthogonal polar factor (Higham 1986; scaling of Byers and Xu 2008):
//   X <- (z X + X^-T / z) / 2.
// The first z puts the singular values into [1/sqrt(k), sqrt(k)], k the condition number; a step takes [1/s, s] to
// [1, (s + 1/s)/2], so all further z are known. k comes from a few steps of the power method: a low estimate costs a
// step, never the result. (Scaling by 1- and infinity-norms, which need a pass each, took more steps.)
// The inverse is U^-1 L^-1 of X = P L U by triangular.h; then one blocked pass for update, transposition, interchanges
// of columns and copy for the next factorisation.
// Near the end singular values are so close to 1 that products do the rest at a higher rate than factorisations: with
// R = I - X^T X,  X <- X (I + R/2) takes an error e to 3/2 e^2, and X <- X (I + R/2 + 3/8 R^2) to 5/2 e^3.
// k = 1e4 takes four steps and two of these. In F32 the first steps, which divide by small singular values, and the
// last, which makes it orthogonal, are F64.
#include "routines/newton.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "routines/dense.h"
#include "routines/product.h"
#include "routines/triangular.h"
#include "runtime/blas.h"
#include "runtime/buffer.h"
#include "runtime/isa.h"
#include "runtime/pool.h"

namespace merganser {

namespace {

constexpr int kBlock = 32;       // of the transposition
constexpr int64_t kAlone = 512;  // up to here a pass over the matrix takes less time than to wake threads for it
constexpr int kIterations = 12;
// Spreads of the singular values up to which F32 will do, and at which products take over, in F64 and F32.
constexpr double kWideSpread = 4, kNearOne = 1.015, kNearOneNarrow = 1.0001;
constexpr double kToleranceNarrow = 1e-9;  // of orthogonality
constexpr int64_t kSmallest = 32;          // below, the singular value decomposition is as quick
constexpr double kLeast = 1e-6;            // of a singular value, against the largest: the rank of completion.cpp
constexpr int kLanes = 8;                  // partial sums, so that loops are not one chain of additions

double sum(const double* lanes) {
  double result = 0;
  for (int i = 0; i < kLanes; ++i) result += lanes[i];
  return result;
}

// y = op(A) x, A m x n contiguous
void apply(CblasTranspose op, int m, int n, const double* a, const double* x, double* y) {
  cblas_dgemv(kColumnMajor, op, m, n, 1, a, m, x, 1, 0, y, 1);
}
void apply(CblasTranspose op, int m, int n, const float* a, const float* x, float* y) {
  cblas_sgemv(kColumnMajor, op, m, n, 1, a, m, x, 1, 0, y, 1);
}

// Everything is column-major: of a row-major matrix it is the transpose, whose polar factor is the transposed one.
template <typename T>
class Newton {
 public:
  Newton(mg_context* context, int64_t n, T* x)
      : context_(context),
        n_(static_cast<int>(n)),
        columns_(n <= kAlone ? static_cast<int>(n)
                 : n < 1024  ? 128
                             : 256),
        x_(x),
        factors_(n, n),
        inverse_(n, n),
        partial_(divide_up(n, columns_), n),
        vector_(n),
        image_(n),
        pivots_(n),
        order_(n),
        source_(n),
        sums_(divide_up(n, columns_)) {}

  // Steps until the singular values are in [1, enough]; they are in [1, spread] as far as that is known. False when
  // they may be below kLeast of the largest.
  bool run(double enough, double& spread) {
    std::copy_n(x_, static_cast<int64_t>(n_) * n_, factors_.data());
    for (int k = 0; k < kIterations; ++k) {
      if (spread > 0 && spread <= enough) return true;
      if (!invert()) return false;
      double z = 1 / std::sqrt(spread);
      if (spread == 0) {
        // |X^-1|_F is at least 1 / the smallest singular value. Not so when one of the two is not finite.
        if (!(frobenius(x_) * frobenius(inverse_.data()) * kLeast < 1)) return false;
        const double large = largest_singular_value(x_), small = 1 / largest_singular_value(inverse_.data());
        z = 1 / std::sqrt(large * small);
        spread = large / small;
      }
      spread = 0.5 * (std::sqrt(spread) + 1 / std::sqrt(spread));
      update(z);
    }
    return false;
  }

 private:
  int64_t at(int64_t row, int64_t column) const { return row + column * n_; }

  template <typename Run>
  void column_tiles(const Run& run) {
    parallel_for(context_, divide_up(n_, columns_), [&](int64_t item, int32_t) {
      const int64_t begin = item * columns_;
      run(item, begin, std::min<int64_t>(n_, begin + columns_));
    });
  }

  double total() const {
    double sum = 0;
    for (int64_t t = 0; t < sums_.size(); ++t) sum += sums_[t];
    return sum;
  }

  double frobenius(const T* a) {
    column_tiles([&](int64_t item, int64_t begin, int64_t end) {
      double lanes[kLanes] = {};
      for (int64_t i = at(0, begin); i < at(0, end); ++i) lanes[i % kLanes] += static_cast<double>(a[i]) * a[i];
      sums_[item] = sum(lanes);
    });
    return std::sqrt(total());
  }

  // From below.
  double largest_singular_value(const T* a) {
    constexpr int kSteps = 3;
    uint32_t state = 1;
    for (int64_t i = 0; i < n_; ++i) {
      state = state * 1664525u + 1013904223u;
      vector_[i] = state & 0x80000000u ? T{1} : T{-1};
    }
    double value = 0;
    for (int step = 0; step < kSteps; ++step) {
      const double before = norm(vector_);
      for (int64_t i = 0; i < n_; ++i) vector_[i] = static_cast<T>(vector_[i] / before);
      column_tiles([&](int64_t item, int64_t begin, int64_t end) {
        apply(kNoTrans, n_, static_cast<int>(end - begin), a + at(0, begin), vector_.data() + begin,
              partial_.data() + item * n_);
      });
      for (int64_t i = 0; i < n_; ++i) {
        T sum = 0;
        for (int64_t t = 0; t < sums_.size(); ++t) sum += partial_[t * n_ + i];
        image_[i] = sum;
      }
      column_tiles([&](int64_t, int64_t begin, int64_t end) {
        apply(kTrans, n_, static_cast<int>(end - begin), a + at(0, begin), image_.data(), vector_.data() + begin);
      });
      value = std::sqrt(norm(vector_));
    }
    return value;
  }

  double norm(const Buffer<T>& vector) const {
    double square = 0;
    for (int64_t i = 0; i < n_; ++i) square += static_cast<double>(vector[i]) * vector[i];
    return std::sqrt(square);
  }

  // U^-1 L^-1; false on a zero pivot.
  bool invert() {
    const View<T> factors = by_columns(factors_.data(), n_), inverse = by_columns(inverse_.data(), n_);
    const auto lower = factorise(context_, n_, factors, pivots_.data());
    if (!lower) return false;
    Triangle<T> upper(n_, factors, Uplo::kUpper, false);
    upper.invert_blocks(context_);
    lower->invert(context_, inverse);
    upper.solve(context_, n_, inverse);
    for (int i = 0; i < n_; ++i) order_[i] = i;
    for (int i = 0; i < n_; ++i) std::swap(order_[i], order_[pivots_[i]]);
    // Column order_[i] of X^-1 is column i of U^-1 L^-1.
    for (int i = 0; i < n_; ++i) source_[order_[i]] = i;
    return true;
  }

  // X <- (z X + X^-T / z) / 2
  void update(double z) {
    const T left = static_cast<T>(0.5 * z), right = static_cast<T>(0.5 / z);
    const auto average = kernels().elementwise.average[sizeof(T) == 8 ? 0 : 1];
    column_tiles([&](int64_t, int64_t begin, int64_t end) {
      alignas(64) T block[kBlock * kBlock];
      for (int64_t i = 0; i < n_; i += kBlock) {
        const int64_t rows = std::min<int64_t>(kBlock, n_ - i);
        for (int64_t j = begin; j < end; j += kBlock) {
          const int64_t columns = std::min<int64_t>(kBlock, end - j);
          for (int64_t r = 0; r < rows; ++r) {
            const T* y = inverse_.data() + at(j, source_[i + r]);
            for (int64_t c = 0; c < columns; ++c) block[c * kBlock + r] = y[c];
          }
          for (int64_t c = 0; c < columns; ++c) {
            average(left, right, block + c * kBlock, x_ + at(i, j + c), factors_.data() + at(i, j + c), rows);
          }
        }
      }
    });
  }

  mg_context* context_;
  int n_, columns_;  // columns of one item
  T* x_;
  Buffer<T> factors_, inverse_, partial_, vector_, image_;
  Buffer<int> pivots_, order_, source_;
  Buffer<double> sums_;  // of each item
};

}  // namespace

namespace {

// Runs run(first, last) on blocks of rows, over the pool where there are many.
template <typename Run>
void row_blocks(mg_context* context, int64_t n, const Run& run) {
  const int64_t rows = n <= kAlone ? n : 64;
  parallel_for(context, divide_up(n, rows),
               [&](int64_t item, int32_t) { run(item * rows, std::min(n, (item + 1) * rows)); });
}

// Makes q orthogonal, |q^T q - I|_F / sqrt(n) <= tolerance; false when it is too far from that.
bool make_orthogonal(mg_context* context, int64_t n, double tolerance, double* q) {
  constexpr int kSteps = 6;
  const double root = std::sqrt(static_cast<double>(n));
  Buffer<double> residual(n, n), square(n, n), before(n, n), sums(n);
  const View<double> r = by_rows(residual.data(), n), r2 = by_rows(square.data(), n), x = by_rows(before.data(), n);
  for (int step = 0; step < kSteps; ++step) {
    std::copy_n(q, n * n, before.data());
    multiply<double>(context, n, n, n, -1, x.transposed(), x, 0, r, Uplo::kLower);
    row_blocks(context, n, [&](int64_t first, int64_t end) {
      for (int64_t i = first; i < end; ++i) {
        r(i, i) += 1;
        double lanes[kLanes] = {};
        for (int64_t j = 0; j < i; ++j) lanes[j % kLanes] += r(i, j) * r(i, j);
        sums[i] = 2 * sum(lanes) + r(i, i) * r(i, i);
      }
    });
    double norm = 0;
    for (int64_t i = 0; i < n; ++i) norm += sums[i];
    norm = std::sqrt(norm);
    if (!(norm <= root)) return false;
    // Bounds of the error after a step of either kind.
    const bool second_order = 0.75 * norm * norm <= tolerance * root;
    const bool last = 0.625 * norm * norm * norm <= tolerance * root;
    mirror<double>(context, n, r);
    if (second_order) {
      multiply<double>(context, n, n, n, 0.5, x, r, 1, by_rows(q, n));
      return true;
    }
    multiply<double>(context, n, n, n, 0.375, r, r, 0, r2, Uplo::kLower);
    row_blocks(context, n, [&](int64_t first, int64_t end) {
      for (int64_t i = first; i < end; ++i) {
        for (int64_t j = 0; j <= i; ++j) r2(i, j) += 0.5 * r(i, j);
      }
    });
    mirror<double>(context, n, r2);
    multiply<double>(context, n, n, n, 1, x, r2, 1, by_rows(q, n));
    if (last) return true;
  }
  return false;
}

}  // namespace

bool newton_polar(mg_context* context, int32_t dtype, int64_t n, const double* a, double* q) {
  if (n < kSmallest) return false;
  const bool narrow = dtype == MG_F32;
  double spread = 0;
  std::copy_n(a, n * n, q);
  if (!Newton<double>(context, n, q).run(narrow ? kWideSpread : kNearOne, spread)) return false;
  if (narrow) {
    Buffer<float> x(n, n);
    for (int64_t i = 0; i < n * n; ++i) x[i] = static_cast<float>(q[i]);
    if (!Newton<float>(context, n, x.data()).run(kNearOneNarrow, spread)) return false;
    std::copy_n(x.data(), n * n, q);
  }
  const double exact = 2 * std::sqrt(static_cast<double>(n)) * std::numeric_limits<double>::epsilon();
  return make_orthogonal(context, n, narrow ? kToleranceNarrow : exact, q);
}

void singular_values(mg_context* context, int32_t dtype, int64_t n, const double* q, const double* a, double* sigma) {
  Buffer<double> product(n, n);
  const View<const double> x = by_rows(q, n), y = by_rows(a, n);
  const View<double> h = by_rows(product.data(), n);
  // q^T a is symmetric as far as q is exact; of a q from F32 the symmetric part is taken, in which its error counts in
  // second order only.
  const bool narrow = dtype == MG_F32;
  multiply<double>(context, n, n, n, narrow ? 0.5 : 1, x.transposed(), y, 0, h, Uplo::kLower);
  if (narrow) multiply<double>(context, n, n, n, 0.5, y.transposed(), x, 1, h, Uplo::kLower);
  eigenvalues(context, n, product.data(), sigma);
  std::reverse(sigma, sigma + n);
  for (int64_t i = 0; i < n; ++i) sigma[i] = std::max(0.0, sigma[i]);
}

double sum_of_singular_values(int64_t n, const double* q, const double* a, int64_t lda) {
  double lanes[kLanes] = {};
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < n; ++j) lanes[j % kLanes] += q[i * n + j] * a[i * lda + j];
  }
  return sum(lanes);
}

}  // namespace merganser
