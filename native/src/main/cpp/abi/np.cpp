// SPDX-License-Identifier: Apache-2.0
// The exported functions of NP Merge.
#include <cmath>

#include "abi/checks.h"
#include "merganser.h"
#include "routines/np_state.h"

using namespace merganser;

namespace {

void check_np(const mg_context* context, const mg_np* np) {
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

// An array of `count` elements for a part of the state of a slot.
void check_part(const mg_context* context, const char* routine, const mg_np* np, int32_t slot, int32_t part,
                int64_t count, const float* array, const char* name) {
  check_np(context, np);
  MG_REQUIRE(slot >= 0 && slot < np->slots(), "slot %d of %d", slot, np->slots());
  MG_REQUIRE(part >= MG_NP_Z && part <= MG_NP_V, "unknown part %d", part);
  MG_REQUIRE(np->has(part), "the optimizer has no part %s", part == MG_NP_M ? "M" : "V");
  const int64_t size = mg_np_state_size(np, slot);
  MG_REQUIRE(count == size, "%lld elements for a part of slot %d, which has %lld", Long{count}, slot, Long{size});
  if (size > 0) check_array(context, routine, array, name);
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
  MG_REQUIRE(std::fabs(sum - 1) <= 1e-6, "the initial coefficients must have sum 1, not %g", sum);
}

}  // namespace

extern "C" {

int32_t mg_np_create(mg_context* context, const mg_np_options* options, int32_t slots, const int64_t* counts,
                     const int64_t* rows, const void* const* in, const double* initial, mg_np** out) {
  auto check = [&] {
    check_pointer(options, "options");
    check_options(*options);
    MG_REQUIRE(slots >= 1, "slots must be >= 1, not %d", slots);
    check_pointer(counts, "counts");
    check_pointer(rows, "rows");
    check_pointer(in, "in");
    check_pointer(out, "out");
    if (initial) check_initial(initial, options->models);
    for (int32_t s = 0; s < slots; ++s) {
      MG_REQUIRE(counts[s] >= 0 && counts[s] <= INT64_MAX / 64, "slot %d has %lld elements", s, Long{counts[s]});
      MG_REQUIRE(rows[s] >= 1 && counts[s] % rows[s] == 0, "slot %d: %lld elements are not %lld rows", s,
                 Long{counts[s]}, Long{rows[s]});
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
  auto check = [&] { check_part(context, "np_state", np, slot, part, count, out, "out"); };
  return dispatch(check, &Table::np_state, context, np, slot, part, count, out);
}

int32_t mg_np_load(mg_context* context, mg_np* np, int32_t slot, int32_t part, int64_t count, const float* in) {
  auto check = [&] { check_part(context, "np_load", np, slot, part, count, in, "in"); };
  return dispatch(check, &Table::np_load, context, np, slot, part, count, in);
}

int64_t mg_np_steps(const mg_np* np) { return np ? np->steps : 0; }

int32_t mg_np_resume(mg_context* context, mg_np* np, int64_t steps) {
  auto check = [&] {
    check_np(context, np);
    MG_REQUIRE(steps >= 0, "steps must be >= 0, not %lld", Long{steps});
  };
  return dispatch(check, &Table::np_resume, context, np, steps);
}

}  // extern "C"
