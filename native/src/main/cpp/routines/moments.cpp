// SPDX-License-Identifier: Apache-2.0
// Centred moments, batch by batch. A batch goes through panels of at most 4096 samples, each packed in one pass,
// z = x - shift, with the F64 sums of z and z^2, and merged into the state of the n samples before it (Chan, Golub,
// LeVeque): with p = shift + o, o = sum(z)/rows, the mean of the panel,
//   d = p - mean,  w = n rows/(n + rows),  mean += d rows/(n + rows),
//   block += sum(z_x z_y^T) - rows o_x o_y^T + w d_x d_y^T.
// The shift is the mean of 32 samples spread over the panel, so o is a fraction of a deviation and the subtraction
// costs nothing. Where it is more than a deviation (a panel of unlike parts) the series is packed again about p. So
// neither a large mean nor the order of unlike batches costs digits, and a constant feature has z = 0. Means are pairs
// of F64 (value and rounding error).
// Packed features lie as products want them (panels of product.h), a piece after the other, so that both operands of a
// block are read in place. After packing, every output tile is one serial product per piece; what is of rank two goes
// in with the fold into F64 (MIXED), or after the call (F32, F64). Panels and pieces of samples depend on the problem
// only. Sums of squares are F64 sums, and the diagonal of an own block is taken from them. A series that is in no
// block is not stored.
// Non-finite values show in the sums; only then is the batch scanned for them.
// F32 products of deviations below 1e-19 vanish, and those above 1e19 overflow. So where the largest deviation of a
// series is far from 1, MIXED multiplies z by a power of two after packing, and the fold takes it out again.
#include "routines/moments.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <utility>

#include "routines/moments_rules.h"
#include "routines/product.h"
#include "routines/routines.h"
#include "runtime/blas.h"
#include "runtime/error.h"
#include "runtime/isa.h"
#include "runtime/pool.h"

namespace merganser {

namespace {

constexpr int64_t kNarrowTile = 256, kWideTile = 512;
constexpr int64_t kWide = 512;           // width of a series from which on tiles are wide: faster, but fewer
constexpr int64_t kPiece = kMomentsPiece;  // samples of one packing item
static_assert(kPiece == kPanelDepth);
constexpr int64_t kFeatures = 1024;  // of one item of the merge

CpuMoments& state_of(mg_moments* moments) { return *static_cast<CpuMoments*>(moments); }
const CpuMoments& state_of(const mg_moments* moments) { return *static_cast<const CpuMoments*>(moments); }

// A range of features of one series.
struct FeatureRange {
  int32_t series;
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

// Features of one series that lie side by side in a packed piece, all of them on a level without panels.
int64_t side_by_side(const CpuMoments& state, int32_t series) {
  const int64_t width = state.mode == MG_MOMENTS_F64 ? panel_width<double>() : panel_width<float>();
  return width > 0 ? width : state.widths[series];
}

int64_t padded_width(const CpuMoments& state, int32_t series) {
  const int64_t width = side_by_side(state, series);
  return divide_up(state.widths[series], width) * width;
}

void reserve_scratch(mg_context* context, CpuMoments& state, int64_t rows) {
  const int64_t bytes = state.mode == MG_MOMENTS_F64 ? 8 : 4;
  state.panels.resize(state.widths.size());
  for (size_t s = 0; s < state.widths.size(); ++s) {
    if (in_a_block(state, static_cast<int32_t>(s))) {
      state.panels[s].reserve(rows * padded_width(state, static_cast<int32_t>(s)) * bytes);
    }
    state.sums[s].parts.reserve(2 * divide_up(rows, kPiece) * state.widths[s]);
  }
  if (state.mode == MG_MOMENTS_MIXED) state.tile_scratch.reserve(participants(context) * state.tile * state.tile);
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

// x_0 + mean(x - x_0) over samples spread over the panel: exactly x_0 for a constant feature.
void choose_shift(CpuMoments& state, const Batch& batch, const Panel& panel, int32_t series) {
  SeriesSums& sums = state.sums[series];
  const int64_t width = state.widths[series], rows = std::min(kShiftSamples, panel.rows);
  // The mean of the panel is not known yet, so its place is free.
  double *first = sums.delta.data(), *sum = sums.offset.data(), *shift = sums.shift.data();
  std::fill_n(shift, width, 0.0);
  std::fill_n(first, width, 0.0);
  std::fill_n(sum, width, 0.0);
  batch.sum(series, panel.begin, 1, 1, shift, first);
  batch.sum(series, panel.begin, panel.rows / rows, rows, first, sum);
  for (int64_t f = 0; f < width; ++f) shift[f] = first[f] + sum[f] / static_cast<double>(rows);
}

// Sums and sums of squares of the whole panel, pieces in order: into the first piece.
void add_pieces(CpuMoments& state, const Panel& panel, const FeatureRange& range) {
  double* parts = state.sums[range.series].parts.data();
  const int64_t width = state.widths[range.series];
  for (int64_t piece = 1; piece < divide_up(panel.rows, kPiece); ++piece) {
    for (int64_t half = 0; half < 2; ++half) {
      const double* part = parts + (2 * piece + half) * width + range.feature;
      double* total = parts + half * width + range.feature;
      for (int64_t f = 0; f < range.width; ++f) total[f] += part[f];
    }
  }
}

enum class Packed { kGood, kNonFinite, kFarShift };

Packed judge(const CpuMoments& state, const Panel& panel, int32_t series) {
  const int64_t width = state.widths[series];
  const double* sum = state.sums[series].parts.data();
  const double* square = sum + width;
  const double rows = static_cast<double>(panel.rows);
  bool far = false;
  for (int64_t f = 0; f < width; ++f) {
    if (!std::isfinite(sum[f])) return Packed::kNonFinite;
    // |offset| > deviation
    far = far || 2 * sum[f] * sum[f] > rows * square[f];
  }
  return far ? Packed::kFarShift : Packed::kGood;
}

// Packs all series of a panel; false when there are non-finite values.
bool pack(mg_context* context, CpuMoments& state, const Batch& batch, const Panel& panel,
          const std::vector<FeatureRange>& ranges, bool look) {
  const int64_t pieces = divide_up(panel.rows, kPiece);
  const bool wide = state.mode == MG_MOMENTS_F64;
  const auto series_count = static_cast<int64_t>(state.widths.size());
  std::vector<int32_t> pending(state.widths.size());
  for (size_t s = 0; s < pending.size(); ++s) pending[s] = static_cast<int32_t>(s);
  parallel_for(context, series_count,
               [&](int64_t s, int32_t) { choose_shift(state, batch, panel, static_cast<int32_t>(s)); });
  for (int attempt = 0; attempt < 2 && !pending.empty(); ++attempt) {
    parallel_for(context, pieces * static_cast<int64_t>(pending.size()), [&](int64_t item, int32_t) {
      const int32_t s = pending[item / pieces];
      const int64_t width = state.widths[s], first = item % pieces * kPiece;
      const int64_t rows = std::min(kPiece, panel.rows - first);
      SeriesSums& sums = state.sums[s];
      double* part = sums.parts.data() + item % pieces * 2 * width;
      std::fill_n(part, 2 * width, 0.0);
      char* z = state.panels[s].data();
      if (z) z += first * padded_width(state, s) * (wide ? 8 : 4);
      batch.pack(s, panel.begin + first, rows, sums.shift.data(), z, wide, side_by_side(state, s), part, part + width);
    });
    std::vector<int32_t> again;
    for (const FeatureRange& range : ranges) {
      if (std::find(pending.begin(), pending.end(), range.series) == pending.end()) continue;
      add_pieces(state, panel, range);
    }
    for (int32_t s : pending) {
      const Packed result = judge(state, panel, s);
      if (result == Packed::kNonFinite && look) return false;
      if (result != Packed::kFarShift) continue;
      again.push_back(s);
      if (attempt > 0) continue;
      SeriesSums& sums = state.sums[s];
      for (int64_t f = 0; f < state.widths[s]; ++f) sums.shift[f] += sums.parts[f] / static_cast<double>(panel.rows);
    }
    pending.swap(again);
  }
  return true;
}

int exponent_of(const CpuMoments& state, const Panel& panel, int32_t series) {
  const int64_t width = state.widths[series];
  const double* sum = state.sums[series].parts.data();
  double largest = 0;
  bool some = false;
  for (int64_t f = 0; f < width; ++f) {
    largest = std::max(largest, sum[width + f] / static_cast<double>(panel.rows));
    some = some || sum[f] != 0;
  }
  return deviation_exponent(state, series, largest, some);
}

// Brings what was packed into the range in which F32 products are exact to rounding.
void scale_panels(mg_context* context, CpuMoments& state, const Panel& panel) {
  for (size_t s = 0; s < state.sums.size(); ++s) {
    const auto series = static_cast<int32_t>(s);
    SeriesSums& sums = state.sums[s];
    const int exponent = exponent_of(state, panel, series);
    sums.exponent = -exponent;
    if (exponent == 0) continue;
    const float scale = std::ldexp(1.0f, -exponent);
    float* z = reinterpret_cast<float*>(state.panels[s].data());
    const int64_t width = padded_width(state, series);
    parallel_for(context, divide_up(panel.rows, kPiece), [&](int64_t piece, int32_t) {
      const int64_t end = std::min(panel.rows, (piece + 1) * kPiece) * width;
      for (int64_t e = piece * kPiece * width; e < end; ++e) z[e] *= scale;
    });
  }
}

// Means and sums of squares of a packed panel into the state.
void merge(CpuMoments& state, const Panel& panel, const FeatureRange& range) {
  SeriesSums& sums = state.sums[range.series];
  const int64_t width = state.widths[range.series];
  const double rows = static_cast<double>(panel.rows);
  for (int64_t f = range.feature; f < range.feature + range.width; ++f) {
    const double offset = sums.parts[f] / rows;
    double mean, low, delta = 0;
    add_exactly(sums.shift[f], offset, mean, low);
    if (panel.weight == 0) {
      sums.mean[f] = mean;
      sums.low[f] = low;
    } else {
      delta = (mean - sums.mean[f]) + (low - sums.low[f]);
      add_exactly(sums.mean[f], sums.low[f] + delta * panel.share, sums.mean[f], sums.low[f]);
    }
    sums.offset[f] = offset;
    sums.delta[f] = delta;
    double own = sums.parts[width + f] - rows * offset * offset;
    if (own < 0) own = 0;  // by rounding; NaN is kept
    sums.m2[f] += own + panel.weight * delta * delta;
  }
}

// C = sum(z_x z_y^T) + beta C over a packed panel, for a tile of a block.
template <typename T>
void multiply_tile(const CpuMoments& state, const Panel& panel, const Tile& tile, double beta, T* c, int64_t ldc,
                   Uplo uplo) {
  const int32_t i = state.pair_i[tile.pair], j = state.pair_j[tile.pair];
  const auto piece = [&](int32_t series, int64_t first, int64_t rows, int64_t feature) {
    const int64_t width = side_by_side(state, series);
    return reinterpret_cast<const T*>(state.panels[series].data()) + first * padded_width(state, series) +
           feature / width * width * rows + feature % width;
  };
  // Pieces on every level: one F32 sum over all samples of a panel would cost digits (OpenBLAS for Cooper Lake).
  for (int64_t first = 0; first < panel.rows; first += kPiece) {
    const int64_t rows = std::min(kPiece, panel.rows - first);
    const T *x = piece(i, first, rows, tile.row), *y = piece(j, first, rows, tile.column);
    if (panel_width<T>() == 0) {
      multiply<T>(tile.rows, tile.columns, rows, 1, by_columns(x, state.widths[i]), by_rows(y, state.widths[j]),
                  first == 0 ? beta : 1, by_rows(c, ldc), uplo);
      continue;
    }
    multiply_panels<T>(tile.rows, tile.columns, rows, x, y, first == 0 ? beta : 1, c, ldc, uplo);
  }
}

void accumulate(mg_context* context, CpuMoments& state, const Panel& panel) {
  const bool fold = state.mode == MG_MOMENTS_MIXED;
  const double rows = static_cast<double>(panel.rows);
  parallel_for(context, static_cast<int64_t>(state.tiles.size()), [&](int64_t item, int32_t participant) {
    const Tile& tile = state.tiles[item];
    const int32_t i = state.pair_i[tile.pair], j = state.pair_j[tile.pair];
    const int64_t ld_j = state.widths[j], m = tile.rows, n = tile.columns;
    const bool diagonal = i == j && tile.row == tile.column;
    const Uplo uplo = diagonal ? Uplo::kLower : Uplo::kAll;
    Block& block = state.blocks[tile.pair];
    const int64_t corner = tile.row * ld_j + tile.column;
    const SeriesSums &x_sums = state.sums[i], &y_sums = state.sums[j];
    // row r of the tile, `length` elements: a offset_y + b delta_y
    const auto rank_two = [&](int64_t r, const auto& add) {
      const int64_t length = diagonal ? r + 1 : n;
      add(-rows * x_sums.offset[tile.row + r], y_sums.offset.data() + tile.column,
          panel.weight * x_sums.delta[tile.row + r], y_sums.delta.data() + tile.column, length);
    };
    if (state.mode == MG_MOMENTS_F64) {
      double* c = block.wide.data() + corner;
      multiply_tile(state, panel, tile, 1, c, ld_j, uplo);
      for (int64_t r = 0; r < m; ++r) {
        rank_two(r, [&](double a, const double* u, double b, const double* v, int64_t length) {
          kernels().moments.add_outer[0](a, u, b, v, c + r * ld_j, length);
        });
      }
      return;
    }
    float* c = fold ? state.tile_scratch.data() + participant * state.tile * state.tile : block.narrow.data() + corner;
    const int64_t ldc = fold ? state.tile : ld_j;
    multiply_tile(state, panel, tile, fold ? 0 : 1, c, ldc, uplo);
    double* target = fold ? block.wide.data() + corner : nullptr;
    const double scale = std::ldexp(1.0, -(x_sums.exponent + y_sums.exponent));
    for (int64_t r = 0; r < m; ++r) {
      rank_two(r, [&](double a, const double* u, double b, const double* v, int64_t length) {
        if (fold && scale != 1) {
          double* out = target + r * ld_j;
          for (int64_t e = 0; e < length; ++e) {
            out[e] += static_cast<double>(c[r * ldc + e]) * scale + (a * u[e] + b * v[e]);
          }
        } else if (fold) {
          kernels().moments.fold(c + r * ldc, a, u, b, v, target + r * ld_j, length);
        } else {
          kernels().moments.add_outer[1](a, u, b, v, c + r * ldc, length);
        }
      });
    }
  });
}

// What an update changes, to be put back when one of its later panels has non-finite values.
class Before {
 public:
  explicit Before(const CpuMoments& state) {
    for (const SeriesSums& each : state.sums) {
      for (const Buffer<double>* part : {&each.mean, &each.low, &each.m2}) wide_.push_back(copy(*part));
    }
    for (const Block& each : state.blocks) {
      wide_.push_back(copy(each.wide));
      narrow_.push_back(copy(each.narrow));
    }
  }

  void restore(CpuMoments& state) {
    size_t next = 0;
    for (SeriesSums& each : state.sums) {
      for (Buffer<double>* part : {&each.mean, &each.low, &each.m2}) *part = std::move(wide_[next++]);
    }
    for (size_t k = 0; k < state.blocks.size(); ++k) {
      state.blocks[k].wide = std::move(wide_[next++]);
      state.blocks[k].narrow = std::move(narrow_[k]);
    }
  }

  static int64_t bytes(const CpuMoments& state) {
    int64_t total = 0;
    for (const SeriesSums& each : state.sums) total += 3 * 8 * each.mean.size();
    for (const Block& each : state.blocks) total += 8 * each.wide.size() + 4 * each.narrow.size();
    return total;
  }

 private:
  template <typename T>
  static Buffer<T> copy(const Buffer<T>& from) {
    if (from.size() == 0) return {};
    Buffer<T> result(from.size());
    std::copy_n(from.data(), from.size(), result.data());
    return result;
  }

  std::vector<Buffer<double>> wide_;
  std::vector<Buffer<float>> narrow_;
};

}  // namespace

void moments_create(mg_context* context, int32_t series, const int64_t* widths, int32_t pairs, const int32_t* pair_i,
                    const int32_t* pair_j, int32_t mode, int32_t nonfinite, mg_moments** out) {
  auto state = std::make_unique<CpuMoments>(context, series, widths, pairs, pair_i, pair_j, mode, nonfinite);
  const int64_t widest = *std::max_element(state->widths.begin(), state->widths.end());
  // Tiles begin where panels begin.
  const int64_t panel = state->mode == MG_MOMENTS_F64 ? panel_width<double>() : panel_width<float>();
  const int64_t unit = std::max<int64_t>(1, panel);
  state->tile = divide_up(widest < kWide ? kNarrowTile : kWideTile, unit) * unit;
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
    for (int64_t i = 0; i < rows; i += state->tile) {
      for (int64_t j = 0; j < (own ? i + 1 : columns); j += state->tile) {
        state->tiles.push_back(
            {static_cast<int32_t>(k), i, std::min(state->tile, rows - i), j, std::min(state->tile, columns - j)});
      }
    }
  }
  // After the blocks: what cannot be held at all fails before pages are touched.
  for (int64_t width : state->widths) {
    SeriesSums sums;
    for (Buffer<double>* each : {&sums.mean, &sums.low, &sums.m2, &sums.shift, &sums.offset, &sums.delta}) {
      each->reserve(width);
      std::fill_n(each->data(), width, 0.0);
    }
    state->sums.push_back(std::move(sums));
  }
  *out = state.release();
}

void moments_update(mg_context* context, mg_moments* moments, const void* const* data, int32_t dtype, int64_t outer,
                    int64_t inner, const int64_t* strides) {
  CpuMoments& state = state_of(moments);
  check_complete(state);
  Batch batch(state, data, dtype, outer, inner, strides);
  if (batch.samples() == 0) return;
  const std::vector<FeatureRange> ranges = feature_ranges(state);
  const int64_t rows = panel_rows(state, batch.samples());
  // A failure must leave no trace. With several panels that takes a copy of the state, or a look ahead at the batch,
  // whichever is less.
  bool look = true;
  std::optional<Before> before;
  if (batch.samples() > rows && state.nonfinite == MG_NONFINITE_FAIL) {
    if (Before::bytes(state) < batch.bytes()) {
      before.emplace(state);
    } else {
      batch.scan(context);
      look = false;
    }
  }
  const auto undo = [&] {
    if (!before) return;
    before->restore(state);
    state.incomplete = false;
  };
  reserve_scratch(context, state, rows);
  SerialBlas blas(context);

  for (int64_t begin = 0; begin < batch.kept(); begin += rows) {
    Panel panel(begin, std::min(rows, batch.kept() - begin), state.count + begin);
    if (!pack(context, state, batch, panel, ranges, look)) {
      look = false;
      try {
        batch.scan(context);
      } catch (const Error& error) {
        if (error.status == MG_NUMERICAL) undo();
        throw;
      }
      // Samples before this panel are all kept, so it begins where it did.
      begin -= rows;
      continue;
    }
    try {
      scale_panels(context, state, panel);
    } catch (const Error&) {
      undo();
      throw;
    }
    state.incomplete = true;
    parallel_for(context, static_cast<int64_t>(ranges.size()),
                 [&](int64_t item, int32_t) { merge(state, panel, ranges[item]); });
    accumulate(context, state, panel);
  }
  state.count += batch.kept();
  state.skipped += batch.samples() - batch.kept();
  state.incomplete = false;
}

void moments_series(mg_context*, const mg_moments* moments, int32_t series, double* mean, double* m2) {
  const CpuMoments& state = state_of(moments);
  check_has_samples(state);
  check_no_overflow(state, series, state.sums[series].m2.data());
  const SeriesSums& sums = state.sums[series];
  std::copy_n(sums.mean.data(), state.widths[series], mean);
  std::copy_n(sums.m2.data(), state.widths[series], m2);
}

void moments_block(mg_context* context, const mg_moments* moments, int32_t pair, double* out) {
  const CpuMoments& state = state_of(moments);
  check_has_samples(state);
  const int32_t i = state.pair_i[pair], j = state.pair_j[pair];
  check_no_overflow(state, i, state.sums[i].m2.data());
  check_no_overflow(state, j, state.sums[j].m2.data());
  const Block& block = state.blocks[pair];
  const int64_t rows = state.widths[i], columns = state.widths[j];
  const bool own = i == j, narrow = state.mode == MG_MOMENTS_F32;
  parallel_for(context, rows, [&](int64_t r, int32_t) {
    for (int64_t c = 0; c < (own ? r : columns); ++c) {
      const int64_t at = r * columns + c;
      const double value = narrow ? block.narrow[at] : block.wide[at];
      if (!std::isfinite(value)) products_overflowed(state, pair);
      out[at] = value;
      if (own) out[c * columns + r] = value;
    }
    if (own) out[r * columns + r] = state.sums[i].m2[r];
  });
}

}  // namespace merganser
