// SPDX-License-Identifier: Apache-2.0
// What CUDA says about itself on machines without it, and the search for cuBLAS and cuSOLVER.
#include <dlfcn.h>

#include <cstdlib>

#include "abi/same_build.h"
#include "test/check.h"

using namespace check;

namespace {

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// That of MERGANSER_CUDA_PLUGIN, else the one beside the library, which needs no GPU to say what it is.
std::string plugin_file() {
  if (const char* named = std::getenv("MERGANSER_CUDA_PLUGIN")) return named;
#if defined(MERGANSER_WITH_CUDA)
  Dl_info info;
  CHECK(dladdr(reinterpret_cast<const void*>(&mg_version), &info) != 0);
  const std::string library = info.dli_fname;
  return library.substr(0, library.rfind('/') + 1) + "libmerganser_cuda.so";
#else
  return "";
#endif
}

}  // namespace

TEST(cuda_gives_a_reason_or_a_context) {
  const std::string reason = mg_cuda_reason();
  CHECK(reason == mg_cuda_reason());
#if !defined(MERGANSER_WITH_CUDA)
  if (!device_on_host()) CHECK(reason == "not in this build");
#else
  CHECK(!contains(reason, "not in this build") && !contains(reason, "cannot be loaded") &&
        !contains(reason, "is not from the build"));
#endif
  mg_context* context = nullptr;
  if (reason.empty()) {
    CHECK_OK(mg_context_create(MG_BACKEND_CUDA, 1, &context));
    CHECK(contains(mg_cuda_device(), "name: "));
    mg_context_destroy(context);
  } else {
    CHECK_FAILS(mg_context_create(MG_BACKEND_CUDA, 1, &context), MG_UNAVAILABLE, "CUDA: " + reason);
    CHECK(context == nullptr && std::string(mg_cuda_device()).empty());
    std::printf("CUDA: %s\n", reason.c_str());
  }
}

TEST(fake_plugin_of_another_build_is_refused) {
  using namespace merganser;
  typedef int32_t (*Short)(int32_t);
  typedef int32_t (*Long)(int64_t);
  CHECK(hash_of_entries<Short>("a ") != hash_of_entries<Long>("a ") &&
        hash_of_entries<Short>("a ") != hash_of_entries<Short>("b "));
  CHECK((hash_of_entries<Short, Long>("a b ") != hash_of_entries<Long, Short>("a b ")));
  CHECK((hash_of_entries<Short, Short>("a b ") != hash_of_entries<Short, Short>("b a ")));
  const std::string file = plugin_file();
  if (file.empty()) return;
  void* library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  auto* fill = library ? reinterpret_cast<FillTable*>(dlsym(library, "mg_fill_table")) : nullptr;
  CHECK(fill != nullptr);
  if (!fill) return;
  PluginHost same{};
  same.abi_version = MG_ABI_VERSION;
  same.version = mg_version();
  same.table_bytes = sizeof(Table);
  same.context_bytes = sizeof(mg_context);
  same.table_hash = kTableHash;
  Table table{};
  const auto refused = [&](const PluginHost& other, const std::string& text) {
    const char* reason = fill(&other, &table);
    const std::string found = reason ? reason : "no reason";
    if (!contains(found, " is not from the build of libmerganser.so ") || !contains(found, text)) {
      std::printf("%s, not: %s\n", found.c_str(), text.c_str());
      return false;
    }
    return true;
  };
  PluginHost other = same;
  other.abi_version = MG_ABI_VERSION - 1;
  CHECK(refused(other, ": ABI version " + std::to_string(MG_ABI_VERSION) + ", not " +
                           std::to_string(MG_ABI_VERSION - 1)));
  other = same;
  other.table_bytes -= 8;
  CHECK(refused(other, ": bytes of the table: "));
  other = same;
  other.context_bytes += 8;
  CHECK(refused(other, ": bytes of a context: "));
  other = same;
  other.table_hash ^= 1;
  CHECK(refused(other, ": other signatures in the table"));
  other = same;
  other.version = "0.0.1";
  if (!device_on_host() || cuda_standin()) CHECK(refused(other, "libmerganser.so 0.0.1"));  // the fake one has none
  CHECK(table.name == nullptr && table.open == nullptr);
}

TEST(cuda_libraries_are_searched) {
  setenv("MERGANSER_CUDA_PATH", MERGANSER_TEST_STUBS, 1);
  const std::string report = mg_cuda_libraries();
  if (contains(report, "found on the loader path") || contains(report, "already loaded")) {
    std::printf("this machine has the libraries: %s", report.c_str());
    return;
  }
  CHECK(contains(report, "cuBLAS 13.1.2: found as " MERGANSER_TEST_STUBS "/libcublas.so.13\n"));
  // Only of the same CUDA release; one that is there but unusable is told.
  CHECK(contains(report, "cuSOLVER: not found (tried libcusolver.so.12 on the loader path, " MERGANSER_TEST_STUBS));
  CHECK(!contains(report, "libcusolver.so.11"));
  CHECK(contains(report, "libcusolver.so.12: file too short"));
}

TEST(cuda_counts_nothing_on_the_cpu) {
  Context context;
  double from = 1, to = 0;
  int64_t there = -1, back = -1;
  CHECK_OK(mg_copy(context, &to, MG_DEVICE_HOST, &from, MG_DEVICE_HOST, 8));
  CHECK_OK(mg_transfer_counts(context, &there, &back));
  CHECK(there == 0 && back == 0);
}
