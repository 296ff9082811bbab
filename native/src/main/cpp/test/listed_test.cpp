// SPDX-License-Identifier: Apache-2.0
// What holds for every entry of core/table.h: see listed.h.
#include <set>

#include "test/listed.h"

using namespace check;
using merganser::Table;

namespace {

void expect(bool right, const Listed& routine, const Input& input, const std::string& what) {
  check::report(right, __FILE__, __LINE__, right ? "" : text(routine, input) + ": " + what);
}

}  // namespace

TEST(listed_is_the_whole_table) {
  std::set<size_t> slots;
  for (const Listed& each : listed()) {
    check::report(slots.insert(each.slot).second, __FILE__, __LINE__, std::string(each.name) + " is listed twice");
  }
  const Table table{};
  const char* begin = reinterpret_cast<const char*>(&table);
  const std::set<size_t> fields = {static_cast<size_t>(reinterpret_cast<const char*>(&table.name) - begin),
                                   static_cast<size_t>(reinterpret_cast<const char*>(&table.device) - begin)};
  for (size_t at = 0; at < sizeof(Table); at += sizeof(void*)) {
    check::report(fields.count(at) + slots.count(at) == 1, __FILE__, __LINE__,
                  "the entry at byte " + std::to_string(at) + " of core/table.h is not in test/listed.cpp");
  }
}

TEST(listed_routines_run_their_entry) {
  for (const Listed& routine : listed()) {
    Context context;
    mg_context* raw = context;
    const Table* before = raw->table;
    Table table = *before;
    routine.spy(&table);
    raw->table = &table;
    routine.run(context, inputs(routine).front(), false);
    raw->table = before;
    check::report(routine.calls() > 0, __FILE__, __LINE__, std::string(routine.name) + " is listed but not run");
  }
}

TEST(listed_routines) {
  Context two(2), one(1), eight(8);
  for (const Listed& routine : listed()) {
    std::vector<char> aligned;
    for (const Input& input : inputs(routine)) {
      const Outcome outcome = routine.run(two, input, true);
      expect(outcome.error <= 1, routine, input, "off by " + std::to_string(outcome.error) + " x what is allowed");
      if (input.shift == 0) {
        aligned = outcome.bytes;
      } else if (routine.same == Same::EVERY_LEVEL) {
        expect(outcome.bytes == aligned, routine, input, "other bytes than of aligned arrays");
      }
      // Magnitudes do not change who computes what.
      if (input.scale == Scale::TINY || input.scale == Scale::HUGE_VALUES) continue;
      expect(routine.run(one, input, false).bytes == outcome.bytes, routine, input, "1 thread gives other bytes");
      expect(routine.run(eight, input, false).bytes == outcome.bytes, routine, input, "8 threads give other bytes");
    }
  }
}

TEST(fake_listed_routines) {
  if (!fake_device()) return;
  Context device(2, MG_BACKEND_CUDA), cpu(2);
  for (const Listed& routine : listed()) {
    if (std::string(routine.name) == "describe") continue;  // which differs
    for (const Input& input : inputs(routine)) {
      const Outcome outcome = routine.run(device, input, false);
      expect(outcome.error <= 1, routine, input, "wrong on the device");
      expect(outcome.bytes == routine.run(cpu, input, false).bytes, routine, input, "other bytes than on the CPU");
    }
  }
}

// FNV-1a over what must be the same on every instruction-set level; cppbuild.sh compares the levels.
uint64_t check::digest() {
  Context context;
  uint64_t hash = 0xcbf29ce484222325u;
  for (const Listed& routine : listed()) {
    if (routine.same != Same::EVERY_LEVEL) continue;
    for (const Input& input : inputs(routine)) {
      for (char byte : routine.run(context, input, false).bytes) {
        hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001b3u;
      }
    }
  }
  return hash;
}
