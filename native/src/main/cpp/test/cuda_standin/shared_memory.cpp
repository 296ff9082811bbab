// SPDX-License-Identifier: Apache-2.0
#include "shared_memory.h"

#include <link.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <new>
#include <vector>

#include "standin.h"

namespace standin {

namespace {

constexpr size_t kGrain = 64, kDynamic = 228 << 10, kPage = 4096;

// The thread-local variables of the library with the function.
struct Segment {
  const void* function = nullptr;
  char* begin = nullptr;
  size_t bytes = 0;
};

int find(dl_phdr_info* info, size_t, void* argument) {
  Segment& segment = *static_cast<Segment*>(argument);
  bool mine = false;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr)& header = info->dlpi_phdr[i];
    const ElfW(Addr) begin = info->dlpi_addr + header.p_vaddr, at = reinterpret_cast<ElfW(Addr)>(segment.function);
    if (header.p_type == PT_LOAD && at >= begin && at < begin + header.p_memsz) mine = true;
    if (header.p_type == PT_TLS) segment.bytes = header.p_memsz;
  }
  if (!mine) return 0;
  segment.begin = static_cast<char*>(info->dlpi_tls_data);
  return 1;
}

const char* garbage();

// Each thread of the host has variables of its own.
Segment& known(const void* kernel, void* (*anchor)()) {
  static thread_local std::map<const void*, Segment> all;
  Segment& segment = all[reinterpret_cast<const void*>(anchor)];
  if (segment.begin) return segment;
  anchor();  // so that this thread has them
  segment.function = kernel;
  dl_iterate_phdr(&find, &segment);
  if (!segment.begin) {
    std::fprintf(stderr, "CUDA stand-in: the shared memory of %s is nowhere\n", name_of(kernel).c_str());
    std::abort();
  }
  for (size_t at = 0; at < segment.bytes; at += kGrain) {
    std::memcpy(segment.begin + at, garbage(), std::min(kGrain, segment.bytes - at));
  }
  return segment;
}

struct Use {
  std::vector<size_t> grains;  // of the variables, that the kernel is known to write
  int64_t launches = 0;
};

std::map<const void*, Use>& uses() {
  static auto& only = *new std::map<const void*, Use>;
  return only;
}

Segment* current = nullptr;

// Ends where an inaccessible page begins.
char* dynamic_end() {
  static char* const end = [] {
    void* memory = mmap(nullptr, kDynamic + kPage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED || mprotect(memory, kDynamic, PROT_READ | PROT_WRITE) != 0) throw std::bad_alloc();
    return static_cast<char*>(memory) + kDynamic;
  }();
  return end;
}

char* dynamic_begin = nullptr;

const char* garbage() {
  static const std::vector<char>& only = *[] {
    auto* made = new std::vector<char>(kDynamic);
    fill_with_garbage(made->data(), made->size());
    return made;
  }();
  return only.data();
}

}  // namespace

void* dynamic_shared() { return dynamic_begin; }

SharedMemory::SharedMemory(const void* kernel, void* (*anchor)(), size_t dynamic) : kernel_(kernel), dynamic_(dynamic) {
  current = &known(kernel, anchor);
  const int64_t launches = ++uses()[kernel].launches;
  learn_ = launches <= 8 || (launches & (launches - 1)) == 0;
  dynamic_begin = dynamic_end() - whole();
}

size_t SharedMemory::whole() const { return (dynamic_ + 15) / 16 * 16; }

void SharedMemory::before_block() { std::memcpy(dynamic_begin, garbage(), whole()); }

bool SharedMemory::after_block(bool search) {
  Use& use = uses()[kernel_];
  char* const variables = current->begin;
  const size_t bytes = current->bytes;
  const auto clean = [&](size_t grain) {
    const size_t at = grain * kGrain;
    std::memcpy(variables + at, garbage() + at % kGrain, std::min(kGrain, bytes - at));
  };
  for (size_t grain : use.grains) clean(grain);
  for (size_t at = 0; learn_ && search && at < bytes; at += kGrain) {
    if (std::memcmp(variables + at, garbage(), std::min(kGrain, bytes - at)) == 0) continue;
    use.grains.push_back(at / kGrain);
    clean(at / kGrain);
  }
  return std::memcmp(dynamic_begin + dynamic_, garbage() + dynamic_, whole() - dynamic_) == 0;
}

}  // namespace standin
