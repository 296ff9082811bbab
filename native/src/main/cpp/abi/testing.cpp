// SPDX-License-Identifier: Apache-2.0
// The exported functions of merganser_testing.h.
#include "merganser_testing.h"

#include <algorithm>

#include "abi/checks.h"
#include "routines/assignment.h"

using namespace merganser;

extern "C" {

int32_t mg_assignment_route(mg_context* context, int32_t route) {
  return guard([&] {
    check_context(context);
    MG_REQUIRE(route >= 0 && route < 128, "unknown route %d", route);
    context->kept<AssignmentState>().route = route;
  });
}

int32_t mg_assignment_counters(mg_context* context, int64_t* counters) {
  return guard([&] {
    check_context(context);
    check_pointer(counters, "counters");
    std::copy_n(context->kept<AssignmentState>().counters, MG_ASSIGNMENT_COUNTERS, counters);
  });
}

int32_t mg_bandwidth(mg_context* context, int64_t bytes, int32_t reads, const void* const* in, int32_t writes,
                     void* const* out) {
  auto check = [&] {
    MG_REQUIRE(bytes >= 0 && bytes % 64 == 0, "bytes must be a multiple of 64 and >= 0, not %lld", Long{bytes});
    MG_REQUIRE(reads >= 1 && reads <= 8, "reads must be in [1, 8], not %d", reads);
    MG_REQUIRE(writes >= 0 && writes <= 8, "writes must be in [0, 8], not %d", writes);
    check_pointer(in, "in");
    if (writes > 0) check_pointer(out, "out");
    const auto check_line = [&](const void* pointer, const char* name, int32_t k) {
      MG_REQUIRE(pointer && reinterpret_cast<uintptr_t>(pointer) % 64 == 0, "%s[%d] is NULL or not aligned to 64 bytes",
                 name, k);
      check_resident(context, pointer, "bandwidth", name, k);
    };
    for (int32_t k = 0; k < reads && bytes > 0; ++k) check_line(in[k], "in", k);
    for (int32_t k = 0; k < writes && bytes > 0; ++k) check_line(out[k], "out", k);
  };
  return dispatch(check, &Table::bandwidth, context, bytes, reads, in, writes, out);
}

}  // extern "C"
