// SPDX-License-Identifier: Apache-2.0
// Random drop with a probability by the rank of the magnitude within its row. A row of differences is formed where the
// result goes, its keys are sorted, and each element meets the probability of its rank, which is the same for all rows.
//
// The sort takes a key and an index as one number of 64 bits, in four passes of 8 bits from the lowest on, of which
// those are left out where all are alike: a fifth of the time of comparisons. (Three passes of 11 bits took as long,
// longer for short rows.) F64, which models seldom are, is sorted by comparisons.
#include <algorithm>
#include <cstring>
#include <utility>

#include "kernels/kernels.h"
#include "routines/ranked_drop.h"
#include "routines/routines.h"
#include "runtime/buffer.h"
#include "runtime/isa.h"
#include "runtime/pool.h"

namespace merganser {

namespace {

constexpr int64_t kFew = 64;  // below, comparisons cost less than clearing counts
constexpr int kBits = 8, kDigits = 1 << kBits;

struct Wide {
  uint64_t key;
  uint32_t from_end;  // index, so that of equal magnitudes the first is the largest
  bool operator<(const Wide& other) const {
    return key < other.key || (key == other.key && from_end < other.from_end);
  }
};

uint64_t item(float value, uint32_t from_end) {
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  return static_cast<uint64_t>(bits & 0x7fffffffu) << 32 | from_end;
}
Wide item(double value, uint32_t from_end) {
  uint64_t bits;
  std::memcpy(&bits, &value, 8);
  return {bits & ~uint64_t{0} >> 1, from_end};
}
uint32_t from_end(uint64_t item) { return static_cast<uint32_t>(item); }
uint32_t from_end(const Wide& item) { return item.from_end; }

// Items in increasing order, in `items` or in `other`. The items come with from_end increasing.
Wide* sorted(Wide* items, Wide*, int64_t n) {
  std::sort(items, items + n);
  return items;
}
uint64_t* sorted(uint64_t* items, uint64_t* other, int64_t n) {
  if (n < kFew) {
    std::sort(items, items + n);
    return items;
  }
  uint32_t counts[4][kDigits] = {};
  for (int64_t i = 0; i < n; ++i) {
    for (int pass = 0; pass < 4; ++pass) ++counts[pass][items[i] >> (32 + kBits * pass) & (kDigits - 1)];
  }
  for (int pass = 0; pass < 4; ++pass) {
    const int shift = 32 + kBits * pass;
    uint32_t* place = counts[pass];
    if (place[items[0] >> shift & (kDigits - 1)] == n) continue;
    uint32_t begin = 0;
    for (int d = 0; d < kDigits; ++d) begin += std::exchange(place[d], begin);
    for (int64_t i = 0; i < n; ++i) other[place[items[i] >> shift & (kDigits - 1)]++] = items[i];
    std::swap(items, other);
  }
  return items;
}

// Elements of the caller's array, of any alignment.
template <typename Real>
struct Any;
template <>
struct Any<double> {
  typedef double Type __attribute__((aligned(1), may_alias));
};
template <>
struct Any<float> {
  typedef float Type __attribute__((aligned(1), may_alias));
};

template <typename Real>
class Rows {
 public:
  typedef decltype(item(Real(), 0u)) Item;
  typedef typename Any<Real>::Type Out;

  Rows(mg_context* context, int32_t dtype, int64_t rows, int64_t length, int64_t first, const void* x, const void* base,
       const mg_ranked_drop_options& options, void* out)
      : kernels_(kernels().merge),
        dtype_(dtype),
        length_(length),
        first_(first),
        x_(static_cast<const char*>(x)),
        base_(static_cast<const char*>(base)),
        options_(options),
        out_(static_cast<Out*>(out)),
        limits_(length, options),
        items_(2 * length * std::min<int64_t>(rows, participants(context))),
        words_((length + 8) * std::min<int64_t>(rows, participants(context))) {}

  void run(int64_t row, int32_t participant) {
    Out* const out = out_ + row * length_;
    differences(row * length_, out);
    Item* items = &items_[2 * length_ * participant];
    for (int64_t j = 0; j < length_; ++j) items[j] = item(out[length_ - 1 - j], static_cast<uint32_t>(j));
    items = sorted(items, items + length_, length_);
    const int64_t element = first_ + row * length_, skipped = element & 3;
    uint32_t* words = &words_[(length_ + 8) * participant];
    kernels_.philox(static_cast<uint64_t>(options_.key), static_cast<uint64_t>(element >> 2),
                    static_cast<uint32_t>(options_.subsequence), words, divide_up(skipped + length_, 4));
    words += skipped;
    const bool scaled = options_.inverse != 0;
    for (int64_t rank = 0; rank < length_; ++rank) {
      const int64_t i = length_ - 1 - from_end(items[rank]);
      const Real kept = scaled ? limits_.scale[rank] * out[i] : out[i];
      // Half of the branches would be guessed wrong.
      const Real either[] = {0, kept};
      out[i] = either[words[i] < limits_.below[rank]];
    }
  }

 private:
  void differences(int64_t begin, Out* out) const {
    constexpr int64_t kTile = 1024;
    alignas(64) Real base[kTile], delta[kTile];
    const int64_t size = size_of(dtype_);
    const TrimTile whole{MG_TRIM_NONE, 0, nullptr, 0};
    for (int64_t i = 0; i < length_; i += kTile) {
      const int64_t n = std::min(kTile, length_ - i);
      kernels_.widen_real[dtype_](base_ + (begin + i) * size, base, n);
      kernels_.task_vector[dtype_](x_ + (begin + i) * size, base, whole, false, 1, 1, delta, n);
      std::memcpy(out + i, delta, static_cast<size_t>(n) * sizeof *delta);
    }
  }

  const MergeKernels& kernels_;
  int32_t dtype_;
  int64_t length_, first_;
  const char *x_, *base_;
  mg_ranked_drop_options options_;
  Out* out_;
  DropLimits<Real> limits_;
  Buffer<Item> items_;
  Buffer<uint32_t> words_;
};

}  // namespace

void ranked_drop(mg_context* context, int32_t dtype, int64_t rows, int64_t length, int64_t first, const void* x,
                 const void* base, const mg_ranked_drop_options* options, void* out) {
  if (rows == 0) return;
  const auto run = [&](auto all) {
    parallel_for(context, rows, [&](int64_t row, int32_t participant) { all.run(row, participant); });
  };
  if (dtype == MG_F64) {
    run(Rows<double>(context, dtype, rows, length, first, x, base, *options, out));
  } else {
    run(Rows<float>(context, dtype, rows, length, first, x, base, *options, out));
  }
}

}  // namespace merganser
