// SPDX-License-Identifier: Apache-2.0
// State of moments on the CPU, and the view of one batch.
#pragma once

#include <cstdint>
#include <vector>

#include "routines/moments_state.h"
#include "runtime/buffer.h"

namespace merganser {

// Mean (mean + low, |low| at most half a unit in the last place of mean) and sum of squared deviations of one series.
struct SeriesSums {
  Buffer<double> mean, low, m2;
  // Scratch of a panel, see moments.cpp.
  Buffer<double> shift, offset, delta;
  Buffer<double> parts;  // sums and sums of squares of each piece
  int exponent = 0;      // z of this panel is stored times 2^exponent
};

// Sum over samples of (x - mean_x)(y - mean_y)^T; an own block uses its lower tiles only, without its diagonal.
struct Block {
  Buffer<double> wide;   // MG_MOMENTS_MIXED and MG_MOMENTS_F64
  Buffer<float> narrow;  // MG_MOMENTS_F32
};

// One output tile of one block.
struct Tile {
  int32_t pair;
  int64_t row, rows, column, columns;
};

struct CpuMoments : mg_moments {
  using mg_moments::mg_moments;

  std::vector<SeriesSums> sums;
  std::vector<Block> blocks;
  std::vector<Tile> tiles;
  int64_t tile = 0;         // largest side of a tile
  // Scratch kept between updates, because fresh pages cost more than a small batch.
  std::vector<Buffer<char>> panels;
  Buffer<float> tile_scratch;
};

// One batch of paired samples; sample m is (m / inner, m % inner).
class Batch {
 public:
  Batch(const mg_moments& moments, const void* const* data, int32_t dtype, int64_t outer, int64_t inner,
        const int64_t* strides)
      : moments_(moments), data_(data), dtype_(dtype), inner_(inner), strides_(strides), samples_(outer * inner) {}

  int64_t samples() const { return samples_; }
  int64_t bytes() const;
  int64_t kept() const { return some_dropped_ ? kept_count_ : samples_; }

  // Looks for non-finite values: fails with the first, or drops their samples, as the moments ask. Packing shows
  // whether there are any.
  void scan(mg_context* context);

  // Sums over kept samples begin, begin + step, ... (`rows` of them); see Kernels::sum_columns.
  void sum(int32_t series, int64_t begin, int64_t step, int64_t rows, const double* shift, double* sum) const;
  // Of kept samples [begin, begin + rows); see Kernels::pack. z: panels of `width` features side by side, in F64 if
  // `wide`, zeros behind the last feature.
  void pack(int32_t series, int64_t begin, int64_t rows, const double* shift, void* z, bool wide, int64_t width,
            double* sum, double* square) const;

 private:
  template <typename Run>
  void runs(int32_t series, int64_t begin, int64_t step, int64_t rows, const Run& run) const;
  int64_t element_size() const { return dtype_ == MG_F64 ? 8 : 4; }
  int64_t sample(int64_t kept_index) const { return some_dropped_ ? kept_[kept_index] : kept_index; }
  int64_t offset(int32_t series, int64_t sample) const {
    return sample / inner_ * strides_[3 * series] + sample % inner_ * strides_[3 * series + 1];
  }
  const char* at(int32_t series, int64_t element) const {
    return static_cast<const char*>(data_[series]) + element * element_size();
  }
  bool finite(int32_t series, int64_t begin, int64_t end) const;
  int64_t first_bad_feature(int32_t series, int64_t sample) const;

  const mg_moments& moments_;
  const void* const* data_;
  int32_t dtype_;
  int64_t inner_;
  const int64_t* strides_;
  int64_t samples_;
  bool some_dropped_ = false;
  Buffer<int64_t> kept_;
  int64_t kept_count_ = 0;
};

}  // namespace merganser
