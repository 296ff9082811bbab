// SPDX-License-Identifier: Apache-2.0
// Independent problems of one call at the same time. No result depends on the number of threads, so none depends on how
// they are shared out.
#include "routines/problems.h"

#include <algorithm>

#include "runtime/error.h"
#include "runtime/pool.h"

namespace merganser {

void each_problem(mg_context* context, int64_t count, const std::function<void(mg_context*, int64_t)>& run) {
  if (count == 1) {
    run(context, 0);
    return;
  }
  const int32_t threads = participants(context);
  const int32_t each = static_cast<int32_t>(std::max<int64_t>(1, threads / std::max<int64_t>(1, count)));
  parallel_for(context, count, [&](int64_t k, int32_t) {
    mg_context part;
    part.table = context->table;
    part.backend = context->backend;
    part.threads = each;
    part.device_state = context->device_state;
    of_problem(k, [&] { run(&part, k); });
  });
}

}  // namespace merganser
