// SPDX-License-Identifier: Apache-2.0
// libmerganser_fake.so: a plug-in for tests on machines without a GPU, opened instead of the CUDA plug-in when
// MERGANSER_CUDA_PLUGIN names its file. Its memory is the host's, behind addresses that nobody may touch: each
// allocation is a reserved range without access and a block of ordinary memory. Code that reads a device pointer
// without mg_copy crashes, as it would with a GPU. The routines are those of the CPU, given the addresses of the
// ordinary memory.
#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <set>
#include <utility>

#include "abi/same_build.h"
#include "routines/moments_state.h"
#include "routines/np_state.h"
#include "runtime/buffer.h"
#include "runtime/error.h"

namespace merganser {

namespace {

PluginHost library{};

}  // namespace

// runtime/error.cpp has the rest; the text belongs to the library.
void set_last_error(const char* text) noexcept {
  if (library.set_error) library.set_error(text);
}

namespace {

struct Block {
  char* memory;
  size_t reserved;
};

struct FakeMemory {
  std::mutex mutex;
  std::map<uintptr_t, Block> blocks;
};

FakeMemory& fake() {
  static FakeMemory& only = *new FakeMemory;
  return only;
}

uintptr_t number(const void* pointer) { return reinterpret_cast<uintptr_t>(pointer); }

// The ordinary memory behind a device pointer; other pointers and values are themselves.
template <typename T>
T* behind(T* pointer) {
  FakeMemory& f = fake();
  std::lock_guard<std::mutex> lock(f.mutex);
  auto after = f.blocks.upper_bound(number(pointer));
  if (after == f.blocks.begin()) return pointer;
  const auto& [begin, block] = *--after;
  const uintptr_t offset = number(pointer) - begin;
  if (offset >= block.reserved) return pointer;
  return reinterpret_cast<T*>(block.memory + offset);
}

template <typename T>
T behind(T value) {
  return value;
}

void allocate(mg_context*, int64_t bytes, void** out) {
  const auto refuse = [&] {
    fail(MG_OUT_OF_MEMORY, format("cannot allocate %lld bytes on the fake device", static_cast<long long>(bytes)));
  };
  char* memory = static_cast<char*>(allocate_aligned(bytes));
  if (!memory) refuse();
  const size_t reserved = static_cast<size_t>(bytes) + 1;
  void* range = mmap(nullptr, reserved, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (range == MAP_FAILED) {
    std::free(memory);
    refuse();
  }
  FakeMemory& f = fake();
  std::lock_guard<std::mutex> lock(f.mutex);
  f.blocks[number(range)] = {memory, reserved};
  *out = range;
}

void release(void* pointer, int64_t) {
  FakeMemory& f = fake();
  std::lock_guard<std::mutex> lock(f.mutex);
  auto found = f.blocks.find(number(pointer));
  if (found == f.blocks.end()) return;
  std::free(found->second.memory);
  munmap(pointer, found->second.reserved);
  f.blocks.erase(found);
}

void copy(mg_context*, void* to, int32_t, const void* from, int32_t, int64_t bytes) {
  if (bytes > 0) std::memmove(behind(to), behind(from), static_cast<size_t>(bytes));
}

// Streams of other libraries are NULL and addresses of device memory here. Whoever waits for one shares arrays with its
// owner, who must learn when these are free again: a stream is waited for, signalled, waited for, and so on.
struct Streams {
  std::mutex mutex;
  std::set<std::pair<const mg_context*, const void*>> waited;
};

Streams& streams() {
  static Streams& only = *new Streams;
  return only;
}

void check_stream(const void* stream) {
  MG_REQUIRE(!stream || behind(stream) != stream, "%p is no stream of the fake device", stream);
}

void wait(mg_context* context, void* stream) {
  check_stream(stream);
  Streams& s = streams();
  std::lock_guard<std::mutex> lock(s.mutex);
  MG_REQUIRE(s.waited.emplace(context, stream).second, "the stream has not been signalled since it was waited for");
}

void signal(mg_context* context, void* stream) {
  check_stream(stream);
  Streams& s = streams();
  std::lock_guard<std::mutex> lock(s.mutex);
  MG_REQUIRE(s.waited.erase({context, stream}) == 1, "the stream was signalled but not waited for");
}

void close(mg_context* context) {
  Streams& s = streams();
  std::lock_guard<std::mutex> lock(s.mutex);
  for (auto each = s.waited.begin(); each != s.waited.end();) {
    each = each->first == context ? s.waited.erase(each) : std::next(each);
  }
}

// Lists of device pointers lie on the host.
int32_t moments_update(mg_context* context, mg_moments* moments, const void* const* data, int32_t dtype, int64_t outer,
                       int64_t inner, const int64_t* strides) {
  std::vector<const void*> local;
  for (size_t s = 0; s < moments->widths.size(); ++s) local.push_back(behind(data[s]));
  return library.cpu->moments_update(context, moments, local.data(), dtype, outer, inner, strides);
}

int32_t weighted_sum(mg_context* context, int32_t dtype, int64_t count, int32_t models, const void* const* in,
                     const double* weights, void* out) {
  std::vector<const void*> local;
  for (int32_t k = 0; k < models; ++k) local.push_back(behind(in[k]));
  return library.cpu->weighted_sum(context, dtype, count, models, local.data(), weights, behind(out));
}

template <typename T>
std::vector<T*> all_behind(T* const* pointers, int64_t count) {
  std::vector<T*> local;
  for (int64_t k = 0; k < count; ++k) local.push_back(behind(pointers[k]));
  return local;
}

int32_t gram_rows(mg_context* context, int32_t dtype, int32_t precision, int32_t layers, int64_t n,
                  const int64_t* widths, const void* const* x, double* out, int64_t ldout) {
  return library.cpu->gram_rows(context, dtype, precision, layers, n, widths, all_behind(x, layers).data(), behind(out),
                                ldout);
}

int32_t task_merge(mg_context* context, int32_t dtype, int64_t first, int64_t count, int32_t models, const void* base,
                   const void* const* in, const mg_task* tasks, int32_t elect, int32_t normalise, double lambda,
                   void* out) {
  return library.cpu->task_merge(context, dtype, first, count, models, behind(base), all_behind(in, models).data(),
                                 tasks, elect, normalise, lambda, behind(out));
}

int32_t formula_merge(mg_context* context, int32_t dtype, int32_t formula, int64_t first, int64_t count, int32_t models,
                      const void* base, const void* const* in, const double* parameters, const mg_threshold* selected,
                      void* out) {
  return library.cpu->formula_merge(context, dtype, formula, first, count, models, behind(base),
                                    all_behind(in, models).data(), parameters, selected, behind(out));
}

int32_t formula_sums(mg_context* context, int32_t dtype, int32_t sum, int64_t first, int64_t count, int32_t models,
                     const void* base, const void* const* in, const double* parameters, const mg_threshold* selected,
                     double* sums) {
  return library.cpu->formula_sums(context, dtype, sum, first, count, models, behind(base),
                                   all_behind(in, models).data(), parameters, selected, sums);
}

int32_t bandwidth(mg_context* context, int64_t bytes, int32_t reads, const void* const* in, int32_t writes,
               void* const* out) {
  return library.cpu->bandwidth(context, bytes, reads, all_behind(in, reads).data(), writes,
                             all_behind(out, writes).data());
}

int32_t np_create(mg_context* context, const mg_np_options* options, int32_t slots, const int64_t* counts,
                  const int64_t* rows, const void* const* in, const double* initial, mg_np** out) {
  return library.cpu->np_create(context, options, slots, counts, rows,
                                all_behind(in, int64_t{slots} * options->models).data(), initial, out);
}

int32_t np_theta(mg_context* context, const mg_np* np, float* const* theta) {
  return library.cpu->np_theta(context, np, all_behind(theta, np->slots()).data());
}

int32_t np_step(mg_context* context, mg_np* np, double rate, const float* const* gradient, float* const* theta,
                int32_t* bad_slot, int64_t* bad_index) {
  return library.cpu->np_step(context, np, rate, all_behind(gradient, np->slots()).data(),
                              all_behind(theta, np->slots()).data(), bad_slot, bad_index);
}

mg_costs behind_costs(const mg_costs& given) {
  mg_costs local = given;
  local.x = behind(given.x);
  local.y = behind(given.y);
  return local;
}

int32_t assignment(mg_context* context, const mg_costs* costs, int32_t maximise, int32_t warm, int64_t* row_to_col,
                   double* u, double* v, double* value) {
  const mg_costs local = behind_costs(*costs);
  return library.cpu->assignment(context, &local, maximise, warm, row_to_col, u, v, value);
}

int32_t assignment_batch(mg_context* context, int64_t problems, const mg_costs* costs, int32_t maximise,
                         int64_t* row_to_col, double* u, double* v, double* value) {
  std::vector<mg_costs> local;
  for (int64_t p = 0; p < problems; ++p) local.push_back(behind_costs(costs[p]));
  return library.cpu->assignment_batch(context, problems, local.data(), maximise, row_to_col, u, v, value);
}

int32_t assignment_certify(mg_context* context, const mg_costs* costs, int32_t maximise, const int64_t* row_to_col,
                           const double* u, const double* v, double* violation) {
  const mg_costs local = behind_costs(*costs);
  return library.cpu->assignment_certify(context, &local, maximise, row_to_col, u, v, violation);
}

// The CPU's entry with the ordinary memory behind every pointer.
template <auto Entry, typename Signature = decltype(Entry)>
struct OnCpu;

template <auto Entry, typename... Arguments>
struct OnCpu<Entry, int32_t (*Table::*)(mg_context*, Arguments...)> {
  static int32_t call(mg_context* context, Arguments... arguments) {
    return (library.cpu->*Entry)(context, behind(arguments)...);
  }
};

}  // namespace

}  // namespace merganser

extern "C" __attribute__((visibility("default"))) const char* mg_fill_table(const merganser::PluginHost* host,
                                                                            merganser::Table* table) {
  using namespace merganser;
  static std::string other;
  other = mismatch(*host, "the fake device", host->version);
  if (!other.empty()) return other.c_str();
  library = *host;
  *table = *host->cpu;
  table->name = "the fake device";
  table->device = MG_DEVICE_CUDA;
  table->owns = [](const void*) { return false; };
  table->describe = [] { return "name: fake device in host memory\n"; };
  table->allocate = Boundary<&allocate>::call;
  table->release = &release;
  table->copy = Boundary<&copy>::call;
  table->close = &close;
  table->wait = Boundary<&wait>::call;
  table->signal = Boundary<&signal>::call;
#define MG_ON_CPU(routine) table->routine = OnCpu<&Table::routine>::call;
  MG_ROUTINES(MG_ON_CPU)
#undef MG_ON_CPU
  // Those that take lists or structures of device pointers.
  table->moments_update = &moments_update;
  table->weighted_sum = &weighted_sum;
  table->gram_rows = &gram_rows;
  table->task_merge = &task_merge;
  table->formula_merge = &formula_merge;
  table->formula_sums = &formula_sums;
  table->bandwidth = &bandwidth;
  table->np_create = &np_create;
  table->np_theta = &np_theta;
  table->np_step = &np_step;
  table->assignment = &assignment;
  table->assignment_batch = &assignment_batch;
  table->assignment_certify = &assignment_certify;
  return nullptr;
}
