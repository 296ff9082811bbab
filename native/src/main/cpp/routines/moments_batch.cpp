// SPDX-License-Identifier: Apache-2.0
// Reading a batch of activations: packing into sample-major panels, and the scan for non-finite values. Features that
// are not contiguous (N,C,H,W) are transposed through a small block, so that both layouts give the same bits.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>

#include "routines/moments.h"
#include "routines/moments_rules.h"
#include "runtime/isa.h"
#include "runtime/pool.h"

namespace merganser {

namespace {

constexpr int64_t kBlockRows = 32;
constexpr int64_t kBlockWidth = 64;

double value_at(const char* element, int32_t dtype) {
  double value;
  kernels().elementwise.widen[dtype](element, &value, 1);
  return value;
}

// One feature of a few samples into a column of a block; the elements may be unaligned.
template <int64_t bytes>
void gather(const char* column, const int64_t* offsets, int64_t samples, char* out) {
  for (int64_t i = 0; i < samples; ++i) {
    std::memcpy(out + i * kBlockWidth * bytes, column + offsets[i] * bytes, static_cast<size_t>(bytes));
  }
}

}  // namespace

// Contiguous runs go through the vectorised count.
bool Batch::finite(int32_t series, int64_t begin, int64_t end) const {
  const auto count = kernels().elementwise.count_nonfinite[dtype_];
  const int64_t width = moments_.widths[series];
  const int64_t feature_stride = strides_[3 * series + 2];
  if (feature_stride == 1) {
    for (int64_t m = begin; m < end; ++m) {
      if (count(at(series, offset(series, m)), width) > 0) return false;
    }
    return true;
  }
  const bool run_contiguous = strides_[3 * series + 1] == 1;
  for (int64_t m = begin; m < end;) {
    const int64_t run = run_contiguous ? std::min(end - m, inner_ - m % inner_) : 1;
    for (int64_t f = 0; f < width; ++f) {
      if (count(at(series, offset(series, m) + f * feature_stride), run) > 0) return false;
    }
    m += run;
  }
  return true;
}

int64_t Batch::bytes() const {
  int64_t width = 0;
  for (int64_t each : moments_.widths) width += each;
  return samples_ * width * element_size();
}

int64_t Batch::first_bad_feature(int32_t series, int64_t sample) const {
  const int64_t width = moments_.widths[series];
  for (int64_t f = 0; f < width; ++f) {
    if (!std::isfinite(value_at(at(series, offset(series, sample) + f * strides_[3 * series + 2]), dtype_))) return f;
  }
  return -1;
}

void Batch::scan(mg_context* context) {
  const int32_t series = static_cast<int32_t>(moments_.widths.size());
  const bool drop = moments_.nonfinite == MG_NONFINITE_SKIP_SAMPLE;
  Buffer<char> bad;
  if (drop) {
    bad.reserve(samples_);
    std::memset(bad.data(), 0, static_cast<size_t>(samples_));
  }
  std::atomic<bool> found{false};
  for (int32_t s = 0; s < series; ++s) {
    const int64_t chunk = std::max<int64_t>(1, 32768 / moments_.widths[s]);
    std::atomic<int64_t> first{INT64_MAX};
    parallel_for(context, divide_up(samples_, chunk), [&](int64_t item, int32_t) {
      const int64_t begin = item * chunk, end = std::min(samples_, begin + chunk);
      if (finite(s, begin, end)) return;
      found = true;
      for (int64_t m = begin; m < end; ++m) {
        if (first_bad_feature(s, m) < 0) continue;
        if (drop) {
          bad[m] = 1;
          continue;
        }
        int64_t seen = first;
        while (m < seen && !first.compare_exchange_weak(seen, m)) {
        }
        return;
      }
    });
    if (first != INT64_MAX) {
      const int64_t f = first_bad_feature(s, first);
      if (f < 0) activations_changed();
      not_finite(s, first, f, value_at(at(s, offset(s, first) + f * strides_[3 * s + 2]), dtype_));
    }
  }
  if (!found) return;
  if (!drop) activations_changed();
  some_dropped_ = true;
  kept_.reserve(samples_);
  for (int64_t m = 0; m < samples_; ++m) {
    if (!bad[m]) kept_[kept_count_++] = m;
  }
}

// run(data, offsets, row, rows, feature, width), row relative to the first, for pieces with contiguous features.
template <typename Run>
void Batch::runs(int32_t series, int64_t begin, int64_t step, int64_t rows, const Run& run) const {
  const int64_t bytes = element_size(), width = moments_.widths[series];
  const int64_t feature_stride = strides_[3 * series + 2];
  int64_t offsets[kBlockRows];
  for (int64_t r = 0; r < rows; r += kBlockRows) {
    const int64_t n = std::min(kBlockRows, rows - r);
    for (int64_t i = 0; i < n; ++i) offsets[i] = offset(series, sample(begin + (r + i) * step));
    if (feature_stride == 1) {
      run(data_[series], offsets, r, n, int64_t{0}, width);
      continue;
    }
    alignas(64) char block[kBlockRows * kBlockWidth * 8];
    int64_t block_offsets[kBlockRows];
    for (int64_t i = 0; i < n; ++i) block_offsets[i] = i * kBlockWidth;
    // Consecutive in memory, as positions of one image mostly are.
    const int64_t first = sample(begin + r * step), last = sample(begin + (r + n - 1) * step);
    const bool consecutive = strides_[3 * series + 1] == 1 && last - first == n - 1 &&
                             first / inner_ == last / inner_ && (step == 1 || n == 1);
    for (int64_t f = 0; f < width; f += kBlockWidth) {
      const int64_t w = std::min(kBlockWidth, width - f);
      if (consecutive) {
        kernels().elementwise.transpose[bytes == 8 ? 0 : 1](at(series, offsets[0] + f * feature_stride), feature_stride,
                                                            w, n, block, kBlockWidth);
      }
      for (int64_t c = 0; c < w && !consecutive; ++c) {
        const char* column = at(series, (f + c) * feature_stride);
        if (bytes == 8) {
          gather<8>(column, offsets, n, block + c * 8);
        } else {
          gather<4>(column, offsets, n, block + c * 4);
        }
      }
      run(block, block_offsets, r, n, f, w);
    }
  }
}

void Batch::sum(int32_t series, int64_t begin, int64_t step, int64_t rows, const double* shift, double* sum) const {
  const auto kernel = kernels().moments.sum_columns[dtype_ == MG_F64 ? 0 : 1];
  runs(series, begin, step, rows,
       [&](const void* data, const int64_t* offsets, int64_t, int64_t n, int64_t f, int64_t w) {
         kernel(data, offsets, n, w, shift + f, sum + f);
       });
}

void Batch::pack(int32_t series, int64_t begin, int64_t rows, const double* shift, void* z, bool wide, int64_t width,
                 double* sum, double* square) const {
  const auto kernel = kernels().moments.pack[dtype_ == MG_F64 ? 0 : 1][wide ? 0 : 1];
  const int64_t z_bytes = wide ? 8 : 4;
  const auto place = [&](int64_t r, int64_t f) {
    return static_cast<char*>(z) + ((f / width * rows + r) * width + f % width) * z_bytes;
  };
  runs(series, begin, 1, rows,
       [&](const void* data, const int64_t* offsets, int64_t r, int64_t n, int64_t feature, int64_t features) {
         const int64_t end = feature + features;
         for (int64_t f = feature; f < end;) {
           const int64_t w = z ? std::min(width - f % width, end - f) : features;
           kernel(static_cast<const char*>(data) + (f - feature) * element_size(), offsets, n, w, shift + f,
                  z ? place(r, f) : nullptr, width, sum + f, square + f);
           f += w;
         }
       });
  const int64_t end = moments_.widths[series], rest = (width - end % width) % width;
  for (int64_t r = 0; z && rest > 0 && r < rows; ++r) {
    std::memset(place(r, end), 0, static_cast<size_t>(rest * z_bytes));
  }
}

}  // namespace merganser
