// SPDX-License-Identifier: Apache-2.0
// Arrays that another library works on too, on a stream of its own: whoever comes second waits. On the stand-in, where
// a stream runs when somebody waits for it. Empty elsewhere.
#include <cuda_runtime.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <thread>

#include "test/check.h"
#include "test/cuda_standin/control.h"

using namespace check;

namespace {

// The other library: an array of its own, and a stream.
class Other {
 public:
  explicit Other(unsigned int flags) {
    CHECK(cudaStreamCreateWithFlags(&stream_, flags) == cudaSuccess);
    CHECK(cudaMalloc(&array_, sizeof(float) * kCount) == cudaSuccess);
  }
  ~Other() {
    CHECK(cudaFree(array_) == cudaSuccess);
    CHECK(cudaStreamDestroy(stream_) == cudaSuccess);
  }
  Other(const Other&) = delete;

  // Puts work on the stream that sets every byte of the array.
  void fill(int byte) { CHECK(cudaMemsetAsync(array_, byte, sizeof(float) * kCount, stream_) == cudaSuccess); }
  // Puts a copy to page-locked memory on the stream.
  void copy_to(float* pinned) {
    CHECK(cudaMemcpyAsync(pinned, array_, sizeof(float) * kCount, cudaMemcpyDeviceToHost, stream_) == cudaSuccess);
  }
  bool done() { return cudaStreamQuery(stream_) == cudaSuccess; }
  cudaStream_t stream() const { return stream_; }
  float* array() const { return array_; }

  static constexpr int64_t kCount = 1000;

 private:
  cudaStream_t stream_ = nullptr;
  float* array_ = nullptr;
};

// The float of four such bytes.
float value(int byte) {
  const uint32_t bits = static_cast<uint32_t>(byte) * 0x01010101u;
  float found;
  std::memcpy(&found, &bits, sizeof found);
  return found;
}

bool all_are(const float* values, float wanted) {
  for (int64_t i = 0; i < Other::kCount; ++i) {
    if (values[i] != wanted) return false;
  }
  return true;
}

}  // namespace

// A routine and a copy see what the other library has begun to write, and it sees what they wrote.
TEST(fake_streams_are_waited_for) {
  if (!cuda_standin()) return;
  Context context(1, MG_BACKEND_CUDA);
  for (unsigned int flags : {cudaStreamNonBlocking, cudaStreamDefault}) {
    Other other(flags);
    float* pinned = nullptr;
    CHECK(cudaMallocHost(&pinned, sizeof(float) * Other::kCount) == cudaSuccess);
    std::vector<float> host(Other::kCount);
    const int64_t bytes = sizeof(float) * Other::kCount;
    for (int byte : {0x3c, 0x3d, 0x3e}) {
      other.fill(byte);
      CHECK_OK(mg_context_wait(context, other.stream()));
      CHECK_OK(mg_copy(context, host.data(), MG_DEVICE_HOST, other.array(), MG_DEVICE_CUDA, bytes));
      CHECK(all_are(host.data(), value(byte)));

      other.fill(byte + 1);
      CHECK_OK(mg_context_wait(context, other.stream()));
      const void* in[] = {other.array()};
      const double weights[] = {2};
      CHECK_OK(mg_weighted_sum(context, MG_F32, Other::kCount, 1, in, weights, other.array()));
      CHECK_OK(mg_context_signal(context, other.stream()));
      other.copy_to(pinned);
      CHECK(cudaStreamSynchronize(other.stream()) == cudaSuccess);
      CHECK(all_are(pinned, 2 * value(byte + 1)));
    }
    CHECK(cudaFreeHost(pinned) == cudaSuccess);
  }
}

// That the test before can fail: without waiting, in the order in which a stream runs as late as it may.
TEST(fake_streams_run_when_they_are_waited_for) {
  if (!cuda_standin() || in_short()) return;
  Context context(1, MG_BACKEND_CUDA);
  Other other(cudaStreamNonBlocking);
  std::vector<float> host(Other::kCount);
  const int64_t bytes = sizeof(float) * Other::kCount;
  other.fill(0x3c);
  CHECK_OK(mg_copy(context, host.data(), MG_DEVICE_HOST, other.array(), MG_DEVICE_CUDA, bytes));
  CHECK(!all_are(host.data(), value(0x3c)));
}

// Products of moments are still on their way when the batch has been read; whoever is signalled waits for them.
TEST(fake_streams_wait_for_what_was_begun) {
  if (!cuda_standin() || in_short()) return;
  Context context(1, MG_BACKEND_CUDA);
  Other other(cudaStreamNonBlocking);
  other.fill(0x3c);
  CHECK_OK(mg_context_wait(context, other.stream()));
  const int64_t width = 10, strides[] = {width, 0, 1};
  const int32_t zero = 0;
  const void* data[] = {other.array()};
  mg_moments* moments = nullptr;
  CHECK_OK(mg_moments_create(context, 1, &width, 1, &zero, &zero, MG_MOMENTS_F64, MG_NONFINITE_FAIL, &moments));
  CHECK_OK(mg_moments_update(context, moments, data, MG_F32, Other::kCount / width, 1, strides));
  CHECK(other.done());
  CHECK_OK(mg_context_signal(context, other.stream()));
  CHECK(!other.done());
  CHECK(cudaStreamSynchronize(other.stream()) == cudaSuccess);
  CHECK(other.done());
  mg_moments_destroy(context, moments);
}

// A library whose work on its stream nobody waits for, while contexts come and go: what the stream would wait for is of
// contexts that have ended.
TEST(fake_streams_outlive_contexts) {
  if (!cuda_standin()) return;
  Other other(cudaStreamNonBlocking);
  std::vector<float> host(Other::kCount);
  for (int life = 0; life < 6; ++life) {
    Context context(1, MG_BACKEND_CUDA);
    for (int call = life; call < 6; ++call) {  // fewer than in the life before
      other.fill(0x3c + call);
      CHECK_OK(mg_context_wait(context, other.stream()));
      const void* in[] = {other.array()};
      const double weights[] = {2};
      CHECK_OK(mg_weighted_sum(context, MG_F32, Other::kCount, 1, in, weights, other.array()));
      CHECK_OK(mg_copy(context, host.data(), MG_DEVICE_HOST, other.array(), MG_DEVICE_CUDA,
                       sizeof(float) * Other::kCount));
      CHECK(all_are(host.data(), 2 * value(0x3c + call)));
      CHECK_OK(mg_context_signal(context, other.stream()));
    }
  }
}

// Contexts of several threads come and go on the stream of one library, in memory of another one, which a thread of its
// own gives back.
TEST(fake_streams_of_many_threads) {
  if (!cuda_standin()) return;
  Other other(cudaStreamDefault);
  std::mutex turn;  // of the owner, which serves one call at a time
  mg_context* owner = nullptr;
  CHECK_OK(mg_context_create(MG_BACKEND_CUDA, 1, &owner));
  std::vector<void*> done_with;
  std::atomic<bool> ended{false};
  std::atomic<int64_t> failed{0}, wrong{0};
  std::thread cleaner([&] {
    for (bool last = false; !last; std::this_thread::yield()) {
      last = ended;
      std::lock_guard<std::mutex> lock(turn);
      for (void* each : done_with) mg_free(owner, each);
      done_with.clear();
    }
  });
  const auto live = [&](int number) {
    const int64_t count = 300 + number, bytes = count * int64_t{sizeof(float)};
    std::vector<float> host(static_cast<size_t>(count));
    const double weights[] = {2};
    for (int life = 0; life < (in_short() ? 5 : 20); ++life) {
      mg_context* context = nullptr;
      failed += mg_context_create(MG_BACKEND_CUDA, 1, &context) != MG_OK;
      for (int call = 0; call < 4; ++call) {
        const float mine = static_cast<float>(100 * number + 10 * life + call);
        std::fill(host.begin(), host.end(), mine);
        void* array = nullptr;
        {
          std::lock_guard<std::mutex> lock(turn);
          failed += mg_alloc(owner, bytes, &array) != MG_OK;
        }
        const void* in[] = {array};
        failed += mg_copy(context, array, MG_DEVICE_CUDA, host.data(), MG_DEVICE_HOST, bytes) != MG_OK;
        failed += mg_context_wait(context, other.stream()) != MG_OK;
        failed += mg_weighted_sum(context, MG_F32, count, 1, in, weights, array) != MG_OK;
        failed += mg_context_signal(context, other.stream()) != MG_OK;
        failed += mg_copy(context, host.data(), MG_DEVICE_HOST, array, MG_DEVICE_CUDA, bytes) != MG_OK;
        for (float each : host) wrong += each != 2 * mine;
        std::lock_guard<std::mutex> lock(turn);
        done_with.push_back(array);
      }
      mg_context_destroy(context);
    }
  };
  std::vector<std::thread> threads;
  for (int number = 0; number < 4; ++number) threads.emplace_back(live, number);
  for (std::thread& each : threads) each.join();
  ended = true;
  cleaner.join();
  mg_context_destroy(owner);
  CHECK(failed == 0 && wrong == 0);
}

// Each call of the runtime that keeps the order fails once.
TEST(fake_streams_failures_are_told) {
  if (!cuda_standin()) return;
  Context context(1, MG_BACKEND_CUDA);
  Other other(cudaStreamNonBlocking);
  const auto failures = [&](int32_t (*order)(mg_context*, void*), const std::string& action) {
    for (int64_t call = 0;; ++call) {
      standin_fail_after(call, 0);
      const int32_t status = order(context, other.stream());
      const std::string failed = standin_failed();
      standin_fail_after(-1, 0);
      if (failed.empty()) return call;
      CHECK(status == MG_INTERNAL && std::string(mg_last_error()).find(action + " on CUDA: ") == 0);
      CHECK_OK(order(context, other.stream()));
    }
  };
  CHECK(failures(&mg_context_wait, "waiting for a stream") == 3);
  CHECK(failures(&mg_context_signal, "signalling a stream") == 2);
}
