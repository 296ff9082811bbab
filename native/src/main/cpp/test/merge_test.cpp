// SPDX-License-Identifier: Apache-2.0
// Goldens of task vectors, spherical interpolation, random drop, magnitudes; refusals.
#include <algorithm>
#include <numeric>

#include "test/selection.h"

using namespace check;

namespace {

const std::vector<float> kBase = {1, -2, .5f, 0, 3, -1};
const std::vector<float> kFirst = {1.4f, -2.1f, .8f, 0, 2.8f, -.95f}, kSecond = {.7f, -2.2f, .6f, .6f, 3.25f, -1};
// F64 tensors whose differences are the golden ones.
const Vector kWideBase = {1, -2, .5, 0, 3, -1};
const Vector kDelta1 = {.4, -.1, .3, 0, -.2, .05}, kDelta2 = {-.3, -.2, .1, .6, .25, 0};

mg_task weighted(double weight) { return {weight, 1, MG_TRIM_NONE, 0, 0, 0, 0, 0}; }
mg_task trimmed(double weight, double threshold, int64_t last) {
  return {weight, 1, MG_TRIM_MAGNITUDE, 0, threshold, last, 0, 0};
}

void expect_merge(const std::vector<mg_task>& tasks, bool elect, bool normalise, double lambda,
                  const Vector& expected) {
  Context context;
  const void* narrow[] = {kFirst.data(), kSecond.data()};
  std::vector<float> out(6);
  CHECK_OK(mg_task_merge(context, MG_F32, 0, 6, 2, kBase.data(), narrow, tasks.data(), elect, normalise, lambda,
                         out.data()));
  for (int i = 0; i < 6; ++i) CHECK_NEAR(out[i], expected[i], 4e-7 * std::max(1.0, std::fabs(expected[i])));
  Vector x1(6), x2(6), wide(6);
  for (int i = 0; i < 6; ++i) {
    x1[i] = kWideBase[i] + kDelta1[i];
    x2[i] = kWideBase[i] + kDelta2[i];
  }
  const void* in[] = {x1.data(), x2.data()};
  CHECK_OK(mg_task_merge(context, MG_F64, 0, 6, 2, kWideBase.data(), in, tasks.data(), elect, normalise, lambda,
                         wide.data()));
  for (int i = 0; i < 6; ++i) CHECK_NEAR(wide[i], expected[i], 1e-8);
}

template <typename T>
Ranked kth(const std::vector<T>& x, int64_t k, int32_t dtype, const std::vector<T>* base = nullptr) {
  Context context;
  return by_digits(context, dtype, static_cast<int64_t>(x.size()), reinterpret_cast<const char*>(x.data()),
                   base ? reinterpret_cast<const char*>(base->data()) : nullptr, k, 100003);
}

}  // namespace

TEST(merge_task_goldens) {
  expect_merge({weighted(.6), weighted(.4)}, false, false, 1, {1.12, -2.14, .72, .24, 2.98, -.97});
  expect_merge({weighted(.6), weighted(.4)}, false, false, .5, {1.06, -2.07, .61, .12, 2.99, -.985});
  // TIES, density 0.5: the three largest of each.
  const double t1 = .15, t2 = .22;
  expect_merge({trimmed(1, t1, -1), trimmed(1, t2, -1)}, true, true, 1, {1.4, -2, .8, .6, 3.25, -1});
  expect_merge({trimmed(.6, t1, -1), trimmed(.4, t2, -1)}, true, true, 1, {1.4, -2, .8, .6, 2.8, -1});
  expect_merge({trimmed(.6, t1, -1), trimmed(.4, t2, -1)}, true, false, 1, {1.24, -2, .68, .24, 2.88, -1});
}

TEST(merge_ties_keep_exactly_k) {
  Context context;
  const std::vector<float> base(8, 0.0f), x = {1, -2, 2, 1, -1, 2, 1, 1};
  const void* in[] = {x.data()};
  for (int64_t k = 1; k <= 8; ++k) {
    const Ranked found = kth(x, k, MG_F32);
    const mg_task task = trimmed(1, found.threshold, found.last);
    std::vector<float> out(8);
    CHECK_OK(mg_task_merge(context, MG_F32, 0, 8, 1, base.data(), in, &task, 1, 1, 1, out.data()));
    int64_t kept = 0;
    for (float each : out) kept += each != 0;
    CHECK(kept == k);
    if (k == 5) CHECK(same_bits(out, {1, -2, 2, 1, 0, 2, 0, 0}));
    // The same in two parts.
    std::vector<float> parts(8);
    const void* rest[] = {x.data() + 5};
    CHECK_OK(mg_task_merge(context, MG_F32, 0, 5, 1, base.data(), in, &task, 1, 1, 1, parts.data()));
    CHECK_OK(mg_task_merge(context, MG_F32, 5, 3, 1, base.data(), rest, &task, 1, 1, 1, parts.data() + 5));
    CHECK(same_bits(out, parts));
  }
}

TEST(merge_magnitude_goldens) {
  const std::vector<float> d1 = {.4f, -.1f, .3f, 0, -.2f, .05f};
  CHECK(kth(d1, 3, MG_F32).last == 4 && kth(d1, 3, MG_F32).threshold == .2f);
  CHECK(kth(d1, 6, MG_F32).threshold == 0);
  const std::vector<float> zeros(1000, -0.0f);
  CHECK(kth(zeros, 10, MG_F32).threshold == 0 && kth(zeros, 10, MG_F32).last == 9);
  CHECK(kth(zeros, 3, MG_F32, &zeros).last == 2);
  Context context;
  std::vector<int64_t> counts(1 << 16);
  int64_t found = 0, index = 0;
  const auto count = [&](int32_t dtype, int32_t shift, int32_t width, int64_t prefix, int64_t* out) {
    return mg_magnitude_counts(context, dtype, 1000, zeros.data(), nullptr, shift, width, prefix, out);
  };
  CHECK_FAILS(count(MG_F32, 0, 17, 0, counts.data()), MG_INVALID_ARGUMENT, "width must be in [1, 16], not 17");
  CHECK_FAILS(count(MG_F32, 16, 16, 0, counts.data()), MG_INVALID_ARGUMENT, "shift = 16 and width = 16 of 31 bits");
  CHECK_FAILS(count(MG_F32, 0, 15, 1 << 16, counts.data()), MG_INVALID_ARGUMENT, "prefix 65536 has more than 16 bits");
  CHECK_FAILS(count(9, 0, 15, 0, counts.data()), MG_INVALID_ARGUMENT, "unknown dtype 9");
  CHECK_FAILS(count(MG_F32, 0, 15, 0, nullptr), MG_INVALID_ARGUMENT, "counts is NULL");
  CHECK_FAILS(mg_magnitude_find(context, MG_F32, 5, zeros.data(), nullptr, kNaN, 1, &found, &index),
              MG_INVALID_ARGUMENT, "the threshold must be >= 0, not nan");
  CHECK_FAILS(mg_magnitude_find(context, MG_F32, 5, zeros.data(), nullptr, 0, 0, &found, &index), MG_INVALID_ARGUMENT,
              "need must be >= 1, not 0");
  CHECK_OK(mg_magnitude_find(context, MG_F32, 0, nullptr, nullptr, 0, 1, &found, &index));
  CHECK(found == 0 && index == -1);
}

// What a call that is cancelled has counted is not in the next one.
TEST(merge_magnitudes_after_a_cancelled_call) {
  Context context;
  const std::vector<float> x(300000, 2.0f);
  std::vector<int64_t> counts(1 << 16, 0);
  const auto count = [&] {
    return mg_magnitude_counts(context, MG_F32, 300000, x.data(), nullptr, 15, 16, 0, counts.data());
  };
  CHECK_OK(count());
  mg_context_cancel(context, 1);
  CHECK(count() == MG_CANCELLED);
  mg_context_cancel(context, 0);
  counts.assign(1 << 16, 0);
  CHECK_OK(count());
  CHECK(counts[0x40000000 >> 15] == 300000);
  CHECK(std::accumulate(counts.begin(), counts.end(), int64_t{0}) == 300000);
}

// Differences that F32 does not tell apart, and many equal ones.
TEST(merge_magnitude_of_wide_data) {
  for (int64_t n : {1, 7, 200000}) {
    Vector x = gaussian(n, 5), base = gaussian(n, 6);
    for (int64_t i = 0; i < n; ++i) {
      if (i % 3 == 0) x[i] = base[i] + (i % 2 ? 0.5 : -0.5);
      if (i % 3 == 1) x[i] = base[i] + 1 + 1e-12 * static_cast<double>(i % 5);
    }
    std::vector<std::pair<double, int64_t>> order;
    for (int64_t i = 0; i < n; ++i) order.push_back({-std::fabs(x[i] - base[i]), i});
    std::sort(order.begin(), order.end());
    for (int64_t k : {int64_t{1}, n / 4, n / 2, (3 * n) / 4, n}) {
      if (k == 0) continue;
      const Ranked found = kth(x, k, MG_F64, &base);
      CHECK(found.threshold == -order[k - 1].first);
      CHECK(found.last == order[k - 1].second);
    }
  }
}

// Sorted and unlike parts.
TEST(merge_magnitude_of_uneven_data) {
  for (int kind = 0; kind < 3; ++kind) {
    Vector values = gaussian(400000, 3);
    if (kind == 0) std::sort(values.begin(), values.end());
    for (int64_t i = 0; i < 400000 && kind == 1; ++i) values[i] *= i < 200000 ? 1e-6 : 1;
    for (int64_t i = 0; i < 400000 && kind == 2; ++i) values[i] = i % 12 == 0 ? values[i] : 0;
    std::vector<float> x(values.begin(), values.end());
    std::vector<std::pair<float, int64_t>> order;
    for (int64_t i = 0; i < 400000; ++i) order.push_back({-std::fabs(x[i]), i});
    std::sort(order.begin(), order.end());
    for (int64_t k : {1, 2, 20000, 200000, 399999, 400000}) {
      const Ranked found = kth(x, k, MG_F32);
      CHECK(found.threshold == -order[k - 1].first && found.last == order[k - 1].second);
    }
  }
}

// Probabilities of the ranks in rows: .6, .45, .55, .4, .5 and .4, .55, .6, .45, .5, as the inverse shows.
TEST(merge_ranked_drop_goldens) {
  Context context;
  const std::vector<float> d = {.4f, -.1f, .3f, 0, -.2f, .05f, .25f, -.6f, .1f, .2f}, base(10, 0.0f);
  const Vector p = {.6, .45, .55, .4, .5, .4, .55, .6, .45, .5};
  int seen = 0;
  std::vector<int> kept(10, 0);
  for (int64_t key = 0; key < 400; ++key) {
    const mg_ranked_drop_options options{.5, .1, key, 0, 1};
    std::vector<float> out(10, 7.0f);
    CHECK_OK(mg_ranked_drop(context, MG_F32, 2, 5, 0, d.data(), base.data(), &options, out.data()));
    for (int i = 0; i < 10; ++i) {
      if (out[i] == 0) continue;
      ++seen;
      ++kept[i];
      CHECK_NEAR(out[i], d[i] / p[i], 1e-6);
    }
  }
  CHECK(seen > 1500);
  for (int i = 0; i < 10; ++i) CHECK(d[i] == 0 || std::fabs(kept[i] - 400 * p[i]) < 40);
  const mg_ranked_drop_options wide{.5, .5, 0, 0, 0};
  std::vector<float> out(10);
  CHECK_FAILS(mg_ranked_drop(context, MG_F32, 2, 5, 0, d.data(), base.data(), &wide, out.data()), MG_INVALID_ARGUMENT,
              "density 0.5 and epsilon 0.5; the density less and plus epsilon must be in (0, 1)");
  CHECK_FAILS(mg_ranked_drop(context, MG_F32, 2, 0, 0, d.data(), base.data(), &wide, out.data()), MG_INVALID_ARGUMENT,
              "length must be in [1, 2^31), not 0");
}

// Words of the generator, found through what a limit just above and at them keeps.
TEST(merge_drop_goldens) {
  Context context;
  const auto kept = [&](int64_t key, int64_t first, int64_t keep, int64_t n) {
    const std::vector<float> base(n, 0.0f), ones(n, 1.0f);
    std::vector<float> out(n);
    const void* in[] = {ones.data()};
    const mg_task task{1, 1, MG_TRIM_RANDOM, 0, 0, 0, key, keep};
    CHECK_OK(mg_task_merge(context, MG_F32, first, n, 1, base.data(), in, &task, 0, 0, 1, out.data()));
    return out;
  };
  const uint32_t zero_key[] = {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8};
  for (int64_t i = 0; i < 4; ++i) {
    CHECK(kept(0, 0, int64_t{zero_key[i]}, 4)[i] == 0 && kept(0, 0, int64_t{zero_key[i]} + 1, 4)[i] == 1);
    CHECK(kept(0, i, int64_t{zero_key[i]} + 1, 1)[0] == 1 && kept(0, i, int64_t{zero_key[i]}, 1)[0] == 0);
  }
  const int64_t key = static_cast<int64_t>(42 ^ 0xaf63ea4c86020456u);  // of seed 42 and the name "w"
  const uint32_t words[] = {0xba64afee, 0x4868e87b, 0x450b845e, 0x97b09186, 0xe0beded5, 0x10424105};
  for (int64_t i = 0; i < 6; ++i) {
    CHECK(kept(key, 0, int64_t{words[i]}, 6)[i] == 0 && kept(key, 0, int64_t{words[i]} + 1, 6)[i] == 1);
  }
  CHECK(same_bits(kept(key, 0, int64_t{1} << 31, 6), {0, 1, 1, 0, 0, 1}));
  CHECK(same_bits(kept(key, 0, int64_t{1} << 32, 6), {1, 1, 1, 1, 1, 1}));
  CHECK(same_bits(kept(key, 0, 0, 6), {0, 0, 0, 0, 0, 0}));
}

TEST(merge_refuses) {
  Context context;
  const std::vector<float> x(4, 1.0f);
  std::vector<float> out(4);
  const void* in[] = {x.data()};
  mg_task task = weighted(kNaN);
  CHECK_FAILS(mg_task_merge(context, MG_F32, 0, 4, 1, x.data(), in, &task, 0, 0, 1, out.data()), MG_INVALID_ARGUMENT,
              "the weight of task 0 is nan");
  task = trimmed(1, kNaN, 0);
  CHECK_FAILS(mg_task_merge(context, MG_F32, 0, 4, 1, x.data(), in, &task, 0, 0, 1, out.data()), MG_INVALID_ARGUMENT,
              "the threshold of task 0 must be >= 0, not nan");
  CHECK_FAILS(mg_task_merge(context, MG_F32, 0, 4, 33, x.data(), in, &task, 0, 0, 1, out.data()), MG_INVALID_ARGUMENT,
              "models must be in [1, 32], not 33");
  CHECK_FAILS(mg_bandwidth(context, 65, 1, in, 0, nullptr), MG_INVALID_ARGUMENT,
              "bytes must be a multiple of 64 and >= 0, not 65");
}

// Outputs beyond half of the last cache take the stores that bypass it.
TEST(merge_large_outputs) {
  if (kSanitized) return;
  Context context;
  const int64_t n = (int64_t{1} << 26) + 37;
  std::vector<uint16_t> base(n), x(n), out(n + 8, 0x1234);
  for (int64_t i = 0; i < n; ++i) {
    base[i] = static_cast<uint16_t>(0x3f00 + i % 200);
    x[i] = static_cast<uint16_t>(0x3e80 + i % 777);
  }
  const mg_task task = weighted(0.5);
  const void* in[] = {x.data()};
  CHECK_OK(mg_task_merge(context, MG_BF16, 0, n, 1, base.data(), in, &task, 0, 0, 1, out.data() + 3));
  bool right = true;
  for (int64_t i = 0; i < n; ++i) {
    const float b = static_cast<float>(bfloat_value(base[i])), y = static_cast<float>(bfloat_value(x[i]));
    const float sum = b + 0.5f * (y - b);
    uint32_t bits;
    std::memcpy(&bits, &sum, 4);
    right = right && out[i + 3] == ((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
  }
  CHECK(right);
  for (int k : {0, 1, 2}) CHECK(out[k] == 0x1234 && out[n + 3 + k] == 0x1234);
}

// Outputs that a cache does not hold go past it, whole lines of them: the bytes are those of many small calls, whatever
// the alignment, also of what is not finite, and when the output is an input; nothing beside the output is touched.
TEST(merge_large_outputs_are_those_of_small_ones) {
  constexpr int64_t kBytes = int64_t{40} << 20, kPart = 1000003, kAround = 64;
  Context context;
  std::mt19937_64 generator(3);
  std::vector<char> memory[4];
  for (auto& each : memory) {
    each.resize(kBytes + 2 * kAround);
    for (size_t i = 0; i + 8 <= each.size(); i += 8) {
      // Some of any bits, which has NaN and infinities; most near 1.
      const uint64_t bits = generator(), near = (bits & 0x803f803f803f803fu) | 0x3f803f803f803f80u;
      std::memcpy(each.data() + i, i % 8192 == 0 ? &bits : &near, 8);
    }
  }
  const double weights[] = {.25, .5, -.125};
  const mg_task plain[] = {weighted(.5), weighted(.25)};
  for (int32_t type : {MG_F64, MG_F32, MG_F16, MG_BF16}) {
    const int64_t bytes = size_of(type), n = kBytes / bytes - 5;
    const mg_task kept[] = {trimmed(.5, .125, n / 2), trimmed(.25, .25, n / 3)};
    for (int64_t shift : {int64_t{0}, bytes, 5 * bytes}) {
      for (int kind = 0; kind < 5; ++kind) {
        const bool in_place = shift == bytes;
        if (kSanitized && in_place != (kind % 2 != 0)) continue;  // each kind and each shift is left
        std::vector<char> all = memory[3], parts = memory[3];
        const auto at = [&](std::vector<char>& array, int64_t i) { return array.data() + kAround + shift + i * bytes; };
        const auto run = [&](std::vector<char>& out, int64_t begin, int64_t count) {
          const void* in[] = {in_place ? at(out, begin) : memory[0].data() + begin * bytes,
                              memory[1].data() + (begin + 1) * bytes, at(memory[2], begin)};
          if (kind < 3) {
            CHECK_OK(mg_weighted_sum(context, type, count, kind + 1, in, weights, at(out, begin)));
          } else {
            CHECK_OK(mg_task_merge(context, type, begin, count, 2, in[2], in, kind == 3 ? plain : kept, kind == 4,
                                   kind == 4, 1, at(out, begin)));
          }
        };
        run(all, 0, n);
        for (int64_t begin = 0; begin < n; begin += kPart) run(parts, begin, std::min(kPart, n - begin));
        CHECK(same_bits(all, parts));
      }
    }
  }
}
