// SPDX-License-Identifier: Apache-2.0
// What backends share of ranked_drop: the same numbers, so the same bytes.
#pragma once

#include <cstdint>
#include <vector>

#include "merganser.h"

namespace merganser {

// Of each rank within a row, the smallest magnitude first.
template <typename Real>
struct DropLimits {
  std::vector<uint32_t> below;  // kept when the word is below
  std::vector<Real> scale;      // the inverse of the probability

  DropLimits(int64_t length, const mg_ranked_drop_options& options)
      : below(static_cast<size_t>(length)), scale(static_cast<size_t>(length)) {
    for (int64_t rank = 0; rank < length; ++rank) {
      const double p = length == 1 ? options.density
                                   : options.density - options.epsilon +
                                         static_cast<double>(rank) / static_cast<double>(length - 1) *
                                             (2 * options.epsilon);
      below[rank] = static_cast<uint32_t>(p * 4294967296.0);
      scale[rank] = static_cast<Real>(1 / p);
    }
  }
};

}  // namespace merganser
