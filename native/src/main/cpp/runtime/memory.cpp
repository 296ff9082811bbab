// SPDX-License-Identifier: Apache-2.0
// A registry of the live allocations: it knows their sizes and their backend, ignores a pointer it never gave, and
// tells a routine whether a pointer, or one into the middle of an allocation, is on its device.
#include "runtime/memory.h"

#include <atomic>
#include <map>
#include <mutex>

#include "abi/table.h"
#include "runtime/error.h"

namespace merganser {

namespace {

struct Allocation {
  int64_t bytes;
  const Table* table;
};

struct Registry {
  std::mutex mutex;
  std::map<uintptr_t, Allocation> live;
  int64_t bytes = 0;
  std::atomic<int64_t> on_devices{0};  // allocations that are not on the host
};

uintptr_t number(const void* pointer) { return reinterpret_cast<uintptr_t>(pointer); }

Registry& registry() {
  static Registry& only = *new Registry;
  return only;
}

// Backend whose memory this is, NULL when the caller's own.
const Table* owner(const void* pointer) {
  Registry& r = registry();
  std::lock_guard<std::mutex> lock(r.mutex);
  auto after = r.live.upper_bound(number(pointer));
  if (after == r.live.begin()) return nullptr;
  const auto& [begin, allocation] = *--after;
  const uintptr_t offset = number(pointer) - begin;
  return offset == 0 || offset < static_cast<uintptr_t>(allocation.bytes) ? allocation.table : nullptr;
}

// Where it lies, as messages say it; NULL when on the device of `table`.
const char* elsewhere(const Table* table, const void* pointer) {
  const bool host = table->device == MG_DEVICE_HOST;
  if (host && registry().on_devices.load(std::memory_order_relaxed) == 0) return nullptr;
  const Table* found = owner(pointer);
  if (found == table || (!found && table->owns(pointer))) return nullptr;
  return !found || found->device == MG_DEVICE_HOST ? "the host" : found->name;
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
    r.live.emplace(number(pointer), Allocation{bytes, table});
    r.bytes += bytes;
    if (table->device != MG_DEVICE_HOST) ++r.on_devices;
  } catch (...) {
    table->release(pointer, bytes);
    throw;
  }
  return pointer;
}

void release(void* pointer) noexcept {
  if (!pointer) return;
  Registry& r = registry();
  Allocation released;
  {
    std::lock_guard<std::mutex> lock(r.mutex);
    auto found = r.live.find(number(pointer));
    if (found == r.live.end()) return;
    released = found->second;
    r.bytes -= released.bytes;
    if (released.table->device != MG_DEVICE_HOST) --r.on_devices;
    r.live.erase(found);
  }
  released.table->release(pointer, released.bytes);
}

int64_t allocated_bytes() noexcept {
  Registry& r = registry();
  std::lock_guard<std::mutex> lock(r.mutex);
  return r.bytes;
}

void check_resident(const mg_context* context, const void* pointer, const char* routine, const char* name,
                    int32_t index) {
  const char* place = elsewhere(context->table, pointer);
  if (!place) return;
  const std::string which = index < 0 ? name : format("%s[%d]", name, index);
  fail(MG_INVALID_ARGUMENT,
       format("%s of %s lies on %s, the context runs on %s", which.c_str(), routine, place, context->table->name));
}

void check_on_host(const void* pointer, const char* routine, const char* name) {
  const char* place = elsewhere(cpu_table(), pointer);
  MG_REQUIRE(!place, "%s of %s lies on %s, it is a list on the host", name, routine, place);
}

void check_device(const mg_context* context, const void* pointer, int32_t device, const char* name) {
  const Table* table = device == MG_DEVICE_HOST ? cpu_table() : context->table;
  const char* place = elsewhere(table, pointer);
  MG_REQUIRE(!place, "%s of copy lies on %s, not on %s", name, place,
             device == MG_DEVICE_HOST ? "the host" : table->name);
}

}  // namespace merganser
