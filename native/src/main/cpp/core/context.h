// SPDX-License-Identifier: Apache-2.0
// A context binds a backend, a number of threads and a cancellation flag.
#pragma once

#include <atomic>
#include <cstdint>

#include "core/table.h"
#include "merganser.h"

struct mg_context {
  const merganser::Table* table = nullptr;
  int32_t backend = MG_BACKEND_CPU;
  int32_t threads = 1;
  std::atomic<int32_t> cancelled{0};
};

namespace merganser {

// Throws MG_CANCELLED when the context was cancelled. Long loops call it between steps.
void check_cancelled(const mg_context* context);

// Reason why CUDA cannot be used, empty when it can; the table is valid only then.
const char* cuda_reason();
const Table* cuda_table();

}  // namespace merganser
