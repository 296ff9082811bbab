// SPDX-License-Identifier: Apache-2.0
// The CUDA plug-in: libmerganser_cuda.so beside libmerganser.so, or the file that
// MERGANSER_CUDA_PLUGIN names; opened once, on request.
#include <dlfcn.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "abi/same_build.h"
#include "runtime/cuda_libraries.h"
#include "runtime/error.h"
#include "runtime/isa.h"

namespace merganser {

namespace {

std::string own_folder() {
  Dl_info info;
  if (dladdr(reinterpret_cast<const void*>(&mg_abi_version), &info) == 0 || !info.dli_fname) return "";
  std::string file = info.dli_fname;
  size_t slash = file.rfind('/');
  return slash == std::string::npos ? "." : file.substr(0, slash);
}

void forward_error(const char* text) { set_last_error(text); }

// Fills the table, or says why not.
std::string open_plugin(Table* table) {
  const char* named = std::getenv("MERGANSER_CUDA_PLUGIN");
  std::string file = named ? named : "";
  if (file.empty()) {
    const std::string folder = own_folder();
    file = folder + "/libmerganser_cuda.so";
    if (folder.empty() || access(file.c_str(), F_OK) != 0) return "not in this build";
  }
  void* library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    const char* cause = dlerror();
    return std::string("the CUDA plug-in cannot be loaded: ") + (cause ? cause : "unknown reason");
  }
  auto* fill = reinterpret_cast<FillTable*>(dlsym(library, "mg_fill_table"));
  if (!fill) return "the CUDA plug-in has no symbol mg_fill_table";
  const PluginHost host = {MG_ABI_VERSION, mg_version(), sizeof(Table),  sizeof(mg_context), kTableHash,
                           &mg_last_error, cpu_table(),  &forward_error, &cuda_symbol,       &kernels};
  const char* reason = fill(&host, table);
  return reason ? reason : "";
}

struct Plugin {
  Table table{};
  std::string reason = open_plugin(&table);
};

const Plugin& plugin() {
  static const Plugin& opened = *new Plugin;
  return opened;
}

}  // namespace

const char* cuda_reason() { return plugin().reason.c_str(); }

const Table* cuda_table() { return &plugin().table; }

const char* cuda_device() { return plugin().reason.empty() ? plugin().table.describe() : ""; }

}  // namespace merganser
