// SPDX-License-Identifier: Apache-2.0
#include "routines/triangular.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "runtime/blas.h"
#include "runtime/error.h"
#include "runtime/pool.h"

namespace merganser {

namespace {

// Where a range of blocks is halved.
template <typename T>
int64_t half_of(int64_t size) {
  constexpr int64_t kBlock = Triangle<T>::kBlock;
  return divide_up(size / 2, kBlock) * kBlock;
}

void trtri(const char* uplo, int n, double* a, int ld, int* info) { dtrtri_(uplo, "N", &n, a, &ld, info, 1, 1); }
void trtri(const char* uplo, int n, float* a, int ld, int* info) { strtri_(uplo, "N", &n, a, &ld, info, 1, 1); }
void getrf(int m, int n, double* a, int ld, int* pivots, int* info) { dgetrf_(&m, &n, a, &ld, pivots, info); }
void getrf(int m, int n, float* a, int ld, int* pivots, int* info) { sgetrf_(&m, &n, a, &ld, pivots, info); }

// b = a b for a small square a, by pieces of the columns, each copied first.
template <typename T>
void multiply_block(int64_t size, View<const T> a, int64_t columns, View<T> b) {
  constexpr int64_t kBlock = Triangle<T>::kBlock, kColumns = 128;
  alignas(64) T piece[kBlock * kColumns];
  for (int64_t begin = 0; begin < columns; begin += kColumns) {
    const int64_t width = std::min(kColumns, columns - begin);
    const View<T> target = b.at(0, begin);
    const View<T> copy = b.column == 1 ? by_rows(piece, kColumns) : by_columns(piece, kBlock);
    if (b.column == 1) {
      for (int64_t i = 0; i < size; ++i) std::copy_n(&target(i, 0), width, &copy(i, 0));
    } else {
      for (int64_t j = 0; j < width; ++j) std::copy_n(&target(0, j), size, &copy(0, j));
    }
    multiply<T>(size, width, size, 1, a, copy, 0, target);
  }
}

template <typename T>
void stripes(mg_context* context, int64_t size, int64_t columns, View<T> b,
             const std::function<void(int64_t, View<T>)>& run) {
  const double flops = static_cast<double>(size) * static_cast<double>(size) * static_cast<double>(columns);
  const int64_t width = stripe_width(context, columns, flops);
  parallel_for(context, divide_up(columns, width), [&](int64_t item, int32_t) {
    const int64_t begin = item * width;
    run(std::min(width, columns - begin), b.at(0, begin));
  });
}

}  // namespace

template <typename T>
Triangle<T>::Triangle(int64_t n, View<const T> t, Uplo uplo, bool unit)
    : n_(n),
      t_(t),
      uplo_(uplo),
      unit_(unit),
      inverses_(std::make_shared<Buffer<T>>(divide_up(n, kBlock) * kBlock, kBlock)) {}

template <typename T>
T Triangle<T>::element(int64_t i, int64_t j) const {
  if (unit_ && i == j) return T{1};
  return (uplo_ == Uplo::kLower ? i >= j : i <= j) ? t_(i, j) : T{0};
}

template <typename T>
void Triangle<T>::invert_block(int64_t first) {
  const int64_t size = std::min(kBlock, n_ - first);
  T* block = inverses_->data() + first * kBlock;
  for (int64_t j = 0; j < size; ++j) {
    for (int64_t i = 0; i < size; ++i) block[j * kBlock + i] = element(first + i, first + j);
  }
  int info = 0;
  trtri(uplo_ == Uplo::kLower ? "L" : "U", static_cast<int>(size), block, kBlock, &info);
  if (info != 0) {
    fail(MG_NUMERICAL,
         format("a triangular factor is singular: element %lld of its diagonal is 0", Long{first + info - 1}));
  }
}

template <typename T>
void Triangle<T>::invert_blocks(mg_context* context) {
  constexpr int64_t kBlocks = 8;  // of an item
  parallel_for(context, divide_up(n_, kBlocks * kBlock), [&](int64_t item, int32_t) {
    const int64_t end = std::min(n_, (item + 1) * kBlocks * kBlock);
    for (int64_t first = item * kBlocks * kBlock; first < end; first += kBlock) invert_block(first);
  });
}

template <typename T>
Triangle<T> Triangle<T>::transposed() const {
  Triangle result = *this;
  result.t_ = t_.transposed();
  result.uplo_ = uplo_ == Uplo::kLower ? Uplo::kUpper : Uplo::kLower;
  result.turned_ = !turned_;
  return result;
}

template <typename T>
View<const T> Triangle<T>::inverse(int64_t first) const {
  const View<const T> block = by_columns<const T>(inverses_->data() + first * kBlock, kBlock);
  return turned_ ? block.transposed() : block;
}

template <typename T>
void Triangle<T>::solve_stripe(int64_t first, int64_t size, int64_t columns, View<T> b) const {
  if (size <= kBlock) {
    multiply_block<T>(size, inverse(first), columns, b);
    return;
  }
  const int64_t half = half_of<T>(size), rest = size - half, second = first + half;
  if (uplo_ == Uplo::kLower) {
    solve_stripe(first, half, columns, b);
    merganser::multiply<T>(rest, columns, half, -1, t_.at(second, first), b, 1, b.at(half, 0));
    solve_stripe(second, rest, columns, b.at(half, 0));
  } else {
    solve_stripe(second, rest, columns, b.at(half, 0));
    merganser::multiply<T>(half, columns, rest, -1, t_.at(first, second), b.at(half, 0), 1, b);
    solve_stripe(first, half, columns, b);
  }
}

template <typename T>
void Triangle<T>::solve(mg_context* context, int64_t first, int64_t size, int64_t columns, View<T> b) const {
  stripes<T>(context, size, columns, b,
             [&](int64_t width, View<T> stripe) { solve_stripe(first, size, width, stripe); });
}

template <typename T>
void Triangle<T>::multiply_stripe(int64_t first, int64_t size, int64_t columns, View<T> b) const {
  if (size <= kBlock) {
    alignas(64) T block[kBlock * kBlock];
    for (int64_t i = 0; i < size; ++i) {
      for (int64_t j = 0; j < size; ++j) block[i * kBlock + j] = element(first + i, first + j);
    }
    multiply_block<T>(size, by_rows<const T>(block, kBlock), columns, b);
    return;
  }
  const int64_t half = half_of<T>(size), rest = size - half, second = first + half;
  multiply_stripe(second, rest, columns, b.at(half, 0));
  merganser::multiply<T>(rest, columns, half, 1, t_.at(second, first), b, 1, b.at(half, 0));
  multiply_stripe(first, half, columns, b);
}

template <typename T>
void Triangle<T>::multiply(mg_context* context, int64_t columns, View<T> b) const {
  require_lower();
  stripes<T>(context, n_, columns, b, [&](int64_t width, View<T> stripe) { multiply_stripe(0, n_, width, stripe); });
}

// Of [T11 0; T21 T22]: [T11^-1 0; -T22^-1 T21 T11^-1  T22^-1].
template <typename T>
void Triangle<T>::invert_part(mg_context* context, int64_t first, int64_t size, View<T> out) const {
  if (size <= kBlock) {
    const View<const T> block = inverse(first);
    for (int64_t j = 0; j < size; ++j) {
      for (int64_t i = 0; i < size; ++i) out(i, j) = block(i, j);
    }
    return;
  }
  const int64_t half = half_of<T>(size), rest = size - half, second = first + half;
  invert_part(context, first, half, out);
  invert_part(context, second, rest, out.at(half, half));
  merganser::multiply<T>(context, rest, half, half, -1, t_.at(second, first), out, 0, out.at(half, 0));
  solve(context, second, rest, half, out.at(half, 0));
}

template <typename T>
void Triangle<T>::require_lower() const {
  if (uplo_ != Uplo::kLower) fail(MG_INTERNAL, "only lower triangles are multiplied and inverted");
}

template <typename T>
void Triangle<T>::invert(mg_context* context, View<T> out) const {
  require_lower();
  // Along the axis that is contiguous.
  const View<T> lines = out.column == 1 ? out : out.transposed();
  for (int64_t i = 0; i < n_; ++i) std::fill_n(&lines(i, 0), n_, T{0});
  invert_part(context, 0, n_, out);
}

template class Triangle<double>;
template class Triangle<float>;

namespace {

bool cholesky_part(mg_context* context, View<double> a, int64_t first, int64_t size, Triangle<double>& factor) {
  if (size <= Triangle<double>::kBlock) {
    // By rows, so that LAPACK sees the transpose.
    const int order = static_cast<int>(size), ld = blas_int(a.row, "ld");
    int info = 0;
    dpotrf_("U", &order, &a(first, first), &ld, &info, 1);
    if (info != 0) return false;
    factor.invert_block(first);
    return true;
  }
  const int64_t half = half_of<double>(size), rest = size - half, second = first + half;
  if (!cholesky_part(context, a, first, half, factor)) return false;
  const View<double> below = a.at(second, first);
  factor.solve(context, first, half, rest, below.transposed());
  multiply<double>(context, rest, rest, half, -1, below, below.transposed(), 1, a.at(second, second), Uplo::kLower);
  return cholesky_part(context, a, second, rest, factor);
}

template <typename T>
void interchange(mg_context* context, View<T> a, const int* pivots, int64_t first, int64_t last, int64_t column,
                 int64_t columns) {
  constexpr int64_t kSwaps = 1 << 16;  // of an item
  const int64_t width = std::max<int64_t>(64, kSwaps / std::max<int64_t>(1, last - first));
  parallel_for(context, divide_up(columns, width), [&](int64_t item, int32_t) {
    const int64_t begin = column + item * width, end = std::min(column + columns, begin + width);
    for (int64_t c = begin; c < end; ++c) {
      for (int64_t i = first; i < last; ++i) {
        if (pivots[i] != i) std::swap(a(i, c), a(pivots[i], c));
      }
    }
  });
}

// Columns [first, first + width) of rows from `first` on.
template <typename T>
bool factorise_part(mg_context* context, int64_t n, View<T> a, int64_t first, int64_t width, Triangle<T>& unit,
                    int* pivots) {
  if (width <= Triangle<T>::kBlock) {
    int info = 0;
    getrf(static_cast<int>(n - first), static_cast<int>(width), &a(first, first), static_cast<int>(a.column),
          pivots + first, &info);
    if (info != 0) return false;
    for (int64_t i = first; i < first + width; ++i) pivots[i] += static_cast<int>(first) - 1;
    unit.invert_block(first);
    return true;
  }
  const int64_t half = half_of<T>(width), rest = width - half, second = first + half;
  if (!factorise_part(context, n, a, first, half, unit, pivots)) return false;
  interchange(context, a, pivots, first, second, second, rest);
  unit.solve(context, first, half, rest, a.at(first, second));
  multiply<T>(context, n - second, rest, half, -1, a.at(second, first), a.at(first, second), 1, a.at(second, second));
  if (!factorise_part(context, n, a, second, rest, unit, pivots)) return false;
  interchange(context, a, pivots, second, first + width, first, half);
  return true;
}

}  // namespace

std::optional<Triangle<double>> cholesky(mg_context* context, int64_t n, View<double> a) {
  Triangle<double> factor(n, a, Uplo::kLower, false);
  if (!cholesky_part(context, a, 0, n, factor)) return std::nullopt;
  return factor;
}

template <typename T>
std::optional<Triangle<T>> factorise(mg_context* context, int64_t n, View<T> a, int* pivots) {
  Triangle<T> unit(n, a, Uplo::kLower, true);
  if (!factorise_part(context, n, a, 0, n, unit, pivots)) return std::nullopt;
  return unit;
}

template std::optional<Triangle<double>> factorise<double>(mg_context*, int64_t, View<double>, int*);
template std::optional<Triangle<float>> factorise<float>(mg_context*, int64_t, View<float>, int*);

}  // namespace merganser
