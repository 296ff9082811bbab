// SPDX-License-Identifier: Apache-2.0
// Stacks between which the processor switches: about as expensive as two function calls. AddressSanitizer is told.
#pragma once

#include <cstddef>

namespace standin {

// What runs, on a stack of its own or, the first one, on the thread's.
struct Context {
  void* stack_pointer = nullptr;
  void* bottom = nullptr;
  size_t bytes = 0;
  void* shadow = nullptr;  // AddressSanitizer's
};

// Makes `context`, which has a stack, begin with `start`.
void prepare(Context& context, void (*start)());
// Leaves `from` for `to`; returns when something switches to `from`, which is never when it has ended.
void switch_to(Context& from, Context& to, bool ended = false);
// The first act of a new context.
void entered();
// A stack between two inaccessible pages.
void allocate_stack(Context& context);

}  // namespace standin
