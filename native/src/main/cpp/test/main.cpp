// SPDX-License-Identifier: Apache-2.0
// Runs all tests, or those whose name contains the argument; --list lists their names, --test NAME runs one of them;
// --levels lists the instruction-set levels of this CPU; --digest [NAME] prints digests of what must have the same bytes
// on all of them; --gpu-check FILE [--brief] runs the list on the CUDA device; --cuda-reason prints why that cannot be
// used.
#include <algorithm>
#include <chrono>
#include <cstdlib>

#include "test/check.h"

namespace check {

namespace {
constexpr double kSlow = 5;  // seconds of a test that are told, because all wait for it
int64_t passed = 0, failed = 0;
const char* current = "";
bool excused = false;     // see Unavailable
std::string unavailable;  // then nothing that follows from it counts
bool expecting = false;   // see Expecting
int32_t first_status = MG_OK;
std::string first_text;
}  // namespace

std::vector<Test>& tests() {
  static std::vector<Test> all;
  return all;
}

void report(bool ok, const char* file, int line, const std::string& text) {
  if (!unavailable.empty() || expecting) return;
  ++(ok ? passed : failed);
  if (!ok) std::printf("%s:%d: %s: %s\n", file, line, current, text.c_str());
}

int64_t failures() { return failed; }

void expect_ok(int32_t status, const char* file, int line, const char* call) {
  if (expecting && status != MG_OK && first_status == MG_OK) {
    first_status = status;
    first_text = std::string(call) + ": " + mg_last_error();
  }
  if (status == MG_UNAVAILABLE && excused && unavailable.empty()) {
    unavailable = std::string(call) + ": " + mg_last_error();
  }
  report(status == MG_OK, file, line, status == MG_OK ? "" : std::string(call) + ": " + mg_last_error());
}

Expecting::Expecting() {
  expecting = true;
  first_status = MG_OK;
  first_text.clear();
}
Expecting::~Expecting() { expecting = false; }
int32_t Expecting::status() const { return first_status; }
std::string Expecting::text() const { return first_text; }

Unavailable::Unavailable() { excused = true; }
Unavailable::~Unavailable() {
  excused = false;
  unavailable.clear();
}
std::string Unavailable::text() const { return unavailable; }

Vector gaussian(int64_t count, uint64_t seed, double mean, double deviation) {
  std::mt19937_64 generator(seed);
  std::normal_distribution<double> normal(mean, deviation);
  Vector result(static_cast<size_t>(count));
  for (double& each : result) each = normal(generator);
  return result;
}

namespace {
// Without sanitizers: it takes most of the time of what is compared with it.
__attribute__((no_sanitize("address", "undefined", "thread"))) void add_product(int64_t m, int64_t n, int64_t k,
                                                                                const double* a, bool transpose_a,
                                                                                const double* b, bool transpose_b,
                                                                                double* c) {
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t l = 0; l < k; ++l) {
      const double x = transpose_a ? a[l * m + i] : a[i * k + l];
      for (int64_t j = 0; j < n; ++j) c[i * n + j] += x * (transpose_b ? b[j * k + l] : b[l * n + j]);
    }
  }
}
}  // namespace

Vector multiply(int64_t m, int64_t n, int64_t k, const Vector& a, bool transpose_a, const Vector& b, bool transpose_b) {
  Vector c(static_cast<size_t>(m * n), 0.0);
  add_product(m, n, k, a.data(), transpose_a, b.data(), transpose_b, c.data());
  return c;
}

double largest_difference(const Vector& a, const Vector& b) {
  if (a.size() != b.size()) return kInf;
  double largest = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double difference = std::fabs(a[i] - b[i]);
    if (!(difference <= largest)) largest = std::isnan(difference) ? kInf : difference;
  }
  return largest;
}

double largest_magnitude(const Vector& a) { return largest_difference(a, Vector(a.size(), 0.0)); }

Vector identity(int64_t n) {
  Vector result(static_cast<size_t>(n * n), 0.0);
  for (int64_t i = 0; i < n; ++i) result[i * n + i] = 1;
  return result;
}

Covariances covariances(int64_t n, int64_t samples, double noise, uint64_t seed) {
  const Vector x = gaussian(samples * n, seed), mix = gaussian(n * n, seed + 1);
  Vector y = multiply(samples, n, n, x, false, mix, false);
  const Vector e = gaussian(samples * n, seed + 2, 0, noise);
  for (size_t i = 0; i < y.size(); ++i) y[i] += e[i];
  Covariances p{multiply(n, n, samples, x, true, x, false), multiply(n, n, samples, y, true, y, false),
                multiply(n, n, samples, x, true, y, false)};
  for (Vector* each : {&p.xx, &p.yy, &p.xy}) {
    for (double& value : *each) value /= static_cast<double>(samples);
  }
  return p;
}

namespace {
bool plugin_is(const char* file) {
  const char* plugin = std::getenv("MERGANSER_CUDA_PLUGIN");
  return plugin && std::string(plugin).find(file) != std::string::npos;
}
}  // namespace

bool fake_device() { return plugin_is("libmerganser_fake.so"); }
bool cuda_standin() { return plugin_is("libmerganser_standin.so"); }
bool device_on_host() { return fake_device() || cuda_standin(); }
bool in_short() {
  const char* order = std::getenv("MERGANSER_STANDIN_ORDER");
  return kSanitized || (cuda_standin() && order && std::string(order) != "forward");
}
std::string device_name() { return fake_device() ? "the fake device" : "CUDA"; }

}  // namespace check

int main(int argc, char** argv) {
  std::string wanted = argc > 1 ? argv[1] : "";
  if (wanted == "--list") {
    for (const check::Test& test : check::tests()) std::puts(test.name.c_str());
    return 0;
  }
  if (wanted == "--levels") {
    int32_t best = 0;
    unsetenv("MERGANSER_ISA");
    if (mg_isa(&best) != MG_OK) return 1;
    for (int32_t level = 0; level <= best; ++level) std::printf("%s\n", mg_isa_name(level));
    return 0;
  }
  if (wanted == "--digest") {
    std::fputs(check::digest(argc > 2 ? argv[2] : "").c_str(), stdout);
    return 0;
  }
  if (wanted == "--cuda-reason") {
    std::puts(mg_cuda_reason());
    return 0;
  }
  if (wanted == "--gpu-check" && argc > 2) return check::gpu_check(argv[2], argc > 3);
  const bool exactly = wanted == "--test" && argc > 2;
  if (exactly) wanted = argv[2];
  int64_t run = 0;
  for (const check::Test& test : check::tests()) {
    if (exactly ? test.name != wanted : test.name.find(wanted) == std::string::npos) continue;
    ++run;
    check::current = test.name.c_str();
    const auto start = std::chrono::steady_clock::now();
    test.run();
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    if (seconds.count() > check::kSlow) std::printf("%4.0f s  %s\n", seconds.count(), test.name.c_str());
  }
  if (run == 0) {
    std::fprintf(stderr, "no test has \"%s\" in its name\n", wanted.c_str());
    return 1;
  }
  std::printf("%lld passed, %lld failed\n", static_cast<long long>(check::passed),
              static_cast<long long>(check::failed));
  return check::failed == 0 ? 0 : 1;
}
