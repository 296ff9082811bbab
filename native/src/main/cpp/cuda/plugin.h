// SPDX-License-Identifier: Apache-2.0
// Shared by the files of libmerganser_cuda.so, the plug-in behind the table. The runtime is linked statically and opens
// the driver at its first call, so the plug-in loads on a machine without one.
#pragma once

#include <cuda_runtime.h>

#include <memory>

#include "abi/table.h"
#include "cuda/arena.h"
#include "cuda/copy.h"
#include "runtime/context.h"
#include "runtime/error.h"

namespace merganser {
namespace cuda {

// What the library gave: its CPU routines, for sequential parts on the host.
const PluginHost& plugin_host();

// The runtime's device of every context; CUDA_VISIBLE_DEVICES chooses the GPU behind it.
constexpr int kDevice = 0;

// Fails with the text of the error; MG_OUT_OF_MEMORY when it is that.
void check(cudaError_t error, const char* action);

// Makes kDevice the calling thread's device while it lives: other libraries of the process have their own.
class OnDevice {
 public:
  OnDevice();
  ~OnDevice();
  OnDevice(const OnDevice&) = delete;
  OnDevice& operator=(const OnDevice&) = delete;

 private:
  int before_ = kDevice;
};

class Blas;
class Solver;

// What a context keeps on the device.
struct State {
  cudaStream_t stream = nullptr;           // of all kernels
  cudaStream_t copies = nullptr;           // of copy(), beside them
  cudaEvent_t order = nullptr;             // where a stream was when another one began to wait for it
  unsigned long long* counters = nullptr;  // two, for scalar results
  int blocks = 0;                          // of 256 threads, that fill the GPU
  Arena scratch{DEVICE, stream}, staging{PINNED, stream};
  std::unique_ptr<CopyRing> ring;  // made for the first large copy
  std::shared_ptr<Blas> blas;      // see blas.h
  std::shared_ptr<Solver> solver;

  State();
  ~State();
  State(const State&) = delete;
  State& operator=(const State&) = delete;
};

inline State& state(mg_context* context) { return *static_cast<State*>(context->device_state); }

// Routines return when their results are there.
void synchronize(State& state, const char* routine);

// A call that fails leaves nothing under way: its arrays may be freed then, and its own memory taken again.
struct Finish {
  State& s;
  ~Finish() { static_cast<void>(cudaStreamSynchronize(s.stream)); }
};

// A kernel of this build, to see whether the device can run it.
const void* some_kernel();

// Why no device can be used, or an empty string. Loads the driver.
const char* probe();
const char* describe();

void open(mg_context* context);
void close(mg_context* context);
bool owns(const void* pointer);
void allocate(mg_context* context, int64_t bytes, void** out);
void release(void* pointer, int64_t bytes);
void copy(mg_context* context, void* to, int32_t to_device, const void* from, int32_t from_device, int64_t bytes);
void wait(mg_context* context, void* stream);
void signal(mg_context* context, void* stream);

MG_ROUTINES(MG_DECLARE)

}  // namespace cuda
}  // namespace merganser
