// SPDX-License-Identifier: Apache-2.0
// The BLAS gate, and what OpenBLAS says about itself. Its own functions are looked up in the library already loaded, so
// that another BLAS under the same name still links.
#include "runtime/blas.h"

#include <dlfcn.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <list>
#include <mutex>

#include "runtime/error.h"

namespace merganser {

namespace {

constexpr int32_t kMaxHolders = 32;  // with the workers of the pool below the 64 callers that OpenBLAS serves

struct OpenBlas {
  const char* (*core)() = nullptr;
  const char* (*config)() = nullptr;
  int (*get_threads)() = nullptr;
  void (*set_threads)(int) = nullptr;
};

OpenBlas find_openblas() {
  OpenBlas found;
  void* library = dlopen("libopenblas.so.0", RTLD_LAZY | RTLD_NOLOAD);
  if (!library) return found;
  found.core = reinterpret_cast<decltype(found.core)>(dlsym(library, "openblas_get_corename"));
  found.config = reinterpret_cast<decltype(found.config)>(dlsym(library, "openblas_get_config"));
  found.get_threads = reinterpret_cast<decltype(found.get_threads)>(dlsym(library, "openblas_get_num_threads"));
  found.set_threads = reinterpret_cast<decltype(found.set_threads)>(dlsym(library, "openblas_set_num_threads"));
  return found;
}

const OpenBlas& openblas() {
  static const OpenBlas found = find_openblas();
  return found;
}

// First come, first served: a holder of another count is not starved by newcomers of the count in force.
struct Gate {
  std::mutex mutex;
  std::condition_variable changed;
  std::list<const void*> waiting;
  int32_t holders = 0;
  int32_t threads = 0;
  int32_t before = 0;
};

Gate& gate() {
  static Gate& only = *new Gate;
  return only;
}

}  // namespace

const char* blas_core() { return openblas().core ? openblas().core() : "unknown"; }

const char* blas_config() { return openblas().config ? openblas().config() : "unknown"; }

void blas_enter(int32_t threads, const mg_context* context) {
  MG_REQUIRE(threads >= 1, "BLAS threads must be >= 1, not %d", threads);
  Gate& g = gate();
  const char ticket = 0;
  std::unique_lock<std::mutex> lock(g.mutex);
  g.waiting.push_back(&ticket);
  auto may_enter = [&] {
    return g.waiting.front() == &ticket && g.holders < kMaxHolders && (g.holders == 0 || g.threads == threads);
  };
  while (!may_enter()) {
    if (!context) {
      g.changed.wait(lock);
      continue;
    }
    g.changed.wait_for(lock, std::chrono::milliseconds(20));
    if (context->cancelled.load(std::memory_order_relaxed)) {
      g.waiting.remove(&ticket);
      g.changed.notify_all();
      fail(MG_CANCELLED, "cancelled");
    }
  }
  g.waiting.pop_front();
  if (g.holders++ == 0) {
    g.threads = threads;
    g.before = openblas().get_threads ? openblas().get_threads() : 0;
    if (openblas().set_threads && g.before != threads) openblas().set_threads(threads);
  }
  g.changed.notify_all();
}

void blas_leave() {
  Gate& g = gate();
  std::lock_guard<std::mutex> lock(g.mutex);
  if (g.holders == 0) return;
  if (--g.holders == 0 && openblas().set_threads && g.before != g.threads) openblas().set_threads(g.before);
  g.changed.notify_all();
}

int32_t blas_threads() {
  Gate& g = gate();
  std::lock_guard<std::mutex> lock(g.mutex);
  return openblas().get_threads ? openblas().get_threads() : g.threads;
}

int blas_int(int64_t dimension, const char* name) {
  MG_REQUIRE(dimension <= INT32_MAX, "%s = %lld does not fit the 32-bit integers of BLAS", name, Long{dimension});
  return static_cast<int>(dimension);
}

}  // namespace merganser
