// SPDX-License-Identifier: Apache-2.0
// Gram matrices of centred samples: a part of the columns is centred, multiplied by cuBLAS's SYRK, which computes one
// triangle, and added; then 32 x 32 tiles, through shared memory, become distances where asked and give the other
// triangle. F32 is folded into F64 between parts.
// Expected on an H100-class card: n^2 p flops at 60 TF/s of either type, n = 8192, p = 4096: 4.6 ms; the passes over
// the matrix (537 MB) 0.5 ms. A batch of 256 with 1024 columns is 67 Mflop: its five launches bound it, 20 us.
// Not yet run on a device.
#include <algorithm>

#include "cuda/blas.h"
#include "cuda/gram.h"
#include "cuda/types.cuh"
#include "routines/gram.h"

namespace merganser {
namespace cuda {

namespace {

constexpr int kTile = 32, kHeight = 8;  // a block has kTile x kHeight threads
constexpr int64_t kMostRows = 65535;    // of a grid's second dimension

__global__ void __launch_bounds__(kThreads)
    fold(int64_t n, bool first, const float* products, double* out) {
  const int64_t j = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  for (int64_t i = blockIdx.y; i < n; i += gridDim.y) {
    if (j > i) continue;
    out[i * n + j] = (first ? 0 : out[i * n + j]) + static_cast<double>(products[i * n + j]);
  }
}

__global__ void __launch_bounds__(kThreads) take_diagonal(int64_t n, const double* k, double* out) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i < n) out[i] = k[i * n + i];
}

// A block has the tile (blockIdx.y, blockIdx.x) of the lower triangle and its mirror image.
__global__ void __launch_bounds__(kTile* kHeight) finish_tiles(int64_t n, const double* squares, double* out) {
  __shared__ double tile[kTile][kTile + 1];
  const int64_t row0 = static_cast<int64_t>(blockIdx.y) * kTile, column0 = static_cast<int64_t>(blockIdx.x) * kTile;
  if (column0 > row0) return;
  const int column = static_cast<int>(threadIdx.x);
  for (int row = static_cast<int>(threadIdx.y); row < kTile; row += kHeight) {
    const int64_t i = row0 + row, j = column0 + column;
    if (i >= n || j > i) continue;
    double x = out[i * n + j];
    if (squares) {
      x = (squares[i] + squares[j]) - 2 * x;
      if (x < 0 || i == j) x = 0;
      out[i * n + j] = x;
    }
    tile[row][column] = x;
  }
  __syncthreads();
  for (int row = static_cast<int>(threadIdx.y); row < kTile; row += kHeight) {
    const int64_t i = column0 + row, j = row0 + column;  // of the mirror image
    if (i < j && j < n) out[i * n + j] = tile[column][row];
  }
}

template <typename T>
void multiply_centred(State& s, const char* routine, int32_t dtype, int64_t n, int64_t p, const void* x, int64_t ldx,
                      double* out) {
  constexpr bool kFold = sizeof(T) == 4;
  Scratch scratch(s.scratch);
  T* centred = scratch.take<T>(n * std::min(p, kGramDepth));
  T* products = kFold ? scratch.take<T>(n * n) : nullptr;
  const char* columns = static_cast<const char*>(x);
  for (int64_t k0 = 0; k0 < p; k0 += kGramDepth) {
    const int64_t depth = std::min(kGramDepth, p - k0);
    centre_on(s, routine, dtype, kFold ? MG_F32 : MG_F64, n, depth, columns + k0 * size_of(dtype), ldx, centred, depth);
    if constexpr (kFold) {
      blas(s, routine).syrk<T>(Op::N, n, depth, 1, centred, depth, 0, products, n);
      const dim3 grid(blocks_of(tiles_of(n, kThreads)), static_cast<unsigned int>(std::min(n, kMostRows)));
      launch(s, routine, grid, kThreads, 0, fold, n, k0 == 0, products, out);
    } else {
      blas(s, routine).syrk<T>(Op::N, n, depth, 1, centred, depth, k0 == 0 ? 0 : 1, out, n);
    }
  }
  if (p == 0) check(cudaMemsetAsync(out, 0, static_cast<size_t>(n * n) * sizeof *out, s.stream), routine);
}

// `distances`: squared ones, else products.
void gram_on(State& s, const char* routine, int32_t dtype, int32_t precision, bool distances, int64_t n, int64_t p,
             const void* x, int64_t ldx, double* out) {
  (precision == MG_F64 ? multiply_centred<double> : multiply_centred<float>)(s, routine, dtype, n, p, x, ldx, out);
  Scratch scratch(s.scratch);
  double* squares = distances ? scratch.take<double>(n) : nullptr;
  if (distances) launch(s, routine, blocks_of(tiles_of(n, kThreads)), kThreads, 0, take_diagonal, n, out, squares);
  const unsigned int tiles = blocks_of(tiles_of(n, kTile));
  launch(s, routine, dim3(tiles, tiles), dim3(kTile, kHeight), 0, finish_tiles, n, squares, out);
}

void require_aligned(const double* out, const char* routine) {
  MG_REQUIRE(reinterpret_cast<uintptr_t>(out) % sizeof *out == 0,
             "out of %s is not at a multiple of 8 bytes, as CUDA needs it", routine);
}

}  // namespace

void gram(mg_context* context, int32_t dtype, int32_t precision, int32_t kind, int64_t n, int64_t p, const void* x,
          int64_t ldx, double* out) {
  if (n == 0) return;
  require_aligned(out, "gram");
  OnDevice here;
  State& s = state(context);
  gram_on(s, "gram", dtype, precision, kind == MG_GRAM_DISTANCES, n, p, x, ldx, out);
  synchronize(s, "gram");
}

void gram_rows(mg_context* context, int32_t dtype, int32_t precision, int32_t layers, int64_t n, const int64_t* widths,
               const void* const* x, double* out, int64_t ldout) {
  if (layers == 0) return;
  require_aligned(out, "gram_rows");
  OnDevice here;
  State& s = state(context);
  Scratch scratch(s.scratch);
  double* k = scratch.take<double>(n * n);
  for (int32_t l = 0; l < layers; ++l) {
    gram_on(s, "gram_rows", dtype, precision, false, n, widths[l], x[l], std::max<int64_t>(widths[l], 1), k);
    centre_gram_on(s, "gram_rows", MG_CENTRE_PACKED, n, k, out + l * ldout);
  }
  synchronize(s, "gram_rows");
}

}  // namespace cuda
}  // namespace merganser
