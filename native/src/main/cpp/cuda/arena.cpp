// SPDX-License-Identifier: Apache-2.0
// A stack of chunks. A chunk that is too small is followed by a larger one; once all is given back, they become one of
// the size that was needed.
#include "cuda/arena.h"

#include <algorithm>

#include "cuda/plugin.h"

namespace merganser {
namespace cuda {

namespace {

constexpr int64_t kAlignment = 256, kSmallest = int64_t{1} << 20;

int64_t rounded(int64_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

}  // namespace

Arena::~Arena() { free_from(0); }

void Arena::free_from(size_t first) {
  for (size_t c = first; c < chunks_.size(); ++c) {
    place_ == DEVICE ? cudaFree(chunks_[c].memory) : cudaFreeHost(chunks_[c].memory);
  }
  chunks_.resize(first);
}

void Arena::add(int64_t bytes) {
  Chunk chunk{nullptr, bytes, used_};
  chunks_.reserve(chunks_.size() + 1);
  void** memory = reinterpret_cast<void**>(&chunk.memory);
  check(place_ == DEVICE ? cudaMalloc(memory, static_cast<size_t>(bytes))
                         : cudaHostAlloc(memory, static_cast<size_t>(bytes), cudaHostAllocDefault),
        format("allocating %lld bytes of scratch memory", Long{bytes}).c_str());
  ++allocations_;
  chunks_.push_back(chunk);
}

void* Arena::take(int64_t bytes) {
  const int64_t needed = rounded(std::max<int64_t>(bytes, 1));
  const int64_t whole = std::max({needed, largest_, kSmallest});
  if (used_ == 0 && (chunks_.size() != 1 || chunks_[0].bytes < whole)) {
    free_from(0);
    add(whole);
  } else if (chunks_.back().begin + chunks_.back().bytes - used_ < needed) {
    add(std::max(needed, kSmallest));
  }
  Chunk& last = chunks_.back();
  void* memory = last.memory + (used_ - last.begin);
  used_ += needed;
  largest_ = std::max(largest_, used_);
  return memory;
}

void Arena::rewind(int64_t mark) {
  used_ = mark;
  size_t keep = chunks_.size();
  while (keep > 1 && chunks_[keep - 1].begin >= mark && chunks_[keep - 1].begin > 0) --keep;
  free_from(keep);
}

}  // namespace cuda
}  // namespace merganser
