// SPDX-License-Identifier: Apache-2.0
// Ranks of magnitudes |x| or |x - base|, by their bits, which order as they do: how many have each digit below a
// prefix, and where the equal ones are. Both take a part of an array, so what selects holds a tile and its counts.
//
// A digit of up to 16 bits, so that 31 bits of F32 take two reads and 63 of F64 four. Two tables of each participant,
// filled in turn, or equal neighbours would wait for one another's sum: 512 KiB, of which Gaussian data use 16. They
// stay with the context and are empty between calls. An array of differences is never formed.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "routines/routines.h"
#include "runtime/buffer.h"
#include "runtime/isa.h"
#include "runtime/pool.h"

namespace merganser {

namespace {

constexpr int64_t kTile = 1024;
constexpr int64_t kChunk = 64 * kTile;
constexpr int64_t kRound = int64_t{1} << 31;  // elements whose counts are below 2^32
constexpr int64_t kBins = int64_t{1} << 16, kSlice = int64_t{1} << 14;

struct Magnitudes {
  int32_t dtype;
  int64_t count;
  const void *x, *base;

  const void* at(const void* array, int64_t i) const {
    return array ? static_cast<const char*>(array) + i * size_of(dtype) : nullptr;
  }
  void keys(int64_t begin, int64_t n, uint32_t* out) const {
    kernels().merge.magnitude_keys[dtype](at(x, begin), at(base, begin), out, n);
  }
  void keys(int64_t begin, int64_t n, uint64_t* out) const {
    const char *from = static_cast<const char*>(at(x, begin)), *less = static_cast<const char*>(at(base, begin));
    for (int64_t i = 0; i < n; ++i) {
      double value, other = 0;
      std::memcpy(&value, from + 8 * i, 8);
      if (less) std::memcpy(&other, less + 8 * i, 8);
      value -= other;
      std::memcpy(out + i, &value, 8);
      out[i] &= ~uint64_t{0} >> 1;
    }
  }
};

int64_t within(const uint32_t* keys, uint64_t low, uint64_t width, uint32_t* out, int64_t n) {
  return kernels().merge.within(keys, static_cast<uint32_t>(low), static_cast<uint32_t>(width), out, n);
}
int64_t within(const uint64_t* keys, uint64_t low, uint64_t width, uint64_t* out, int64_t n) {
  int64_t stored = 0;
  for (int64_t i = 0; i < n; ++i) {
    out[stored] = keys[i];
    stored += keys[i] - low <= width ? 1 : 0;
  }
  return stored;
}

// Calls fn(keys, n, begin) for the tiles of a chunk, in order.
template <typename Key, typename Fn>
void tiles(const Magnitudes& all, int64_t chunk, const Fn& fn) {
  alignas(64) Key keys[kTile];
  const int64_t end = std::min(all.count, (chunk + 1) * kChunk);
  for (int64_t begin = chunk * kChunk; begin < end; begin += kTile) {
    const int64_t n = std::min(kTile, end - begin);
    all.keys(begin, n, keys);
    fn(keys, n, begin);
  }
}

// Tables of counts, two for each participant.
class Tables {
 public:
  void prepare(int64_t participants) {
    if (participants > size_ || dirty_) {
      counts_.reserve(participants * 2 * kBins);
      size_ = std::max(size_, participants);
      std::memset(counts_.data(), 0, static_cast<size_t>(size_ * 2 * kBins) * sizeof(uint32_t));
    }
    dirty_ = true;  // until all were added and emptied
  }
  uint32_t* of(int64_t participant) { return counts_.data() + participant * 2 * kBins; }

  void add_to(int64_t* sums, const std::vector<char>& used, int64_t begin, int64_t end) {
    for (size_t table = 0; table < 2 * used.size(); ++table) {
      if (!used[table / 2]) continue;
      uint32_t* counts = counts_.data() + static_cast<int64_t>(table) * kBins;
      for (int64_t b = begin; b < end; ++b) sums[b] += counts[b];
      std::memset(counts + begin, 0, static_cast<size_t>(end - begin) * sizeof(uint32_t));
    }
  }
  void clean() { dirty_ = false; }

 private:
  Buffer<uint32_t> counts_;
  int64_t size_ = 0;
  bool dirty_ = false;
};

struct Digit {
  int32_t shift, width;
  uint64_t prefix;
  bool whole;  // no bits above it
};

template <typename Key>
void tally(const Key* keys, int64_t n, const Digit& digit, uint32_t* table) {
  const uint32_t mask = (1u << digit.width) - 1;
  uint32_t *const even = table, *const odd = table + kBins;
  int64_t i = 0;
  for (; i + 2 <= n; i += 2) {
    ++even[static_cast<uint32_t>(keys[i] >> digit.shift) & mask];
    ++odd[static_cast<uint32_t>(keys[i + 1] >> digit.shift) & mask];
  }
  if (i < n) ++even[static_cast<uint32_t>(keys[i] >> digit.shift) & mask];
}

template <typename Key>
void count_digits(mg_context* context, const Magnitudes& all, const Digit& digit, int64_t* counts) {
  const int64_t bins = int64_t{1} << digit.width, chunks = divide_up(all.count, kChunk);
  const int below = digit.shift + digit.width;
  const uint64_t low = digit.whole ? 0 : digit.prefix << below, width = (uint64_t{1} << below) - 1;
  Tables& tables = context->kept<Tables>();
  tables.prepare(participants(context));
  std::vector<char> used(participants(context), 0);
  parallel_for(context, chunks, [&](int64_t chunk, int32_t participant) {
    used[participant] = 1;
    alignas(64) Key matching[kTile + 16];
    tiles<Key>(all, chunk, [&](const Key* keys, int64_t n, int64_t) {
      if (digit.whole) return tally(keys, n, digit, tables.of(participant));
      tally(matching, within(keys, low, width, matching, n), digit, tables.of(participant));
    });
  });
  parallel_for(context, divide_up(bins, kSlice), [&](int64_t slice, int32_t) {
    tables.add_to(counts, used, slice * kSlice, std::min(bins, (slice + 1) * kSlice));
  });
  tables.clean();
}

template <typename Key>
void find(mg_context* context, const Magnitudes& all, Key threshold, int64_t need, int64_t* found, int64_t* index) {
  const int64_t chunks = divide_up(all.count, kChunk);
  std::vector<int64_t> equal(chunks, 0);
  parallel_for(context, chunks, [&](int64_t chunk, int32_t) {
    alignas(64) Key matching[kTile + 16];
    tiles<Key>(all, chunk, [&](const Key* keys, int64_t n, int64_t) {
      equal[chunk] += within(keys, threshold, 0, matching, n);
    });
  });
  *found = 0;
  *index = -1;
  int64_t chunk = 0;
  for (; chunk < chunks && *found + equal[chunk] < need; ++chunk) *found += equal[chunk];
  if (chunk == chunks) return;
  tiles<Key>(all, chunk, [&](const Key* keys, int64_t n, int64_t begin) {
    for (int64_t i = 0; i < n && *found < need; ++i) {
      if (keys[i] == threshold && ++*found == need) *index = begin + i;
    }
  });
}

}  // namespace

void magnitude_counts(mg_context* context, int32_t dtype, int64_t count, const void* x, const void* base, int32_t shift,
                      int32_t width, int64_t prefix, int64_t* counts) {
  const bool wide = dtype == MG_F64;
  const Digit digit{shift, width, static_cast<uint64_t>(prefix), shift + width == (wide ? 63 : 31)};
  const Magnitudes all{dtype, count, x, base};
  for (int64_t begin = 0; begin < count; begin += kRound) {
    const Magnitudes part{dtype, std::min(kRound, count - begin), all.at(x, begin), all.at(base, begin)};
    wide ? count_digits<uint64_t>(context, part, digit, counts) : count_digits<uint32_t>(context, part, digit, counts);
  }
}

void magnitude_find(mg_context* context, int32_t dtype, int64_t count, const void* x, const void* base,
                    double threshold, int64_t need, int64_t* found, int64_t* index) {
  const Magnitudes all{dtype, count, x, base};
  if (dtype == MG_F64) {
    uint64_t bits;
    std::memcpy(&bits, &threshold, sizeof bits);
    find<uint64_t>(context, all, bits, need, found, index);
  } else {
    const float value = static_cast<float>(threshold);
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    find<uint32_t>(context, all, bits, need, found, index);
  }
}

}  // namespace merganser
