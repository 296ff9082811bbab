// SPDX-License-Identifier: Apache-2.0
// NP Merge: goldens, the ends of the range, refusals. Steps against an oracle are in listed_np.cpp.
#include <algorithm>
#include <utility>

#include "test/check.h"

using namespace check;

namespace {

using Floats = std::vector<float>;

mg_np_options options(int32_t form, int32_t optimizer) {
  mg_np_options o{};
  o.form = form;
  o.optimizer = optimizer;
  o.granularity = MG_NP_PARAMETER;
  o.models = 2;
  o.dtype = MG_F32;
  o.beta1 = 0.9;
  o.beta2 = 0.999;
  o.epsilon = 1e-8;
  o.limit = 15;
  return o;
}

// One slot of F32 models.
struct Np {
  Np(mg_context* c, const mg_np_options& o, std::vector<Floats> inputs, int64_t rows = 1,
     const double* initial = nullptr)
      : context(c), models(std::move(inputs)), theta(models[0].size(), -9.0f) {
    const int64_t count = static_cast<int64_t>(theta.size());
    std::vector<const void*> in;
    for (const Floats& each : models) in.push_back(each.data());
    CHECK_OK(mg_np_create(context, &o, 1, &count, &rows, in.data(), initial, &handle));
    float* out[] = {theta.data()};
    CHECK_OK(mg_np_theta(context, handle, out));
  }
  ~Np() { mg_np_destroy(context, handle); }
  Np(const Np&) = delete;

  int32_t step(const Floats& gradient, double rate) {
    const float* g[] = {gradient.data()};
    float* out[] = {theta.data()};
    return mg_np_step(context, handle, rate, g, out, &bad_slot, &bad_index);
  }
  Floats z() const {
    Floats result(static_cast<size_t>(mg_np_state_size(handle, 0)));
    CHECK_OK(mg_np_state(context, handle, 0, MG_NP_Z, mg_np_state_size(handle, 0), result.data()));
    return result;
  }
  void load(const Floats& state) {
    CHECK_OK(mg_np_load(context, handle, 0, MG_NP_Z, static_cast<int64_t>(state.size()), state.data()));
    float* out[] = {theta.data()};
    CHECK_OK(mg_np_theta(context, handle, out));
  }

  mg_context* context;
  mg_np* handle = nullptr;
  std::vector<Floats> models;
  Floats theta;
  int32_t bad_slot = -7;
  int64_t bad_index = -7;
};

void expect(const Floats& found, const Vector& expected) {
  for (size_t i = 0; i < expected.size(); ++i) CHECK_NEAR(found[i], expected[i], 1e-7 * std::fabs(expected[i]));
}

// theta carries the rounding of models of size 1.
void expect_theta(const Floats& found, const Vector& expected) {
  for (size_t i = 0; i < expected.size(); ++i) CHECK_NEAR(found[i], expected[i], 1e-7);
}

const Floats kA = {1, -1, .5f}, kC = {0, 1, .5f}, kG = {.2f, -.4f, 1};

}  // namespace

TEST(np_goldens) {
  Context context;
  Np sgd(context, options(MG_NP_SIGMOID, MG_NP_SGD), {kA, kC});
  expect_theta(sgd.theta, {.5, 0, .5});
  CHECK_OK(sgd.step(kG, 1));
  expect(sgd.z(), {-.05, -.2, 0});
  expect_theta(sgd.theta, {.487502604, .099667995, .5});
  Np adam(context, options(MG_NP_SIGMOID, MG_NP_ADAM), {kA, kC});
  CHECK_OK(adam.step(kG, .01));
  expect(adam.z(), {-.009999998, -.01, 0});
  expect_theta(adam.theta, {.497500021, .004999958, .5});
  CHECK(adam.z()[2] == 0);
  // The joint form of two models has half the gradient in each logit.
  Np joint(context, options(MG_NP_SOFTMAX, MG_NP_SGD), {kA, kC});
  CHECK_OK(joint.step(kG, .5));
  const Floats z = joint.z();
  for (int i = 0; i < 3; ++i) CHECK_NEAR(z[i] - z[3 + i], sgd.z()[i], 1e-7);
  expect_theta(joint.theta, {.487502604, .099667995, .5});
}

// theta of a = 1, c = 0 is the sigmoid itself.
TEST(np_sigmoid_and_exponential_are_accurate) {
  Context context;
  const int64_t n = 1 << 19;
  const Floats a(n, 1.0f), c(n, 0.0f);
  mg_np_options o = options(MG_NP_SIGMOID, MG_NP_SGD);
  o.limit = 40;
  Np np(context, o, {a, c});
  Floats z(n);
  for (int64_t i = 0; i < n; ++i) z[i] = static_cast<float>(80.0 * static_cast<double>(i) / n - 40);
  np.load(z);
  double worst = 0;
  for (int64_t i = 0; i < n; ++i) {
    const double exact = 1 / (1 + std::exp(-static_cast<double>(z[i])));
    const double unit = std::ldexp(1.0, std::ilogb(exact) - 23);
    worst = std::max(worst, std::fabs(np.theta[i] - exact) / unit);
  }
  CHECK(worst <= 3);
  // And where 1 + exp(z) is 1, the second coefficient of (0, z) is the exponential.
  o.form = MG_NP_SOFTMAX;
  Np second(context, o, {c, a});
  Floats logits(2 * n, 0.0f);
  for (int64_t i = 0; i < n; ++i) logits[n + i] = static_cast<float>(-17.5 - 22.5 * static_cast<double>(i) / n);
  second.load(logits);
  worst = 0;
  for (int64_t i = 0; i < n; ++i) {
    const double exact = std::exp(static_cast<double>(logits[n + i]));
    worst = std::max(worst, std::fabs(second.theta[i] - exact) / std::ldexp(1.0, std::ilogb(exact) - 23));
  }
  CHECK(worst <= 1.1);
}

TEST(np_ends_of_the_range) {
  Context context;
  Floats a, c;
  for (double each : gaussian(5000, 1)) a.push_back(static_cast<float>(each));
  for (double each : gaussian(5000, 2)) c.push_back(static_cast<float>(each));
  const double all[] = {1, 0}, none[] = {0, 1};
  CHECK(same_bits(Np(context, options(MG_NP_CLAMP, MG_NP_ADAM), {a, c}, 1, all).theta, a));
  CHECK(same_bits(Np(context, options(MG_NP_CLAMP, MG_NP_ADAM), {a, c}, 1, none).theta, c));
  const Np most(context, options(MG_NP_SIGMOID, MG_NP_ADAM), {a, c}, 1, all);
  const Np least(context, options(MG_NP_SIGMOID, MG_NP_ADAM), {a, c}, 1, none);
  CHECK(most.z()[0] == 15 && least.z()[0] == -15);
  double off = 0, swapped = 0;
  for (int i = 0; i < 5000; ++i) {
    // 1 - s(15) = 3.06e-7 of a - c.
    const double size = std::max({std::fabs(a[i]), std::fabs(c[i]), std::fabs(a[i] - c[i])});
    off = std::max({off, std::fabs(most.theta[i] - a[i]) / size, std::fabs(least.theta[i] - c[i]) / size});
  }
  CHECK(off <= 4e-7);
  Np there(context, options(MG_NP_SIGMOID, MG_NP_ADAM), {a, c}),
      back(context, options(MG_NP_SIGMOID, MG_NP_ADAM), {c, a});
  Floats z, minus;
  for (double each : gaussian(5000, 3, 0, 4)) {
    z.push_back(static_cast<float>(each));
    minus.push_back(-z.back());
  }
  there.load(z);
  back.load(minus);
  for (int i = 0; i < 5000; ++i) {
    const double size = std::max(std::fabs(a[i]), std::fabs(c[i]));
    swapped = std::max(swapped, std::fabs(there.theta[i] - back.theta[i]) / (size * 0x1p-23));
    CHECK(there.theta[i] >= std::min(a[i], c[i]) && there.theta[i] <= std::max(a[i], c[i]));
  }
  CHECK(swapped <= 4);
}

TEST(np_outward_gradients_stay_at_the_end) {
  Context context;
  const double all[] = {1, 0}, none[] = {0, 1};
  for (int32_t form : {MG_NP_SIGMOID, MG_NP_CLAMP}) {
    for (int32_t optimizer : {MG_NP_ADAM, MG_NP_SGD}) {
      mg_np_options o = options(form, optimizer);
      o.limit = 3;
      for (bool up : {true, false}) {
        Np np(context, o, {{2, 2}, {1, 1}}, 1, up ? all : none);
        const float start = np.z()[0];
        for (int t = 0; t < 4; ++t) CHECK_OK(np.step({up ? -1.0f : 1.0f, 0}, 0.5));
        CHECK(np.z()[0] == start && np.z()[1] == start);
        CHECK_OK(np.step({up ? 9.0f : -9.0f, 0}, 0.5));
        CHECK_OK(np.step({up ? 9.0f : -9.0f, 0}, 0.5));
        CHECK(up ? np.z()[0] < start : np.z()[0] > start);
      }
    }
  }
}

TEST(np_equal_models_are_untouched) {
  Context context;
  const Floats same = {1, -2.5f, 0, 1e-30f, 3e30f};
  for (int32_t form : {MG_NP_SIGMOID, MG_NP_CLAMP, MG_NP_SOFTMAX}) {
    for (int32_t granularity : {MG_NP_PARAMETER, MG_NP_TENSOR}) {
      mg_np_options o = options(form, MG_NP_ADAM);
      o.granularity = granularity;
      Np np(context, o, {same, same});
      const Floats before = np.z();
      for (int t = 0; t < 3; ++t) CHECK_OK(np.step({5, -1e20f, 3, 1e38f, -1}, 0.1));
      CHECK(same_bits(np.z(), before) && same_bits(np.theta, same));
    }
  }
}

TEST(np_refuses_gradients_before_anything_changes) {
  Context context(8);
  const int64_t n = 100000;
  for (int32_t granularity : {MG_NP_PARAMETER, MG_NP_TENSOR}) {
    mg_np_options o = options(MG_NP_SIGMOID, MG_NP_ADAM);
    o.granularity = granularity;
    Np np(context, o, {Floats(n, 1.0f), Floats(n, 0.5f)});
    Floats g(n, 0.25f);
    CHECK_OK(np.step(g, 0.1));
    CHECK(np.bad_slot == -1 && np.bad_index == -1);
    const Floats z = np.z(), theta = np.theta;
    g[99000] = g[54321] = static_cast<float>(kNaN);
    CHECK_FAILS(np.step(g, 0.1), MG_NUMERICAL,
                "np_step: the gradient nan of slot 0, element 54321 of 100000, is not finite or too large for a step; "
                "nothing was changed");
    CHECK(np.bad_slot == 0 && np.bad_index == 54321);
    g[54321] = 3e38f;
    CHECK(np.step(g, 0.1) == MG_NUMERICAL && np.bad_index == 54321);
    CHECK(same_bits(np.z(), z) && same_bits(np.theta, theta));
    // The step after it is as if it had not been.
    Np other(context, o, {Floats(n, 1.0f), Floats(n, 0.5f)});
    const Floats good(n, 0.25f);
    CHECK_OK(other.step(good, 0.1));
    CHECK_OK(other.step(good, 0.1));
    CHECK_OK(np.step(good, 0.1));
    CHECK(same_bits(np.z(), other.z()));
  }
}

// Another handle with the parts and the number of steps goes on as if nothing had happened.
TEST(np_goes_on_from_its_parts) {
  Context context;
  Floats a, c;
  for (double each : gaussian(5000, 1)) a.push_back(static_cast<float>(each));
  for (double each : gaussian(5000, 2)) c.push_back(static_cast<float>(each));
  const auto gradient = [](uint64_t t) {
    Floats g;
    for (double each : gaussian(5000, 10 + t)) g.push_back(static_cast<float>(each));
    return g;
  };
  for (int32_t form : {MG_NP_SIGMOID, MG_NP_CLAMP, MG_NP_SOFTMAX}) {
    for (int optimizer = 0; optimizer < 3; ++optimizer) {
      mg_np_options o = options(form, optimizer == 0 ? MG_NP_ADAM : MG_NP_SGD);
      o.momentum = optimizer == 1 ? 0.9 : 0;
      Np whole(context, o, {a, c});
      for (uint64_t t = 1; t <= 3; ++t) CHECK_OK(whole.step(gradient(t), 0.1));
      CHECK(mg_np_steps(whole.handle) == 3);
      Np rest(context, o, {a, c});
      const int64_t count = mg_np_state_size(whole.handle, 0);
      for (int32_t part : {MG_NP_Z, MG_NP_M, MG_NP_V}) {
        Floats values(static_cast<size_t>(count));
        if (part > 2 - optimizer) {
          CHECK(mg_np_state(context, whole.handle, 0, part, count, values.data()) == MG_INVALID_ARGUMENT);
          continue;
        }
        CHECK_OK(mg_np_state(context, whole.handle, 0, part, count, values.data()));
        CHECK_OK(mg_np_load(context, rest.handle, 0, part, count, values.data()));
      }
      CHECK_OK(mg_np_resume(context, rest.handle, 3));
      CHECK_OK(whole.step(gradient(4), 0.1));
      CHECK_OK(rest.step(gradient(4), 0.1));
      CHECK(mg_np_steps(rest.handle) == 4);
      CHECK(same_bits(rest.z(), whole.z()) && same_bits(rest.theta, whole.theta));
    }
  }
  const Np np(context, options(MG_NP_SIGMOID, MG_NP_ADAM), {kA, kC});
  const Floats bad = {0, -1, 0};
  CHECK_FAILS(mg_np_load(context, np.handle, 0, MG_NP_V, 3, bad.data()), MG_INVALID_ARGUMENT,
              "np_load: element 1 of slot 0 is -1");
  CHECK_FAILS(mg_np_load(context, np.handle, 0, MG_NP_Z, 1, bad.data()), MG_INVALID_ARGUMENT,
              "1 elements for a part of slot 0, which has 3");
  Floats long_enough(9);
  CHECK_FAILS(mg_np_state(context, np.handle, 0, MG_NP_Z, 9, long_enough.data()), MG_INVALID_ARGUMENT,
              "9 elements for a part of slot 0, which has 3");
  const Np plain(context, options(MG_NP_SIGMOID, MG_NP_SGD), {kA, kC});
  CHECK_FAILS(mg_np_load(context, plain.handle, 0, MG_NP_M, 3, kA.data()), MG_INVALID_ARGUMENT,
              "the optimizer has no part M");
  CHECK_FAILS(mg_np_resume(context, plain.handle, -1), MG_INVALID_ARGUMENT, "steps must be >= 0, not -1");
}

TEST(np_refuses_models_and_options) {
  Context context;
  const Floats a = {1, static_cast<float>(kInf)}, c = {0, 0}, high = {3e38f, 0}, low = {-3e38f, 0};
  const int64_t count = 2, rows = 1;
  mg_np* np = nullptr;
  const mg_np_options good = options(MG_NP_SIGMOID, MG_NP_ADAM);
  const void* in[] = {c.data(), a.data()};
  CHECK_FAILS(mg_np_create(context, &good, 1, &count, &rows, in, nullptr, &np), MG_NUMERICAL,
              "np: model 1 is not finite in slot 0, element 1");
  const void* far[] = {high.data(), low.data()};
  CHECK_FAILS(mg_np_create(context, &good, 1, &count, &rows, far, nullptr, &np), MG_NUMERICAL,
              "np: models of slot 0 differ by more than F32 holds");
  mg_np_options bad = good;
  bad.models = 3;
  CHECK_FAILS(mg_np_create(context, &bad, 1, &count, &rows, in, nullptr, &np), MG_INVALID_ARGUMENT,
              "3 models; this form takes 2 to 2");
  bad = good;
  bad.limit = 41;
  CHECK_FAILS(mg_np_create(context, &bad, 1, &count, &rows, in, nullptr, &np), MG_INVALID_ARGUMENT,
              "limit must be in (0, 40], not 41");
  const int64_t uneven = 3;
  CHECK_FAILS(mg_np_create(context, &good, 1, &count, &uneven, in, nullptr, &np), MG_INVALID_ARGUMENT,
              "slot 0: 2 elements are not 3 rows");
  const double weights[] = {.5, .4};
  CHECK_FAILS(mg_np_create(context, &good, 1, &count, &rows, in, weights, &np), MG_INVALID_ARGUMENT,
              "the initial coefficients must have sum 1, not 0.9");
}
