// SPDX-License-Identifier: Apache-2.0
// Memory of the device: one range of addresses that is accessible while work runs, and at no other time. Each
// allocation ends at a guard, whose bytes are checked after each piece of work.
#include <sys/mman.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <memory>
#include <new>

#include "control.h"
#include "standin.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
constexpr bool kPoison = true;
#define MG_POISON(at, bytes) ASAN_POISON_MEMORY_REGION(at, bytes)
#define MG_UNPOISON(at, bytes) ASAN_UNPOISON_MEMORY_REGION(at, bytes)
#else
constexpr bool kPoison = false;
#define MG_POISON(at, bytes) static_cast<void>(0)
#define MG_UNPOISON(at, bytes) static_cast<void>(0)
#endif

namespace standin {

namespace {

constexpr size_t kAlignment = 256, kGuard = 256, kReserved = size_t{64} << 30, kMemory = size_t{4} << 30;
// Protection changes in pages of this size, where the system has them, a thousand times faster.
constexpr size_t kHuge = 2 << 20;
constexpr char kGuardByte = 0x5c;

size_t rounded(size_t bytes, size_t to) { return (bytes + to - 1) / to * to; }

size_t span(size_t bytes) { return rounded(bytes, kAlignment) + kGuard; }

class Device {
 public:
  Device() {
    void* range = mmap(nullptr, kReserved + kHuge, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (range == MAP_FAILED) throw std::bad_alloc();
    base_ = reinterpret_cast<char*>(rounded(reinterpret_cast<uintptr_t>(range), kHuge));
    madvise(base_, kReserved, MADV_HUGEPAGE);
  }

  void open() {
    if (++users_ == 1) protect(PROT_READ | PROT_WRITE);
  }
  void close() {
    if (--users_ == 0) protect(PROT_NONE);
  }

  // The first gap that is large enough.
  void* allocate(size_t bytes) {
    const size_t limit = std::min(limit_, kReserved);
    if (bytes > limit || allocated_ > limit - bytes) return nullptr;
    size_t at = 0;
    for (const auto& [begin, size] : blocks_) {
      if (begin - at >= span(bytes)) break;
      at = begin + span(size);
    }
    if (at + span(bytes) > kReserved) return nullptr;
    blocks_[at] = bytes;
    allocated_ += bytes;
    const size_t needed = rounded(at + span(bytes), kHuge);
    if (needed > used_) {
      if (users_ > 0 && mprotect(base_ + used_, needed - used_, PROT_READ | PROT_WRITE) != 0) throw std::bad_alloc();
      used_ = needed;
    }
    open();
    MG_UNPOISON(base_ + at, span(bytes));
    fill_with_garbage(base_ + at, bytes);
    std::memset(base_ + at + bytes, kGuardByte, span(bytes) - bytes);
    MG_POISON(base_ + at + bytes, span(bytes) - bytes);
    close();
    return base_ + at;
  }

  bool release(void* pointer) {
    const auto found = blocks_.find(offset(pointer));
    if (found == blocks_.end()) return false;
    const size_t at = found->first, bytes = found->second;
    open();
    fill_with_garbage(base_ + at, bytes);
    MG_POISON(base_ + at, bytes);
    close();
    allocated_ -= bytes;
    blocks_.erase(found);
    shrink();
    return true;
  }

  bool contains(const void* pointer) const { return offset(pointer) < kReserved; }

  bool holds(const void* pointer, size_t bytes) const {
    auto after = blocks_.upper_bound(offset(pointer));
    if (!contains(pointer) || after == blocks_.begin()) return false;
    --after;
    return offset(pointer) - after->first <= after->second && bytes <= after->second - (offset(pointer) - after->first);
  }

  void check_guards(const char* work) {
    if (kPoison) return;
    for (const auto& [begin, bytes] : blocks_) {
      const char* guard = base_ + begin + bytes;
      const char* end = base_ + begin + span(bytes);
      const auto intact = [](char c) { return c == kGuardByte; };
      const char* written = std::find_if_not(guard, end, intact);
      if (written == end) continue;
      std::memset(base_ + begin + bytes, kGuardByte, span(bytes) - bytes);
      break_device(cudaErrorIllegalAddress, std::string(work) + " wrote " + std::to_string(written - guard) +
                                                " bytes behind an allocation of " + std::to_string(bytes));
    }
  }

  void limit(size_t bytes) { limit_ = bytes; }
  size_t limit() const { return limit_; }
  size_t allocated() const { return allocated_; }

 private:
  size_t offset(const void* pointer) const { return static_cast<size_t>(static_cast<const char*>(pointer) - base_); }

  void protect(int rights) {
    if (used_ > 0 && mprotect(base_, used_, rights) != 0) {
      std::perror("CUDA stand-in: mprotect");
      std::abort();
    }
  }

  // Gives the end back to the system, so that changes of protection stay cheap.
  void shrink() {
    const size_t end = blocks_.empty() ? 0 : blocks_.rbegin()->first + span(blocks_.rbegin()->second);
    const size_t needed = rounded(end, kHuge);
    if (needed + 8 * kHuge > used_) return;
    madvise(base_ + needed, used_ - needed, MADV_DONTNEED);
    mprotect(base_ + needed, used_ - needed, PROT_NONE);
    used_ = needed;
  }

  char* base_;
  std::map<size_t, size_t> blocks_;  // offset: bytes
  size_t used_ = 0, allocated_ = 0, limit_ = kMemory;
  int users_ = 0;
};

Device& device() {
  static Device& only = *new Device;
  return only;
}

// Page-locked memory of the host; `own` came from cudaHostAlloc.
struct Pinned {
  size_t bytes;
  bool own;
};
std::map<const char*, Pinned>& pinned() {
  static auto& only = *new std::map<const char*, Pinned>;
  return only;
}

cudaError_t allocate(const char* name, void** out, size_t bytes) {
  Call call(name);
  if (call.error) return done(call.error);
  if (!out) return refuse(cudaErrorInvalidValue, std::string(name) + " without a place for the pointer");
  *out = nullptr;
  if (bytes > 0) *out = device().allocate(bytes);
  return done(bytes == 0 || *out ? cudaSuccess : cudaErrorMemoryAllocation);
}

cudaError_t allocate_pinned(const char* name, void** out, size_t bytes) {
  Call call(name);
  if (call.error) return done(call.error);
  if (!out) return refuse(cudaErrorInvalidValue, std::string(name) + " without a place for the pointer");
  *out = nullptr;
  if (bytes == 0) return done(cudaSuccess);
  *out = bytes > kReserved ? nullptr : std::aligned_alloc(4096, rounded(bytes, 4096));
  if (!*out) return done(cudaErrorMemoryAllocation);
  fill_with_garbage(*out, bytes);
  MG_POISON(static_cast<char*>(*out) + bytes, rounded(bytes, 4096) - bytes);
  pinned()[static_cast<char*>(*out)] = {bytes, true};
  return done(cudaSuccess);
}

}  // namespace

Access::Access() { device().open(); }
Access::~Access() { device().close(); }

Place place_of(const void* pointer) {
  if (device().contains(pointer)) return Place::DEVICE;
  const char* at = static_cast<const char*>(pointer);
  auto after = pinned().upper_bound(at);
  if (after == pinned().begin()) return Place::PAGEABLE;
  --after;
  return static_cast<size_t>(at - after->first) < after->second.bytes ? Place::PINNED : Place::PAGEABLE;
}

bool on_device(const void* pointer, size_t bytes) { return device().holds(pointer, bytes); }
void check_guards(const char* work) { device().check_guards(work); }

}  // namespace standin

using namespace standin;

cudaError_t cudaMalloc(void** out, size_t bytes) { return allocate("cudaMalloc", out, bytes); }
cudaError_t cudaMallocAsync(void** out, size_t bytes, cudaStream_t stream) {
  Call call("");
  if (!known(stream)) return refuse(cudaErrorInvalidResourceHandle, "cudaMallocAsync on no stream");
  return allocate("cudaMallocAsync", out, bytes);
}
cudaError_t cudaMallocHost(void** out, size_t bytes) { return allocate_pinned("cudaMallocHost", out, bytes); }
cudaError_t cudaHostAlloc(void** out, size_t bytes, unsigned int) {
  return allocate_pinned("cudaHostAlloc", out, bytes);
}

// Waits for all work, as the real ones do.
cudaError_t cudaFree(void* pointer) {
  Call call("");
  run_all();
  if (!pointer || device().release(pointer)) return done(broken());
  return refuse(cudaErrorInvalidValue, "cudaFree of what is no allocation");
}

cudaError_t cudaFreeAsync(void* pointer, cudaStream_t stream) {
  Call call("");
  const bool queued = queue(stream, "cudaFreeAsync", [pointer] {
    if (!device().release(pointer)) break_device(cudaErrorInvalidValue, "cudaFreeAsync of what is no allocation");
  });
  return queued ? done(cudaSuccess) : refuse(cudaErrorInvalidResourceHandle, "cudaFreeAsync on no stream");
}

cudaError_t cudaFreeHost(void* pointer) {
  Call call("");
  run_all();
  if (!pointer) return done(cudaSuccess);
  const auto found = pinned().find(static_cast<char*>(pointer));
  if (found == pinned().end() || !found->second.own) {
    return refuse(cudaErrorInvalidValue, "cudaFreeHost of what is no allocation");
  }
  MG_UNPOISON(pointer, rounded(found->second.bytes, 4096));
  fill_with_garbage(pointer, found->second.bytes);
  pinned().erase(found);
  std::free(pointer);
  return done(cudaSuccess);
}

cudaError_t cudaHostRegister(void* pointer, size_t bytes, unsigned int) {
  Call call("cudaHostRegister");
  if (call.error) return done(call.error);
  if (!pointer || bytes == 0 || place_of(pointer) != Place::PAGEABLE) {
    return refuse(cudaErrorInvalidValue, "cudaHostRegister of what is not ordinary memory");
  }
  pinned()[static_cast<char*>(pointer)] = {bytes, false};
  return done(cudaSuccess);
}

cudaError_t cudaHostUnregister(void* pointer) {
  Call call("");
  run_all();
  const auto found = pinned().find(static_cast<char*>(pointer));
  if (found == pinned().end() || found->second.own) {
    return refuse(cudaErrorInvalidValue, "cudaHostUnregister of what is not registered");
  }
  pinned().erase(found);
  return done(cudaSuccess);
}

cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  Call call("");
  *total = device().limit();
  *free = *total - std::min(*total, device().allocated());
  return done(cudaSuccess);
}

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* pointer) {
  Call call("");
  const Place place = place_of(pointer);
  void* const address = const_cast<void*>(pointer);
  *attributes = {cudaMemoryTypeUnregistered, -1, nullptr, address};
  if (place == Place::PINNED) *attributes = {cudaMemoryTypeHost, 0, address, address};
  if (place == Place::DEVICE && on_device(pointer, 0)) *attributes = {cudaMemoryTypeDevice, 0, address, nullptr};
  return done(cudaSuccess);
}

extern "C" __attribute__((visibility("default"))) void standin_limit_memory(int64_t bytes) {
  device().limit(bytes < 0 ? kMemory : static_cast<size_t>(bytes));
}
extern "C" __attribute__((visibility("default"))) int64_t standin_allocated() {
  return static_cast<int64_t>(device().allocated());
}
