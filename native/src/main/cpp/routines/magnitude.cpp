// SPDX-License-Identifier: Apache-2.0
// Exact k-th largest |x| or |x - base|, by the bits of the magnitude, which order as it does. No array of differences
// is formed: they are computed again in every pass.
//
// A sample brackets the answer: one pass counts what lies above the bracket and stores what lies in it, some hundredths
// of the data, each chunk in a place of its own. Ranks within the bracket are exact, so the answer does not depend on
// the sample; among the candidates the same is done once more. (A histogram of them took 1 ms more of 11; four
// neighbours of a line in the sample spare 2 ms of misses.) When a bracket misses, or a chunk's place overflows (few
// different values, sorted data), three passes of histograms over 11, 11 and 9 bits find the same answer.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <vector>

#include "routines/routines.h"
#include "runtime/buffer.h"
#include "runtime/error.h"
#include "runtime/isa.h"
#include "runtime/pool.h"

namespace merganser {

namespace {

constexpr int64_t kTile = 1024;
constexpr int64_t kChunk = 64 * kTile;
constexpr int64_t kPlace = kChunk / 16;  // candidates of a chunk
constexpr int64_t kSample = 1 << 15, kNeighbours = 4;
constexpr int64_t kThinning = 64;  // of the candidates, for a sample of theirs
constexpr uint32_t kInfinity = 0x7f800000u;

// By another thread of the caller, between two passes.
[[noreturn]] void data_changed() { fail(MG_NUMERICAL, "kth_magnitude: the data changed while they were read"); }

[[noreturn]] void fail_nan(int64_t number, int64_t count, bool differences, int64_t first) {
  fail(MG_NUMERICAL, format("kth_magnitude: %lld of %lld values%s are NaN, the first at index %lld", Long{number},
                            Long{count}, differences ? " less their base" : "", Long{first}));
}

class Select {
 public:
  Select(mg_context* context, int32_t dtype, int64_t count, const void* x, const void* base)
      : context_(context),
        kernels_(kernels().merge),
        dtype_(dtype),
        size_(size_of(dtype)),
        count_(count),
        x_(static_cast<const char*>(x)),
        base_(static_cast<const char*>(base)),
        chunks_(divide_up(count, kChunk)) {}

  void run(int64_t k, mg_threshold* out) {
    if (count_ <= 8 * kSample || !by_bracket(k)) by_histograms(k);
    const float value = as_float(threshold_);
    out->threshold = value;
    out->last = last_;
  }

 private:
  static float as_float(uint32_t bits) {
    float value;
    std::memcpy(&value, &bits, 4);
    return value;
  }

  void keys(int64_t begin, int64_t n, uint32_t* out) const {
    kernels_.magnitude_keys[dtype_](x_ + begin * size_, base_ ? base_ + begin * size_ : nullptr, out, n);
  }

  // Calls fn(keys, n, begin) for the tiles of a chunk, in order.
  template <typename Fn>
  void tiles(int64_t chunk, const Fn& fn) const {
    alignas(64) uint32_t tile[kTile];
    const int64_t end = std::min(count_, (chunk + 1) * kChunk);
    for (int64_t begin = chunk * kChunk; begin < end; begin += kTile) {
      const int64_t n = std::min(kTile, end - begin);
      keys(begin, n, tile);
      fn(tile, n, begin);
    }
  }

  [[noreturn]] void refuse_nan(int64_t number) const {
    int64_t first = -1;
    for (int64_t chunk = 0; chunk < chunks_ && first < 0; ++chunk) {
      tiles(chunk, [&](const uint32_t* tile, int64_t n, int64_t begin) {
        for (int64_t i = 0; i < n && first < 0; ++i) {
          if (tile[i] > kInfinity) first = begin + i;
        }
      });
    }
    if (first < 0) data_changed();
    fail_nan(number, count_, base_, first);
  }

  // The `need`-th of the keys equal to the threshold, given how many of them each chunk has.
  void find_last(const std::vector<int64_t>& equal, int64_t need) {
    int64_t chunk = 0;
    for (; chunk < chunks_ && need > equal[chunk]; ++chunk) need -= equal[chunk];
    if (chunk == chunks_) data_changed();
    tiles(chunk, [&](const uint32_t* tile, int64_t n, int64_t begin) {
      for (int64_t i = 0; i < n && need > 0; ++i) {
        if (tile[i] == threshold_ && --need == 0) last_ = begin + i;
      }
    });
  }

  struct Bounds {
    uint32_t low, high;
  };

  // Between which the k-th largest of `count` values lies, all but certainly, as a sample of them says.
  static Bounds bounds(std::vector<uint32_t>& sample, int64_t k, int64_t count) {
    const auto size = static_cast<int64_t>(sample.size());
    const double rank = static_cast<double>(k) / static_cast<double>(count) * static_cast<double>(size);
    // Seven deviations of the median's rank.
    const int64_t slack = static_cast<int64_t>(3.5 * std::sqrt(static_cast<double>(size))) + 1;
    const int64_t before = static_cast<int64_t>(rank) - slack, after = static_cast<int64_t>(rank) + slack;
    const auto ranked = [&](int64_t at) {
      std::nth_element(sample.begin(), sample.begin() + at, sample.end(), std::greater<uint32_t>());
      return sample[at];
    };
    return {after >= size - 1 ? 0 : ranked(after), before <= 0 ? 0x7fffffffu : ranked(before)};
  }

  bool by_bracket(int64_t k) {
    // Some neighbours every few thousand elements, for what costs is the line; the rank of the answer among them is
    // known to some standard deviations.
    const int64_t step = count_ / (kSample / kNeighbours);
    std::vector<uint32_t> sample(kSample);
    for (int64_t i = 0; i < kSample / kNeighbours; ++i) keys(i * step, kNeighbours, &sample[i * kNeighbours]);
    const auto [low, high] = bounds(sample, k, count_);

    Buffer<uint32_t> places(chunks_ * kPlace);
    std::vector<Bracketed> found(chunks_, Bracketed{0, 0, 0});
    parallel_for(context_, chunks_, [&](int64_t chunk, int32_t) {
      alignas(64) uint32_t inside[kTile + 16];
      Bracketed& all = found[chunk];
      const auto look = [&](const void* tile, int64_t n) {
        const Bracketed here = kernels_.bracket(tile, low, high, inside, n);
        const int64_t stored = std::min(all.candidates, kPlace), room = std::min(here.candidates, kPlace - stored);
        std::copy_n(inside, room, &places[chunk * kPlace + stored]);
        all.above += here.above;
        all.candidates += here.candidates;
        all.nan += here.nan;
      };
      if (dtype_ == MG_F32 && !base_) {
        const int64_t end = std::min(count_, (chunk + 1) * kChunk);
        for (int64_t i = chunk * kChunk; i < end; i += kTile) look(x_ + i * size_, std::min(kTile, end - i));
      } else {
        tiles(chunk, [&](const uint32_t* tile, int64_t n, int64_t) { look(tile, n); });
      }
    });
    int64_t above = 0, total = 0, nan = 0;
    bool overflow = false;
    for (const Bracketed& each : found) {
      above += each.above;
      total += each.candidates;
      nan += each.nan;
      overflow = overflow || each.candidates > kPlace;
    }
    if (nan > 0) refuse_nan(nan);
    if (overflow || k <= above || k > above + total) return false;

    // The same among the candidates, until few are left.
    int64_t need = k - above;
    Buffer<uint32_t> rest(total + 16);
    int64_t left = 0;
    {
      std::vector<uint32_t> few;
      for (int64_t chunk = 0; chunk < chunks_; ++chunk) {
        const uint32_t* from = &places[chunk * kPlace];
        for (int64_t i = 0; i < found[chunk].candidates; i += kThinning) few.push_back(from[i]);
      }
      const Bounds inner = bounds(few, need, total);
      for (int64_t chunk = 0; chunk < chunks_; ++chunk) {
        const Bracketed here =
            kernels_.bracket(&places[chunk * kPlace], inner.low, inner.high, &rest[left], found[chunk].candidates);
        left += here.candidates;
        need -= here.above;
      }
    }
    if (need <= 0 || need > left) return false;
    std::nth_element(rest.data(), rest.data() + (need - 1), rest.data() + left, std::greater<uint32_t>());
    threshold_ = rest[need - 1];
    const int64_t greater =
        std::count_if(rest.data(), rest.data() + left, [&](uint32_t key) { return key > threshold_; });
    std::vector<int64_t> equal(chunks_);
    for (int64_t chunk = 0; chunk < chunks_; ++chunk) {
      equal[chunk] =
          kernels_.bracket(&places[chunk * kPlace], threshold_, threshold_, rest.data(), found[chunk].candidates)
              .candidates;
    }
    find_last(equal, need - greater);
    return true;
  }

  // Bins of the bits [shift, shift + width) of the keys whose bits above are `prefix`.
  int64_t histogram(int shift, int width, uint32_t prefix, int64_t k) {
    const int64_t bins = int64_t{1} << width, threads = participants(context_);
    std::vector<int64_t> counts(threads * bins, 0);
    std::vector<int64_t> nan(threads, 0);
    parallel_for(context_, chunks_, [&](int64_t chunk, int32_t participant) {
      // Four tables, so that equal neighbours do not wait for one another.
      std::vector<uint32_t> tables(4 * bins, 0);
      tiles(chunk, [&](const uint32_t* tile, int64_t n, int64_t) {
        for (int64_t i = 0; i < n; ++i) {
          nan[participant] += tile[i] > kInfinity ? 1 : 0;
          if (static_cast<uint64_t>(tile[i]) >> (shift + width) != prefix) continue;
          ++tables[(i & 3) * bins + (tile[i] >> shift & (bins - 1))];
        }
      });
      for (int64_t b = 0; b < bins; ++b) {
        counts[participant * bins + b] +=
            int64_t{tables[b]} + tables[bins + b] + tables[2 * bins + b] + tables[3 * bins + b];
      }
    });
    int64_t number = 0;
    for (int64_t each : nan) number += each;
    if (number > 0) refuse_nan(number);
    for (int64_t b = bins - 1; b >= 0; --b) {
      int64_t here = 0;
      for (int64_t participant = 0; participant < threads; ++participant) here += counts[participant * bins + b];
      if (k <= here) {
        threshold_ = prefix << width | static_cast<uint32_t>(b);
        return k;
      }
      k -= here;
    }
    data_changed();
  }

  void by_histograms(int64_t k) {
    k = histogram(20, 11, 0, k);
    k = histogram(9, 11, threshold_, k);
    k = histogram(0, 9, threshold_, k);
    std::vector<int64_t> equal(chunks_, 0);
    parallel_for(context_, chunks_, [&](int64_t chunk, int32_t) {
      tiles(chunk,
            [&](const uint32_t* tile, int64_t n, int64_t) { equal[chunk] += std::count(tile, tile + n, threshold_); });
    });
    find_last(equal, k);
  }

  mg_context* context_;
  const MergeKernels& kernels_;
  int32_t dtype_;
  int64_t size_, count_;
  const char* x_;
  const char* base_;
  int64_t chunks_;
  uint32_t threshold_ = 0;
  int64_t last_ = -1;
};

// F64, which models seldom are: on a copy of the keys, 8 bytes a value.
void select_wide(mg_context* context, int64_t count, const double* x, const double* base, int64_t k,
                 mg_threshold* out) {
  const auto key = [&](int64_t i) {
    const double value = std::fabs(base ? x[i] - base[i] : x[i]);
    uint64_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    return bits;
  };
  Buffer<uint64_t> keys(count);
  parallel_for(context, divide_up(count, kChunk), [&](int64_t chunk, int32_t) {
    for (int64_t i = chunk * kChunk; i < std::min(count, (chunk + 1) * kChunk); ++i) keys[i] = key(i);
  });
  constexpr uint64_t kWideInfinity = uint64_t{0x7ff} << 52;
  uint64_t *const begin = keys.data(), *const end = begin + count;
  const auto is_nan = [](uint64_t bits) { return bits > kWideInfinity; };
  if (const int64_t nan = std::count_if(begin, end, is_nan)) {
    fail_nan(nan, count, base, std::find_if(begin, end, is_nan) - begin);
  }
  std::nth_element(begin, begin + (k - 1), end, std::greater<uint64_t>());
  const uint64_t threshold = begin[k - 1];
  int64_t need = k - std::count_if(begin, begin + k, [&](uint64_t bits) { return bits > threshold; });
  int64_t last = 0;
  while (last < count && (key(last) != threshold || --need > 0)) ++last;
  if (last == count) data_changed();
  std::memcpy(&out->threshold, &threshold, sizeof threshold);
  out->last = last;
}

}  // namespace

void kth_magnitude(mg_context* context, int32_t dtype, int64_t count, const void* x, const void* base, int64_t k,
                   mg_threshold* out) {
  if (dtype == MG_F64) {
    select_wide(context, count, static_cast<const double*>(x), static_cast<const double*>(base), k, out);
  } else {
    Select(context, dtype, count, x, base).run(k, out);
  }
}

}  // namespace merganser
