// SPDX-License-Identifier: Apache-2.0
#include "fiber.h"

#include <sys/mman.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <new>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#define MG_ASAN(...) __VA_ARGS__
#else
#define MG_ASAN(...)
#endif

// Pushes the registers that a called function keeps, stores the stack pointer in *from, and continues with `to`.
extern "C" void mg_standin_switch(void** from, void* to);

#if defined(__x86_64__)
asm(R"(
.text
.type mg_standin_switch, @function
mg_standin_switch:
  endbr64
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size mg_standin_switch, .-mg_standin_switch
)");
constexpr int kSaved = 6, kReturn = 6, kFrame = 8;  // words; the return address above the registers
#elif defined(__aarch64__)
asm(R"(
.text
.type mg_standin_switch, %function
mg_standin_switch:
  sub sp, sp, #160
  stp x19, x20, [sp, #0]
  stp x21, x22, [sp, #16]
  stp x23, x24, [sp, #32]
  stp x25, x26, [sp, #48]
  stp x27, x28, [sp, #64]
  stp x29, x30, [sp, #80]
  stp d8, d9, [sp, #96]
  stp d10, d11, [sp, #112]
  stp d12, d13, [sp, #128]
  stp d14, d15, [sp, #144]
  mov x9, sp
  str x9, [x0]
  mov sp, x1
  ldp x19, x20, [sp, #0]
  ldp x21, x22, [sp, #16]
  ldp x23, x24, [sp, #32]
  ldp x25, x26, [sp, #48]
  ldp x27, x28, [sp, #64]
  ldp x29, x30, [sp, #80]
  ldp d8, d9, [sp, #96]
  ldp d10, d11, [sp, #112]
  ldp d12, d13, [sp, #128]
  ldp d14, d15, [sp, #144]
  add sp, sp, #160
  ret
.size mg_standin_switch, .-mg_standin_switch
)");
constexpr int kSaved = 20, kReturn = 11, kFrame = 20;
#else
#error "the stand-in of CUDA switches stacks on x86-64 and aarch64 only"
#endif

namespace standin {

namespace {

constexpr size_t kPage = 4096;
#if defined(__SANITIZE_ADDRESS__)
constexpr size_t kStack = 1 << 19;
#else
constexpr size_t kStack = 1 << 17;
#endif

Context* left = nullptr;  // the context before the switch

}  // namespace

void allocate_stack(Context& context) {
  void* memory = mmap(nullptr, kStack + 2 * kPage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  context.bottom = static_cast<char*>(memory) + kPage;
  // Tops at different offsets in their pages: all at the same one would share a few lines of the cache.
  static size_t made = 0;
  context.bytes = kStack - made++ % 61 * 320 % 16384;
  if (mprotect(context.bottom, kStack, PROT_READ | PROT_WRITE) != 0) throw std::bad_alloc();
}

void prepare(Context& context, void (*start)()) {
  void** top = reinterpret_cast<void**>(static_cast<char*>(context.bottom) + context.bytes);
  // On x86-64 the stack is 8 bytes off 16 where a function begins, as after a call.
  void** frame = top - 2 - kFrame;
  for (int i = 0; i < kSaved; ++i) frame[i] = nullptr;
  frame[kReturn] = reinterpret_cast<void*>(start);
  if (kFrame > kSaved) frame[kSaved + 1] = nullptr;
  context.stack_pointer = frame;
}

void entered() {
  MG_ASAN(const void* bottom; size_t bytes; __sanitizer_finish_switch_fiber(nullptr, &bottom, &bytes));
  // The thread's own stack is known once it has been left.
  MG_ASAN(if (!left->bottom) left->bottom = const_cast<void*>(bottom), left->bytes = bytes);
}

void switch_to(Context& from, Context& to, bool ended) {
  left = &from;
  static_cast<void>(ended);
  MG_ASAN(__sanitizer_start_switch_fiber(ended ? nullptr : &from.shadow, to.bottom, to.bytes));
  mg_standin_switch(&from.stack_pointer, to.stack_pointer);
  MG_ASAN(__sanitizer_finish_switch_fiber(from.shadow, nullptr, nullptr));
}

}  // namespace standin
