// SPDX-License-Identifier: Apache-2.0
// The loops that are compiled once per instruction-set level, listed in one file for each area, NAME.def, with their
// bodies in NAME.inc. All levels give the same bytes: every output element has one fixed order of operations, nothing
// is contracted. Pointers to elements need no alignment.
#ifndef MERGANSER_KERNELS_H
#define MERGANSER_KERNELS_H

#include <stdint.h>

namespace merganser {

// The two smallest of a row, ties to the lowest index; index -1 and +Inf where there is none.
struct TwoSmallest {
  double first, second;
  int64_t first_index, second_index;
};

// Smallest over the open columns and over the free columns, ties to the lowest index; -1 where there is none.
struct OpenAndFree {
  double open, free;
  int64_t open_index, free_index;
};

constexpr int64_t kListSlabs = 4;
constexpr int64_t kListBlocks = 16 * kListSlabs;
constexpr int64_t kListCapacity = 64;
constexpr int64_t kFactorPanel = 32;

// A product by panels of either operand. width is 0 where there is none and OpenBLAS is as quick.
struct ProductKernel {
  int64_t rows, width;  // of a tile of the result; a panel is as wide, a multiple of `rows`
  // Panels, one after the other: out[k * width + w] = in[w * step + k * deep], zeros from count on. One of the steps
  // is 1.
  void (*pack)(const void* in, int64_t step, int64_t deep, int64_t count, int64_t depth, void* out);
  // A whole tile c = alpha a b + beta c: `rows` indices of a panel, from a on, times a panel; c is not read when beta
  // is 0.
  void (*tile)(int64_t depth, const void* a, const void* b, double alpha, double beta, void* c, int64_t ldc);
};

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

constexpr int32_t kFormulaModels = 32, kFormulaScalars = 2;
constexpr int32_t kFormulaTile = 256;  // elements whose state is in use at once

// Arrays of a formula; see mg_formula_merge.
struct FormulaTile {
  int32_t formula;  // its place in the list of formulas.inc
  int32_t models;
  const void* base;  // NULL: zeros
  const void* const* in;
  const double* parameters;  // scalars, then one for each model
  uint64_t least;            // bits of a magnitude (F32, or F64 for MG_F64) that is selected
  int64_t last;              // up to this element, also those equal to it
};

// What becomes of the slopes by n and s in a tile of an activation: nothing; one sum of each, in sixteen lanes; added to
// a sum of each element; each for itself.
enum GammaSums : int32_t { kGammaNone, kGammaLanes, kGammaColumns, kGammaElements };
constexpr int32_t kGammaConstants = 7;  // see gamma_formulas.inc

struct GammaTile {
  const void* x;
  const void* g;          // backward
  const void* constants;  // of gamma_constants: of each element, or, shared, one of each
  int64_t stride;
  bool shared;
  GammaSums sums;
  void* out;
  void* dn;  // double, for kGammaElements of the type of the arrays
  void* ds;
};

// One kernel, or an array of them over types in the order of mg_dtype, and over what else the name says.
template <typename F>
using One = F*;
template <typename F>
using ByType = F* [4];
template <typename F>
using ButF64 = F* [4];  // the one of MG_F64 is NULL
template <typename F>
using ByReal = F* [2];  // MG_F64, MG_F32
template <typename F>
using ByTwoTypes = F* [4][4];
template <typename F>
using ByTwoReals = F* [2][2];
template <typename F>
using ByInput = F* [2];  // of NP Merge: MG_F32, MG_BF16
template <typename F>
using ByInputForm = F* [2][2];  // SIGMOID, CLAMP
template <typename F>
using ByInputOptimizer = F* [2][3];  // Adam, momentum, plain
template <typename F>
using ByInputFormOptimizer = F* [2][2][3];

#define MG_KERNEL(shape, name, signature) shape<signature> name;
struct ElementwiseKernels {
#include "kernels/elementwise.def"
};
struct MomentsKernels {
#include "kernels/moments.def"
};
struct AssignmentKernels {
#include "kernels/assignment.def"
};
struct NpKernels {
#include "kernels/np.def"
};
struct MergeKernels {
#include "kernels/merge.def"
};
struct GramKernels {
#include "kernels/gram.def"
};
struct TopologyKernels {
#include "kernels/topology.def"
};
struct GammaKernels {
#include "kernels/gamma.def"
};
#undef MG_KERNEL

struct Kernels {
  ElementwiseKernels elementwise;
  MomentsKernels moments;
  AssignmentKernels assignment;
  NpKernels np;
  MergeKernels merge;
  GramKernels gram;
  TopologyKernels topology;
  GammaKernels gamma;
  ProductKernel product[2];  // by real; the one area without bytes of its own on the portable level
};

const Kernels* kernels_portable();
const Kernels* kernels_avx2();
const Kernels* kernels_avx512();

}  // namespace merganser

#endif
