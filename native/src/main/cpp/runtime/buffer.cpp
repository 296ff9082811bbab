// SPDX-License-Identifier: Apache-2.0
#include "runtime/buffer.h"

#include <sys/mman.h>

#include <cstdlib>
#include <mutex>
#include <vector>

namespace merganser {

namespace {

constexpr int64_t kHugePage = int64_t{2} << 20;

int64_t rounded(int64_t bytes) {
  const int64_t unit = bytes >= kHugePage ? kHugePage : 64;
  return ((bytes > 0 ? bytes : 1) + unit - 1) / unit * unit;
}

// Released blocks of one process, the latest last. Smaller ones come from the heap of the C library, which keeps them;
// larger ones would soon fill what is kept.
#if defined(__SANITIZE_ADDRESS__)
constexpr int64_t kKept = 0;  // so that a use after release is seen
#else
constexpr int64_t kKept = int64_t{64} << 20;
#endif
constexpr int64_t kLeast = int64_t{64} << 10, kMost = int64_t{16} << 20;

struct Block {
  void* memory;
  int64_t bytes;
};

struct Store {
  std::mutex mutex;
  std::vector<Block> blocks;
  int64_t bytes = 0;
};

Store& store() {
  static Store& only = *new Store;
  return only;
}

bool kept(int64_t bytes) { return bytes >= kLeast && bytes <= kMost && bytes <= kKept; }

// Whether there were any.
bool free_kept() {
  Store& s = store();
  std::lock_guard<std::mutex> lock(s.mutex);
  if (s.blocks.empty()) return false;
  for (const Block& each : s.blocks) std::free(each.memory);
  s.blocks.clear();
  s.bytes = 0;
  return true;
}

}  // namespace

void* allocate_aligned(int64_t bytes) {
  if (bytes < 0 || bytes > INT64_MAX - kHugePage) return nullptr;
  const bool huge = bytes >= kHugePage;
  const int64_t size = rounded(bytes);
  const auto ask = [&] {
    return std::aligned_alloc(static_cast<size_t>(huge ? kHugePage : 64), static_cast<size_t>(size));
  };
  void* memory = ask();
  if (!memory && free_kept()) memory = ask();
#if defined(MADV_HUGEPAGE)
  if (memory && huge) madvise(memory, static_cast<size_t>(size), MADV_HUGEPAGE);
#endif
  return memory;
}

void* take_scratch(int64_t bytes) {
  if (!kept(bytes)) return allocate_aligned(bytes);
  const int64_t size = rounded(bytes);
  {
    Store& s = store();
    std::lock_guard<std::mutex> lock(s.mutex);
    for (size_t i = s.blocks.size(); i-- > 0;) {
      if (s.blocks[i].bytes != size) continue;
      void* memory = s.blocks[i].memory;
      s.blocks.erase(s.blocks.begin() + static_cast<ptrdiff_t>(i));
      s.bytes -= size;
      return memory;
    }
  }
  return allocate_aligned(bytes);
}

void release_scratch(void* memory, int64_t bytes) {
  if (!kept(bytes)) {
    std::free(memory);
    return;
  }
  const int64_t size = rounded(bytes);
  Store& s = store();
  std::lock_guard<std::mutex> lock(s.mutex);
  while (!s.blocks.empty() && s.bytes + size > kKept) {
    std::free(s.blocks.front().memory);
    s.bytes -= s.blocks.front().bytes;
    s.blocks.erase(s.blocks.begin());
  }
  try {
    s.blocks.push_back({memory, size});
    s.bytes += size;
  } catch (const std::bad_alloc&) {
    std::free(memory);
  }
}

}  // namespace merganser
