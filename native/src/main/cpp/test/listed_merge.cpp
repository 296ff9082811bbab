// SPDX-License-Identifier: Apache-2.0
// Oracles of task vectors, magnitudes and sums of products.
#include <memory>

#include "test/listed_tools.h"

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

Outcome listed_kth_magnitude(mg_context* context, const Input& input, bool with_oracle) {
  const int64_t n = input.size;
  const double size = magnitude(input.dtype, input.scale);
  Outcome result;
  for (int kind = 0; kind < 4; ++kind) {
    Vector values = gaussian(n, 31);
    if (kind == 1) {
      for (double& each : values) each = std::floor(3 * each);  // many ties
    } else if (kind == 2) {
      std::fill(values.begin(), values.end(), -1.5);
    }
    const Array x(context, input.dtype, scaled(values, size), input.shift);
    const Array b(context, input.dtype, gaussian(n, 32, 0, size), input.shift);
    const bool with_base = kind == 3;
    for (int64_t k : {int64_t{1}, n / 5 + 1, n / 2 + 1, n}) {
      mg_threshold found{-1, -1};
      CHECK_OK(mg_kth_magnitude(context, input.dtype, n, x.data(), with_base ? b.data() : nullptr, k, &found));
      append(result.bytes, &found, 1);
      if (!with_oracle) continue;
      const Vector xs = x.values(input.dtype), bs = b.values(input.dtype);
      std::vector<std::pair<float, int64_t>> order;
      for (int64_t i = 0; i < n; ++i) {
        const float delta = static_cast<float>(xs[i]) - static_cast<float>(with_base ? bs[i] : 0);
        order.push_back({-std::fabs(delta), i});
      }
      std::nth_element(order.begin(), order.begin() + (k - 1), order.end());
      raise(result.error, exactly(found.threshold == -order[k - 1].first && found.last == order[k - 1].second));
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
  const int64_t bytes = input.size * 64;
  const int32_t device = context->table->device;
  Outcome result;
  std::vector<void*> memory;
  std::vector<std::vector<char>> contents;
  for (int32_t k = 0; k < 5; ++k) {
    void* pointer = nullptr;
    CHECK_OK(mg_alloc(context, bytes, &pointer));
    Input bits = input;
    bits.scale = Scale::BITS;
    contents.push_back(random_elements(bits, bytes / 8, 50 + static_cast<uint64_t>(k)));
    CHECK_OK(mg_copy(context, pointer, device, contents.back().data(), MG_DEVICE_HOST, bytes));
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
      std::vector<char> found(expected.size());
      CHECK_OK(mg_copy(context, found.data(), MG_DEVICE_HOST, memory[3 + k], device, bytes));
      append(result.bytes, found);
      raise(result.error, exactly(found == expected));
    }
  }
  for (void* each : memory) mg_free(context, each);
  return result;
}

}  // namespace check
