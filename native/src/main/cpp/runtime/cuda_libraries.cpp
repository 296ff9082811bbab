// SPDX-License-Identifier: Apache-2.0
// The search: a copy that the process has loaded (Bytedeco's presets do that), then the loader path, then the folders
// of the user. CUDA 13 before CUDA 12, both libraries from one of them.
#include "runtime/cuda_libraries.h"

#include <dlfcn.h>
#include <link.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "runtime/error.h"

namespace merganser {

namespace {

struct Library {
  void* handle = nullptr;
  int release = -1;  // index into the names
  std::string report;
};

struct Names {
  const char* title;
  const char* file[2];  // of CUDA 13 and 12
  const char* property;
};

constexpr Names kNames[] = {
    {"cuBLAS", {"libcublas.so.13", "libcublas.so.12"}, "cublasGetProperty"},
    {"cuSOLVER", {"libcusolver.so.12", "libcusolver.so.11"}, "cusolverGetProperty"},
};

std::string path_of(void* handle) {
  link_map* map = nullptr;
  return dlinfo(handle, RTLD_DI_LINKMAP, &map) == 0 && map && map->l_name ? map->l_name : "";
}

bool contains(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

// " 13.1.0"; the library tells it without a device.
std::string version_of(void* handle, const char* name) {
  auto* property = reinterpret_cast<int (*)(int, int*)>(dlsym(handle, name));
  int parts[3];
  for (int i = 0; i < 3; ++i) {
    if (!property || property(i, &parts[i]) != 0) return "";
  }
  return format(" %d.%d.%d", parts[0], parts[1], parts[2]);
}

std::vector<std::string> user_folders() {
  std::vector<std::string> folders;
  for (const char* variable : {"MERGANSER_CUDA_PATH", "CUDA_PATH", "CUDA_HOME"}) {
    const char* value = std::getenv(variable);
    if (!value || !*value) continue;
    // MERGANSER_CUDA_PATH may name the folder of the files itself.
    if (std::string(variable) == "MERGANSER_CUDA_PATH") folders.push_back(value);
    folders.push_back(std::string(value) + "/lib64");
  }
  return folders;
}

Library found(void* handle, int release, const Names& names, const std::string& how) {
  Library library;
  library.handle = handle;
  library.release = release;
  library.report = names.title + version_of(handle, names.property) + ": " + how;
  return library;
}

// `only` >= 0 restricts the search to one CUDA release.
Library search(const Names& names, int only) {
  const int first = only < 0 ? 0 : only, last = only < 0 ? 1 : only;
  for (int release = first; release <= last; ++release) {
    void* handle = dlopen(names.file[release], RTLD_LAZY | RTLD_LOCAL | RTLD_NOLOAD);
    if (!handle) continue;
    const std::string path = path_of(handle);
    const bool bytedeco = contains(path, "bytedeco") || contains(path, ".javacpp");
    return found(handle, release, names, bytedeco ? "found through Bytedeco presets" : "already loaded from " + path);
  }
  const std::vector<std::string> folders = user_folders();
  std::string tried, cause;
  for (int release = first; release <= last; ++release) {
    const std::string file = names.file[release];
    if (void* handle = dlopen(file.c_str(), RTLD_LAZY | RTLD_LOCAL)) {
      return found(handle, release, names, "found on the loader path, " + path_of(handle));
    }
    tried += (tried.empty() ? "" : ", ") + file;
    for (const std::string& folder : folders) {
      const std::string path = folder + "/" + file;
      if (void* handle = dlopen(path.c_str(), RTLD_LAZY | RTLD_LOCAL)) {
        return found(handle, release, names, "found as " + path);
      }
      // A file that is there but cannot be loaded lacks one of its own libraries: worth telling.
      const char* text = dlerror();
      if (text && !contains(text, (path + ": cannot open shared object file").c_str())) cause = text;
    }
  }
  std::string places = "the loader path";
  for (const std::string& folder : folders) places += ", " + folder;
  if (folders.empty()) places += "; MERGANSER_CUDA_PATH, CUDA_PATH and CUDA_HOME are not set";
  Library library;
  library.report = std::string(names.title) + ": not found (tried " + tried + " on " + places + ")";
  if (!cause.empty()) library.report += ": " + cause;
  return library;
}

struct Libraries {
  Library each[2];
  std::string report;

  Libraries() {
    each[kCublas] = search(kNames[kCublas], -1);
    each[kCusolver] = search(kNames[kCusolver], each[kCublas].release);
    report = each[kCublas].report + "\n" + each[kCusolver].report + "\n";
  }
};

const Libraries& libraries() {
  static const Libraries& only = *new Libraries;
  return only;
}

}  // namespace

void* cuda_symbol(int32_t library, const char* name) noexcept {
  void* symbol = nullptr;
  guard([&] {
    const Library& from = libraries().each[library];
    if (!from.handle) fail(MG_UNAVAILABLE, from.report);
    symbol = dlsym(from.handle, name);
    if (!symbol) fail(MG_UNAVAILABLE, format("%s has no function %s", from.report.c_str(), name));
  });
  return symbol;
}

const char* cuda_libraries() { return libraries().report.c_str(); }

}  // namespace merganser
