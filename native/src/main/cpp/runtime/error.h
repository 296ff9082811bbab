// SPDX-License-Identifier: Apache-2.0
// Failures inside the library are C++ exceptions; at the C boundary they become a status and a thread-local text.
#pragma once

#include <cstdint>
#include <exception>
#include <new>
#include <string>

#include "merganser.h"
#include "runtime/floating_point.h"

namespace merganser {

using Long = long long;  // what %lld prints: Long{x}

struct Error {
  int32_t status;
  std::string text;
};

std::string format(const char* pattern, ...) __attribute__((format(printf, 1, 2)));

[[noreturn]] void fail(int32_t status, std::string text);

// Fails with MG_INVALID_ARGUMENT. The text is built only on failure.
#define MG_REQUIRE(condition, ...)                                                              \
  do {                                                                                          \
    if (!(condition)) ::merganser::fail(MG_INVALID_ARGUMENT, ::merganser::format(__VA_ARGS__)); \
  } while (false)

// Runs the body; a failure is thrown with "problem k: " before its text.
template <typename Body>
void of_problem(int64_t k, Body&& body) {
  try {
    body();
  } catch (const Error& error) {
    fail(error.status, format("problem %lld: %s", Long{k}, error.text.c_str()));
  }
}

// Text of the last failure on this thread; setting it never allocates.
void set_last_error(const char* text) noexcept;
const char* last_error() noexcept;

// Runs `body` in the default floating-point environment and turns whatever it throws into a status.
template <typename Body>
int32_t guard(Body&& body) noexcept {
  DefaultFloatingPoint environment;
  try {
    body();
    return MG_OK;
  } catch (const Error& error) {
    set_last_error(error.text.c_str());
    return error.status;
  } catch (const std::bad_alloc&) {
    set_last_error("out of memory");
    return MG_OUT_OF_MEMORY;
  } catch (const std::exception& error) {
    set_last_error(error.what());
    return MG_INTERNAL;
  } catch (...) {
    set_last_error("unknown C++ exception");
    return MG_INTERNAL;
  }
}

// Entry of a dispatch table made from a routine that throws.
template <auto Routine, typename Signature = decltype(Routine)>
struct Boundary;

template <auto Routine, typename... Arguments>
struct Boundary<Routine, void (*)(Arguments...)> {
  static int32_t call(Arguments... arguments) noexcept {
    return guard([&] { Routine(arguments...); });
  }
};

}  // namespace merganser
