// SPDX-License-Identifier: Apache-2.0
// Oracle of NP Merge: the formulas of merganser.h on one coefficient after another in F64.
#include <array>
#include <memory>

#include "test/listed_tools.h"

namespace check {

namespace {

constexpr double kRate = 0.05;
constexpr int kSteps = 3;

// The coefficients of one parameter, or of one group.
struct Coefficients {
  std::array<double, 3> z{}, m{}, v{};
  double uncertain = 0;  // of z, by the rounding of gradients so far

  std::array<double, 3> values(const mg_np_options& o) const {
    if (o.form == MG_NP_CLAMP) return {z[0], 1 - z[0], 0};
    if (o.form == MG_NP_SIGMOID) return {1 / (1 + std::exp(-z[0])), 1 / (1 + std::exp(z[0])), 0};
    double sum = 0;
    std::array<double, 3> s{};
    for (int k = 0; k < o.models; ++k) sum += s[k] = std::exp(z[k]);
    for (double& each : s) each /= sum;
    return s;
  }

  double mixed(const mg_np_options& o, const std::array<double, 3>& x) const {
    const auto s = values(o);
    double sum = 0;
    for (int k = 0; k < o.models; ++k) sum += s[k] * x[k];
    return sum;
  }

  void step(const mg_np_options& o, const std::array<double, 3>& x, double g, int t) {
    const auto s = values(o);
    const double theta = mixed(o, x);
    double largest = 0, moved = 0;
    for (double each : x) largest = std::max(largest, std::fabs(each));
    for (int k = 0; k < (o.form == MG_NP_SOFTMAX ? o.models : 1); ++k) {
      double q = o.form == MG_NP_SOFTMAX   ? g * s[k] * (x[k] - theta) + o.pull * z[k]
                 : o.form == MG_NP_SIGMOID ? g * (x[0] - x[1]) * s[0] * s[1] + o.pull * z[0]
                                           : g * (x[0] - x[1]) + o.pull * (z[0] - 0.5);
      // x - theta is what F32 leaves of it.
      const double lost = o.form == MG_NP_SOFTMAX ? std::fabs(g) * largest * 4e-7 : 0;
      double move, error;
      if (o.optimizer == MG_NP_ADAM) {
        m[k] = o.beta1 * m[k] + (1 - o.beta1) * q;
        v[k] = o.beta2 * v[k] + (1 - o.beta2) * q * q;
        move = kRate * (m[k] / (1 - std::pow(o.beta1, t))) / (std::sqrt(v[k] / (1 - std::pow(o.beta2, t))) + o.epsilon);
        error = kRate * std::min(4.0, 4e-6 + lost / (std::fabs(q) + o.epsilon));
      } else {
        m[k] = o.momentum * m[k] + q;
        move = kRate * m[k];
        error = kRate * kSteps * (lost + 4e-6 * (std::fabs(m[k]) + std::fabs(q)));
      }
      z[k] -= move;
      z[k] = o.form == MG_NP_CLAMP ? std::min(std::max(z[k], 0.0), 1.0) : std::min(std::max(z[k], -o.limit), o.limit);
      moved = std::max(moved, error);
    }
    uncertain += moved + 1e-6;
  }
};

struct Slot {
  int64_t count, rows;
  std::vector<std::unique_ptr<Array>> models;
  std::vector<Vector> values;
  std::unique_ptr<Array> theta, gradient;
  std::vector<Coefficients> coefficients;
};

Outcome train(mg_context* context, const Input& input, const mg_np_options& o, bool with_oracle) {
  const double size = magnitude(input.dtype, input.scale);
  std::vector<Slot> slots(2);
  slots[0].count = input.size;
  slots[0].rows = input.size % 3 == 0 ? 3 : 1;
  slots[1].count = 6;
  slots[1].rows = 2;
  std::vector<int64_t> counts, rows;
  std::vector<const void*> in;
  std::vector<float*> theta;
  for (size_t s = 0; s < slots.size(); ++s) {
    Slot& slot = slots[s];
    counts.push_back(slot.count);
    rows.push_back(slot.rows);
    for (int k = 0; k < o.models; ++k) {
      Vector values = gaussian(slot.count, 10 * s + static_cast<uint64_t>(k), 0, size);
      // Every fifth element is the same in all models.
      for (int64_t i = 0; i < slot.count; i += 5) values[i] = size * static_cast<double>(i % 7);
      slot.models.push_back(std::make_unique<Array>(context, input.dtype, values, input.shift * size_of(input.dtype)));
      slot.values.push_back(slot.models.back()->values(input.dtype));
      in.push_back(slot.models.back()->data());
    }
    slot.theta = std::make_unique<Array>(context, slot.count * 4, 4 * input.shift);
    theta.push_back(reinterpret_cast<float*>(slot.theta->data()));
  }
  mg_np* np = nullptr;
  CHECK_OK(mg_np_create(context, &o, 2, counts.data(), rows.data(), in.data(), nullptr, &np));
  if (!np) return {{}, kInf};
  for (int32_t s = 0; s < 2; ++s) {
    const int64_t planes = o.form == MG_NP_SOFTMAX ? o.models : 1;
    slots[s].coefficients.resize(static_cast<size_t>(mg_np_state_size(np, s) / planes));
    for (Coefficients& each : slots[s].coefficients) each.z[0] = o.form == MG_NP_CLAMP ? 0.5 : 0;
  }
  CHECK_OK(mg_np_theta(context, np, theta.data()));

  Outcome result;
  const auto compare = [&] {
    for (int32_t s = 0; s < 2; ++s) {
      Slot& slot = slots[s];
      const int64_t states = mg_np_state_size(np, s);
      const Array z(context, states * 4, 4 * input.shift);
      CHECK_OK(mg_np_state(context, np, s, MG_NP_Z, mg_np_state_size(np, s), reinterpret_cast<float*>(z.data())));
      append(result.bytes, z.read());
      append(result.bytes, slot.theta->read());
      if (!with_oracle) continue;
      const Vector found = z.values(MG_F32), mixed = slot.theta->values(MG_F32);
      const int64_t groups = static_cast<int64_t>(slot.coefficients.size());
      for (int64_t w = 0; w < groups; ++w) {
        for (int64_t k = 0; k < states / groups; ++k) {
          const Coefficients& each = slot.coefficients[w];
          raise(result.error, std::fabs(found[k * groups + w] - each.z[k]) / (each.uncertain + 1e-7));
        }
      }
      for (int64_t i = 0; i < slot.count; ++i) {
        std::array<double, 3> x{};
        double largest = 0, least = kInf, most = -kInf;
        for (int k = 0; k < o.models; ++k) {
          x[k] = slot.values[k][i];
          largest = std::max(largest, std::fabs(x[k]));
          least = std::min(least, x[k]);
          most = std::max(most, x[k]);
        }
        const Coefficients& each = slot.coefficients[i / (slot.count / groups)];
        const double allowed = 1e-6 * largest + 4 * largest * each.uncertain + 1e-300;
        raise(result.error, std::fabs(mixed[i] - each.mixed(o, x)) / allowed);
        raise(result.error, exactly(mixed[i] >= least && mixed[i] <= most));
      }
    }
  };
  compare();
  for (int t = 1; t <= kSteps; ++t) {
    std::vector<const float*> gradient;
    for (int32_t s = 0; s < 2; ++s) {
      Slot& slot = slots[s];
      slot.gradient = std::make_unique<Array>(
          context, MG_F32, gaussian(slot.count, 100 * static_cast<uint64_t>(t) + static_cast<uint64_t>(s)),
          4 * input.shift);
      gradient.push_back(reinterpret_cast<const float*>(slot.gradient->data()));
      if (!with_oracle) continue;
      const Vector g = slot.gradient->values(MG_F32);
      const int64_t groups = static_cast<int64_t>(slot.coefficients.size());
      for (int64_t w = 0; w < groups && slot.count > 0; ++w) {
        const int64_t span = slot.count / groups;
        std::array<double, 3> x{};
        if (o.granularity == MG_NP_PARAMETER) {
          for (int k = 0; k < o.models; ++k) x[k] = slot.values[k][w];
          slot.coefficients[w].step(o, x, g[w], t);
          continue;
        }
        // The gradient of shared coefficients is the sum, as if x were the sums and g were 1.
        for (int64_t i = w * span; i < (w + 1) * span; ++i) {
          for (int k = 0; k < o.models; ++k)
            x[k] += g[i] * static_cast<float>(slot.values[k][i] - slot.values[o.form == MG_NP_SOFTMAX ? 0 : 1][i]);
        }
        slot.coefficients[w].step(o, x, 1, t);
      }
    }
    int32_t bad_slot = 0;
    int64_t bad_index = 0;
    CHECK_OK(mg_np_step(context, np, kRate, gradient.data(), theta.data(), &bad_slot, &bad_index));
    raise(result.error, exactly(bad_slot == -1 && bad_index == -1));
    compare();
  }
  // The state can be put back.
  for (int32_t s = 0; s < 2; ++s) {
    const Array zeros(context, MG_F32, Vector(static_cast<size_t>(mg_np_state_size(np, s)), 0.25), 4 * input.shift);
    const int64_t count = mg_np_state_size(np, s);
    CHECK_OK(mg_np_load(context, np, s, MG_NP_Z, count, reinterpret_cast<const float*>(zeros.data())));
    const Array z(context, mg_np_state_size(np, s) * 4, 0);
    CHECK_OK(mg_np_state(context, np, s, MG_NP_Z, mg_np_state_size(np, s), reinterpret_cast<float*>(z.data())));
    raise(result.error, exactly(z.read() == zeros.read()));
  }
  CHECK_OK(mg_np_resume(context, np, 7));
  raise(result.error, exactly(mg_np_steps(np) == 7));
  mg_np_destroy(context, np);
  return result;
}

}  // namespace

Outcome listed_np(mg_context* context, const Input& input, bool with_oracle) {
  Outcome result;
  for (int32_t form : {MG_NP_SIGMOID, MG_NP_CLAMP, MG_NP_SOFTMAX}) {
    for (int variant = 0; variant < 5; ++variant) {
      mg_np_options o{};
      o.form = form;
      o.models = form == MG_NP_SOFTMAX ? 3 : 2;
      o.dtype = input.dtype;
      o.optimizer = variant == 1 || variant == 2 ? MG_NP_SGD : MG_NP_ADAM;
      o.granularity = variant == 3 ? MG_NP_ROW : variant == 4 ? MG_NP_TENSOR : MG_NP_PARAMETER;
      o.beta1 = 0.9;
      o.beta2 = 0.999;
      o.epsilon = 1e-8;
      o.momentum = variant == 1 ? 0.9 : 0;
      o.pull = variant % 2 == 1 ? 0.01 : 0;
      o.limit = 15;
      const Outcome one = train(context, input, o, with_oracle);
      append(result.bytes, one.bytes);
      raise(result.error, one.error);
    }
  }
  return result;
}

}  // namespace check
