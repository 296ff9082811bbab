// SPDX-License-Identifier: Apache-2.0
// Checks of arguments that the exported routines share, and their dispatch through the context's table.
#pragma once

#include <cmath>
#include <cstdint>

#include "abi/table.h"
#include "runtime/context.h"
#include "runtime/error.h"
#include "runtime/memory.h"

namespace merganser {

inline void check_context(const mg_context* context) {
  MG_REQUIRE(context, "context is NULL");
  check_cancelled(context);
}

inline void check_dtype(int32_t dtype) { MG_REQUIRE(dtype >= MG_F64 && dtype <= MG_BF16, "unknown dtype %d", dtype); }

inline void check_real(int32_t dtype) {
  MG_REQUIRE(dtype == MG_F64 || dtype == MG_F32, "dtype must be MG_F64 or MG_F32, not %d", dtype);
}

inline void check_size(int64_t size, const char* name) {
  MG_REQUIRE(size >= 0, "%s must be >= 0, not %lld", name, Long{size});
}

inline void check_leading(int64_t ld, int64_t columns, const char* name) {
  MG_REQUIRE(ld >= columns && ld >= 1, "%s = %lld is below the row length %lld", name, Long{ld}, Long{columns});
}

inline void check_pointer(const void* pointer, const char* name) { MG_REQUIRE(pointer, "%s is NULL", name); }

// An array on the context's device.
inline void check_array(const mg_context* context, const char* routine, const void* pointer, const char* name) {
  check_pointer(pointer, name);
  check_resident(context, pointer, routine, name);
}

// A list or a small result on the host.
inline void check_host(const char* routine, const void* pointer, const char* name) {
  check_pointer(pointer, name);
  check_on_host(pointer, routine, name);
}

// Checks, of the context too, then the table's entry with the same arguments.
template <typename Check, typename Entry, typename... Arguments>
int32_t dispatch(Check&& check, Entry Table::* entry, mg_context* context, Arguments... arguments) {
  const int32_t status = guard([&] {
    check_context(context);
    check();
  });
  return status != MG_OK ? status : (context->table->*entry)(context, arguments...);
}

}  // namespace merganser
