// SPDX-License-Identifier: Apache-2.0
// Products of dense matrices. Bytes depend on the level, not on the number of threads; on levels with a kernel of
// their own an element depends on its row, its column and k only, not on the tile it is computed in. The caller holds
// the BLAS gate (SerialBlas), for the level without.
#pragma once

#include <cstdint>

#include "runtime/context.h"

namespace merganser {

// A matrix by its elements: (i, j) is data[i * row + j * column]. One of the two steps is 1.
template <typename T>
struct View {
  T* data;
  int64_t row, column;

  View at(int64_t i, int64_t j) const { return {data + i * row + j * column, row, column}; }
  View transposed() const { return {data, column, row}; }
  T& operator()(int64_t i, int64_t j) const { return data[i * row + j * column]; }
  operator View<const T>() const { return {data, row, column}; }
};

template <typename T>
View<T> by_rows(T* data, int64_t ld) {
  return {data, ld, 1};
}

template <typename T>
View<T> by_columns(T* data, int64_t ld) {
  return {data, 1, ld};
}

// An input, whose type is taken from the result.
template <typename T>
struct InputOf {
  typedef View<const T> Type;
};
template <typename T>
using Input = typename InputOf<T>::Type;

// What is computed of a square C; the rest becomes undefined.
enum class Uplo { kAll, kLower, kUpper };

// C = alpha A B + beta C, A m x k, B k x n; C is not read when beta is 0 and is neither A nor B. T is double or float.
template <typename T>
void multiply(int64_t m, int64_t n, int64_t k, double alpha, Input<T> a, Input<T> b, double beta, View<T> c,
              Uplo uplo = Uplo::kAll);

// The same over the pool.
template <typename T>
void multiply(mg_context*, int64_t m, int64_t n, int64_t k, double alpha, Input<T> a, Input<T> b, double beta,
              View<T> c, Uplo uplo = Uplo::kAll);

// The upper triangle from the lower one, over the pool.
template <typename T>
void mirror(mg_context*, int64_t n, View<T> a);

// Panels are what products are made from: `width` indices of m or n side by side for each of at most kPanelDepth steps
// of k, element (i, l) at i / width * width * k + l * width + i % width; what fills the last one up does not matter.
constexpr int64_t kPanelDepth = 512;

// 0 on a level without a kernel of its own, which takes no panels.
template <typename T>
int64_t panel_width();

// C = A B + beta C, row-major, from panels of both.
template <typename T>
void multiply_panels(int64_t m, int64_t n, int64_t k, const T* a, const T* b, double beta, T* c, int64_t ldc,
                     Uplo uplo);

// How the pool shares a matrix: the side of tiles for the larger of its extents, and the width of stripes. Everything
// is one tile where `flops` are too few to wake threads for.
int64_t tile_side(const mg_context*, int64_t extent, double flops);
int64_t stripe_width(const mg_context*, int64_t extent, double flops);

}  // namespace merganser
