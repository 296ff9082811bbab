// SPDX-License-Identifier: Apache-2.0
// Streaming centred moments. A batch goes through panels of at most 4096 samples. Each
// is centred about its own mean p, z = x - p, and merged into the state of the n samples before it (Chan, Golub,
// LeVeque):
//   d = p - mean,  w = n rows/(n + rows),  mean += d rows/(n + rows),  block += sum(z_x z_y^T) + w d_x d_y^T.
// Means are pairs of F64 (value and rounding error), so that neither a large mean nor the order of unlike batches costs
// digits: what is left of sum(z) is some units in the last place of z, and its square is nothing.
// A panel is packed once, then every output tile is one serial BLAS call per panel; w d d^T is one more row of the
// panel (F32, F64) or part of the fold (MIXED). Tiles and panels depend on the problem only. Sums of squares are F64
// sums of the packed values, and the diagonal of an own block is taken from them.
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
  for (size_t s = 0; s < state.widths.size(); ++s) state.panels[s].reserve((rows + 1) * state.widths[s] * bytes);
  if (state.mode == MG_MOMENTS_MIXED) state.tile_scratch.reserve(participants(context) * kTile * kTile);
}

// value + low without the rounding of value + low (Knuth).
void add_exactly(double a, double b, double& value, double& low) {
  value = a + b;
  const double other = value - a;
  low = (a - (value - other)) + (b - other);
}

// What one panel of `rows` samples, packed from kept sample `begin` on, does to the n samples before it.
struct Panel {
  int64_t begin, rows;
  double share;   // rows / (n + rows)
  double weight;  // n rows / (n + rows)

  Panel(int64_t first, int64_t count, int64_t before)
      : begin(first),
        rows(count),
        share(static_cast<double>(count) / static_cast<double>(before + count)),
        weight(static_cast<double>(before) * share) {}
};

// Packs z and merges means and sums of squares. The mean of the panel is x_0 + mean(x - x_0): exactly x_0 for a
// constant feature, whose variance is then exactly 0.
void pack_and_merge(CpuMoments& state, const Batch& batch, const Panel& panel, const FeatureRange& range) {
  alignas(64) double zero[kFeatures] = {}, first[kFeatures] = {}, sum[kFeatures] = {}, square[kFeatures] = {};
  alignas(64) double mean[kFeatures], low[kFeatures];
  const int32_t s = range.stream;
  batch.sum(s, panel.begin, 1, range.feature, range.width, zero, first);
  batch.sum(s, panel.begin, panel.rows, range.feature, range.width, first, sum);
  for (int64_t f = 0; f < range.width; ++f) {
    add_exactly(first[f], sum[f] / static_cast<double>(panel.rows), mean[f], low[f]);
  }
  const bool wide = state.mode == MG_MOMENTS_F64;
  const int64_t ld = state.widths[s];
  char* z = state.panels[s].data() + range.feature * (wide ? 8 : 4);
  batch.pack(s, panel.begin, panel.rows, range.feature, range.width, mean, low, z, wide, ld, square);

  StreamSums& sums = state.streams[s];
  const double root = std::sqrt(panel.weight);
  for (int64_t f = 0; f < range.width; ++f) {
    const int64_t at = range.feature + f;
    double delta = 0;
    if (panel.weight == 0) {
      sums.mean[at] = mean[f];
      sums.low[at] = low[f];
    } else {
      delta = (mean[f] - sums.mean[at]) + (low[f] - sums.low[at]);
      add_exactly(sums.mean[at], sums.low[at] + delta * panel.share, sums.mean[at], sums.low[at]);
    }
    sums.delta[at] = delta;
    sums.m2[at] += square[f] + panel.weight * delta * delta;
    if (wide) {
      reinterpret_cast<double*>(z)[panel.rows * ld + f] = root * delta;
    } else {
      reinterpret_cast<float*>(z)[panel.rows * ld + f] = static_cast<float>(root * delta);
    }
  }
}

void accumulate(mg_context* context, CpuMoments& state, const Panel& panel) {
  const bool fold = state.mode == MG_MOMENTS_MIXED;
  const int depth = static_cast<int>(panel.rows + (!fold && panel.weight > 0 ? 1 : 0));
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
    const double* d_x = state.streams[i].delta.data() + tile.row;
    const double* d_y = state.streams[j].delta.data() + tile.column;
    for (int64_t r = 0; r < m; ++r) {
      kernels().fold(c + r * ldc, panel.weight * d_x[r], d_y, target + r * ld_j, diagonal ? r + 1 : n);
    }
  });
}

void check_has_samples(const CpuMoments& state) {
  MG_REQUIRE(!state.incomplete, "these moments are unusable: an update stopped half-way");
  MG_REQUIRE(state.count > 0, "no samples have been added");
}

void check_no_overflow(const CpuMoments& state, int32_t stream) {
  for (int64_t f = 0; f < state.widths[stream]; ++f) {
    if (std::isfinite(state.streams[stream].m2[f])) continue;
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
    for (Buffer<double>* each : {&sums.mean, &sums.low, &sums.m2, &sums.delta}) {
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

  state.incomplete = true;
  for (int64_t begin = 0; begin < batch.kept(); begin += rows) {
    const Panel panel(begin, std::min(rows, batch.kept() - begin), state.count + begin);
    parallel_for(context, static_cast<int64_t>(ranges.size()),
                 [&](int64_t task, int32_t) { pack_and_merge(state, batch, panel, ranges[task]); });
    accumulate(context, state, panel);
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
  std::copy_n(sums.mean.data(), state.widths[stream], mean);
  std::copy_n(sums.m2.data(), state.widths[stream], m2);
}

void moments_block(mg_context* context, const mg_moments* moments, int32_t pair, double* out) {
  const CpuMoments& state = state_of(moments);
  check_has_samples(state);
  const int32_t i = state.pair_i[pair], j = state.pair_j[pair];
  check_no_overflow(state, i);
  check_no_overflow(state, j);
  const Block& block = state.blocks[pair];
  const int64_t rows = state.widths[i], columns = state.widths[j];
  const bool own = i == j, narrow = state.mode == MG_MOMENTS_F32;
  parallel_for(context, rows, [&](int64_t r, int32_t) {
    for (int64_t c = 0; c < (own ? r : columns); ++c) {
      const int64_t at = r * columns + c;
      const double value = narrow ? block.narrow[at] : block.wide[at];
      if (!std::isfinite(value)) {
        fail(MG_NUMERICAL, format("pair %d: the products overflowed; use the F64 mode", pair));
      }
      out[at] = value;
      if (own) out[c * columns + r] = value;
    }
    if (own) out[r * columns + r] = state.streams[i].m2[r];
  });
}

}  // namespace merganser
