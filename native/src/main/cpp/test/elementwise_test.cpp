// SPDX-License-Identifier: Apache-2.0
// Conversions, weighted sums and the count of non-finite values.
#include <algorithm>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

#include "test/oracle.h"

using namespace check;

namespace {

template <typename To, typename From>
std::vector<To> convert(mg_context* context, int32_t from, int32_t to, const std::vector<From>& in,
                        int64_t expected_overflow = -1) {
  std::vector<To> out(in.size());
  int64_t overflowed = -1;
  CHECK_OK(mg_convert(context, from, to, static_cast<int64_t>(in.size()), in.data(), out.data(), &overflowed));
  if (expected_overflow >= 0) CHECK(overflowed == expected_overflow);
  return out;
}

std::vector<double> hard_doubles() {
  std::vector<double> values = {0.0, -0.0, kInf, -kInf, 65504, 65519.99, 65520, 65535, 1e300, -1e300, 5e-324, 1e-310};
  for (int32_t pattern = 0; pattern < 0x7c00; pattern += 7) {
    const double a = half_value(static_cast<uint16_t>(pattern)), b = half_value(static_cast<uint16_t>(pattern + 1));
    const double middle = std::isinf(b) ? 65520 : (a + b) / 2;
    for (double x : {middle, std::nextafter(middle, kInf), std::nextafter(middle, 0.0)}) values.push_back(x);
  }
  for (int32_t pattern = 0; pattern < 0x7f80; pattern += 5) {
    const double a = bfloat_value(static_cast<uint16_t>(pattern)), b = bfloat_value(static_cast<uint16_t>(pattern + 1));
    const double middle = std::isinf(b) ? 3.39617752923046e38 : (a + b) / 2;
    for (double x : {-middle, -std::nextafter(middle, kInf), std::nextafter(middle, 0.0)}) values.push_back(x);
  }
  std::mt19937_64 generator(1);
  for (int i = 0; i < 20000; ++i) {
    const double exponent = std::uniform_real_distribution<double>(-160, 140)(generator);
    values.push_back((i % 2 ? 1 : -1) * std::exp2(exponent));
  }
  return values;
}

uint64_t bits(double x) {
  uint64_t u;
  std::memcpy(&u, &x, 8);
  return u;
}

double number(uint64_t u) {
  double x;
  std::memcpy(&x, &u, 8);
  return x;
}

}  // namespace

TEST(convert_goldens) {
  Context context;
  CHECK(convert<uint16_t>(context, MG_F32, MG_BF16,
                          std::vector<float>{1.00390625f, 1.01171875f, 3.3895314e38f, 3.4e38f, 1e-40f, -0.0f},
                          1) == (std::vector<uint16_t>{0x3f80, 0x3f82, 0x7f7f, 0x7f80, 0x0001, 0x8000}));
  CHECK(convert<uint16_t>(context, MG_F32, MG_F16,
                          std::vector<float>{1.00048828125f, 1.00146484375f, 65519.99f, 65520.0f, 5.9604645e-8f,
                                             0x1p-25f, 2.98023259e-8f},
                          1) == (std::vector<uint16_t>{0x3c00, 0x3c02, 0x7bff, 0x7c00, 0x0001, 0x0000, 0x0001}));
}

TEST(convert_every_short_pattern) {
  Context context;
  std::vector<uint16_t> all(65536);
  for (int i = 0; i < 65536; ++i) all[i] = static_cast<uint16_t>(i);
  for (int32_t type : {MG_F16, MG_BF16}) {
    const auto value = type == MG_F16 ? half_value : bfloat_value;
    const auto floats = convert<float>(context, type, MG_F32, all, 0);
    const auto doubles = convert<double>(context, type, MG_F64, all, 0);
    const auto back = convert<uint16_t>(context, MG_F32, type, floats, 0);
    const auto back_wide = convert<uint16_t>(context, MG_F64, type, doubles, 0);
    const uint16_t quiet = type == MG_F16 ? 0x0200 : 0x0040;
    bool widened = true, returned = true;
    for (int i = 0; i < 65536; ++i) {
      const double expected = value(all[i]);
      if (std::isnan(expected)) {
        widened = widened && std::isnan(floats[i]) && std::isnan(doubles[i]);
        returned = returned && back[i] == (all[i] | quiet) && back_wide[i] == (all[i] | quiet);
      } else {
        widened = widened && floats[i] == expected && doubles[i] == expected &&
                  std::signbit(floats[i]) == std::signbit(expected);
        returned = returned && back[i] == all[i] && back_wide[i] == all[i];
      }
    }
    CHECK(widened);
    CHECK(returned);
  }
}

TEST(convert_rounds_once) {
  Context context;
  const std::vector<double> values = hard_doubles();
  const auto halves = convert<uint16_t>(context, MG_F64, MG_F16, values);
  const auto bfloats = convert<uint16_t>(context, MG_F64, MG_BF16, values);
  int wrong = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    if (halves[i] != nearest(values[i], half_value, 0x7c00)) ++wrong;
    if (bfloats[i] != nearest(values[i], bfloat_value, 0x7f80)) ++wrong;
  }
  CHECK(wrong == 0);
  // Through F32 this would round up twice.
  CHECK(convert<uint16_t>(context, MG_F64, MG_BF16, std::vector<double>{1.00390625 + 1e-12})[0] == 0x3f81);
  CHECK(convert<uint16_t>(context, MG_F64, MG_F16, std::vector<double>{1.00048828125 + 1e-12})[0] == 0x3c01);
}

TEST(convert_floats_round_like_doubles) {
  Context context;
  std::vector<float> floats(1 << 20);
  std::mt19937 generator(3);
  for (float& x : floats) {
    const uint32_t bits = generator();
    std::memcpy(&x, &bits, 4);
  }
  const auto doubles = convert<double>(context, MG_F32, MG_F64, floats, 0);
  for (int32_t type : {MG_F16, MG_BF16}) {
    CHECK(convert<uint16_t>(context, MG_F32, type, floats) == convert<uint16_t>(context, MG_F64, type, doubles));
  }
}

TEST(convert_counts_overflow_and_keeps_nan) {
  Context context;
  const std::vector<double> values = {1e39, -1e39, kInf, kNaN, 1};
  const auto floats = convert<float>(context, MG_F64, MG_F32, values, 2);
  CHECK(std::isinf(floats[0]) && std::isnan(floats[3]) && floats[4] == 1);
  CHECK(convert<uint16_t>(context, MG_BF16, MG_F16, std::vector<uint16_t>{0x7f7f, 0x7f80, 0x7fc1}, 1) ==
        (std::vector<uint16_t>{0x7c00, 0x7c00, 0x7e08}));
  CHECK(convert<uint16_t>(context, MG_F16, MG_BF16, std::vector<uint16_t>{0x7bff, 0x0001}, 0) ==
        (std::vector<uint16_t>{0x4780, 0x3380}));
  CHECK(convert<double>(context, MG_F64, MG_F64, std::vector<double>{5e-324})[0] == 5e-324);
}

TEST(weighted_sum_details) {
  Context context;
  const std::vector<float> a = {-0.0f, 1.4e-45f, std::numeric_limits<float>::max()};
  const void* in[] = {a.data(), a.data()};
  std::vector<float> out(3);
  const double one[] = {1}, halves[] = {.5, .5}, bad[] = {kNaN};
  CHECK_OK(mg_weighted_sum(context, MG_F32, 3, 1, in, one, out.data()));
  CHECK(same_bits(out, a));
  CHECK_OK(mg_weighted_sum(context, MG_F32, 3, 2, in, halves, out.data()));
  CHECK(same_bits(out, a));
  CHECK_FAILS(mg_weighted_sum(context, MG_F32, 3, 1, in, bad, out.data()), MG_INVALID_ARGUMENT, "weights[0] is nan");
  CHECK_FAILS(mg_weighted_sum(context, MG_F32, 3, 0, in, one, out.data()), MG_INVALID_ARGUMENT,
              "models must be >= 1, not 0");
}

// Equal models come out as they are, whatever the weights of sum 1: of F32 by arithmetic in F64, of the 16-bit types
// because rounding hides some units of F32. Values are all patterns of the 16-bit types, and spread bits of F32.
TEST(weighted_sum_of_equal_models_is_exact) {
  Context context;
  std::vector<uint16_t> shorts;
  for (uint32_t p = 0; p < 0x10000; ++p) shorts.push_back(static_cast<uint16_t>(p));
  std::vector<uint32_t> words;
  for (uint32_t p = 0; p < 0x10000; ++p) words.push_back(p * 65537u + 12345u);
  const auto is_nan = [](int32_t type, const void* array, int64_t i) { return std::isnan(element(type, array, i)); };
  std::mt19937_64 generator(1);
  for (int32_t models = 1; models <= 16; ++models) {
    for (int trial = 0; trial < 8; ++trial) {
      Vector weights(models, 1.0 / models);
      if (trial > 0) {
        double sum = 0;
        for (double& w : weights) sum += w = std::uniform_real_distribution<double>(0, 1)(generator);
        for (double& w : weights) w /= sum;
      }
      for (int32_t type : {MG_F32, MG_F16, MG_BF16}) {
        const void* x = type == MG_F32 ? static_cast<const void*>(words.data()) : shorts.data();
        const std::vector<const void*> in(models, x);
        std::vector<char> out(0x10000 * size_of(type));
        CHECK_OK(mg_weighted_sum(context, type, 0x10000, models, in.data(), weights.data(), out.data()));
        int64_t different = 0;
        for (int64_t i = 0; i < 0x10000; ++i) {
          const int64_t bytes = size_of(type), at = i * bytes;
          if (is_nan(type, x, i) ? !is_nan(type, out.data(), i)
                                 : std::memcmp(out.data() + at, static_cast<const char*>(x) + at, bytes) != 0) {
            ++different;
          }
        }
        CHECK(different == 0);
      }
    }
  }
}

// Also F64 subnormals, of which a part cannot be held: alone and among others, by every way through the loop.
TEST(weighted_sum_of_equal_subnormals_is_exact) {
  Context context;
  std::mt19937_64 generator(3);
  for (const int64_t size : {1, 7, 64, 1000}) {
    Vector x(size);
    for (int64_t i = 0; i < size; ++i) {
      const uint64_t pattern = i % 5 == 4 ? 0x3ff8000000000000u : generator() >> (16 + generator() % 48);
      const double magnitude = number(i % 7 == 6 ? 0 : pattern);
      x[i] = i % 3 == 0 ? -magnitude : magnitude;
    }
    x[0] = 5e-324;
    for (int32_t models = 1; models <= 6; ++models) {
      const std::vector<const void*> in(models, x.data());
      for (const bool equal : {true, false}) {
        Vector weights(models, 1.0 / models), out(size);
        if (!equal) {
          std::fill(weights.begin(), weights.end(), 0.75 / models);
          weights[0] += 0.25;
        }
        CHECK_OK(mg_weighted_sum(context, MG_F64, size, models, in.data(), weights.data(), out.data()));
        for (int64_t i = 0; i < size; ++i) {
          // More than two models, as numbers of all bits, give themselves back up to rounding.
          if (i % 5 == 4 && i > 0) {
            CHECK(std::fabs(out[i] - x[i]) <= 1e-15);
          } else {
            CHECK(bits(out[i]) == bits(x[i]));
          }
        }
      }
    }
  }
  // Sums that cancel keep what they had, beside numbers that are not tiny as well.
  const double tiny[] = {1e-310, 1e-300}, minus[] = {-1e-310, 1e300};
  const void* in[] = {tiny, minus};
  const double halves[] = {.5, .5};
  Vector out(2);
  CHECK_OK(mg_weighted_sum(context, MG_F64, 2, 2, in, halves, out.data()));
  CHECK(out[0] == 0 && out[1] == 5e299);
}

// A product that F32 does not hold: the sum is formed again in F64.
TEST(weighted_sum_of_short_types_keeps_its_range) {
  Context context;
  const std::vector<uint16_t> x(37, 0x7f00), y(37, 0x7f00);  // 1.7e38
  const void* in[] = {x.data(), y.data()};
  const double weights[] = {3, -2};
  std::vector<uint16_t> out(37);
  CHECK_OK(mg_weighted_sum(context, MG_BF16, 37, 2, in, weights, out.data()));
  CHECK(out == x);
}

#if defined(__x86_64__)
TEST(subnormals_survive_a_caller_that_flushes_them) {
  Context context(8);
  const std::vector<double> tiny(200000, 1e-40);
  const unsigned saved = _mm_getcsr();
  _mm_setcsr(saved | 0x8040);
  const auto floats = convert<float>(context, MG_F64, MG_F32, tiny);
  const unsigned after = _mm_getcsr();
  _mm_setcsr(saved);
  CHECK((after & 0x8040) == 0x8040);
  CHECK(std::all_of(floats.begin(), floats.end(), [](float x) { return x == 1e-40f; }));
}
#endif
