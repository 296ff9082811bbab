// SPDX-License-Identifier: Apache-2.0
// Oracles of Gram matrices: their definitions in long double.
#include <cmath>
#include <numeric>

#include "test/listed_tools.h"

namespace check {

namespace {

typedef std::vector<long double> Wide;

// n x p numbers in rows of ld, of a type, with an offset that columns share; column 0 is constant.
struct Samples {
  int64_t n, p, ld;
  Array array;
  Vector values;  // as the type has them, without gaps
  Samples(mg_context* context, int32_t dtype, int64_t shift, int64_t rows, int64_t columns, int64_t gap, double size,
          uint64_t seed)
      : n(rows), p(columns), ld(columns + gap), array(context, dtype, numbers(size, seed), shift) {
    const Vector all = array.values(dtype);
    for (int64_t e = 0; e < n * p; ++e) values.push_back(all[e / p * ld + e % p]);
  }

  Wide centred() const {
    Wide z(values.begin(), values.end());
    for (int64_t j = 0; j < p; ++j) {
      long double sum = 0;
      for (int64_t i = 0; i < n; ++i) sum += z[i * p + j];
      for (int64_t i = 0; i < n; ++i) z[i * p + j] -= sum / n;
    }
    return z;
  }

 private:
  Vector numbers(double size, uint64_t seed) const {
    Vector x = gaussian(n * ld, seed, 20 * size, size);
    for (int64_t i = 0; i < n && ld > 0; ++i) x[i * ld] = 3 * size;
    return x;
  }
};

Wide products(int64_t n, int64_t p, const Wide& z) {
  Wide k(static_cast<size_t>(n * n));
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      for (int64_t f = 0; f < p; ++f) k[i * n + j] += z[i * p + f] * z[j * p + f];
    }
  }
  return k;
}

Wide centred_gram(int64_t n, const Wide& k, bool unbiased) {
  Wide mean(static_cast<size_t>(n)), out(k.size());
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < n; ++j) mean[i] += unbiased && i == j ? 0 : k[i * n + j];
    mean[i] /= unbiased ? n - 2 : n;
  }
  const long double all = std::accumulate(mean.begin(), mean.end(), 0.0L) / (unbiased ? 2 * (n - 1) : 2 * n);
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      out[i * n + j] = unbiased && i == j ? 0 : k[i * n + j] - mean[i] - mean[j] + 2 * all;
    }
  }
  return out;
}

double largest(const Wide& values) {
  long double most = 0;
  for (const long double each : values) most = std::max(most, std::fabs(each));
  return static_cast<double>(most);
}

double precision_of(int32_t precision) { return precision == MG_F64 ? 1e-13 : 1e-5; }

// Of numbers whose products are in the range of both types.
double size_of_samples(const Input& input, int32_t precision) {
  return magnitude(std::max(input.dtype, precision), input.scale, 3);
}

Vector symmetric(int64_t n, uint64_t seed, double size) {
  Vector k = gaussian(n * n, seed, 0, size);
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < i; ++j) k[i * n + j] = k[j * n + i];
  }
  return k;
}

}  // namespace

Outcome listed_centre_columns(mg_context* context, const Input& input, bool with_oracle) {
  const int64_t rows = input.size, cols = input.size + 1, ldout = cols + 2;
  Outcome result;
  for (const int32_t to : {MG_F64, MG_F32}) {
    const double size = size_of_samples(input, to);
    const Samples x(context, input.dtype, input.shift, rows, cols, 3, size, 1);
    const Array out(context, to, Vector(static_cast<size_t>(rows * ldout), 7.0), input.shift);
    CHECK_OK(mg_centre_columns(context, input.dtype, to, rows, cols, x.array.data(), x.ld, out.data(), ldout));
    append(result.bytes, out.read());
    const Vector found = out.values(to);
    if (to == input.dtype && rows > 0) {  // over itself
      CHECK_OK(mg_centre_columns(context, to, to, rows, cols, x.array.data(), x.ld, x.array.data(), x.ld));
      const Vector same = x.array.values(to);
      for (int64_t e = 0; e < rows * cols; ++e) {
        raise(result.error, exactly(same[e / cols * x.ld + e % cols] == found[e / cols * ldout + e % cols]));
      }
    }
    if (!with_oracle) continue;
    const Wide z = x.centred();
    for (int64_t e = 0; e < rows * ldout; ++e) {
      const int64_t i = e / ldout, j = e % ldout;
      if (j >= cols || j == 0) {
        raise(result.error, exactly(found[e] == (j == 0 ? 0 : 7)));  // a constant column is exactly 0
        continue;
      }
      const double exact = static_cast<double>(z[i * cols + j]);
      raise(result.error, std::fabs(found[e] - exact) / (1e-15 * size * 8 + 1.01 * unit(to) * std::fabs(exact)));
    }
  }
  return result;
}

Outcome listed_gram(mg_context* context, const Input& input, bool with_oracle) {
  const int64_t n = input.size;
  Outcome result;
  for (const int64_t p : {n + 2, n == 7 ? int64_t{4100} : n / 2}) {
    for (const int32_t precision : {MG_F64, MG_F32}) {
      const Samples x(context, input.dtype, input.shift, n, p, 1, size_of_samples(input, precision), 2);
      const Wide k = with_oracle ? products(n, p, x.centred()) : Wide();
      for (const int32_t kind : {MG_GRAM_PRODUCTS, MG_GRAM_DISTANCES}) {
        const Array out(context, n * n * 8, whole(input.shift));
        CHECK_OK(mg_gram(context, input.dtype, precision, kind, n, p, x.array.data(), x.ld, out.doubles()));
        append(result.bytes, out.read());
        if (!with_oracle) continue;
        const Vector found = out.values(MG_F64);
        for (int64_t e = 0; e < n * n; ++e) {
          const int64_t i = e / n, j = e % n;
          const long double both = k[i * n + i] + k[j * n + j];
          const long double exact = kind == MG_GRAM_PRODUCTS ? k[e] : both - 2 * k[e];
          const bool sound = found[e] == found[j * n + i] && (kind == MG_GRAM_PRODUCTS || found[e] >= 0);
          raise(result.error, exactly(sound && (kind == MG_GRAM_PRODUCTS || i != j || found[e] == 0)));
          raise(result.error, static_cast<double>(std::fabs(found[e] - exact) / (precision_of(precision) * both + 1e-300L)));
        }
      }
    }
  }
  return result;
}

Outcome listed_centre_gram(mg_context* context, const Input& input, bool with_oracle) {
  const int64_t n = input.size, packed = n * (n - 1) / 2;
  const double size = magnitude(MG_F64, input.scale, 2);
  const Vector k = symmetric(n, 3, size);
  const Wide wide(k.begin(), k.end());
  Outcome result;
  for (int32_t centring = MG_CENTRE_BIASED; centring <= (n < 3 ? MG_CENTRE_BIASED : MG_CENTRE_PACKED); ++centring) {
    const Array in(context, MG_F64, k, whole(input.shift));
    const int64_t count = centring == MG_CENTRE_PACKED ? packed : n * n;
    const Array out(context, count * 8, whole(input.shift));
    CHECK_OK(mg_centre_gram(context, centring, n, in.doubles(), out.doubles()));
    append(result.bytes, out.read());
    if (centring != MG_CENTRE_PACKED) {
      CHECK_OK(mg_centre_gram(context, centring, n, in.doubles(), in.doubles()));
      raise(result.error, exactly(in.read() == out.read()));
    }
    if (!with_oracle) continue;
    const Wide exact = centred_gram(n, wide, centring != MG_CENTRE_BIASED);
    const Vector found = out.values(MG_F64);
    int64_t at = 0;
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t j = centring == MG_CENTRE_PACKED ? i + 1 : 0; j < n; ++j, ++at) {
        raise(result.error, std::fabs(found[at] - static_cast<double>(exact[i * n + j])) / (1e-14 * size));
        if (centring != MG_CENTRE_PACKED) raise(result.error, exactly(found[at] == found[j * n + i]));
        if (centring == MG_CENTRE_UNBIASED && i == j) raise(result.error, exactly(found[at] == 0));
      }
    }
  }
  return result;
}

Outcome listed_gram_rows(mg_context* context, const Input& input, bool with_oracle) {
  const int64_t n = std::max<int64_t>(input.size, 3), packed = n * (n - 1) / 2, ldout = packed + 2;
  const int64_t widths[] = {n + 2, 0, n == 7 ? int64_t{2100} : 3};
  Outcome result;
  for (const int32_t precision : {MG_F64, MG_F32}) {
    std::vector<std::unique_ptr<Samples>> layers;
    std::vector<const void*> in;
    for (const int64_t width : widths) {
      layers.push_back(std::make_unique<Samples>(context, input.dtype, input.shift, n, width, 0,
                                                 size_of_samples(input, precision), 4 + static_cast<uint64_t>(width)));
      in.push_back(layers.back()->array.data());
    }
    const Array out(context, MG_F64, Vector(static_cast<size_t>(3 * ldout), 7.0), whole(input.shift));
    CHECK_OK(mg_gram_rows(context, input.dtype, precision, 3, n, widths, in.data(), out.doubles(), ldout));
    append(result.bytes, out.read());
    if (!with_oracle) continue;
    const Vector found = out.values(MG_F64);
    for (int64_t l = 0; l < 3; ++l) {
      const Wide k = products(n, widths[l], layers[l]->centred()), exact = centred_gram(n, k, true);
      const double allowed = precision_of(precision) * largest(k) + 1e-300;
      int64_t at = l * ldout;
      for (int64_t i = 0; i < n; ++i) {
        for (int64_t j = i + 1; j < n; ++j, ++at) {
          raise(result.error, std::fabs(found[at] - static_cast<double>(exact[i * n + j])) / allowed);
        }
      }
      for (; at < (l + 1) * ldout; ++at) raise(result.error, exactly(found[at] == 7));
    }
  }
  return result;
}

Outcome listed_gaussian(mg_context* context, const Input& input, bool with_oracle) {
  Vector d = gaussian(input.size, 5, 0, 40 * magnitude(MG_F64, input.scale));
  for (double& each : d) each = std::fabs(each);
  Outcome result;
  for (const double gamma : {0.0, 0.37, 5.0}) {
    const Array out(context, MG_F64, d, whole(input.shift));
    CHECK_OK(mg_gaussian(context, input.size, gamma, out.doubles()));
    append(result.bytes, out.read());
    if (!with_oracle) continue;
    const Vector found = out.values(MG_F64);
    for (size_t i = 0; i < d.size(); ++i) {
      const double exact = std::exp(std::max(-708.0, -(gamma * d[i])));
      raise(result.error, std::fabs(found[i] - exact) / (4.5e-16 * exact));
    }
  }
  return result;
}

Outcome listed_permuted_products(mg_context* context, const Input& input, bool with_oracle) {
  const int64_t n = input.size, count = n == 7 ? 300 : 5;
  const double size = magnitude(MG_F64, input.scale, 2);
  const Vector k = symmetric(n, 6, size), l = symmetric(n, 7, size);
  const Array left(context, MG_F64, k, whole(input.shift)), right(context, MG_F64, l, whole(input.shift));
  std::mt19937_64 random(8);
  std::vector<int32_t> permutations;
  for (int64_t b = 0; b < count; ++b) {
    std::vector<int32_t> one(static_cast<size_t>(n));
    std::iota(one.begin(), one.end(), 0);
    if (b > 0) std::shuffle(one.begin(), one.end(), random);
    permutations.insert(permutations.end(), one.begin(), one.end());
  }
  Vector out(static_cast<size_t>(count), kNaN);
  CHECK_OK(mg_permuted_products(context, n, left.doubles(), right.doubles(), count, permutations.data(), out.data()));
  Outcome result;
  append(result.bytes, out.data(), out.size());
  for (int64_t b = 0; b < count && with_oracle; ++b) {
    const int32_t* to = permutations.data() + b * n;
    long double sum = 0, magnitudes = 0;
    for (int64_t e = 0; e < n * n; ++e) {
      const long double term = static_cast<long double>(k[e]) * l[to[e / n] * n + to[e % n]];
      sum += term;
      magnitudes += std::fabs(term);
    }
    raise(result.error, static_cast<double>(std::fabs(out[b] - sum) / (1e-15 * magnitudes)));
  }
  return result;
}

}  // namespace check
