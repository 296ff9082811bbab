// SPDX-License-Identifier: Apache-2.0
// Memory handed out through the C ABI, counted over all devices.
#pragma once

#include <cstdint>

#include "runtime/context.h"

namespace merganser {

void* allocate(mg_context* context, int64_t bytes);
void release(void* pointer) noexcept;
int64_t allocated_bytes() noexcept;

// Fails with MG_INVALID_ARGUMENT unless the routines of `context` can use the memory at `pointer`, named `name` in
// `routine`; index >= 0 is added to the name.
void check_resident(const mg_context* context, const void* pointer, const char* routine, const char* name,
                    int32_t index = -1);

// Fails unless the memory lies on the host, as lists and small results do.
void check_on_host(const void* pointer, const char* routine, const char* name);

// Fails unless the memory lies on the device that the caller of mg_copy says.
void check_device(const mg_context* context, const void* pointer, int32_t device, const char* name);

}  // namespace merganser
