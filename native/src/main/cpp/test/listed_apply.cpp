// SPDX-License-Identifier: Apache-2.0
// Oracles of feature maps.
#include <algorithm>

#include "test/listed_tools.h"

namespace check {

namespace {

struct Shape {
  int64_t outer, inner;
};
const std::vector<Shape> kShapes = {{1, 1}, {3, 5}, {2, 300}};

}  // namespace

Outcome listed_apply_dense(mg_context* context, const Input& input, bool with_oracle) {
  const int64_t n_in = input.size, n_out = std::max<int64_t>(n_in - 2, 1);
  Outcome result;
  for (const Shape& s : kShapes) {
    if (n_in > 100 && s.outer == 3) continue;
    for (bool transpose : {false, true}) {
      const int64_t in_stride = n_in * s.inner + 3, out_stride = n_out * s.inner + 2;
      const Vector map = gaussian(n_out * n_in, 1);
      // Sums of huge values would leave the range.
      const double size = magnitude(input.dtype, input.scale) * (input.scale == Scale::HUGE_VALUES ? 1e-2 : 1);
      const Array m(context, MG_F64, map, whole(input.shift));
      const Array in(context, input.dtype, gaussian(s.outer * in_stride, 2, 0, size), input.shift);
      const Vector sevens(static_cast<size_t>(s.outer * out_stride), 7.0);
      const Array out(context, input.dtype, sevens, input.shift);
      CHECK_OK(mg_apply_dense(context, input.dtype, s.outer, n_in, s.inner, n_out, m.doubles(),
                              transpose ? n_out : std::max<int64_t>(n_in, 1), transpose, in.data(), in_stride,
                              out.data(), out_stride));
      append(result.bytes, out.read());
      if (!with_oracle) continue;
      const Vector x = in.values(input.dtype), y = out.values(input.dtype);
      for (int64_t o = 0; o < s.outer; ++o) {
        for (int64_t r = 0; r < n_out; ++r) {
          for (int64_t p = 0; p < s.inner; ++p) {
            double sum = 0, terms = 0;
            for (int64_t c = 0; c < n_in; ++c) {
              const double weight = transpose ? map[c * n_out + r] : map[r * n_in + c];
              const double term = weight * x[o * in_stride + c * s.inner + p];
              sum += term;
              terms += std::fabs(term);
            }
            const double allowed = 1e-14 * terms + 1.01 * unit(input.dtype) * std::fabs(sum) + least(input.dtype);
            raise(result.error, std::fabs(y[o * out_stride + r * s.inner + p] - sum) / allowed);
          }
        }
        for (int64_t e = n_out * s.inner; e < out_stride; ++e) {
          raise(result.error, exactly(y[o * out_stride + e] == 7));
        }
      }
    }
  }
  return result;
}

Outcome listed_apply_gather(mg_context* context, const Input& input, bool with_oracle) {
  const int64_t n = input.size;
  const int64_t bytes = size_of(input.dtype);
  std::vector<int64_t> index(static_cast<size_t>(n));
  for (int64_t r = 0; r < n; ++r) index[r] = (5 * r + 2) % n;
  // Factors that keep huge values in range.
  Vector scale = gaussian(n, 9);
  for (double& each : scale) each = std::tanh(each);
  Outcome result;
  for (const Shape& s : kShapes) {
    if (n > 300 && s.inner > 5) continue;
    const int64_t slice = n * s.inner;
    const std::vector<char> in = random_elements(input, s.outer * slice, 2);
    Array from(context, static_cast<int64_t>(in.size()), input.shift);
    from.write(in);
    for (bool with_scale : {false, true}) {
      const Array to(context, static_cast<int64_t>(in.size()), input.shift);
      CHECK_OK(mg_apply_gather(context, input.dtype, s.outer, n, s.inner, n, index.data(),
                               with_scale ? scale.data() : nullptr, from.data(), slice, to.data(), slice));
      const std::vector<char> found = to.read();
      append(result.bytes, found);
      if (!with_oracle) continue;
      std::vector<char> expected(in.size());
      bool right = true;
      for (int64_t e = 0; e < s.outer * slice; ++e) {
        const int64_t o = e / slice, r = e / s.inner % n, p = e % s.inner;
        const int64_t source = (o * n + index[r]) * s.inner + p;
        char* at = expected.data() + e * bytes;
        std::memcpy(at, in.data() + source * bytes, static_cast<size_t>(bytes));
        if (with_scale) store(input.dtype, element(input.dtype, in.data(), source) * scale[r], expected.data(), e);
        // A scaled NaN stays one; its payload is the processor's.
        const bool nan = with_scale && std::isnan(element(input.dtype, expected.data(), e));
        right = right && (nan ? std::isnan(element(input.dtype, found.data(), e))
                              : std::memcmp(at, found.data() + e * bytes, static_cast<size_t>(bytes)) == 0);
      }
      raise(result.error, exactly(right));
    }
  }
  return result;
}

}  // namespace check
