// SPDX-License-Identifier: Apache-2.0
// Merging on a device against the CPU, beyond the list: bytes for every number of models, many tensors at once, and
// the same refusals with nothing changed.
#include <memory>

#include "test/little_memory.h"
#include "test/selection.h"

using namespace check;

namespace {

mg_np_options options(int32_t form, int32_t models, int32_t granularity, int32_t optimizer = MG_NP_ADAM) {
  mg_np_options o{};
  o.form = form;
  o.optimizer = optimizer;
  o.granularity = granularity;
  o.models = models;
  o.dtype = MG_F32;
  o.beta1 = 0.9;
  o.beta2 = 0.999;
  o.epsilon = 1e-8;
  o.limit = 15;
  o.pull = 0.01;
  return o;
}

// Tensors of normal models on a context, with arrays for gradients and theta.
class Tensors {
 public:
  Tensors(mg_context* context, const mg_np_options& o, std::vector<int64_t> counts, std::vector<int64_t> rows)
      : context_(context), options_(o), counts_(std::move(counts)) {
    for (size_t s = 0; s < counts_.size(); ++s) {
      for (int32_t k = 0; k < o.models; ++k) {
        models_.push_back(std::make_unique<Array>(context, o.dtype, gaussian(counts_[s], 50 * s + k + 1), 0));
        in_.push_back(models_.back()->data());
      }
      gradients_.push_back(std::make_unique<Array>(context, MG_F32, Vector(counts_[s], 0.25), 0));
      thetas_.push_back(std::make_unique<Array>(context, counts_[s] * 4, 0));
      gradient_.push_back(reinterpret_cast<const float*>(gradients_.back()->data()));
      theta_.push_back(reinterpret_cast<float*>(thetas_.back()->data()));
    }
    CHECK_OK(mg_np_create(context, &options_, static_cast<int32_t>(counts_.size()), counts_.data(), rows.data(),
                          in_.data(), nullptr, &handle));
  }
  ~Tensors() { mg_np_destroy(context_, handle); }
  Tensors(const Tensors&) = delete;

  void set_gradients(uint64_t seed) {
    for (size_t s = 0; s < counts_.size(); ++s) set_gradient(s, gaussian(counts_[s], seed + s));
  }
  void set_gradient(size_t slot, const Vector& values) {
    std::vector<char> bytes(values.size() * 4);
    for (size_t i = 0; i < values.size(); ++i) store(MG_F32, values[i], bytes.data(), static_cast<int64_t>(i));
    gradients_[slot]->write(bytes);
  }
  int32_t step() { return mg_np_step(context_, handle, 0.05, gradient_.data(), theta_.data(), &bad_slot, &bad_index); }

  // theta and all parts of the state.
  std::vector<char> bytes() const {
    std::vector<char> all;
    for (size_t s = 0; s < counts_.size(); ++s) {
      append(all, thetas_[s]->read());
      const int64_t size = mg_np_state_size(handle, static_cast<int32_t>(s));
      for (int32_t part : {MG_NP_Z, MG_NP_M, MG_NP_V}) {
        if (options_.optimizer == MG_NP_SGD && part != MG_NP_Z) continue;
        const Array values(context_, size * 4, 0);
        CHECK_OK(mg_np_state(context_, handle, static_cast<int32_t>(s), part, size,
                             reinterpret_cast<float*>(values.data())));
        append(all, values.read());
      }
    }
    return all;
  }

  mg_np* handle = nullptr;
  int32_t bad_slot = -7;
  int64_t bad_index = -7;

 private:
  mg_context* context_;
  mg_np_options options_;
  std::vector<int64_t> counts_;
  std::vector<std::unique_ptr<Array>> models_, gradients_, thetas_;
  std::vector<const void*> in_;
  std::vector<const float*> gradient_;
  std::vector<float*> theta_;
};

// Text of the last failure when the call has this status.
std::string refusal(int32_t status, int32_t expected) { return status == expected ? mg_last_error() : "not refused"; }

}  // namespace

TEST(fake_np_has_the_bytes_of_the_cpu_for_every_number_of_models) {
  if (!device_on_host()) return;
  Context device(1, MG_BACKEND_CUDA), cpu;
  for (int32_t models = 2; models <= 8; ++models) {
    for (int32_t granularity : {MG_NP_PARAMETER, MG_NP_ROW, MG_NP_TENSOR}) {
      for (int32_t optimizer : {MG_NP_ADAM, MG_NP_SGD}) {
        mg_np_options o = options(MG_NP_SOFTMAX, models, granularity, optimizer);
        o.dtype = models % 2 == 0 ? MG_F32 : MG_BF16;
        Tensors there(device, o, {5000, 0, 7}, {5, 3, 7}), here(cpu, o, {5000, 0, 7}, {5, 3, 7});
        for (uint64_t t = 1; t <= 2; ++t) {
          for (Tensors* each : {&there, &here}) {
            each->set_gradients(100 * t);
            CHECK_OK(each->step());
          }
        }
        CHECK(there.bytes() == here.bytes());
      }
    }
  }
}

// Sums over pieces of one group, and of groups whose rows lie across the parts that blocks work on.
TEST(fake_np_sums_have_the_bytes_of_the_cpu) {
  if (!device_on_host()) return;
  Context device(1, MG_BACKEND_CUDA), cpu;
  const std::vector<int64_t> counts = {70000, 3 * 20011, 4096 * 3, 2500 * 5, 1}, rows = {1, 3, 4096, 2500, 1};
  for (int32_t form : {MG_NP_SIGMOID, MG_NP_CLAMP, MG_NP_SOFTMAX}) {
    for (int32_t granularity : {MG_NP_ROW, MG_NP_TENSOR}) {
      const mg_np_options o = options(form, form == MG_NP_SOFTMAX ? 3 : 2, granularity);
      Tensors there(device, o, counts, rows), here(cpu, o, counts, rows);
      for (Tensors* each : {&there, &here}) {
        each->set_gradients(9);
        CHECK_OK(each->step());
      }
      CHECK(there.bytes() == here.bytes());
    }
  }
}

TEST(fake_np_takes_many_small_tensors_in_one_step) {
  if (!device_on_host()) return;
  Context device(1, MG_BACKEND_CUDA), cpu;
  std::vector<int64_t> counts, rows;
  for (int64_t s = 0; s < (kSanitized ? 40 : 300); ++s) {
    counts.push_back(s * 7 % 90);
    rows.push_back(1);
  }
  const mg_np_options o = options(MG_NP_SIGMOID, 2, MG_NP_PARAMETER);
  Tensors there(device, o, counts, rows), here(cpu, o, counts, rows);
  for (Tensors* each : {&there, &here}) {
    each->set_gradients(3);
    CHECK_OK(each->step());
  }
  CHECK(there.bytes() == here.bytes());
}

TEST(fake_np_refuses_as_the_cpu_and_changes_nothing) {
  if (!device_on_host()) return;
  Context device(1, MG_BACKEND_CUDA), cpu;
  const std::vector<int64_t> counts = {6000, 5000}, rows = {3, 5};
  for (int32_t form : {MG_NP_SIGMOID, MG_NP_SOFTMAX}) {
    for (int32_t granularity : {MG_NP_PARAMETER, MG_NP_ROW, MG_NP_TENSOR}) {
      const mg_np_options o = options(form, form == MG_NP_SOFTMAX ? 3 : 2, granularity);
      Tensors there(device, o, counts, rows), here(cpu, o, counts, rows);
      std::string texts[2];
      std::vector<char> after[2];
      for (Tensors* each : {&there, &here}) {
        const size_t at = each == &there ? 0 : 1;
        each->set_gradients(1);
        CHECK_OK(each->step());
        CHECK(each->bad_slot == -1 && each->bad_index == -1);
        const std::vector<char> before = each->bytes();
        Vector bad = gaussian(5000, 77);
        bad[4999] = bad[2345] = kNaN;
        bad[2344] = 1e19;  // too large only with the difference there
        bad[4000] = -kInf;
        each->set_gradient(1, bad);
        texts[at] = refusal(each->step(), MG_NUMERICAL) + " at " + std::to_string(each->bad_slot) + ", " +
                    std::to_string(each->bad_index);
        CHECK(each->bytes() == before);
        // Each by itself small enough, but not their sum; for coefficients of parameters it is not formed.
        each->set_gradient(1, Vector(5000, 5e16));
        const int32_t status = each->step();
        CHECK((status == MG_OK) == (granularity == MG_NP_PARAMETER));
        if (status != MG_OK) texts[at] += refusal(status, MG_NUMERICAL) + std::to_string(each->bad_index);
        // What follows is as if it had not been.
        each->set_gradients(2);
        CHECK_OK(each->step());
        CHECK(mg_np_steps(each->handle) == (granularity == MG_NP_PARAMETER ? 3 : 2));
        after[at] = each->bytes();
      }
      CHECK(texts[0] == texts[1] && texts[0].find("of slot 1, element 234") != std::string::npos);
      CHECK(after[0] == after[1]);
    }
  }
}

TEST(fake_np_refuses_models_and_states_as_the_cpu) {
  if (!device_on_host()) return;
  Context device(1, MG_BACKEND_CUDA), cpu;
  const mg_np_options o = options(MG_NP_SIGMOID, 2, MG_NP_PARAMETER);
  std::string texts[2];
  for (mg_context* context : {static_cast<mg_context*>(device), static_cast<mg_context*>(cpu)}) {
    std::string& text = texts[context == static_cast<mg_context*>(device) ? 0 : 1];
    const int64_t counts[] = {3, 4}, rows[] = {1, 1};
    const Array good(context, MG_F32, {1, 2, 3, 4}, 0), infinite(context, MG_F32, {1, 2, kInf, kNaN}, 0);
    const Array high(context, MG_F32, {0, 3e38, 0, 0}, 0), low(context, MG_F32, {0, -3e38, 0, 0}, 0);
    mg_np* np = nullptr;
    const void* bad[] = {good.data(), good.data(), good.data(), infinite.data()};
    text += refusal(mg_np_create(context, &o, 2, counts, rows, bad, nullptr, &np), MG_NUMERICAL);
    const void* far[] = {good.data(), good.data(), high.data(), low.data()};
    text += refusal(mg_np_create(context, &o, 2, counts, rows, far, nullptr, &np), MG_NUMERICAL);
    Tensors tensors(context, o, {3, 4}, {1, 1});
    const Array values(context, MG_F32, {0, 1, -1, -2}, 0);
    const std::vector<char> before = tensors.bytes();
    text += refusal(mg_np_load(context, tensors.handle, 1, MG_NP_V, 4, reinterpret_cast<float*>(values.data())),
                    MG_INVALID_ARGUMENT);
    text += refusal(mg_np_load(context, tensors.handle, 1, MG_NP_Z, 4, reinterpret_cast<float*>(infinite.data())),
                    MG_INVALID_ARGUMENT);
    CHECK(tensors.bytes() == before);
    // z is clamped.
    const Array wide(context, MG_F32, {-100, 100, kInf, -0.0}, 0);
    CHECK_OK(mg_np_load(context, tensors.handle, 1, MG_NP_Z, 4, reinterpret_cast<float*>(wide.data())));
    CHECK_OK(mg_np_state(context, tensors.handle, 1, MG_NP_Z, 4, reinterpret_cast<float*>(wide.data())));
    const Vector clamped = wide.values(MG_F32);
    CHECK(clamped == (Vector{-15, 15, 15, 0}) && std::signbit(clamped[3]));
  }
  CHECK(texts[0] == texts[1] && texts[0].find("model 1 is not finite in slot 1, element 2") != std::string::npos &&
        texts[0].find("slot 1 differ by more") != std::string::npos &&
        texts[0].find("element 3 of slot 1 is nan") != std::string::npos);
}

// Data of few different values, and of one; ranks at every border; narrow and wide digits; parts that are not aligned.
TEST(fake_magnitudes_of_ties) {
  if (!device_on_host()) return;
  Context device(1, MG_BACKEND_CUDA);
  const int64_t n = kSanitized ? 8001 : 60001;
  for (int32_t dtype : {MG_F64, MG_F32, MG_F16, MG_BF16}) {
    for (int distinct : {1, 2, 40}) {
      Vector values = gaussian(n, 5);
      for (int64_t i = 0; i < n; ++i) values[i] = (i * 7919 % distinct - distinct / 2) * 0.375;
      const Array there(device, dtype, values, 0);
      const std::vector<double> all = magnitudes(dtype, values, nullptr);
      for (int64_t k : {int64_t{1}, n / 3, n - 1, n}) {
        const Ranked expected = by_sorting(all, k);
        CHECK(by_digits(device, dtype, n, there.data(), nullptr, k, n) == expected);
        CHECK(by_digits(device, dtype, n, there.data(), nullptr, k, 20001, 13) == expected);
      }
    }
  }
}

// As many rows as memory suffices for are sorted at once, one at least.
TEST(fake_little_memory_drops_fewer_rows_at_once) {
  if (!cuda_standin() || (in_short() && !kSanitized)) return;
  const int64_t rows = 40, length = 257, row = 2 * length * 8;
  const mg_ranked_drop_options options{0.5, 0.2, 77, 3, 1};
  const auto drop = [&](mg_context* context, const LittleMemory* memory, int64_t bytes, std::vector<char>* found) {
    const Array x(context, MG_F32, gaussian(rows * length, 1), 0), base(context, MG_F32, gaussian(rows * length, 2), 0),
        out(context, rows * length * 4, 0);
    if (memory) memory->leave(context, bytes);
    const int32_t status =
        mg_ranked_drop(context, MG_F32, rows, length, 0, x.data(), base.data(), &options, out.data());
    standin_limit_memory(-1);
    *found = out.read();
    return status;
  };
  std::vector<char> wanted, found;
  CHECK_OK(drop(Context(), nullptr, 0, &wanted));
  const LittleMemory memory;
  const Context device(2, MG_BACKEND_CUDA);
  for (int64_t at_once : {rows, rows / 2, rows / 8, int64_t{1}, int64_t{0}}) {
    const int32_t status = drop(device, &memory, 2 * length * 4 + at_once * row, &found);
    CHECK(at_once == 0 ? status == MG_OUT_OF_MEMORY : status == MG_OK && found == wanted);
  }
}

TEST(fake_task_merges_of_up_to_32_models) {
  if (!device_on_host()) return;
  Context device(1, MG_BACKEND_CUDA), cpu;
  const int64_t n = 3001;
  for (int32_t dtype : {MG_F64, MG_F32, MG_F16, MG_BF16}) {
    for (int32_t models : {5, 32}) {
      for (bool elect : {false, true}) {
        for (int64_t first : {0, 3, 1 << 20}) {
          std::vector<char> results[2];
          for (mg_context* context : {static_cast<mg_context*>(device), static_cast<mg_context*>(cpu)}) {
            std::vector<std::unique_ptr<Array>> arrays;
            std::vector<const void*> in;
            std::vector<mg_task> tasks;
            for (int32_t k = 0; k <= models; ++k) {
              arrays.push_back(std::make_unique<Array>(context, dtype, gaussian(n, static_cast<uint64_t>(60 + k)), 0));
              if (k == 0) continue;
              in.push_back(arrays.back()->data());
              tasks.push_back({0.5 - 0.1 * (k % 7), k % 2 == 0 ? 1.0 : 1.25, k % 3, k, 0.8, first + n / 2, 77 * k,
                               k % 6 == 2 ? int64_t{1} << 32 : int64_t{1} << 31});
            }
            CHECK_OK(mg_task_merge(context, dtype, first, n, models, arrays[0]->data(), in.data(), tasks.data(), elect,
                                   1, 0.7, arrays[1]->data()));  // in place
            results[context == static_cast<mg_context*>(device) ? 0 : 1] = arrays[1]->read();
          }
          CHECK(results[0] == results[1]);
        }
      }
    }
  }
}
