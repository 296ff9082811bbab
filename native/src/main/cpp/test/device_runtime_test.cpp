// SPDX-License-Identifier: Apache-2.0
// The runtime of the CUDA plug-in on the stand-in: what is allocated, what happens without memory, and that a call that
// fails at any point leaves nothing behind. Empty elsewhere.
#include <dlfcn.h>

#include <cstdlib>
#include <string>

#include "test/check.h"
#include "test/little_memory.h"

using namespace check;

namespace {

template <typename Function>
Function* exported(const char* library, const char* name) {
  void* handle = dlopen(library, RTLD_NOW | RTLD_NOLOAD);
  void* found = handle ? dlsym(handle, name) : nullptr;
  if (!found) std::printf("%s has no %s\n", library, name);
  CHECK(found != nullptr);
  return reinterpret_cast<Function*>(found);
}

// The plug-in and the stand-in of the runtime, which a context has loaded.
struct Controls {
  Context opened{1, MG_BACKEND_CUDA};
  int64_t (*allocations)() = exported<int64_t()>(std::getenv("MERGANSER_CUDA_PLUGIN"), "mg_device_allocations");
  void (*fail_after)(int64_t, int32_t) = from_runtime<void(int64_t, int32_t)>("standin_fail_after");
  int64_t (*calls)() = from_runtime<int64_t()>("standin_calls");
  const char* (*failed)() = from_runtime<const char*()>("standin_failed");
  void (*limit_memory)(int64_t) = from_runtime<void(int64_t)>("standin_limit_memory");
  int64_t (*allocated)() = from_runtime<int64_t()>("standin_allocated");
  void (*speak)(int32_t) = from_runtime<void(int32_t)>("standin_speak");

  Controls() { speak(0); }
  ~Controls() {
    fail_after(-1, 0);
    limit_memory(-1);
    speak(1);
  }

  // What is kept goes back to the driver before it refuses.
  void drop_kept() const {
    void* none = nullptr;
    CHECK(mg_alloc(opened, int64_t{1} << 50, &none) == MG_OUT_OF_MEMORY);
  }

  template <typename Function>
  static Function* from_runtime(const char* name) {
    return exported<Function>("libmerganser_standin_cudart.so", name);
  }
};

// Everything that one call after another does: contexts, memory, copies through the ring, moments with a block. The
// first status that is not MG_OK.
class Program {
 public:
  explicit Program(int64_t samples) : samples_(samples), values_(static_cast<size_t>(samples * kWidth)) {
    const Vector wide = gaussian(samples * kWidth, 1);
    for (size_t i = 0; i < wide.size(); ++i) values_[i] = static_cast<float>(wide[i]);
  }

  int32_t run(Vector* block = nullptr) {
    mg_context* context = nullptr;
    void *batch = nullptr, *out = nullptr;
    mg_moments* moments = nullptr;
    const int64_t bytes = static_cast<int64_t>(values_.size() * sizeof(float));
    const int64_t widths[] = {kWidth}, strides[] = {kWidth, 0, 1};
    const int32_t zero = 0;
    Vector found(kWidth * kWidth);
    const void* data[1] = {};
    int32_t status = mg_context_create(MG_BACKEND_CUDA, 1, &context);
    const auto then = [&](auto call) {
      if (status == MG_OK) status = call();
      if (status != MG_OK && error_.empty()) error_ = mg_last_error();
    };
    error_.clear();
    then([&] { return mg_alloc(context, bytes, &batch); });
    then([&] { return mg_alloc(context, 8 * kWidth * kWidth, &out); });
    then([&] { return mg_copy(context, batch, MG_DEVICE_CUDA, values_.data(), MG_DEVICE_HOST, bytes); });
    then([&] {
      return mg_moments_create(context, 1, widths, 1, &zero, &zero, MG_MOMENTS_MIXED, MG_NONFINITE_FAIL, &moments);
    });
    data[0] = batch;
    for (int turn = 0; turn < 2; ++turn) {
      then([&] { return mg_moments_update(context, moments, data, MG_F32, samples_, 1, strides); });
    }
    then([&] { return mg_moments_block(context, moments, 0, static_cast<double*>(out)); });
    then([&] {
      return mg_copy(context, found.data(), MG_DEVICE_HOST, out, MG_DEVICE_CUDA, 8 * kWidth * kWidth);
    });
    mg_moments_destroy(context, moments);
    mg_free(context, out);
    mg_free(context, batch);
    mg_context_destroy(context);
    if (block) *block = found;
    return status;
  }

  const std::string& error() const { return error_; }

 private:
  static constexpr int64_t kWidth = 40;
  int64_t samples_;
  std::vector<float> values_;
  std::string error_;
};

}  // namespace

// After the first time nothing is asked of the driver: contexts, arrays, states and scratch memory use it again.
TEST(fake_runtime_allocates_once) {
  if (!cuda_standin() || kSanitized || exact_memory()) return;  // then nothing is kept
  const Controls controls;
  Program program(3000);
  CHECK_OK(program.run());
  const int64_t before = controls.allocations(), held = controls.allocated();
  for (int turn = 0; turn < 3; ++turn) CHECK_OK(program.run());
  CHECK(controls.allocations() == before && controls.allocated() == held);
}

// Copies of any size through the tiles of the ring, both ways, and pieces of arrays.
TEST(fake_runtime_copies_in_tiles) {
  if (!cuda_standin()) return;
  Context context(1, MG_BACKEND_CUDA);
  constexpr int64_t kTile = int64_t{4} << 20;
  for (int64_t bytes : {int64_t{64 << 10}, int64_t{(64 << 10) + 1}, kTile, kTile + 1, 2 * kTile, 5 * kTile + 77}) {
    std::vector<char> from(static_cast<size_t>(bytes)), to(from.size() + 2, 'x');
    std::mt19937_64 random(7);
    for (char& each : from) each = static_cast<char>(random());
    void* memory = nullptr;
    CHECK_OK(mg_alloc(context, bytes + 1, &memory));
    char* inside = static_cast<char*>(memory) + 1;
    CHECK_OK(mg_copy(context, inside, MG_DEVICE_CUDA, from.data(), MG_DEVICE_HOST, bytes));
    CHECK_OK(mg_copy(context, to.data() + 1, MG_DEVICE_HOST, inside, MG_DEVICE_CUDA, bytes));
    CHECK(std::equal(from.begin(), from.end(), to.begin() + 1) && to.front() == 'x' && to.back() == 'x');
    mg_free(context, memory);
  }
}

// A group of panels is as large as memory allows, at least one panel, with the same result to rounding; below that the
// error has the sizes.
TEST(fake_runtime_takes_smaller_groups) {
  if (!cuda_standin()) return;
  Controls controls;
  Program program(40000);
  Vector want, found;
  controls.drop_kept();
  CHECK_OK(program.run(&want));
  // Where nothing is kept: somewhat more than it takes.
  const int64_t batch = 40000 * 40 * 4, all = kSanitized || exact_memory() ? 8 * batch : controls.allocated();
  bool smaller = false, refused = false;
  for (int64_t limit = all; limit > 0 && !refused; limit -= batch / 8) {
    controls.drop_kept();
    controls.limit_memory(limit);
    const int32_t status = program.run(&found);
    if (status == MG_OK) {
      smaller = smaller || limit < all - batch / 2;
      CHECK(largest_difference(found, want) <= 1e-6 * largest_magnitude(want));
    } else {
      refused = true;
      CHECK(status == MG_OUT_OF_MEMORY);
      CHECK(program.error().find(" bytes") != std::string::npos && program.error().find("MiB of") != std::string::npos);
    }
  }
  CHECK(smaller && refused);
}

// A batch is refused for a value in its last group, when the first ones are in the state already: that has its bytes
// again, and goes on.
TEST(fake_runtime_restores_moments) {
  if (!cuda_standin()) return;
  Controls controls;
  const int64_t width = 40, samples = 24000, strides[] = {width, 0, 1};
  const int32_t zero = 0;
  std::vector<float> values(static_cast<size_t>(width * samples));
  const Vector wide = gaussian(width * samples, 3);
  for (size_t i = 0; i < wide.size(); ++i) values[i] = static_cast<float>(wide[i]);
  const int64_t bytes = static_cast<int64_t>(values.size() * sizeof(float));
  void *batch = nullptr, *out = nullptr;
  mg_moments* moments = nullptr;
  mg_context* context = controls.opened;
  CHECK_OK(mg_alloc(context, bytes, &batch));
  CHECK_OK(mg_alloc(context, 8 * width * width, &out));
  CHECK_OK(mg_moments_create(context, 1, &width, 1, &zero, &zero, MG_MOMENTS_MIXED, MG_NONFINITE_FAIL, &moments));
  const auto update = [&](int64_t count, float last) {
    values.back() = last;
    CHECK_OK(mg_copy(context, batch, MG_DEVICE_CUDA, values.data(), MG_DEVICE_HOST, bytes));
    const void* data[] = {batch};
    return mg_moments_update(context, moments, data, MG_F32, count, 1, strides);
  };
  const auto block = [&] {
    Vector found(static_cast<size_t>(width * width));
    CHECK_OK(mg_moments_block(context, moments, 0, static_cast<double*>(out)));
    CHECK_OK(mg_copy(context, found.data(), MG_DEVICE_HOST, out, MG_DEVICE_CUDA, 8 * width * width));
    return found;
  };
  CHECK_OK(update(100, 1));
  const Vector before = block();
  controls.drop_kept();
  controls.limit_memory(controls.allocated() + (int64_t{3} << 20));  // of two panels, where there are six
  CHECK(update(samples, std::numeric_limits<float>::quiet_NaN()) == MG_NUMERICAL);
  CHECK(mg_moments_count(moments) == 100);
  CHECK(same_bits(block(), before));
  CHECK_OK(update(samples, 1));
  CHECK(mg_moments_count(moments) == 100 + samples);
  mg_moments_destroy(context, moments);
  mg_free(context, out);
  mg_free(context, batch);
}

// What a context keeps for its routines, and what was released before, go back where an array needs them.
TEST(fake_runtime_gives_up_what_it_keeps) {
  if (!cuda_standin() || kSanitized || exact_memory()) return;  // then nothing is kept
  const Controls controls;
  mg_context* context = controls.opened;
  const int64_t n = 600, p = 4;
  void *x = nullptr, *out = nullptr, *more = nullptr;
  CHECK_OK(mg_alloc(context, 4 * n * p, &x));
  CHECK_OK(mg_alloc(context, 8 * n * n, &out));
  const std::vector<float> zeros(static_cast<size_t>(n * p));
  CHECK_OK(mg_copy(context, x, MG_DEVICE_CUDA, zeros.data(), MG_DEVICE_HOST, 4 * n * p));
  const auto run = [&] {
    return mg_gram(context, MG_F32, MG_F32, MG_GRAM_PRODUCTS, n, p, x, p, static_cast<double*>(out));
  };
  CHECK_OK(run());
  controls.drop_kept();
  const int64_t least = controls.allocated();
  for (int turn = 0; turn < 2; ++turn) CHECK_OK(run());
  const int64_t all = controls.allocated();
  CHECK(all >= least + 4 * n * n);
  controls.limit_memory(all);
  CHECK_OK(mg_alloc(context, all - least - (int64_t{64} << 10), &more));
  controls.limit_memory(-1);
  CHECK_OK(run());
  for (void* each : {x, out, more}) mg_free(context, each);
}

// Whichever call of the runtime or of cuBLAS fails: a status and a text, nothing lost, and the next run is as before.
TEST(fake_runtime_survives_any_failure) {
  if (!cuda_standin()) return;
  Controls controls;
  Program program(1500);
  Vector want, found;
  CHECK_OK(program.run(&want));
  const int64_t first = controls.calls(), held = mg_allocated_bytes();
  CHECK_OK(program.run());
  const int64_t calls = controls.calls() - first;
  CHECK(calls > 50);
  for (int32_t out_of_memory : {1, 0}) {
    for (int64_t call = 0; call < calls; ++call) {
      controls.fail_after(call, out_of_memory);
      const int32_t status = program.run(&found);
      const std::string name = controls.failed();
      controls.fail_after(-1, 0);
      if (status == MG_OK) {
        // What may fail without harm: less memory, or a question that has another answer.
        CHECK(same_bits(found, want) || largest_difference(found, want) <= 1e-6 * largest_magnitude(want));
      } else {
        CHECK(!program.error().empty());
      }
      CHECK(mg_allocated_bytes() == held);
    }
  }
  CHECK_OK(program.run(&found));
  CHECK(same_bits(found, want));
}
