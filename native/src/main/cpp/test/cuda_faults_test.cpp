// SPDX-License-Identifier: Apache-2.0
// Every call that a routine makes of the CUDA runtime, cuBLAS and cuSOLVER fails once, on the stand-in: the routine
// must say so, or have another way to the same bytes; afterwards the context works, and no memory is lost.
#include <cuda_runtime.h>

#include <algorithm>
#include <cstdlib>
#include <set>

#include "test/cuda_standin/control.h"
#include "test/listed.h"

using namespace check;

namespace {

// Of the calls of a routine: the first ones, which also fail for want of memory, some evenly, and the first one of each
// function (not under sanitizers).
constexpr int64_t kFirst = kSanitized ? 4 : 10, kPlaces = kSanitized ? 4 : 12;

std::set<int64_t> places(int64_t begin, int64_t calls) {
  std::set<int64_t> chosen;
  std::set<std::string> names;
  for (int64_t call = 0, step = std::max<int64_t>(1, calls / kPlaces); call < calls; ++call) {
    const bool first = !kSanitized && names.insert(standin_name(begin + call)).second;
    if (first || call < kFirst || (call - kFirst) % step == 0) chosen.insert(call);
  }
  return chosen;
}

struct Failure {
  bool happened = false;
  std::string call;
  int32_t status = MG_OK;
  std::string text;
  std::vector<char> bytes;
};

Failure run_failing(const Listed& routine, mg_context* device, const Input& input, int64_t after, bool memory) {
  const Expecting expecting;
  standin_fail_after(after, memory);
  Failure failure;
  failure.bytes = routine.run(device, input, false).bytes;
  failure.call = standin_failed();
  failure.happened = !failure.call.empty();
  standin_fail_after(-1, 0);
  failure.status = expecting.status();
  failure.text = expecting.text();
  return failure;
}

// Bytes on the device when the plug-in has given back what it keeps, which it does before it says that there are none.
int64_t held_by_nobody() {
  Context device(1, MG_BACKEND_CUDA);
  void* memory = nullptr;
  CHECK(mg_alloc(device, int64_t{1} << 40, &memory) == MG_OUT_OF_MEMORY);
  return standin_allocated();
}

// Statuses do not depend on the order of threads, so one order is enough; not the first, which has the longest list.
// Under sanitizers there is but one.
bool wanted() {
  const char* order = std::getenv("MERGANSER_STANDIN_ORDER");
  return cuda_standin() && order && (kSanitized || std::string(order) == "backward");
}

// An input of some blocks, aligned; a decomposition that cuSOLVER has another function for than for small ones. Polar
// factors above 128, which are iterated, take too long here: cuda_statuses_test.cpp.
Input some_input(const Listed& routine) {
  Input input{routine.dtypes.back(), routine.sizes.front(), 0, Scale::NORMAL};
  const std::string entry = routine.entry;
  const bool dense = entry == "polar" || entry == "cca_map" || entry == "svd";
  const int64_t most = dense && !kSanitized ? 33 : 17;
  for (int64_t size : routine.sizes) input.size = size <= most ? std::max(size, input.size) : input.size;
  return input;
}

// What has no status to give: a property that is missing in a description, the waits for a stream that is closed and
// for moments that are destroyed.
bool excused(const Listed& routine, const std::string& call) {
  return call == "cudaGetDeviceProperties" || call == "cudaEventSynchronize" || std::string(routine.entry) == "close" ||
         std::string(routine.entry) == "open";
}

void expect(bool right, const Listed& routine, const std::string& what) {
  check::report(right, __FILE__, __LINE__, right ? "" : std::string(routine.name) + ": " + what);
}

void fail_each_call(const Listed& routine) {
  if (!wanted()) return;
  const Input input = some_input(routine);
  const int64_t before = held_by_nobody();
  {
    Context device(2, MG_BACKEND_CUDA);
    std::vector<char> bytes;
    {
      const Unavailable unavailable;
      bytes = routine.run(device, input, false).bytes;
      if (!unavailable.text().empty()) return;
    }
    const int64_t begin = standin_calls();
    expect(routine.run(device, input, false).bytes == bytes, routine, "the second call gives other bytes");
    const int64_t calls = standin_calls() - begin;
    std::set<std::string> failed;
    for (int64_t call : places(begin, calls)) {
      for (bool memory : {false, true}) {
        if (memory && call >= kFirst) continue;
        const Failure failure = run_failing(routine, device, input, call, memory);
        if (!failure.happened) continue;
        failed.insert(failure.call);
        const std::string which = failure.call + ", call " + std::to_string(call) + (memory ? ", out of memory" : "");
        // Memory may be found elsewhere, and nothing depends on the second wait of a scope that ends.
        const bool may_cope = memory || failure.call == "cudaStreamSynchronize";
        const bool another_way = may_cope && failure.status == MG_OK && failure.bytes == bytes;
        expect(failure.status != MG_OK || another_way || excused(routine, failure.call), routine,
               "the failure of " + which + " is not told");
        expect(!memory || failure.status == MG_OK || failure.status == MG_OUT_OF_MEMORY, routine,
               which + " has status " + std::to_string(failure.status) + ": " + failure.text);
        // A real device that cannot be waited for is lost; this one goes on when its work is done.
        if (failure.call.find("Synchronize") != std::string::npos) CHECK(cudaDeviceSynchronize() == cudaSuccess);
        expect(routine.run(device, input, false).bytes == bytes, routine, "other bytes after " + which);
      }
    }
    CHECK(calls == 0 || !failed.empty());
  }
  const int64_t lost = held_by_nobody() - before;
  expect(lost == 0, routine, std::to_string(lost) + " bytes are lost");
}

// With little memory a new context does it in smaller pieces, or says what it lacks.
void run_with_little_memory(const Listed& routine) {
  if (!wanted()) return;
  const Input input = some_input(routine);
  std::vector<char> bytes;
  {
    Context device(2, MG_BACKEND_CUDA);
    const Unavailable unavailable;
    bytes = routine.run(device, input, false).bytes;
    if (!unavailable.text().empty()) return;
  }
  const int64_t before = held_by_nobody();
  for (int64_t kilobytes : {1, 200, 1500, 3000, 40000}) {
    Context device(2, MG_BACKEND_CUDA);
    standin_limit_memory(standin_allocated() + 1024 * kilobytes);
    int32_t status;
    std::string text;
    std::vector<char> found;
    {
      const Expecting expecting;
      found = routine.run(device, input, false).bytes;
      status = expecting.status();
      text = expecting.text();
    }
    standin_limit_memory(-1);
    expect(status == MG_OUT_OF_MEMORY || (status == MG_OK && found == bytes) || excused(routine, ""), routine,
           std::to_string(kilobytes) + " KiB: status " + std::to_string(status) + " " + text);
    expect(routine.run(device, input, false).bytes == bytes, routine, "other bytes after memory was short");
  }
  const int64_t lost = held_by_nobody() - before;
  expect(lost == 0, routine, std::to_string(lost) + " bytes are lost");
}

const bool registered = [] {
  for (const Listed& each : listed()) {
    check::Register(std::string("fake_faults_") + each.name, [&each] { fail_each_call(each); });
    check::Register(std::string("fake_little_memory_") + each.name, [&each] { run_with_little_memory(each); });
  }
  return true;
}();

}  // namespace
