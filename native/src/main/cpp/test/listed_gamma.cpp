// SPDX-License-Identifier: Apache-2.0
// Oracle of activations with a gain and a saturation.
#include "test/gamma_oracle.h"
#include "test/listed_tools.h"

namespace check {

namespace {

struct Case {
  int32_t shape;
  int64_t rows, columns;
};

// One n; one of each column, in a low and in a high array with several blocks of rows; one of each element.
std::vector<Case> cases(int64_t size) {
  std::vector<Case> all = {{MG_GAMMA_UNIFORM, 1, size}, {MG_GAMMA_PER_UNIT, 3, size}, {MG_GAMMA_PER_ELEMENT, 1, size}};
  if (size < 1000) all.push_back({MG_GAMMA_PER_UNIT, size, 5});
  return all;
}

struct Given {
  Case each;
  Array x, n, s;

  Given(mg_context* context, const Input& input, const Case& given)
      : each(given),
        x(context, given.rows * given.columns * size_of(input.dtype), input.shift),
        n(context, input.dtype, gains(given), input.shift),
        s(context, input.dtype, saturations(given), input.shift) {
    x.write(random_elements(input, given.rows * given.columns, 1));
  }

  static int64_t count(const Case& given) {
    return given.shape == MG_GAMMA_UNIFORM     ? 1
           : given.shape == MG_GAMMA_PER_UNIT ? given.columns
                                              : given.rows * given.columns;
  }
  // From 0.1 to 20, one of five negative.
  static Vector gains(const Case& given) {
    Vector values = gaussian(count(given), 2);
    for (size_t i = 0; i < values.size(); ++i) {
      values[i] = std::min(20.0, std::max(0.1, std::exp(2 * values[i]))) * (i % 5 == 4 ? -1 : 1);
    }
    return values;
  }
  // 0, 1 and between, some outside.
  static Vector saturations(const Case& given) {
    Vector values = gaussian(count(given), 3, 0.5, 0.4);
    for (size_t i = 0; i < values.size(); i += 3) values[i] = i % 2;
    return values;
  }
  int64_t own(int64_t i) const {
    return each.shape == MG_GAMMA_UNIFORM ? 0 : each.shape == MG_GAMMA_PER_UNIT ? i % each.columns : i;
  }
};

}  // namespace

Outcome listed_gamma_forward(mg_context* context, const Input& input, bool with_oracle) {
  const int32_t dtype = input.dtype;
  Outcome result;
  for (const Case& each : cases(input.size)) {
    const Given given(context, input, each);
    const int64_t count = each.rows * each.columns;
    const Array out(context, count * size_of(dtype), input.shift);
    CHECK_OK(mg_gamma_forward(context, dtype, each.shape, each.rows, each.columns, given.x.data(), given.n.data(),
                              given.s.data(), 0, out.data()));
    append(result.bytes, out.read());
    if (!with_oracle) continue;
    const Vector x = given.x.values(dtype), n = given.n.values(dtype), s = given.s.values(dtype);
    const Vector found = out.values(dtype);
    for (int64_t i = 0; i < count; ++i) {
      const GammaValues right = gamma_values(x[i], n[given.own(i)], s[given.own(i)]);
      raise(result.error, units_off(dtype, found[i], right.value, right.lost) / (dtype == MG_F64 ? 8 : 4));
    }
  }
  return result;
}

Outcome listed_gamma_backward(mg_context* context, const Input& input, bool with_oracle) {
  const int32_t dtype = input.dtype;
  Outcome result;
  for (const Case& each : cases(input.size)) {
    const Given given(context, input, each);
    const int64_t count = each.rows * each.columns, shapes = Given::count(each);
    const bool own = each.shape == MG_GAMMA_PER_ELEMENT;
    Array g(context, count * size_of(dtype), input.shift);
    g.write(random_elements(input, count, 4));
    const int32_t slopes = own ? dtype : static_cast<int32_t>(MG_F64);
    const int64_t shift = own ? input.shift : whole(input.shift);
    const Array dx(context, count * size_of(dtype), input.shift), dn(context, shapes * size_of(slopes), shift),
        ds(context, shapes * size_of(slopes), shift), alone(context, count * size_of(dtype), input.shift);
    const auto run = [&](const Array& to, char* by_n, char* by_s) {
      CHECK_OK(mg_gamma_backward(context, dtype, each.shape, each.rows, each.columns, given.x.data(), g.data(),
                                 given.n.data(), given.s.data(), 0, to.data(), by_n, by_s));
    };
    run(alone, nullptr, nullptr);
    run(dx, dn.data(), ds.data());
    append(result.bytes, dx.read());
    append(result.bytes, dn.read());
    append(result.bytes, ds.read());
    raise(result.error, exactly(alone.read() == dx.read()));
    if (!with_oracle) continue;
    const Vector x = given.x.values(dtype), n = given.n.values(dtype), s = given.s.values(dtype);
    const Vector loss = g.values(dtype), by_x = dx.values(dtype), by_n = dn.values(slopes), by_s = ds.values(slopes);
    std::vector<Terms> sums_n(static_cast<size_t>(shapes)), sums_s(static_cast<size_t>(shapes));
    std::vector<long double> losses(static_cast<size_t>(shapes));
    const auto times = [](const Terms& terms, double factor) {
      return Terms{terms.sum * factor, terms.size * std::fabs(factor)};
    };
    const auto add = [](Terms& sum, const Terms& term) { sum = {sum.sum + term.sum, sum.size + term.size}; };
    // A slope is rounded to the type before its product is.
    const double rounded = dtype == MG_F64 ? 12 : 8;
    for (int64_t i = 0; i < count; ++i) {
      const int64_t k = given.own(i);
      const GammaValues right = gamma_values(x[i], n[k], s[k]);
      const long double lost = right.lost * std::fabs(loss[i]) + 1;
      raise(result.error, units_off(dtype, by_x[i], times(right.x, loss[i]), lost) / rounded);
      add(sums_n[k], times(right.n, loss[i]));
      add(sums_s[k], times(right.s, loss[i]));
      losses[k] += lost;
    }
    // Of sums the slopes' rounding to the type of the arrays is what is allowed, and what they lose as subnormals.
    const double coarse = unit(dtype) / unit(slopes);
    for (int64_t k = 0; k < shapes; ++k) {
      const long double lost = losses[k] * static_cast<long double>(least(dtype)) / least(slopes);
      raise(result.error, units_off(slopes, by_n[k], sums_n[k], lost) / (rounded * coarse));
      raise(result.error, units_off(slopes, by_s[k], sums_s[k], lost) / (rounded * coarse));
    }
  }
  return result;
}

}  // namespace check
