// SPDX-License-Identifier: Apache-2.0
// A very small test harness: TEST registers a function, the CHECK macros count and report.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <functional>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "merganser.h"
#include "merganser_testing.h"

namespace check {

struct Test {
  std::string name;
  std::function<void()> run;
};

std::vector<Test>& tests();
void report(bool passed, const char* file, int line, const std::string& text);
int64_t failures();

// A call that must succeed.
void expect_ok(int32_t status, const char* file, int line, const char* call);

// While one lives, CHECK_OK takes MG_UNAVAILABLE for an answer: what the first such call said.
class Unavailable {
 public:
  Unavailable();
  ~Unavailable();
  Unavailable(const Unavailable&) = delete;
  std::string text() const;
};

// While one lives, no check counts: calls are expected to fail, and this says how the first one did.
class Expecting {
 public:
  Expecting();
  ~Expecting();
  Expecting(const Expecting&) = delete;
  int32_t status() const;  // MG_OK when none failed
  std::string text() const;
};

struct Register {
  Register(const std::string& name, const std::function<void()>& run) { tests().push_back({name, run}); }
};

using Vector = std::vector<double>;

// Has the routines of a context of the stand-in checked: see watch.cpp.
void watch(mg_context* context);

// A context that lives for one test.
class Context {
 public:
  explicit Context(int32_t threads = 2, int32_t backend = MG_BACKEND_CPU) {
    if (mg_context_create(backend, threads, &context_) != MG_OK) {
      std::printf("no context: %s\n", mg_last_error());
      std::abort();
    }
    watch(context_);
  }
  ~Context() { mg_context_destroy(context_); }
  Context(const Context&) = delete;
  operator mg_context*() const { return context_; }

 private:
  mg_context* context_ = nullptr;
};

Vector gaussian(int64_t count, uint64_t seed, double mean = 0, double deviation = 1);

// c = op(a) op(b) by plain loops; a is m x k after op, b is k x n.
Vector multiply(int64_t m, int64_t n, int64_t k, const Vector& a, bool transpose_a, const Vector& b, bool transpose_b);
double largest_difference(const Vector& a, const Vector& b);
double largest_magnitude(const Vector& a);
Vector identity(int64_t n);

// Covariances of x and of y, a mixture of x with noise, from Gaussian samples.
struct Covariances {
  Vector xx, yy, xy;
};
Covariances covariances(int64_t n, int64_t samples, double noise, uint64_t seed);

// A line for each routine with `wanted` in its name whose results do not depend on the instruction-set level: its name
// and their digest.
std::string digest(const std::string& wanted);

// Runs the list on the CUDA device and writes a JSON file: 0 all agree, 1 a difference, 2 some could not be run, 3 no
// device.
int gpu_check(const std::string& file, bool brief);

// Whether the CUDA backend of this run is the plug-in of test/plugin; the CUDA plug-in on the host, of
// test/cuda_standin; one of the two.
bool fake_device();
bool cuda_standin();
bool device_on_host();
// What messages call it.
std::string device_name();
// Whether this is a further run of what another has done in full: under sanitizers, or with another order of threads.
bool in_short();

// Sanitizers make allocations and thread changes slow: tests made of many small calls take fewer.
#if defined(MERGANSER_SANITIZED)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif
const std::vector<int32_t> kThreadCounts = {1, 2, 8};
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();

template <typename T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}

}  // namespace check

#define TEST(name)                                            \
  static void name();                                         \
  static const check::Register register_##name(#name, &name); \
  static void name()

#define CHECK(condition) check::report((condition), __FILE__, __LINE__, #condition)

#define CHECK_NEAR(actual, expected, tolerance)                                                    \
  do {                                                                                             \
    const double actual_ = (actual), expected_ = (expected), tolerance_ = (tolerance);             \
    const bool near_ = std::fabs(actual_ - expected_) <= tolerance_;                               \
    check::report(near_, __FILE__, __LINE__,                                                       \
                  near_ ? ""                                                                       \
                        : std::string(#actual) + " = " + std::to_string(actual_) + ", expected " + \
                              std::to_string(expected_) + ", off by " +                            \
                              std::to_string((actual_ - expected_) / tolerance_) + " tolerances"); \
  } while (false)

#define CHECK_OK(call) check::expect_ok((call), __FILE__, __LINE__, #call)

// The call fails with this status and exactly this message.
#define CHECK_FAILS(call, status, message)                                                                          \
  do {                                                                                                              \
    const int32_t status_ = (call);                                                                                 \
    const bool as_expected_ = status_ == (status) && std::string(mg_last_error()) == (message);                     \
    check::report(as_expected_, __FILE__, __LINE__,                                                                 \
                  as_expected_ ? "" : std::string(#call) + ": " + std::to_string(status_) + " " + mg_last_error()); \
  } while (false)
