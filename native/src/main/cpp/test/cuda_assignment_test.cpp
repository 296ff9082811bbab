// SPDX-License-Identifier: Apache-2.0
// Linear assignment of the CUDA plug-in on the stand-in: the CPU's bytes and its decisions, counted, on families that
// strain each phase, larger than those of listed.cpp so that lists run out; batches; errors word for word.
#include <algorithm>
#include <functional>
#include <memory>

#include "test/check.h"
#include "test/costs.h"
#include "test/little_memory.h"
#include "test/listed_tools.h"

using namespace check;

namespace {

struct Answer {
  int32_t status = MG_OK;
  std::string error;
  std::vector<int64_t> columns, counters;
  Vector u, v, value;

  Answer(int64_t rows, int64_t cols, int64_t problems)
      : columns(static_cast<size_t>(rows)),
        counters(MG_ASSIGNMENT_COUNTERS),
        u(static_cast<size_t>(rows)),
        v(static_cast<size_t>(cols)),
        value(static_cast<size_t>(problems)) {}
  void end(mg_context* context, int32_t ended) {
    status = ended;
    if (status != MG_OK) error = mg_last_error();
    CHECK_OK(mg_assignment_counters(context, counters.data()));
    CHECK_OK(mg_assignment_route(context, 0));
  }
  bool operator==(const Answer& other) const {
    if (status != MG_OK || other.status != MG_OK) return status == other.status && error == other.error;
    return columns == other.columns && same_bits(u, other.u) && same_bits(v, other.v) &&
           same_bits(value, other.value) && counters == other.counters;
  }
};

struct Problem {
  int32_t dtype;
  int64_t rows, cols;
  Vector cost;
};

// The matrix of a problem where a context computes, each row with room behind it.
struct Placed {
  Array array;
  mg_costs costs;

  Placed(mg_context* context, const Problem& p, int64_t shift)
      : array(context, p.dtype, padded(p), shift),
        costs(matrix(p.dtype, p.rows, p.cols, array.data(), p.cols + kRoom)) {}

 private:
  static constexpr int64_t kRoom = 3;
  static Vector padded(const Problem& p) {
    Vector result(static_cast<size_t>(p.rows * (p.cols + kRoom)), kNaN);
    for (int64_t e = 0; e < p.rows * p.cols; ++e) result[e / p.cols * (p.cols + kRoom) + e % p.cols] = p.cost[e];
    return result;
  }
};

Answer solve_one(mg_context* context, const Problem& p, int64_t shift, int32_t route, bool warm) {
  const Placed placed(context, p, shift);
  Answer a(p.rows, p.cols, 1);
  if (warm) a.v = gaussian(p.cols, 3);
  CHECK_OK(mg_assignment_route(context, route));
  a.end(context, assign(context, placed.costs, 0, warm, a.columns.data(), a.u.data(), a.v.data(), a.value.data()));
  return a;
}

Answer solve_all(mg_context* context, const std::vector<Problem>& problems, int32_t route) {
  std::vector<std::unique_ptr<Placed>> placed;
  std::vector<mg_costs> costs;
  int64_t rows = 0, cols = 0;
  for (const Problem& p : problems) {
    placed.push_back(std::make_unique<Placed>(context, p, 0));
    costs.push_back(placed.back()->costs);
    rows += p.rows;
    cols += p.cols;
  }
  Answer a(rows, cols, static_cast<int64_t>(problems.size()));
  CHECK_OK(mg_assignment_route(context, route));
  a.end(context, mg_assignment_batch(context, static_cast<int64_t>(problems.size()), costs.data(), 1, a.columns.data(),
                                     a.u.data(), a.v.data(), a.value.data()));
  return a;
}

const std::vector<const char*> kFamilies = {"uniform",   "integers 0..9", "euclidean", "correlation", "constant",
                                            "rank one",  "zero rows",     "sparse",    "large",       "wide range"};

Problem drawn(const std::string& family, int32_t dtype, int64_t rows, int64_t cols) {
  std::mt19937_64 generator(static_cast<uint64_t>(cols * 7 + rows));
  std::uniform_real_distribution<double> uniform(0, 1);
  const Vector noise = gaussian(rows * cols, 5);
  Problem p{dtype, rows, cols, {}};
  for (int64_t e = 0; e < rows * cols; ++e) {
    const double i = static_cast<double>(e / cols), j = static_cast<double>(e % cols), r = uniform(generator);
    double c = r;
    if (family == "integers 0..9") c = std::floor(10 * r);
    if (family == "euclidean") {
      const double x = std::fmod(0.618 * i, 1) - std::fmod(0.755 * j, 1);
      c = std::hypot(x, std::fmod(0.414 * i, 1) - std::fmod(0.57 * j, 1));
    }
    if (family == "correlation") c = 0.1 * noise[e];
    if (family == "constant") c = 3.25;
    if (family == "rank one") c = std::sqrt(i + 1) * std::sqrt(j + 0.5);
    if (family == "zero rows") c = e / cols % 5 == 0 ? 0 : r;
    // Allowed: a cycle and some more.
    if (family == "sparse") c = (e % cols - e / cols + cols) % cols % 17 <= 1 ? r : kInf;
    if (family == "large") c = r < 0.5 ? 1e9 : r;  // F64 prices do not settle these
    if (family == "wide range") c = std::exp(8 * noise[e]);
    p.cost.push_back(c);
  }
  return p;
}

void expect_same(const Answer& found, const Answer& wanted, const std::string& what) {
  const std::string more = found.error + (found.counters == wanted.counters ? "" : " (counters)");
  check::report(found == wanted, __FILE__, __LINE__, what + " is not as on the CPU: " + more);
}

}  // namespace

TEST(fake_assignment_decides_as_the_cpu_does) {
  if (!cuda_standin()) return;
  Context device(2, MG_BACKEND_CUDA), cpu(2);
  const std::vector<int32_t> routes = {0, MG_ASSIGNMENT_SHORT_LISTS, MG_ASSIGNMENT_AUCTION | MG_ASSIGNMENT_SHORT_LISTS,
                                       MG_ASSIGNMENT_NO_REDUCTION | MG_ASSIGNMENT_SPARSE,
                                       MG_ASSIGNMENT_GREEDY | MG_ASSIGNMENT_NO_REDUCTION | MG_ASSIGNMENT_DENSE};
  size_t turn = 0;
  for (const char* family : kFamilies) {
    for (int32_t dtype : {MG_F64, MG_F32}) {
      const int64_t n = in_short() ? 110 : 170;
      for (int64_t rows : {n, n - 31}) {
        const int32_t route = routes[turn++ % routes.size()];
        const bool warm = rows == n && turn % 3 == 0;
        const Problem p = drawn(family, dtype, rows, n);
        const Answer wanted = solve_one(cpu, p, 0, route, warm);
        expect_same(solve_one(device, p, turn % 4 == 0, route, warm), wanted,
                    std::string(family) + ", " + std::to_string(rows) + " rows, route " + std::to_string(route));
      }
    }
  }
  // Rows that a block of all threads goes along more than once.
  for (int32_t dtype : {MG_F64, MG_F32}) {
    const Problem p = drawn("correlation", dtype, 40, 1100);
    expect_same(solve_one(device, p, 0, MG_ASSIGNMENT_LISTS, false), solve_one(cpu, p, 0, MG_ASSIGNMENT_LISTS, false),
                "1100 columns");
  }
}

// Products of more terms than a tile has.
TEST(fake_assignment_of_long_factors) {
  if (!cuda_standin()) return;
  Context device(2, MG_BACKEND_CUDA), cpu(2);
  const int64_t n = 70, k = 40;
  for (int32_t dtype : {MG_F64, MG_F32}) {
    const auto solve = [&](mg_context* context) {
      const Array x(context, dtype, gaussian(n * k, 1), 0), y(context, dtype, gaussian(n * k, 2), 0);
      Answer a(n, n, 1);
      a.end(context, assign(context, products(dtype, n, n, k, x.data(), k, y.data(), k), 0, 0, a.columns.data(),
                            a.u.data(), a.v.data(), a.value.data()));
      return a;
    };
    expect_same(solve(device), solve(cpu), "an assignment of long factors");
  }
}

// Of a matrix that is not aligned to its elements, and of products, so many rows are made at once as there is memory
// for: lists are rebuilt together for no more of them.
TEST(fake_little_memory_assigns_in_smaller_parts) {
  if (!cuda_standin() || (in_short() && !kSanitized)) return;
  const int64_t n = 250, row = 8 * n, list = 8 + 64 * 12;
  const Problem p = drawn("euclidean", MG_F64, n, n);
  const Context cpu(2);
  const Answer wanted = solve_one(cpu, p, 0, 0, false);
  const LittleMemory memory;
  const Context device(2, MG_BACKEND_CUDA);
  const Placed placed(device, p, 1);
  const int64_t others = (36 + 32) * n;  // prices, numbers and places; bits of tight columns
  for (int64_t rows : {n, n / 2, n / 8, n / 16}) {  // that are made at once, beside the lists of all
    memory.leave(device, others + n * list + rows * row);
    Answer a(n, n, 1);
    a.end(device, assign(device, placed.costs, 0, 0, a.columns.data(), a.u.data(), a.v.data(), a.value.data()));
    standin_limit_memory(-1);
    if (rows < n / 8) {  // fewer than 32 are not made
      CHECK(a.status == MG_OUT_OF_MEMORY);
    } else {
      expect_same(a, wanted, "with " + std::to_string(rows) + " rows at once");
    }
  }
}

// Rows that are made at once leave what is taken after them: with more memory no call fails that did with less.
TEST(fake_little_memory_leaves_a_reserve_beside_rows) {
  if (!cuda_standin() || (in_short() && !kSanitized)) return;
  const int64_t n = 250, row = 8 * n, list = 8 + 64 * 12;
  const Problem p = drawn("euclidean", MG_F64, n, n);
  const Context cpu(2);
  const Answer wanted = solve_one(cpu, p, 0, 0, false);
  const LittleMemory memory;
  const Context device(2, MG_BACKEND_CUDA);
  const Placed placed(device, p, 1);
  const int64_t others = (36 + 32) * n + 4096, steps = kSanitized ? 4 : 12;
  int64_t solved = 0;
  for (int64_t step = 0; step <= steps; ++step) {
    memory.leave(device, others + n * list / 2 + step * n * row / 8);
    Answer a(n, n, 1);
    a.end(device, assign(device, placed.costs, 0, 0, a.columns.data(), a.u.data(), a.v.data(), a.value.data()));
    standin_limit_memory(-1);
    CHECK(a.status == MG_OK || (a.status == MG_OUT_OF_MEMORY && solved == 0));
    if (a.status == MG_OK) expect_same(a, wanted, "step " + std::to_string(step));
    solved += a.status == MG_OK;
  }
  CHECK(solved > 0 && solved <= steps);
}

// What is solved one after the other has the memory of those that were solved at once.
TEST(fake_little_memory_batches_leave_theirs_to_large_problems) {
  if (!cuda_standin() || in_short()) return;
  std::vector<Problem> problems;
  for (int64_t n = 60; n < 68; ++n) problems.push_back(drawn("uniform", MG_F64, n, n));
  problems.push_back(drawn("uniform", MG_F64, 2, 2100));  // not for a warp
  const Context cpu(2);
  const Answer wanted = solve_all(cpu, problems, 0);
  const LittleMemory memory;
  int64_t large = 0, small = 0;
  const auto solves = [&](std::vector<Problem> some, int64_t bytes) {
    const Context device(2, MG_BACKEND_CUDA);
    std::vector<std::unique_ptr<Placed>> all;
    std::vector<mg_costs> costs;
    int64_t rows = 0, cols = 0;
    for (const Problem& p : some) {
      all.push_back(std::make_unique<Placed>(device, p, 0));
      costs.push_back(all.back()->costs);
      rows += costs.back().rows;
      cols += costs.back().cols;
    }
    const int64_t count = static_cast<int64_t>(some.size());
    Answer a(rows, cols, count);
    memory.leave(device, bytes);
    a.end(device, mg_assignment_batch(device, count, costs.data(), 1, a.columns.data(), a.u.data(), a.v.data(),
                                      a.value.data()));
    standin_limit_memory(-1);
    if (a.status == MG_OK && some.size() == problems.size()) expect_same(a, wanted, "small and large");
    return a.status == MG_OK;
  };
  // The least memory, in steps, of the large one alone and of the small ones at once; that of all is the larger.
  constexpr int64_t kStep = int64_t{64} << 10, kMost = int64_t{64} << 20;
  while (large < kMost && !solves({problems.back()}, large)) large += kStep;
  while (small < kMost && !solves({problems.begin(), problems.end() - 1}, small)) small += kStep;
  CHECK(large < kMost && solves(problems, std::max(large, small)));
}

TEST(fake_assignment_batches_decide_as_the_cpu_does) {
  if (!cuda_standin()) return;
  Context device(2, MG_BACKEND_CUDA), cpu(2);
  for (int32_t route : {0, MG_ASSIGNMENT_SHORT_LISTS | MG_ASSIGNMENT_LISTS, MG_ASSIGNMENT_AUCTION | MG_ASSIGNMENT_LISTS,
                        MG_ASSIGNMENT_NO_REDUCTION | MG_ASSIGNMENT_SPARSE | MG_ASSIGNMENT_LISTS,
                        MG_ASSIGNMENT_GREEDY | MG_ASSIGNMENT_NO_REDUCTION | MG_ASSIGNMENT_DENSE}) {
    std::vector<Problem> problems = {{MG_F64, 0, 3, {}}, drawn("uniform", MG_F32, 2, 2100)};  // neither is for a warp
    int64_t n = 5;
    for (const char* family : kFamilies) {
      for (int32_t dtype : {MG_F64, MG_F32}) {
        problems.push_back(drawn(family, dtype, n % 3 == 0 ? n - 4 : n, n));
        if (std::string(family) == "sparse") {
          for (double& c : problems.back().cost) c = -c;  // of a maximum
        }
        n = n < (kSanitized ? 60 : 120) ? n + 23 : 9;
      }
    }
    const int64_t large = in_short() ? 100 : 200;
    problems.push_back(drawn("euclidean", MG_F32, large, large));
    const Answer wanted = solve_all(cpu, problems, route);
    CHECK(wanted.status == MG_OK);
    expect_same(solve_all(device, problems, route), wanted, "a batch, route " + std::to_string(route));
  }
}

// As many problems as memory suffices for are solved at once; a few are solved one after the other.
TEST(fake_little_memory_solves_smaller_batches) {
  if (!cuda_standin() || (in_short() && !kSanitized)) return;
  std::vector<Problem> problems;
  for (int64_t n = 30; n < 46; ++n) problems.push_back(drawn("uniform", n % 2 ? MG_F64 : MG_F32, n, n));
  const Context cpu(2);
  const Answer wanted = solve_all(cpu, problems, 0);
  const LittleMemory memory;
  int64_t solved = 0;
  for (int64_t kilobytes : {1, 30, 60, 120, 250, 500}) {
    const Context device(2, MG_BACKEND_CUDA);
    std::vector<std::unique_ptr<Placed>> all;
    std::vector<mg_costs> costs;
    for (const Problem& p : problems) all.push_back(std::make_unique<Placed>(device, p, 0));
    for (const auto& each : all) costs.push_back(each->costs);
    Answer a(static_cast<int64_t>(wanted.u.size()), static_cast<int64_t>(wanted.v.size()), 16);
    memory.leave(device, 1024 * kilobytes);
    a.end(device, mg_assignment_batch(device, 16, costs.data(), 1, a.columns.data(), a.u.data(), a.v.data(),
                                      a.value.data()));
    standin_limit_memory(-1);
    if (a.status != MG_OUT_OF_MEMORY) expect_same(a, wanted, "a batch in " + std::to_string(kilobytes) + " KiB");
    solved += a.status == MG_OK;
  }
  CHECK(solved >= 3 && solved < 6);  // fewer at once two times at least
}

TEST(fake_assignment_errors_are_those_of_the_cpu) {
  if (!cuda_standin()) return;
  Context device(2, MG_BACKEND_CUDA), cpu(2);
  const auto same = [&](const Problem& p) {
    const Answer wanted = solve_one(cpu, p, 0, 0, false);
    CHECK(wanted.status != MG_OK);
    expect_same(solve_one(device, p, 0, 0, false), wanted, wanted.error);
  };
  for (const auto& [n, m] : {std::pair<int64_t, int64_t>{3, 3}, {3, 5}, {120, 120}, {100, 120}}) {
    for (double bad : {kNaN, -kInf, 1e301}) {
      Problem p = drawn("uniform", MG_F64, n, m);
      p.cost[2 * m + 1] = p.cost[2 * m] = bad;
      same(p);
    }
    // Rows that share a column fewer than they are; a column that is closed.
    Problem p = drawn("uniform", MG_F64, n, m);
    for (int64_t e = 0; e < n * m; ++e) p.cost[e] = e / m < 3 && e % m > 1 ? kInf : p.cost[e];
    same(p);
    for (int64_t e = 0; e < n * m && n == m; ++e) p.cost[e] = e % m == 1 ? kInf : p.cost[e];
    same(p);
  }
  std::vector<Problem> problems(7, drawn("uniform", MG_F64, 6, 6));
  problems[5].cost[7] = kNaN;
  problems[3].cost[8] = problems[4].cost[9] = -kNaN;
  for (double& c : problems[2].cost) c = &c - problems[2].cost.data() < 12 ? -kInf : c;
  const Answer wanted = solve_all(cpu, problems, 0);
  CHECK(wanted.error.rfind("problem 2: no finite assignment", 0) == 0);
  expect_same(solve_all(device, problems, 0), wanted, "the first problem that fails");
  problems.erase(problems.begin() + 2);
  expect_same(solve_all(device, problems, 0), solve_all(cpu, problems, 0), "the first problem that fails");
  // Factors.
  for (int which = 0; which < 3; ++which) {
    Vector x = {1, 2, 3, 4}, y = {1, 2, 3, 4};
    if (which == 0) x[2] = y[1] = kNaN;
    if (which == 1) y[3] = -kInf;
    if (which == 2) x[0] = y[0] = 1e200;
    std::string texts[2];
    for (mg_context* context : {static_cast<mg_context*>(device), static_cast<mg_context*>(cpu)}) {
      const Array left(context, MG_F64, x, 0), right(context, MG_F64, y, 0);
      Answer a(2, 2, 1);
      a.end(context, assign(context, products(MG_F64, 2, 2, 2, left.data(), 2, right.data(), 2), 0, 0, a.columns.data(),
                            a.u.data(), a.v.data(), a.value.data()));
      texts[context == static_cast<mg_context*>(cpu)] = a.error;
    }
    CHECK(!texts[1].empty() && texts[0] == texts[1]);
  }
}
