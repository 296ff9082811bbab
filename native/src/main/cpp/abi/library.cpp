// SPDX-License-Identifier: Apache-2.0
// The exported functions about the library, contexts and memory: argument checks, then dispatch.
#include <stdlib.h>

#include <memory>

#include "abi/table.h"
#include "merganser.h"
#include "runtime/blas.h"
#include "runtime/context.h"
#include "runtime/cuda_libraries.h"
#include "runtime/error.h"
#include "runtime/isa.h"
#include "runtime/memory.h"
#include "runtime/sha256.h"

using merganser::guard;
using merganser::Long;
using merganser::Table;

namespace {

const char* text_or_error(const char* (*text_of)()) {
  const char* text = "";
  return guard([&] { text = text_of(); }) == MG_OK ? text : merganser::last_error();
}

int32_t order(int32_t (*Table::*entry)(mg_context*, void*), mg_context* context, void* stream) {
  const int32_t status = guard([&] { MG_REQUIRE(context, "context is NULL"); });
  return status != MG_OK ? status : (context->table->*entry)(context, stream);
}

}  // namespace

extern "C" {

int32_t mg_abi_version(void) { return MG_ABI_VERSION; }

const char* mg_version(void) { return MERGANSER_VERSION; }

const char* mg_last_error(void) { return merganser::last_error(); }

int32_t mg_isa(int32_t* level) {
  return guard([&] {
    MG_REQUIRE(level, "level is NULL");
    *level = merganser::isa_level();
  });
}

const char* mg_isa_name(int32_t level) { return merganser::isa_name(level); }

const char* mg_blas_core(void) { return merganser::blas_core(); }

const char* mg_blas_config(void) { return merganser::blas_config(); }

int32_t mg_blas_enter(int32_t threads) {
  return guard([&] { merganser::blas_enter(threads, nullptr); });
}

void mg_blas_leave(void) {
  guard([] { merganser::blas_leave(); });
}

int32_t mg_blas_threads(void) {
  int32_t threads = 0;
  guard([&] { threads = merganser::blas_threads(); });
  return threads;
}

int32_t mg_environment_default(const char* name, const char* value) {
  return guard([&] {
    MG_REQUIRE(name && *name && value, "a name and a value are needed");
    MG_REQUIRE(setenv(name, value, 0) == 0, "cannot set %s", name);
  });
}

int32_t mg_sha256(const void* in, int64_t bytes, int64_t before, int32_t last, uint8_t* state) {
  return guard([&] {
    MG_REQUIRE(bytes >= 0 && before >= 0, "bytes and before must be >= 0, not %lld and %lld", Long{bytes},
               Long{before});
    MG_REQUIRE(state && (in || bytes == 0), "a pointer is NULL");
    MG_REQUIRE(before % 64 == 0 && (last || bytes % 64 == 0), "parts of %lld and %lld bytes: all but the last must be "
               "multiples of 64", Long{before}, Long{bytes});
    merganser::sha256(in, bytes, before, last != 0, state);
  });
}

const char* mg_cuda_reason(void) { return text_or_error(&merganser::cuda_reason); }

const char* mg_cuda_device(void) { return text_or_error(&merganser::cuda_device); }

const char* mg_cuda_libraries(void) { return text_or_error(&merganser::cuda_libraries); }

int32_t mg_context_create(int32_t backend, int32_t threads, mg_context** out) {
  return guard([&] {
    MG_REQUIRE(out, "out is NULL");
    MG_REQUIRE(backend == MG_BACKEND_CPU || backend == MG_BACKEND_CUDA, "unknown backend %d", backend);
    MG_REQUIRE(threads >= 1, "threads must be >= 1, not %d", threads);
    merganser::isa_level();
    if (backend == MG_BACKEND_CUDA && *merganser::cuda_reason()) {
      merganser::fail(MG_UNAVAILABLE, merganser::format("CUDA: %s", merganser::cuda_reason()));
    }
    auto context = std::make_unique<mg_context>();
    context->table = backend == MG_BACKEND_CUDA ? merganser::cuda_table() : merganser::cpu_table();
    context->backend = backend;
    context->threads = threads;
    const int32_t status = context->table->open(context.get());
    if (status != MG_OK) merganser::fail(status, merganser::last_error());
    *out = context.release();
  });
}

void mg_context_destroy(mg_context* context) {
  if (context) context->table->close(context);
  delete context;
}

void mg_context_cancel(mg_context* context, int32_t cancelled) {
  if (context) context->cancelled.store(cancelled);
}

int32_t mg_alloc(mg_context* context, int64_t bytes, void** out) {
  return guard([&] {
    MG_REQUIRE(out, "out is NULL");
    MG_REQUIRE(bytes >= 0, "bytes must be >= 0, not %lld", Long{bytes});
    *out = merganser::allocate(context, bytes);
  });
}

void mg_free(mg_context*, void* pointer) { merganser::release(pointer); }

int64_t mg_allocated_bytes(void) { return merganser::allocated_bytes(); }

int32_t mg_copy(mg_context* context, void* to, int32_t to_device, const void* from, int32_t from_device,
                int64_t bytes) {
  return guard([&] {
    MG_REQUIRE(context, "context is NULL");
    MG_REQUIRE(bytes >= 0, "bytes must be >= 0, not %lld", Long{bytes});
    MG_REQUIRE(bytes == 0 || (to && from), "a pointer is NULL");
    for (int32_t device : {to_device, from_device}) {
      MG_REQUIRE(device == MG_DEVICE_HOST || device == MG_DEVICE_CUDA, "unknown device %d", device);
    }
    merganser::check_cancelled(context);
    if (bytes > 0 && context->table->device != MG_DEVICE_HOST) {
      merganser::check_device(context, to, to_device, "to");
      merganser::check_device(context, from, from_device, "from");
      const char *a = static_cast<const char*>(to), *b = static_cast<const char*>(from);
      MG_REQUIRE(to_device != from_device || a + bytes <= b || b + bytes <= a, "from and to overlap on %s",
                 context->table->name);
    }
    const int32_t status = context->table->copy(context, to, to_device, from, from_device, bytes);
    if (status != MG_OK) merganser::fail(status, merganser::last_error());
    if (from_device == MG_DEVICE_HOST && to_device != MG_DEVICE_HOST) context->host_to_device += bytes;
    if (from_device != MG_DEVICE_HOST && to_device == MG_DEVICE_HOST) context->device_to_host += bytes;
  });
}

int32_t mg_context_wait(mg_context* context, void* stream) { return order(&Table::wait, context, stream); }

int32_t mg_context_signal(mg_context* context, void* stream) { return order(&Table::signal, context, stream); }

int32_t mg_transfer_counts(const mg_context* context, int64_t* host_to_device, int64_t* device_to_host) {
  return guard([&] {
    MG_REQUIRE(context, "context is NULL");
    MG_REQUIRE(host_to_device && device_to_host, "a pointer is NULL");
    *host_to_device = context->host_to_device;
    *device_to_host = context->device_to_host;
  });
}

}  // extern "C"
