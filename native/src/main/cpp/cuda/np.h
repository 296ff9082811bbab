// SPDX-License-Identifier: Apache-2.0
// State of NP Merge on the device, and what its files share. One launch works on the parts of all slots: many small
// tensors are the usual case.
#pragma once

#include <cstdint>
#include <vector>

#include "cuda/blocks.h"
#include "cuda/plugin.h"
#include "routines/np_state.h"

namespace merganser {
namespace cuda {

// Consecutive elements of a slot, or consecutive groups of it: what one block works on.
struct NpPart {
  int32_t slot, n;
  int64_t begin;
};
constexpr int32_t kNpTile = 2048;  // elements or groups of a part, a multiple of every pack

struct NpSlot {
  int64_t count, groups, span;          // span: elements of a group
  int64_t offset, stride;               // of its first z, and from plane to plane
  int64_t first;                        // elements of the slots before
  int64_t first_piece, pieces;          // of its sums, and of each group
  uint32_t limit;                       // bits of the largest gradient that needs no closer check
};

// What kernels take, by value. All of it is on the device.
struct NpView {
  const NpSlot* slots;
  const NpPart* tiles;              // elements of all slots
  const NpPart* groups;             // groups of all slots; the tiles, when each parameter is one
  const NpPart* pieces;             // elements of one group each, whose products are one sum
  int64_t tile_count, group_count, piece_count;
  const void* const* x;             // [slot][model]
  const float* const* gradient;     // [slot]
  float* const* theta;              // [slot]
  float *z, *first, *second;        // [slot][plane][group], planes aligned; NULL where there is none
  double* dots;                     // [piece][sum]
  float* sums;                      // as z
  unsigned int* distance;           // [slot] bits of the largest difference of two models
  unsigned long long* worst;        // first element, counted through all slots, with a gradient or a sum of its group
                                    // that is refused; all ones when there is none
  int32_t models, sums_of_group;
};
constexpr unsigned long long kNpNone = ~0ull;

struct CudaNp : mg_np {
  using mg_np::mg_np;
  ~CudaNp() override;

  Owned memory;  // of the view
  NpView view{};
  std::vector<int64_t> offsets, strides;  // of the z of each slot
  int64_t size = 0;                       // of all z
  size_t zeros = 0;                       // bytes from view.distance on that begin as zeros
  void** pointers = nullptr;              // gradient and theta of the view
  std::vector<const void*> known;         // what they are
  bool incomplete = false;                // a step failed on the device

  float* part(int32_t which) const {
    return which == MG_NP_Z ? view.z : which == MG_NP_M ? view.first : view.second;
  }
};

// Launches over all parts, in the order of the stream. What changes the state or theta does nothing when an element or
// a sum is refused.
void np_check_gradients(State& s, const CudaNp& np);
void np_sum_groups(State& s, const CudaNp& np);  // with the check of the gradients
void np_pair(State& s, const CudaNp& np, const NpScalars& scalars);     // the step of each parameter, and its theta
void np_softmax(State& s, const CudaNp& np, const NpScalars& scalars);
void np_pair_groups(State& s, const CudaNp& np, const NpScalars& scalars);  // the step of coefficients by their sums
void np_softmax_groups(State& s, const CudaNp& np, const NpScalars& scalars);
void np_pair_theta(State& s, const CudaNp& np);
void np_softmax_theta(State& s, const CudaNp& np);

}  // namespace cuda
}  // namespace merganser
