// SPDX-License-Identifier: Apache-2.0
// Whether a plug-in and the library come from one build, as far as either can tell: they share structures.
#pragma once

#include <string>

#include "abi/table.h"
#include "runtime/context.h"

namespace merganser {

// A number of the table's entries, their names, order and signatures as the compiler writes them: another one where any
// of these is.
template <typename... Entries>
constexpr uint64_t hash_of_entries(const char* names) {
  uint64_t hash = 14695981039346656037u;  // FNV-1a
  for (const char* text : {static_cast<const char*>(__PRETTY_FUNCTION__), names}) {
    for (; *text != '\0'; ++text) hash = (hash ^ static_cast<unsigned char>(*text)) * 1099511628211u;
  }
  return hash;
}
#define MG_TYPE(routine) , decltype(Table::routine)
#define MG_NAME(routine) #routine " "
constexpr uint64_t kTableHash =
    hash_of_entries<decltype(Table::open), decltype(Table::close), decltype(Table::owns), decltype(Table::describe),
                    decltype(Table::allocate), decltype(Table::release), decltype(Table::copy), decltype(Table::wait),
                    decltype(Table::signal) MG_ROUTINES(MG_TYPE)>(MG_ROUTINES(MG_NAME));
#undef MG_TYPE
#undef MG_NAME

// Why a plug-in, "the CUDA plug-in 1.0" say, that was compiled with this header is not from the build of the library;
// empty when nothing tells. `version` is the plug-in's.
inline std::string mismatch(const PluginHost& host, const std::string& plugin, const std::string& version) {
  const auto differs = [](const char* what, auto own, auto other) {
    return own == other ? "" : std::string(what) + " " + std::to_string(own) + ", not " + std::to_string(other);
  };
  std::string what = differs("ABI version", MG_ABI_VERSION, host.abi_version);
  if (what.empty()) what = differs("bytes of the table:", int64_t{sizeof(Table)}, host.table_bytes);
  if (what.empty()) what = differs("bytes of a context:", int64_t{sizeof(mg_context)}, host.context_bytes);
  if (what.empty() && host.table_hash != kTableHash) what = "other signatures in the table";
  if (what.empty() && version == host.version) return "";
  return plugin + " is not from the build of libmerganser.so " + host.version + (what.empty() ? "" : ": " + what);
}

}  // namespace merganser
