// SPDX-License-Identifier: Apache-2.0
// Little memory on the stand-in, in exact pieces: a routine takes fewer items at once, and what it writes behind one of
// its pieces shows.
#pragma once

#include <cstdlib>

#include "test/check.h"
#include "test/cuda_standin/control.h"

namespace check {

// Whether MERGANSER_CUDA_EXACT_MEMORY=1: of released memory nothing is kept.
inline bool exact_memory() {
  const char* asked = std::getenv("MERGANSER_CUDA_EXACT_MEMORY");
  return asked && std::string(asked) == "1";
}

// Contexts that are made while one lives have exact memory.
class LittleMemory {
 public:
  LittleMemory() : exact_(exact_memory()) { setenv("MERGANSER_CUDA_EXACT_MEMORY", "1", 1); }
  ~LittleMemory() {
    standin_limit_memory(-1);
    if (!exact_) unsetenv("MERGANSER_CUDA_EXACT_MEMORY");
  }
  LittleMemory(const LittleMemory&) = delete;

  // Nothing is kept any more, and so many bytes are left on the device.
  void leave(mg_context* context, int64_t bytes) const {
    void* none = nullptr;
    CHECK(mg_alloc(context, int64_t{1} << 50, &none) == MG_OUT_OF_MEMORY);
    standin_limit_memory(standin_allocated() + bytes);
  }

 private:
  bool exact_;
};

}  // namespace check
