// SPDX-License-Identifier: Apache-2.0
// Table of the loops of merging: NP Merge, task vectors, magnitudes, streams. As kernels.h: compiled once per level,
// all levels give the same bytes, arrays over types are indexed by mg_dtype, and pointers to elements need no
// alignment. Sizes n are those of a tile that stays in the first-level cache, unless said otherwise.
#ifndef MERGANSER_MERGE_KERNELS_H
#define MERGANSER_MERGE_KERNELS_H

#include <stdint.h>

namespace merganser {

// Constants of one step of NP Merge; of Adam or of momentum, the rest unused.
struct NpScalars {
  float beta1, rest1;  // rest = 1 - beta
  float beta2, rest2;
  float rate;  // learning rate over the first bias correction
  float root;  // 1 / sqrt(second bias correction)
  float epsilon;
  float momentum;
  float pull;         // strength of the pull to equal weights
  float least, most;  // range of the state
};

// A tile of one pair of tensors. Inputs a and c of the type that the entry is for.
struct NpTile {
  const void* a;
  const void* c;
  const float* g;
  float* z;
  float* m;
  float* v;
  float* theta;
};

// A tile of several tensors with softmax weights. The z, m and v of each model; m and v where the optimizer has them.
struct NpModels {
  int32_t models;  // 2 to 8
  const void* const* x;
  const float* g;
  float* const* z;
  float* const* m;
  float* const* v;
  float* theta;
};

// How a task vector is trimmed in a tile; see mg_task.
struct TrimTile {
  int32_t trim;           // mg_trim
  uint64_t at_least;      // MAGNITUDE: the bits of |delta| (F32, or F64 for MG_F64) must reach this
  const uint32_t* words;  // RANDOM: one of each element
  uint32_t below;         // RANDOM: keep when its word is below
};

// Parts of 1 to 4 task vectors whose scale is 1.
struct TaskLine {
  const void* base;
  const void* const* in;
  const double* weights;
  const uint32_t* least;  // bits of |delta| from which it is kept; for elections
  int32_t models;
  bool normalise;  // for elections
  double lambda;
};

struct Bracketed {
  int64_t above;       // keys above the bracket
  int64_t candidates;  // keys in it
  int64_t nan;
};

struct MergeKernels {
  // Copies with stores that bypass the caches when to is large: see routines/stream.h.
  void (*stream)(const void* from, void* to, int64_t bytes);
  void (*store_fence)();
  // out_j = in_0 ^ in_1 ^ ... of whole 64-byte lines.
  void (*xor_lines)(const void* const* in, int32_t reads, void* const* out, int32_t writes, int64_t lines);

  // NP Merge, [F32|BF16 inputs][SIGMOID|CLAMP][Adam|momentum|plain]: gradient, update and new theta.
  void (*np_pair[2][2][3])(const NpTile& tile, const NpScalars& scalars, int64_t n);
  // theta of the state, [F32|BF16][SIGMOID|CLAMP]
  void (*np_pair_theta[2][2])(const void* a, const void* c, const float* z, float* theta, int64_t n);
  // The same of softmax weights, [F32|BF16][Adam|momentum|plain] and [F32|BF16]; theta is clamped to the range of the
  // models.
  void (*np_softmax[2][3])(const NpModels& tile, const NpScalars& scalars, int64_t n);
  void (*np_softmax_theta[2])(const NpModels& tile, int64_t n);
  // sum_i g_i (x_i - y_i) in F64 over 16 lanes; any n
  double (*np_dot[2])(const void* x, const void* y, const float* g, int64_t n);
  // Number of values that are NaN or beyond the limit; any n
  int64_t (*np_beyond)(const float* g, float limit, int64_t n);
  // max_i |x_i - y_i| as F32 subtracts, infinite when one is not finite; any n
  float (*np_distance[2])(const void* x, const void* y, int64_t n);

  // Task vectors in F32, in F64 for MG_F64; "real" arrays are of that type.
  void (*widen_real[4])(const void* in, void* out, int64_t n);
  // u = weight * (scale * (x - base)) where kept, else 0. The factor is left out when scaled is false.
  void (*task_vector[4])(const void* x, const void* base, const TrimTile& trim, bool scaled, double scale,
                         double weight, void* u, int64_t n);
  // sum += weight * (x - base), without trimming; first: sum = ...
  void (*task_add[4])(const void* x, const void* base, double weight, bool first, void* sum, int64_t n);
  // task_add and task_store in one, and task_vector, elect and task_store; for F32, F16 and BF16 (slot of MG_F64
  // unused). Any n; `out` may be one of the inputs.
  void (*task_line[4])(const TaskLine& line, void* out, int64_t n, bool past_caches);
  void (*elect_line[4])(const TaskLine& line, void* out, int64_t n, bool past_caches);
  void (*add_real[2])(const void* u, void* sum, bool first, int64_t n);  // [F64|F32]
  // Keeps the u of the sign of their sum (0 counts as +); sum becomes that of the kept ones, divided by the sum of
  // their weights when normalise. [F64|F32]; u and sum are aligned, with room for whole lines.
  void (*elect[2])(const void* const* u, const double* weights, int32_t models, bool normalise, void* sum, int64_t n);
  // out = base + lambda * sum, every NaN as the positive quiet one
  void (*task_store[4])(const void* base, const void* sum, double lambda, void* out, int64_t n);
  // Philox4x32-10: words 4b .. 4b+3 of block first + b
  void (*philox)(uint64_t key, uint64_t first, uint32_t model, uint32_t* words, int64_t blocks);

  // out = x.y, x.x, y.y in F64 over 16 lanes; any n
  void (*products[4])(const void* x, const void* y, int64_t n, double* out);

  // Bits of |x|, or of |x - base| as F32, for F32, F16 and BF16 (slot of MG_F64 unused).
  void (*magnitude_keys[4])(const void* x, const void* base, uint32_t* keys, int64_t n);
  // Keys in [low, high] in order; of F32 as they are, too, for the sign is dropped. `out` is apart and has room
  // for n + 16.
  Bracketed (*bracket)(const void* keys, uint32_t low, uint32_t high, uint32_t* out, int64_t n);
};

const MergeKernels* merge_kernels_portable();
const MergeKernels* merge_kernels_avx2();
const MergeKernels* merge_kernels_avx512();

}  // namespace merganser

#endif
