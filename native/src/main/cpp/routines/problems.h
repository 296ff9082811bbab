// SPDX-License-Identifier: Apache-2.0
// Independent problems of one call at the same time.
#pragma once

#include <cstdint>
#include <functional>

#include "runtime/context.h"

namespace merganser {

// run(context, k) for every problem k in [0, count). The threads are shared out: over the problems first, and what is
// left over goes into each. A failure is thrown with "problem k: " before its text when there are several.
void each_problem(mg_context*, int64_t count, const std::function<void(mg_context*, int64_t)>& run);

}  // namespace merganser
