// SPDX-License-Identifier: Apache-2.0
// On the stand-in, where work of a stream runs when somebody waits for it: every routine of a context under test has
// waited for its own when it returns, but the one that says otherwise.
#include "abi/table.h"
#include "runtime/context.h"
#include "test/check.h"
#include "test/cuda_standin/control.h"

namespace check {

namespace {

using merganser::Table;

Table original;

template <auto Entry, typename Signature = decltype(Entry)>
struct Watched;

template <auto Entry, typename... Arguments>
struct Watched<Entry, int32_t (*Table::*)(Arguments...)> {
  static inline const char* name = nullptr;
  static int32_t call(Arguments... arguments) {
    const int64_t before = standin_pending();
    const int32_t status = (original.*Entry)(arguments...);
    if (status == MG_OK && standin_pending() > before) {
      report(false, __FILE__, __LINE__, std::string(name) + " returned before what it had begun was done");
    }
    return status;
  }
  static void install(Table* table, const char* routine) {
    name = routine;
    table->*Entry = &call;
  }
};

Table watched_table() {
  Table table = original;
#define MG_WATCH(routine) Watched<&Table::routine>::install(&table, #routine);
  MG_WATCH(copy)
  MG_ROUTINES(MG_WATCH)
#undef MG_WATCH
  table.moments_update = original.moments_update;  // returns when it has read its batch
  return table;
}

}  // namespace

void watch(mg_context* context) {
  if (context->backend != MG_BACKEND_CUDA || !cuda_standin()) return;
  original = *context->table;
  static const Table watched = watched_table();
  context->table = &watched;
}

}  // namespace check
