// SPDX-License-Identifier: Apache-2.0
// The CPU's table: host memory and the routines, each wrapped so that no exception leaves it.
#include <cstring>

#include "abi/table.h"
#include "routines/routines.h"
#include "runtime/buffer.h"
#include "runtime/error.h"

namespace merganser {

namespace {

void allocate_host(mg_context*, int64_t bytes, void** out) {
  // Views take and release buffers of a tile for each range that is read of them.
  *out = take_scratch(bytes);
  if (!*out) fail(MG_OUT_OF_MEMORY, format("cannot allocate %lld bytes", Long{bytes}));
}

void copy_host(mg_context*, void* to, int32_t to_device, const void* from, int32_t from_device, int64_t bytes) {
  if (to_device != MG_DEVICE_HOST || from_device != MG_DEVICE_HOST) {
    fail(MG_UNAVAILABLE, "a CPU context copies within host memory only");
  }
  if (bytes > 0) std::memmove(to, from, static_cast<size_t>(bytes));
}

}  // namespace

const Table* cpu_table() {
  static const Table table = [] {
    Table t{};
    t.name = "the CPU";
    t.device = MG_DEVICE_HOST;
    t.open = [](mg_context*) -> int32_t { return MG_OK; };
    t.close = [](mg_context*) {};
    t.owns = [](const void*) { return true; };
    t.describe = [] { return ""; };
    t.allocate = Boundary<&allocate_host>::call;
    t.release = &release_scratch;
    t.copy = Boundary<&copy_host>::call;
    t.wait = [](mg_context*, void*) -> int32_t { return MG_OK; };
    t.signal = t.wait;
#define MG_FILL(routine) t.routine = Boundary<&routine>::call;
    MG_ROUTINES(MG_FILL)
#undef MG_FILL
    return t;
  }();
  return &table;
}

}  // namespace merganser
