// SPDX-License-Identifier: Apache-2.0
// The process-wide pool of threads.
#pragma once

#include <cstdint>
#include <functional>

#include "runtime/context.h"

namespace merganser {

// OpenBLAS serves at most 64 callers at once: 31 workers and 32 holders of the BLAS gate stay below it.
constexpr int32_t kMaxWorkers = 31;

// Number of participants that parallel_for may use, and so the number of slots.
int32_t participants(const mg_context* context);

// Runs fn(task, slot) for every task in [0, tasks). The caller takes part; no two running calls share a slot, and
// slots lie in [0, participants(context)). What a task computes must not depend on its slot. The first exception stops
// further tasks and is thrown to the caller, and so is cancellation.
void parallel_for(mg_context* context, int64_t tasks, const std::function<void(int64_t task, int32_t slot)>& fn);

inline int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

}  // namespace merganser
