// SPDX-License-Identifier: Apache-2.0
// The seam between the C ABI and a backend: arguments are checked once in this folder, then every routine that works on
// device memory goes through this table, by an entry of the signature of its exported function. The CPU fills it in
// cpu_table.cpp; a plug-in (CUDA, or the fake device of the tests) fills the same table from its one exported symbol,
// `mg_fill_table`. Entries return an mg_status and never throw.
#pragma once

#include <cstdint>

#include "merganser.h"
#include "routines/routines.h"

namespace merganser {

struct Kernels;

struct Table {
  const char* name;  // as messages call it: "the CPU"
  int32_t device;    // mg_device of its memory

  // Start and end of a context. A failed `open` leaves nothing to close.
  int32_t (*open)(mg_context*);
  void (*close)(mg_context*);
  // Whether memory that mg_alloc did not give lies on this device.
  bool (*owns)(const void* pointer);
  // Lines "name: value" about the device.
  const char* (*describe)();

  int32_t (*allocate)(mg_context*, int64_t bytes, void** out);
  void (*release)(void* pointer, int64_t bytes);  // as many as were allocated
  int32_t (*copy)(mg_context*, void* to, int32_t to_device, const void* from, int32_t from_device, int64_t bytes);
  // Order with a stream of another library.
  int32_t (*wait)(mg_context*, void* stream);
  int32_t (*signal)(mg_context*, void* stream);

#define MG_ENTRY(routine) decltype(&mg_##routine) routine;
  MG_ROUTINES(MG_ENTRY)
#undef MG_ENTRY
};

const Table* cpu_table();

// Reason why CUDA cannot be used, empty when it can; the table is valid only then. It comes from the plug-in beside
// this library, or from the file that MERGANSER_CUDA_PLUGIN names.
const char* cuda_reason();
const Table* cuda_table();

// Lines "name: value" about the device, empty when there is none.
const char* cuda_device();

// What the library tells a plug-in. The two share structures, so they must come from one build; the first four members
// stay where they are, so that any two can see that they do not.
struct PluginHost {
  int32_t abi_version;
  const char* version;
  int64_t table_bytes;
  int64_t context_bytes;
  uint64_t table_hash;  // see same_build.h
  const char* (*last_error)();
  const Table* cpu;
  void (*set_error)(const char*);                                    // text of a failure that an entry reports
  void* (*cuda_symbol)(int32_t library, const char* name) noexcept;  // see cuda_libraries.h; NULL with the text set
  const Kernels& (*kernels)();                                       // of this CPU, for phases on the host
};

// What a plug-in exports as "mg_fill_table": fills the table and returns NULL, or returns why it cannot be used.
using FillTable = const char*(const PluginHost* host, Table* table);

}  // namespace merganser
