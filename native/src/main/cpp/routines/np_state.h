// SPDX-License-Identifier: Apache-2.0
// What every backend knows about the state of NP Merge; a backend derives its own from it.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/context.h"

struct mg_np {
  mg_np(const mg_context* context, const mg_np_options& given, int32_t slots, const int64_t* all_counts,
        const int64_t* all_rows, const void* const* in)
      : table(context->table),
        options(given),
        counts(all_counts, all_counts + slots),
        rows(all_rows, all_rows + slots),
        inputs(in, in + int64_t{slots} * given.models) {}
  virtual ~mg_np() = default;

  const merganser::Table* table;
  mg_np_options options;
  std::vector<int64_t> counts, rows;
  std::vector<const void*> inputs;  // [slot * models + model]
  int64_t steps = 0;

  int32_t slots() const { return static_cast<int32_t>(counts.size()); }
  // Elements that share one z are `span` consecutive ones.
  int64_t groups(int32_t slot) const {
    return options.granularity == MG_NP_PARAMETER ? counts[slot] : options.granularity == MG_NP_ROW ? rows[slot] : 1;
  }
  int64_t span(int32_t slot) const { return groups(slot) == 0 ? 0 : counts[slot] / groups(slot); }
  int32_t planes() const { return options.form == MG_NP_SOFTMAX ? options.models : 1; }
  bool has(int32_t part) const {
    const bool adam = options.optimizer == MG_NP_ADAM;
    return part == MG_NP_Z || (part == MG_NP_M && (adam || options.momentum != 0)) || (part == MG_NP_V && adam);
  }
};
