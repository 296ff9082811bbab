// SPDX-License-Identifier: Apache-2.0
// What all backends share of moments: how samples are split, on which the bytes of means and sums of squares depend, the
// range of products in F32, and the texts of failures.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>

#include "routines/moments_state.h"
#include "runtime/error.h"

namespace merganser {

constexpr int64_t kMomentsPiece = 512;  // samples that are summed one after the other; pieces are added in order
constexpr int64_t kShiftSamples = 32;   // whose mean is the shift
constexpr int64_t kFewRows = 1024, kPanelRows = 4096;
constexpr int64_t kPanelBytes = int64_t{64} << 20;

constexpr int kPlainExponent = 20;    // deviations up to 2^20 away from 1 are stored as they are
constexpr int kWidestExponent = 110;  // beyond, F32 itself ends
constexpr int kF32Exponent = 50;      // of the F32 mode, whose sums stay F32
constexpr double kLeastSquare = 1e-304;

// Samples of a panel. Few, so that a packed panel is still in a cache when products read it, but many beside the width
// of a block, so that folding stays small beside the products.
inline int64_t panel_rows(const mg_moments& state, int64_t samples) {
  int64_t width = 0, widest = 0;
  for (int64_t each : state.widths) {
    width += each;
    widest = std::max(widest, each);
  }
  const int64_t bytes = width * (state.mode == MG_MOMENTS_F64 ? 8 : 4);
  const int64_t most = std::clamp<int64_t>(kPanelBytes / bytes, 64, kPanelRows);
  return std::min({most, std::max(kFewRows, 2 * widest), samples});
}

inline bool in_a_block(const mg_moments& state, int32_t series) {
  for (size_t k = 0; k < state.pair_i.size(); ++k) {
    if (state.pair_i[k] == series || state.pair_j[k] == series) return true;
  }
  return false;
}

// The power of two by which the deviations of a series are divided before its products, 0 for none. `largest` is the
// largest mean square of a feature about its shift, `some` whether one has a sum other than 0. Fails where squares or
// products have no place in their type.
inline int deviation_exponent(const mg_moments& state, int32_t series, double largest, bool some) {
  if (some && largest < kLeastSquare) {
    fail(MG_NUMERICAL, format("series %d: deviations below %.0e, whose squares vanish; multiply the values by a "
                              "constant first",
                              series, std::sqrt(kLeastSquare)));
  }
  const int exponent = largest > 0 && std::isfinite(largest) ? std::ilogb(largest) / 2 : 0;
  if (state.mode == MG_MOMENTS_F64 || !in_a_block(state, series) || std::abs(exponent) <= kPlainExponent) return 0;
  if (std::abs(exponent) > (state.mode == MG_MOMENTS_F32 ? kF32Exponent : kWidestExponent)) {
    fail(MG_NUMERICAL, format("series %d: deviations of about %.0e have no products in F32; use the F64 mode", series,
                              std::ldexp(1.0, exponent)));
  }
  return state.mode == MG_MOMENTS_F32 ? 0 : exponent;
}

inline void check_complete(const mg_moments& state) {
  MG_REQUIRE(!state.incomplete, "these moments are unusable: an update stopped half-way");
}

inline void check_has_samples(const mg_moments& state) {
  check_complete(state);
  MG_REQUIRE(state.count > 0, "no samples have been added");
}

// m2: the sums of squares of a series, on the host.
inline void check_no_overflow(const mg_moments& state, int32_t series, const double* m2) {
  for (int64_t f = 0; f < state.widths[series]; ++f) {
    if (std::isfinite(m2[f])) continue;
    fail(MG_NUMERICAL,
         format("series %d, feature %lld: the sum of squares overflowed; divide the values by a constant first", series,
                Long{f}));
  }
}

[[noreturn]] inline void products_overflowed(const mg_moments& state, int32_t pair) {
  fail(MG_NUMERICAL,
       format("pair %d: the products overflowed%s", pair,
              state.mode == MG_MOMENTS_F64 ? "; divide the values by a constant first" : "; use the F64 mode"));
}

// The batch is the caller's memory: another thread may have written between two looks at it.
[[noreturn]] inline void activations_changed() {
  fail(MG_NUMERICAL, "the activations changed while they were read");
}

[[noreturn]] inline void not_finite(int32_t series, int64_t sample, int64_t feature, double value) {
  if (std::isfinite(value)) activations_changed();
  fail(MG_NUMERICAL, format("series %d, sample %lld, feature %lld: %s", series, Long{sample}, Long{feature},
                            std::isnan(value) ? "NaN" : "infinite"));
}

}  // namespace merganser
