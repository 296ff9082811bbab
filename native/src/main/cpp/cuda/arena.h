// SPDX-License-Identifier: Apache-2.0
// Memory that a context keeps from call to call and routines take like a stack: after the first call of a size nothing
// is allocated. One arena is on the device, one in page-locked host memory, from which copies run beside kernels.
#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "cuda/blocks.h"
#include "runtime/error.h"

namespace merganser {
namespace cuda {

class Arena {
 public:
  // What is taken is used on `stream` alone, in its order.
  Arena(Place place, const cudaStream_t& stream) : place_(place), stream_(stream), exact_(exact_memory()) {}
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // Aligned to 256 bytes. Fails with MG_OUT_OF_MEMORY, sizes and what is free.
  void* take(int64_t bytes);

  int64_t used() const { return used_; }
  // Gives back all that was taken since used() was `mark`. Kernels that use it may still run, what the host reads or
  // writes may not.
  void rewind(int64_t mark);

  // Gives back what it keeps, unless something is taken; whether there was any.
  bool give_back();

 private:
  struct Chunk {
    Owned memory;
    int64_t bytes, begin;  // begin: used() at its first byte
  };
  void add(int64_t bytes);
  void free_from(size_t first);

  Place place_;
  const cudaStream_t& stream_;
  const bool exact_;  // each piece is a chunk
  std::vector<Chunk> chunks_;
  int64_t used_ = 0, largest_ = 0;
};

// What a routine takes from an arena, given back at the end of the scope.
class Scratch {
 public:
  explicit Scratch(Arena& arena) : arena_(arena), mark_(arena.used()) {}
  ~Scratch() { arena_.rewind(mark_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  template <typename T>
  T* take(int64_t count) {
    return static_cast<T*>(arena_.take(count * static_cast<int64_t>(sizeof(T))));
  }

 private:
  Arena& arena_;
  int64_t mark_;
};

// What take(count) gives, with half as many items again and again, `fewest` at least, where memory does not suffice.
template <typename Take>
auto take_fewer(int64_t& count, int64_t fewest, const Take& take) {
  for (;; count = std::max(fewest, count / 2)) {
    try {
      return take(count);
    } catch (const Error& error) {
      if (error.status != MG_OUT_OF_MEMORY || count <= fewest) throw;
    }
  }
}

}  // namespace cuda
}  // namespace merganser
