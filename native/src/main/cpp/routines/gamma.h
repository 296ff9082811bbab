// SPDX-License-Identifier: Apache-2.0
// What the CPU and the CUDA plug-in share of mg_gamma_backward: the order of its sums, and what a refused n or s is told.
#pragma once

#include <cmath>
#include <cstdint>

#include "runtime/error.h"

namespace merganser {

// One n: chunks of elements, each in sixteen lanes added pairwise; then the chunks likewise. One of each column: blocks
// of rows, in order; then the blocks, in order.
constexpr int64_t kGammaChunk = 2048, kGammaRows = 32;

[[noreturn]] inline void refuse_gamma(int64_t i, double n, double s, double least) {
  if (!std::isfinite(s)) fail(MG_INVALID_ARGUMENT, format("s[%lld] is %g", Long{i}, s));
  if (!std::isfinite(n)) fail(MG_INVALID_ARGUMENT, format("n[%lld] is %g", Long{i}, n));
  if (n == 0) fail(MG_INVALID_ARGUMENT, format("n[%lld] is 0, where the activation has a pole", Long{i}));
  fail(MG_INVALID_ARGUMENT, format("n[%lld] = %g is below %g", Long{i}, n, least));
}

}  // namespace merganser
