// SPDX-License-Identifier: Apache-2.0
// Where results go: past the caches when the whole output is too large for them to keep, which saves reading every line
// before it is written. Kernels do so themselves, or write to a tile in the first-level cache that is copied out from
// there (at half the rate, for one more pass is not hidden behind memory). Either way the output may be an input.
#pragma once

#include <cstdint>
#include <cstring>

#include "runtime/isa.h"

namespace merganser {

// Half of the last cache of this machine: outputs from there on bypass the caches.
int64_t past_caches_limit();

class Output {
 public:
  explicit Output(int64_t bytes) : kernels_(kernels().elementwise), past_caches_(bytes >= past_caches_limit()) {}
  void put(const void* tile, void* to, int64_t bytes) const {
    if (past_caches_) {
      kernels_.copy_past_caches(tile, to, bytes);
    } else if (bytes > 0) {
      std::memcpy(to, tile, static_cast<size_t>(bytes));
    }
  }
  bool past_caches() const { return past_caches_; }
  // At the end of an item, so that other threads see what was written.
  void finish() const {
    if (past_caches_) kernels_.store_fence();
  }

 private:
  const ElementwiseKernels& kernels_;
  bool past_caches_;
};

}  // namespace merganser
