// SPDX-License-Identifier: Apache-2.0
// One block at a time, one warp at a time, one thread at a time. The threads of a warp run in turn until each waits or
// has ended; a warp whose threads all wait for it goes on, one that waits for the block lets the next one run.
#include <sys/mman.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <memory>
#include <numeric>
#include <vector>

#include "fiber.h"
#include "shared_memory.h"
#include "standin.h"

dim3 gridDim, blockDim;
uint3 blockIdx, threadIdx;

namespace standin {

namespace {

struct Thread {
  enum State { NEW, READY, AT_WARP, AT_BLOCK, ENDED };
  State state = NEW;
  Context* context = nullptr;
  uint3 index{};
  int number = 0;
  Site site{};
};

struct Warp {
  int first = 0, count = 0, side = 0;
  bool waits = false;         // for the block, or has ended
  uint64_t brought[2][32];    // the next operation may begin before all have read the last one's values
  const uint64_t* values = nullptr;
};

std::string text(const uint3& at) {
  return "(" + std::to_string(at.x) + ", " + std::to_string(at.y) + ", " + std::to_string(at.z) + ")";
}

std::string text(const Site& site) {
  const std::string file = site.file;
  return std::string(site.what) + " at " + file.substr(file.rfind('/') + 1) + ":" + std::to_string(site.line);
}

std::string text(const Thread& thread) {
  const std::string who = "thread " + text(thread.index);
  return who + (thread.state == Thread::ENDED ? " has ended" : " waits for " + text(thread.site));
}

bool same(const char* a, const char* b) { return a == b || std::strcmp(a, b) == 0; }
bool same(const Site& a, const Site& b) { return a.line == b.line && same(a.what, b.what) && same(a.file, b.file); }

class Block {
 public:
  void run(const std::function<void()>& body, dim3 size) {
    body_ = &body;
    const int count = static_cast<int>(size.x * size.y * size.z);
    threads_.assign(static_cast<size_t>(count), Thread());
    for (int t = 0; t < count; ++t) {
      const unsigned int n = static_cast<unsigned int>(t);
      threads_[t].index = {n % size.x, n / size.x % size.y, n / size.x / size.y};
      threads_[t].number = t;
    }
    warps_.resize(static_cast<size_t>((count + 31) / 32));
    for (size_t w = 0; w < warps_.size(); ++w) {
      warps_[w].first = static_cast<int>(32 * w);
      warps_[w].count = std::min(32, count - warps_[w].first);
      warps_[w].waits = false;
    }
    error_.clear();
    voted_ = 0;
    scheduler_ = Context();  // this thread's stack
    do {
      run_warps();
    } while (error_.empty() && release_block());
    for (Thread& thread : threads_) {
      if (thread.context) give_back(thread);  // after an error
    }
  }

  const std::string& error() const { return error_; }

  int block_barrier(const Site& site, int predicate) {
    voted_ += predicate != 0;
    wait(Thread::AT_BLOCK, site);
    return votes_;
  }

  const uint64_t* warp_exchange(const Site& site, unsigned int mask, uint64_t value) {
    Warp& warp = warps_[self_->number / 32];
    if (mask != 0xffffffffu) stop(site, "has a mask that is not of the whole warp");
    if (warp.count < 32) stop(site, "is in a warp of less than 32 threads");
    warp.brought[warp.side][self_->number % 32] = value;
    wait(Thread::AT_WARP, site);
    return warp.values;
  }

  // The thread never goes on, so nothing of its stack is ever destroyed.
  void stop(const Site& site, const char* why) {
    if (error_.empty()) error_ = "thread " + text(self_->index) + " " + why + " in " + text(site);
    position_ = turn_.size();
    self_->site = site;
    wait(Thread::AT_BLOCK, site);
  }

  int lane() const { return self_->number % 32; }

 private:
  // All that can be done without the block's barrier.
  void run_warps() {
    std::vector<int> order(warps_.size());
    std::iota(order.begin(), order.end(), 0);
    if (standin::order() == Order::BACKWARD) std::reverse(order.begin(), order.end());
    if (standin::order() != Order::SHUFFLED) {
      for (int w : order) {
        while (error_.empty() && !warps_[w].waits) run_warp(warps_[w]);
      }
      return;
    }
    while (error_.empty() && !order.empty()) {
      const size_t at = random_number() % order.size();
      if (!warps_[order[at]].waits) run_warp(warps_[order[at]]);
      if (warps_[order[at]].waits) {
        order[at] = order.back();
        order.pop_back();
      }
    }
  }

  // Until each of its threads waits; then those that wait for the warp are ready again.
  void run_warp(Warp& warp) {
    turn_.resize(static_cast<size_t>(warp.count));
    std::iota(turn_.begin(), turn_.end(), warp.first);
    if (standin::order() == Order::BACKWARD) std::reverse(turn_.begin(), turn_.end());
    if (standin::order() == Order::SHUFFLED) shuffle(turn_.data(), warp.count);
    position_ = 0;
    go_on(nullptr, scheduler_);
    if (!error_.empty()) return;
    Thread* const begin = &threads_[warp.first];
    Thread* const end = begin + warp.count;
    const auto at_warp = [](const Thread& t) { return t.state == Thread::AT_WARP; };
    Thread* const waiting = std::find_if(begin, end, at_warp);
    warp.waits = waiting == end;
    if (warp.waits) return;
    for (Thread* thread = begin; thread < end; ++thread) {
      if (!at_warp(*thread) || !same(thread->site, waiting->site)) {
        error_ = text(*waiting) + ", but " + text(*thread);
        return;
      }
    }
    warp.values = warp.brought[warp.side];
    warp.side ^= 1;
    for (Thread* thread = begin; thread < end; ++thread) thread->state = Thread::READY;
  }

  // Whether there was a barrier to pass.
  bool release_block() {
    const auto ended = [](const Thread& t) { return t.state == Thread::ENDED; };
    const auto waiting = std::find_if_not(threads_.begin(), threads_.end(), ended);
    if (waiting == threads_.end()) return false;
    for (Thread& thread : threads_) {
      if (ended(thread) || !same(thread.site, waiting->site)) {
        error_ = text(*waiting) + ", but " + text(thread);
        return false;
      }
    }
    votes_ = voted_;
    voted_ = 0;
    for (Thread& thread : threads_) thread.state = Thread::READY;
    for (Warp& warp : warps_) warp.waits = false;
    return true;
  }

  void wait(Thread::State state, const Site& site) {
    Thread* const thread = self_;
    thread->state = state;
    thread->site = site;
    go_on(thread, *thread->context);
  }

  // Leaves a thread that waits, or the scheduler, for the next in turn; the scheduler comes last.
  void go_on(Thread* thread, Context& from) {
    Context* to = &scheduler_;
    if (position_ < turn_.size()) to = resume(next());
    if (to != &from) switch_to(from, *to);
    if (thread) self_ = thread, threadIdx = thread->index;
  }

  // The next that can run, if any; moves position_ beyond it.
  Thread* next() {
    while (position_ < turn_.size()) {
      Thread& thread = threads_[turn_[position_++]];
      if (thread.state == Thread::NEW || thread.state == Thread::READY) return &thread;
    }
    return nullptr;
  }

  Context* resume(Thread* thread) {
    if (!thread) return &scheduler_;
    self_ = thread;
    if (!thread->context) {
      thread->context = take();
      prepare(*thread->context, &begin);
    }
    return thread->context;
  }

  static void begin();

  // Runs threads that are new, one after the other on this stack, as long as they do not wait.
  void run_threads() {
    for (;;) {
      Thread* thread = self_;
      threadIdx = thread->index;
      (*body_)();
      thread->state = Thread::ENDED;
      Context& mine = *thread->context;
      Thread* following = next();
      if (following && !following->context) {
        following->context = &mine;
        thread->context = nullptr;
        self_ = following;
        continue;
      }
      give_back(*thread);
      switch_to(mine, *resume(following), true);
    }
  }

  Context* take() {
    if (free_.empty()) {
      all_.push_back(std::make_unique<Context>());
      allocate_stack(*all_.back());
      free_.push_back(all_.back().get());
    }
    Context* context = free_.back();
    free_.pop_back();
    return context;
  }

  void give_back(Thread& thread) {
    free_.push_back(thread.context);
    thread.context = nullptr;
  }

  std::vector<Thread> threads_;
  std::vector<Warp> warps_;
  std::vector<int> turn_;  // threads of the warp that runs
  size_t position_ = 0;
  Thread* self_ = nullptr;
  const std::function<void()>* body_ = nullptr;
  std::string error_;
  int voted_ = 0, votes_ = 0;
  Context scheduler_;
  std::vector<Context*> free_;
  std::vector<std::unique_ptr<Context>> all_;
};

Block& block() {
  static Block& only = *new Block;
  return only;
}

void Block::begin() {
  entered();
  block().run_threads();
}

// Blocks in the order asked for; one that fails ends the launch.
void run_grid(const void* kernel, dim3 grid, dim3 size, SharedMemory& shared, const std::function<void()>& body) {
  gridDim = grid;
  blockDim = size;
  const int64_t count = int64_t{grid.x} * grid.y * grid.z;
  std::vector<int> numbers;
  if (order() == Order::SHUFFLED) {
    numbers.resize(static_cast<size_t>(count));
    std::iota(numbers.begin(), numbers.end(), 0);
    shuffle(numbers.data(), static_cast<int>(count));
  }
  for (int64_t b = 0; b < count; ++b) {
    const int64_t number = order() == Order::SHUFFLED ? numbers[b] : order() == Order::FORWARD ? b : count - 1 - b;
    blockIdx = {static_cast<unsigned int>(number % grid.x), static_cast<unsigned int>(number / grid.x % grid.y),
                static_cast<unsigned int>(number / grid.x / grid.y)};
    shared.before_block();
    block().run(body, size);
    std::string error = block().error();
    const bool intact = shared.after_block(b == 0 || b == count - 1);
    if (!intact && error.empty()) error = "writes beyond its dynamic shared memory";
    if (!error.empty()) {
      return break_device(cudaErrorLaunchFailure, name_of(kernel) + ", block " + text(blockIdx) + ": " + error);
    }
  }
}

std::map<const void*, int>& shared_limits() {
  static auto& only = *new std::map<const void*, int>;
  return only;
}

}  // namespace

int block_barrier(const Site& site, int predicate) { return block().block_barrier(site, predicate); }
const uint64_t* warp_exchange(const Site& site, unsigned int mask, uint64_t value) {
  return block().warp_exchange(site, mask, value);
}
void trap(const Site& site) {
  block().stop(site, "is stopped");
  std::abort();
}
int lane() { return block().lane(); }

constexpr int kUsual = 48 << 10, kMost = 227 << 10;

cudaError_t launch(const void* kernel, dim3 grid, dim3 size, size_t shared, cudaStream_t stream, void* (*anchor)(),
                   std::function<void()> body) {
  Call call("cudaLaunchKernel");
  if (call.error) return done(call.error);
  const uint64_t threads = uint64_t{size.x} * size.y * size.z;
  const uint64_t blocks = uint64_t{grid.x} * grid.y * grid.z;
  const auto shape = [&] {
    return name_of(kernel) + " in " + text({grid.x, grid.y, grid.z}) + " blocks of " +
           text({size.x, size.y, size.z}) + " threads";
  };
  if (threads == 0 || threads > 1024 || size.z > 64 || blocks == 0 || grid.x > 0x7fffffffu || grid.y > 65535 ||
      grid.z > 65535) {
    return refuse(cudaErrorInvalidConfiguration, shape());
  }
  const auto limit = shared_limits().find(kernel);
  if (shared > static_cast<size_t>(limit == shared_limits().end() ? kUsual : limit->second)) {
    return refuse(cudaErrorInvalidValue, shape() + " with " + std::to_string(shared) +
                                             " bytes of shared memory, more than cudaFuncSetAttribute allowed");
  }
  const bool queued = queue(stream, "a kernel", [=] {
    SharedMemory memory(kernel, anchor, shared);
    run_grid(kernel, grid, size, memory, body);
  });
  return queued ? done(cudaSuccess) : refuse(cudaErrorInvalidResourceHandle, shape() + " on no stream");
}

}  // namespace standin

cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void* function) {
  standin::Call call("cudaFuncGetAttributes");
  if (call.error) return standin::done(call.error);
  if (!attributes || !function) return standin::refuse(cudaErrorInvalidDeviceFunction, "cudaFuncGetAttributes of NULL");
  const auto limit = standin::shared_limits().find(function);
  *attributes = {};
  attributes->maxThreadsPerBlock = 1024;
  attributes->numRegs = 32;
  attributes->ptxVersion = attributes->binaryVersion = 80;
  attributes->maxDynamicSharedSizeBytes =
      limit == standin::shared_limits().end() ? standin::kUsual : limit->second;
  return standin::done(cudaSuccess);
}

cudaError_t cudaFuncSetAttribute(const void* function, cudaFuncAttribute attribute, int value) {
  standin::Call call("cudaFuncSetAttribute");
  if (call.error) return standin::done(call.error);
  if (attribute == cudaFuncAttributeMaxDynamicSharedMemorySize) {
    if (value < 0 || value > standin::kMost) {
      return standin::refuse(cudaErrorInvalidValue, std::to_string(value) + " bytes of shared memory");
    }
    standin::shared_limits()[function] = value;
  }
  return standin::done(cudaSuccess);
}

cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, const void*, int threads, size_t shared) {
  standin::Call call("cudaOccupancyMaxActiveBlocksPerMultiprocessor");
  if (call.error) return standin::done(call.error);
  if (threads < 1 || threads > 1024) return standin::refuse(cudaErrorInvalidValue, "occupancy of no threads");
  *blocks = std::min({16, 2048 / threads, static_cast<int>((228 << 10) / (shared + 1024))});
  return standin::done(cudaSuccess);
}
