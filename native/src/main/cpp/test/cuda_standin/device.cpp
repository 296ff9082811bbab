// SPDX-License-Identifier: Apache-2.0
// The device, its errors, and what the environment and the tests ask for.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "control.h"
#include "standin.h"

namespace standin {

namespace {

struct Settings {
  Order order = Order::FORWARD;
  uint64_t seed = 1;
  int multiprocessors = 3;

  // A result that depends on the number of multiprocessors differs between the orders.
  Settings() {
    const char* value = std::getenv("MERGANSER_STANDIN_ORDER");
    const std::string text = value ? value : "forward";
    if (text == "backward") {
      order = Order::BACKWARD;
      multiprocessors = 2;
    } else if (text.rfind("shuffled", 0) == 0) {
      order = Order::SHUFFLED;
      multiprocessors = 5;
      if (text.size() > 9) seed = std::strtoull(text.c_str() + 9, nullptr, 10) + 1;
    } else if (text != "forward") {
      std::fprintf(stderr, "MERGANSER_STANDIN_ORDER=%s is not one of forward, backward, shuffled[:SEED]\n", value);
      std::abort();
    }
  }
};

const Settings& settings() {
  static const Settings only;
  return only;
}

constexpr int64_t kRemembered = int64_t{1} << 16;

int64_t calls = 0, fail_at = -1;
const char* names[kRemembered];  // of the last calls
int info_to_tell = 0;
bool loud = true;
cudaError_t fail_with = cudaErrorUnknown, device_error = cudaSuccess;
thread_local cudaError_t last_error = cudaSuccess;
thread_local int device = 0;

std::string& text_of_failed() {
  static std::string& only = *new std::string;
  return only;
}

std::string& text_of_broken() {
  static std::string& only = *new std::string;
  return only;
}

struct Text {
  cudaError_t error;
  const char *name, *text;
};
#define MG_ERROR(name, text) {name, #name, text}
constexpr Text kTexts[] = {
    MG_ERROR(cudaSuccess, "no error"),
    MG_ERROR(cudaErrorInvalidValue, "invalid argument"),
    MG_ERROR(cudaErrorMemoryAllocation, "out of memory"),
    MG_ERROR(cudaErrorInitializationError, "initialization error"),
    MG_ERROR(cudaErrorInvalidConfiguration, "invalid configuration argument"),
    MG_ERROR(cudaErrorInvalidMemcpyDirection, "invalid copy direction for memcpy"),
    MG_ERROR(cudaErrorInsufficientDriver, "CUDA driver version is insufficient for CUDA runtime version"),
    MG_ERROR(cudaErrorInvalidDeviceFunction, "invalid device function"),
    MG_ERROR(cudaErrorNoDevice, "no CUDA-capable device is detected"),
    MG_ERROR(cudaErrorInvalidDevice, "invalid device ordinal"),
    MG_ERROR(cudaErrorNoKernelImageForDevice, "no kernel image is available for execution on the device"),
    MG_ERROR(cudaErrorInvalidResourceHandle, "invalid resource handle"),
    MG_ERROR(cudaErrorNotReady, "device not ready"),
    MG_ERROR(cudaErrorIllegalAddress, "an illegal memory access was encountered"),
    MG_ERROR(cudaErrorLaunchOutOfResources, "too many resources requested for launch"),
    MG_ERROR(cudaErrorLaunchFailure, "unspecified launch failure"),
    MG_ERROR(cudaErrorNotSupported, "operation not supported"),
    MG_ERROR(cudaErrorUnknown, "unknown error"),
};
#undef MG_ERROR

const Text& text(cudaError_t error) {
  const auto is = [&](const Text& each) { return each.error == error; };
  const auto found = std::find_if(std::begin(kTexts), std::end(kTexts), is);
  static const Text none = {cudaErrorUnknown, "unrecognized error code", "unrecognized error code"};
  return found == std::end(kTexts) ? none : *found;
}

}  // namespace

Order order() { return settings().order; }

uint64_t random_number() {
  static uint64_t state = 0x9e3779b97f4a7c15u * settings().seed;
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state * 0x2545f4914f6cdd1du >> 16;
}

void shuffle(int* values, int count) {
  for (int i = count - 1; i > 0; --i) std::swap(values[i], values[random_number() % static_cast<uint64_t>(i + 1)]);
}

// NaN and -1; large positive numbers; numbers of any kind: a period of 64 bytes.
void fill_with_garbage(void* memory, size_t bytes) {
  static const std::vector<unsigned char>& pattern = *[] {
    auto* made = new std::vector<unsigned char>(4096);
    uint64_t state = 88172645463325252u;
    for (size_t i = 0; i < 64; ++i) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      const unsigned char byte = order() == Order::FORWARD    ? 0xff
                                 : order() == Order::BACKWARD ? 0x7b
                                                              : static_cast<unsigned char>(state >> 56);
      for (size_t at = i; at < made->size(); at += 64) (*made)[at] = byte;
    }
    return made;
  }();
  char* to = static_cast<char*>(memory);
  for (; bytes > pattern.size(); bytes -= pattern.size(), to += pattern.size()) {
    std::memcpy(to, pattern.data(), pattern.size());
  }
  std::memcpy(to, pattern.data(), bytes);
}

std::recursive_mutex& lock() {
  static std::recursive_mutex& only = *new std::recursive_mutex;
  return only;
}

Call::Call(const char* name) : guard_(lock()) {
  if (!*name) return;
  error = device_error;
  names[calls % kRemembered] = name;
  if (calls++ == fail_at) {
    error = fail_with;
    text_of_failed() = name;
  }
}

int told_info(int found) {
  const int told = info_to_tell == 0 ? found : info_to_tell;
  info_to_tell = 0;
  return told;
}

cudaError_t done(cudaError_t error) {
  if (error != cudaSuccess) last_error = error;
  return error;
}

cudaError_t refuse(cudaError_t error, const std::string& what) {
  if (loud) std::fprintf(stderr, "CUDA stand-in: %s: %s\n", text(error).text, what.c_str());
  return done(error);
}

void break_device(cudaError_t error, const std::string& what) {
  if (device_error != cudaSuccess) return;
  device_error = error;
  text_of_broken() = what;
  if (loud) std::fprintf(stderr, "CUDA stand-in: %s: %s\n", text(error).text, what.c_str());
}

cudaError_t broken() { return device_error; }

}  // namespace standin

using namespace standin;

cudaError_t cudaGetLastError() {
  Call call("");
  const cudaError_t error = device_error ? device_error : last_error;
  last_error = cudaSuccess;
  return error;
}
cudaError_t cudaPeekAtLastError() {
  Call call("");
  return device_error ? device_error : last_error;
}
const char* cudaGetErrorName(cudaError_t error) { return text(error).name; }
const char* cudaGetErrorString(cudaError_t error) { return text(error).text; }

cudaError_t cudaDriverGetVersion(int* version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}
cudaError_t cudaGetDeviceCount(int* count) {
  *count = 1;
  return cudaSuccess;
}
cudaError_t cudaGetDevice(int* device) {
  *device = standin::device;
  return cudaSuccess;
}
cudaError_t cudaSetDevice(int device) {
  Call call("");
  if (call.error) return done(call.error);
  if (device != 0) return refuse(cudaErrorInvalidDevice, "there is one device");
  standin::device = device;
  return done(cudaSuccess);
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  Call call("cudaGetDeviceProperties");
  if (call.error) return done(call.error);
  if (!properties || device != 0) return refuse(cudaErrorInvalidDevice, "there is one device");
  *properties = {};
  std::strcpy(properties->name, "stand-in on the host");
  size_t free;
  static_cast<void>(cudaMemGetInfo(&free, &properties->totalGlobalMem));
  const auto value = [](cudaDeviceAttr attribute) {
    int found = 0;
    static_cast<void>(cudaDeviceGetAttribute(&found, attribute, 0));
    return found;
  };
  properties->sharedMemPerBlock = static_cast<size_t>(value(cudaDevAttrMaxSharedMemoryPerBlock));
  properties->sharedMemPerBlockOptin = static_cast<size_t>(value(cudaDevAttrMaxSharedMemoryPerBlockOptin));
  properties->sharedMemPerMultiprocessor = static_cast<size_t>(value(cudaDevAttrMaxSharedMemoryPerMultiprocessor));
  properties->warpSize = warpSize;
  properties->maxThreadsPerBlock = value(cudaDevAttrMaxThreadsPerBlock);
  properties->major = value(cudaDevAttrComputeCapabilityMajor);
  properties->minor = value(cudaDevAttrComputeCapabilityMinor);
  properties->multiProcessorCount = value(cudaDevAttrMultiProcessorCount);
  properties->maxThreadsPerMultiProcessor = value(cudaDevAttrMaxThreadsPerMultiProcessor);
  properties->l2CacheSize = value(cudaDevAttrL2CacheSize);
  properties->memoryBusWidth = value(cudaDevAttrGlobalMemoryBusWidth);
  properties->asyncEngineCount = value(cudaDevAttrAsyncEngineCount);
  properties->unifiedAddressing = 1;
  return done(cudaSuccess);
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  Call call("");
  if (!value || device != 0) return refuse(cudaErrorInvalidDevice, "there is one device");
  switch (attribute) {
    case cudaDevAttrMaxThreadsPerBlock:
      *value = 1024;
      break;
    case cudaDevAttrMaxSharedMemoryPerBlock:
      *value = 48 << 10;
      break;
    case cudaDevAttrWarpSize:
      *value = warpSize;
      break;
    case cudaDevAttrMaxRegistersPerBlock:
      *value = 65536;
      break;
    case cudaDevAttrClockRate:
    case cudaDevAttrMemoryClockRate:
      *value = 1000000;
      break;
    case cudaDevAttrMultiProcessorCount:
      *value = settings().multiprocessors;
      break;
    case cudaDevAttrGlobalMemoryBusWidth:
      *value = 5120;
      break;
    case cudaDevAttrL2CacheSize:
      *value = 1 << 20;
      break;
    case cudaDevAttrMaxThreadsPerMultiProcessor:
      *value = 2048;
      break;
    case cudaDevAttrAsyncEngineCount:
      *value = 2;
      break;
    case cudaDevAttrComputeCapabilityMajor:
      *value = 8;
      break;
    case cudaDevAttrComputeCapabilityMinor:
      *value = 0;
      break;
    case cudaDevAttrMaxSharedMemoryPerMultiprocessor:
      *value = 228 << 10;
      break;
    case cudaDevAttrMemoryPoolsSupported:
      *value = 1;
      break;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
      *value = 227 << 10;
      break;
    case cudaDevAttrMaxBlocksPerMultiprocessor:
      *value = 32;
      break;
    default:
      return refuse(cudaErrorInvalidValue, "an attribute that the stand-in does not know");
  }
  return done(cudaSuccess);
}

#define MG_CONTROL extern "C" __attribute__((visibility("default")))

MG_CONTROL void standin_fail_after(int64_t count, int32_t out_of_memory) {
  std::lock_guard<std::recursive_mutex> guard(lock());
  fail_at = count < 0 ? -1 : calls + count;
  fail_with = out_of_memory ? cudaErrorMemoryAllocation : cudaErrorUnknown;
  text_of_failed().clear();
}
MG_CONTROL void standin_speak(int32_t yes) { loud = yes != 0; }
MG_CONTROL int64_t standin_calls() { return calls; }
MG_CONTROL const char* standin_name(int64_t call) { return names[call % kRemembered]; }
MG_CONTROL const char* standin_failed() { return text_of_failed().c_str(); }
MG_CONTROL void standin_tell_info(int32_t info) { info_to_tell = info; }
MG_CONTROL const char* standin_repair() {
  static thread_local std::string was;
  std::lock_guard<std::recursive_mutex> guard(lock());
  was = text_of_broken();
  device_error = last_error = cudaSuccess;
  text_of_broken().clear();
  return was.c_str();
}
