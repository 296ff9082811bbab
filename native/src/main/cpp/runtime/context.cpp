// SPDX-License-Identifier: Apache-2.0
#include "runtime/context.h"

#include "runtime/error.h"

namespace merganser {

void check_cancelled(const mg_context* context) {
  if (context->cancelled.load(std::memory_order_relaxed)) fail(MG_CANCELLED, "cancelled");
}

}  // namespace merganser
