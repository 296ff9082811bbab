// SPDX-License-Identifier: Apache-2.0
// The stand-in of the CUDA runtime itself: that right kernels are right, and that each kind of mistake shows. The
// kernels here are compiled into the test; those of cuda/ are in libmerganser_standin.so.
#include <cuda_runtime.h>

#include <unistd.h>

#include <algorithm>

#include "test/check.h"
#include "test/cuda_standin/control.h"

using namespace check;

namespace {

template <typename... Parameters, typename... Arguments>
cudaError_t run(dim3 grid, dim3 block, size_t shared, cudaStream_t stream, void (*kernel)(Parameters...),
                Arguments... arguments) {
  std::tuple<Parameters...> values(static_cast<Parameters>(arguments)...);
  return start(kernel, grid, block, shared, stream, values, std::index_sequence_for<Parameters...>());
}

// Ints on the device, from the host and back, by the default stream.
class Ints {
 public:
  explicit Ints(int64_t count, int value = 0) : values_(static_cast<size_t>(count), value) {
    CHECK(cudaMalloc(&memory_, bytes()) == cudaSuccess);
    CHECK(cudaMemcpy(memory_, values_.data(), bytes(), cudaMemcpyHostToDevice) == cudaSuccess);
  }
  ~Ints() { CHECK(cudaFree(memory_) == cudaSuccess); }
  Ints(const Ints&) = delete;
  operator int*() const { return memory_; }
  size_t bytes() const { return values_.size() * sizeof(int); }
  const std::vector<int>& read() {
    CHECK(cudaMemcpy(values_.data(), memory_, bytes(), cudaMemcpyDeviceToHost) == cudaSuccess);
    return values_;
  }

 private:
  std::vector<int> values_;
  int* memory_ = nullptr;
};

// What is refused on purpose is not told.
struct Quiet {
  Quiet() { standin_speak(0); }
  ~Quiet() {
    standin_speak(1);
    static_cast<void>(cudaGetLastError());
  }
};

// The launch fails, and its text has each of the parts.
void expect_broken(cudaError_t launched, const std::vector<std::string>& parts) {
  const Quiet quiet;
  CHECK(launched == cudaSuccess && cudaDeviceSynchronize() == cudaErrorLaunchFailure);
  CHECK(cudaDeviceSynchronize() == cudaErrorLaunchFailure);  // as on a device
  const std::string text = standin_repair();
  for (const std::string& part : parts) {
    const bool there = text.find(part) != std::string::npos;
    check::report(there, __FILE__, __LINE__, there ? "" : "\"" + part + "\" is not in: " + text);
  }
  CHECK(cudaDeviceSynchronize() == cudaSuccess);
}

// Sum of the block's numbers, by shuffles within warps and shared memory between them.
template <typename T>
__global__ void __launch_bounds__(256) block_sums(const T* in, T* out) {
  __shared__ T partial[8];
  const int thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
  const int block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
  T sum = in[block * 256 + thread];
  for (int step = 16; step > 0; step /= 2) sum += __shfl_down_sync(0xffffffffu, sum, step);
  if (thread % 32 == 0) partial[thread / 32] = sum;
  __syncthreads();
  if (thread < 32) {
    sum = thread < 8 ? partial[thread] : 0;
    for (int step = 16; step > 0; step /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, step);
    if (thread == 0) out[block] = sum;
  }
}

// out[i] = in[n - 1 - i] by shared memory, with or without the barrier.
__global__ void reverse(const int* in, int* out, bool with_barrier) {
  MG_DYNAMIC_SHARED(int, tile);
  const int n = blockDim.x, i = threadIdx.x;
  tile[i] = in[i];
  if (with_barrier) __syncthreads();
  out[i] = tile[n - 1 - i];
}

// Each pass reads what the last one wrote; the second barrier keeps the next one from overwriting it.
__global__ void rotate(int* values, int passes, bool with_barrier) {
  __shared__ int ring[64];
  int value = values[threadIdx.x];
  for (int pass = 0; pass < passes; ++pass) {
    ring[threadIdx.x] = value;
    __syncthreads();
    value = ring[(threadIdx.x + 1) % 64];
    if (with_barrier) __syncthreads();
  }
  values[threadIdx.x] = value;
}

__global__ void warp_reverse(int* values, bool with_barrier) {
  __shared__ int ring[32];
  ring[threadIdx.x] = values[threadIdx.x];
  if (with_barrier) __syncwarp();
  values[threadIdx.x] = ring[31 - threadIdx.x];
}

__global__ void some_wait() {
  if (threadIdx.x < 40) __syncthreads();
}

__global__ void wait_apart() {
  if (threadIdx.x < 32) {
    __syncthreads();
  } else {
    __syncthreads();
  }
}

__global__ void some_shuffle(int* out) {
  if (threadIdx.x != 5) out[threadIdx.x] = __shfl_sync(0xffffffffu, 1, 0);
}

__global__ void write_at(int* out, int at) { out[at] = 1; }

__global__ void write_shared_at(int at) {
  MG_DYNAMIC_SHARED(char, bytes);
  bytes[at] = 1;
}

// Whether shared memory holds what an earlier block wrote.
__global__ void look_for_leftovers(int* found) {
  __shared__ int fixed[100];
  MG_DYNAMIC_SHARED(int, dynamic);
  for (int i = threadIdx.x; i < 100; i += blockDim.x) {
    if (fixed[i] == 12345 || dynamic[i] == 12345) atomicAdd(found, 1);
    fixed[i] = dynamic[i] = 12345;
  }
}

__global__ void votes(int* out) {
  const int i = threadIdx.x;
  const int count = __syncthreads_count(i % 3 == 0), any = __syncthreads_or(i == 200), all = __syncthreads_and(i != 7);
  const unsigned int ballot = __ballot_sync(0xffffffffu, i % 2);
  const int warp = __any_sync(0xffffffffu, i == 40) + 2 * __all_sync(0xffffffffu, i >= 64);
  const int added = __reduce_add_sync(0xffffffffu, i), least = __reduce_min_sync(0xffffffffu, -i);
  if (i % 32 == 0) {
    int* to = out + i / 32 * 7;
    to[0] = count;
    to[1] = any;
    to[2] = all;
    to[3] = static_cast<int>(ballot);
    to[4] = warp;
    to[5] = added;
    to[6] = least;
  }
}

// The last block to finish adds what all have written.
__global__ void last_block_sums(const int* in, int* partial, unsigned int* finished, int* out) {
  __shared__ bool last;
  int sum = __reduce_add_sync(0xffffffffu, in[blockIdx.x * 32 + threadIdx.x]);
  if (threadIdx.x == 0) {
    partial[blockIdx.x] = sum;
    __threadfence();
    last = atomicAdd(finished, 1u) == gridDim.x - 1;
  }
  __syncthreads();
  if (!last || threadIdx.x > 0) return;
  sum = 0;
  for (unsigned int b = 0; b < gridDim.x; ++b) sum += partial[b];
  *out = sum;
}

}  // namespace

TEST(standin_runs_blocks_in_three_dimensions) {
  const dim3 grid(3, 2, 2), block(8, 4, 8);
  const Vector in = gaussian(12 * 256, 1);
  double *from, *to;
  CHECK(cudaMalloc(&from, in.size() * 8) == cudaSuccess && cudaMalloc(&to, 12 * 8) == cudaSuccess);
  CHECK(cudaMemcpy(from, in.data(), in.size() * 8, cudaMemcpyHostToDevice) == cudaSuccess);
  CHECK(run(grid, block, 0, nullptr, block_sums<double>, from, to) == cudaSuccess);
  Vector found(12), expected(12);
  CHECK(cudaMemcpy(found.data(), to, 12 * 8, cudaMemcpyDeviceToHost) == cudaSuccess);
  for (size_t i = 0; i < in.size(); ++i) expected[i / 256] += in[i];
  CHECK(largest_difference(found, expected) < 1e-12);
  CHECK(cudaFree(from) == cudaSuccess);
  CHECK(cudaFree(to) == cudaSuccess);
}

TEST(standin_votes_and_reduces) {
  Ints out(8 * 7);
  CHECK(run(1, 256, 0, nullptr, votes, static_cast<int*>(out)) == cudaSuccess);
  const std::vector<int> found = out.read();
  for (int w = 0; w < 8; ++w) {
    const int* of = &found[7 * w];
    CHECK(of[0] == 86 && of[1] == 1 && of[2] == 0 && of[3] == static_cast<int>(0xaaaaaaaau));
    CHECK(of[4] == (w == 1) + 2 * (w >= 2) && of[5] == 32 * 32 * w + 496 && of[6] == -(32 * w + 31));
  }
}

TEST(standin_lets_blocks_meet_by_atomics) {
  const int blocks = 20;
  Ints in(32 * blocks, 3), partial(blocks), finished(1), out(1);
  CHECK(run(blocks, 32, 0, nullptr, last_block_sums, static_cast<int*>(in), static_cast<int*>(partial),
            reinterpret_cast<unsigned int*>(static_cast<int*>(finished)), static_cast<int*>(out)) == cudaSuccess);
  CHECK(out.read()[0] == 3 * 32 * blocks);
}

TEST(standin_shows_missing_barriers) {
  const int n = 96;
  std::vector<int> numbers(n);
  for (int i = 0; i < n; ++i) numbers[i] = i;
  std::vector<int> reversed(numbers.rbegin(), numbers.rend());
  for (bool with_barrier : {true, false}) {
    Ints in(n), out(n);
    CHECK(cudaMemcpy(in, numbers.data(), in.bytes(), cudaMemcpyHostToDevice) == cudaSuccess);
    CHECK(run(1, n, n * sizeof(int), nullptr, reverse, static_cast<int*>(in), static_cast<int*>(out), with_barrier) ==
          cudaSuccess);
    CHECK((out.read() == reversed) == with_barrier);

    CHECK(run(1, 32, 0, nullptr, warp_reverse, static_cast<int*>(in), with_barrier) == cudaSuccess);
    CHECK((in.read()[0] == 31 && in.read()[31] == 0) == with_barrier);

    Ints ring(64);
    CHECK(cudaMemcpy(ring, numbers.data(), ring.bytes(), cudaMemcpyHostToDevice) == cudaSuccess);
    CHECK(run(1, 64, 0, nullptr, rotate, static_cast<int*>(ring), 10, with_barrier) == cudaSuccess);
    const std::vector<int> found = ring.read();
    bool right = true;
    for (int i = 0; i < 64; ++i) right = right && found[i] == (i + 10) % 64;
    CHECK(right == with_barrier);
  }
}

TEST(standin_names_who_does_not_wait) {
  const Quiet quiet;
  expect_broken(run(1, 64, 0, nullptr, some_wait),
                {"some_wait, block (0, 0, 0): ", "waits for __syncthreads at cuda_standin_test.cpp:", "has ended"});
  expect_broken(run(2, 64, 0, nullptr, wait_apart),
                {"wait_apart", "thread (0, 0, 0) waits for __syncthreads", ", but thread"});
  Ints out(32);
  expect_broken(run(1, 32, 0, nullptr, some_shuffle, static_cast<int*>(out)),
                {"some_shuffle", "waits for __shfl_sync at", "but thread (5, 0, 0) has ended"});
  expect_broken(run(1, 24, 0, nullptr, some_shuffle, static_cast<int*>(out)), {"is in a warp of 24 threads"});
}

TEST(standin_fills_shared_memory) {
  Ints found(1);
  for (int launch = 0; launch < 20; ++launch) {
    CHECK(run(5, 32, 400, nullptr, look_for_leftovers, static_cast<int*>(found)) == cudaSuccess);
  }
  CHECK(found.read()[0] == 0);
}

TEST(standin_guards_memory) {
  if (kSanitized) return;  // which stops there
  const Quiet quiet;
  Ints out(5);
  CHECK(run(1, 1, 0, nullptr, write_at, static_cast<int*>(out), 5) == cudaSuccess);
  CHECK(cudaDeviceSynchronize() == cudaErrorIllegalAddress);
  CHECK(std::string(standin_repair()).find("wrote 0 bytes behind an allocation of 20") != std::string::npos);
  expect_broken(run(1, 1, 21, nullptr, write_shared_at, 21), {"write_shared_at", "beyond its dynamic shared memory"});
}

TEST(standin_refuses_wrong_launches) {
  const Quiet quiet;
  CHECK(run(1, 1025, 0, nullptr, some_wait) == cudaErrorInvalidConfiguration);
  CHECK(run(1, dim3(1, 1, 65), 0, nullptr, some_wait) == cudaErrorInvalidConfiguration);
  CHECK(run(0, 32, 0, nullptr, some_wait) == cudaErrorInvalidConfiguration);
  CHECK(run(dim3(1, 65536), 32, 0, nullptr, some_wait) == cudaErrorInvalidConfiguration);
  CHECK(cudaGetLastError() == cudaErrorInvalidConfiguration && cudaGetLastError() == cudaSuccess);
  CHECK(run(1, 32, (48 << 10) + 1, nullptr, write_shared_at, 0) == cudaErrorInvalidValue);
  CHECK(cudaFuncSetAttribute(write_shared_at, cudaFuncAttributeMaxDynamicSharedMemorySize, 64 << 10) == cudaSuccess);
  CHECK(run(1, 32, (48 << 10) + 1, nullptr, write_shared_at, 0) == cudaSuccess);
  CHECK(cudaFuncSetAttribute(write_shared_at, cudaFuncAttributeMaxDynamicSharedMemorySize, 228 << 10) ==
        cudaErrorInvalidValue);
  CHECK(cudaDeviceSynchronize() == cudaSuccess);
}

// Work runs when it is waited for, and not before: what the host reads too early is the old value.
TEST(standin_defers_work) {
  const Quiet quiet;
  cudaStream_t one, two;
  CHECK(cudaStreamCreateWithFlags(&one, cudaStreamNonBlocking) == cudaSuccess);
  CHECK(cudaStreamCreateWithFlags(&two, cudaStreamNonBlocking) == cudaSuccess);
  cudaEvent_t event;
  CHECK(cudaEventCreateWithFlags(&event, cudaEventDisableTiming) == cudaSuccess);
  int* pinned;
  CHECK(cudaMallocHost(&pinned, 4 * sizeof(int)) == cudaSuccess);
  Ints a(1, 1), b(1, 2);
  // Two streams, ordered by an event; the source of the first copy is read when it runs.
  pinned[0] = 10;
  CHECK(cudaMemcpyAsync(a, &pinned[0], sizeof(int), cudaMemcpyHostToDevice, one) == cudaSuccess);
  CHECK(cudaEventRecord(event, one) == cudaSuccess && cudaStreamWaitEvent(two, event) == cudaSuccess);
  CHECK(cudaMemcpyAsync(b, a, sizeof(int), cudaMemcpyDeviceToDevice, two) == cudaSuccess);
  pinned[1] = -1;
  CHECK(cudaMemcpyAsync(&pinned[1], b, sizeof(int), cudaMemcpyDeviceToHost, two) == cudaSuccess);
  const char* order = std::getenv("MERGANSER_STANDIN_ORDER");
  const bool late = !order || std::string(order).find("shuffled") != 0;  // there it may have run by chance
  if (late) CHECK(pinned[1] == -1 && cudaStreamQuery(two) == cudaErrorNotReady);
  CHECK(cudaStreamSynchronize(two) == cudaSuccess && pinned[1] == 10);
  if (late) {
    CHECK(cudaMemcpyAsync(a, &pinned[0], sizeof(int), cudaMemcpyHostToDevice, one) == cudaSuccess);
    pinned[0] = 11;  // too early
    CHECK(cudaStreamSynchronize(one) == cudaSuccess && a.read()[0] == 11);
  }
  // Memory that is not page-locked has been read when the call returns.
  int local = 7;
  CHECK(cudaMemcpyAsync(a, &local, sizeof(int), cudaMemcpyHostToDevice, one) == cudaSuccess);
  local = 8;
  CHECK(cudaStreamSynchronize(one) == cudaSuccess && a.read()[0] == 7);
  CHECK(cudaStreamQuery(one) == cudaSuccess && cudaEventQuery(event) == cudaSuccess);
  CHECK(cudaEventDestroy(event) == cudaSuccess && cudaFreeHost(pinned) == cudaSuccess);
  CHECK(cudaStreamDestroy(one) == cudaSuccess && cudaStreamDestroy(two) == cudaSuccess);
  CHECK(cudaStreamSynchronize(one) == cudaErrorInvalidResourceHandle);
}

// What waits for a stream that has ended since waits for nothing, although the next one may have its address.
TEST(standin_a_stream_is_not_the_one_before_it) {
  const Quiet quiet;
  cudaStream_t waiting, before;
  cudaEvent_t event;
  CHECK(cudaStreamCreateWithFlags(&waiting, cudaStreamNonBlocking) == cudaSuccess);
  CHECK(cudaStreamCreateWithFlags(&before, cudaStreamNonBlocking) == cudaSuccess);
  CHECK(cudaEventCreateWithFlags(&event, cudaEventDisableTiming) == cudaSuccess);
  Ints a(1, 1);
  for (int i = 0; i < 5; ++i) CHECK(cudaMemsetAsync(a, i, a.bytes(), before) == cudaSuccess);
  CHECK(cudaEventRecord(event, before) == cudaSuccess && cudaStreamWaitEvent(waiting, event) == cudaSuccess);
  CHECK(cudaStreamDestroy(before) == cudaSuccess && cudaEventQuery(event) == cudaSuccess);
  std::vector<cudaStream_t> next;
  do {
    next.emplace_back();
    CHECK(cudaStreamCreateWithFlags(&next.back(), cudaStreamNonBlocking) == cudaSuccess);
  } while (next.back() != before && next.size() < 32);
  CHECK(cudaMemsetAsync(a, 0x11, a.bytes(), next.back()) == cudaSuccess);
  CHECK(cudaEventQuery(event) == cudaSuccess && cudaStreamSynchronize(waiting) == cudaSuccess);
  const char* order = std::getenv("MERGANSER_STANDIN_ORDER");
  if (!order || std::string(order).find("shuffled") != 0) CHECK(standin_pending() == 1);
  CHECK(cudaStreamSynchronize(next.back()) == cudaSuccess && a.read()[0] == 0x11111111);
  CHECK(cudaEventDestroy(event) == cudaSuccess && cudaStreamDestroy(waiting) == cudaSuccess);
  for (cudaStream_t each : next) CHECK(cudaStreamDestroy(each) == cudaSuccess);
}

TEST(standin_keeps_the_host_out) {
  const Quiet quiet;
  Ints a(4, 9);
  int ends[2], host[4];
  CHECK(pipe(ends) == 0);
  CHECK(write(ends[1], static_cast<int*>(a), 16) == -1 && errno == EFAULT);
  close(ends[0]);
  close(ends[1]);
  CHECK(cudaMemcpy(host, a, 16, cudaMemcpyHostToDevice) == cudaErrorInvalidValue);
  CHECK(cudaMemcpy(host, a + 1, 16, cudaMemcpyDeviceToHost) == cudaErrorInvalidValue);  // beyond its end
  CHECK(cudaMemcpy(host, a + 1, 12, cudaMemcpyDeviceToHost) == cudaSuccess && host[2] == 9);
  cudaPointerAttributes found;
  CHECK(cudaPointerGetAttributes(&found, a + 1) == cudaSuccess && found.type == cudaMemoryTypeDevice);
  CHECK(cudaPointerGetAttributes(&found, host) == cudaSuccess && found.type == cudaMemoryTypeUnregistered);
  CHECK(cudaFree(host) == cudaErrorInvalidValue);
}

TEST(standin_fails_when_told) {
  const Quiet quiet;
  standin_limit_memory(standin_allocated() + 1000);
  void *fits = nullptr, *more = nullptr;
  CHECK(cudaMalloc(&fits, 600) == cudaSuccess && cudaMalloc(&more, 600) == cudaErrorMemoryAllocation && !more);
  CHECK(cudaGetLastError() == cudaErrorMemoryAllocation);
  CHECK(cudaFree(fits) == cudaSuccess);
  CHECK(cudaMalloc(&more, 600) == cudaSuccess);
  standin_limit_memory(-1);
  standin_fail_after(1, 0);
  CHECK(cudaMemset(more, 0, 600) == cudaSuccess && cudaMemset(more, 0, 600) == cudaErrorUnknown);
  CHECK(std::string(standin_failed()) == "cudaMemset" && cudaMemset(more, 0, 600) == cudaSuccess);
  standin_fail_after(-1, 0);
  CHECK(cudaFree(more) == cudaSuccess);
}
