// SPDX-License-Identifier: Apache-2.0
// out[j][i] = in[i][j]: the bits, as they are, for any leading dimensions and alignment.
// Bytes: each element is read and written once. 32 x 32 tiles go through shared memory, so that both sides are accessed
// along rows; a row of a tile has 33 places, so that its columns lie in different banks. Expected at 3.3 TB/s: 4096 x
// 4096 in F64 (268 MB) 0.08 ms at the limit, about 0.1 ms; tiles of 64 x 64 would halve the accesses of F32, which do
// not bound it.
// Not yet run on a device.
#include "cuda/types.cuh"

namespace merganser {
namespace cuda {

namespace {

constexpr int kTile = 32, kRows = 8;  // a block has kTile x kRows threads

template <typename W>
__global__ void __launch_bounds__(kTile* kRows)
    transpose_tiles(int64_t rows, int64_t cols, int64_t across, const void* in, int64_t ldin, void* out,
                    int64_t ldout) {
  __shared__ W tile[kTile][kTile + 1];
  const int64_t i = blockIdx.x / across * kTile, j = blockIdx.x % across * kTile;
#pragma unroll
  for (int r = 0; r < kTile; r += kRows) {
    const int64_t row = i + r + threadIdx.y, col = j + threadIdx.x;
    if (row < rows && col < cols) tile[r + threadIdx.y][threadIdx.x] = load<W, 1>(in, row * ldin + col).word[0];
  }
  __syncthreads();
#pragma unroll
  for (int r = 0; r < kTile; r += kRows) {
    const int64_t row = j + r + threadIdx.y, col = i + threadIdx.x;
    if (row < cols && col < rows) store(out, row * ldout + col, Pack<W, 1>{{tile[threadIdx.x][r + threadIdx.y]}});
  }
}

}  // namespace

void transpose(mg_context* context, int32_t dtype, int64_t rows, int64_t cols, const void* in, int64_t ldin, void* out,
               int64_t ldout) {
  if (rows == 0 || cols == 0) return;
  OnDevice here;
  State& s = state(context);
  const int64_t across = tiles_of(cols, kTile);
  const dim3 grid = blocks_of(tiles_of(rows, kTile) * across), block(kTile, kRows);
  launch(s, "transpose", grid, block, 0, dtype == MG_F64 ? &transpose_tiles<WordOf<F64>> : &transpose_tiles<WordOf<F32>>,
         rows, cols, across, in, ldin, out, ldout);
  synchronize(s, "transpose");
}

}  // namespace cuda
}  // namespace merganser
