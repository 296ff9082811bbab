// SPDX-License-Identifier: Apache-2.0
// Results that must have the same bytes on every instruction-set level: conversions, merge arithmetic, gathers, means
// and sums of squares, assignments with their duals. cppbuild.sh compares the digests of all levels.
#include "test/check.h"

namespace check {

namespace {

class Digest {
 public:
  void add(const void* data, size_t bytes) {
    for (size_t i = 0; i < bytes; ++i) hash_ = (hash_ ^ static_cast<const unsigned char*>(data)[i]) * 0x100000001b3u;
  }
  template <typename T>
  void add(const std::vector<T>& values) {
    add(values.data(), values.size() * sizeof(T));
  }
  uint64_t value() const { return hash_; }

 private:
  uint64_t hash_ = 0xcbf29ce484222325u;
};

constexpr int64_t kCount = 50021;

// Random bits, so that all exponents, NaN and subnormals occur.
std::vector<uint64_t> noise(uint64_t seed) {
  std::mt19937_64 generator(seed);
  std::vector<uint64_t> bits(kCount);
  for (uint64_t& each : bits) each = generator();
  return bits;
}

void elementwise(mg_context* context, Digest& digest) {
  const std::vector<uint64_t> a = noise(1), b = noise(2), c = noise(3);
  const void* in[] = {a.data(), b.data(), c.data()};
  const double weights[] = {0.3, -1.7, 1e-3};
  std::vector<int64_t> index(1000);
  Vector scale = gaussian(1000, 4);
  for (int64_t i = 0; i < 1000; ++i) index[i] = i * 7 % 1000;
  for (int32_t from = MG_F64; from <= MG_BF16; ++from) {
    for (int32_t to = MG_F64; to <= MG_BF16; ++to) {
      std::vector<uint64_t> out(kCount, 0);
      int64_t overflowed = 0;
      CHECK_OK(mg_convert(context, from, to, kCount, a.data(), out.data(), &overflowed));
      digest.add(out);
      digest.add(&overflowed, sizeof overflowed);
    }
    std::vector<uint64_t> sum(kCount, 0), gathered(kCount, 0);
    int64_t found[2];
    CHECK_OK(mg_weighted_sum(context, from, kCount, 3, in, weights, sum.data()));
    CHECK_OK(mg_apply_gather(context, from, 1, 1000, 40, 1000, index.data(), scale.data(), a.data(), 40000,
                             gathered.data(), 40000));
    CHECK_OK(mg_nonfinite_count(context, from, kCount, a.data(), &found[0], &found[1]));
    digest.add(sum);
    digest.add(gathered);
    digest.add(found, sizeof found);
  }
}

void moments(mg_context* context, Digest& digest) {
  const int64_t width = 101, samples = 403;
  const int64_t strides[] = {width, 0, 1};
  const Vector data = gaussian(width * samples, 5, 3);
  const void* streams[] = {data.data()};
  for (int32_t mode = MG_MOMENTS_F32; mode <= MG_MOMENTS_F64; ++mode) {
    mg_moments* handle = nullptr;
    CHECK_OK(mg_moments_create(context, 1, &width, 0, nullptr, nullptr, mode, MG_NONFINITE_FAIL, &handle));
    const void* rest[] = {data.data() + 7 * width};
    CHECK_OK(mg_moments_update(context, handle, streams, MG_F64, 7, 1, strides));
    CHECK_OK(mg_moments_update(context, handle, rest, MG_F64, samples - 7, 1, strides));
    Vector mean(width), m2(width);
    CHECK_OK(mg_moments_stream(context, handle, 0, mean.data(), m2.data()));
    mg_moments_destroy(context, handle);
    digest.add(mean);
    digest.add(m2);
  }
}

void assignments(mg_context* context, Digest& digest) {
  for (int64_t n : {5, 16, 67, 130}) {
    for (int64_t rows : {n, n - 3}) {
      for (bool tied : {false, true}) {
        Vector cost = gaussian(n * n, static_cast<uint64_t>(n)), u(rows), v(n);
        if (tied) {
          for (double& c : cost) c = std::floor(2 * c);
        }
        std::vector<int64_t> columns(rows);
        double value = 0;
        CHECK_OK(
            mg_assignment(context, MG_F64, rows, n, cost.data(), n, 1, columns.data(), u.data(), v.data(), &value));
        digest.add(columns);
        digest.add(u);
        digest.add(v);
        digest.add(&value, sizeof value);
      }
    }
  }
}

}  // namespace

uint64_t digest() {
  Context context;
  Digest digest;
  elementwise(context, digest);
  moments(context, digest);
  assignments(context, digest);
  return digest.value();
}

}  // namespace check
