// SPDX-License-Identifier: Apache-2.0
// The one exported function: fills the table, or says why this machine has no use for it.
#include "cuda/plugin.h"

#include <string>

#include "cuda/libraries.h"

namespace merganser {

namespace {

PluginHost library{};

int32_t not_yet(const char* routine) {
  return guard(
      [&] { fail(MG_UNAVAILABLE, format("%s is not implemented on CUDA yet; use the CPU backend", routine)); });
}

}  // namespace

// core/error.cpp has the rest; the text belongs to the library.
void set_last_error(const char* text) noexcept {
  if (library.set_error) library.set_error(text);
}

namespace cuda {

void* library_function(CudaLibrary which, const char* name) {
  void* found = library.cuda_symbol(which, name);
  if (!found) fail(MG_UNAVAILABLE, library.last_error());
  return found;
}

namespace {

const char* mismatch(const PluginHost& host) {
  static std::string text;
  if (host.abi_version == MG_ABI_VERSION && host.table_bytes == static_cast<int64_t>(sizeof(Table)) &&
      host.context_bytes == static_cast<int64_t>(sizeof(mg_context)) &&
      std::string(host.version) == MERGANSER_VERSION) {
    return nullptr;
  }
  text = std::string("the CUDA plug-in ") + MERGANSER_VERSION + " is not from the build of libmerganser.so " +
         host.version;
  return text.c_str();
}

#define MG_NOT_YET(routine) [](auto...) -> int32_t { return not_yet(routine); }

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
  table->moments_create = MG_NOT_YET("moments_create");
  table->moments_destroy = [](mg_moments*) {};
  table->moments_update = MG_NOT_YET("moments_update");
  table->moments_stream = MG_NOT_YET("moments_stream");
  table->moments_block = MG_NOT_YET("moments_block");
  table->gemm = MG_NOT_YET("gemm");
  table->polar = MG_NOT_YET("polar");
  table->cca_map = MG_NOT_YET("cca_map");
  table->assignment = MG_NOT_YET("assignment");
  table->assignment_warm = MG_NOT_YET("assignment_warm");
  table->assignment_factors = MG_NOT_YET("assignment_factors");
  table->assignment_batch = MG_NOT_YET("assignment_batch");
  table->assignment_certify = MG_NOT_YET("assignment_certify");
  table->assignment_factors_certify = MG_NOT_YET("assignment_factors_certify");
  table->apply_dense = MG_NOT_YET("apply_dense");
  table->apply_gather = MG_NOT_YET("apply_gather");
  table->weighted_sum = Boundary<&weighted_sum>::call;
  table->convert = Boundary<&convert>::call;
  table->nonfinite_count = Boundary<&nonfinite_count>::call;
  table->task_merge = MG_NOT_YET("task_merge");
  table->kth_magnitude = MG_NOT_YET("kth_magnitude");
  table->products = MG_NOT_YET("products");
  table->stream = MG_NOT_YET("stream");
  table->np_create = MG_NOT_YET("np_create");
  table->np_destroy = [](mg_np*) {};
  table->np_theta = MG_NOT_YET("np_theta");
  table->np_step = MG_NOT_YET("np_step");
  table->np_state = MG_NOT_YET("np_state");
  table->np_load = MG_NOT_YET("np_load");
  table->np_resume = MG_NOT_YET("np_resume");
}

}  // namespace
}  // namespace cuda
}  // namespace merganser

extern "C" __attribute__((visibility("default"))) const char* mg_fill_table(const merganser::PluginHost* host,
                                                                            merganser::Table* table) {
  using namespace merganser;
  if (const char* reason = cuda::mismatch(*host)) return reason;
  library = *host;
  const char* reason = "";
  if (guard([&] { reason = cuda::probe(); }) != MG_OK) return "the CUDA probe ran out of memory";
  if (*reason) return reason;
  cuda::fill(table);
  return nullptr;
}
