// SPDX-License-Identifier: Apache-2.0
// The exported routines of merging: task vectors, magnitudes, NP Merge.
#include <cmath>

#include "core/abi_checks.h"
#include "merganser.h"
#include "routines/np_state.h"
#include "routines/routines.h"

using namespace merganser;

namespace {

constexpr int32_t kMaxModels = 32;

void check_np(const mg_context* context, const mg_np* np) {
  check_context(context);
  MG_REQUIRE(np, "np is NULL");
  MG_REQUIRE(np->table == context->table, "np belongs to another backend");
}

template <typename T>
void check_slots(const mg_context* context, const char* routine, const mg_np* np, T* const* arrays, const char* name) {
  check_pointer(arrays, name);
  for (int32_t s = 0; s < np->slots(); ++s) {
    if (np->counts[s] == 0) continue;
    MG_REQUIRE(arrays[s], "%s[%d] is NULL", name, s);
    check_resident(context, arrays[s], routine, name, s);
  }
}

void check_part(const mg_np* np, int32_t slot, int32_t part) {
  MG_REQUIRE(slot >= 0 && slot < np->slots(), "slot %d of %d", slot, np->slots());
  MG_REQUIRE(part >= MG_NP_Z && part <= MG_NP_V, "unknown part %d", part);
  MG_REQUIRE(np->has(part), "the optimizer has no part %s", part == MG_NP_M ? "M" : "V");
}

void check_part_size(const mg_np* np, int32_t slot, int64_t count) {
  const int64_t size = mg_np_state_size(np, slot);
  MG_REQUIRE(count == size, "%lld elements for a part of slot %d, which has %lld", static_cast<Long>(count), slot,
             static_cast<Long>(size));
}

void check_fraction(double value, const char* name) {
  MG_REQUIRE(value >= 0 && value < 1, "%s must be in [0, 1), not %g", name, value);
}

void check_options(const mg_np_options& o) {
  MG_REQUIRE(o.form >= MG_NP_SIGMOID && o.form <= MG_NP_SOFTMAX, "unknown form %d", o.form);
  MG_REQUIRE(o.optimizer == MG_NP_ADAM || o.optimizer == MG_NP_SGD, "unknown optimizer %d", o.optimizer);
  MG_REQUIRE(o.granularity >= MG_NP_PARAMETER && o.granularity <= MG_NP_TENSOR, "unknown granularity %d",
             o.granularity);
  const int32_t most = o.form == MG_NP_SOFTMAX ? 8 : 2;
  MG_REQUIRE(o.models >= 2 && o.models <= most, "%d models; this form takes 2 to %d", o.models, most);
  MG_REQUIRE(o.dtype == MG_F32 || o.dtype == MG_BF16, "models must be MG_F32 or MG_BF16, not %d", o.dtype);
  if (o.optimizer == MG_NP_ADAM) {
    check_fraction(o.beta1, "beta1");
    check_fraction(o.beta2, "beta2");
    MG_REQUIRE(o.epsilon >= 1e-30 && std::isfinite(o.epsilon), "epsilon must be >= 1e-30 and finite, not %g",
               o.epsilon);
  } else {
    check_fraction(o.momentum, "momentum");
  }
  MG_REQUIRE(o.pull >= 0 && o.pull <= 1e6, "pull must be in [0, 1e6], not %g", o.pull);
  if (o.form != MG_NP_CLAMP) MG_REQUIRE(o.limit > 0 && o.limit <= 40, "limit must be in (0, 40], not %g", o.limit);
}

void check_initial(const double* initial, int32_t models) {
  double sum = 0;
  for (int32_t k = 0; k < models; ++k) {
    MG_REQUIRE(initial[k] >= 0 && initial[k] <= 1, "initial[%d] must be in [0, 1], not %g", k, initial[k]);
    sum += initial[k];
  }
  MG_REQUIRE(std::fabs(sum - 1) <= 1e-6, "the initial weights must have sum 1, not %g", sum);
}

void check_task(const mg_task& task, int32_t k) {
  MG_REQUIRE(std::isfinite(task.weight), "the weight of task %d is %g", k, task.weight);
  MG_REQUIRE(std::isfinite(task.scale), "the scale of task %d is %g", k, task.scale);
  MG_REQUIRE(task.trim >= MG_TRIM_NONE && task.trim <= MG_TRIM_RANDOM, "unknown trim %d of task %d", task.trim, k);
  if (task.trim == MG_TRIM_MAGNITUDE) {
    MG_REQUIRE(task.threshold >= 0, "the threshold of task %d must be >= 0, not %g", k, task.threshold);
  }
  if (task.trim == MG_TRIM_RANDOM) {
    MG_REQUIRE(task.keep >= 0 && task.keep <= int64_t{1} << 32, "keep of task %d must be in [0, 2^32], not %lld", k,
               static_cast<Long>(task.keep));
  }
}

}  // namespace

extern "C" {

int32_t mg_task_merge(mg_context* context, int32_t dtype, int64_t first, int64_t count, int32_t models,
                      const void* base, const void* const* in, const mg_task* tasks, int32_t elect, int32_t normalise,
                      double lambda, void* out) {
  auto check = [&] {
    check_context(context);
    check_dtype(dtype);
    check_size(first, "first");
    check_size(count, "count");
    MG_REQUIRE(models >= 1 && models <= kMaxModels, "models must be in [1, %d], not %d", kMaxModels, models);
    check_pointer(in, "in");
    check_pointer(tasks, "tasks");
    MG_REQUIRE(std::isfinite(lambda), "lambda is %g", lambda);
    for (int32_t k = 0; k < models; ++k) {
      check_task(tasks[k], k);
      MG_REQUIRE(count == 0 || in[k], "in[%d] is NULL", k);
      if (count > 0) check_resident(context, in[k], "task_merge", "in", k);
    }
    if (count > 0) {
      check_array(context, "task_merge", base, "base");
      check_array(context, "task_merge", out, "out");
    }
  };
  return dispatch(check, &Table::task_merge, context, dtype, first, count, models, base, in, tasks, elect,
                  normalise, lambda, out);
}

int32_t mg_kth_magnitude(mg_context* context, int32_t dtype, int64_t count, const void* x, const void* base, int64_t k,
                         mg_threshold* out) {
  auto check = [&] {
    check_context(context);
    MG_REQUIRE(dtype == MG_F32 || dtype == MG_F16 || dtype == MG_BF16,
               "dtype must be MG_F32, MG_F16 or MG_BF16, not %d", dtype);
    MG_REQUIRE(count >= 1 && k >= 1 && k <= count, "k = %lld of %lld values; expected 1 <= k <= count",
               static_cast<Long>(k), static_cast<Long>(count));
    check_array(context, "kth_magnitude", x, "x");
    if (base) check_resident(context, base, "kth_magnitude", "base");
    check_pointer(out, "out");
  };
  return dispatch(check, &Table::kth_magnitude, context, dtype, count, x, base, k, out);
}

int32_t mg_products(mg_context* context, int32_t dtype, int64_t count, const void* x, const void* y, double* sums) {
  auto check = [&] {
    check_context(context);
    check_dtype(dtype);
    check_size(count, "count");
    if (count > 0) {
      check_array(context, "products", x, "x");
      check_array(context, "products", y, "y");
    }
    check_pointer(sums, "sums");
  };
  return dispatch(check, &Table::products, context, dtype, count, x, y, sums);
}

int32_t mg_slerp_weights(const double* sums, double t, double* weights) {
  return guard([&] {
    check_pointer(sums, "sums");
    check_pointer(weights, "weights");
    for (int k = 0; k < 3; ++k) MG_REQUIRE(std::isfinite(sums[k]), "sums[%d] is %g", k, sums[k]);
    MG_REQUIRE(std::isfinite(t), "t is %g", t);
    slerp_weights(sums, t, weights);
  });
}

int32_t mg_stream(mg_context* context, int64_t bytes, int32_t reads, const void* const* in, int32_t writes,
                  void* const* out) {
  auto check = [&] {
    check_context(context);
    MG_REQUIRE(bytes >= 0 && bytes % 64 == 0, "bytes must be a multiple of 64 and >= 0, not %lld",
               static_cast<Long>(bytes));
    MG_REQUIRE(reads >= 1 && reads <= 8, "reads must be in [1, 8], not %d", reads);
    MG_REQUIRE(writes >= 0 && writes <= 8, "writes must be in [0, 8], not %d", writes);
    check_pointer(in, "in");
    if (writes > 0) check_pointer(out, "out");
    const auto check_line = [&](const void* pointer, const char* name, int32_t k) {
      MG_REQUIRE(pointer && reinterpret_cast<uintptr_t>(pointer) % 64 == 0, "%s[%d] is NULL or not aligned to 64 bytes",
                 name, k);
      check_resident(context, pointer, "stream", name, k);
    };
    for (int32_t k = 0; k < reads && bytes > 0; ++k) check_line(in[k], "in", k);
    for (int32_t k = 0; k < writes && bytes > 0; ++k) check_line(out[k], "out", k);
  };
  return dispatch(check, &Table::stream, context, bytes, reads, in, writes, out);
}

int32_t mg_np_create(mg_context* context, const mg_np_options* options, int32_t slots, const int64_t* counts,
                     const int64_t* rows, const void* const* in, const double* initial, mg_np** out) {
  auto check = [&] {
    check_context(context);
    check_pointer(options, "options");
    check_options(*options);
    MG_REQUIRE(slots >= 1, "slots must be >= 1, not %d", slots);
    check_pointer(counts, "counts");
    check_pointer(rows, "rows");
    check_pointer(in, "in");
    check_pointer(out, "out");
    if (initial) check_initial(initial, options->models);
    for (int32_t s = 0; s < slots; ++s) {
      MG_REQUIRE(counts[s] >= 0 && counts[s] <= INT64_MAX / 64, "slot %d has %lld elements", s,
                 static_cast<Long>(counts[s]));
      MG_REQUIRE(rows[s] >= 1 && counts[s] % rows[s] == 0, "slot %d: %lld elements are not %lld rows", s,
                 static_cast<Long>(counts[s]), static_cast<Long>(rows[s]));
      for (int32_t k = 0; k < options->models && counts[s] > 0; ++k) {
        const int32_t at = s * options->models + k;
        MG_REQUIRE(in[at], "in[%d], model %d of slot %d, is NULL", at, k, s);
        check_resident(context, in[at], "np_create", "in", at);
      }
    }
  };
  return dispatch(check, &Table::np_create, context, options, slots, counts, rows, in, initial, out);
}

void mg_np_destroy(mg_context*, mg_np* np) { delete np; }

int32_t mg_np_theta(mg_context* context, const mg_np* np, float* const* theta) {
  auto check = [&] {
    check_np(context, np);
    check_slots(context, "np_theta", np, theta, "theta");
  };
  return dispatch(check, &Table::np_theta, context, np, theta);
}

int32_t mg_np_step(mg_context* context, mg_np* np, double rate, const float* const* gradient, float* const* theta,
                   int32_t* bad_slot, int64_t* bad_index) {
  auto check = [&] {
    check_pointer(bad_slot, "bad_slot");
    check_pointer(bad_index, "bad_index");
    *bad_slot = -1;
    *bad_index = -1;
    check_np(context, np);
    MG_REQUIRE(std::isfinite(rate) && rate >= 0, "rate must be >= 0 and finite, not %g", rate);
    check_slots(context, "np_step", np, gradient, "gradient");
    check_slots(context, "np_step", np, theta, "theta");
  };
  return dispatch(check, &Table::np_step, context, np, rate, gradient, theta, bad_slot, bad_index);
}

int64_t mg_np_state_size(const mg_np* np, int32_t slot) {
  return np && slot >= 0 && slot < np->slots() ? np->planes() * np->groups(slot) : 0;
}

int32_t mg_np_state(mg_context* context, const mg_np* np, int32_t slot, int32_t part, int64_t count, float* out) {
  auto check = [&] {
    check_np(context, np);
    check_part(np, slot, part);
    check_part_size(np, slot, count);
    if (mg_np_state_size(np, slot) > 0) check_array(context, "np_state", out, "out");
  };
  return dispatch(check, &Table::np_state, context, np, slot, part, count, out);
}

int32_t mg_np_load(mg_context* context, mg_np* np, int32_t slot, int32_t part, int64_t count,
                   const float* in) {
  auto check = [&] {
    check_np(context, np);
    check_part(np, slot, part);
    check_part_size(np, slot, count);
    if (mg_np_state_size(np, slot) > 0) check_array(context, "np_load", in, "in");
  };
  return dispatch(check, &Table::np_load, context, np, slot, part, count, in);
}

int64_t mg_np_steps(const mg_np* np) { return np ? np->steps : 0; }

int32_t mg_np_resume(mg_context* context, mg_np* np, int64_t steps) {
  auto check = [&] {
    check_np(context, np);
    MG_REQUIRE(steps >= 0, "steps must be >= 0, not %lld", static_cast<Long>(steps));
  };
  return dispatch(check, &Table::np_resume, context, np, steps);
}

}  // extern "C"
