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

// A block that is given back has its next owner at once.
void Arena::free_from(size_t first) {
  if (first < chunks_.size() && stream_) static_cast<void>(cudaStreamSynchronize(stream_));
  while (chunks_.size() > first) chunks_.pop_back();
}

void Arena::add(int64_t bytes) {
  chunks_.push_back({Owned(place_, bytes, "scratch memory"), bytes, used_});
}

void* Arena::take(int64_t bytes) {
  const int64_t needed = rounded(std::max<int64_t>(bytes, 1));
  if (exact_) {
    add(std::max<int64_t>(bytes, 1));
    used_ += needed;
    return chunks_.back().memory.as<char>();
  }
  const int64_t whole = std::max({needed, largest_, kSmallest});
  if (used_ == 0 && (chunks_.size() != 1 || chunks_[0].bytes < whole)) {
    free_from(0);
    largest_ = 0;
    try {
      add(whole);
    } catch (const Error& error) {  // what an earlier call needed may be more than there is now
      if (error.status != MG_OUT_OF_MEMORY || whole == needed) throw;
      add(needed);
    }
  } else if (chunks_.back().begin + chunks_.back().bytes - used_ < needed) {
    add(std::max(needed, kSmallest));
  }
  Chunk& last = chunks_.back();
  void* memory = last.memory.as<char>() + (used_ - last.begin);
  used_ += needed;
  largest_ = std::max({largest_, used_, last.bytes});
  return memory;
}

void Arena::rewind(int64_t mark) {
  used_ = mark;
  size_t keep = chunks_.size();
  const auto unused = [&](const Chunk& chunk) { return chunk.begin >= mark && (exact_ || chunk.begin > 0); };
  while (keep > 0 && unused(chunks_[keep - 1])) --keep;
  free_from(keep);
}

bool Arena::give_back() {
  if (used_ > 0 || chunks_.empty()) return false;
  free_from(0);
  return true;
}

}  // namespace cuda
}  // namespace merganser
