// SPDX-License-Identifier: Apache-2.0
// The CUDA plug-in: libmerganser_cuda.so beside libmerganser.so, or the file that
// MERGANSER_CUDA_PLUGIN names; opened once, on request.
#include <dlfcn.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "abi/table.h"
#include "runtime/context.h"
#include "runtime/cuda_libraries.h"
#include "runtime/error.h"

namespace merganser {

namespace {

struct Plugin {
  Table table{};
  std::string reason;
};

std::string own_folder() {
  Dl_info info;
  if (dladdr(reinterpret_cast<const void*>(&mg_abi_version), &info) == 0 || !info.dli_fname) return "";
  std::string file = info.dli_fname;
  size_t slash = file.rfind('/');
  return slash == std::string::npos ? "." : file.substr(0, slash);
}

void forward_error(const char* text) { set_last_error(text); }

Plugin open_plugin() {
  Plugin plugin;
  const char* named = std::getenv("MERGANSER_CUDA_PLUGIN");
  std::string file = named ? named : "";
  if (file.empty()) {
    const std::string folder = own_folder();
    file = folder + "/libmerganser_cuda.so";
    if (folder.empty() || access(file.c_str(), F_OK) != 0) {
      plugin.reason = "not in this build";
      return plugin;
    }
  }
  void* library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    const char* cause = dlerror();
    plugin.reason = std::string("the CUDA plug-in cannot be loaded: ") + (cause ? cause : "unknown reason");
    return plugin;
  }
  auto* fill = reinterpret_cast<FillTable*>(dlsym(library, "mg_fill_table"));
  if (!fill) {
    plugin.reason = "the CUDA plug-in has no symbol mg_fill_table";
    return plugin;
  }
  const PluginHost host = {MG_ABI_VERSION, mg_version(), sizeof(Table),  sizeof(mg_context),
                           &mg_last_error, cpu_table(),  &forward_error, &cuda_symbol};
  const char* reason = fill(&host, &plugin.table);
  if (reason) plugin.reason = reason;
  return plugin;
}

const Plugin& plugin() {
  static const Plugin& opened = *new Plugin(open_plugin());
  return opened;
}

}  // namespace

const char* cuda_reason() { return plugin().reason.c_str(); }

const Table* cuda_table() { return &plugin().table; }

const char* cuda_device() { return plugin().reason.empty() ? plugin().table.describe() : ""; }

}  // namespace merganser
