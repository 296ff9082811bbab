// SPDX-License-Identifier: Apache-2.0
// The list on the CUDA device of this machine: every routine against its oracle and the CPU, the times of both, one
// JSON file. What the backend says is unavailable is skipped and named.
#include <algorithm>
#include <thread>

#include "test/listed.h"

namespace check {

namespace {

std::string quoted(const std::string& text) {
  std::string result = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    if (c == '\n') {
      result += "\\n";
    } else {
      result += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
    }
  }
  return result + "\"";
}

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, std::isfinite(value) ? "%.6g" : "null", value);
  return text;
}

// "name: value" lines as members of an object.
std::string members(const std::string& lines) {
  std::string result;
  for (size_t begin = 0; begin < lines.size();) {
    const size_t end = lines.find('\n', begin), colon = lines.find(": ", begin);
    result += (begin ? ", " : "") + quoted(lines.substr(begin, colon - begin)) + ": " +
              quoted(lines.substr(colon + 2, end - colon - 2));
    begin = end + 1;
  }
  return "{" + result + "}";
}

constexpr int64_t kLongArray = 10000, kTimedArray = int64_t{1} << 22;

// Milliseconds of a call of the entry, at the best of three runs.
double entry_ms(const Listed& routine, mg_context* context, const Input& input) {
  double best = kInf;
  for (int turn = 0; turn < 3; ++turn) {
    const merganser::Table* before = context->table;
    merganser::Table table = *before;
    routine.spy(&table);
    context->table = &table;
    routine.run(context, input, false);
    context->table = before;
    best = std::min(best, 1e3 * routine.seconds() / static_cast<double>(std::max<int64_t>(1, routine.calls())));
  }
  return best;
}

class DeviceCheck {
 public:
  DeviceCheck(mg_context* device, mg_context* cpu, bool brief) : device_(device), cpu_(cpu), brief_(brief) {}

  void all() {
    for (const Listed& routine : listed()) {
      const Compared compared = compare_with_cpu(routine, device_, cpu_, brief_, true);
      if (!compared.unavailable.empty()) {
        unavailable += (unavailable.empty() ? "" : ", ") + quoted(routine.name);
        std::printf("skip %-26s %s\n", routine.name, compared.unavailable.c_str());
        continue;
      }
      std::string times;
      for (int32_t dtype : brief_ ? std::vector<int32_t>() : routine.dtypes)
        times += timed(routine, dtype, times.empty());
      const bool ok = compared.problem.empty();
      results += (results.empty() ? "    {" : ",\n    {") + std::string("\"routine\": ") + quoted(routine.name) +
                 ", \"inputs\": " + std::to_string(compared.inputs) + ", \"ok\": " + (ok ? "true" : "false") +
                 (ok ? "" : ", \"problem\": " + quoted(compared.problem)) + ", \"times\": [" + times + "]}";
      std::printf("%-4s %-26s %5lld inputs %s\n", ok ? "ok" : "BAD", routine.name,
                  static_cast<long long>(compared.inputs), compared.problem.c_str());
      std::fflush(stdout);
      agree = agree && ok;
    }
  }

  std::string results, unavailable;
  bool agree = true;

 private:
  std::string timed(const Listed& routine, int32_t dtype, bool first) {
    const int64_t largest = routine.sizes.back();
    const Input input{dtype, largest >= kLongArray ? kTimedArray : largest};
    const double there = entry_ms(routine, device_, input), here = entry_ms(routine, cpu_, input);
    std::printf("     %-45s device %10.4f ms  CPU %10.4f ms\n", text(routine, input).c_str(), there, here);
    return (first ? "{" : ", {") + std::string("\"input\": ") + quoted(text(routine, input)) +
           ", \"device_ms\": " + number(there) + ", \"cpu_ms\": " + number(here) + "}";
  }

  mg_context *device_, *cpu_;
  bool brief_;
};

}  // namespace

Compared compare_with_cpu(const Listed& routine, mg_context* device, mg_context* cpu, bool brief, bool with_oracle) {
  Compared result;
  for (const Input& input : inputs(routine)) {
    if (brief && input.size > 40) continue;
    const Unavailable unavailable;
    const Outcome outcome = routine.run(device, input, with_oracle);
    result.unavailable = unavailable.text();
    if (!result.unavailable.empty()) return result;
    ++result.inputs;
    std::string problem;
    if (!(outcome.error <= 1)) problem = "off by " + std::to_string(outcome.error) + " x what is allowed";
    const bool promised = routine.same == Same::EVERY_LEVEL || fake_device();
    if (promised && std::string(routine.name) != "describe" && outcome.bytes != routine.run(cpu, input, false).bytes) {
      problem = "other bytes than on the CPU";
    }
    if (result.problem.empty() && !problem.empty()) result.problem = text(routine, input) + ": " + problem;
  }
  return result;
}

int gpu_check(const std::string& file, bool brief) {
  int32_t level = 0;
  mg_isa(&level);
  std::string reason = mg_cuda_reason(), body;
  const int32_t threads = static_cast<int32_t>(std::max(1u, std::thread::hardware_concurrency()));
  int status = 3;
  mg_context* cuda = nullptr;
  if (reason.empty() && mg_context_create(MG_BACKEND_CUDA, threads, &cuda) != MG_OK) reason = mg_last_error();
  if (reason.empty()) {
    const Context cpu(threads);
    DeviceCheck check(cuda, cpu, brief);
    check.all();
    status = check.agree && failures() == 0 ? 0 : 1;
    body = std::string("  \"agree\": ") + (status == 0 ? "true" : "false") + ",\n  \"unavailable\": [" +
           check.unavailable + "],\n  \"routines\": [\n" + check.results + "\n  ],\n";
    mg_context_destroy(cuda);
  } else {
    std::printf("no GPU check: %s\n", reason.c_str());
  }
  const std::string json =
      std::string("{\n  \"merganser\": ") + quoted(mg_version()) + ",\n  \"reason\": " + quoted(reason) +
      ",\n  \"device\": " + members(mg_cuda_device()) + ",\n  \"libraries\": " + quoted(mg_cuda_libraries()) + ",\n" +
      body + "  \"cpu\": {\"isa\": " + quoted(mg_isa_name(level)) + ", \"blas\": " + quoted(mg_blas_core()) +
      ", \"threads\": " + std::to_string(threads) + "}\n}\n";
  std::FILE* out = std::fopen(file.c_str(), "w");
  if (!out || std::fputs(json.c_str(), out) < 0 || std::fclose(out) != 0) {
    std::printf("cannot write %s\n", file.c_str());
    return 1;
  }
  std::printf("written: %s\n", file.c_str());
  return status;
}

}  // namespace check
