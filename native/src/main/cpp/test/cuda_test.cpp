// SPDX-License-Identifier: Apache-2.0
// What CUDA says about itself on machines without it, and the search for cuBLAS and cuSOLVER.
#include <cstdlib>

#include "test/check.h"

using namespace check;

namespace {

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

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
