// SPDX-License-Identifier: Apache-2.0
// The process-wide pool of threads.
#pragma once

#include <cstdint>
#include <functional>

#include "runtime/context.h"

namespace merganser {

// OpenBLAS serves at most 64 callers at once: 31 workers and 32 holders of the BLAS gate stay below it.
constexpr int32_t kMaxWorkers = 31;

// Number of threads that parallel_for may use, the caller among them.
int32_t participants(const mg_context* context);

// Runs fn(item, participant) for every item in [0, items). The caller takes part; no two running calls have the same
// participant, and participants lie in [0, participants(context)). What an item computes must not depend on it. An
// exception stops further items; that of the first item which fails is thrown to the caller, and so is cancellation.
void parallel_for(mg_context* context, int64_t items, const std::function<void(int64_t item, int32_t participant)>& fn);

inline int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

}  // namespace merganser
