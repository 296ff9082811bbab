// SPDX-License-Identifier: Apache-2.0
// What holds for every entry of abi/table.h: see listed.h.
#include <set>

#include "test/listed.h"

using namespace check;
using merganser::Table;

namespace {

void expect(bool right, const Listed& routine, const Input& input, const std::string& what) {
  check::report(right, __FILE__, __LINE__, right ? "" : text(routine, input) + ": " + what);
}

void run(const Listed& routine) {
  Context two(2), one(1), eight(8);
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
    if (!kSanitized) {
      expect(routine.run(one, input, false).bytes == outcome.bytes, routine, input, "1 thread gives other bytes");
    }
    expect(routine.run(eight, input, false).bytes == outcome.bytes, routine, input, "8 threads give other bytes");
  }
}

void run_on_device(const Listed& routine) {
  if (!device_on_host()) return;
  Context device(2, MG_BACKEND_CUDA), cpu(2);
  const Compared compared = compare_with_cpu(routine, device, cpu, false, cuda_standin());
  const std::string problem = compared.problem + compared.unavailable;
  check::report(problem.empty() && compared.inputs > 0, __FILE__, __LINE__, problem);
}

// Tests of each routine, listed_NAME and fake_listed_NAME, so that they can be run by themselves.
const bool registered = [] {
  for (const Listed& each : listed()) {
    check::Register(std::string("listed_") + each.name, [&each] { run(each); });
    check::Register(std::string("fake_listed_") + each.name, [&each] { run_on_device(each); });
  }
  return true;
}();

}  // namespace

TEST(listed_is_the_whole_table) {
  std::set<std::string> listing, names;
  for (const Listed& each : listed()) {
    listing.insert(each.entry);
    CHECK(names.insert(each.name).second);
  }
#define MG_NAME(routine) #routine,
  const std::vector<std::string> entries = {"open",     "close",   "owns", "describe",
                                            "allocate", "release", "copy", MG_ROUTINES(MG_NAME)};
#undef MG_NAME
  for (const std::string& each : entries) {
    check::report(listing.count(each) == 1, __FILE__, __LINE__, each + " is not in test/listed.cpp");
  }
  CHECK(listing.size() == entries.size());
  // With a name and a device; the order with other streams, which only a device has, is tested by itself (fake_streams).
  CHECK(sizeof(Table) == (entries.size() + 4) * sizeof(void*));
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

// As on a GPU whose plug-in has none of them: each answers so, and nothing that follows counts as a failure.
TEST(listed_routines_that_a_device_lacks_are_skipped) {
  Context context, cpu;
  mg_context* device = context;
  const Table* before = device->table;
  Table table = *before;
  std::set<std::string> lacking;
#define MG_LACK(routine)                                             \
  table.routine = [](auto...) -> int32_t { return MG_UNAVAILABLE; }; \
  lacking.insert(#routine);
  MG_ROUTINES(MG_LACK)
#undef MG_LACK
  device->table = &table;
  for (const Listed& routine : listed()) {
    const Compared compared = compare_with_cpu(routine, device, cpu, true, true);
    check::report(compared.unavailable.empty() == (lacking.count(routine.entry) == 0) && compared.problem.empty(),
                  __FILE__, __LINE__, routine.name + (": " + compared.unavailable + compared.problem));
  }
  device->table = before;
}

// FNV-1a over what must be the same on every instruction-set level, routine by routine; cppbuild.sh compares the
// levels.
std::string check::digest(const std::string& wanted) {
  Context context;
  std::string lines;
  for (const Listed& routine : listed()) {
    if (routine.same != Same::EVERY_LEVEL || std::string(routine.name).find(wanted) == std::string::npos) continue;
    uint64_t hash = 0xcbf29ce484222325u;
    for (const Input& input : inputs(routine)) {
      for (char byte : routine.run(context, input, false).bytes) {
        hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001b3u;
      }
    }
    char text[20];
    std::snprintf(text, sizeof text, " %016llx\n", static_cast<unsigned long long>(hash));
    lines += routine.name + std::string(text);
  }
  return lines;
}
