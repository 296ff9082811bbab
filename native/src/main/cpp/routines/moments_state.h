// SPDX-License-Identifier: Apache-2.0
// What every backend knows about a set of moments; a backend derives its own state from it.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/context.h"

struct mg_moments {
  mg_moments(const mg_context* context, int32_t series, const int64_t* all_widths, int32_t pairs, const int32_t* i,
             const int32_t* j, int32_t precision, int32_t policy)
      : table(context->table),
        widths(all_widths, all_widths + series),
        pair_i(i, i + pairs),
        pair_j(j, j + pairs),
        mode(precision == MG_MOMENTS_TF32X3 ? static_cast<int32_t>(MG_MOMENTS_MIXED) : precision),
        tf32x3(precision == MG_MOMENTS_TF32X3),
        nonfinite(policy) {}
  virtual ~mg_moments() = default;

  const merganser::Table* table;
  std::vector<int64_t> widths;
  std::vector<int32_t> pair_i, pair_j;
  int32_t mode;  // MG_MOMENTS_MIXED for MG_MOMENTS_TF32X3, too
  bool tf32x3;
  int32_t nonfinite;
  int64_t count = 0;
  int64_t skipped = 0;
  bool incomplete = false;  // an update stopped half-way
};
