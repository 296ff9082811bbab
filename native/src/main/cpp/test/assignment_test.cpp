// SPDX-License-Identifier: Apache-2.0
// Linear assignment: worked values, brute force, values that scipy found, certificates on families that strain each
// phase, with every phase forced, on several threads; warm starts, batches, factors; errors.
#include <algorithm>
#include <functional>
#include <numeric>

#include "test/assignment_values.h"
#include "test/check.h"
#include "test/costs.h"

using namespace check;

namespace {

struct Matching {
  std::vector<int64_t> columns;
  Vector u, v;
  double value = 0;
};

Matching solve(mg_context* context, int64_t rows, int64_t cols, const Vector& cost, bool maximise) {
  Matching m{std::vector<int64_t>(rows), Vector(rows), Vector(cols)};
  CHECK_OK(assign(context, matrix(MG_F64, rows, cols, cost.data(), cols), maximise, 0, m.columns.data(), m.u.data(),
                  m.v.data(), &m.value));
  double violation = kNaN, largest = 0;
  for (double c : cost) {
    if (std::isfinite(c)) largest = std::max(largest, std::fabs(c));
  }
  CHECK_OK(certified(context, matrix(MG_F64, rows, cols, cost.data(), cols), maximise, m.columns.data(), m.u.data(),
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
  CHECK_OK(assign(context, matrix(MG_F32, n, n, narrow.data(), ld), 1, 0, m.columns.data(), m.u.data(), m.v.data(),
                  &m.value));
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
      CHECK(assign(context, matrix(MG_F64, rows, cols, cost.data(), cols), 0, 0, m.columns.data(), m.u.data(),
                   m.v.data(), &m.value) == MG_NUMERICAL);
    }
  }
}

TEST(assignment_errors) {
  Context context;
  Matching m{std::vector<int64_t>(2, -7), Vector(2), Vector(2)};
  const auto run = [&](Vector cost, int64_t rows, bool maximise) {
    return assign(context, matrix(MG_F64, rows, 2, cost.data(), 2), maximise, 0, m.columns.data(), m.u.data(),
                  m.v.data(), &m.value);
  };
  CHECK_FAILS(run({1, 2, kNaN, 4}, 2, false), MG_NUMERICAL, "cost[1, 0] is NaN");
  CHECK_FAILS(run({1, -kInf, 3, 4}, 2, false), MG_NUMERICAL, "cost[0, 1] is -Inf, which a minimum would always take");
  CHECK_FAILS(run({1, 2, 3, kInf}, 2, true), MG_NUMERICAL, "cost[1, 1] is +Inf, which a maximum would always take");
  CHECK_FAILS(run({1, 2, 3, 1e301}, 2, false), MG_NUMERICAL,
              "cost[1, 1] is beyond 1e300; an infinity forbids an entry");
  CHECK_FAILS(run({1, kInf, 3, kInf}, 2, false), MG_NUMERICAL,
              "no finite assignment: column 1 cannot be assigned without a forbidden edge");
  CHECK_FAILS(run({1, 2, 3, 4, 5, 6}, 3, false), MG_INVALID_ARGUMENT, "3 rows cannot all be assigned to 2 columns");
  CHECK(m.columns == (std::vector<int64_t>{-7, -7}));
  CHECK_OK(assign(context, matrix(MG_F64, 0, 2, nullptr, 2), 0, 0, nullptr, nullptr, m.v.data(), &m.value));
  CHECK(m.value == 0 && m.v == Vector(2, 0.0));
}

TEST(assignment_certificate_rejects_the_wrong_answer) {
  Context context;
  const Vector cost = {4, 1, 3, 2, 0, 5, 3, 2, 2};
  Matching m = solve(context, 3, 3, cost, false);
  double violation = 0;
  std::swap(m.columns[0], m.columns[1]);
  CHECK_OK(certified(context, matrix(MG_F64, 3, 3, cost.data(), 3), 0, m.columns.data(), m.u.data(), m.v.data(),
                     &violation));
  CHECK(violation > 0.5);
  m.columns[0] = m.columns[1];
  CHECK_FAILS(
      certified(context, matrix(MG_F64, 3, 3, cost.data(), 3), 0, m.columns.data(), m.u.data(), m.v.data(), &violation),
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

namespace {

const std::vector<int64_t> kSizes = {1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 64, 257};

// Phases forced one by one and together; lists also for the smallest problems.
const std::vector<int32_t> kRoutes = {
    0,
    MG_ASSIGNMENT_LISTS,
    MG_ASSIGNMENT_LISTS | MG_ASSIGNMENT_SHORT_LISTS,
    MG_ASSIGNMENT_LISTS | MG_ASSIGNMENT_GREEDY | MG_ASSIGNMENT_DENSE,
    MG_ASSIGNMENT_LISTS | MG_ASSIGNMENT_NO_REDUCTION | MG_ASSIGNMENT_SPARSE,
    MG_ASSIGNMENT_LISTS | MG_ASSIGNMENT_SHORT_LISTS | MG_ASSIGNMENT_NO_REDUCTION | MG_ASSIGNMENT_SPARSE,
    MG_ASSIGNMENT_NO_REDUCTION | MG_ASSIGNMENT_DENSE,
    MG_ASSIGNMENT_AUCTION,
    MG_ASSIGNMENT_LISTS | MG_ASSIGNMENT_AUCTION,
    MG_ASSIGNMENT_LISTS | MG_ASSIGNMENT_SHORT_LISTS | MG_ASSIGNMENT_NO_REDUCTION | MG_ASSIGNMENT_AUCTION,
};

// As the script that made test/assignment_values.h draws them: a linear congruence, so that Python repeats it.
double drawn(uint64_t& state) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return static_cast<double>(state >> 11) * 0x1p-53;
}

Vector scipy_family(const std::string& name, int64_t n) {
  uint64_t state = static_cast<uint64_t>(n) * 1000003u + 17u;
  const size_t size = static_cast<size_t>(n);
  Vector a(4 * size), b(4 * size), cost(size * size);
  for (double& x : a) x = drawn(state);
  for (double& x : b) x = drawn(state);
  for (size_t i = 0; i < size; ++i) {
    for (size_t j = 0; j < size; ++j) {
      const double r = drawn(state);
      double c = r;
      if (name == "planted") c = r - (j == (7 * i + 3) % size ? 5 : 0);
      if (name == "low rank") {
        c = 0;
        for (size_t l = 0; l < 4; ++l) c -= (a[4 * i + l] - 0.5) * (b[4 * j + l] - 0.5);
      }
      if (name == "integers 0..9") c = std::floor(10 * r);
      if (name == "integers 0..n-1") c = std::floor(static_cast<double>(n) * r);
      if (name == "rank one") c = a[i] * b[j];
      if (name == "euclidean") {
        const double x = a[2 * i] - b[2 * j], y = a[2 * i + 1] - b[2 * j + 1];
        c = std::sqrt(x * x + y * y);
      }
      if (name == "constant") c = 3.25;
      if (name == "zero blocks") c = i < size / 3 || j < size / 3 ? 0 : r;
      if (name == "huge offset") c = 1e6 + 1e-3 * r;
      cost[i * size + j] = c;
    }
  }
  return cost;
}

std::vector<int64_t> counters(mg_context* context) {
  std::vector<int64_t> result(MG_ASSIGNMENT_COUNTERS);
  CHECK_OK(mg_assignment_counters(context, result.data()));
  return result;
}

}  // namespace

TEST(assignment_matches_scipy_on_every_route) {
  Context context;
  std::vector<int64_t> total(MG_ASSIGNMENT_COUNTERS, 0);
  for (const ScipyValue& each : kScipyValues) {
    if (kSanitized && each.n > 64) continue;
    const Vector cost = scipy_family(each.family, each.n);
    double largest = 0;
    for (double c : cost) largest = std::max(largest, std::fabs(c));
    const double tolerance = 1e-15 * largest * static_cast<double>(each.n * each.n) + 1e-13 * std::fabs(each.value);
    for (int32_t route : kRoutes) {
      CHECK_OK(mg_assignment_route(context, route));
      CHECK_NEAR(solve(context, each.n, each.n, cost, false).value, each.value, tolerance);
      const std::vector<int64_t> done = counters(context);
      for (size_t k = 0; k < total.size(); ++k) total[k] += done[k];
    }
  }
  // Every phase was there: reduction, auction, lists, whole-row scans, sparse paths, dense paths, dense rows.
  for (int k : {2, 4, 5, 6, 7, 8, 9}) CHECK(total[static_cast<size_t>(k)] > 0);
}

TEST(assignment_routes_match_brute_force) {
  Context context;
  for (int32_t route : kRoutes) {
    CHECK_OK(mg_assignment_route(context, route));
    for (const auto& [name, family] : families()) {
      for (int64_t cols : {1, 2, 3, 5, 8}) {
        for (int64_t rows = std::max<int64_t>(1, cols - 2); rows <= cols; ++rows) {
          const Vector cost = fill(family, rows, cols, static_cast<uint64_t>(cols * 31 + route));
          const double expected = brute_force(rows, cols, cost, false);
          CHECK_NEAR(solve(context, rows, cols, cost, false).value, expected, 1e-14 * (1 + std::fabs(expected)));
        }
      }
    }
  }
}

TEST(assignment_routes_with_forbidden_edges) {
  Context context;
  std::mt19937_64 generator(11);
  for (int32_t route : kRoutes) {
    CHECK_OK(mg_assignment_route(context, route));
    for (int round = 0; round < 60; ++round) {
      const int64_t cols = 1 + round % 8, rows = std::max<int64_t>(1, cols - round % 3);
      Vector cost(static_cast<size_t>(rows * cols));
      for (double& c : cost) c = uniform(generator) < 0.4 ? kInf : std::floor(5 * uniform(generator));
      const double expected = brute_force(rows, cols, cost, false);
      if (std::isfinite(expected)) {
        CHECK(solve(context, rows, cols, cost, false).value == expected);
        continue;
      }
      Matching m{std::vector<int64_t>(rows), Vector(rows), Vector(cols)};
      CHECK(assign(context, matrix(MG_F64, rows, cols, cost.data(), cols), 0, 0, m.columns.data(), m.u.data(),
                   m.v.data(), &m.value) == MG_NUMERICAL);
    }
    // Few allowed edges in a problem that has lists: a cycle and some more.
    const int64_t n = 200;
    Vector cost(static_cast<size_t>(n * n), kInf);
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t step : {1, 17, 58}) cost[i * n + (i + step) % n] = uniform(generator);
    }
    solve(context, n, n, cost, false);
  }
}

// Some rows share a column fewer than they are: prices would fall for ever.
TEST(assignment_without_a_solution_ends_on_every_route) {
  Context context;
  std::mt19937_64 generator(13);
  const std::vector<std::pair<int64_t, int64_t>> shapes = {{20, 4}, {100, 33}, {300, 20}, {300, 100}};
  for (int32_t route : kRoutes) {
    CHECK_OK(mg_assignment_route(context, route));
    for (const auto& [n, sharing] : shapes) {
      Vector cost(static_cast<size_t>(n * n));
      for (double& c : cost) c = uniform(generator);
      for (int64_t i = 0; i < sharing; ++i) {
        for (int64_t j = sharing - 1; j < n; ++j) cost[i * n + j] = kInf;
      }
      Matching m{std::vector<int64_t>(n), Vector(n), Vector(n)};
      CHECK(assign(context, matrix(MG_F64, n, n, cost.data(), n), 0, 0, m.columns.data(), m.u.data(), m.v.data(),
                   &m.value) == MG_NUMERICAL);
      CHECK(std::string(mg_last_error()).rfind("no finite assignment: row ", 0) == 0);
    }
  }
}

TEST(assignment_is_the_same_on_any_number_of_threads) {
  for (const auto& [name, family] : families()) {
    for (int64_t n : {33, 257, 600}) {
      if (kSanitized && n > 257) continue;
      const Vector cost = fill(family, n, n, static_cast<uint64_t>(n));
      Matching first;
      for (int32_t threads : kThreadCounts) {
        Context context(threads);
        for (int64_t rows : {n, n - n / 4}) {
          const Matching m = solve(context, rows, n, Vector(cost.begin(), cost.begin() + rows * n), false);
          if (rows < n) continue;
          if (threads == 1) first = m;
          CHECK(m.columns == first.columns && same_bits(m.u, first.u) && same_bits(m.v, first.v) &&
                m.value == first.value);
        }
      }
    }
  }
}

TEST(assignment_warm_start) {
  Context context;
  for (const auto& [name, family] : families()) {
    for (int64_t n : {1, 9, 130}) {
      const Vector cost = fill(family, n, n, 3);
      const Matching cold = solve(context, n, n, cost, true);
      const double tolerance = 1e-12 * (1 + std::fabs(cold.value));
      Matching warm = cold;
      const auto again = [&] {
        CHECK_OK(assign(context, matrix(MG_F64, n, n, cost.data(), n), 1, 1, warm.columns.data(), warm.u.data(),
                        warm.v.data(), &warm.value));
        CHECK_NEAR(warm.value, cold.value, tolerance);
        double violation = kNaN;
        CHECK_OK(certified(context, matrix(MG_F64, n, n, cost.data(), n), 1, warm.columns.data(), warm.u.data(),
                           warm.v.data(), &violation));
        CHECK_NEAR(violation, 0, 1e-15 * 1e7 * static_cast<double>(n));
      };
      again();  // from its own duals
      warm.v = gaussian(n, 8, 0, 2);
      again();
      warm.v.assign(static_cast<size_t>(n), 0);
      again();
    }
  }
  // The duals of a solved problem leave little to do for one that differs a little.
  const int64_t n = 400;
  Vector cost = fill([](auto& g, int64_t, int64_t, int64_t) { return uniform(g); }, n, n, 5);
  Matching m = solve(context, n, n, cost, false);
  const int64_t cold = counters(context)[2];
  for (int64_t i = 0; i < n; ++i) cost[i * n + i] += 1e-6;
  CHECK_OK(
      assign(context, matrix(MG_F64, n, n, cost.data(), n), 0, 1, m.columns.data(), m.u.data(), m.v.data(), &m.value));
  CHECK(counters(context)[2] < cold / 4);
  CHECK_FAILS(
      assign(context, matrix(MG_F64, 1, 2, cost.data(), 2), 0, 1, m.columns.data(), m.u.data(), m.v.data(), &m.value),
      MG_INVALID_ARGUMENT, "a start from given duals needs as many rows as columns, not 1 rows and 2 columns");
  m.v[1] = kNaN;
  CHECK_FAILS(
      assign(context, matrix(MG_F64, 2, 2, cost.data(), 2), 0, 1, m.columns.data(), m.u.data(), m.v.data(), &m.value),
      MG_INVALID_ARGUMENT, "v[1] = nan is no dual to start from");
}

// Costs that F64 prices cannot hold together with the rest are solved as exactly as others.
TEST(assignment_large_numbers_forbid_as_infinity_does) {
  Context context;
  for (int64_t n : {7, 60, 200}) {
    const Vector points = gaussian(4 * n, 11);
    const auto gated = [&](double forbidden, int64_t cols) {
      Vector cost(static_cast<size_t>(n * cols));
      for (int64_t i = 0; i < n; ++i) {
        for (int64_t j = 0; j < cols; ++j) {
          const double c = std::hypot(points[2 * i] - points[2 * (j % n)] - 0.1 * points[2 * n + j % n],
                                      points[2 * i + 1] - points[2 * (j % n) + 1] - 0.1 * static_cast<double>(j / n));
          cost[i * cols + j] = c < 0.8 ? c : forbidden;
        }
      }
      return cost;
    };
    for (int64_t cols : {n, n + n / 3}) {
      const Matching want = solve(context, n, cols, gated(kInf, cols), false);
      for (double large : {1e6, 1e12, 1e15, 3.4028234663852886e38, 1e300}) {
        Vector cost = gated(large, cols);
        CHECK_NEAR(solve(context, n, cols, cost, false).value, want.value, 1e-13 * want.value);
        for (double& c : cost) c = -c;
        CHECK_NEAR(solve(context, n, cols, cost, true).value, -want.value, 1e-13 * want.value);
      }
    }
  }
}

TEST(assignment_least_number_of_large_costs_then_least_rest) {
  Context context;
  // Rows 0 to 2 have two small columns between them: one takes a large cost, and which one the rest decides.
  const auto costs = [](double large) {
    return Vector{1, 5, large,     large,     large,      //
                  2, 4, large,     large,     large,      //
                  7, 3, 2 * large, 2 * large, 2 * large,  //
                  8, 8, 1,         2,         large,      //
                  9, 9, 3,         1,         4};
  };
  const double want = brute_force(5, 5, costs(1e9), false) - 1e9;
  for (double large : {1e9, 1e16, 1e18, 1e100, 1e299}) {
    const Matching m = solve(context, 5, 5, costs(large), false);
    double small = 0;
    for (int64_t i = 0; i < 5; ++i) {
      const double c = costs(large)[5 * i + m.columns[i]];
      small += c < large ? c : 0;
    }
    CHECK_NEAR(small, want, 0);
    CHECK_NEAR(m.value, want + large, 1e-15 * large);
  }
}

TEST(assignment_tails_and_scales_equal_brute_force) {
  Context context;
  for (uint64_t seed = 0; seed < (kSanitized ? 5 : 60); ++seed) {
    for (double deviation : {1.0, 8.0, 30.0, 100.0}) {
      const int64_t rows = 2 + static_cast<int64_t>(seed % 8), cols = rows + static_cast<int64_t>(seed % 3);
      Vector cost = gaussian(rows * cols, 100 + seed);
      for (double& c : cost) c = std::exp(deviation * c);
      const double want = brute_force(rows, cols, cost, false);
      CHECK_NEAR(solve(context, rows, cols, cost, false).value, want, 1e-12 * want);
      const double tiny = std::ldexp(1.0, -1060);
      for (double& c : cost) c = std::min(c, 1e10) * tiny;
      const double least = brute_force(rows, cols, cost, false);
      CHECK(solve(context, rows, cols, cost, false).value == least);
    }
  }
}

TEST(assignment_any_duals_start_a_solution) {
  Context context;
  for (uint64_t seed = 0; seed < (kSanitized ? 20 : 400); ++seed) {
    const int64_t n = 2 + static_cast<int64_t>(seed % 9);
    Vector cost = gaussian(n * n, 300 + seed), start = gaussian(n, 700 + seed);
    const double scale = std::pow(10.0, static_cast<double>(seed % 301));
    for (double& v : start) v = std::min(1e300, std::max(-1e300, v * scale));
    const double want = brute_force(n, n, cost, false);
    Matching m{std::vector<int64_t>(n), Vector(n), start};
    CHECK_OK(assign(context, matrix(MG_F64, n, n, cost.data(), n), 0, 1, m.columns.data(), m.u.data(), m.v.data(),
                    &m.value));
    CHECK_NEAR(m.value, want, 1e-12);
  }
}

TEST(assignment_batch_equals_single_problems) {
  const std::vector<int64_t> rows = {3, 0, 140, 16, 1, 90}, cols = {3, 2, 140, 20, 1, 100};
  std::vector<Vector> costs;
  std::vector<mg_costs> problems;
  for (size_t p = 0; p < rows.size(); ++p) {
    costs.push_back(gaussian(std::max<int64_t>(1, rows[p] * cols[p]), p + 1));
    problems.push_back(matrix(MG_F64, rows[p], cols[p], costs.back().data(), cols[p]));
  }
  for (int32_t threads : kThreadCounts) {
    Context context(threads);
    std::vector<int64_t> columns(250);
    Vector u(250), v(266), value(6);
    CHECK_OK(mg_assignment_batch(context, 6, problems.data(), 1, columns.data(), u.data(), v.data(), value.data()));
    int64_t row = 0, column = 0;
    for (size_t p = 0; p < rows.size(); ++p) {
      const Matching single = solve(context, rows[p], cols[p], costs[p], true);
      CHECK(std::equal(single.columns.begin(), single.columns.end(), columns.begin() + row));
      CHECK(std::equal(single.u.begin(), single.u.end(), u.begin() + row));
      CHECK(std::equal(single.v.begin(), single.v.end(), v.begin() + column));
      CHECK(value[p] == single.value);
      row += rows[p];
      column += cols[p];
    }
  }
  Context context;
  costs[2][141] = kNaN;
  costs[5][0] = kNaN;
  std::vector<int64_t> columns(250);
  Vector u(250), v(266), value(6);
  CHECK_FAILS(mg_assignment_batch(context, 6, problems.data(), 1, columns.data(), u.data(), v.data(), value.data()),
              MG_NUMERICAL, "problem 2: cost[1, 1] is NaN");
  problems[4].ldx = 0;
  CHECK_FAILS(mg_assignment_batch(context, 6, problems.data(), 1, columns.data(), u.data(), v.data(), value.data()),
              MG_INVALID_ARGUMENT, "problem 4: ld = 0 is below the row length " + std::to_string(cols[4]));
  problems[1].k = 1;
  problems[1].ldx = problems[1].ldy = 1;
  problems[1].y = problems[1].x;
  CHECK_FAILS(mg_assignment_batch(context, 6, problems.data(), 1, columns.data(), u.data(), v.data(), value.data()),
              MG_INVALID_ARGUMENT, "problem 1: a batch is of matrices, not of products of rows");
}

TEST(assignment_of_factors_equals_the_matrix) {
  for (int64_t n : kSizes) {
    for (int64_t k : {0, 1, 5, 24}) {
      const int64_t rows = n > 4 ? n - n % 3 : n, ldx = k + 2, ldy = k + 1;
      std::vector<float> x(static_cast<size_t>(rows * ldx)), y(static_cast<size_t>(n * ldy));
      const Vector rx = gaussian(rows * ldx, 1), ry = gaussian(n * ldy, 2);
      std::copy(rx.begin(), rx.end(), x.begin());
      std::copy(ry.begin(), ry.end(), y.begin());
      Vector wide_x(x.begin(), x.end()), wide_y(y.begin(), y.end()), cost(static_cast<size_t>(rows * n), 0.0);
      for (int64_t i = 0; i < rows; ++i) {
        for (int64_t j = 0; j < n; ++j) {
          for (int64_t l = 0; l < k; ++l) cost[i * n + j] += wide_x[i * ldx + l] * wide_y[j * ldy + l];
        }
      }
      for (int32_t threads : {1, 8}) {
        Context context(threads);
        const Matching expected = solve(context, rows, n, cost, true);
        for (int32_t dtype : {MG_F64, MG_F32}) {
          const void* px = dtype == MG_F64 ? static_cast<const void*>(wide_x.data()) : x.data();
          const void* py = dtype == MG_F64 ? static_cast<const void*>(wide_y.data()) : y.data();
          Matching m{std::vector<int64_t>(rows), Vector(rows), Vector(n)};
          CHECK_OK(assign(context, products(dtype, rows, n, k, px, ldx, py, ldy), 1, 0, m.columns.data(), m.u.data(),
                          m.v.data(), &m.value));
          CHECK(m.columns == expected.columns && same_bits(m.u, expected.u) && same_bits(m.v, expected.v));
          CHECK(m.value == expected.value);
          double violation = kNaN;
          CHECK_OK(certified(context, products(dtype, rows, n, k, px, ldx, py, ldy), 1, m.columns.data(), m.u.data(),
                             m.v.data(), &violation));
          CHECK_NEAR(violation, 0, 1e-13 * static_cast<double>(n * (k + 1)));
          if (rows == n) {
            CHECK_OK(assign(context, products(dtype, rows, n, k, px, ldx, py, ldy), 1, 1, m.columns.data(), m.u.data(),
                            m.v.data(), &m.value));
            CHECK_NEAR(m.value, expected.value, 1e-12 * (1 + std::fabs(expected.value)));
          }
        }
      }
    }
  }
  Context context;
  Matching m{std::vector<int64_t>(2), Vector(2), Vector(2)};
  Vector x = {1, 2, 3, 4}, y = {1, 2, 3, kInf};
  const auto run = [&] {
    return assign(context, products(MG_F64, 2, 2, 2, x.data(), 2, y.data(), 2), 1, 0, m.columns.data(), m.u.data(),
                  m.v.data(), &m.value);
  };
  CHECK_FAILS(run(), MG_NUMERICAL, "y[1, 1] is infinite");
  x[2] = kNaN;
  CHECK_FAILS(run(), MG_NUMERICAL, "x[1, 0] is NaN");
  x[2] = 1e200;
  y[3] = 1e200;
  CHECK_FAILS(run(), MG_NUMERICAL, "products of x and y may be beyond 1e300");
}

TEST(assignment_at_extreme_scales) {
  Context context;
  for (double scale : {1e-300, 1e-200, 1e-40, 1e40, 1e200, 1e290}) {
    for (int64_t n : {40, 150}) {
      Vector cost = fill([](auto& g, int64_t, int64_t, int64_t) { return uniform(g) - 0.3; }, n, n, 9);
      const double expected = solve(context, n, n, cost, false).value;
      for (double& c : cost) c *= scale;
      CHECK_NEAR(solve(context, n, n, cost, false).value / scale, expected, 1e-9);
    }
  }
  // An outlier that the sample of rows does not show.
  const int64_t n = 150;
  Vector cost = fill([](auto& g, int64_t, int64_t, int64_t) { return uniform(g); }, n, n, 10);
  const double expected = solve(context, n, n, cost, false).value;
  cost[7 * n + 3] = 1e250;
  CHECK(solve(context, n, n, cost, false).value < expected + 1);
}

TEST(assignment_f32_on_every_route) {
  Context context;
  for (int64_t n : kSizes) {
    const Vector random = gaussian(n * n, 4);
    const std::vector<float> narrow(random.begin(), random.end());
    const Vector wide(narrow.begin(), narrow.end());
    for (int32_t route : kRoutes) {
      CHECK_OK(mg_assignment_route(context, route));
      const Matching expected = solve(context, n, n, wide, false);
      Matching m{std::vector<int64_t>(n), Vector(n), Vector(n)};
      CHECK_OK(assign(context, matrix(MG_F32, n, n, narrow.data(), n), 0, 0, m.columns.data(), m.u.data(), m.v.data(),
                      &m.value));
      CHECK(m.columns == expected.columns && same_bits(m.v, expected.v) && m.value == expected.value);
    }
  }
  float bad[] = {1, 2, std::numeric_limits<float>::quiet_NaN(), 4};
  Matching m{std::vector<int64_t>(2), Vector(2), Vector(2)};
  CHECK_FAILS(assign(context, matrix(MG_F32, 2, 2, bad, 2), 0, 0, m.columns.data(), m.u.data(), m.v.data(), &m.value),
              MG_NUMERICAL, "cost[1, 0] is NaN");
  bad[2] = -std::numeric_limits<float>::infinity();
  CHECK_FAILS(assign(context, matrix(MG_F32, 2, 2, bad, 2), 0, 0, m.columns.data(), m.u.data(), m.v.data(), &m.value),
              MG_NUMERICAL, "cost[1, 0] is -Inf, which a minimum would always take");
}
