// SPDX-License-Identifier: Apache-2.0
// What tests set on the stand-in, by dlsym from libmerganser_standin_cudart.so.
#pragma once

#include <cstdint>

extern "C" {

// The call of the runtime, cuBLAS or cuSOLVER after `calls` more fails, as out of memory or with an unknown error;
// negative: none. Those that free, or ask for the last error, are not counted: nobody can do anything about them.
void standin_fail_after(int64_t calls, int32_t out_of_memory);
// Calls counted so far, the name of one of them, from 0, and of the one that was made to fail, or "".
int64_t standin_calls();
const char* standin_name(int64_t call);
const char* standin_failed();

// The next decomposition of cuSOLVER has this info instead of its own, and no factors.
void standin_tell_info(int32_t info);

// Bytes that can be allocated on the device at once, in all; negative: the default. What is allocated.
void standin_limit_memory(int64_t bytes);
int64_t standin_allocated();

// Pieces of work in all streams that nobody has waited for.
int64_t standin_pending();

// Whether mistakes are told on stderr (they are, until this is called with 0).
void standin_speak(int32_t loud);

// Clears what a failed launch left: a real device stays broken until the process ends. Says the error's text.
const char* standin_repair();
}
