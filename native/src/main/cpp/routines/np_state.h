// SPDX-License-Identifier: Apache-2.0
// What every backend knows about the state of NP Merge, with the constants and the refusals that must be the same; a
// backend derives its own from it.
#pragma once

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <cstdint>
#include <vector>

#include "kernels/kernels.h"
#include "runtime/context.h"
#include "runtime/error.h"

namespace merganser {

constexpr int32_t kNpModels = 8;
constexpr double kNpLargest = 1e18;  // of a gradient of z: its square must stay in the range of F32
constexpr int64_t kNpPiece = 16384;  // elements whose products are one sum, for shared coefficients

}  // namespace merganser

struct mg_np {
  mg_np(const mg_context* context, const mg_np_options& given, int32_t slots, const int64_t* all_counts,
        const int64_t* all_rows, const void* const* in)
      : table(context->table),
        options(given),
        counts(all_counts, all_counts + slots),
        rows(all_rows, all_rows + slots),
        inputs(in, in + int64_t{slots} * given.models) {}
  virtual ~mg_np() = default;

  const merganser::Table* table;
  mg_np_options options;
  std::vector<int64_t> counts, rows;
  std::vector<const void*> inputs;  // [slot * models + model]
  int64_t steps = 0;
  double power1 = 1, power2 = 1;  // beta^steps

  int32_t slots() const { return static_cast<int32_t>(counts.size()); }
  // Elements that share one z are `span` consecutive ones.
  int64_t groups(int32_t slot) const {
    return options.granularity == MG_NP_PARAMETER ? counts[slot] : options.granularity == MG_NP_ROW ? rows[slot] : 1;
  }
  int64_t span(int32_t slot) const { return groups(slot) == 0 ? 0 : counts[slot] / groups(slot); }
  int32_t planes() const { return options.form == MG_NP_SOFTMAX ? options.models : 1; }
  bool has(int32_t part) const {
    const bool adam = options.optimizer == MG_NP_ADAM;
    return part == MG_NP_Z || (part == MG_NP_M && (adam || options.momentum != 0)) || (part == MG_NP_V && adam);
  }
  bool shared() const { return options.granularity != MG_NP_PARAMETER; }
  // Adam, momentum, plain.
  int optimizer() const { return options.optimizer == MG_NP_ADAM ? 0 : options.momentum != 0 ? 1 : 2; }
  int32_t sums_of_group() const { return options.form == MG_NP_SOFTMAX ? options.models : 1; }

  // Of a step after which the powers of the betas are these.
  merganser::NpScalars scalars(double rate, double after1, double after2) const {
    merganser::NpScalars s{};
    const bool adam = options.optimizer == MG_NP_ADAM, clamp = options.form == MG_NP_CLAMP;
    s.beta1 = static_cast<float>(options.beta1);
    s.rest1 = static_cast<float>(1 - options.beta1);
    s.beta2 = static_cast<float>(options.beta2);
    s.rest2 = static_cast<float>(1 - options.beta2);
    s.rate = static_cast<float>(adam ? rate / (1 - after1) : rate);
    s.root = static_cast<float>(1 / std::sqrt(1 - after2));
    s.epsilon = static_cast<float>(options.epsilon);
    s.momentum = static_cast<float>(options.momentum);
    s.pull = static_cast<float>(options.pull);
    s.least = clamp ? 0 : static_cast<float>(-options.limit);
    s.most = clamp ? 1 : static_cast<float>(options.limit);
    return s;
  }

  // The state of coefficients initial[], of equal ones when that is NULL.
  float initial_z(const double* initial, int32_t k) const {
    double z = options.form == MG_NP_CLAMP ? 0.5 : 0;
    if (initial && options.form == MG_NP_CLAMP) z = initial[0];
    if (initial && options.form == MG_NP_SIGMOID) z = std::log(initial[0] / initial[1]);
    if (initial && options.form == MG_NP_SOFTMAX) z = std::log(initial[k] * options.models);
    const merganser::NpScalars range = scalars(0, 0, 0);
    return static_cast<float>(std::clamp<double>(z, range.least, range.most));
  }

  void go_on_from(int64_t made) {
    power1 = power2 = 1;
    // Multiplied as the steps did, for the same bits.
    for (steps = 0; steps < made; ++steps) {
      power1 *= options.beta1;
      power2 *= options.beta2;
    }
  }

  // Gradients up to this one need no closer check, where no two models differ by more than `largest`.
  static float gradient_limit(double largest) {
    return static_cast<float>(std::min<double>(FLT_MAX, merganser::kNpLargest / (2 * largest)));
  }

  [[noreturn]] void refuse_gradient(int32_t slot, int64_t i, double g, int32_t* bad_slot, int64_t* bad_index) const {
    *bad_slot = slot;
    *bad_index = i;
    merganser::fail(MG_NUMERICAL,
                    merganser::format("np_step: the gradient %g of slot %d, element %lld of %lld, is not finite or too "
                                      "large for a step; nothing was changed",
                                      g, slot, merganser::Long{i}, merganser::Long{counts[slot]}));
  }
  [[noreturn]] static void refuse_model(int32_t model, int32_t slot, int64_t i) {
    merganser::fail(MG_NUMERICAL, merganser::format("np: model %d is not finite in slot %d, element %lld", model, slot,
                                                    merganser::Long{i}));
  }
  [[noreturn]] static void refuse_distance(int32_t slot) {
    merganser::fail(MG_NUMERICAL, merganser::format("np: models of slot %d differ by more than F32 holds", slot));
  }
  [[noreturn]] static void refuse_state(int32_t slot, int64_t i, double value) {
    merganser::fail(MG_INVALID_ARGUMENT, merganser::format("np_load: element %lld of slot %d is %g",
                                                           merganser::Long{i}, slot, value));
  }
};
