// SPDX-License-Identifier: Apache-2.0
// Memory of the device and page-locked memory of the host, by blocks. Released blocks are kept for the next request of
// their size: the driver's calls take as long as a kernel, wait for everything that runs, and a call of the library
// that gets arrays of the host allocates each time. So in a steady state the driver is not asked.
#pragma once

#include <cstdint>
#include <utility>

namespace merganser {
namespace cuda {

enum Place { DEVICE, PINNED };

// Aligned to 256 bytes, not initialised. Fails with MG_OUT_OF_MEMORY, the size, and what is free, after it has given
// back to the driver what is kept.
void* take_block(Place place, int64_t bytes, const char* purpose);

// Nothing may run on it any more: the next owner may have it at once. NULL does nothing.
void give_block(Place place, void* block) noexcept;

// Whether MERGANSER_CUDA_EXACT_MEMORY=1 asks for memory that shows its bounds: nothing is kept, blocks are exactly as
// large as asked for, and each piece of scratch memory (arena.h) is a block of its own. For compute-sanitizer and
// tests: every call waits for the driver.
bool exact_memory() noexcept;

// Calls of the driver so far, for tests.
int64_t block_allocations() noexcept;

// A block with an owner.
class Owned {
 public:
  Owned() = default;
  Owned(Place place, int64_t bytes, const char* purpose) : place_(place), block_(take_block(place, bytes, purpose)) {}
  Owned(Owned&& other) noexcept : place_(other.place_), block_(std::exchange(other.block_, nullptr)) {}
  Owned& operator=(Owned&& other) noexcept {
    std::swap(place_, other.place_);
    std::swap(block_, other.block_);
    return *this;
  }
  ~Owned() { give_block(place_, block_); }

  template <typename T>
  T* as() const {
    return static_cast<T*>(block_);
  }
  explicit operator bool() const { return block_; }

 private:
  Place place_ = DEVICE;
  void* block_ = nullptr;
};

}  // namespace cuda
}  // namespace merganser
