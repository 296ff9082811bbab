// SPDX-License-Identifier: Apache-2.0
// The one exported function: fills the table, or says why this machine has no use for it.
#include "cuda/plugin.h"

#include <string>

#include "abi/same_build.h"
#include "cuda/libraries.h"
#include "runtime/isa.h"

namespace merganser {

namespace {

PluginHost library{};

}  // namespace

// runtime/error.cpp has the rest; the text belongs to the library.
void set_last_error(const char* text) noexcept {
  if (library.set_error) library.set_error(text);
}

// The phases of assignment on the host use the library's.
const Kernels& kernels() { return library.kernels(); }

namespace cuda {

const PluginHost& plugin_host() { return library; }

void* library_function(CudaLibrary which, const char* name) {
  void* found = library.cuda_symbol(which, name);
  if (!found) fail(MG_UNAVAILABLE, library.last_error());
  return found;
}

namespace {

void fill(Table* table) {
  table->name = "CUDA";
  table->device = MG_DEVICE_CUDA;
  table->open = Boundary<&open>::call;
  table->close = &close;
  table->owns = &owns;
  table->describe = &describe;
  table->allocate = Boundary<&allocate>::call;
  table->release = &release;
  table->copy = Boundary<&copy>::call;
  table->wait = Boundary<&wait>::call;
  table->signal = Boundary<&signal>::call;
#define MG_FILL(routine) table->routine = Boundary<&routine>::call;
  MG_ROUTINES(MG_FILL)
#undef MG_FILL
}

}  // namespace
}  // namespace cuda
}  // namespace merganser

extern "C" __attribute__((visibility("default"))) const char* mg_fill_table(const merganser::PluginHost* host,
                                                                            merganser::Table* table) {
  using namespace merganser;
  static std::string other;
  other = mismatch(*host, "the CUDA plug-in " MERGANSER_VERSION, MERGANSER_VERSION);
  if (!other.empty()) return other.c_str();
  library = *host;
  const char* reason = "";
  if (guard([&] { reason = cuda::probe(); }) != MG_OK) return "the CUDA probe ran out of memory";
  if (*reason) return reason;
  cuda::fill(table);
  return nullptr;
}
