// SPDX-License-Identifier: Apache-2.0
// The best level of this CPU, lowered by MERGANSER_ISA=portable|avx2|avx512.
#include "runtime/isa.h"

#include <cstdlib>
#include <cstring>
#include <string>

#include "runtime/error.h"

namespace merganser {

namespace {

constexpr const char* kNames[] = {"portable", "avx2", "avx512"};

struct Choice {
  int32_t level;
  std::string error;
};

int32_t best_level() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  // All that -march=x86-64-v3 and -v4 may emit; the compiler's own probe also asks the system for the register state.
  bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
            __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("f16c") && __builtin_cpu_supports("lzcnt") &&
            __builtin_cpu_supports("movbe");
  bool v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
            __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
            __builtin_cpu_supports("avx512vl");
  return v4 ? MG_ISA_AVX512 : v3 ? MG_ISA_AVX2 : MG_ISA_PORTABLE;
#else
  return MG_ISA_PORTABLE;
#endif
}

Choice choose() {
  const int32_t best = best_level();
  const char* asked = std::getenv("MERGANSER_ISA");
  if (!asked || !*asked) return {best, ""};
  for (int32_t level = MG_ISA_PORTABLE; level <= MG_ISA_AVX512; ++level) {
    if (std::strcmp(asked, kNames[level]) != 0) continue;
    if (level <= best) return {level, ""};
    return {level, format("MERGANSER_ISA=%s, but this CPU has at most %s", asked, kNames[best])};
  }
  return {best, format("MERGANSER_ISA=%.100s is not one of portable, avx2, avx512", asked)};
}

const Choice& chosen() {
  static const Choice& choice = *new Choice(choose());
  return choice;
}

}  // namespace

int32_t isa_level() {
  if (!chosen().error.empty()) fail(MG_INVALID_ARGUMENT, chosen().error);
  return chosen().level;
}

const char* isa_name(int32_t level) {
  return level >= MG_ISA_PORTABLE && level <= MG_ISA_AVX512 ? kNames[level] : "unknown";
}

const Kernels& kernels() {
#if defined(__x86_64__)
  const int32_t level = isa_level();
  if (level == MG_ISA_AVX512) return *kernels_avx512();
  if (level == MG_ISA_AVX2) return *kernels_avx2();
#endif
  return *kernels_portable();
}

}  // namespace merganser
