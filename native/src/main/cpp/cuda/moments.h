// SPDX-License-Identifier: Apache-2.0
// Shared by the files of moments: what a state keeps on the device, what kernels know of a batch, and the passes over
// it. moments.cpp is the routine; moments.cu reads batches; moments_merge.cu merges what was read into the state.
#pragma once

#include <cstdint>
#include <vector>

#include "cuda/plugin.h"
#include "routines/moments_state.h"

namespace merganser {
namespace cuda {

struct CudaMoments : mg_moments {
  using mg_moments::mg_moments;
  ~CudaMoments() override;

  // All of it in one block; pointers into it.
  Owned memory;
  int64_t bytes = 0;
  std::vector<double*> mean, low, m2;  // of each series, see routines/moments.h
  std::vector<void*> blocks;           // double, or float in MG_MOMENTS_F32; rows of ld_of(width of j)
  cudaEvent_t updated = nullptr;       // what the last update started is done
};

// A leading dimension whose rows begin where accesses of 16 bytes may.
inline int64_t ld_of(int64_t width) { return (width + 31) / 32 * 32; }

// One series of an update.
struct Series {
  const void* data;
  int64_t inner, outer_stride, inner_stride, feature_stride;
  int64_t width, ldz;
  void* z;  // samples of the group by features about their shift, float or double; NULL when in no block
  float* rest;  // of MG_MOMENTS_TF32X3: z is what TF32 has of them, this is what TF32 has of the rest
  // Of each panel of the group: [width] shift, sums and sums of squares about it, offset of the mean from it, and from
  // the mean of all samples before; parts are the two sums of each piece.
  double *shift, *sum, *square, *offset, *delta, *parts;
  double *mean, *low, *m2;  // of the state
};

// What the sums of a panel of a series say.
struct Verdict {
  unsigned long long largest;   // bits of the largest sum of squares
  unsigned int bad, far, some;  // a sum is not finite; a mean is more than a deviation from the shift; a sum is not 0
};

// Panels that are read together, as kernels get it: kept samples begin, ..., begin + rows - 1 of the batch.
struct Group {
  const Series* series;
  Verdict* verdicts;    // [panels][count]
  const int64_t* kept;  // samples of the batch, NULL for all
  int64_t begin, rows;
  int64_t panel_rows, panels, pieces;  // pieces of a panel
  int64_t before;                      // samples of the state before the group
  int32_t count;                       // of series
  int64_t widest;
};

// Types of a batch and of what is packed.
struct Types {
  int32_t dtype;
  bool wide;
};

// ---- moments.cu

// For each series in FAIL: keys[s] = sample * width + feature of its first non-finite value, ~0 without one. Else
// marks[m] = 1 for each sample with one.
void find_nonfinite(State& s, const Group& batch, int32_t dtype, int64_t samples, unsigned long long* keys, int* marks);

// The shift of each panel: x_0 + mean(x - x_0) over samples spread over it.
void choose_shifts(State& s, const Group& group, int32_t dtype);
// Shifts of the panels of series that `redo` marks, [panels][count], go to their means.
void move_shifts(State& s, const Group& group, const unsigned char* redo);
// z and the sums of all panels, or those that `redo` marks, and their verdicts.
void pack(State& s, const Group& group, Types types, const unsigned char* redo);

// ---- moments_merge.cu

// Multiplies z by the power of two that its deviations ask for.
void scale_panels(State& s, const Group& group);
// z of MG_MOMENTS_TF32X3 into what TF32 has of it and the rest: moments_split.cu.
void split_panels(State& s, const Group& group);
// Means and sums of squares into the state; leaves offsets and deltas.
void merge_sums(State& s, const Group& group);

// block[i][j] += sum over panels of products scaled back - rows offset_i offset_j + weight delta_i delta_j, the rows
// i from `first` on; of an own block what is on or below the diagonal.
struct Fold {
  int32_t series_i, series_j;
  int64_t first, rows;     // of the block
  int64_t panel, panels;   // of the group
  const float* products;   // [panels][rows][ld], NULL when they are in the block already
  int64_t ld;              // of the block too
  bool scaled;
};
void fold(State& s, const Group& group, const Fold& what, double* block, int64_t width);
void fold(State& s, const Group& group, const Fold& what, float* block, int64_t width);

// The block as it is asked for. Returns whether it is finite; m2: the diagonal of an own block, else NULL.
bool write_block(State& s, int64_t rows, int64_t cols, const void* block, bool narrow, const double* m2, double* out);

}  // namespace cuda
}  // namespace merganser
