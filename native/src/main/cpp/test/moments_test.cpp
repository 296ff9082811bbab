// SPDX-License-Identifier: Apache-2.0
// Moments batch by batch: worked values, agreement with a two-pass F64 computation, splits, layouts, non-finite values.
#include <algorithm>
#include <chrono>
#include <thread>

#include "runtime/context.h"
#include "test/oracle.h"

using namespace check;

namespace {

// What a routine reads or writes, where the context computes: the memory of the test itself on the CPU.
class Placed {
 public:
  Placed(mg_context* context, void* host, size_t bytes)
      : context_(context), host_(host), memory_(host), bytes_(static_cast<int64_t>(bytes)) {
    if (context->backend == MG_BACKEND_CPU) return;
    CHECK_OK(mg_alloc(context, bytes_, &memory_));
    CHECK_OK(mg_copy(context, memory_, MG_DEVICE_CUDA, host, MG_DEVICE_HOST, bytes_));
  }
  template <typename T>
  Placed(mg_context* context, const std::vector<T>& values)
      : Placed(context, const_cast<T*>(values.data()), values.size() * sizeof(T)) {}
  ~Placed() {
    if (memory_ != host_) mg_free(context_, memory_);
  }
  Placed(const Placed&) = delete;
  Placed(Placed&& other) noexcept
      : context_(other.context_), host_(other.host_), memory_(other.memory_), bytes_(other.bytes_) {
    other.memory_ = other.host_;
  }
  void read() const {
    if (memory_ != host_) CHECK_OK(mg_copy(context_, host_, MG_DEVICE_HOST, memory_, MG_DEVICE_CUDA, bytes_));
  }
  void* data() const { return memory_; }

 private:
  mg_context* context_;
  void *host_, *memory_;
  int64_t bytes_;
};

// A test of both backends: on the CPU, and fake_moments_NAME on the device that this run has on the host.
#define MOMENTS_TEST(name)                                                        \
  static void moments_##name(mg_context* context);                                \
  static const Register register_##name("moments_" #name, [] {                    \
    const Context cpu;                                                            \
    moments_##name(cpu);                                                          \
  });                                                                             \
  static const Register register_fake_##name("fake_moments_" #name, [] {          \
    if (!device_on_host()) return;                                                \
    const Context device(2, MG_BACKEND_CUDA);                                     \
    moments_##name(device);                                                       \
  });                                                                             \
  static void moments_##name([[maybe_unused]] mg_context* context)

struct Moments {
  mg_context* context;
  mg_moments* handle = nullptr;
  std::vector<int64_t> widths;
  std::vector<int32_t> pair_i, pair_j;

  // All own and cross blocks of the series.
  Moments(mg_context* c, std::vector<int64_t> w, int32_t mode, int32_t nonfinite = MG_NONFINITE_FAIL)
      : context(c), widths(std::move(w)) {
    for (size_t i = 0; i < widths.size(); ++i) {
      for (size_t j = i; j < widths.size(); ++j) {
        pair_i.push_back(static_cast<int32_t>(i));
        pair_j.push_back(static_cast<int32_t>(j));
      }
    }
    CHECK_OK(mg_moments_create(context, static_cast<int32_t>(widths.size()), widths.data(),
                               static_cast<int32_t>(pair_i.size()), pair_i.data(), pair_j.data(), mode, nonfinite,
                               &handle));
  }
  ~Moments() { mg_moments_destroy(context, handle); }
  Moments(const Moments&) = delete;

  // Packed samples [from, from + n) of each series.
  template <typename T>
  int32_t add(const std::vector<std::vector<T>>& data, int64_t from, int64_t n) {
    std::vector<Placed> placed;
    std::vector<const void*> pointers;
    std::vector<int64_t> strides;
    for (size_t s = 0; s < widths.size(); ++s) {
      T* first = const_cast<T*>(data[s].data()) + from * widths[s];
      placed.emplace_back(context, first, static_cast<size_t>(n * widths[s]) * sizeof(T));
      pointers.push_back(placed.back().data());
      strides.insert(strides.end(), {widths[s], 0, 1});
    }
    return mg_moments_update(context, handle, pointers.data(), sizeof(T) == 8 ? MG_F64 : MG_F32, n, 1, strides.data());
  }

  Vector block(int32_t k) const {
    Vector out(static_cast<size_t>(widths[pair_i[k]] * widths[pair_j[k]]), kNaN);
    const Placed placed(context, out);
    CHECK_OK(mg_moments_block(context, handle, k, static_cast<double*>(placed.data())));
    placed.read();
    return out;
  }
  Vector mean(int32_t s) const {
    Vector mean(static_cast<size_t>(widths[s])), m2(mean.size());
    CHECK_OK(mg_moments_series(context, handle, s, mean.data(), m2.data()));
    return mean;
  }
  // Everything that can be read, for comparisons of bits.
  Vector everything() const {
    Vector all;
    for (size_t k = 0; k < pair_i.size(); ++k) {
      const Vector part = block(static_cast<int32_t>(k));
      all.insert(all.end(), part.begin(), part.end());
    }
    for (size_t s = 0; s < widths.size(); ++s) {
      const Vector part = mean(static_cast<int32_t>(s));
      all.insert(all.end(), part.begin(), part.end());
    }
    return all;
  }
};

template <typename T>
std::vector<T> samples(int64_t count, uint64_t seed, double mean = 0) {
  const Vector wide = gaussian(count, seed, mean);
  return std::vector<T>(wide.begin(), wide.end());
}

// Where each call costs a lot: many small ones are made fewer.
bool brief(const mg_context* context) { return kSanitized || context->backend != MG_BACKEND_CPU; }

const std::vector<int32_t> kModes = {MG_MOMENTS_F32, MG_MOMENTS_MIXED, MG_MOMENTS_F64, MG_MOMENTS_TF32X3};

// Three products in F32 for each of MIXED round three times as often.
double tolerance(int32_t mode) {
  if (mode == MG_MOMENTS_TF32X3) return 3e-5;
  return mode == MG_MOMENTS_F64 ? 1e-12 : mode == MG_MOMENTS_F32 ? 1e-4 : 1e-5;
}

}  // namespace

MOMENTS_TEST(goldens) {
  for (int32_t mode : kModes) {
    Moments m(context, {2}, mode);
    CHECK_OK(m.add<double>({{1, 2, 3, 4}}, 0, 2));
    CHECK_OK(m.add<double>({{5, 0, 7, 2, 0, 1}}, 0, 3));
    CHECK(mg_moments_count(m.handle) == 5);
    CHECK(largest_difference(m.mean(0), {3.2, 1.8}) < 1e-14);
    CHECK(largest_difference(m.block(0), {32.8, -.8, -.8, 8.8}) < (mode == MG_MOMENTS_F64 ? 1e-13 : 1e-5));

    Moments line(context, {1, 1}, mode);
    CHECK_OK(line.add<float>({{1, 2, 3}, {2, 4, 6}}, 0, 3));
    CHECK(line.block(0)[0] == 2 && line.block(1)[0] == 4 && line.block(2)[0] == 8);
  }
}

MOMENTS_TEST(large_mean) {
  const int64_t d = 20, n = 20000;
  const std::vector<float> x = samples<float>(n * d, 3, 1e4);
  const Vector exact = two_pass(x, d, x, d, n);
  Moments m(context, {d}, MG_MOMENTS_MIXED);
  for (int64_t from = 0; from < n; from += 500) CHECK_OK(m.add<float>({x}, from, 500));
  const Vector block = m.block(0);
  for (int64_t f = 0; f < d; ++f) CHECK_NEAR(block[f * d + f] / exact[f * d + f], 1, 1e-4);
  CHECK(largest_difference(block, exact) < 1e-4 * largest_magnitude(exact));
}

MOMENTS_TEST(splits_agree) {
  const int64_t d = 33, e = 5, n = 9001;
  const std::vector<double> x = samples<double>(n * d, 4, 10), y = samples<double>(n * e, 5, -1);
  for (int32_t mode : {MG_MOMENTS_MIXED, MG_MOMENTS_F64}) {
    Moments whole(context, {d, e}, mode);
    CHECK_OK(whole.add<double>({x, y}, 0, n));
    for (int64_t step : {1000, 4096, brief(context) ? 937 : 37}) {
      Moments split(context, {d, e}, mode), again(context, {d, e}, mode);
      for (int64_t from = 0; from < n; from += step) {
        CHECK_OK(split.add<double>({x, y}, from, std::min(step, n - from)));
        CHECK_OK(again.add<double>({x, y}, from, std::min(step, n - from)));
      }
      for (int32_t k = 0; k < 3; ++k) {
        const Vector expected = whole.block(k);
        CHECK(largest_difference(split.block(k), expected) < tolerance(mode) * largest_magnitude(expected));
      }
      CHECK(same_bits(split.everything(), again.everything()));
    }
  }
}

// Largest |actual - expected| / sqrt(xx_i yy_j): an entry of two small features is not excused by large ones.
static double correlation_error(const Vector& actual, const Vector& expected, const Vector& xx, const Vector& yy) {
  const size_t rows = static_cast<size_t>(std::sqrt(xx.size()) + .5), columns = expected.size() / rows;
  double worst = 0;
  for (size_t i = 0; i < rows; ++i) {
    for (size_t j = 0; j < columns; ++j) {
      const double scale = std::sqrt(xx[i * rows + i] * yy[j * columns + j]);
      const double error = std::fabs(actual[i * columns + j] - expected[i * columns + j]) / scale;
      worst = error <= worst ? worst : error;  // NaN is kept
    }
  }
  return worst;
}

MOMENTS_TEST(first_batch_unlike_the_rest) {
  const int64_t d = 9, e = 4, n = brief(context) ? 2 + 1024 : 2 + 8192;
  for (double offset : {1e2, 1e4, 1e6}) {
    std::vector<double> x = samples<double>(n * d, 31), y = samples<double>(n * e, 32);
    // Only every other feature, and against each other.
    for (int64_t m = 0; m < 2; ++m) {
      for (int64_t f = 0; f < d; f += 2) x[m * d + f] += f % 4 ? offset : -offset;
      for (int64_t f = 0; f < e; f += 2) y[m * e + f] += offset;
    }
    const Vector exact[] = {two_pass(x, d, x, d, n), two_pass(x, d, y, e, n), two_pass(y, e, y, e, n)};
    for (int32_t mode : kModes) {
      Moments whole(context, {d, e}, mode), split(context, {d, e}, mode), late(context, {d, e}, mode);
      CHECK_OK(whole.add<double>({x, y}, 0, n));
      CHECK_OK(split.add<double>({x, y}, 0, 2));
      for (int64_t from = 2; from < n; from += 512)
        CHECK_OK(split.add<double>({x, y}, from, std::min<int64_t>(512, n - from)));
      CHECK_OK(late.add<double>({x, y}, 2, n - 2));
      CHECK_OK(late.add<double>({x, y}, 0, 2));
      for (const Moments* each : {&whole, &split, &late}) {
        for (int32_t k = 0; k < 3; ++k) {
          const Vector block = each->block(k);
          const double error = correlation_error(block, exact[k], exact[k == 2 ? 2 : 0], exact[k == 0 ? 0 : 2]);
          CHECK(largest_difference(block, exact[k]) <= tolerance(mode) * largest_magnitude(exact[k]));
          CHECK_NEAR(error, 0, tolerance(mode));
        }
      }
    }
  }
}

// Random pieces in random order, each about a mean of its own of any magnitude.
MOMENTS_TEST(unlike_batches_in_any_order) {
  const int64_t d = 7, e = 3, n = brief(context) ? 1500 : 12000;
  std::mt19937_64 random(33);
  for (double magnitude : {10., 1e3, 1e8}) {
    for (int32_t mode : kModes) {
      std::vector<int64_t> begins = {0};
      std::vector<double> x = samples<double>(n * d, random()), y = samples<double>(n * e, random());
      while (begins.back() < n) {
        const int64_t from = begins.back();
        const int64_t longest = random() % 4 ? 60 : 5000;
        const int64_t to = std::min(n, from + 1 + static_cast<int64_t>(random() % longest));
        const Vector shift = gaussian(d + e, random());
        const double size = std::pow(magnitude, static_cast<double>(random() % 1000) / 1000);
        for (int64_t m = from; m < to; ++m) {
          for (int64_t f = 0; f < d; ++f) x[m * d + f] += f == 0 ? 0 : size * shift[f];
          for (int64_t f = 0; f < e; ++f) y[m * e + f] += size * shift[d + f];
        }
        begins.push_back(to);
      }
      const Vector exact[] = {two_pass(x, d, x, d, n), two_pass(x, d, y, e, n), two_pass(y, e, y, e, n)};
      std::vector<size_t> order;
      for (size_t i = 0; i + 1 < begins.size(); ++i) order.push_back(i);
      for (int32_t round = 0; round < 3; ++round) {
        Moments m(context, {d, e}, mode);
        for (size_t i : order) CHECK_OK(m.add<double>({x, y}, begins[i], begins[i + 1] - begins[i]));
        CHECK(mg_moments_count(m.handle) == n);
        for (int32_t k = 0; k < 3; ++k) {
          const double error = correlation_error(m.block(k), exact[k], exact[k == 2 ? 2 : 0], exact[k == 0 ? 0 : 2]);
          CHECK_NEAR(error, 0, tolerance(mode));
        }
        const Vector own = m.block(0);
        Vector mean(d), m2(d);
        CHECK_OK(mg_moments_series(context, m.handle, 0, mean.data(), m2.data()));
        for (int64_t f = 0; f < d; ++f) {
          long double sum = 0;
          for (int64_t t = 0; t < n; ++t) sum += x[t * d + f];
          const double deviation = std::sqrt(exact[0][f * d + f] / static_cast<double>(n));
          CHECK_NEAR(mean[f], static_cast<double>(sum / n), 1e-13 * deviation);
          CHECK(m2[f] == own[f * d + f]);
        }
        for (size_t i = order.size() - 1; i > 0; --i) std::swap(order[i], order[random() % (i + 1)]);
      }
    }
  }
}

// One sample at a time with a mean that is large against the deviation: no merge may cost digits.
MOMENTS_TEST(large_mean_in_small_pieces) {
  const int64_t d = 3, n = brief(context) ? 150 : 4000;
  for (double mean : {1e4, 1e9}) {
    const std::vector<double> x = samples<double>(n * d, 34, mean);
    const Vector exact = two_pass(x, d, x, d, n);
    for (int32_t mode : {MG_MOMENTS_MIXED, MG_MOMENTS_F64}) {
      for (int64_t step : {1, 2, 50}) {
        Moments m(context, {d}, mode);
        for (int64_t from = 0; from < n; from += step) CHECK_OK(m.add<double>({x}, from, step));
        CHECK_NEAR(correlation_error(m.block(0), exact, exact, exact), 0, tolerance(mode));
      }
    }
  }
}

MOMENTS_TEST(layouts_give_the_same_bits) {
  const int64_t batch = 3, channels = 70, pixels = 35, n = batch * pixels;
  const std::vector<float> planes = samples<float>(batch * channels * pixels, 8, 2);
  std::vector<float> packed(planes.size());
  for (int64_t b = 0; b < batch; ++b) {
    for (int64_t c = 0; c < channels; ++c) {
      for (int64_t p = 0; p < pixels; ++p) {
        packed[(b * pixels + p) * channels + c] = planes[(b * channels + c) * pixels + p];
      }
    }
  }
  std::vector<float> columns(planes.size());  // [features x samples]
  for (int64_t m = 0; m < n; ++m) {
    for (int64_t c = 0; c < channels; ++c) columns[c * n + m] = packed[m * channels + c];
  }
  Moments a(context, {channels}, MG_MOMENTS_MIXED), b(context, {channels}, MG_MOMENTS_MIXED),
      c(context, {channels}, MG_MOMENTS_MIXED);
  CHECK_OK(a.add<float>({packed}, 0, n));
  const Placed first(context, planes), second(context, columns);
  const void* data[] = {first.data()};
  const int64_t strides[] = {channels * pixels, 1, pixels};
  CHECK_OK(mg_moments_update(context, b.handle, data, MG_F32, batch, pixels, strides));
  const void* transposed[] = {second.data()};
  const int64_t transposed_strides[] = {1, 0, n};
  CHECK_OK(mg_moments_update(context, c.handle, transposed, MG_F32, n, 1, transposed_strides));
  CHECK(same_bits(a.everything(), b.everything()));
  CHECK(same_bits(a.everything(), c.everything()));
}

MOMENTS_TEST(constant_features_have_no_variance) {
  const int64_t n = 1001;
  for (double constant : {0.1, -1e4 / 3, 0.0}) {
    std::vector<double> x = samples<double>(n * 2, 9);
    for (int64_t m = 0; m < n; ++m) x[2 * m] = constant;
    for (int32_t mode : kModes) {
      Moments m(context, {2}, mode);
      CHECK_OK(m.add<double>({x}, 0, 500));
      CHECK_OK(m.add<double>({x}, 500, n - 500));
      const Vector block = m.block(0);
      CHECK(block[0] == 0 && block[1] == 0 && m.mean(0)[0] == constant);
    }
  }
}

MOMENTS_TEST(one_sample_gives_zero) {
  Moments m(context, {3}, MG_MOMENTS_MIXED);
  CHECK_OK(m.add<float>({{1, 2, 3}}, 0, 1));
  CHECK(m.block(0) == Vector(9, 0.0) && m.mean(0) == (Vector{1, 2, 3}));
}

MOMENTS_TEST(fail_on_nonfinite_values_without_a_trace) {
  const int64_t d = 9, e = 6, n = 50;
  const std::vector<float> x = samples<float>(n * d, 1), y = samples<float>(n * e, 2);
  Moments m(context, {d, e}, MG_MOMENTS_MIXED);
  CHECK_OK(m.add<float>({x, y}, 0, n));
  const Vector before = m.everything();
  std::vector<float> bad = y;
  bad[40 * e + 1] = static_cast<float>(kInf);
  bad[37 * e + 5] = static_cast<float>(kNaN);
  CHECK_FAILS(m.add<float>({x, bad}, 0, n), MG_NUMERICAL, "series 1, sample 37, feature 5: NaN");
  bad[37 * e + 5] = 0;
  CHECK_FAILS(m.add<float>({x, bad}, 0, n), MG_NUMERICAL, "series 1, sample 40, feature 1: infinite");
  CHECK(same_bits(m.everything(), before) && mg_moments_count(m.handle) == n);
}

MOMENTS_TEST(skip_samples) {
  const int64_t d = 5, n = 20;
  const std::vector<double> x = samples<double>(n * d, 1, 3), y = samples<double>(n * d, 2);
  std::vector<double> bad_x = x, bad_y = y, good_x, good_y;
  bad_x[0] = kNaN;
  bad_y[7 * d + 2] = -kInf;
  for (int64_t m = 0; m < n; ++m) {
    if (m == 0 || m == 7) continue;
    good_x.insert(good_x.end(), x.begin() + m * d, x.begin() + (m + 1) * d);
    good_y.insert(good_y.end(), y.begin() + m * d, y.begin() + (m + 1) * d);
  }
  Moments skipping(context, {d, d}, MG_MOMENTS_F64, MG_NONFINITE_SKIP_SAMPLE), good(context, {d, d}, MG_MOMENTS_F64);
  CHECK_OK(skipping.add<double>({bad_x, bad_y}, 0, n));
  CHECK_OK(good.add<double>({good_x, good_y}, 0, n - 2));
  CHECK(mg_moments_count(skipping.handle) == n - 2 && mg_moments_skipped(skipping.handle) == 2);
  CHECK(same_bits(skipping.everything(), good.everything()));

  Moments none(context, {1}, MG_MOMENTS_F64, MG_NONFINITE_SKIP_SAMPLE);
  CHECK_OK(none.add<double>({{kNaN, kInf}}, 0, 2));
  CHECK(mg_moments_count(none.handle) == 0 && mg_moments_skipped(none.handle) == 2);
  double mean = 0, m2 = 0;
  CHECK_FAILS(mg_moments_series(context, none.handle, 0, &mean, &m2), MG_INVALID_ARGUMENT,
              "no samples have been added");
}

// An update of several panels, with the bad value in the last one.
MOMENTS_TEST(fail_in_a_later_panel_without_a_trace) {
  const int64_t d = 9, e = 6, n = 10000;
  const std::vector<float> x = samples<float>(n * d, 1), y = samples<float>(n * e, 2);
  for (int32_t mode : kModes) {
    Moments m(context, {d, e}, mode);
    CHECK_OK(m.add<float>({x, y}, 0, 300));
    const Vector before = m.everything();
    std::vector<float> bad = y;
    bad[9000 * e + 2] = static_cast<float>(-kInf);
    CHECK_FAILS(m.add<float>({x, bad}, 0, n), MG_NUMERICAL, "series 1, sample 9000, feature 2: infinite");
    CHECK(same_bits(m.everything(), before) && mg_moments_count(m.handle) == 300);
    CHECK_OK(m.add<float>({x, y}, 300, n - 300));
    Moments straight(context, {d, e}, mode);
    CHECK_OK(straight.add<float>({x, y}, 0, 300));
    CHECK_OK(straight.add<float>({x, y}, 300, n - 300));
    CHECK(same_bits(m.everything(), straight.everything()));
  }
  // So wide that the state is larger than the batch: looked at beforehand.
  const int64_t wide = 2200, rows = 4200;
  std::vector<float> flat(static_cast<size_t>(wide * rows), 1.0f);
  flat[flat.size() - 3] = static_cast<float>(kNaN);
  Moments m(context, {wide}, MG_MOMENTS_MIXED);
  CHECK_FAILS(m.add<float>({flat}, 0, rows), MG_NUMERICAL, "series 0, sample 4199, feature 2197: NaN");
  CHECK(mg_moments_count(m.handle) == 0);
}

MOMENTS_TEST(skip_samples_in_any_panel) {
  const int64_t d = 11, n = 9500;
  const std::vector<double> x = samples<double>(n * d, 1, 3), y = samples<double>(n * d, 2);
  for (const std::vector<int64_t>& dropped : {std::vector<int64_t>{5000}, {0, 4095, 4096, 9499}, {9000, 9001}}) {
    std::vector<double> bad = x, good_x, good_y;
    for (int64_t m : dropped) bad[m * d + m % d] = m % 2 ? kNaN : kInf;
    for (int64_t m = 0; m < n; ++m) {
      if (std::find(dropped.begin(), dropped.end(), m) != dropped.end()) continue;
      good_x.insert(good_x.end(), x.begin() + m * d, x.begin() + (m + 1) * d);
      good_y.insert(good_y.end(), y.begin() + m * d, y.begin() + (m + 1) * d);
    }
    const int64_t kept = n - static_cast<int64_t>(dropped.size());
    Moments skipping(context, {d, d}, MG_MOMENTS_MIXED, MG_NONFINITE_SKIP_SAMPLE);
    Moments good(context, {d, d}, MG_MOMENTS_MIXED);
    CHECK_OK(skipping.add<double>({bad, y}, 0, n));
    CHECK_OK(good.add<double>({good_x, good_y}, 0, kept));
    CHECK(mg_moments_count(skipping.handle) == kept);
    CHECK(mg_moments_skipped(skipping.handle) == n - kept);
    CHECK(same_bits(skipping.everything(), good.everything()));
  }
}

// Means and variances do not depend on which blocks are asked, nor on their precision.
MOMENTS_TEST(without_blocks) {
  const int64_t d = 37, n = 9000, widths[] = {d};
  const int32_t zero = 0;
  const std::vector<float> x = samples<float>(n * d, 3, 100);
  const Placed placed(context, x);
  const void* data[] = {placed.data()};
  const int64_t strides[] = {d, 0, 1};
  Vector first;
  for (int32_t mode : kModes) {
    for (int32_t pairs : {0, 1}) {
      mg_moments* m = nullptr;
      CHECK_OK(mg_moments_create(context, 1, widths, pairs, &zero, &zero, mode, MG_NONFINITE_FAIL, &m));
      CHECK_OK(mg_moments_update(context, m, data, MG_F32, n, 1, strides));
      Vector mean(d), m2(d);
      CHECK_OK(mg_moments_series(context, m, 0, mean.data(), m2.data()));
      mg_moments_destroy(context, m);
      mean.insert(mean.end(), m2.begin(), m2.end());
      if (first.empty()) first = mean;
      CHECK(same_bits(mean, first));
    }
  }
  const Vector exact = two_pass(x, d, x, d, n);
  for (int64_t f = 0; f < d; ++f) CHECK_NEAR(first[d + f] / exact[f * d + f], 1, 1e-12);
}

// The samples that give the shift may say nothing about the panel: every 128th sample far from all others.
MOMENTS_TEST(shift_far_from_the_mean) {
  const int64_t d = 5, n = 4096;
  std::vector<double> x = samples<double>(n * d, 13);
  for (int64_t m = 0; m < n; m += 128) {
    for (int64_t f = 0; f < d; ++f) x[m * d + f] += f == 0 ? 0 : f == 1 ? 1e6 : 30;
  }
  const Vector exact = two_pass(x, d, x, d, n);
  for (int32_t mode : kModes) {
    Moments m(context, {d}, mode);
    CHECK_OK(m.add<double>({x}, 0, n));
    CHECK_NEAR(correlation_error(m.block(0), exact, exact, exact), 0, tolerance(mode));
  }
}

// MIXED and TF32X3 at any scale of F32 give what they give near 1, exactly; beyond, and in F32 mode, they say so.
MOMENTS_TEST(of_any_scale) {
  const int64_t n = 700;
  const std::vector<Vector> data = {gaussian(n * 9, 1, 0.5), gaussian(n * 14, 2, -3)};
  const auto scaled = [&](int x, int y) {
    std::vector<std::vector<float>> result(2);
    for (double each : data[0]) result[0].push_back(std::ldexp(static_cast<float>(each), x));
    for (double each : data[1]) result[1].push_back(std::ldexp(static_cast<float>(each), y));
    return result;
  };
  for (int32_t mode : {MG_MOMENTS_MIXED, MG_MOMENTS_TF32X3}) {
    Moments want(context, {9, 14}, mode);
    CHECK_OK(want.add(scaled(0, 0), 0, 300));
    CHECK_OK(want.add(scaled(0, 0), 300, 400));
    for (int x : {-100, -70, -25, 0, 25, 64, 100}) {
      for (int y : {-90, 0, 90}) {
        Moments found(context, {9, 14}, mode);
        CHECK_OK(found.add(scaled(x, y), 0, 300));
        CHECK_OK(found.add(scaled(x, y), 300, 400));
        const int exponents[] = {2 * x, x + y, 2 * y};
        for (int32_t k = 0; k < 3; ++k) {
          Vector block = found.block(k);
          for (double& each : block) each = std::ldexp(each, -exponents[k]);
          CHECK(same_bits(block, want.block(k)));
        }
      }
    }
  }
  Moments narrow(context, {9, 14}, MG_MOMENTS_F32);
  CHECK_FAILS(narrow.add(scaled(-70, 0), 0, n), MG_NUMERICAL,
              "series 0: deviations of about 8e-22 have no products in F32; use the F64 mode");
  Moments mixed(context, {9, 14}, MG_MOMENTS_MIXED);
  CHECK_FAILS(mixed.add(scaled(0, -115), 0, n), MG_NUMERICAL,
              "series 1: deviations of about 2e-35 have no products in F32; use the F64 mode");
  CHECK(mg_moments_count(mixed.handle) == 0);
  CHECK_OK(mixed.add(scaled(0, 0), 0, n));
  for (int exponent : {-510, -490, -115, 115, 400}) {
    std::vector<Vector> wide = data;
    for (Vector& series : wide) {
      for (double& each : series) each = std::ldexp(each, exponent);
    }
    Moments exact(context, {9, 14}, MG_MOMENTS_F64), plain(context, {9, 14}, MG_MOMENTS_F64);
    if (exponent == -510) {
      CHECK_FAILS(exact.add(wide, 0, n), MG_NUMERICAL,
                  "series 0: deviations below 1e-152, whose squares vanish; multiply the values by a constant first");
      continue;
    }
    CHECK_OK(exact.add(wide, 0, n));
    CHECK_OK(plain.add(data, 0, n));
    Vector block = exact.block(1);
    for (double& each : block) each = std::ldexp(each, -2 * exponent);
    CHECK(same_bits(block, plain.block(1)));
  }
  // Constant features have no deviations, whatever their value.
  Moments constant(context, {2}, MG_MOMENTS_MIXED);
  CHECK_OK(constant.add(std::vector<Vector>{Vector(20, 1e-200)}, 0, 10));
}

MOMENTS_TEST(overflow_is_reported) {
  Moments m(context, {1}, MG_MOMENTS_MIXED);
  CHECK_OK(m.add<double>({{0, 1e200}}, 0, 2));
  double mean = 0, m2 = 0;
  CHECK_FAILS(mg_moments_series(context, m.handle, 0, &mean, &m2), MG_NUMERICAL,
              "series 0, feature 0: the sum of squares overflowed; divide the values by a constant first");
}

MOMENTS_TEST(stopped_half_way_are_refused) {
  const int64_t d = 400, n = 20000;
  const std::vector<float> x = samples<float>(n * d, 1);
  Moments m(context, {d}, MG_MOMENTS_F64);
  const Placed placed(context, x);
  const void* data[] = {placed.data()};
  const int64_t strides[] = {d, 0, 1};
  std::thread killer([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(25));
    mg_context_cancel(context, 1);
  });
  int32_t status = MG_OK;
  while (status == MG_OK) status = mg_moments_update(context, m.handle, data, MG_F32, n, 1, strides);
  killer.join();
  CHECK(status == MG_CANCELLED);
  mg_context_cancel(context, 0);
  // It may have been stopped before the state was touched.
  if (m.add<float>({x}, 0, 10) == MG_OK) return;
  CHECK_FAILS(m.add<float>({x}, 0, 10), MG_INVALID_ARGUMENT, "these moments are unusable: an update stopped half-way");
  const Vector out(static_cast<size_t>(d * d));
  const Placed block(context, out);
  CHECK_FAILS(mg_moments_block(context, m.handle, 0, static_cast<double*>(block.data())), MG_INVALID_ARGUMENT,
              "these moments are unusable: an update stopped half-way");
}

MOMENTS_TEST(arguments) {
  mg_moments* handle = nullptr;
  const int64_t widths[] = {2, 0};
  const int32_t i[] = {1}, j[] = {0};
  CHECK_FAILS(mg_moments_create(context, 2, widths, 0, nullptr, nullptr, MG_MOMENTS_F64, 0, &handle),
              MG_INVALID_ARGUMENT, "width of series 1 must be in [1, 2^31), not 0");
  CHECK_FAILS(mg_moments_create(context, 1, widths, 1, i, j, MG_MOMENTS_F64, 0, &handle), MG_INVALID_ARGUMENT,
              "pair 0 is (1, 0); expected 0 <= i <= j < 1");
  CHECK_FAILS(mg_moments_create(context, 1, widths, 0, nullptr, nullptr, 5, 0, &handle), MG_INVALID_ARGUMENT,
              "unknown moments mode 5");
  mg_moments_destroy(context, nullptr);
}
