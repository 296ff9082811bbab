// SPDX-License-Identifier: Apache-2.0
// Memory handed out through the C ABI, counted over all devices.
#pragma once

#include <cstdint>

#include "core/context.h"

namespace merganser {

void* allocate(mg_context* context, int64_t bytes);
void release(void* pointer) noexcept;
int64_t allocated_bytes() noexcept;

}  // namespace merganser
