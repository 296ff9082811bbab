// SPDX-License-Identifier: Apache-2.0
// What the files of the stand-in share: the runtime, and the stand-ins of cuBLAS and cuSOLVER that queue their work
// with it. One lock guards all of it; work runs while the lock is held.
#pragma once

#include <functional>
#include <mutex>
#include <string>

#include "cuda_runtime.h"

namespace standin {

// How threads, blocks and streams are ordered, what garbage is, and how many multiprocessors there are:
// MERGANSER_STANDIN_ORDER is forward (default), backward or shuffled, or shuffled:SEED.
enum class Order { FORWARD, BACKWARD, SHUFFLED };
Order order();
uint64_t random_number();
void shuffle(int* values, int count);
void fill_with_garbage(void* memory, size_t bytes);
// The info of a decomposition that has found this one, unless a test wants another.
int told_info(int found);

std::recursive_mutex& lock();

// A call of the library: holds the lock, counts, and has the error if it is to fail (control.h).
class Call {
 public:
  explicit Call(const char* name);
  cudaError_t error = cudaSuccess;

 private:
  std::lock_guard<std::recursive_mutex> guard_;
};

// Remembers the error for cudaGetLastError.
cudaError_t done(cudaError_t error);
// A mistake of the caller, which a device reports in few words if at all: said on stderr, then like done().
cudaError_t refuse(cudaError_t error, const std::string& text);
// An error while work ran: from then on every call answers it.
void break_device(cudaError_t error, const std::string& text);
cudaError_t broken();

// ---- memory.cpp
// Makes device memory accessible while it lives.
class Access {
 public:
  Access();
  ~Access();
  Access(const Access&) = delete;
};
enum class Place { PAGEABLE, PINNED, DEVICE };
Place place_of(const void* pointer);
// Whether [pointer, pointer + bytes) lies in one allocation of device memory that lives.
bool on_device(const void* pointer, size_t bytes);
// Names the work that has written beyond an allocation.
void check_guards(const char* work);

// ---- streams.cpp
// Adds work to a stream; false when there is no such stream.
bool queue(cudaStream_t stream, const std::string& name, std::function<void()> work);
bool known(cudaStream_t stream);
void run_all();

// ---- names.cpp
std::string name_of(const void* function);

}  // namespace standin
