// SPDX-License-Identifier: Apache-2.0
// Thread-local error text and formatting of messages. A plug-in has its own set_last_error.
#include "runtime/error.h"

#include <cstdarg>
#include <cstdio>
#include <cstring>

namespace merganser {

namespace {

constexpr size_t kCapacity = 1024;
#if !defined(MERGANSER_PLUGIN)
thread_local char last_error_text[kCapacity] = "";
#endif

}  // namespace

std::string format(const char* pattern, ...) {
  char text[kCapacity];
  va_list arguments;
  va_start(arguments, pattern);
  vsnprintf(text, sizeof text, pattern, arguments);
  va_end(arguments);
  return text;
}

void fail(int32_t status, std::string text) { throw Error{status, std::move(text)}; }

#if !defined(MERGANSER_PLUGIN)
void set_last_error(const char* text) noexcept {
  strncpy(last_error_text, text, kCapacity - 1);
  last_error_text[kCapacity - 1] = '\0';
}

const char* last_error() noexcept { return last_error_text; }
#endif

}  // namespace merganser
