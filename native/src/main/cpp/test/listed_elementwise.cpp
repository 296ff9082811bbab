// SPDX-License-Identifier: Apache-2.0
// Oracles of passes over matrices, sums and conversions.
#include <algorithm>
#include <memory>

#include "test/listed_tools.h"

namespace check {

namespace {

// A matrix of size x (size + 3) between unused columns, and its elements.
struct Padded {
  int64_t rows, cols, ld;
  std::unique_ptr<Array> array;
  Vector values;
  Padded(mg_context* context, const Input& input, uint64_t seed, int64_t more)
      : rows(input.size), cols(input.size + 3), ld(cols + more) {
    const std::vector<char> elements = random_elements(input, rows * ld, seed);
    array = std::make_unique<Array>(context, static_cast<int64_t>(elements.size()), whole(input.shift));
    array->write(elements);
    const Vector all = array->values(MG_F64);
    for (int64_t e = 0; e < rows * cols; ++e) values.push_back(all[e / cols * ld + e % cols]);
  }
};

Outcome weighted_sums(mg_context* context, const Input& input, bool with_oracle, const std::vector<int32_t>& counts) {
  Outcome result;
  for (int32_t models : counts) {
    const Vector weights = gaussian(models, 5);
    std::vector<std::unique_ptr<Array>> arrays;
    std::vector<const void*> in;
    Vector sum;
    std::vector<float> short_sum;  // that of the 16-bit types, where it is finite
    for (int32_t k = 0; k < models; ++k) {
      const std::vector<char> elements = random_elements(input, input.size, 10 + static_cast<uint64_t>(k));
      arrays.push_back(std::make_unique<Array>(context, static_cast<int64_t>(elements.size()), input.shift));
      arrays.back()->write(elements);
      in.push_back(arrays.back()->data());
      for (int64_t i = 0; i < input.size && with_oracle; ++i) {
        const double value = element(input.dtype, elements.data(), i), term = weights[k] * value;
        const float short_term = static_cast<float>(weights[k]) * static_cast<float>(value);
        if (k == 0) {
          sum.push_back(term);
          short_sum.push_back(short_term);
        } else {
          sum[i] += term;
          short_sum[i] += short_term;
        }
      }
    }
    const Array out(context, input.size * size_of(input.dtype), input.shift);
    CHECK_OK(mg_weighted_sum(context, input.dtype, input.size, models, in.data(), weights.data(), out.data()));
    append(result.bytes, out.read());
    if (!with_oracle) continue;
    std::vector<char> expected(static_cast<size_t>(input.size * size_of(input.dtype)));
    for (int64_t i = 0; i < input.size; ++i) {
      const bool in_f32 = size_of(input.dtype) == 2 && std::isfinite(short_sum[i]);
      store(input.dtype, in_f32 ? short_sum[i] : sum[i], expected.data(), i);
    }
    raise(result.error, exactly(out.read() == expected));
  }
  return result;
}

}  // namespace

Outcome listed_divide(mg_context* context, const Input& input, bool) {
  const Padded a(context, input, 3, 2);
  Outcome result;
  for (int form = 0; form < 4; ++form) {  // neither list, one, the other, both; with a zero in each
    Vector by_row = gaussian(a.rows, 5), by_col = gaussian(a.cols, 6);
    by_row[a.rows / 2] = by_col[a.cols - 1] = 0;
    const int64_t ldo = a.cols + 1;
    const Array out(context, MG_F64, Vector(static_cast<size_t>(a.rows * ldo), 7.0), whole(input.shift));
    CHECK_OK(mg_divide(context, a.rows, a.cols, a.array->doubles(), a.ld, form & 1 ? by_row.data() : nullptr,
                       form & 2 ? by_col.data() : nullptr, out.doubles(), ldo));
    append(result.bytes, out.read());
    const Vector found = out.values(MG_F64);
    for (int64_t e = 0; e < a.rows * ldo; ++e) {
      const int64_t i = e / ldo, j = e % ldo;
      double want = 7;
      if (j < a.cols) {
        const double both = (form & 1 ? by_row[i] : 1) * (form & 2 ? by_col[j] : 1);
        want = both == 0 ? 0 : a.values[i * a.cols + j] / both;
      }
      raise(result.error, exactly(found[e] == want || (std::isnan(found[e]) && std::isnan(want))));
    }
  }
  return result;
}

Outcome listed_norm(mg_context* context, const Input& input, bool) {
  const Padded a(context, input, 4, 1);
  Outcome result;
  for (double shift : {0.0, 1.0}) {
    double most = 0, sum = 0;
    bool is_nan = false;
    for (int64_t j = 0; j < a.cols; ++j) {
      double column = 0;
      for (int64_t i = 0; i < a.rows; ++i) {
        const double magnitude = std::fabs(a.values[i * a.cols + j] - (i == j ? shift : 0));
        is_nan = is_nan || std::isnan(magnitude);
        column += magnitude;
        most = std::max(most, magnitude);
      }
      sum = std::max(sum, column);
    }
    for (int32_t kind : {MG_NORM_ONE, MG_NORM_MAX}) {
      double found = -1;
      CHECK_OK(mg_norm(context, kind, a.rows, a.cols, a.array->doubles(), a.ld, shift, &found));
      append(result.bytes, &found, 1);
      raise(result.error, exactly(is_nan ? std::isnan(found) : found == (kind == MG_NORM_ONE ? sum : most)));
    }
  }
  return result;
}

Outcome listed_row_products(mg_context* context, const Input& input, bool) {
  Input part = input;
  if (part.scale == Scale::HUGE_VALUES || part.scale == Scale::TINY) part.scale = Scale::NORMAL;
  const double size = magnitude(MG_F64, input.scale, 2);
  const Padded plain(context, part, 8, 2), other(context, part, 9, 0);
  const Array x(context, MG_F64, scaled(plain.array->values(MG_F64), size), whole(input.shift));
  const Array y(context, MG_F64, scaled(other.array->values(MG_F64), size), whole(input.shift));
  Vector out(static_cast<size_t>(plain.rows), kNaN);
  CHECK_OK(mg_row_products(context, plain.rows, plain.cols, x.doubles(), plain.ld, y.doubles(), other.ld, out.data()));
  Outcome result;
  append(result.bytes, out.data(), out.size());
  for (int64_t i = 0; i < plain.rows; ++i) {
    long double sum = 0, magnitudes = 0;
    for (int64_t j = 0; j < plain.cols; ++j) {
      const long double product =
          static_cast<long double>(plain.values[i * plain.cols + j] * size) * (other.values[i * plain.cols + j] * size);
      sum += product;
      magnitudes += std::fabs(product);
    }
    raise(result.error, static_cast<double>(std::fabs(out[i] - sum) / (1e-15 * plain.cols * magnitudes + 1e-300)));
  }
  return result;
}

Outcome listed_weighted_sum(mg_context* context, const Input& input, bool with_oracle) {
  return weighted_sums(context, input, with_oracle, {1, 2, 3, 4, 6});
}

// More than travel with a launch.
Outcome listed_weighted_sum_of_many(mg_context* context, const Input& input, bool with_oracle) {
  return weighted_sums(context, input, with_oracle, {70});
}

Outcome listed_convert(mg_context* context, const Input& input, bool with_oracle) {
  const std::vector<char> elements = random_elements(input, input.size, 1);
  Array in(context, static_cast<int64_t>(elements.size()), input.shift);
  in.write(elements);
  Outcome result;
  for (int32_t to = MG_F64; to <= MG_BF16; ++to) {
    const Array out(context, input.size * size_of(to), input.shift);
    int64_t overflowed = -1, expected_overflow = 0;
    CHECK_OK(mg_convert(context, input.dtype, to, input.size, in.data(), out.data(), &overflowed));
    const std::vector<char> found = out.read();
    append(result.bytes, found);
    append(result.bytes, &overflowed, 1);
    if (!with_oracle) continue;
    std::vector<char> expected(found.size());
    bool right = true;
    for (int64_t i = 0; i < input.size; ++i) {
      const double value = element(input.dtype, elements.data(), i);
      store(to, value, expected.data(), i);
      const int64_t at = i * size_of(to);
      if (std::isfinite(value) && std::isinf(element(to, expected.data(), i))) ++expected_overflow;
      right = right && (std::isnan(value) ? std::isnan(element(to, found.data(), i))
                                          : std::memcmp(expected.data() + at, found.data() + at,
                                                        static_cast<size_t>(size_of(to))) == 0);
    }
    raise(result.error, exactly(right && overflowed == expected_overflow));
  }
  return result;
}

Outcome listed_nonfinite_count(mg_context* context, const Input& input, bool) {
  Outcome result;
  for (int planted = 0; planted < 3; ++planted) {
    std::vector<char> elements = random_elements(input, input.size, 3);
    if (input.size > 0 && planted > 0) store(input.dtype, kNaN, elements.data(), input.size - 1);
    if (input.size > 0 && planted > 1) store(input.dtype, -kInf, elements.data(), input.size / 2);
    Array in(context, static_cast<int64_t>(elements.size()), input.shift);
    in.write(elements);
    int64_t count = 0, first = -1, found[2] = {-9, -9};
    for (int64_t i = input.size - 1; i >= 0; --i) {
      if (std::isfinite(element(input.dtype, elements.data(), i))) continue;
      ++count;
      first = i;
    }
    CHECK_OK(mg_nonfinite_count(context, input.dtype, input.size, in.data(), &found[0], &found[1]));
    append(result.bytes, found, 2);
    raise(result.error, exactly(found[0] == count && found[1] == first));
  }
  return result;
}

}  // namespace check
