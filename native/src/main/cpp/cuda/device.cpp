// SPDX-License-Identifier: Apache-2.0
// The device: whether there is a usable one and why not, contexts, memory and copies.
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>

#include "cuda/plugin.h"

namespace merganser {
namespace cuda {

namespace {

std::string release_of(int version) { return format("%d.%d", version / 1000, version % 1000 / 10); }

std::string text_of(cudaError_t error) {
  return format("%s (%s, code %d)", cudaGetErrorString(error), cudaGetErrorName(error), static_cast<int>(error));
}

int attribute(cudaDeviceAttr which) {
  int value = 0;
  static_cast<void>(cudaDeviceGetAttribute(&value, which, kDevice));
  return value;
}

std::string capability() {
  return format("%d.%d", attribute(cudaDevAttrComputeCapabilityMajor), attribute(cudaDevAttrComputeCapabilityMinor));
}

// The properties structure has all that attributes lack; it is large, hence not on the stack of a Java thread.
std::unique_ptr<cudaDeviceProp> properties() {
  auto found = std::make_unique<cudaDeviceProp>();
  if (cudaGetDeviceProperties(found.get(), kDevice) != cudaSuccess) std::strcpy(found->name, "unknown GPU");
  return found;
}

// Version of the kernel module, "580.65.06"; the runtime only knows the CUDA release.
std::string driver_module() {
  std::string found = "unknown";
  std::FILE* file = std::fopen("/proc/driver/nvidia/version", "r");
  if (!file) return found;
  char line[512];
  if (std::fgets(line, sizeof line, file)) {
    for (char* word = std::strtok(line, " \n"); word; word = std::strtok(nullptr, " \n")) {
      if (std::strspn(word, "0123456789.") == std::strlen(word) && std::strchr(word, '.')) {
        found = word;
        break;
      }
    }
  }
  std::fclose(file);
  return found;
}

// Only driver 0 means none: a driver that is too old reports its own release.
std::string find_reason() {
  int driver = 0;
  cudaError_t error = cudaDriverGetVersion(&driver);
  if (error == cudaSuccess && driver == 0) return "no NVIDIA driver found";
  if (error != cudaSuccess) return "the NVIDIA driver does not answer: " + text_of(error);
  int count = 0;
  error = cudaGetDeviceCount(&count);
  if (error == cudaErrorInsufficientDriver || driver / 1000 < CUDART_VERSION / 1000) {
    return "the NVIDIA driver is too old: it supports CUDA " + release_of(driver) + ", this build needs CUDA " +
           format("%d.0", CUDART_VERSION / 1000) + (CUDART_VERSION / 1000 == 13 ? " (driver 580 or newer)" : "");
  }
  if (error == cudaErrorNoDevice || (error == cudaSuccess && count == 0)) {
    return "no CUDA device found (no GPU, or none in CUDA_VISIBLE_DEVICES)";
  }
  if (error != cudaSuccess) return "CUDA device query failed: " + text_of(error);

  OnDevice here;
  const std::string gpu = properties()->name;
  error = cudaFree(nullptr);  // creates the driver's context
  if (error == cudaErrorMemoryAllocation) return "out of memory on " + gpu;
  if (error != cudaSuccess) return gpu + " cannot be used: " + text_of(error);
  cudaFuncAttributes loaded;
  error = cudaFuncGetAttributes(&loaded, some_kernel());
  if (error == cudaErrorNoKernelImageForDevice || error == cudaErrorInvalidDeviceFunction) {
    return gpu + " has compute capability " + capability() + "; this build has code for " MERGANSER_CUDA_CAPABILITIES;
  }
  if (error == cudaErrorMemoryAllocation) return "out of memory on " + gpu;
  if (error != cudaSuccess) return gpu + " cannot run this build: " + text_of(error);
  return "";
}

std::string describe_device() {
  OnDevice here;
  const auto found = properties();
  int driver = 0, runtime = 0;
  static_cast<void>(cudaDriverGetVersion(&driver));
  static_cast<void>(cudaRuntimeGetVersion(&runtime));
  return format(
      "name: %s\ncapability: %s\nmultiprocessors: %d\nmemory: %.1f GiB\ndriver: %s (CUDA %s)\nruntime: CUDA %s\n",
      found->name, capability().c_str(), attribute(cudaDevAttrMultiProcessorCount),
      static_cast<double>(found->totalGlobalMem) / (1 << 30), driver_module().c_str(), release_of(driver).c_str(),
      release_of(runtime).c_str());
}

}  // namespace

void check(cudaError_t error, const char* action) {
  if (error == cudaSuccess) return;
  static_cast<void>(cudaGetLastError());  // so that the next call does not report it again, if it can be cleared
  fail(error == cudaErrorMemoryAllocation ? MG_OUT_OF_MEMORY : MG_INTERNAL,
       format("%s on CUDA: %s", action, text_of(error).c_str()));
}

OnDevice::OnDevice() {
  static_cast<void>(cudaGetLastError());  // what a destructor could not report is no failure of what comes now
  if (cudaGetDevice(&before_) != cudaSuccess) before_ = kDevice;
  check(cudaSetDevice(kDevice), "choosing the device");
}

OnDevice::~OnDevice() {
  if (before_ != kDevice) static_cast<void>(cudaSetDevice(before_));
}

State::State() {
  try {
    check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "creating a stream");
    check(cudaStreamCreateWithFlags(&copies, cudaStreamNonBlocking), "creating a stream");
    check(cudaEventCreateWithFlags(&order, cudaEventDisableTiming), "creating an event");
    counters = static_cast<unsigned long long*>(take_block(DEVICE, 2 * sizeof *counters, "counters"));
  } catch (...) {
    if (order) static_cast<void>(cudaEventDestroy(order));
    if (copies) static_cast<void>(cudaStreamDestroy(copies));
    if (stream) static_cast<void>(cudaStreamDestroy(stream));
    throw;
  }
  blocks = 8 * attribute(cudaDevAttrMultiProcessorCount);
}

State::~State() {
  static_cast<void>(cudaStreamSynchronize(copies));
  static_cast<void>(cudaStreamSynchronize(stream));
  solver.reset();  // they use the stream
  blas.reset();
  give_block(DEVICE, counters);
  static_cast<void>(cudaEventDestroy(order));
  static_cast<void>(cudaStreamDestroy(copies));
  static_cast<void>(cudaStreamDestroy(stream));
}

void synchronize(State& state, const char* routine) {
  check(cudaGetLastError(), routine);
  check(cudaStreamSynchronize(state.stream), routine);
}

const char* probe() {
  static const std::string reason = find_reason();
  return reason.c_str();
}

const char* describe() {
  static const std::string lines = describe_device();
  return lines.c_str();
}

void open(mg_context* context) {
  OnDevice here;
  context->device_state = new State;
}

void close(mg_context* context) {
  guard([&] {
    OnDevice here;
    delete &state(context);
  });
}

bool owns(const void* pointer) {
  cudaPointerAttributes found;
  if (cudaPointerGetAttributes(&found, pointer) != cudaSuccess) {
    static_cast<void>(cudaGetLastError());
    return false;
  }
  return (found.type == cudaMemoryTypeDevice || found.type == cudaMemoryTypeManaged) && found.device == kDevice;
}

void allocate(mg_context* context, int64_t bytes, void** out) {
  OnDevice here;
  try {
    *out = take_block(DEVICE, bytes, "allocating");
  } catch (const Error& error) {  // no routine of this context runs now, so none has its scratch memory
    if (error.status != MG_OUT_OF_MEMORY || !state(context).scratch.give_back()) throw;
    *out = take_block(DEVICE, bytes, "allocating");
  }
}

void release(void* pointer, int64_t) {
  guard([&] {
    OnDevice here;
    give_block(DEVICE, pointer);
  });
}

void wait(mg_context* context, void* stream) {
  OnDevice here;
  State& s = state(context);
  check(cudaEventRecord(s.order, static_cast<cudaStream_t>(stream)), "waiting for a stream");
  for (cudaStream_t each : {s.stream, s.copies}) check(cudaStreamWaitEvent(each, s.order, 0), "waiting for a stream");
}

// A copy is done when it returns.
void signal(mg_context* context, void* stream) {
  OnDevice here;
  State& s = state(context);
  check(cudaEventRecord(s.order, s.stream), "signalling a stream");
  check(cudaStreamWaitEvent(static_cast<cudaStream_t>(stream), s.order, 0), "signalling a stream");
}

}  // namespace cuda
}  // namespace merganser

extern "C" __attribute__((visibility("default"))) int64_t mg_device_allocations() {
  return merganser::cuda::block_allocations();
}
