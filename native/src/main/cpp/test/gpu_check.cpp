// SPDX-License-Identifier: Apache-2.0
// The CUDA table against the CPU on this machine's GPU: same bytes for random bits at several alignments, times of
// both, one JSON file. A routine that is implemented but not compared here is an error.
#include <chrono>
#include <functional>
#include <memory>
#include <thread>

#include "test/oracle.h"

namespace check {

namespace {

constexpr const char* kTypes[] = {"F64", "F32", "F16", "BF16"};

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

double best_ms(int repetitions, const std::function<void()>& body) {
  double best = kInf;
  for (int i = 0; i < repetitions; ++i) {
    const auto start = std::chrono::steady_clock::now();
    body();
    best = std::min(best, std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
  }
  return best;
}

// The same bytes on the host and on the device.
struct Twin {
  Twin(mg_context* device, int64_t count, uint64_t seed) : context(device), host((count + 7) / 8) {
    std::mt19937_64 generator(seed);
    for (uint64_t& word : host) word = generator();
    if (mg_alloc(context, bytes(), &memory) != MG_OK) throw std::string(mg_last_error());
    upload();
  }
  ~Twin() { mg_free(context, memory); }
  Twin(const Twin&) = delete;
  int64_t bytes() const { return static_cast<int64_t>(host.size()) * 8; }
  void upload() { require(mg_copy(context, memory, MG_DEVICE_CUDA, host.data(), MG_DEVICE_HOST, bytes())); }
  std::vector<uint64_t> download() const {
    std::vector<uint64_t> result(host.size());
    require(mg_copy(context, result.data(), MG_DEVICE_HOST, memory, MG_DEVICE_CUDA, bytes()));
    return result;
  }
  static void require(int32_t status) {
    if (status != MG_OK) throw std::string(mg_last_error());
  }
  char* on_host() { return reinterpret_cast<char*>(host.data()); }
  char* on_device() { return static_cast<char*>(memory); }

  mg_context* context;
  std::vector<uint64_t> host;
  void* memory = nullptr;
};

// One case: the arrays, and the call on one side of them.
struct Case {
  std::string routine, name;
  int64_t count;
  double bytes;      // that it reads and writes, for the rate
  int32_t out_type;  // -1: the result is `scalars` only
  // Runs on device pointers or host pointers of the twins; scalar results go to the array.
  std::function<int32_t(mg_context*, bool device, int64_t* scalars)> run;
  Twin* out = nullptr;
};

class Check {
 public:
  Check(mg_context* cuda, mg_context* cpu, bool brief) : cuda_(cuda), cpu_(cpu), brief_(brief) {}

  void all() {
    for (int32_t type = MG_F64; type <= MG_BF16; ++type) {
      for (int64_t shift : {0, 8, 1}) sums(type, small(), 3, shift);
      sums(type, small(), 70, 0);
      sums(type, large(type), 3, 0);
      for (int64_t shift : {0, 8, 1}) nonfinite(type, small(), shift);
      nonfinite(type, large(type), 0);
      for (int32_t to = MG_F64; to <= MG_BF16; ++to) {
        for (int64_t shift : {0, 8, 1}) conversion(type, to, small(), shift);
        conversion(type, to, large(std::min(type, to)), 0);
      }
    }
    transfers();
  }

  // The rest must say that it is not there; what is there must be compared above.
  void others(bool fake) {
    double* d = nullptr;
    void* memory = nullptr;
    Twin::require(mg_alloc(cuda_, 1024, &memory));
    d = static_cast<double*>(memory);
    const int64_t index[] = {0}, width = 1;
    const void* costs[] = {d};
    int64_t column;
    double value;
    const double gamma = 1;
    mg_polar_report polar;
    mg_cca_report cca;
    mg_moments* moments = nullptr;
    const std::pair<const char*, int32_t> answers[] = {
        {"moments_create", mg_moments_create(cuda_, 1, &width, 0, nullptr, nullptr, 0, 0, &moments)},
        {"gemm", mg_gemm(cuda_, MG_F64, 0, 0, 1, 1, 1, 1, d, 1, d, 1, 0, d + 1, 1)},
        {"polar", mg_polar(cuda_, MG_F64, 1, 1, d, 1, d + 1, 1, d + 2, &polar)},
        {"cca_map", mg_cca_map(cuda_, MG_F64, 1, d, d, d, 1, &gamma, &gamma, d + 1, d + 2, d + 3, &cca)},
        {"assignment", mg_assignment(cuda_, MG_F64, 1, 1, d, 1, 0, &column, d + 1, d + 2, &value)},
        {"assignment_warm", mg_assignment_warm(cuda_, MG_F64, 1, 1, d, 1, 0, &column, d + 1, d + 2, &value)},
        {"assignment_factors",
         mg_assignment_factors(cuda_, MG_F64, 1, 1, 1, d, 1, d, 1, 0, 0, &column, d + 1, d + 2, &value)},
        {"assignment_batch",
         mg_assignment_batch(cuda_, 1, MG_F64, &width, &width, costs, &width, 0, &column, d + 1, d + 2, &value)},
        {"assignment_certify", mg_assignment_certify(cuda_, MG_F64, 1, 1, d, 1, 0, index, d, d, &value)},
        {"assignment_factors_certify",
         mg_assignment_factors_certify(cuda_, MG_F64, 1, 1, 1, d, 1, d, 1, 0, index, d, d, &value)},
        {"apply_dense", mg_apply_dense(cuda_, MG_F64, 1, 1, 1, 1, d, 1, 0, d, 1, d + 1, 1)},
        {"apply_gather", mg_apply_gather(cuda_, MG_F64, 1, 1, 1, 1, index, nullptr, d, 1, d + 1, 1)},
    };
    if (moments) mg_moments_destroy(cuda_, moments);
    mg_free(cuda_, memory);
    for (const auto& [routine, status] : answers) {
      if (status == MG_UNAVAILABLE) missing += (missing.empty() ? "" : ", ") + quoted(routine);
      if (status == MG_UNAVAILABLE || fake) continue;
      std::printf("%s answers %d: it is implemented but not compared\n", routine, status);
      ++different;
    }
  }

  std::string results, missing, copies;
  int64_t different = 0, compared = 0;

 private:
  int64_t small() const { return brief_ ? 4099 : 1000003; }
  int64_t large(int32_t widest) const { return brief_ ? 20000 : (int64_t{256} << 20) / size_of(widest); }

  void sums(int32_t type, int64_t count, int32_t models, int64_t shift) {
    const int64_t bytes = count * size_of(type);
    std::vector<std::unique_ptr<Twin>> in;
    for (int32_t k = 0; k < models; ++k) in.push_back(std::make_unique<Twin>(cuda_, bytes + 8, k + 1));
    Twin out(cuda_, bytes + 8, 99);
    const Vector weights = gaussian(models, 5);
    Case c{"weighted_sum", "", count, static_cast<double>(bytes) * (models + 1), type, {}, &out};
    c.name = std::string(kTypes[type]) + ", " + std::to_string(models) + " models" + label(shift);
    c.run = [&](mg_context* context, bool device, int64_t*) {
      std::vector<const void*> pointers;
      for (auto& each : in) pointers.push_back((device ? each->on_device() : each->on_host()) + shift);
      return mg_weighted_sum(context, type, count, models, pointers.data(), weights.data(),
                             (device ? out.on_device() : out.on_host()) + shift);
    };
    compare(c, shift);
  }

  void conversion(int32_t from, int32_t to, int64_t count, int64_t shift) {
    Twin in(cuda_, count * size_of(from) + 8, 1), out(cuda_, count * size_of(to) + 8, 2);
    const double bytes = static_cast<double>(count) * static_cast<double>(size_of(from) + size_of(to));
    Case c{"convert", std::string(kTypes[from]) + " to " + kTypes[to] + label(shift), count, bytes, to, {}, &out};
    c.run = [&](mg_context* context, bool device, int64_t* scalars) {
      return mg_convert(context, from, to, count, (device ? in.on_device() : in.on_host()) + shift,
                        (device ? out.on_device() : out.on_host()) + shift, &scalars[0]);
    };
    compare(c, shift);
  }

  void nonfinite(int32_t type, int64_t count, int64_t shift) {
    Twin in(cuda_, count * size_of(type) + 8, 1);
    Case c{"nonfinite_count",
           kTypes[type] + label(shift),
           count,
           static_cast<double>(count) * static_cast<double>(size_of(type)),
           -1,
           {},
           nullptr};
    c.run = [&](mg_context* context, bool device, int64_t* scalars) {
      return mg_nonfinite_count(context, type, count, (device ? in.on_device() : in.on_host()) + shift, &scalars[0],
                                &scalars[1]);
    };
    compare(c, shift);
  }

  static std::string label(int64_t shift) { return shift ? ", shifted by " + std::to_string(shift) + " bytes" : ""; }

  void compare(Case& c, int64_t shift) {
    int64_t on_cpu[2] = {-7, -7}, on_cuda[2] = {-7, -7};
    std::string error;
    if (c.run(cpu_, false, on_cpu) != MG_OK) error = mg_last_error();
    if (error.empty() && c.run(cuda_, true, on_cuda) != MG_OK) error = mg_last_error();
    double difference = 0;
    bool ok = error.empty() && on_cpu[0] == on_cuda[0] && on_cpu[1] == on_cuda[1];
    if (error.empty() && c.out) {
      const std::vector<uint64_t> found = c.out->download();
      if (found != c.out->host) {
        ok = false;
        difference = largest(c, shift, reinterpret_cast<const char*>(found.data()));
      }
    }
    double cuda_ms = 0, cpu_ms = 0;
    if (error.empty()) {
      cuda_ms = best_ms(5, [&] { c.run(cuda_, true, on_cuda); });
      cpu_ms = best_ms(3, [&] { c.run(cpu_, false, on_cpu); });
    }
    ++compared;
    if (!ok) ++different;
    results += (results.empty() ? "    {" : ",\n    {") + std::string("\"routine\": ") + quoted(c.routine) +
               ", \"case\": " + quoted(c.name) + ", \"elements\": " + std::to_string(c.count) +
               ", \"ok\": " + (ok ? "true" : "false") + ", \"max_difference\": " + number(difference) +
               ", \"cuda_ms\": " + number(cuda_ms) + ", \"cuda_gb_per_s\": " + number(c.bytes / cuda_ms / 1e6) +
               ", \"cpu_ms\": " + number(cpu_ms) + ", \"cpu_gb_per_s\": " + number(c.bytes / cpu_ms / 1e6) +
               (error.empty() ? "" : ", \"error\": " + quoted(error)) + "}";
    std::printf("%-4s %-15s %-36s %10lld  CUDA %9.3f ms %7.1f GB/s  CPU %9.3f ms %7.1f GB/s  %s\n", ok ? "ok" : "BAD",
                c.routine.c_str(), c.name.c_str(), static_cast<long long>(c.count), cuda_ms, c.bytes / cuda_ms / 1e6,
                cpu_ms, c.bytes / cpu_ms / 1e6, error.c_str());
    std::fflush(stdout);
  }

  // As values; infinite when one side is not finite and the other is, or when bytes differ without a value.
  double largest(const Case& c, int64_t shift, const char* found) {
    Vector a(c.count), b(c.count);
    int64_t overflowed;
    mg_convert(cpu_, c.out_type, MG_F64, c.count, c.out->on_host() + shift, a.data(), &overflowed);
    mg_convert(cpu_, c.out_type, MG_F64, c.count, found + shift, b.data(), &overflowed);
    double result = 0;
    for (int64_t i = 0; i < c.count; ++i) {
      if (std::memcmp(&a[i], &b[i], 8) == 0) continue;
      const double difference = std::fabs(a[i] - b[i]);
      result = std::max(result, difference >= 0 ? difference : kInf);
    }
    return result;
  }

  void transfers() {
    Twin twin(cuda_, brief_ ? 4096 : int64_t{256} << 20, 1);
    const double bytes = static_cast<double>(twin.bytes());
    const double up = best_ms(3, [&] { twin.upload(); });
    std::vector<uint64_t> back(twin.host.size());
    const double down = best_ms(3, [&] {
      Twin::require(mg_copy(cuda_, back.data(), MG_DEVICE_HOST, twin.on_device(), MG_DEVICE_CUDA, twin.bytes()));
    });
    int64_t there = 0, home = 0;
    Twin::require(mg_transfer_counts(cuda_, &there, &home));
    copies = "{\"host_to_device_gb_per_s\": " + number(bytes / up / 1e6) +
             ", \"device_to_host_gb_per_s\": " + number(bytes / down / 1e6) +
             ", \"host_to_device_bytes\": " + std::to_string(there) +
             ", \"device_to_host_bytes\": " + std::to_string(home) + "}";
    if (back != twin.host) ++different;
  }

  mg_context *cuda_, *cpu_;
  bool brief_;
};

}  // namespace

int gpu_check(const std::string& file, bool brief) {
  int32_t level = 0;
  mg_isa(&level);
  std::string reason = mg_cuda_reason();
  const int32_t threads = static_cast<int32_t>(std::max(1u, std::thread::hardware_concurrency()));
  std::string body;
  int status = 3;
  mg_context *cuda = nullptr, *cpu = nullptr;
  if (reason.empty() && mg_context_create(MG_BACKEND_CUDA, threads, &cuda) != MG_OK) reason = mg_last_error();
  if (reason.empty()) {
    mg_context_create(MG_BACKEND_CPU, threads, &cpu);
    Check check(cuda, cpu, brief);
    std::string error;
    try {
      check.all();
      check.others(fake_device());
    } catch (const std::string& text) {
      error = text;
      std::printf("stopped: %s\n", text.c_str());
    }
    status = check.different == 0 && error.empty() ? 0 : 1;
    body = std::string("  \"agree\": ") + (status == 0 ? "true" : "false") + ",\n  \"error\": " + quoted(error) +
           ",\n  \"not_implemented\": [" + check.missing +
           "],\n  \"copies\": " + (check.copies.empty() ? "{}" : check.copies) + ",\n  \"routines\": [\n" +
           check.results + "\n  ],\n";
    std::printf("%lld compared, %lld different\n", static_cast<long long>(check.compared),
                static_cast<long long>(check.different));
    mg_context_destroy(cpu);
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
