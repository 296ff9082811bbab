// SPDX-License-Identifier: Apache-2.0
// A context binds a backend, a number of threads and a cancellation flag.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "core/table.h"
#include "merganser.h"

struct mg_context {
  const merganser::Table* table = nullptr;
  int32_t backend = MG_BACKEND_CPU;
  int32_t threads = 1;
  std::atomic<int32_t> cancelled{0};
  int64_t host_to_device = 0;  // bytes that mg_copy moved
  int64_t device_to_host = 0;
  void* device_state = nullptr;             // what the backend keeps for this context
  std::shared_ptr<void> assignment_memory;  // scratch of the assignment solver, see routines/assignment.h
  int32_t assignment_route = 0;
  int64_t assignment_counters[MG_ASSIGNMENT_COUNTERS] = {};
};

namespace merganser {

// Throws MG_CANCELLED when the context was cancelled. Long loops call it between steps.
void check_cancelled(const mg_context* context);

// Reason why CUDA cannot be used, empty when it can; the table is valid only then. It comes from the plug-in beside
// this library, or from the file that MERGANSER_CUDA_PLUGIN names.
const char* cuda_reason();
const Table* cuda_table();

// Lines "name: value" about the device, empty when there is none.
const char* cuda_device();

}  // namespace merganser
