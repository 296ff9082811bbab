// SPDX-License-Identifier: Apache-2.0
// State of NP Merge on the CPU.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/kernels.h"
#include "routines/np_state.h"
#include "routines/routines.h"
#include "runtime/buffer.h"

namespace merganser {

// Consecutive elements of one group of one slot, at most a chunk of them.
struct NpPiece {
  int32_t slot;
  int64_t group;  // the first one, when each parameter is one
  int64_t begin, n;
};

struct CpuNp : mg_np {
  using mg_np::mg_np;

  Buffer<float> z, first, second;  // [slot][plane][group], each slot on a line of its own
  std::vector<int64_t> offsets;
  std::vector<float> limits;  // gradients up to this one need no closer check
  std::vector<NpPiece> pieces;
  std::vector<int64_t> bundles;  // bounds of the pieces of one item
  Buffer<double> dots;           // [piece][model]: sum of g (x_k - x_0), for shared coefficients
  Buffer<float> sums;            // [slot][model][group], of the same
  bool incomplete = false;       // a step stopped half-way

  const void* input(int32_t slot, int32_t model, int64_t at) const {
    return static_cast<const char*>(inputs[slot * options.models + model]) + at * size_of(options.dtype);
  }
  int input_type() const { return options.dtype == MG_F32 ? 0 : 1; }
  Buffer<float>& part(int32_t which) { return which == MG_NP_Z ? z : which == MG_NP_M ? first : second; }
  const Buffer<float>& part(int32_t which) const { return const_cast<CpuNp*>(this)->part(which); }
};

}  // namespace merganser
