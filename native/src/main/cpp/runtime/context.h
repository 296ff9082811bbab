// SPDX-License-Identifier: Apache-2.0
// A context binds a backend, a number of threads and a cancellation flag.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <typeindex>
#include <typeinfo>

#include "merganser.h"

namespace merganser {
struct Table;
}

struct mg_context {
  const merganser::Table* table = nullptr;
  int32_t backend = MG_BACKEND_CPU;
  int32_t threads = 1;
  std::atomic<int32_t> cancelled{0};
  int64_t host_to_device = 0;  // bytes that mg_copy moved
  int64_t device_to_host = 0;
  void* device_state = nullptr;  // what the backend keeps for this context

  // What a routine keeps from one call to the next, by its type; made when it is first asked for.
  template <typename State>
  State& kept() {
    std::shared_ptr<void>& state = states[typeid(State)];
    if (!state) state = std::make_shared<State>();
    return *static_cast<State*>(state.get());
  }
  std::map<std::type_index, std::shared_ptr<void>> states;
};

namespace merganser {

// Throws MG_CANCELLED when the context was cancelled. Long loops call it between steps.
void check_cancelled(const mg_context* context);

}  // namespace merganser
