// SPDX-License-Identifier: Apache-2.0
// Triangular matrices, and the factorisations that lead to them: recursive by halves, so that nearly everything is a
// large product. Diagonal blocks are inverted, which makes a solve with one of them a product as well. T is double or
// float. The caller holds the BLAS gate.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "routines/product.h"
#include "runtime/buffer.h"
#include "runtime/context.h"

namespace merganser {

// The other triangle of the matrix is never read.
template <typename T>
class Triangle {
 public:
  static constexpr int64_t kBlock = 64;

  // A view of t whose diagonal, when `unit`, is taken as ones. Blocks are inverted by invert_block.
  Triangle(int64_t n, View<const T> t, Uplo uplo, bool unit);

  // The block that begins at row `first`, a multiple of kBlock.
  void invert_block(int64_t first);
  void invert_blocks(mg_context*);

  Triangle transposed() const;

  // B = T^-1 B, and B = T B of a lower triangle; B has n rows. For the other side give transposes:
  // B T^-1 = (T^-T B^T)^T.
  void solve(mg_context* context, int64_t columns, View<T> b) const { solve(context, 0, n_, columns, b); }
  void multiply(mg_context*, int64_t columns, View<T> b) const;
  // The same solve of the `size` rows and columns from `first` on.
  void solve(mg_context*, int64_t first, int64_t size, int64_t columns, View<T> b) const;
  // out = T^-1 of a lower triangle, with zeros above.
  void invert(mg_context*, View<T> out) const;

 private:
  T element(int64_t i, int64_t j) const;
  void require_lower() const;
  View<const T> inverse(int64_t first) const;
  void solve_stripe(int64_t first, int64_t size, int64_t columns, View<T> b) const;
  void multiply_stripe(int64_t first, int64_t size, int64_t columns, View<T> b) const;
  void invert_part(mg_context*, int64_t first, int64_t size, View<T> out) const;

  int64_t n_;
  View<const T> t_;
  Uplo uplo_;
  bool unit_;
  bool turned_ = false;                  // the inverses are those of the transpose
  std::shared_ptr<Buffer<T>> inverses_;  // kBlock x kBlock, by columns, one after the other
};

// Makes the lower triangle of a, which is stored by rows, its Cholesky factor, and views it; the other one becomes
// undefined. Nothing when there is no factor.
std::optional<Triangle<double>> cholesky(mg_context*, int64_t n, View<double> a);

// P A = L U in place with partial pivoting, a stored by columns: row i was exchanged with row pivots[i], in order of i.
// A view of L, or nothing on a zero pivot.
template <typename T>
std::optional<Triangle<T>> factorise(mg_context*, int64_t n, View<T> a, int* pivots);

}  // namespace merganser
