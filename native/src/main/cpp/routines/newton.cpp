// SPDX-License-Identifier: Apache-2.0
// Scaled Newton iteration for the orthogonal polar factor (Higham 1986; scaling of Byers and Xu 2008):
//   X <- (z X + X^-T / z) / 2.
// The first z puts the singular values into [1/sqrt(k), sqrt(k)], k the condition number; a step takes [1/s, s] to
// [1, (s + 1/s)/2], so all further z are known, and k = 1e4 takes seven steps. k comes from a few steps of the power
// method: a low estimate costs a step, never the result. (Scaling by 1- and infinity-norms, which need a pass each,
// took nine.) Convergence is quadratic: a step that changed X by d leaves an error of d^2/2.
// Nothing but Level 3 BLAS on fixed tiles over the pool:
//   - X = P L U by panels of columns; a column tile takes its interchanges, its solve and its product at once;
//   - column tiles of U^-1 L^-1 by two triangular solves, the first one only on the rows where L^-1 is not zero:
//     together 4/3 n^3 flops as in LAPACK's getri, but tiles are independent and everything is a product or a solve;
//   - one blocked pass for update, transposition, interchanges of columns, copy for the next factorisation and change.
#include "routines/newton.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/blas.h"
#include "core/buffer.h"
#include "core/pool.h"
#include "routines/dense.h"

namespace merganser {

namespace {

constexpr int kPanel = 64;  // columns of one step of the factorisation
constexpr int kTile = 128;  // of the test for orthogonality
constexpr int kBlock = 32;  // of the transposition
constexpr int kIterations = 12;
constexpr int64_t kSmallest = 256;   // below, the singular value decomposition is as quick
constexpr double kLeast = 1e-6;      // of a singular value, against the largest: the rank of completion.cpp
constexpr double kMostNarrow = 1e4;  // condition up to which F32 is worth anything
constexpr int kLanes = 8;            // partial sums, so that loops are not one chain of additions

double sum(const double* lanes) {
  double result = 0;
  for (int i = 0; i < kLanes; ++i) result += lanes[i];
  return result;
}

void getrf(int m, int n, double* a, int lda, int* pivots, int* info) { dgetrf_(&m, &n, a, &lda, pivots, info); }
void getrf(int m, int n, float* a, int lda, int* pivots, int* info) { sgetrf_(&m, &n, a, &lda, pivots, info); }

void solve(CblasUplo part, CblasDiag diagonal, int m, int n, const double* a, int lda, double* b, int ldb) {
  cblas_dtrsm(kColumnMajor, kLeft, part, kNoTrans, diagonal, m, n, 1, a, lda, b, ldb);
}
void solve(CblasUplo part, CblasDiag diagonal, int m, int n, const float* a, int lda, float* b, int ldb) {
  cblas_strsm(kColumnMajor, kLeft, part, kNoTrans, diagonal, m, n, 1, a, lda, b, ldb);
}

// C -= A B
void subtract_product(int m, int n, int k, const double* a, const double* b, double* c, int ld) {
  cblas_dgemm(kColumnMajor, kNoTrans, kNoTrans, m, n, k, -1, a, ld, b, ld, 1, c, ld);
}
void subtract_product(int m, int n, int k, const float* a, const float* b, float* c, int ld) {
  cblas_sgemm(kColumnMajor, kNoTrans, kNoTrans, m, n, k, -1, a, ld, b, ld, 1, c, ld);
}

// y = op(A) x, A m x n contiguous
void multiply(CblasTranspose op, int m, int n, const double* a, const double* x, double* y) {
  cblas_dgemv(kColumnMajor, op, m, n, 1, a, m, x, 1, 0, y, 1);
}
void multiply(CblasTranspose op, int m, int n, const float* a, const float* x, float* y) {
  cblas_sgemv(kColumnMajor, op, m, n, 1, a, m, x, 1, 0, y, 1);
}

// A tile of X^T X below the diagonal or on it.
void gram(int m, int n, int k, const double* a, const double* b, double* c) {
  cblas_dgemm(kColumnMajor, kTrans, kNoTrans, m, n, k, 1, a, k, b, k, 0, c, m);
}
void gram(int m, int n, int k, const float* a, const float* b, float* c) {
  cblas_sgemm(kColumnMajor, kTrans, kNoTrans, m, n, k, 1, a, k, b, k, 0, c, m);
}

// Everything is column-major: of a row-major matrix it is the transpose, whose polar factor is the transposed one.
template <typename T>
class Newton {
 public:
  Newton(mg_context* context, int64_t n, T* x)
      : context_(context),
        n_(static_cast<int>(n)),
        columns_(n < 1024 ? 128 : 256),
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

  bool run(double most) {
    const double enough = std::sqrt(4 * n_ * kEpsilon);
    std::copy_n(x_, static_cast<int64_t>(n_) * n_, factors_.data());
    double spread = 1;  // singular values lie in [1, spread], as far as they are known
    for (int k = 0; k < kIterations; ++k) {
      if (!factorise()) return false;
      invert();
      double z = 1 / std::sqrt(spread);
      if (k == 0) {
        // |X^-1|_F is at least 1 / the smallest singular value. Not so when one of the two is not finite.
        if (!(frobenius(x_) * frobenius(inverse_.data()) * kLeast < 1)) return false;
        const double large = largest_singular_value(x_), small = 1 / largest_singular_value(inverse_.data());
        z = 1 / std::sqrt(large * small);
        spread = large / small;
        if (spread > most) return false;
      }
      spread = 0.5 * (std::sqrt(spread) + 1 / std::sqrt(spread));
      const double change = update(z);
      if (change <= enough) return orthogonal();
      if (!(change <= std::numeric_limits<double>::max())) return false;
    }
    return false;
  }

 private:
  static constexpr double kEpsilon = std::numeric_limits<T>::epsilon();

  int64_t at(int64_t row, int64_t column) const { return row + column * n_; }

  template <typename Run>
  void column_tiles(int64_t first, const Run& run) {
    parallel_for(context_, divide_up(n_ - first, columns_), [&](int64_t task, int32_t) {
      const int64_t begin = first + task * columns_;
      run(task, begin, std::min<int64_t>(n_, begin + columns_));
    });
  }

  double total() const {
    double sum = 0;
    for (int64_t t = 0; t < sums_.size(); ++t) sum += sums_[t];
    return sum;
  }

  double frobenius(const T* a) {
    column_tiles(0, [&](int64_t task, int64_t begin, int64_t end) {
      double lanes[kLanes] = {};
      for (int64_t i = at(0, begin); i < at(0, end); ++i) lanes[i % kLanes] += static_cast<double>(a[i]) * a[i];
      sums_[task] = sum(lanes);
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
      column_tiles(0, [&](int64_t task, int64_t begin, int64_t end) {
        multiply(kNoTrans, n_, static_cast<int>(end - begin), a + at(0, begin), vector_.data() + begin,
                 partial_.data() + task * n_);
      });
      for (int64_t i = 0; i < n_; ++i) {
        T sum = 0;
        for (int64_t t = 0; t < sums_.size(); ++t) sum += partial_[t * n_ + i];
        image_[i] = sum;
      }
      column_tiles(0, [&](int64_t, int64_t begin, int64_t end) {
        multiply(kTrans, n_, static_cast<int>(end - begin), a + at(0, begin), image_.data(), vector_.data() + begin);
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

  void interchange(T* column, int64_t first, int64_t last) const {
    for (int64_t i = first; i < last; ++i) {
      if (pivots_[i] != i) std::swap(column[i], column[pivots_[i]]);
    }
  }

  // False on a zero pivot.
  bool factorise() {
    T* a = factors_.data();
    for (int64_t k = 0; k < n_; k += kPanel) {
      const int width = static_cast<int>(std::min<int64_t>(kPanel, n_ - k));
      const int rows = static_cast<int>(n_ - k);
      int info = 0;
      getrf(rows, width, a + at(k, k), n_, pivots_.data() + k, &info);
      if (info != 0) return false;
      for (int64_t i = k; i < k + width; ++i) pivots_[i] += static_cast<int>(k) - 1;
      column_tiles(k + width, [&](int64_t, int64_t begin, int64_t end) {
        for (int64_t c = begin; c < end; ++c) interchange(a + at(0, c), k, k + width);
        const int columns = static_cast<int>(end - begin);
        solve(kLower, kUnit, width, columns, a + at(k, k), n_, a + at(k, begin), n_);
        subtract_product(rows - width, columns, width, a + at(k + width, k), a + at(k, begin), a + at(k + width, begin),
                         n_);
      });
    }
    column_tiles(0, [&](int64_t, int64_t begin, int64_t end) {
      for (int64_t c = begin; c < end; ++c) interchange(a + at(0, c), (c / kPanel + 1) * kPanel, n_);
    });
    for (int i = 0; i < n_; ++i) order_[i] = i;
    for (int i = 0; i < n_; ++i) std::swap(order_[i], order_[pivots_[i]]);
    // Column order_[i] of X^-1 is column i of U^-1 L^-1.
    for (int i = 0; i < n_; ++i) source_[order_[i]] = i;
    return true;
  }

  // U^-1 L^-1
  void invert() {
    const T* a = factors_.data();
    column_tiles(0, [&](int64_t, int64_t begin, int64_t end) {
      T* y = inverse_.data() + at(0, begin);
      const int columns = static_cast<int>(end - begin);
      std::fill_n(y, static_cast<int64_t>(n_) * columns, T{0});
      for (int64_t c = begin; c < end; ++c) y[at(c, c - begin)] = 1;
      solve(kLower, kUnit, static_cast<int>(n_ - begin), columns, a + at(begin, begin), n_, y + begin, n_);
      solve(kUpper, kNonUnit, n_, columns, a, n_, y, n_);
    });
  }

  // X <- (z X + X^-T / z) / 2; returns the Frobenius norm of the change.
  double update(double z) {
    const T left = static_cast<T>(0.5 * z), right = static_cast<T>(0.5 / z);
    column_tiles(0, [&](int64_t task, int64_t begin, int64_t end) {
      double lanes[kLanes] = {};
      T block[kBlock * kBlock];
      for (int64_t i = 0; i < n_; i += kBlock) {
        const int64_t rows = std::min<int64_t>(kBlock, n_ - i);
        for (int64_t j = begin; j < end; j += kBlock) {
          const int64_t columns = std::min<int64_t>(kBlock, end - j);
          for (int64_t r = 0; r < rows; ++r) {
            const T* y = inverse_.data() + at(j, source_[i + r]);
            for (int64_t c = 0; c < columns; ++c) block[c * kBlock + r] = y[c];
          }
          for (int64_t c = 0; c < columns; ++c) {
            T* x = x_ + at(i, j + c);
            T* copy = factors_.data() + at(i, j + c);
            for (int64_t r = 0; r < rows; ++r) {
              const T after = left * x[r] + right * block[c * kBlock + r];
              const double step = static_cast<double>(after) - x[r];
              x[r] = copy[r] = after;
              lanes[r % kLanes] += step * step;
            }
          }
        }
      }
      sums_[task] = sum(lanes);
    });
    return std::sqrt(total());
  }

  // |X^T X - I|_F / sqrt(n) <= 20 sqrt(n) eps
  bool orthogonal() {
    const int64_t tiles = divide_up(n_, kTile);
    Buffer<double> errors(tiles * (tiles + 1) / 2);
    parallel_for(context_, errors.size(), [&](int64_t task, int32_t) {
      int64_t i = 0, j = task;
      while (j > i) j -= ++i;  // row i of the lower triangle has i + 1 tiles
      const int64_t row = i * kTile, column = j * kTile;
      const int m = static_cast<int>(std::min<int64_t>(kTile, n_ - row));
      const int n = static_cast<int>(std::min<int64_t>(kTile, n_ - column));
      T tile[kTile * kTile];
      gram(m, n, n_, x_ + at(0, row), x_ + at(0, column), tile);
      double error = 0;
      for (int64_t c = 0; c < n; ++c) {
        for (int64_t r = 0; r < m; ++r) {
          const double difference = tile[r + c * m] - (i == j && r == c ? 1.0 : 0.0);
          error += difference * difference;
        }
      }
      errors[task] = i == j ? error : 2 * error;
    });
    double error = 0;
    for (int64_t t = 0; t < errors.size(); ++t) error += errors[t];
    return std::sqrt(error) <= 20 * n_ * kEpsilon;
  }

  mg_context* context_;
  int n_, columns_;  // columns of one task
  T* x_;
  Buffer<T> factors_, inverse_, partial_, vector_, image_;
  Buffer<int> pivots_, order_, source_;
  Buffer<double> sums_;  // of each task
};

}  // namespace

namespace {

// q <- q + q (I - q^T q) / 2, a step of Newton and Schulz: an error of 1e-5 becomes 1e-10.
void make_orthogonal(mg_context* context, int64_t n, double* q) {
  constexpr int64_t kSide = 256;
  Buffer<double> residual(n, n), before(n, n);
  std::copy_n(q, n * n, before.data());
  const int64_t tiles = divide_up(n, kSide);
  parallel_for(context, tiles * (tiles + 1) / 2, [&](int64_t task, int32_t) {
    int64_t i = 0, j = task;
    while (j > i) j -= ++i;
    const int64_t row = i * kSide, column = j * kSide;
    const int64_t rows = std::min(kSide, n - row), columns = std::min(kSide, n - column);
    double* tile = residual.data() + row * n + column;
    cblas_dgemm(kRowMajor, kTrans, kNoTrans, static_cast<int>(rows), static_cast<int>(columns), static_cast<int>(n), -1,
                q + row, static_cast<int>(n), q + column, static_cast<int>(n), 0, tile, static_cast<int>(n));
    for (int64_t r = 0; r < rows; ++r) {
      if (i == j) tile[r * n + r] += 1;
      for (int64_t c = 0; c < columns; ++c) residual[(column + c) * n + row + r] = tile[r * n + c];
    }
  });
  gemm_tiles(context, false, false, n, n, n, 0.5, before.data(), n, residual.data(), n, 1, q, n);
}

}  // namespace

bool newton_polar(mg_context* context, int32_t dtype, int64_t n, const double* a, double* q) {
  if (n < kSmallest) return false;
  if (dtype == MG_F32) {
    double largest = 0;
    for (int64_t i = 0; i < n * n; ++i) largest = std::max(largest, std::fabs(a[i]));
    if (!(largest > 0)) return false;
    Buffer<float> narrow(n, n);
    for (int64_t i = 0; i < n * n; ++i) narrow[i] = static_cast<float>(a[i] / largest);
    if (Newton<float>(context, n, narrow.data()).run(kMostNarrow)) {
      std::copy_n(narrow.data(), n * n, q);
      make_orthogonal(context, n, q);
      return true;
    }
  }
  std::copy_n(a, n * n, q);
  return Newton<double>(context, n, q).run(1 / kLeast);
}

double sum_of_singular_values(int64_t n, const double* q, const double* a, int64_t lda) {
  double lanes[kLanes] = {};
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < n; ++j) lanes[j % kLanes] += q[i * n + j] * a[i * lda + j];
  }
  return sum(lanes);
}

}  // namespace merganser
