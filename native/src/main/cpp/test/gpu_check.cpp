// SPDX-License-Identifier: Apache-2.0
// The list on the CUDA device of this machine: every routine against its oracle and the CPU; then what the card can do,
// and the times of sizes that users have. One JSON file, and the same as Markdown tables. What the backend says is
// unavailable is skipped and named, and the check is not complete.
#include <algorithm>
#include <thread>

#include "test/gpu_bench.h"
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

// A number of a table, blank where there is none.
std::string cell(double value, const char* unit = "") {
  char text[48];
  std::snprintf(text, sizeof text, value < 10 ? "%.3g%s" : "%.0f%s", value, unit);
  return std::isfinite(value) ? text : "";
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

// What results of a routine may be off by: its oracle in listed.cpp judges by this.
std::string allowed(const Listed& routine) {
  if (routine.same == Same::EVERY_LEVEL) return "the bytes of the CPU";
  static const std::pair<const char*, const char*> texts[] = {
      {"describe", "lines \"name: value\""},
      {"moments_block", "of the largest: 1e-12 (F64), 1e-5 (MIXED, TF32X3), 1e-4 (F32)"},
      {"gemm", "of k max a max b: 1e-14 (F64), 5e-6 (F32)"},
      {"polar", "1e-12 n: orthogonality, symmetry, trace (F64); 1e-8, 1e-4, 1e-4 (F32)"},
      {"svd", "1e-13 n: orthogonality, product"},
      {"solve", "1e-13 n: residual"},
      {"symmetric_eigen", "1e-13 n: orthogonality, product"},
      {"qr", "1e-14 n: orthogonality, product"},
      {"general_eigenvalues", "1e-13 n: distance from the planted values"},
      {"gram", "of the norms of both rows: 1e-13 (F64), 1e-5 (F32)"},
      {"gram_rows", "of the largest product: 1e-13 (F64), 1e-5 (F32)"},
      {"cca_map", "1e-9: T Y T' = X, T Tinv = I, symmetry, trace (F64); 1e-7, 1e-7, 1e-4, 1e-4 (F32)"},
      {"apply_dense", "1e-14 of the sum of magnitudes, and one rounding to the type"}};
  for (const auto& [name, text] : texts) {
    if (std::string(name) == routine.name) return text;
  }
  return "";
}

// The two forms of the report, written side by side.
struct Report {
  std::string json, markdown;
  std::string unavailable;
  bool agree = true;
};

void check_routines(mg_context* device, mg_context* cpu, bool brief, Report* report) {
  report->markdown += "\n| routine | inputs | allowed | worst, of what is allowed | |\n|---|---:|---|---:|---|\n";
  std::string rows;
  for (const Listed& routine : listed()) {
    const Compared compared = compare_with_cpu(routine, device, cpu, brief, true);
    if (!compared.unavailable.empty()) {
      report->unavailable += (report->unavailable.empty() ? "" : ", ") + quoted(routine.name);
      report->markdown += std::string("| ") + routine.name + " | | | | **not run**: " + compared.unavailable + " |\n";
      std::printf("skip %-26s %s\n", routine.name, compared.unavailable.c_str());
      continue;
    }
    const bool ok = compared.problem.empty();
    const std::string inputs = std::to_string(compared.inputs);
    rows += (rows.empty() ? "    {" : ",\n    {") + std::string("\"routine\": ") + quoted(routine.name) +
            ", \"inputs\": " + inputs + ", \"allowed\": " + quoted(allowed(routine)) +
            ", \"worst\": " + number(compared.worst) + ", \"ok\": " + (ok ? "true" : "false") +
            (ok ? "" : ", \"problem\": " + quoted(compared.problem)) + "}";
    report->markdown += std::string("| ") + routine.name + " | " + inputs + " | " + allowed(routine) + " | " +
                        cell(compared.worst) + " | " + (ok ? "ok" : "**" + compared.problem + "**") + " |\n";
    std::printf("%-4s %-26s %5s inputs %s\n", ok ? "ok" : "BAD", routine.name, inputs.c_str(),
                compared.problem.c_str());
    std::fflush(stdout);
    report->agree = report->agree && ok && !allowed(routine).empty();
  }
  report->json += "  \"unavailable\": [" + report->unavailable + "],\n  \"routines\": [\n" + rows + "\n  ],\n";
}

void check_times(Bench& bench, Report* report) {
  static const char* const units[] = {"", "GB/s", "GF/s", "GF/s"};
  static const char* const limits[] = {"", "copy", "gemm F32", "gemm F64"};
  bench.all();
  report->markdown += "\n| | size | device ms | CPU ms | rate | of the limit | wanted | |\n"
                      "|---|---|---:|---:|---:|---:|---|---|\n";
  std::string rows;
  for (const Timing& t : bench.timings) {
    const int kind = static_cast<int>(t.limit);
    const double rate = t.work > 0 ? 1e3 * t.work / t.device_ms : kNaN, share = rate / bench.rate(t.limit);
    const bool asked = std::isfinite(t.least_share) || std::isfinite(t.most_ms);
    const bool met = !(share < t.least_share) && !(t.device_ms > t.most_ms) && std::isfinite(t.device_ms);
    const std::string wanted = std::isfinite(t.least_share) ? "at least " + cell(t.least_share) + " of " + limits[kind]
                               : std::isfinite(t.most_ms)   ? "at most " + cell(t.most_ms, " ms")
                                                            : "";
    rows += (rows.empty() ? "    {" : ",\n    {") + std::string("\"name\": ") + quoted(t.name) +
            ", \"size\": " + quoted(t.size) + ", \"device_ms\": " + number(t.device_ms) +
            ", \"cpu_ms\": " + number(t.cpu_ms) + ", \"unit\": " + quoted(units[kind]) +
            ", \"rate\": " + number(rate / 1e9) + ", \"limit\": " + quoted(limits[kind]) +
            ", \"share\": " + number(share) + ", \"wanted\": " + quoted(wanted) +
            (asked ? std::string(", \"met\": ") + (met ? "true" : "false") : "") +
            (t.skipped.empty() ? "" : ", \"skipped\": " + quoted(t.skipped)) +
            (t.wrong.empty() ? "" : ", \"problem\": " + quoted(t.wrong)) + "}";
    report->markdown += "| " + t.name + " | " + t.size + " | " + cell(t.device_ms) + " | " + cell(t.cpu_ms) + " | " +
                        cell(rate / 1e9, (std::string(" ") + units[kind]).c_str()) + " | " + cell(share) + " | " +
                        wanted + (asked ? met ? ": met" : ": **missed**" : "") + " | " +
                        (t.wrong.empty() ? t.skipped : "**" + t.wrong + "**") + " |\n";
    report->agree = report->agree && t.wrong.empty();
  }
  report->json += "  \"times\": [\n" + rows + "\n  ],\n";
}

bool write_file(const std::string& file, const std::string& text) {
  std::FILE* out = std::fopen(file.c_str(), "w");
  if (!out || std::fputs(text.c_str(), out) < 0 || std::fclose(out) != 0) {
    std::printf("cannot write %s\n", file.c_str());
    return false;
  }
  std::printf("written: %s\n", file.c_str());
  return true;
}

}  // namespace

Compared compare_with_cpu(const Listed& routine, mg_context* device, mg_context* cpu, bool brief, bool with_oracle) {
  Compared result;
  for (const Input& input : inputs(routine)) {
    if (brief && (input.size > 40 || input.scale == Scale::TINY || input.scale == Scale::HUGE_VALUES)) continue;
    const Unavailable unavailable;
    const Outcome outcome = routine.run(device, input, with_oracle);
    result.unavailable = unavailable.text();
    if (!result.unavailable.empty()) return result;
    ++result.inputs;
    std::string problem;
    if (!(outcome.error <= result.worst)) result.worst = outcome.error;
    if (!(outcome.error <= 1)) problem = "off by " + std::to_string(outcome.error) + " x what is allowed";
    const bool promised = routine.same == Same::EVERY_LEVEL || fake_device();
    if (std::string(routine.name) == "describe") {
      // Of each device, and of the moment: memory that is free.
    } else if (promised && outcome.bytes != routine.run(cpu, input, false).bytes) {
      problem = "other bytes than on the CPU";
    } else if (!promised && outcome.bytes != routine.run(device, input, false).bytes) {
      problem = "other bytes when run again";
    }
    if (result.problem.empty() && !problem.empty()) result.problem = text(routine, input) + ": " + problem;
  }
  return result;
}

int gpu_check(const std::string& file, bool brief) {
  constexpr double kSeconds = 120;  // for measurements
  int32_t level = 0;
  mg_isa(&level);
  std::string reason = mg_cuda_reason();
  const int32_t threads = static_cast<int32_t>(std::max(1u, std::thread::hardware_concurrency()));
  int status = 3;
  mg_context* cuda = nullptr;
  Report report;
  if (reason.empty() && mg_context_create(MG_BACKEND_CUDA, threads, &cuda) != MG_OK) reason = mg_last_error();
  if (reason.empty()) {
    const Context cpu(threads);
    check_routines(cuda, cpu, brief, &report);
    Bench bench(cuda, cpu, brief, kSeconds);
    check_times(bench, &report);
    const bool agree = report.agree && failures() == 0, complete = report.unavailable.empty();
    status = !agree ? 1 : complete ? 0 : 2;
    report.json = std::string("  \"agree\": ") + (agree ? "true" : "false") + ",\n  \"complete\": " +
                  (complete ? "true" : "false") + ",\n" + report.json;
    mg_context_destroy(cuda);
  } else {
    std::printf("no GPU check: %s\n", reason.c_str());
    report.markdown = "\nNot run: " + reason + "\n";
  }
  const std::string json =
      std::string("{\n  \"merganser\": ") + quoted(mg_version()) + ",\n  \"reason\": " + quoted(reason) +
      ",\n  \"device\": " + members(mg_cuda_device()) + ",\n  \"libraries\": " + quoted(mg_cuda_libraries()) + ",\n" +
      report.json + "  \"cpu\": {\"isa\": " + quoted(mg_isa_name(level)) + ", \"blas\": " + quoted(mg_blas_core()) +
      ", \"threads\": " + std::to_string(threads) + "}\n}\n";
  const std::string markdown = std::string("# gpu-check, Merganser ") + mg_version() + "\n\n```\n" + mg_cuda_device() +
                               mg_cuda_libraries() + "\nCPU: " + mg_isa_name(level) + ", " + std::to_string(threads) +
                               " threads\n```\n" + report.markdown;
  const bool written = write_file(file, json) && write_file(file + ".md", markdown);
  return written ? status : 1;
}

}  // namespace check
