// SPDX-License-Identifier: Apache-2.0
// The CPU's table: host memory and the routines, each wrapped so that no exception leaves it.
#include <cstdlib>
#include <cstring>

#include "core/buffer.h"
#include "core/error.h"
#include "core/table.h"
#include "routines/routines.h"

namespace merganser {

namespace {

void allocate_host(mg_context*, int64_t bytes, void** out) {
  *out = allocate_aligned(bytes);
  if (!*out) fail(MG_OUT_OF_MEMORY, format("cannot allocate %lld bytes", static_cast<long long>(bytes)));
}

void copy_host(mg_context*, void* to, int32_t to_device, const void* from, int32_t from_device, int64_t bytes) {
  if (to_device != MG_DEVICE_HOST || from_device != MG_DEVICE_HOST) {
    fail(MG_UNAVAILABLE, "a CPU context copies within host memory only");
  }
  if (bytes > 0) std::memmove(to, from, static_cast<size_t>(bytes));
}

}  // namespace

const Table* cpu_table() {
  static const Table table = {
      "the CPU",
      MG_DEVICE_HOST,
      [](mg_context*) -> int32_t { return MG_OK; },
      [](mg_context*) {},
      [](const void*) { return true; },
      [] { return ""; },
      Boundary<&allocate_host>::call,
      &std::free,
      Boundary<&copy_host>::call,
      Boundary<&moments_create>::call,
      &moments_destroy,
      Boundary<&moments_update>::call,
      Boundary<&moments_stream>::call,
      Boundary<&moments_block>::call,
      Boundary<&gemm>::call,
      Boundary<&polar>::call,
      Boundary<&cca_map>::call,
      Boundary<&divide>::call,
      Boundary<&norm>::call,
      Boundary<&row_products>::call,
      Boundary<&assignment>::call,
      Boundary<&assignment_warm>::call,
      Boundary<&assignment_factors>::call,
      Boundary<&assignment_batch>::call,
      Boundary<&assignment_certify>::call,
      Boundary<&assignment_factors_certify>::call,
      Boundary<&apply_dense>::call,
      Boundary<&apply_gather>::call,
      Boundary<&weighted_sum>::call,
      Boundary<&convert>::call,
      Boundary<&nonfinite_count>::call,
      Boundary<&task_merge>::call,
      Boundary<&kth_magnitude>::call,
      Boundary<&products>::call,
      Boundary<&stream>::call,
      Boundary<&np_create>::call,
      &np_destroy,
      Boundary<&np_theta>::call,
      Boundary<&np_step>::call,
      Boundary<&np_state>::call,
      Boundary<&np_load>::call,
      Boundary<&np_resume>::call,
  };
  return &table;
}

}  // namespace merganser
