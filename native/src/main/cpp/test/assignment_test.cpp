// SPDX-License-Identifier: Apache-2.0
// Linear assignment: worked values, brute force, certificates on families that strain each phase, errors.
#include <algorithm>
#include <functional>
#include <numeric>

#include "test/check.h"

using namespace check;

namespace {

struct Matching {
  std::vector<int64_t> columns;
  Vector u, v;
  double value = 0;
};

Matching solve(mg_context* context, int64_t rows, int64_t cols, const Vector& cost, bool maximise) {
  Matching m{std::vector<int64_t>(rows), Vector(rows), Vector(cols)};
  CHECK_OK(mg_assignment(context, MG_F64, rows, cols, cost.data(), cols, maximise, m.columns.data(), m.u.data(),
                         m.v.data(), &m.value));
  double violation = kNaN, largest = 0;
  for (double c : cost) {
    if (std::isfinite(c)) largest = std::max(largest, std::fabs(c));
  }
  CHECK_OK(mg_assignment_certify(context, MG_F64, rows, cols, cost.data(), cols, maximise, m.columns.data(), m.u.data(),
                                 m.v.data(), &violation));
  const double eps = std::numeric_limits<double>::epsilon();
  CHECK_NEAR(violation, 0, 4 * eps * largest * static_cast<double>(std::max<int64_t>(cols, 1)) + 1e-300);
  return m;
}

// Best sum over all ways to give each row its own column, by dynamic programming over sets of columns.
double brute_force(int64_t rows, int64_t cols, const Vector& cost, bool maximise) {
  const double worst = maximise ? -kInf : kInf;
  Vector best(size_t{1} << cols, worst);
  best[0] = 0;
  double result = worst;
  for (size_t set = 0; set < best.size(); ++set) {
    const int64_t i = __builtin_popcountll(set);
    if (i == rows) result = maximise ? std::max(result, best[set]) : std::min(result, best[set]);
    if (i >= rows || best[set] == worst) continue;
    for (int64_t j = 0; j < cols; ++j) {
      if (set >> j & 1) continue;
      double& target = best[set | size_t{1} << j];
      const double value = best[set] + cost[i * cols + j];
      target = maximise ? std::max(target, value) : std::min(target, value);
    }
  }
  return result;
}

using Family = std::function<double(std::mt19937_64&, int64_t i, int64_t j, int64_t n)>;

double uniform(std::mt19937_64& g) { return std::uniform_real_distribution<double>(0, 1)(g); }

std::vector<std::pair<const char*, Family>> families() {
  return {
      {"uniform", [](auto& g, int64_t, int64_t, int64_t) { return uniform(g); }},
      {"planted", [](auto& g, int64_t i, int64_t j, int64_t n) { return uniform(g) - (j == (7 * i + 3) % n ? 5 : 0); }},
      {"integers 0..9", [](auto& g, int64_t, int64_t, int64_t) { return std::floor(10 * uniform(g)); }},
      {"integers 0..n-1",
       [](auto& g, int64_t, int64_t, int64_t n) { return std::floor(static_cast<double>(n) * uniform(g)); }},
      {"rank one",
       [](auto&, int64_t i, int64_t j, int64_t) {
         return (1 + std::fmod(0.618 * static_cast<double>(i), 1.0)) *
                (1 + std::fmod(0.414 * static_cast<double>(j), 1.0));
       }},
      {"constant", [](auto&, int64_t, int64_t, int64_t) { return 3.25; }},
      {"euclidean",
       [](auto&, int64_t i, int64_t j, int64_t) {
         const double a = static_cast<double>(i), b = static_cast<double>(j);
         return std::hypot(std::fmod(0.618 * a, 1) - std::fmod(0.755 * b, 1),
                           std::fmod(0.414 * a, 1) - std::fmod(0.57 * b, 1));
       }},
      {"zero blocks",
       [](auto& g, int64_t i, int64_t j, int64_t n) { return i < n / 3 || j < n / 3 ? 0.0 : uniform(g); }},
      {"huge offset", [](auto& g, int64_t, int64_t, int64_t) { return 1e6 + 1e-3 * uniform(g); }},
      {"correlation", [](auto& g, int64_t, int64_t, int64_t) { return 2 * uniform(g) * uniform(g) - 1; }},
  };
}

Vector fill(const Family& family, int64_t rows, int64_t cols, uint64_t seed) {
  std::mt19937_64 generator(seed);
  Vector cost(static_cast<size_t>(rows * cols));
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < cols; ++j) cost[i * cols + j] = family(generator, i, j, cols);
  }
  return cost;
}

}  // namespace

TEST(assignment_goldens) {
  Context context;
  const Matching max = solve(context, 3, 3, {.9, .8, .1, .85, .2, .1, .3, .4, .35}, true);
  CHECK(max.columns == (std::vector<int64_t>{1, 0, 2}));
  CHECK_NEAR(max.value, 2, 1e-15);
  const Matching min = solve(context, 3, 3, {4, 1, 3, 2, 0, 5, 3, 2, 2}, false);
  CHECK(min.columns == (std::vector<int64_t>{1, 0, 2}));
  CHECK(min.value == 5);
}

TEST(assignment_matches_brute_force) {
  Context context;
  for (const auto& [name, family] : families()) {
    for (int64_t cols = 1; cols <= 7; ++cols) {
      for (int64_t rows = 1; rows <= cols; ++rows) {
        for (uint64_t seed = 0; seed < 6; ++seed) {
          const Vector cost = fill(family, rows, cols, seed * 97 + static_cast<uint64_t>(cols));
          for (bool maximise : {false, true}) {
            const double expected = brute_force(rows, cols, cost, maximise);
            CHECK_NEAR(solve(context, rows, cols, cost, maximise).value, expected, 1e-14 * (1 + std::fabs(expected)));
          }
        }
      }
    }
  }
}

TEST(assignment_ties_on_small_integers) {
  Context context;
  const Family small = [](auto& g, int64_t, int64_t, int64_t) { return std::floor(3 * uniform(g)); };
  for (uint64_t seed = 0; seed < 300; ++seed) {
    const int64_t cols = 1 + static_cast<int64_t>(seed % 7), rows = 1 + static_cast<int64_t>(seed / 7) % cols;
    const Vector cost = fill(small, rows, cols, seed);
    CHECK(solve(context, rows, cols, cost, false).value == brute_force(rows, cols, cost, false));
  }
}

TEST(assignment_certificates) {
  Context context;
  for (const auto& [name, family] : families()) {
    for (int64_t n : {8, 9, 15, 16, 17, 31, 33, 64, 65, 257}) {
      const Vector cost = fill(family, n, n, static_cast<uint64_t>(n));
      solve(context, n, n, cost, false);
      solve(context, n, n, cost, true);
      solve(context, n / 2, n, Vector(cost.begin(), cost.begin() + n / 2 * n), false);
      solve(context, n - 1, n, Vector(cost.begin(), cost.begin() + (n - 1) * n), true);
    }
  }
}

TEST(assignment_f32_and_leading_dimension) {
  Context context;
  const int64_t n = 37, ld = 41;
  const Vector random = gaussian(n * n, 3);
  std::vector<float> narrow(n * ld, std::numeric_limits<float>::quiet_NaN());
  Vector wide(random.size());
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < n; ++j) wide[i * n + j] = narrow[i * ld + j] = static_cast<float>(random[i * n + j]);
  }
  const Matching expected = solve(context, n, n, wide, true);
  Matching m{std::vector<int64_t>(n), Vector(n), Vector(n)};
  CHECK_OK(
      mg_assignment(context, MG_F32, n, n, narrow.data(), ld, 1, m.columns.data(), m.u.data(), m.v.data(), &m.value));
  CHECK(m.columns == expected.columns && m.value == expected.value && same_bits(m.v, expected.v));
}

TEST(assignment_forbidden_edges) {
  Context context;
  CHECK(solve(context, 2, 2, {1, kInf, 0, 5}, false).value == 6);
  CHECK(solve(context, 2, 2, {1, -kInf, 9, 5}, true).value == 6);
  std::mt19937_64 generator(5);
  for (int round = 0; round < 400; ++round) {
    const int64_t cols = 1 + round % 7, rows = std::max<int64_t>(1, cols - round % 3);
    Vector cost(static_cast<size_t>(rows * cols));
    for (double& c : cost) c = uniform(generator) < 0.45 ? kInf : std::floor(5 * uniform(generator));
    const double expected = brute_force(rows, cols, cost, false);
    if (std::isfinite(expected)) {
      CHECK(solve(context, rows, cols, cost, false).value == expected);
    } else {
      Matching m{std::vector<int64_t>(rows), Vector(rows), Vector(cols)};
      CHECK(mg_assignment(context, MG_F64, rows, cols, cost.data(), cols, 0, m.columns.data(), m.u.data(), m.v.data(),
                          &m.value) == MG_NUMERICAL);
    }
  }
}

TEST(assignment_errors) {
  Context context;
  Matching m{std::vector<int64_t>(2, -7), Vector(2), Vector(2)};
  const auto run = [&](Vector cost, int64_t rows, bool maximise) {
    return mg_assignment(context, MG_F64, rows, 2, cost.data(), 2, maximise, m.columns.data(), m.u.data(), m.v.data(),
                         &m.value);
  };
  CHECK_FAILS(run({1, 2, kNaN, 4}, 2, false), MG_NUMERICAL, "cost[1, 0] is NaN");
  CHECK_FAILS(run({1, -kInf, 3, 4}, 2, false), MG_NUMERICAL, "cost[0, 1] is -Inf, which a minimum would always take");
  CHECK_FAILS(run({1, 2, 3, kInf}, 2, true), MG_NUMERICAL, "cost[1, 1] is +Inf, which a maximum would always take");
  CHECK_FAILS(run({1, 2, 3, 1e301}, 2, false), MG_NUMERICAL, "cost[1, 1] is beyond 1e300");
  CHECK_FAILS(run({1, kInf, 3, kInf}, 2, false), MG_NUMERICAL,
              "no finite assignment: column 1 cannot be assigned without a forbidden edge");
  CHECK_FAILS(run({1, 2, 3, 4, 5, 6}, 3, false), MG_INVALID_ARGUMENT, "3 rows cannot all be assigned to 2 columns");
  CHECK(m.columns == (std::vector<int64_t>{-7, -7}));
  CHECK_OK(mg_assignment(context, MG_F64, 0, 2, nullptr, 2, 0, nullptr, nullptr, m.v.data(), &m.value));
  CHECK(m.value == 0 && m.v == Vector(2, 0.0));
}

TEST(assignment_certificate_rejects_the_wrong_answer) {
  Context context;
  const Vector cost = {4, 1, 3, 2, 0, 5, 3, 2, 2};
  Matching m = solve(context, 3, 3, cost, false);
  double violation = 0;
  std::swap(m.columns[0], m.columns[1]);
  CHECK_OK(mg_assignment_certify(context, MG_F64, 3, 3, cost.data(), 3, 0, m.columns.data(), m.u.data(), m.v.data(),
                                 &violation));
  CHECK(violation > 0.5);
  m.columns[0] = m.columns[1];
  CHECK_FAILS(mg_assignment_certify(context, MG_F64, 3, 3, cost.data(), 3, 0, m.columns.data(), m.u.data(), m.v.data(),
                                    &violation),
              MG_INVALID_ARGUMENT, "row_to_col[1] = 1 is out of range or taken twice");
}

TEST(assignment_large_adversarial_inputs_finish) {
  Context context;
  for (const auto& [name, family] : families()) {
    const std::string which = name;
    if (which != "rank one" && which != "constant" && which != "integers 0..9" && which != "euclidean") continue;
    solve(context, 512, 512, fill(family, 512, 512, 1), false);
  }
}
