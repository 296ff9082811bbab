// SPDX-License-Identifier: Apache-2.0
// A registry of the live allocations: it knows their sizes and their backend, and ignores a pointer it never gave.
#include "core/memory.h"

#include <mutex>
#include <unordered_map>

#include "core/error.h"

namespace merganser {

namespace {

struct Allocation {
  int64_t bytes;
  const Table* table;
};

struct Registry {
  std::mutex mutex;
  std::unordered_map<void*, Allocation> live;
  int64_t bytes = 0;
};

Registry& registry() {
  static Registry& only = *new Registry;
  return only;
}

}  // namespace

void* allocate(mg_context* context, int64_t bytes) {
  void* pointer = nullptr;
  // Without a context the memory is on the host, whatever backends there are.
  const Table* table = context ? context->table : cpu_table();
  const int32_t status = table->allocate(context, bytes, &pointer);
  if (status != MG_OK) fail(status, last_error());
  Registry& r = registry();
  try {
    std::lock_guard<std::mutex> lock(r.mutex);
    r.live.emplace(pointer, Allocation{bytes, table});
    r.bytes += bytes;
  } catch (...) {
    table->release(pointer);
    throw;
  }
  return pointer;
}

void release(void* pointer) noexcept {
  if (!pointer) return;
  Registry& r = registry();
  const Table* table;
  {
    std::lock_guard<std::mutex> lock(r.mutex);
    auto found = r.live.find(pointer);
    if (found == r.live.end()) return;
    table = found->second.table;
    r.bytes -= found->second.bytes;
    r.live.erase(found);
  }
  table->release(pointer);
}

int64_t allocated_bytes() noexcept {
  Registry& r = registry();
  std::lock_guard<std::mutex> lock(r.mutex);
  return r.bytes;
}

}  // namespace merganser
