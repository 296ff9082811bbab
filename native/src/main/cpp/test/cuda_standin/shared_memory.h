// SPDX-License-Identifier: Apache-2.0
// The shared memory of the kernel that runs, garbage at the start of each block.
#pragma once

#include <cstddef>

namespace standin {

class SharedMemory {
 public:
  // `anchor` gives an address among the variables declared __shared__; `dynamic` bytes come with the launch.
  SharedMemory(const void* kernel, void* (*anchor)(), size_t dynamic);
  void before_block();
  // Whether nothing was written behind the dynamic part. Of the fixed part only what the kernel is known to use is
  // filled again, as there is much of it; `search` finds what that is.
  bool after_block(bool search);

 private:
  size_t whole() const;
  const void* kernel_;
  size_t dynamic_;
  bool learn_;
};

}  // namespace standin
