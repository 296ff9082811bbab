// SPDX-License-Identifier: Apache-2.0
// Formulas of mergers beyond the list: chosen numbers, many models, parts of tensors, refusals.
#include <memory>

#include "test/listed_tools.h"

using namespace check;

namespace {

// Of two models, the same number for both.
std::vector<double> formula(int32_t which, double first, double second, double each) {
  const double base[] = {1, -2, .5, 0, 3, -1}, x[] = {1.4, -2.1, .8, 0, 2.8, -.95}, y[] = {.7, -2.2, .6, .6, 3.25, -1};
  const double parameters[] = {first, second, each, each};
  const void* in[] = {x, y};
  std::vector<double> out(6);
  Context context;
  CHECK_OK(mg_formula_merge(context, MG_F64, which, 0, 6, 2, base, in, parameters, nullptr, out.data()));
  return out;
}

void check_near(const std::vector<double>& found, const std::vector<double>& expected) {
  for (size_t i = 0; i < expected.size(); ++i) CHECK(std::fabs(found[i] - expected[i]) < 1e-14);
}

// Importances of two models, which decide between them; equal numbers come out as they are, -0 among them.
TEST(formula_weighs_pairs) {
  Context context;
  const double x[] = {1.4, -2.1, .8, 0, 2.8, -.95}, y[] = {.7, -2.2, .6, .6, 3.25, -1};
  const double f[] = {1, 4, 0, 2, 1, 0}, g[] = {3, 1, 0, 2, 0, 1}, parameters[] = {1e-6, 0, 7, 1, 7, 1};
  const void* in[] = {x, f, y, g};
  std::vector<double> out(6);
  CHECK_OK(mg_formula_merge(context, MG_F64, MG_FORMULA_WEIGHTED, 0, 6, 4, x, in, parameters, nullptr, out.data()));
  const double expected[] = {.875000087, -2.120000012, .7, .3, 2.80000045, -.99999995};
  for (int i = 0; i < 6; ++i) CHECK(std::fabs(out[i] - expected[i]) < 1e-9);
  const double same[] = {-0.0, 0, .1, 1e308, -3, 4e-324};
  const void* equal[] = {same, f, same, g};
  CHECK_OK(mg_formula_merge(context, MG_F64, MG_FORMULA_WEIGHTED, 0, 6, 4, same, equal, parameters, nullptr, out.data()));
  CHECK(same_bits(out, std::vector<double>(same, same + 6)));
  const double negative[] = {0, 0, -1e-300, 0, 0, -0.0};
  const void* wrong[] = {same, negative, same, g};
  CHECK_OK(mg_formula_merge(context, MG_F64, MG_FORMULA_WEIGHTED, 0, 6, 4, same, wrong, parameters, nullptr, out.data()));
  for (int i = 0; i < 6; ++i) CHECK(std::isnan(out[i]) == (i == 2));
}

// 32 models, from an element on, into one of them.
std::vector<char> of_32_models(mg_context* context, int32_t dtype, int32_t which, int64_t first) {
  const int64_t n = 3001;
  const int32_t models = which == MG_FORMULA_NEARSWAP ? 1 : which == MG_FORMULA_WHERE ? 2 : 32;
  std::vector<std::unique_ptr<Array>> arrays;
  std::vector<const void*> in;
  for (int32_t k = 0; k <= models; ++k) {
    Vector values = gaussian(n, static_cast<uint64_t>(60 + k));
    if (which == MG_FORMULA_WHERE && k == 2) {
      for (double& each : values) each = std::fabs(each);
    }
    arrays.push_back(std::make_unique<Array>(context, dtype, values, 0));
    if (k > 0) in.push_back(arrays.back()->data());
  }
  std::vector<double> parameters = {which == MG_FORMULA_EMR ? 31.0 : 0.75, 3};
  for (int32_t k = 0; k < models; ++k) parameters.push_back(0.01 + 0.02 * k);
  const mg_threshold selected{0.8, first + n / 2};
  CHECK_OK(mg_formula_merge(context, dtype, which, first, n, models, arrays[0]->data(), in.data(), parameters.data(),
                            &selected, arrays[1]->data()));
  return arrays[1]->read();
}

std::vector<double> sums_of_32_models(mg_context* context, int32_t dtype, int32_t which) {
  const int64_t n = 40001;
  std::vector<std::unique_ptr<Array>> arrays;
  std::vector<const void*> in;
  std::vector<double> parameters = {0.75, 0}, sums(which == MG_FORMULA_SQUARES ? 32 : 64);
  for (int32_t k = 0; k < 32; ++k) {
    arrays.push_back(std::make_unique<Array>(context, dtype, gaussian(n, static_cast<uint64_t>(60 + k)), 0));
    in.push_back(arrays.back()->data());
    parameters.push_back(1);
  }
  const mg_threshold selected{0.8, n / 2};
  CHECK_OK(mg_formula_sums(context, dtype, which, 0, n, 32, nullptr, in.data(), parameters.data(), &selected,
                           sums.data()));
  return sums;
}

}  // namespace

TEST(formula_golden_numbers) {
  check_near(formula(MG_FORMULA_MAGMAX, .5, 0, 0), {1.2, -2.1, .65, .3, 3.125, -.975});
  check_near(formula(MG_FORMULA_RAM, 1e-5, 0, 1), {1.05, -2.15, .7, .6, 3.025, -.95});
  check_near(formula(MG_FORMULA_VARIANCE, 0, 0, 0), {.1225, .0025, .01, .09, .050625, .000625});
  check_near(formula(MG_FORMULA_SCE, 0, 0, .5), {1.4, -2.15, .7, .6, 3.25, -.95});
  check_near(formula(MG_FORMULA_CONSENSUS, .5, 2, .4), {1.05, -2.15, .5, 0, 3.025, -1});
  check_near(formula(MG_FORMULA_EMR, 1, 1, 0), {1, -2.2, .8, .6, 3.25, -1});
}

// The largest of any number of models, and variances of equal numbers.
TEST(formula_of_many_models) {
  Context context;
  std::vector<float> x(32);
  std::vector<const void*> in;
  std::vector<double> parameters(34, 0.0);
  parameters[0] = 1;
  for (int32_t k = 0; k < 32; ++k) {
    x[k] = 0.1f * static_cast<float>(k % 20);
    in.push_back(&x[k]);
  }
  float out = -1;
  CHECK_OK(mg_formula_merge(context, MG_F32, MG_FORMULA_MAGMAX, 0, 1, 32, nullptr, in.data(), parameters.data(),
                            nullptr, &out));
  CHECK(out == x[19]);
  std::fill(x.begin(), x.end(), 0.1f);
  for (int32_t models = 1; models <= 32; ++models) {
    out = -1;
    CHECK_OK(mg_formula_merge(context, MG_F32, MG_FORMULA_VARIANCE, 0, 1, models, nullptr, in.data(), parameters.data(),
                              nullptr, &out));
    CHECK(out == 0);
  }
}

// Those equal to the threshold, up to an index or all of them.
TEST(formula_selects_ties) {
  Context context;
  const float base[4] = {}, x[] = {1, 2, 3, 4}, scores[] = {5, 0, 5, 6};
  const double parameters[4] = {};
  const void* in[] = {x, scores};
  std::vector<float> out(4);
  const auto where = [&](int64_t first, int64_t last) {
    const mg_threshold selected{5, last};
    CHECK_OK(mg_formula_merge(context, MG_F32, MG_FORMULA_WHERE, first, 4, 2, base, in, parameters, &selected,
                              out.data()));
    return out;
  };
  CHECK(same_bits(where(0, INT64_MAX), {1, 0, 3, 4}));
  CHECK(same_bits(where(7, INT64_MAX), {1, 0, 3, 4}));
  CHECK(same_bits(where(0, 1), {1, 0, 0, 4}));
  CHECK(same_bits(where(7, 8), {1, 0, 0, 4}));
  CHECK(same_bits(where(7, 6), {0, 0, 0, 4}));
  CHECK(same_bits(where(0, -1), {0, 0, 0, 4}));
}

TEST(fake_formulas_of_32_models) {
  if (!device_on_host()) return;
  Context device(1, MG_BACKEND_CUDA), cpu;
  for (int32_t dtype : {MG_F64, MG_F32, MG_F16, MG_BF16}) {
    for (int32_t which = MG_FORMULA_NEARSWAP; which <= MG_FORMULA_WEIGHTED; ++which) {
      for (int64_t first : {0, 3, 1 << 20}) {
        CHECK(of_32_models(device, dtype, which, first) == of_32_models(cpu, dtype, which, first));
      }
    }
    for (int32_t which = MG_FORMULA_ACTIVE; which <= MG_FORMULA_AGREEMENT; ++which) {
      CHECK(sums_of_32_models(device, dtype, which) == sums_of_32_models(cpu, dtype, which));
    }
  }
}

TEST(formula_refuses) {
  Context context;
  float x = 1, out = 0;
  const void* in[] = {&x, &x};
  double parameters[] = {0, 0, 0, 0}, sums[4];
  const mg_threshold wrong{kNaN, 0};
  const auto merge = [&](int32_t which, int32_t models, const mg_threshold* selected) {
    return mg_formula_merge(context, MG_F32, which, 0, 1, models, &x, in, parameters, selected, &out);
  };
  CHECK_FAILS(merge(10, 2, nullptr), MG_INVALID_ARGUMENT, "unknown formula 10");
  CHECK_FAILS(merge(MG_FORMULA_RAM, 33, nullptr), MG_INVALID_ARGUMENT, "models must be in [1, 32], not 33");
  CHECK_FAILS(merge(MG_FORMULA_NEARSWAP, 2, nullptr), MG_INVALID_ARGUMENT, "formula 0 takes 1 arrays, not 2");
  CHECK_FAILS(merge(MG_FORMULA_WHERE, 1, nullptr), MG_INVALID_ARGUMENT, "formula 8 takes 2 arrays, not 1");
  CHECK_FAILS(merge(MG_FORMULA_WEIGHTED, 1, nullptr), MG_INVALID_ARGUMENT,
              "formula 9 takes pairs of arrays, not 1 arrays");
  CHECK_FAILS(merge(MG_FORMULA_SCE_SELECTED, 2, &wrong), MG_INVALID_ARGUMENT, "the threshold must be >= 0, not nan");
  parameters[3] = kInf;
  CHECK_FAILS(merge(MG_FORMULA_RAM, 2, nullptr), MG_INVALID_ARGUMENT, "parameter 3 is inf");
  CHECK_FAILS(mg_formula_sums(context, MG_F32, 3, 0, 1, 1, &x, in, parameters, nullptr, sums), MG_INVALID_ARGUMENT,
              "unknown sum 3");
  CHECK_FAILS(mg_row_divergences(context, MG_F32, 1, 0, &x, &x, sums), MG_INVALID_ARGUMENT, "cols must be >= 1, not 0");
  CHECK_FAILS(mg_fusion_scores(context, MG_F32, 3, 1, 3, &x, &x, sums, &out), MG_INVALID_ARGUMENT,
              "3 elements of a row of 3 are skipped");
}
