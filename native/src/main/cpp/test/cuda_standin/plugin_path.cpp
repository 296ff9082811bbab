// SPDX-License-Identifier: Apache-2.0
// Part of the plug-in: naming it is enough, as the stand-ins of cuBLAS and cuSOLVER lie in the folder beside it.
#include <dlfcn.h>

#include <cstdlib>
#include <string>

namespace {

__attribute__((constructor)) void name_libraries() {
  Dl_info info;
  if (dladdr(reinterpret_cast<const void*>(&name_libraries), &info) == 0 || !info.dli_fname) return;
  const std::string file = info.dli_fname;
  const size_t slash = file.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : file.substr(0, slash);
  setenv("MERGANSER_CUDA_PATH", (folder + "/standin").c_str(), 0);
}

}  // namespace
