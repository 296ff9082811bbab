// SPDX-License-Identifier: Apache-2.0
// Activations with a gain and a saturation: printed values, identities, limits, messages. Bytes and errors over all
// shapes of arrays are the list's (listed_gamma.cpp).
#include "test/gamma_oracle.h"

using namespace check;

namespace {

template <typename T>
constexpr int32_t kType = sizeof(T) == 8 ? static_cast<int32_t>(MG_F64) : static_cast<int32_t>(MG_F32);

template <typename T>
struct Results {
  std::vector<T> value, x;
  double n = 0, s = 0;
};

// With one n and s, and g = 1.
template <typename T>
Results<T> of(const std::vector<T>& x, T n, T s) {
  Context context;
  const std::vector<T> ones(x.size(), T(1));
  Results<T> r{x, x};
  const int64_t count = static_cast<int64_t>(x.size());
  CHECK_OK(mg_gamma_forward(context, kType<T>, MG_GAMMA_UNIFORM, 1, count, x.data(), &n, &s, 0, r.value.data()));
  CHECK_OK(mg_gamma_backward(context, kType<T>, MG_GAMMA_UNIFORM, 1, count, x.data(), ones.data(), &n, &s, 0,
                             r.x.data(), &r.n, &r.s));
  return r;
}

// Half a unit of the last of twelve printed digits.
void near(double found, double printed) { CHECK_NEAR(found, printed, 5.1e-12 * std::fabs(printed) + 1e-300); }

}  // namespace

TEST(gamma_has_the_printed_values) {
  const double rows[][7] = {
      {0, 1, 0, .69314718056, .5, -.69314718056, -.19314718056},
      {0, 1, 1, .5, .25, 0, -.19314718056},
      {0, 5, .25, .228972077084, .6875, -.0207944154168, .361370563888},
      {1, 1, 0, 1.31326168752, .73105857863, -.582203108888, -.582203108888},
      {1, 1, .5, 1.02216013307, .463835255936, -.192795587823, -.582203108888},
      {1, 5, .5, .997325109387, .513273716215, .00252043627318, -.00803592062211},
      {-1, 5, .5, .00401796031105, .0199665671391, -.00412762039761, .00534978122646},
      {.5, 2.5, .25, .644903689697, .691165387751, -.0419984122112, .176528228637},
      {-2, 1, .75, .121134194277, .108545919558, -.248823841877, -.00772508902085},
      {10, 20, .5, 5.5, .5, 6.57177863134e-87, -9},
      {100, 20, .3, 70.3, .7, 0, -99},
      {-100, 20, .3, 0, 0, 0, 0},
      {3, .01, .5, 35.6667335358, .254999437567, -3464.79855044, -70.3184681966},
  };
  for (const auto& row : rows) {
    const Results<double> r = of<double>({row[0]}, row[1], row[2]);
    near(r.value[0], row[3]);
    near(r.x[0], row[4]);
    near(r.n, row[5]);
    near(r.s, row[6]);
  }
  // Where the literal form gives 0 and -7.99179e-5.
  CHECK_NEAR(of<float>({12}, 5, 0).n, -2.1366e-26, 5e-31);
  CHECK_NEAR(of<float>({4}, 2.5f, 0).n, -7.99004e-5, 5e-11);
}

// In F32 within 4 units of the sum of the terms for |u| <= 80, in F64 within 8; the slopes by n and s within 8.
TEST(gamma_errors_are_bounded) {
  const auto bounded = [](auto zero, double most) {
    typedef decltype(zero) T;
    std::mt19937_64 generator(7);
    std::uniform_real_distribution<double> uniform(0, 1);
    Context context;
    double worst[4] = {};
    for (int k = 0; k < 24; ++k) {
      const T n = static_cast<T>(0.05 * std::pow(400, uniform(generator)));
      const T s = static_cast<T>(k % 4 == 0 ? 0 : k % 4 == 1 ? 1 : uniform(generator));
      const int64_t count = kSanitized ? 500 : 20000;
      std::vector<T> x(count), ones(count, T(1)), gains(count, n), saturations(count, s), value(x), dx(x), dn(x), ds(x);
      for (T& each : x) each = static_cast<T>((uniform(generator) * 2 - 1) * (uniform(generator) < .5 ? 80 : 4) / n);
      CHECK_OK(mg_gamma_forward(context, kType<T>, MG_GAMMA_UNIFORM, 1, count, x.data(), &n, &s, 0, value.data()));
      CHECK_OK(mg_gamma_backward(context, kType<T>, MG_GAMMA_PER_ELEMENT, 1, count, x.data(), ones.data(), gains.data(),
                                 saturations.data(), 0, dx.data(), dn.data(), ds.data()));
      for (int64_t i = 0; i < count; ++i) {
        const GammaValues right = gamma_values(x[i], n, s);
        worst[0] = std::max(worst[0], units_off(kType<T>, value[i], right.value, 0));
        worst[1] = std::max(worst[1], units_off(kType<T>, dx[i], right.x, 0));
        worst[2] = std::max(worst[2], units_off(kType<T>, dn[i], right.n, 0));
        worst[3] = std::max(worst[3], units_off(kType<T>, ds[i], right.s, 0));
      }
    }
    CHECK_NEAR(worst[0], 0, most);
    CHECK_NEAR(worst[1], 0, most);
    CHECK_NEAR(worst[2], 0, 8);
    CHECK_NEAR(worst[3], 0, 8);
  };
  bounded(float(), 4);
  bounded(double(), 8);
}

TEST(gamma_slopes_are_those_of_central_differences) {
  std::mt19937_64 generator(3);
  std::normal_distribution<double> normal(0, 2);
  std::uniform_real_distribution<double> gain(.3, 20), saturation(0, 1);
  for (int k = 0; k < 1000; ++k) {
    const double x = normal(generator), n = gain(generator), s = saturation(generator), h = 1e-5;
    const Results<double> r = of<double>({x}, n, s);
    const Results<double> by_x = of<double>({x - h, x + h}, n, s);
    CHECK_NEAR((by_x.value[1] - by_x.value[0]) / (2 * h), r.x[0], 1e-7);
    CHECK_NEAR((of<double>({x}, n + h, s).value[0] - of<double>({x}, n - h, s).value[0]) / (2 * h), r.n, 1e-7);
    CHECK_NEAR((of<double>({x}, n, s + h).value[0] - of<double>({x}, n, s - h).value[0]) / (2 * h), r.s, 1e-7);
  }
}

TEST(gamma_increases_and_scales) {
  std::vector<double> x;
  for (int i = -400; i <= 400; ++i) x.push_back(i / 20.0);
  for (double n : {.3, 1.0, 5.0, 20.0}) {
    for (double s : {0.0, .25, .5, 1.0}) {
      const std::vector<double> value = of(x, n, s).value;
      std::vector<double> u = x;
      for (double& each : u) each *= n;
      const std::vector<double> soft = of<double>(u, 1, 0).value, logistic = of<double>(u, 1, 1).value;
      for (size_t i = 0; i < x.size(); ++i) {
        CHECK(i == 0 || value[i] >= value[i - 1]);
        CHECK_NEAR(value[i], soft[i] * (1 - s) / n + s * logistic[i], 1e-14 * (1 + value[i]));
      }
    }
  }
  // The entropy in the slope by n is even: bits of x and of -x.
  for (double each : x) CHECK(of<double>({each}, 3, 0).n == of<double>({-each}, 3, 0).n);
}

TEST(gamma_has_its_limits) {
  const auto limits = [](auto zero) {
    typedef decltype(zero) T;
    const T inf = std::numeric_limits<T>::infinity(), most = std::numeric_limits<T>::max(),
            tiny = std::numeric_limits<T>::denorm_min(), nan = std::numeric_limits<T>::quiet_NaN();
    const auto value = [](T x, T n, T s) { return of<T>({x}, n, s).value[0]; };
    CHECK(value(inf, 5, .5) == inf && value(inf, 5, 1) == 1 && value(inf, 5, 2) == -inf);
    CHECK(value(-inf, 5, .5) == 0 && value(-inf, 5, 1) == 0 && value(-inf, -5, 0) == -inf);
    CHECK(value(most, 5, .5) == most / 2 && value(-most, 5, .5) == 0);
    CHECK(value(tiny, 1, 1) == T(.5) && value(-tiny, 1, 1) == T(.5));
    CHECK(std::isnan(value(nan, 5, .5)) && std::isnan(value(-nan, 5, 1)));
    for (T x : {inf, -inf, most, -most}) {
      const Results<T> r = of<T>({x}, 5, 1);
      CHECK(r.x[0] == 0 && r.n == 0 && (x > 0 ? r.s < -1 : r.s == 0));
    }
    const Results<T> bad = of<T>({T(1), nan, T(2)}, 5, .5);
    CHECK(std::isnan(bad.x[1]) && !std::isnan(bad.x[0]) && std::isnan(bad.n) && std::isnan(bad.s));
  };
  limits(float());
  limits(double());
}

// Subnormal results are not flushed.
TEST(gamma_underflows_gradually) {
  const float at = of<float>({-95}, 1, 1).value[0];
  CHECK_NEAR(at, std::exp(-95.0), 3e-45);
  CHECK(at > 0);
  CHECK(of<double>({-744}, 1, 1).value[0] > 0);
}

TEST(gamma_shapes_give_the_same_bytes) {
  Context context;
  const int64_t rows = 7, columns = 37, count = rows * columns;
  std::vector<float> x, g;
  for (double each : gaussian(count, 1)) x.push_back(static_cast<float>(each));
  for (double each : gaussian(count, 2)) g.push_back(static_cast<float>(each));
  const std::vector<float> n(count, 2.7f), s(count, .3f);
  std::vector<float> value[3], dx[3];
  std::vector<float> dn(count), ds(count);
  Vector sums[2][2] = {{Vector(count), Vector(count)}, {Vector(count), Vector(count)}};
  for (int32_t shape = 0; shape < 3; ++shape) {
    value[shape].resize(count);
    dx[shape].resize(count);
    void* by_n = shape == 2 ? static_cast<void*>(dn.data()) : sums[shape][0].data();
    void* by_s = shape == 2 ? static_cast<void*>(ds.data()) : sums[shape][1].data();
    CHECK_OK(mg_gamma_forward(context, MG_F32, shape, rows, columns, x.data(), n.data(), s.data(), 0,
                              value[shape].data()));
    CHECK_OK(mg_gamma_backward(context, MG_F32, shape, rows, columns, x.data(), g.data(), n.data(), s.data(), 0,
                               dx[shape].data(), by_n, by_s));
  }
  CHECK(same_bits(value[0], value[1]) && same_bits(value[0], value[2]));
  CHECK(same_bits(dx[0], dx[1]) && same_bits(dx[0], dx[2]));
  double of_columns = 0, of_elements = 0, size = 0;
  for (int64_t j = 0; j < columns; ++j) of_columns += sums[1][0][j];
  for (int64_t i = 0; i < count; ++i) {
    of_elements += dn[i];
    size += std::fabs(dn[i]);
  }
  CHECK_NEAR(sums[0][0][0], of_columns, 1e-14 * size);
  CHECK_NEAR(sums[0][0][0], of_elements, 1e-6 * size);
}

TEST(gamma_refuses_what_has_no_value) {
  Context context;
  float x[6] = {}, n[6] = {1, 2, .0005f, 4, 5, 6}, s[6] = {}, out[6] = {9, 9, 9, 9, 9, 9};
  const auto call = [&](int32_t shape, int64_t rows, int64_t columns, double least) {
    return mg_gamma_forward(context, MG_F32, shape, rows, columns, x, n, s, least, out);
  };
  CHECK_FAILS(call(MG_GAMMA_PER_UNIT, 2, 3, .001), MG_INVALID_ARGUMENT, "n[2] = 0.0005 is below 0.001");
  CHECK_OK(call(MG_GAMMA_PER_UNIT, 2, 3, 0));
  n[4] = 0;
  out[0] = 9;
  CHECK_FAILS(call(MG_GAMMA_PER_ELEMENT, 2, 3, 0), MG_INVALID_ARGUMENT,
              "n[4] is 0, where the activation has a pole");
  n[4] = -1;
  CHECK_OK(call(MG_GAMMA_PER_ELEMENT, 2, 3, 0));
  s[1] = static_cast<float>(kNaN);
  out[0] = 9;
  CHECK_FAILS(call(MG_GAMMA_PER_ELEMENT, 2, 3, 0), MG_INVALID_ARGUMENT, "s[1] is nan");
  n[0] = static_cast<float>(kInf);
  CHECK_FAILS(call(MG_GAMMA_UNIFORM, 2, 3, 0), MG_INVALID_ARGUMENT, "n[0] is inf");
  CHECK(out[0] == 9);
  CHECK_FAILS(call(3, 2, 3, 0), MG_INVALID_ARGUMENT, "unknown shape 3");
  CHECK_FAILS(call(0, 0, 3, 0), MG_INVALID_ARGUMENT, "there are no arrays of 0 x 3 elements here");
  CHECK_FAILS(call(0, 2, 3, -1), MG_INVALID_ARGUMENT, "least must be >= 0, not -1");
  double dn = 0;
  CHECK_FAILS(mg_gamma_backward(context, MG_F32, 0, 1, 1, x, x, n, s, 0, out, &dn, nullptr), MG_INVALID_ARGUMENT,
              "dn and ds must both be NULL or both not");
}
