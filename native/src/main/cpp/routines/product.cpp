// SPDX-License-Identifier: Apache-2.0
// Products by panels (Goto and van de Geijn 2008): k is taken kPanelDepth at a time; a block of B of that depth and
// a block of A that stays in the second-level cache are packed into panels, and tiles of C are summed in registers by
// Kernels::product.
// As quick as OpenBLAS's best kernels; but its bytes change with its version, its choice of kernels and the shape of a
// tile, and ours do not.
#include "routines/product.h"

#include <algorithm>

#include "runtime/blas.h"
#include "runtime/buffer.h"
#include "runtime/isa.h"
#include "runtime/pool.h"

namespace merganser {

namespace {

constexpr int64_t kBytesOfA = 344 << 10, kBytesOfB = 2 << 20;  // of the packed blocks, at most
constexpr int64_t kMostTile = 8 * 32;                          // elements of a tile in registers, of any level
constexpr double kAlone = 1 << 25;                             // flops: a third of a millisecond
constexpr int64_t kLeastTile = 64;                             // of one item: below, packing costs more than it gives

template <typename T>
const ProductKernel& kernel() {
  return kernels().product[sizeof(T) == 8 ? 0 : 1];
}

// Indices of whole panels within so many bytes.
template <typename T>
int64_t rows_of(int64_t bytes) {
  return bytes / static_cast<int64_t>(kPanelDepth * sizeof(T)) / kernel<T>().width * kernel<T>().width;
}

// Packed blocks of this thread, kept: no product allocates in steady state.
template <typename T>
struct Blocks {
  Buffer<T> a, b;
  static Blocks& mine() {
    static thread_local Blocks blocks;
    return blocks;
  }
};

// beta C + product as the kernel has it, for tiles that reach over the edge.
template <typename T>
void add_edge(const T* product, int64_t ld, int64_t rows, int64_t columns, double beta, T* c, int64_t ldc) {
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < columns; ++j) {
      T& target = c[i * ldc + j];
      target = beta == 0 ? product[i * ld + j] : static_cast<T>(beta) * target + product[i * ld + j];
    }
  }
}

// A block of C, `right` columns right of the diagonal, from panels of both operands. A part of A stays in the
// second-level cache.
template <typename T>
void tiles(int64_t m, int64_t n, int64_t depth, double alpha, const T* a, const T* b, double beta, T* c, int64_t ldc,
           Uplo uplo, int64_t right) {
  const ProductKernel& p = kernel<T>();
  const int64_t parts = divide_up(m, rows_of<T>(kBytesOfA));
  const int64_t most_rows = divide_up(divide_up(m, parts), p.width) * p.width;
  alignas(64) T edge[kMostTile];
  for (int64_t i0 = 0; i0 < m; i0 += most_rows) {
    const int64_t end = std::min(m, i0 + most_rows);
    for (int64_t j = 0; j < n; j += p.width) {
      const int64_t columns = std::min(p.width, n - j);
      for (int64_t i = i0; i < end; i += p.rows) {
        if (uplo == Uplo::kLower && i + p.rows <= right + j) continue;
        if (uplo == Uplo::kUpper && right + j + p.width <= i) continue;
        const T* rows = a + i / p.width * p.width * depth + i % p.width;
        if (i + p.rows <= m && columns == p.width) {
          p.tile(depth, rows, b + j * depth, alpha, beta, c + i * ldc + j, ldc);
        } else {
          p.tile(depth, rows, b + j * depth, alpha, 0, edge, p.width);
          add_edge(edge, p.width, std::min(p.rows, m - i), columns, beta, c + i * ldc + j, ldc);
        }
      }
    }
  }
}

template <typename T>
void by_panels(int64_t m, int64_t n, int64_t k, double alpha, View<const T> a, View<const T> b, double beta, T* c,
               int64_t ldc, Uplo uplo) {
  const ProductKernel& p = kernel<T>();
  const int64_t most_rows = rows_of<T>(kBytesOfA), most_columns = rows_of<T>(kBytesOfB);
  const auto room = [&](int64_t extent, int64_t most) { return std::min(most, divide_up(extent, p.width) * p.width); };
  const int64_t deepest = std::min(kPanelDepth, k);
  Blocks<T>& blocks = Blocks<T>::mine();
  blocks.a.reserve(room(m, most_rows) * deepest);
  blocks.b.reserve(room(n, most_columns) * deepest);
  for (int64_t j0 = 0; j0 < n; j0 += most_columns) {
    const int64_t columns = std::min(most_columns, n - j0);
    for (int64_t k0 = 0; k0 < k; k0 += kPanelDepth) {
      const int64_t depth = std::min(kPanelDepth, k - k0);
      const double keep = k0 == 0 ? beta : 1;
      p.pack(b.at(k0, j0).data, b.column, b.row, columns, depth, blocks.b.data());
      for (int64_t i0 = 0; i0 < m; i0 += most_rows) {
        const int64_t rows = std::min(most_rows, m - i0);
        const bool outside = uplo == Uplo::kLower ? i0 + rows <= j0 : uplo == Uplo::kUpper && j0 + columns <= i0;
        if (outside) continue;
        p.pack(a.at(i0, k0).data, a.row, a.column, rows, depth, blocks.a.data());
        tiles(rows, columns, depth, alpha, blocks.a.data(), blocks.b.data(), keep, c + i0 * ldc + j0, ldc, uplo,
              j0 - i0);
      }
    }
  }
}

void blas(CblasTranspose ta, CblasTranspose tb, int m, int n, int k, double alpha, const double* a, int lda,
          const double* b, int ldb, double beta, double* c, int ldc) {
  cblas_dgemm(kRowMajor, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}
void blas(CblasTranspose ta, CblasTranspose tb, int m, int n, int k, double alpha, const float* a, int lda,
          const float* b, int ldb, double beta, float* c, int ldc) {
  cblas_sgemm(kRowMajor, ta, tb, m, n, k, static_cast<float>(alpha), a, lda, b, ldb, static_cast<float>(beta), c, ldc);
}

// Row-major C.
template <typename T>
void by_blas(int64_t m, int64_t n, int64_t k, double alpha, View<const T> a, View<const T> b, double beta, T* c,
             int64_t ldc) {
  const auto transposed = [](const View<const T>& x) { return x.column == 1 ? kNoTrans : kTrans; };
  // A step that no element is reached by may be anything, but BLAS wants a row's length at least.
  const auto leading = [](const View<const T>& x, int64_t rows, int64_t columns) {
    return blas_int(std::max({x.column == 1 ? x.row : x.column, x.column == 1 ? columns : rows, int64_t{1}}), "ld");
  };
  blas(transposed(a), transposed(b), blas_int(m, "m"), blas_int(n, "n"), blas_int(k, "k"), alpha, a.data,
       leading(a, m, k), b.data, leading(b, k, n), beta, c, blas_int(std::max<int64_t>(ldc, n), "ldc"));
}

}  // namespace

template <typename T>
void multiply(int64_t m, int64_t n, int64_t k, double alpha, Input<T> a, Input<T> b, double beta, View<T> c,
              Uplo uplo) {
  if (m == 0 || n == 0) return;
  if (c.column != 1) {
    const Uplo turned = uplo == Uplo::kLower ? Uplo::kUpper : uplo == Uplo::kUpper ? Uplo::kLower : uplo;
    multiply(n, m, k, alpha, b.transposed(), a.transposed(), beta, c.transposed(), turned);
  } else if (k == 0) {
    for (int64_t i = 0; i < m; ++i) {
      for (int64_t j = 0; j < n; ++j) c(i, j) = beta == 0 ? T{0} : static_cast<T>(beta) * c(i, j);
    }
  } else if (kernel<T>().width == 0) {
    by_blas<T>(m, n, k, alpha, a, b, beta, c.data, c.row);
  } else {
    by_panels<T>(m, n, k, alpha, a, b, beta, c.data, c.row, uplo);
  }
}

template <typename T>
int64_t panel_width() {
  return kernel<T>().width;
}

template <typename T>
void multiply_panels(int64_t m, int64_t n, int64_t k, const T* a, const T* b, double beta, T* c, int64_t ldc,
                     Uplo uplo) {
  tiles<T>(m, n, k, 1, a, b, beta, c, ldc, uplo, 0);
}

template <typename T>
void multiply(mg_context* context, int64_t m, int64_t n, int64_t k, double alpha, Input<T> a, Input<T> b, double beta,
              View<T> c, Uplo uplo) {
  const double flops = 2.0 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k);
  const int64_t side = tile_side(context, std::max(m, n), flops), across = divide_up(n, side);
  parallel_for(context, divide_up(m, side) * across, [&](int64_t item, int32_t) {
    const int64_t i = item / across * side, j = item % across * side;
    if ((uplo == Uplo::kLower && j > i) || (uplo == Uplo::kUpper && i > j)) return;
    multiply(std::min(side, m - i), std::min(side, n - j), k, alpha, a.at(i, 0), b.at(0, j), beta, c.at(i, j),
             i == j ? uplo : Uplo::kAll);
  });
}

template <typename T>
void mirror(mg_context* context, int64_t n, View<T> a) {
  constexpr int64_t kSide = 8;     // rows apart by a power of two compete for the same places in the cache
  constexpr int64_t kWhole = 256;  // rows that are not shared
  const int64_t rows = n <= kWhole ? std::max<int64_t>(n, 1) : 64;
  parallel_for(context, divide_up(n, rows), [&](int64_t item, int32_t) {
    const int64_t i0 = item * rows, i1 = std::min(n, i0 + rows);
    for (int64_t j0 = 0; j0 < i1; j0 += kSide) {
      for (int64_t i = std::max(i0, j0); i < i1; ++i) {
        for (int64_t j = j0; j < std::min(i, j0 + kSide); ++j) a(j, i) = a(i, j);
      }
    }
  });
}

// Results of OpenBLAS depend on the tiles, so there these may not depend on the number of threads.
int64_t tile_side(const mg_context* context, int64_t extent, double flops) {
  if (kernel<double>().width == 0) return 256;
  const int64_t threads = participants(context);
  if (threads == 1 || flops < kAlone) return std::max<int64_t>(extent, 1);
  int64_t parts = 2;  // each way: about four tiles for each thread
  while (parts * parts < 4 * threads) parts += 2;
  return std::max(kLeastTile, divide_up(extent, parts));
}

int64_t stripe_width(const mg_context* context, int64_t extent, double flops) {
  if (kernel<double>().width == 0) return 128;
  const int64_t threads = participants(context);
  if (threads == 1 || flops < kAlone) return std::max<int64_t>(extent, 1);
  return std::max(kLeastTile, divide_up(extent, 2 * threads));
}

template void multiply<double>(int64_t, int64_t, int64_t, double, Input<double>, Input<double>, double, View<double>,
                               Uplo);
template void multiply<float>(int64_t, int64_t, int64_t, double, Input<float>, Input<float>, double, View<float>, Uplo);
template void mirror<double>(mg_context*, int64_t, View<double>);
template void mirror<float>(mg_context*, int64_t, View<float>);
template int64_t panel_width<double>();
template int64_t panel_width<float>();
template void multiply_panels<double>(int64_t, int64_t, int64_t, const double*, const double*, double, double*, int64_t,
                                      Uplo);
template void multiply_panels<float>(int64_t, int64_t, int64_t, const float*, const float*, double, float*, int64_t,
                                     Uplo);
template void multiply<double>(mg_context*, int64_t, int64_t, int64_t, double, Input<double>, Input<double>, double,
                               View<double>, Uplo);
template void multiply<float>(mg_context*, int64_t, int64_t, int64_t, double, Input<float>, Input<float>, double,
                              View<float>, Uplo);

}  // namespace merganser
