// SPDX-License-Identifier: Apache-2.0
// One pool for all contexts. A caller publishes a job, works on it itself, and leaves when no helper is inside: so a
// job always progresses, whatever the other contexts do. The pool is never torn down: worker threads may be running
// when the process leaves main.
#include "runtime/pool.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "runtime/error.h"
#include "runtime/floating_point.h"

namespace merganser {

namespace {

struct Job {
  mg_context* context;
  int64_t items;
  const std::function<void(int64_t, int32_t)>& fn;
  std::atomic<int64_t> next{0};
  std::atomic<bool> stopped{false};
  int32_t helpers_wanted = 0;  // guarded by the pool's mutex, as all below
  int32_t helpers_inside = 0;
  int32_t next_participant = 1;
  std::exception_ptr error;  // that of the first item that failed
  int64_t failed = 0;

  Job(mg_context* c, int64_t n, const std::function<void(int64_t, int32_t)>& f) : context(c), items(n), fn(f) {}
};

class Pool {
 public:
  static Pool& instance() {
    static Pool& pool = *new Pool;
    return pool;
  }

  void run(Job& job, int32_t helpers) {
    if (helpers > 0) publish(job, helpers);
    work(job, 0);
    if (helpers > 0) withdraw(job);
    if (job.error) std::rethrow_exception(job.error);
  }

 private:
  void publish(Job& job, int32_t helpers) {
    std::unique_lock<std::mutex> lock(mutex_);
    jobs_.push_back(&job);
    job.helpers_wanted = helpers;
    int32_t wanted = 0;
    for (const Job* each : jobs_) wanted += each->helpers_wanted;
    try {
      while (idle_ < wanted && workers_ < kMaxWorkers) {
        start_worker();
        ++workers_;
        ++idle_;
      }
    } catch (...) {
      // No thread or no memory for one. Fewer threads only make it slower, and the job is already in the list.
    }
    lock.unlock();
    wake_.notify_all();
  }

  void withdraw(Job& job) {
    std::unique_lock<std::mutex> lock(mutex_);
    jobs_.erase(std::remove(jobs_.begin(), jobs_.end(), &job), jobs_.end());
    left_.wait(lock, [&] { return job.helpers_inside == 0; });
  }

  void start_worker() {
    // Asynchronous signals belong to the host's own threads.
    sigset_t blocked, saved;
    sigfillset(&blocked);
    for (int synchronous : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP}) sigdelset(&blocked, synchronous);
    pthread_sigmask(SIG_BLOCK, &blocked, &saved);
    try {
      std::thread worker([this] { serve(); });
      pthread_setname_np(worker.native_handle(), "merganser");
      worker.detach();
    } catch (...) {
      pthread_sigmask(SIG_SETMASK, &saved, nullptr);
      throw;
    }
    pthread_sigmask(SIG_SETMASK, &saved, nullptr);
  }

  [[noreturn]] void serve() {
    DefaultFloatingPoint environment;
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
      auto open = jobs_.end();
      wake_.wait(lock, [&] {
        open = std::find_if(jobs_.begin(), jobs_.end(), [](const Job* job) { return job->helpers_wanted > 0; });
        return open != jobs_.end();
      });
      Job& job = **open;
      const int32_t participant = job.next_participant++;
      --job.helpers_wanted;
      ++job.helpers_inside;
      --idle_;
      lock.unlock();
      work(job, participant);
      lock.lock();
      ++idle_;
      if (--job.helpers_inside == 0) left_.notify_all();
    }
  }

  // Items are taken in order and each that was taken is run, so that all before one that failed have been run too: the
  // error of the first is the same for any number of threads.
  void work(Job& job, int32_t participant) {
    int64_t item = 0;
    try {
      while (!job.stopped.load(std::memory_order_relaxed)) {
        item = job.next.fetch_add(1, std::memory_order_relaxed);
        if (item >= job.items) return;
        check_cancelled(job.context);
        job.fn(item, participant);
      }
    } catch (...) {
      std::lock_guard<std::mutex> lock(mutex_);
      if (!job.error || item < job.failed) {
        job.error = std::current_exception();
        job.failed = item;
      }
      job.stopped.store(true, std::memory_order_relaxed);
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_, left_;
  std::vector<Job*> jobs_;
  int32_t workers_ = 0;
  int32_t idle_ = 0;
};

}  // namespace

int32_t participants(const mg_context* context) { return std::min(context->threads, kMaxWorkers + 1); }

void parallel_for(mg_context* context, int64_t items, const std::function<void(int64_t, int32_t)>& fn) {
  check_cancelled(context);
  if (items <= 0) return;
  Job job(context, items, fn);
  const int64_t helpers = std::min<int64_t>(participants(context), items) - 1;
  Pool::instance().run(job, static_cast<int32_t>(helpers));
}

}  // namespace merganser
