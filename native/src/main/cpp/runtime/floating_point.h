// SPDX-License-Identifier: Apache-2.0
// Results are defined in the default environment: round to nearest even, subnormals kept, no traps. A calling thread
// may arrive with flush-to-zero set by another library, so the environment is set on entry and put back on exit.
#pragma once

#if defined(__x86_64__)
#include <xmmintrin.h>
#else
#include <cfenv>
#endif

namespace merganser {

class DefaultFloatingPoint {
 public:
#if defined(__x86_64__)
  DefaultFloatingPoint() noexcept : saved_(_mm_getcsr()) { _mm_setcsr(0x1f80); }
  ~DefaultFloatingPoint() { _mm_setcsr(saved_); }
#else
  DefaultFloatingPoint() noexcept {
    std::fegetenv(&saved_);
    std::fesetenv(FE_DFL_ENV);
  }
  ~DefaultFloatingPoint() { std::fesetenv(&saved_); }
#endif
  DefaultFloatingPoint(const DefaultFloatingPoint&) = delete;
  DefaultFloatingPoint& operator=(const DefaultFloatingPoint&) = delete;

 private:
#if defined(__x86_64__)
  unsigned saved_;
#else
  std::fenv_t saved_;
#endif
};

}  // namespace merganser
