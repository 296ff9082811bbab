// SPDX-License-Identifier: Apache-2.0
#include "cuda/blocks.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <map>
#include <mutex>
#include <string_view>
#include <vector>

#include "cuda/plugin.h"

namespace merganser {
namespace cuda {

namespace {

// Sizes in steps that waste little and let requests of nearly one size share a block.
int64_t whole_steps(int64_t bytes) {
  const int64_t unit = bytes < (int64_t{1} << 20) ? 512 : int64_t{64} << 10;
  return std::max((bytes + unit - 1) / unit * unit, unit);
}

std::atomic<int64_t> allocations{0};

void free_now(Place place, void* block) noexcept {
  if ((place == DEVICE ? cudaFree(block) : cudaFreeHost(block)) != cudaSuccess) static_cast<void>(cudaGetLastError());
}

struct Block {
  void* memory;
  int64_t bytes;
};

// Of one place in this process; it ends with the process, when the driver may be gone already.
struct Store {
  std::mutex mutex;
  std::map<void*, int64_t> taken;
  std::vector<Block> kept;  // the latest last
  int64_t kept_bytes = 0, most = -1;

  void drop_first(Place place) {
    free_now(place, kept.front().memory);
    kept_bytes -= kept.front().bytes;
    kept.erase(kept.begin());
  }
};

Store& store(Place place) {
  static Store* const stores = new Store[2];
  return stores[place];
}

// What is kept at most: a quarter of the GPU, and what the rings and lists of a few contexts are. Nothing where a
// sanitizer is to see that memory is used after its release.
int64_t most_kept(Place place) {
#if defined(__SANITIZE_ADDRESS__)
  return static_cast<int64_t>(place) * 0;
#else
  if (place == PINNED) return int64_t{64} << 20;
  size_t free = 0, total = 0;
  if (cudaMemGetInfo(&free, &total) != cudaSuccess) static_cast<void>(cudaGetLastError());
  return static_cast<int64_t>(total / 4);
#endif
}

cudaError_t ask_driver(Place place, int64_t bytes, void** block) {
  ++allocations;
  const cudaError_t error = place == DEVICE
                                ? cudaMalloc(block, static_cast<size_t>(bytes))
                                : cudaHostAlloc(block, static_cast<size_t>(bytes), cudaHostAllocDefault);
  if (error != cudaSuccess) static_cast<void>(cudaGetLastError());
  return error;
}

[[noreturn]] void refuse(Place place, cudaError_t error, int64_t bytes, const char* purpose) {
  std::string text = format("%s: %lld bytes of %s", purpose, Long{bytes},
                            place == DEVICE ? "device memory" : "page-locked host memory");
  size_t free = 0, total = 0;
  if (place == DEVICE && cudaMemGetInfo(&free, &total) == cudaSuccess) {
    text += format(" (%lld MiB of %lld free)", static_cast<Long>(free >> 20), static_cast<Long>(total >> 20));
  }
  check(error, text.c_str());
  fail(MG_INTERNAL, text);
}

}  // namespace

bool exact_memory() noexcept {
  const char* asked = std::getenv("MERGANSER_CUDA_EXACT_MEMORY");
  return asked && std::string_view(asked) == "1";
}

void* take_block(Place place, int64_t bytes, const char* purpose) {
  if (bytes > INT64_MAX - (int64_t{1} << 20)) refuse(place, cudaErrorMemoryAllocation, bytes, purpose);
  const int64_t size = exact_memory() ? std::max<int64_t>(bytes, 1) : whole_steps(bytes);
  Store& s = store(place);
  std::lock_guard<std::mutex> lock(s.mutex);
  for (size_t i = s.kept.size(); i-- > 0;) {
    if (s.kept[i].bytes != size) continue;
    void* memory = s.kept[i].memory;
    s.taken[memory] = size;
    s.kept.erase(s.kept.begin() + static_cast<ptrdiff_t>(i));
    s.kept_bytes -= size;
    return memory;
  }
  void* memory = nullptr;
  cudaError_t error = ask_driver(place, size, &memory);
  if (error == cudaErrorMemoryAllocation && !s.kept.empty()) {
    while (!s.kept.empty()) s.drop_first(place);
    error = ask_driver(place, size, &memory);
  }
  if (error != cudaSuccess) refuse(place, error, bytes, purpose);
  try {
    s.taken[memory] = size;
  } catch (...) {
    free_now(place, memory);
    throw;
  }
  return memory;
}

void give_block(Place place, void* block) noexcept {
  if (!block) return;
  Store& s = store(place);
  std::lock_guard<std::mutex> lock(s.mutex);
  const auto found = s.taken.find(block);
  if (found == s.taken.end()) return;
  const int64_t bytes = found->second;
  s.taken.erase(found);
  if (s.most < 0) s.most = most_kept(place);
  if (bytes > s.most || exact_memory()) return free_now(place, block);
  try {
    s.kept.push_back({block, bytes});
    s.kept_bytes += bytes;
  } catch (const std::bad_alloc&) {
    return free_now(place, block);
  }
  while (s.kept_bytes > s.most) s.drop_first(place);
}

int64_t block_allocations() noexcept { return allocations; }

}  // namespace cuda
}  // namespace merganser
