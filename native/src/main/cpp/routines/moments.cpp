// SPDX-License-Identifier: Apache-2.0
// Streaming centred moments (kernels.md 1, alignment.md 2). With the shift s = mean of the first batch and z = x - s:
//   mean = s + sum(z)/n,   block = sum(z_x z_y^T) - sum(z_x) sum(z_y)^T / n.
// A batch goes through panels of at most 4096 samples: packed once, then every output tile is one serial BLAS call per
// panel. Tiles and panels depend on the problem only. Column sums and squares are F64 sums of the packed values, so the
// diagonal of an own block is taken from them.
#include "routines/moments.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "core/blas.h"
#include "core/error.h"
#include "core/isa.h"
#include "core/pool.h"
#include "routines/routines.h"

namespace merganser {

namespace {

constexpr int64_t kTile = 256;
constexpr int64_t kFeatures = 64;
constexpr int64_t kPanelRows = 4096;
constexpr int64_t kPanelBytes = int64_t{64} << 20;

CpuMoments& state_of(mg_moments* moments) { return *static_cast<CpuMoments*>(moments); }
const CpuMoments& state_of(const mg_moments* moments) { return *static_cast<const CpuMoments*>(moments); }

// A range of features of one stream.
struct FeatureRange {
  int32_t stream;
  int64_t feature, width;
};

std::vector<FeatureRange> feature_ranges(const CpuMoments& state) {
  std::vector<FeatureRange> ranges;
  for (size_t s = 0; s < state.widths.size(); ++s) {
    for (int64_t f = 0; f < state.widths[s]; f += kFeatures) {
      ranges.push_back({static_cast<int32_t>(s), f, std::min(kFeatures, state.widths[s] - f)});
    }
  }
  return ranges;
}

int64_t panel_rows(const CpuMoments& state, int64_t samples) {
  int64_t width = 0;
  for (int64_t each : state.widths) width += each;
  const int64_t bytes = width * (state.mode == MG_MOMENTS_F64 ? 8 : 4);
  const int64_t rows = std::clamp<int64_t>(kPanelBytes / bytes, 64, kPanelRows);
  return std::min(rows, samples);
}

void reserve_scratch(mg_context* context, CpuMoments& state, int64_t rows) {
  const int64_t bytes = state.mode == MG_MOMENTS_F64 ? 8 : 4;
  state.panels.resize(state.widths.size());
  for (size_t s = 0; s < state.widths.size(); ++s) state.panels[s].reserve(rows * state.widths[s] * bytes);
  if (state.mode == MG_MOMENTS_MIXED) state.tile_scratch.reserve(participants(context) * kTile * kTile);
}

// shift = x_0 + mean(x - x_0): exactly x_0 for a constant feature, whose variance is then exactly 0.
void choose_shift(mg_context* context, CpuMoments& state, const Batch& batch, const std::vector<FeatureRange>& ranges) {
  parallel_for(context, static_cast<int64_t>(ranges.size()), [&](int64_t task, int32_t) {
    constexpr int64_t kRows = 32;
    const FeatureRange& range = ranges[task];
    alignas(64) double first[kFeatures], zero[kFeatures] = {}, sum[kFeatures] = {}, square[kFeatures] = {};
    alignas(64) double z[kRows * kFeatures];
    batch.pack(range.stream, 0, 1, range.feature, range.width, zero, first, true, kFeatures, sum, square);
    std::fill_n(sum, kFeatures, 0.0);
    for (int64_t begin = 0; begin < batch.kept(); begin += kRows) {
      batch.pack(range.stream, begin, std::min(kRows, batch.kept() - begin), range.feature, range.width, first, z, true,
                 kFeatures, sum, square);
    }
    double* shift = state.streams[range.stream].shift.data() + range.feature;
    for (int64_t f = 0; f < range.width; ++f) shift[f] = first[f] + sum[f] / static_cast<double>(batch.kept());
  });
}

void accumulate(mg_context* context, CpuMoments& state, int64_t rows) {
  const int depth = static_cast<int>(rows);
  parallel_for(context, static_cast<int64_t>(state.tiles.size()), [&](int64_t task, int32_t slot) {
    const Tile& tile = state.tiles[task];
    const int32_t i = state.pair_i[tile.pair], j = state.pair_j[tile.pair];
    const int ld_i = static_cast<int>(state.widths[i]), ld_j = static_cast<int>(state.widths[j]);
    const int m = static_cast<int>(tile.rows), n = static_cast<int>(tile.columns);
    const bool diagonal = i == j && tile.row == tile.column;
    Block& block = state.blocks[tile.pair];
    const int64_t corner = tile.row * ld_j + tile.column;
    if (state.mode == MG_MOMENTS_F64) {
      const double* x = reinterpret_cast<const double*>(state.panels[i].data()) + tile.row;
      const double* y = reinterpret_cast<const double*>(state.panels[j].data()) + tile.column;
      double* c = block.wide.data() + corner;
      if (diagonal) {
        cblas_dsyrk(kRowMajor, kLower, kTrans, m, depth, 1, x, ld_i, 1, c, ld_j);
      } else {
        cblas_dgemm(kRowMajor, kTrans, kNoTrans, m, n, depth, 1, x, ld_i, y, ld_j, 1, c, ld_j);
      }
      return;
    }
    const float* x = reinterpret_cast<const float*>(state.panels[i].data()) + tile.row;
    const float* y = reinterpret_cast<const float*>(state.panels[j].data()) + tile.column;
    const bool fold = state.mode == MG_MOMENTS_MIXED;
    float* c = fold ? state.tile_scratch.data() + slot * kTile * kTile : block.narrow.data() + corner;
    const int ldc = fold ? static_cast<int>(kTile) : ld_j;
    const float beta = fold ? 0.0f : 1.0f;
    if (diagonal) {
      cblas_ssyrk(kRowMajor, kLower, kTrans, m, depth, 1, x, ld_i, beta, c, ldc);
    } else {
      cblas_sgemm(kRowMajor, kTrans, kNoTrans, m, n, depth, 1, x, ld_i, y, ld_j, beta, c, ldc);
    }
    if (!fold) return;
    double* target = block.wide.data() + corner;
    for (int64_t r = 0; r < m; ++r) kernels().fold(c + r * ldc, target + r * ld_j, diagonal ? r + 1 : n);
  });
}

double centred(const StreamSums& x, int64_t i, const StreamSums& y, int64_t j, double products, double n) {
  return products - x.sum[i] * y.sum[j] / n;
}

void check_has_samples(const CpuMoments& state) {
  MG_REQUIRE(!state.incomplete, "these moments are unusable: an update stopped half-way");
  MG_REQUIRE(state.count > 0, "no samples have been added");
}

double sum_of_squares(const StreamSums& sums, int64_t f, double n) {
  return std::max(0.0, centred(sums, f, sums, f, sums.square[f], n));
}

void check_no_overflow(const CpuMoments& state, int32_t stream) {
  for (int64_t f = 0; f < state.widths[stream]; ++f) {
    if (std::isfinite(state.streams[stream].square[f])) continue;
    fail(MG_NUMERICAL,
         format("stream %d, feature %lld: the sum of squares overflowed", stream, static_cast<long long>(f)));
  }
}

}  // namespace

void moments_create(mg_context*, const mg_moments* description, mg_moments** out) {
  auto state = std::make_unique<CpuMoments>();
  static_cast<mg_moments&>(*state) = *description;
  for (size_t k = 0; k < state->pair_i.size(); ++k) {
    const int64_t rows = state->widths[state->pair_i[k]], columns = state->widths[state->pair_j[k]];
    Block block;
    if (state->mode == MG_MOMENTS_F32) {
      block.narrow = Buffer<float>(rows, columns);
      std::fill_n(block.narrow.data(), rows * columns, 0.0f);
    } else {
      block.wide = Buffer<double>(rows, columns);
      std::fill_n(block.wide.data(), rows * columns, 0.0);
    }
    state->blocks.push_back(std::move(block));
    const bool own = state->pair_i[k] == state->pair_j[k];
    for (int64_t i = 0; i < rows; i += kTile) {
      for (int64_t j = 0; j < (own ? i + 1 : columns); j += kTile) {
        state->tiles.push_back(
            {static_cast<int32_t>(k), i, std::min(kTile, rows - i), j, std::min(kTile, columns - j)});
      }
    }
  }
  // After the blocks: what cannot be held at all fails before pages are touched.
  for (int64_t width : state->widths) {
    StreamSums sums;
    for (Buffer<double>* each : {&sums.shift, &sums.sum, &sums.square}) {
      each->reserve(width);
      std::fill_n(each->data(), width, 0.0);
    }
    state->streams.push_back(std::move(sums));
  }
  *out = state.release();
}

void moments_destroy(mg_moments* moments) { delete static_cast<CpuMoments*>(moments); }

void moments_update(mg_context* context, mg_moments* moments, const void* const* data, int32_t dtype, int64_t outer,
                    int64_t inner, const int64_t* strides) {
  CpuMoments& state = state_of(moments);
  MG_REQUIRE(!state.incomplete, "these moments are unusable: an update stopped half-way");
  Batch batch(state, data, dtype, outer, inner, strides);
  if (batch.samples() == 0) return;
  batch.scan(context);
  const int64_t dropped = batch.samples() - batch.kept();
  if (batch.kept() == 0) {
    state.skipped += dropped;
    return;
  }
  const std::vector<FeatureRange> ranges = feature_ranges(state);
  const int64_t rows = panel_rows(state, batch.kept());
  reserve_scratch(context, state, rows);
  SerialBlas blas(context);

  if (!state.shifted) choose_shift(context, state, batch, ranges);
  state.shifted = true;
  state.incomplete = true;
  const bool wide = state.mode == MG_MOMENTS_F64;
  for (int64_t begin = 0; begin < batch.kept(); begin += rows) {
    const int64_t n = std::min(rows, batch.kept() - begin);
    parallel_for(context, static_cast<int64_t>(ranges.size()), [&](int64_t task, int32_t) {
      const FeatureRange& range = ranges[task];
      StreamSums& sums = state.streams[range.stream];
      char* panel = state.panels[range.stream].data() + range.feature * (wide ? 8 : 4);
      batch.pack(range.stream, begin, n, range.feature, range.width, sums.shift.data() + range.feature, panel, wide,
                 state.widths[range.stream], sums.sum.data() + range.feature, sums.square.data() + range.feature);
    });
    accumulate(context, state, n);
  }
  state.count += batch.kept();
  state.skipped += dropped;
  state.incomplete = false;
}

void moments_stream(mg_context*, const mg_moments* moments, int32_t stream, double* mean, double* m2) {
  const CpuMoments& state = state_of(moments);
  check_has_samples(state);
  check_no_overflow(state, stream);
  const StreamSums& sums = state.streams[stream];
  const double n = static_cast<double>(state.count);
  for (int64_t f = 0; f < state.widths[stream]; ++f) {
    mean[f] = sums.shift[f] + sums.sum[f] / n;
    m2[f] = sum_of_squares(sums, f, n);
  }
}

void moments_block(mg_context* context, const mg_moments* moments, int32_t pair, double* out) {
  const CpuMoments& state = state_of(moments);
  check_has_samples(state);
  const int32_t i = state.pair_i[pair], j = state.pair_j[pair];
  check_no_overflow(state, i);
  check_no_overflow(state, j);
  const StreamSums &x = state.streams[i], &y = state.streams[j];
  const Block& block = state.blocks[pair];
  const int64_t rows = state.widths[i], columns = state.widths[j];
  const double n = static_cast<double>(state.count);
  const bool own = i == j, narrow = state.mode == MG_MOMENTS_F32;
  parallel_for(context, rows, [&](int64_t r, int32_t) {
    for (int64_t c = 0; c < (own ? r : columns); ++c) {
      const int64_t at = r * columns + c;
      const double value = centred(x, r, y, c, narrow ? block.narrow[at] : block.wide[at], n);
      if (!std::isfinite(value)) {
        fail(MG_NUMERICAL, format("pair %d: the products overflowed; use the F64 mode", pair));
      }
      out[at] = value;
      if (own) out[c * columns + r] = value;
    }
    if (own) out[r * columns + r] = sum_of_squares(x, r, n);
  });
}

}  // namespace merganser
