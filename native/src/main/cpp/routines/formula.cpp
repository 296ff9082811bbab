// SPDX-License-Identifier: Apache-2.0
// Formulas of mergers over arrays: tiles in the first-level cache, sums of chunks in order.
#include <algorithm>
#include <cstring>

#include "routines/output.h"
#include "routines/routines.h"
#include "runtime/buffer.h"
#include "runtime/isa.h"
#include "runtime/pool.h"

namespace merganser {

namespace {

constexpr int64_t kChunk = 16384;

// The bits in which the kernels compare.
uint64_t bits_of_real(int32_t dtype, double x) {
  uint64_t wide;
  uint32_t narrow;
  const float rounded = static_cast<float>(x);
  std::memcpy(&wide, &x, sizeof wide);
  std::memcpy(&narrow, &rounded, sizeof narrow);
  return dtype == MG_F64 ? wide : narrow;
}

FormulaTile tile_of(int32_t formula, int32_t dtype, int64_t first, int32_t models, const void* base,
                    const void* const* in, const double* parameters, const mg_threshold* selected) {
  FormulaTile tile{formula, models, base, in, parameters, 0, INT64_MAX - 1};
  if (selected) {
    tile.least = bits_of_real(dtype, selected->threshold);
    tile.last = std::clamp<int64_t>(selected->last - first, -1, INT64_MAX - 1);
  }
  return tile;
}

}  // namespace

void formula_merge(mg_context* context, int32_t dtype, int32_t formula, int64_t first, int64_t count, int32_t models,
                   const void* base, const void* const* in, const double* parameters, const mg_threshold* selected,
                   void* out) {
  const auto run = kernels().merge.formula[dtype];
  const FormulaTile tile = tile_of(formula, dtype, first, models, base, in, parameters, selected);
  const int64_t bytes = size_of(dtype);
  const Output output(count * bytes);
  parallel_for(context, divide_up(count, kChunk), [&](int64_t chunk, int32_t) {
    alignas(64) char result[kFormulaTile * sizeof(double)];
    const int64_t end = std::min(count, (chunk + 1) * kChunk);
    for (int64_t begin = chunk * kChunk; begin < end; begin += kFormulaTile) {
      const int32_t n = static_cast<int32_t>(std::min<int64_t>(kFormulaTile, end - begin));
      run(tile, begin, result, n);
      output.put(result, static_cast<char*>(out) + begin * bytes, n * bytes);
    }
    output.finish();
  });
}

void formula_sums(mg_context* context, int32_t dtype, int32_t sum, int64_t first, int64_t count, int32_t models,
                  const void* base, const void* const* in, const double* parameters, const mg_threshold* selected,
                  double* sums) {
  const auto run = kernels().merge.formula_sums[dtype];
  const FormulaTile tile = tile_of(sum, dtype, first, models, base, in, parameters, selected);
  const int64_t chunks = divide_up(count, kChunk), values = int64_t{models} * (sum == MG_FORMULA_SQUARES ? 1 : 2);
  Buffer<double> parts(chunks, values);
  parallel_for(context, chunks, [&](int64_t chunk, int32_t) {
    run(tile, chunk * kChunk, &parts[chunk * values], std::min(kChunk, count - chunk * kChunk));
  });
  for (int64_t v = 0; v < values; ++v) {
    double total = 0;
    for (int64_t c = 0; c < chunks; ++c) total += parts[c * values + v];
    sums[v] = total;
  }
}

void row_divergences(mg_context* context, int32_t dtype, int64_t rows, int64_t cols, const void* x, const void* base,
                     double* out) {
  const auto run = kernels().merge.row_divergence[dtype];
  const int64_t bytes = cols * size_of(dtype);
  const int64_t together = divide_up(kChunk, cols);  // short rows
  parallel_for(context, divide_up(rows, together), [&](int64_t item, int32_t) {
    for (int64_t row = item * together; row < std::min(rows, (item + 1) * together); ++row) {
      out[row] = run(static_cast<const char*>(x) + row * bytes, static_cast<const char*>(base) + row * bytes, cols);
    }
  });
}

void fusion_scores(mg_context* context, int32_t dtype, int64_t skipped, int64_t count, int64_t cols, const void* x,
                   const void* base, const double* divergences, void* out) {
  const auto run = kernels().merge.fusion_scores[dtype];
  const int64_t bytes = size_of(dtype), out_bytes = dtype == MG_F64 ? 8 : 4;
  parallel_for(context, divide_up(count, kChunk), [&](int64_t item, int32_t) {
    const int64_t end = std::min(count, (item + 1) * kChunk);
    for (int64_t begin = item * kChunk; begin < end;) {
      const int64_t row = (skipped + begin) / cols, n = std::min(end - begin, (row + 1) * cols - skipped - begin);
      run(static_cast<const char*>(x) + begin * bytes, static_cast<const char*>(base) + begin * bytes, divergences[row],
          static_cast<char*>(out) + begin * out_bytes, n);
      begin += n;
    }
  });
}

}  // namespace merganser
