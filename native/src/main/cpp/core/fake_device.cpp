// SPDX-License-Identifier: Apache-2.0
// Its memory is the host's, behind addresses that nobody may touch: each allocation is a reserved range without access
// and a block of ordinary memory. Code that reads a device pointer without mg_copy crashes, as it would with a GPU. The
// routines are those of the CPU, given the addresses of the ordinary memory.
#include "core/fake_device.h"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>

#include "core/buffer.h"
#include "core/error.h"
#include "routines/routines.h"

namespace merganser {

namespace {

struct Block {
  char* memory;
  size_t reserved;
};

struct FakeMemory {
  std::mutex mutex;
  std::map<uintptr_t, Block> blocks;
};

FakeMemory& fake() {
  static FakeMemory& only = *new FakeMemory;
  return only;
}

uintptr_t number(const void* pointer) { return reinterpret_cast<uintptr_t>(pointer); }

// The ordinary memory behind a device pointer; other pointers and values are themselves.
template <typename T>
T* behind(T* pointer) {
  FakeMemory& f = fake();
  std::lock_guard<std::mutex> lock(f.mutex);
  auto after = f.blocks.upper_bound(number(pointer));
  if (after == f.blocks.begin()) return pointer;
  const auto& [begin, block] = *--after;
  const uintptr_t offset = number(pointer) - begin;
  if (offset >= block.reserved) return pointer;
  return reinterpret_cast<T*>(block.memory + offset);
}

template <typename T>
T behind(T value) {
  return value;
}

void allocate_fake(mg_context*, int64_t bytes, void** out) {
  const auto refuse = [&] {
    fail(MG_OUT_OF_MEMORY, format("cannot allocate %lld bytes on the fake device", static_cast<long long>(bytes)));
  };
  char* memory = static_cast<char*>(allocate_aligned(bytes));
  if (!memory) refuse();
  const size_t reserved = static_cast<size_t>(bytes) + 1;
  void* range = mmap(nullptr, reserved, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (range == MAP_FAILED) {
    std::free(memory);
    refuse();
  }
  FakeMemory& f = fake();
  std::lock_guard<std::mutex> lock(f.mutex);
  f.blocks[number(range)] = {memory, reserved};
  *out = range;
}

void release_fake(void* pointer) {
  FakeMemory& f = fake();
  std::lock_guard<std::mutex> lock(f.mutex);
  auto found = f.blocks.find(number(pointer));
  if (found == f.blocks.end()) return;
  std::free(found->second.memory);
  munmap(pointer, found->second.reserved);
  f.blocks.erase(found);
}

void copy_fake(mg_context*, void* to, int32_t, const void* from, int32_t, int64_t bytes) {
  if (bytes > 0) std::memmove(behind(to), behind(from), static_cast<size_t>(bytes));
}

void moments_update_fake(mg_context* context, mg_moments* moments, const void* const* data, int32_t dtype,
                         int64_t outer, int64_t inner, const int64_t* strides) {
  std::vector<const void*> local;
  for (size_t s = 0; s < moments->widths.size(); ++s) local.push_back(behind(data[s]));
  moments_update(context, moments, local.data(), dtype, outer, inner, strides);
}

void weighted_sum_fake(mg_context* context, int32_t dtype, int64_t count, int32_t models, const void* const* in,
                       const double* weights, void* out) {
  std::vector<const void*> local;
  for (int32_t k = 0; k < models; ++k) local.push_back(behind(in[k]));
  weighted_sum(context, dtype, count, models, local.data(), weights, behind(out));
}

template <auto Routine, typename Signature = decltype(Routine)>
struct Fake;

template <auto Routine, typename... Arguments>
struct Fake<Routine, void (*)(mg_context*, Arguments...)> {
  static int32_t call(mg_context* context, Arguments... arguments) noexcept {
    return guard([&] { Routine(context, behind(arguments)...); });
  }
};

}  // namespace

const Table* fake_table() {
  static const Table table = {
      "the fake device",
      MG_DEVICE_CUDA,
      [](mg_context*) -> int32_t { return MG_OK; },
      [](mg_context*) {},
      [](const void*) { return false; },
      [] { return "name: fake device in host memory\n"; },
      Boundary<&allocate_fake>::call,
      &release_fake,
      Boundary<&copy_fake>::call,
      Fake<&moments_create>::call,
      &moments_destroy,
      Boundary<&moments_update_fake>::call,
      Fake<&moments_stream>::call,
      Fake<&moments_block>::call,
      Fake<&gemm>::call,
      Fake<&polar>::call,
      Fake<&cca_map>::call,
      Fake<&assignment>::call,
      Fake<&assignment_certify>::call,
      Fake<&apply_dense>::call,
      Fake<&apply_gather>::call,
      Boundary<&weighted_sum_fake>::call,
      Fake<&convert>::call,
      Fake<&nonfinite_count>::call,
  };
  return &table;
}

}  // namespace merganser
