// SPDX-License-Identifier: Apache-2.0
// out[o, r, p] = sum_c op(map)[r, c] in[o, c, p]: products in F64, rounded once to the type. Columns (o, p) are taken
// in tiles: a kernel widens a tile to F64, cuBLAS multiplies it, a kernel rounds it. The kernels follow the order of
// the tensor, so that its side of the copy is contiguous for any strides. A tile of inner = 1 is stored column by
// column, which keeps the other side contiguous too.
// Versions considered: products in the type itself on tensor cores with F32 sums (16-bit only, and sums of 4096 terms
// would be off by more than the one rounding that is promised); one kernel that widens in registers and multiplies by
// DMMA (no portable form, and the copies are 5 % of the time at 4096).
// Expected on an H100-class card for 4096 x 4096 of BF16: 137 GF at 55 TF/s, 2.5 ms; widening and rounding 0.34 GB at
// 3.3 TB/s, 0.1 ms.
// Not yet run on a device.
#include <algorithm>

#include "cuda/blas.h"
#include "cuda/types.cuh"

namespace merganser {
namespace cuda {

namespace {

constexpr int64_t kTile = int64_t{1} << 24;  // F64 elements of in and out together
constexpr int64_t kLeastWidth = 64;

// A part of a tensor [outer x axis x inner] and its F64 matrix: element (o, f, p) of the part is
// tensor[o * stride + f * inner + p] and matrix[f * by_feature + (o * width + p) * by_column].
struct Part {
  int64_t stride, inner, by_feature, by_column;
  uint32_t features, width;
  uint32_t count;  // elements
};

struct Place {
  int64_t tensor, matrix;
};

__device__ __forceinline__ Place place_of(const Part& part, uint32_t e) {
  const uint32_t row = e / part.width, p = e - row * part.width;  // row: (o, f)
  const uint32_t o = row / part.features, f = row - o * part.features;
  return {static_cast<int64_t>(o) * part.stride + static_cast<int64_t>(f) * part.inner + p,
          static_cast<int64_t>(f) * part.by_feature + (static_cast<int64_t>(o) * part.width + p) * part.by_column};
}

template <typename T>
__global__ void __launch_bounds__(kThreads) widen(Part part, const void* tensor, double* matrix) {
  for (uint32_t e = blockIdx.x * blockDim.x + threadIdx.x; e < part.count; e += gridDim.x * blockDim.x) {
    const Place at = place_of(part, e);
    matrix[at.matrix] = T::f64(value_of(load<WordOf<T>, 1>(tensor, at.tensor).word[0]));
  }
}

template <typename T>
__global__ void __launch_bounds__(kThreads) narrow(Part part, const double* matrix, void* tensor) {
  for (uint32_t e = blockIdx.x * blockDim.x + threadIdx.x; e < part.count; e += gridDim.x * blockDim.x) {
    const Place at = place_of(part, e);
    store(tensor, at.tensor, Pack<WordOf<T>, 1>{word_of(T::store(matrix[at.matrix]))});
  }
}

// Columns [o, o + outers) x [p, p + width) of the tensor.
struct Tile {
  int64_t o, p, outers, width;
  int64_t columns() const { return outers * width; }
};

Part part_of(const Tile& tile, int64_t features, int64_t inner, int64_t stride) {
  const bool by_columns = inner == 1;
  return {stride,
          inner,
          by_columns ? 1 : tile.columns(),
          by_columns ? features : 1,
          static_cast<uint32_t>(features),
          static_cast<uint32_t>(tile.width),
          static_cast<uint32_t>(features * tile.columns())};
}

template <typename T>
class Dense {
 public:
  int64_t n_in, inner, n_out;
  const double* map;
  int64_t ldmap;
  bool transpose;
  const void* in;
  int64_t in_stride;
  void* out;
  int64_t out_stride;

  void run(State& s, const Tile& tile, double* x, double* y) const {
    const int64_t n = tile.columns();
    const Part from = part_of(tile, n_in, inner, in_stride), to = part_of(tile, n_out, inner, out_stride);
    if (n_in == 0) {
      check(cudaMemsetAsync(y, 0, static_cast<size_t>(n_out * n) * sizeof *y, s.stream), "apply_dense");
    } else {
      launch(s, "apply_dense", Spread(s, from.count, 1, true).blocks, kThreads, 0, widen<T>, from,
             at(in, tile.o * in_stride + tile.p), x);
      Blas& products = blas(s, "apply_dense");
      if (inner == 1) {
        products.gemm<double>(Op::N, transpose ? Op::N : Op::T, n, n_out, n_in, 1, x, n_in, map, ldmap, 0, y, n_out);
      } else {
        products.gemm<double>(transpose ? Op::T : Op::N, Op::N, n_out, n, n_in, 1, map, ldmap, x, n, 0, y, n);
      }
    }
    launch(s, "apply_dense", Spread(s, to.count, 1, true).blocks, kThreads, 0, narrow<T>, to, y,
           const_cast<void*>(at(out, tile.o * out_stride + tile.p)));
  }

 private:
  static const void* at(const void* array, int64_t element) {
    return static_cast<const char*>(array) + element * static_cast<int64_t>(sizeof(typename T::Raw));
  }
};

}  // namespace

void apply_dense(mg_context* context, int32_t dtype, int64_t outer, int64_t n_in, int64_t inner, int64_t n_out,
                 const double* map, int64_t ldmap, int32_t transpose, const void* in, int64_t in_stride, void* out,
                 int64_t out_stride) {
  if (outer == 0 || inner == 0 || n_out == 0) return;
  MG_REQUIRE(n_in <= kTile && n_out <= kTile, "apply_dense on CUDA takes at most %lld features, not %lld", Long{kTile},
             Long{std::max(n_in, n_out)});
  OnDevice here;
  State& s = state(context);
  // From the problem alone: the bytes of a product may depend on its shape.
  const int64_t most = std::max(kLeastWidth, kTile / (n_in + n_out));
  const int64_t width = std::min(inner, most), outers = std::min(outer, std::max<int64_t>(1, most / width));
  Scratch scratch(s.scratch);
  double* x = scratch.take<double>(n_in * outers * width);
  double* y = scratch.take<double>(n_out * outers * width);
  with_type(dtype, [&](auto type) {
    const Dense<decltype(type)> dense{n_in, inner, n_out, map, ldmap, transpose != 0, in, in_stride, out, out_stride};
    for (int64_t o = 0; o < outer; o += outers) {
      for (int64_t p = 0; p < inner; p += width) {
        check_cancelled(context);
        dense.run(s, {o, p, std::min(outers, outer - o), std::min(width, inner - p)}, x, y);
      }
    }
  });
  synchronize(s, "apply_dense");
}

}  // namespace cuda
}  // namespace merganser
