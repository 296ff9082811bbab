// SPDX-License-Identifier: Apache-2.0
// Oracles of task vectors, magnitudes and sums of products.
#include <memory>
#include <numeric>

#include "test/selection.h"

namespace check {

namespace {

// Word i & 3 of Philox4x32-10 at counter i >> 2, from its definition.
uint32_t philox_word(uint64_t key, int64_t i, uint32_t subsequence) {
  uint32_t x[4] = {static_cast<uint32_t>(i >> 2), static_cast<uint32_t>(static_cast<uint64_t>(i >> 2) >> 32),
                   subsequence, 0};
  uint32_t k[2] = {static_cast<uint32_t>(key), static_cast<uint32_t>(key >> 32)};
  for (int round = 0; round < 10; ++round) {
    const uint64_t p = uint64_t{0xD2511F53} * x[0], q = uint64_t{0xCD9E8D57} * x[2];
    const uint32_t y[4] = {static_cast<uint32_t>(q >> 32) ^ x[1] ^ k[0], static_cast<uint32_t>(q),
                           static_cast<uint32_t>(p >> 32) ^ x[3] ^ k[1], static_cast<uint32_t>(p)};
    std::copy_n(y, 4, x);
    k[0] += 0x9E3779B9;
    k[1] += 0xBB67AE85;
  }
  return x[i & 3];
}

// The definition in merganser.h, element by element.
template <typename Real>
Real merged_element(const mg_task* tasks, int32_t models, int64_t i, Real base, const Real* x, bool elect,
                    bool normalise, double lambda) {
  Real u[8], sum = 0;
  double weights = 0;
  for (int32_t k = 0; k < models; ++k) {
    const mg_task& t = tasks[k];
    const Real delta = x[k] - base, size = std::fabs(delta), threshold = static_cast<Real>(t.threshold);
    const bool kept = t.trim == MG_TRIM_NONE ? true
                      : t.trim == MG_TRIM_MAGNITUDE
                          ? !(size < threshold) && (size != threshold || i <= t.last)
                          : philox_word(static_cast<uint64_t>(t.key), i, static_cast<uint32_t>(t.subsequence)) < t.keep;
    const Real scaled = t.scale == 1 ? (kept ? delta : 0) : static_cast<Real>(t.scale) * (kept ? delta : 0);
    u[k] = static_cast<Real>(t.weight) * scaled;
    sum = k == 0 ? u[k] : sum + u[k];
    weights += t.weight;
  }
  Real mix = sum;
  if (elect) {
    Real divisor = 0;
    mix = 0;
    for (int32_t k = 0; k < models; ++k) {
      if (!(sum >= 0 ? u[k] > 0 : u[k] < 0)) continue;
      mix += u[k];
      divisor += static_cast<Real>(tasks[k].weight);
    }
    if (normalise && divisor != 0) mix /= divisor;
    if (std::isnan(sum)) mix = sum;
  } else if (normalise && std::fabs(weights) >= 1e-8) {
    lambda /= weights;
  }
  return base + static_cast<Real>(lambda) * mix;
}

double as_real(double x, float) { return static_cast<float>(x); }
double as_real(double x, double) { return x; }

template <typename Real>
Outcome task_merge(mg_context* context, const Input& input, bool with_oracle) {
  const int64_t n = input.size, bytes = n * size_of(input.dtype);
  const int32_t kModels = 3;
  Outcome result;
  std::vector<std::unique_ptr<Array>> arrays;
  std::vector<std::vector<char>> elements;
  std::vector<const void*> in;
  for (int32_t k = 0; k <= kModels; ++k) {
    elements.push_back(random_elements(input, n, 20 + static_cast<uint64_t>(k)));
    arrays.push_back(std::make_unique<Array>(context, bytes, input.shift));
    arrays.back()->write(elements.back());
    in.push_back(arrays.back()->data());
  }
  const double size = magnitude(input.dtype, input.scale);
  const int64_t first = 5;
  for (int variant = 0; variant < 6; ++variant) {
    const bool elect = variant >= 3, normalise = variant % 2 == 1;
    const int32_t models = variant == 0 ? 1 : kModels;
    mg_task tasks[kModels];
    for (int32_t k = 0; k < models; ++k) {
      mg_task& t = tasks[k];
      t = mg_task{0.4 + 0.3 * k - (variant == 4 ? 0.6 : 0), 1, MG_TRIM_NONE, k, 0, 0, 0, 0};
      if (variant == 1 || variant == 5) t.trim = MG_TRIM_MAGNITUDE;
      if (variant == 2 || variant == 4) t.trim = MG_TRIM_RANDOM;
      t.threshold = as_real((0.5 + 0.1 * k) * size, Real());
      t.last = first + n / 2;
      t.key = -987654321098765432;
      t.keep = k == 2 ? int64_t{1} << 32 : int64_t{3} << 30;
      if (t.trim == MG_TRIM_RANDOM) t.scale = 4.0 / 3;
      // A tie in the middle, with elements on both sides of the last kept one.
      if (t.trim == MG_TRIM_MAGNITUDE && n > 2 && input.scale != Scale::BITS) {
        const double x = element(input.dtype, elements[k + 1].data(), n / 2);
        const double b = element(input.dtype, elements[0].data(), n / 2);
        t.threshold = std::fabs(static_cast<double>(static_cast<Real>(x) - static_cast<Real>(b)));
        t.last -= k % 2;
      }
    }
    const double lambda = variant == 1 ? 0.7 : 1;
    const Array out(context, bytes, input.shift);
    CHECK_OK(mg_task_merge(context, input.dtype, first, n, models, in[0], in.data() + 1, tasks, elect, normalise,
                           lambda, out.data()));
    const std::vector<char> found = out.read();
    append(result.bytes, found);
    if (!with_oracle) continue;
    std::vector<char> expected(found.size());
    for (int64_t i = 0; i < n; ++i) {
      Real x[kModels];
      for (int32_t k = 0; k < models; ++k) {
        x[k] = static_cast<Real>(element(input.dtype, elements[k + 1].data(), i));
      }
      const Real base = static_cast<Real>(element(input.dtype, elements[0].data(), i));
      store(input.dtype, merged_element(tasks, models, first + i, base, x, elect, normalise, lambda), expected.data(),
            i);
    }
    raise(result.error, exactly(found == expected));
  }
  // In place.
  const mg_task plain{0.25, 1, MG_TRIM_NONE, 0, 0, 0, 0, 0};
  const Array out(context, bytes, input.shift);
  CHECK_OK(mg_task_merge(context, input.dtype, 0, n, 1, in[0], in.data() + 1, &plain, 0, 0, 1, out.data()));
  CHECK_OK(mg_task_merge(context, input.dtype, 0, n, 1, in[0], in.data() + 1, &plain, 0, 0, 1, arrays[1]->data()));
  raise(result.error, exactly(out.read() == arrays[1]->read()));
  return result;
}

}  // namespace

Outcome listed_task_merge(mg_context* context, const Input& input, bool with_oracle) {
  return input.dtype == MG_F64 ? task_merge<double>(context, input, with_oracle)
                               : task_merge<float>(context, input, with_oracle);
}

namespace {

// Few, one or many different values, or differences to a base.
struct Magnitudes {
  Array x, base;
  bool with_base;
  Magnitudes(mg_context* context, const Input& input, int kind)
      : x(context, input.size * size_of(input.dtype), input.shift),
        base(context, input.size * size_of(input.dtype), input.shift),
        with_base(kind == 3) {
    x.write(elements(input, kind, 31));
    base.write(elements(input, 3, 32));
  }
  const char* from() const { return with_base ? base.data() : nullptr; }
  std::vector<double> all(int32_t dtype) const {
    const Vector other = base.values(dtype);
    return magnitudes(dtype, x.values(dtype), with_base ? &other : nullptr);
  }

 private:
  static std::vector<char> elements(const Input& input, int kind, uint64_t seed) {
    if (kind == 0 || kind == 3) return random_elements(input, input.size, seed);
    std::vector<char> bytes(static_cast<size_t>(input.size * size_of(input.dtype)));
    const Vector values = gaussian(input.size, seed);
    const double unit = magnitude(input.dtype, input.scale);
    for (int64_t i = 0; i < input.size; ++i) {
      store(input.dtype, unit * (kind == 1 ? std::floor(3 * values[i]) / 16 : -0.75), bytes.data(), i);
    }
    return bytes;
  }
};

}  // namespace

Outcome listed_magnitude_counts(mg_context* context, const Input& input, bool with_oracle) {
  const int32_t bits = input.dtype == MG_F64 ? 63 : 31;
  Outcome result;
  for (int kind = 0; kind < 4; ++kind) {
    const Magnitudes data(context, input, kind);
    std::vector<uint64_t> keys;
    for (double each : data.all(input.dtype)) keys.push_back(key_of(input.dtype, each));
    const uint64_t some = keys[keys.size() / 2] & (~uint64_t{0} >> (64 - bits));
    const int32_t digits[][2] = {{bits - 16, 16}, {bits - 31, 15}, {bits - 11, 11}, {0, 1}};
    for (const auto& [shift, width] : digits) {
      const int32_t above = shift + width;
      const uint64_t prefix = some >> above;
      Array counts(context, int64_t{8} << width, 0);
      std::vector<int64_t> expected(size_t{1} << width, 3);
      std::vector<char> before(expected.size() * 8);
      std::memcpy(before.data(), expected.data(), before.size());
      counts.write(before);
      CHECK_OK(mg_magnitude_counts(context, input.dtype, input.size, data.x.data(), data.from(), shift, width,
                                   static_cast<int64_t>(prefix), reinterpret_cast<int64_t*>(counts.data())));
      const std::vector<int64_t> found = counts_of(counts.read());
      if (input.scale == Scale::BITS) {
        // NaN are counted, but which bits they have is their processor's.
        const int64_t total = std::accumulate(found.begin(), found.end(), int64_t{0});
        if (above == bits) raise(result.error, exactly(total == input.size + 3 * static_cast<int64_t>(found.size())));
        continue;
      }
      append(result.bytes, found.data(), found.size());
      if (!with_oracle) continue;
      for (uint64_t key : keys) {
        if (key >> above == prefix) ++expected[key >> shift & (expected.size() - 1)];
      }
      raise(result.error, exactly(found == expected));
    }
  }
  return result;
}

Outcome listed_magnitude_find(mg_context* context, const Input& input, bool with_oracle) {
  const int64_t n = input.size;
  Outcome result;
  for (int kind = 0; kind < 4; ++kind) {
    const Magnitudes data(context, input, kind);
    const std::vector<double> all = data.all(input.dtype);
    for (int64_t at : {int64_t{0}, n / 2, n - 1}) {
      for (int64_t need : {int64_t{1}, n / 3 + 1, n, n + 1}) {
        int64_t found = -1, index = -2, number = 0, last = -1;
        CHECK_OK(mg_magnitude_find(context, input.dtype, n, data.x.data(), data.from(), all[at], need, &found, &index));
        append(result.bytes, &found, 1);
        append(result.bytes, &index, 1);
        if (!with_oracle) continue;
        for (int64_t i = 0; i < n && number < need; ++i) {
          if (all[i] == all[at] && ++number == need) last = i;
        }
        raise(result.error, exactly(found == number && index == last));
      }
    }
    if (!with_oracle) continue;
    const Ranked found = by_digits(context, input.dtype, n, data.x.data(), data.from(), n / 5 + 1, n / 2 + 1);
    raise(result.error, exactly(found == by_sorting(all, n / 5 + 1)));
  }
  return result;
}

// Rows of several lengths: one, one each, and between.
Outcome listed_ranked_drop(mg_context* context, const Input& input, bool with_oracle) {
  const int32_t real = input.dtype == MG_F64 ? MG_F64 : MG_F32;
  Outcome result;
  for (int kind = 0; kind < 4; ++kind) {
    const Magnitudes data(context, input, kind);
    const Vector x = data.x.values(input.dtype), base = data.base.values(input.dtype);
    const std::vector<double> all = magnitudes(input.dtype, x, &base);
    for (int64_t length : {input.size, int64_t{1}, std::min<int64_t>(input.size, kind == 2 ? 700 : 7)}) {
      const int64_t rows = std::min<int64_t>(input.size / length, 20), first = 5;
      const mg_ranked_drop_options options{kind == 1 ? 0.3 : 0.5, kind == 3 ? 0.0 : 0.2, -987654321098765432, 3,
                                           kind % 2};
      const Array out(context, rows * length * size_of(real), input.shift);
      CHECK_OK(mg_ranked_drop(context, input.dtype, rows, length, first, data.x.data(), data.base.data(), &options,
                              out.data()));
      append(result.bytes, out.read());
      if (!with_oracle) continue;
      std::vector<char> expected(static_cast<size_t>(rows * length * size_of(real)));
      std::vector<int64_t> order(static_cast<size_t>(length));
      for (int64_t row = 0; row < rows; ++row) {
        std::iota(order.begin(), order.end(), row * length);
        std::sort(order.begin(), order.end(),
                  [&](int64_t a, int64_t b) { return all[a] != all[b] ? all[a] < all[b] : a > b; });
        for (int64_t rank = 0; rank < length; ++rank) {
          const int64_t i = order[rank];
          const double p = length == 1 ? options.density
                                       : options.density - options.epsilon +
                                             static_cast<double>(rank) / static_cast<double>(length - 1) *
                                                 (2 * options.epsilon);
          const bool kept = philox_word(static_cast<uint64_t>(options.key), first + i, 3) < std::floor(p * 0x1p32);
          const double delta = real == MG_F64 ? x[i] - base[i] : static_cast<float>(x[i]) - static_cast<float>(base[i]);
          const double scaled = !options.inverse  ? delta
                                : real == MG_F64 ? 1 / p * delta
                                                 : static_cast<float>(1 / p) * static_cast<float>(delta);
          store(real, kept ? scaled : 0, expected.data(), i);
        }
      }
      raise(result.error, exactly(out.read() == expected));
    }
  }
  return result;
}

Outcome listed_dot_products(mg_context* context, const Input& input, bool with_oracle) {
  const double size = magnitude(input.dtype, input.scale, 2);
  const Array x(context, input.dtype, gaussian(input.size, 41, 0.1 * size, size), input.shift);
  const Array y(context, input.dtype, gaussian(input.size, 42, 0, size), input.shift);
  double found[3] = {-1, -1, -1};
  CHECK_OK(mg_dot_products(context, input.dtype, input.size, x.data(), y.data(), found));
  Outcome result;
  append(result.bytes, found, 3);
  if (!with_oracle) return result;
  const Vector a = x.values(input.dtype), b = y.values(input.dtype);
  long double exact[3] = {}, terms[3] = {};
  for (int64_t i = 0; i < input.size; ++i) {
    const long double products[] = {static_cast<long double>(a[i]) * b[i], static_cast<long double>(a[i]) * a[i],
                                    static_cast<long double>(b[i]) * b[i]};
    for (int k = 0; k < 3; ++k) {
      exact[k] += products[k];
      terms[k] += std::fabs(products[k]);
    }
  }
  for (int k = 0; k < 3; ++k) {
    const double allowed = 1e-14 * static_cast<double>(terms[k]) + 1e-300;
    raise(result.error, std::fabs(static_cast<double>(found[k] - exact[k])) / allowed);
  }
  return result;
}

Outcome listed_bandwidth(mg_context* context, const Input& input, bool) {
  constexpr int64_t kBeyond = 64;  // that nobody is to write
  const int64_t bytes = input.size * 64;
  const int32_t device = context->table->device;
  Outcome result;
  std::vector<void*> memory;
  std::vector<std::vector<char>> contents;
  for (int32_t k = 0; k < 5; ++k) {
    void* pointer = nullptr;
    CHECK_OK(mg_alloc(context, bytes + kBeyond, &pointer));
    Input bits = input;
    bits.scale = Scale::BITS;
    contents.push_back(random_elements(bits, (bytes + kBeyond) / 8, 50 + static_cast<uint64_t>(k)));
    CHECK_OK(mg_copy(context, pointer, device, contents.back().data(), MG_DEVICE_HOST, bytes + kBeyond));
    memory.push_back(pointer);
  }
  for (int32_t reads = 1; reads <= 3; ++reads) {
    const int32_t writes = reads - 1;
    CHECK_OK(mg_bandwidth(context, bytes, reads, memory.data(), writes, memory.data() + 3));
    std::vector<char> expected = contents[0];
    for (int32_t k = 1; k < reads; ++k) {
      for (size_t i = 0; i < expected.size(); ++i) expected[i] = static_cast<char>(expected[i] ^ contents[k][i]);
    }
    for (int32_t k = 0; k < writes; ++k) {
      std::vector<char>& there = contents[static_cast<size_t>(3 + k)];
      std::copy(expected.begin(), expected.begin() + bytes, there.begin());
      std::vector<char> found(there.size());
      CHECK_OK(mg_copy(context, found.data(), MG_DEVICE_HOST, memory[3 + k], device, bytes + kBeyond));
      append(result.bytes, found);
      raise(result.error, exactly(found == there));
    }
  }
  for (void* each : memory) mg_free(context, each);
  return result;
}

}  // namespace check
