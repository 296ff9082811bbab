// SPDX-License-Identifier: Apache-2.0
// Times on the device of this machine, beside what the card can do: the measured half of gpu-check.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <stdexcept>

#include "test/check.h"
#include "test/oracle.h"

namespace check {

// What a time is divided into, and the limit of the card that the rate is a share of.
enum class Limit { NONE, COPY, GEMM_F32, GEMM_F64 };

struct Timing {
  std::string name, size;
  double device_ms = kNaN, cpu_ms = kNaN;  // cpu_ms where the CPU did the same
  Limit limit = Limit::NONE;
  double work = 0;                            // bytes for COPY, else flops
  double least_share = kNaN, most_ms = kNaN;  // what we want of an H100-class card
  std::string skipped, wrong;                 // why there is no time; what is wrong with the result
};

// A case that cannot run here, as one for which memory does not suffice.
struct Skipped : std::runtime_error {
  using runtime_error::runtime_error;
};

// MG_OUT_OF_MEMORY and MG_UNAVAILABLE skip the case, other failures end it as wrong.
void must(int32_t status);

class Bench {
 public:
  // `brief`: small sizes, for machines on which times mean nothing.
  Bench(mg_context* device, mg_context* cpu, bool brief, double seconds);

  mg_context* const device;
  mg_context* const cpu;
  const bool brief;
  int64_t size(int64_t full, int64_t small) const { return brief ? small : full; }

  // Measures the limits, then all cases that begin within the seconds given.
  void all();

  // The median of up to 15 calls in at most `seconds`, after one that warms up and counts as the time when it takes
  // longer than that.
  double milliseconds(const std::function<void()>& call, double seconds = 0.4) const;
  double once(const std::function<void()>& call) const;
  Timing& add(const std::string& name, const std::string& size);
  double rate(Limit limit) const { return rates_[static_cast<int>(limit)]; }  // bytes or flops a second

  std::deque<Timing> timings;  // add() keeps references valid

 private:
  friend void measure_limits(Bench& bench);
  double seconds_;
  double rates_[4] = {kNaN, kNaN, kNaN, kNaN};
};

struct Case {
  const char* name;
  void (*run)(Bench&);
};
const std::vector<Case>& gpu_cases();   // all
const std::vector<Case>& gpu_passes();  // those of gpu_passes.cpp
const std::vector<Case>& gpu_grams();   // those of gpu_grams.cpp

// Memory of a context; its alignment is that of mg_alloc.
class Memory {
 public:
  Memory(mg_context* context, int64_t bytes) : context_(context), bytes_(bytes) {
    must(mg_alloc(context, bytes, &at_));
  }
  // `period` random elements in [-1, 1), repeated.
  Memory(mg_context* context, int32_t dtype, int64_t count, int64_t period, uint64_t seed);
  ~Memory() { mg_free(context_, at_); }
  Memory(const Memory&) = delete;

  void* data() const { return at_; }
  double* doubles() const { return static_cast<double*>(at_); }
  float* floats() const { return static_cast<float*>(at_); }
  void write(const void* from, int64_t bytes) const { copy(at_, true, from, false, bytes); }
  std::vector<char> read() const;

 private:
  void copy(void* to, bool to_context, const void* from, bool from_context, int64_t bytes) const;
  mg_context* context_;
  int64_t bytes_;
  void* at_ = nullptr;
};

std::vector<char> uniform(int32_t dtype, int64_t count, uint64_t seed);

// Whether `all` is `period` again and again: inputs repeat with a short period, so one period on the CPU tells what all
// of the device's output must be.
bool repeats(const std::vector<char>& all, const std::vector<char>& period);

const char* type_name(int32_t dtype);

// "16.8 M"
std::string count_text(int64_t count);

}  // namespace check
