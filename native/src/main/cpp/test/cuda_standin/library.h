// SPDX-License-Identifier: Apache-2.0
// What the stand-ins of cuBLAS and cuSOLVER share: handles, checks of arguments that say what is wrong on stderr, and
// work in the order of the handle's stream.
#pragma once

#include <algorithm>
#include <set>

#include "standin.h"

namespace standin {

constexpr int kNotInitialized = 1;

struct Handle {
  cudaStream_t stream = nullptr;
  bool has_stream = false;
  int pointer_mode = 0, math = 0;
  void* workspace = nullptr;
  size_t workspace_bytes = 0;
};

// The statuses of a library.
struct Statuses {
  int allocation_failed, invalid_value, execution_failed;
};

// One call of a library: its checks, then its work.
class LibraryCall {
 public:
  LibraryCall(const char* function, const Statuses& statuses) : call_(function), function_(function), codes_(statuses) {
    if (call_.error) {
      status_ = call_.error == cudaErrorMemoryAllocation ? codes_.allocation_failed : codes_.execution_failed;
    }
  }

  // The first thing that is not as it must be decides.
  void require(bool right, const std::string& what) {
    if (right || status_ != 0) return;
    status_ = codes_.invalid_value;
    static_cast<void>(refuse(cudaErrorInvalidValue, std::string(function_) + ": " + what));
    static_cast<void>(cudaGetLastError());  // it is the library's error
  }
  void one_of(const char* name, int value, std::initializer_list<int> values) {
    for (int each : values) {
      if (value == each) return;
    }
    require(false, std::string(name) + " is " + std::to_string(value));
  }
  void handle(const std::set<Handle*>& live, const Handle* handle) {
    if (status_ == 0 && live.count(const_cast<Handle*>(handle)) == 0) status_ = kNotInitialized;
    if (status_ == 0) require(handle->has_stream, "the handle has no stream");
  }
  // `bytes` on the device, aligned.
  void memory(const char* name, const void* pointer, int64_t bytes, size_t alignment) {
    if (bytes <= 0) return;
    require(reinterpret_cast<uintptr_t>(pointer) % alignment == 0, std::string(name) + " is not aligned");
    require(on_device(pointer, static_cast<size_t>(bytes)),
            std::string(name) + " of " + std::to_string(bytes) + " bytes does not lie in one allocation of the device");
  }
  // By columns.
  template <typename T>
  void matrix(const char* name, const T* a, int64_t rows, int64_t columns, int64_t ld) {
    require(rows >= 0 && columns >= 0, std::string(name) + " has a negative size");
    require(ld >= std::max<int64_t>(1, rows), "ld of " + std::string(name) + " is " + std::to_string(ld) +
                                                  ", below its " + std::to_string(rows) + " rows");
    if (rows > 0 && columns > 0) memory(name, a, ((columns - 1) * ld + rows) * int64_t{sizeof(T)}, sizeof(T));
  }
  void host(const char* name, const void* pointer) {
    require(pointer && place_of(pointer) != Place::DEVICE, std::string(name) + " does not lie on the host");
  }

  int status() const { return status_; }

  int queue(const Handle* handle, std::function<void()> work) {
    if (status_ == 0 && !standin::queue(handle->stream, function_, std::move(work))) status_ = codes_.execution_failed;
    return status_;
  }

 private:
  Call call_;
  const char* function_;
  Statuses codes_;
  int status_ = 0;
};

}  // namespace standin

#define MG_LIBRARY extern "C" __attribute__((visibility("default"))) int
