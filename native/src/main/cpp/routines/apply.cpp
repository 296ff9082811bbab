// SPDX-License-Identifier: Apache-2.0
// Applying a feature map to one axis of a tensor [outer x axis x inner]:
//   dense   out[o, r, p] = sum_c op(map)[r, c] in[o, c, p]
//   gather  out[o, r, p] = scale[r] in[o, index[r], p]
// Dense: columns (o, p) are taken in tiles; a tile is widened to F64 once, multiplied by a block of rows of the map in
// one serial product and rounded once. For inner = 1 a tile is stored column by column, so that reads and writes stay
// contiguous.
#include <algorithm>
#include <cstring>
#include <vector>

#include "routines/product.h"
#include "routines/routines.h"
#include "runtime/blas.h"
#include "runtime/buffer.h"
#include "runtime/error.h"
#include "runtime/isa.h"
#include "runtime/pool.h"

namespace merganser {

namespace {

constexpr int64_t kRowTile = 256;
constexpr int64_t kScaleTile = 1024;

// A tensor axis seen as [outer x axis x inner].
struct Axis {
  char* data;
  int64_t bytes, stride, inner;
  char* at(int64_t outer, int64_t feature, int64_t p) const {
    return data + (outer * stride + feature * inner + p) * bytes;
  }
};

// Calls run(o, p, n, q) for each contiguous piece of the columns [begin, end); q counts from begin.
template <typename Run>
void pieces(int64_t inner, int64_t begin, int64_t end, Run&& run) {
  for (int64_t column = begin; column < end;) {
    const int64_t o = column / inner, p = column % inner;
    const int64_t n = std::min(end - column, inner - p);
    run(o, p, n, column - begin);
    column += n;
  }
}

template <typename T>
void gather_elements(const Axis& from, const Axis& to, int64_t n_out, const int64_t* index, int64_t begin,
                     int64_t end) {
  int64_t o = begin / n_out, r = begin % n_out;
  for (int64_t e = begin; e < end; ++e) {
    std::memcpy(to.at(o, r, 0), from.at(o, index[r], 0), sizeof(T));
    if (++r == n_out) {
      r = 0;
      ++o;
    }
  }
}

// Of neighbours one by one: taken as they are, then widened, scaled and rounded together.
template <typename T>
void gather_scaled_elements(int32_t dtype, const Axis& from, const Axis& to, int64_t n_out, const int64_t* index,
                            const double* scale, int64_t begin, int64_t end) {
  const ElementwiseKernels& k = kernels().elementwise;
  alignas(64) T taken[kScaleTile];
  alignas(64) double wide[kScaleTile];
  for (int64_t e = begin; e < end;) {
    const int64_t o = e / n_out, r = e % n_out;
    const int64_t n = std::min({kScaleTile, end - e, n_out - r});
    for (int64_t i = 0; i < n; ++i) std::memcpy(taken + i, from.at(o, index[r + i], 0), sizeof(T));
    k.widen[dtype](taken, wide, n);
    for (int64_t i = 0; i < n; ++i) wide[i] *= scale[r + i];
    k.narrow[dtype](wide, to.at(o, r, 0), n);
    e += n;
  }
}

void gather_scaled(int32_t dtype, const Axis& from, const Axis& to, int64_t n_out, const int64_t* index,
                   const double* scale, int64_t begin, int64_t end) {
  const ElementwiseKernels& k = kernels().elementwise;
  alignas(64) double wide[kScaleTile];
  for (int64_t e = begin; e < end; ++e) {
    const int64_t o = e / n_out, r = e % n_out;
    for (int64_t p = 0; p < from.inner; p += kScaleTile) {
      const int64_t n = std::min(kScaleTile, from.inner - p);
      k.scale[dtype](from.at(o, index[r], p), scale[r], wide, n);
      k.narrow[dtype](wide, to.at(o, r, p), n);
    }
  }
}

}  // namespace

void apply_dense(mg_context* context, int32_t dtype, int64_t outer, int64_t n_in, int64_t inner, int64_t n_out,
                 const double* map, int64_t ldmap, int32_t transpose, const void* in, int64_t in_stride, void* out,
                 int64_t out_stride) {
  const int64_t columns = outer * inner;
  if (columns == 0 || n_out == 0) return;
  const ElementwiseKernels& k = kernels().elementwise;
  const int64_t bytes = size_of(dtype);
  const Axis from{static_cast<char*>(const_cast<void*>(in)), bytes, in_stride, inner};
  const Axis to{static_cast<char*>(out), bytes, out_stride, inner};
  const int64_t width = std::min<int64_t>(columns, n_in <= 4096 ? 256 : 64);
  const int64_t row_tiles = divide_up(n_out, kRowTile);
  const View<const double> op_of_map = transpose ? by_columns(map, ldmap) : by_rows(map, ldmap);
  const int64_t block = std::min(n_out, kRowTile);
  std::vector<Buffer<double>> tiles(participants(context)), products(participants(context));
  for (auto& each : tiles) each = Buffer<double>(std::max<int64_t>(n_in, 1), width);
  for (auto& each : products) each = Buffer<double>(block, width);
  SerialBlas blas(context);
  parallel_for(context, divide_up(columns, width) * row_tiles, [&](int64_t item, int32_t participant) {
    const int64_t begin = item / row_tiles * width, end = std::min(columns, begin + width);
    const int64_t row = item % row_tiles * kRowTile;
    const int64_t rows = std::min(kRowTile, n_out - row), n = end - begin;
    double* x = tiles[participant].data();
    double* y = products[participant].data();
    const View<const double> rows_of_map = op_of_map.at(row, 0);
    if (inner == 1) {
      for (int64_t q = 0; q < n; ++q) k.widen[dtype](from.at(begin + q, 0, 0), x + q * n_in, n_in);
      multiply<double>(n, rows, n_in, 1, by_rows(x, n_in), rows_of_map.transposed(), 0, by_rows(y, rows));
      for (int64_t q = 0; q < n; ++q) k.narrow[dtype](y + q * rows, to.at(begin + q, row, 0), rows);
      return;
    }
    for (int64_t c = 0; c < n_in; ++c) {
      pieces(inner, begin, end, [&](int64_t o, int64_t p, int64_t count, int64_t q) {
        k.widen[dtype](from.at(o, c, p), x + c * n + q, count);
      });
    }
    multiply<double>(rows, n, n_in, 1, rows_of_map, by_rows(x, n), 0, by_rows(y, n));
    for (int64_t r = 0; r < rows; ++r) {
      pieces(inner, begin, end, [&](int64_t o, int64_t p, int64_t count, int64_t q) {
        k.narrow[dtype](y + r * n + q, to.at(o, row + r, p), count);
      });
    }
  });
}

void apply_gather(mg_context* context, int32_t dtype, int64_t outer, int64_t, int64_t inner, int64_t n_out,
                  const int64_t* index, const double* scale, const void* in, int64_t in_stride, void* out,
                  int64_t out_stride) {
  if (outer == 0 || inner == 0 || n_out == 0) return;
  const int64_t bytes = size_of(dtype);
  const Axis from{static_cast<char*>(const_cast<void*>(in)), bytes, in_stride, inner};
  const Axis to{static_cast<char*>(out), bytes, out_stride, inner};
  const int64_t total = outer * n_out;
  const int64_t chunk = std::max<int64_t>(1, 65536 / (inner * bytes));
  parallel_for(context, divide_up(total, chunk), [&](int64_t item, int32_t) {
    const int64_t begin = item * chunk, end = std::min(total, begin + chunk);
    if (scale && inner == 1 && bytes == 8) {
      gather_scaled_elements<uint64_t>(dtype, from, to, n_out, index, scale, begin, end);
    } else if (scale && inner == 1 && bytes == 4) {
      gather_scaled_elements<uint32_t>(dtype, from, to, n_out, index, scale, begin, end);
    } else if (scale && inner == 1) {
      gather_scaled_elements<uint16_t>(dtype, from, to, n_out, index, scale, begin, end);
    } else if (scale) {
      gather_scaled(dtype, from, to, n_out, index, scale, begin, end);
    } else if (inner > 1) {
      for (int64_t e = begin; e < end; ++e) {
        const int64_t o = e / n_out, r = e % n_out;
        std::memcpy(to.at(o, r, 0), from.at(o, index[r], 0), static_cast<size_t>(inner * bytes));
      }
    } else if (bytes == 8) {
      gather_elements<uint64_t>(from, to, n_out, index, begin, end);
    } else if (bytes == 4) {
      gather_elements<uint32_t>(from, to, n_out, index, begin, end);
    } else {
      gather_elements<uint16_t>(from, to, n_out, index, begin, end);
    }
  });
}

}  // namespace merganser
