// SPDX-License-Identifier: Apache-2.0
// Oracles of linear assignment.
#include <algorithm>
#include <memory>

#include "test/costs.h"
#include "test/listed_tools.h"

namespace check {

namespace {

struct Matching {
  std::vector<int64_t> columns;
  Vector u, v;
};

// The largest violation of the conditions in merganser.h, in a wider type where there is one.
double violation(int64_t rows, int64_t cols, const Vector& cost, double sign, const Matching& m) {
  double worst = 0;
  std::vector<char> used(static_cast<size_t>(cols), 0);
  for (int64_t i = 0; i < rows; ++i) {
    used[m.columns[i]] = 1;
    const auto excess = [&](int64_t j) {
      const long double dual = static_cast<long double>(m.u[i]) + m.v[j];
      return static_cast<double>(dual - sign * cost[i * cols + j]);
    };
    for (int64_t j = 0; j < cols; ++j) raise(worst, excess(j));
    raise(worst, std::fabs(excess(m.columns[i])));
  }
  for (int64_t j = 0; j < cols && rows < cols; ++j) raise(worst, used[j] ? m.v[j] : std::fabs(m.v[j]));
  return worst;
}

// Random and tied numbers, a matrix of rank one, and rows in which all columns are equal.
Vector costs_of(int family, int64_t rows, int64_t cols) {
  Vector cost = gaussian(rows * cols, static_cast<uint64_t>(cols));
  for (int64_t e = 0; e < rows * cols; ++e) {
    const double i = static_cast<double>(e / cols), j = static_cast<double>(e % cols);
    if (family == 1) cost[e] = std::floor(2 * cost[e]);
    if (family == 2) cost[e] = std::sqrt(1.5 * i) * std::sqrt(j + 0.25) / static_cast<double>(cols);
    if (family == 3 && e / cols % 5 == 0) cost[e] = 0;
  }
  return cost;
}

// What a solver found goes into the bytes, and is checked against the conditions of an optimum.
void add_matching(Outcome& result, int64_t rows, int64_t cols, const Vector& costs, bool maximise, const Matching& m,
                  double value, bool with_oracle) {
  append(result.bytes, m.columns.data(), m.columns.size());
  append(result.bytes, m.u.data(), m.u.size());
  append(result.bytes, m.v.data(), m.v.size());
  append(result.bytes, &value, 1);
  if (!with_oracle) return;
  std::vector<int64_t> sorted = m.columns;
  std::sort(sorted.begin(), sorted.end());
  const bool distinct = std::unique(sorted.begin(), sorted.end()) == sorted.end();
  const bool inside = sorted.empty() || (sorted.front() >= 0 && sorted.back() < cols);
  raise(result.error, exactly(distinct && inside));
  if (!inside) return;
  const double largest = largest_magnitude(costs);
  const double allowed = 4e-15 * largest * static_cast<double>(cols + 1) + 1e-320;
  raise(result.error, violation(rows, cols, costs, maximise ? -1 : 1, m) / allowed);
  double sum = 0;
  for (int64_t i = 0; i < rows; ++i) sum += costs[i * cols + m.columns[i]];
  raise(result.error, std::fabs(sum - value) / allowed);
}

// Every family, square and not, both directions, with parts of the solver forced; `certify` checks a matching whose
// duals are off.
Outcome assignments(mg_context* context, const Input& input, bool with_oracle, bool certify) {
  const int64_t cols = input.size, shift = whole(input.shift);
  const double size = magnitude(input.dtype, input.scale);
  std::vector<int32_t> routes = {0};
  if (!certify) {
    routes.insert(routes.end(),
                  {MG_ASSIGNMENT_LISTS | MG_ASSIGNMENT_SHORT_LISTS, MG_ASSIGNMENT_LISTS | MG_ASSIGNMENT_AUCTION,
                   MG_ASSIGNMENT_LISTS | MG_ASSIGNMENT_NO_REDUCTION | MG_ASSIGNMENT_SPARSE,
                   MG_ASSIGNMENT_NO_REDUCTION | MG_ASSIGNMENT_DENSE});
  }
  Outcome result;
  for (int64_t rows : {cols, std::max<int64_t>(cols - 3, 0)}) {
    for (int family = 0; family < 4; ++family) {
      const Array cost(context, input.dtype, scaled(costs_of(family, rows, cols), size), input.shift);
      const Vector costs = cost.values(input.dtype);
      const HostArray u(context, rows * 8, shift), v(context, cols * 8, shift);
      for (bool maximise : {false, true}) {
        for (int32_t route : routes) {
          Matching m{std::vector<int64_t>(static_cast<size_t>(rows)), {}, {}};
          double value = 0;
          CHECK_OK(mg_assignment_route(context, route));
          CHECK_OK(assign(context, matrix(input.dtype, rows, cols, cost.data(), std::max<int64_t>(cols, 1)), maximise,
                          0, m.columns.data(), u.doubles(), v.doubles(), &value));
          CHECK_OK(mg_assignment_route(context, 0));
          m.u = u.values(MG_F64);
          m.v = v.values(MG_F64);
          if (!certify) {
            add_matching(result, rows, cols, costs, maximise, m, value, with_oracle);
            continue;
          }
          if (!m.v.empty()) m.v[0] += 0.25 * size;
          const HostArray off(context, MG_F64, m.v, shift);
          double found = -1;
          CHECK_OK(certified(context, matrix(input.dtype, rows, cols, cost.data(), std::max<int64_t>(cols, 1)),
                             maximise, m.columns.data(), u.doubles(), off.doubles(), &found));
          append(result.bytes, &found, 1);
          if (with_oracle) {
            const double want = violation(rows, cols, costs, maximise ? -1 : 1, m);
            raise(result.error, std::fabs(found - want) / (1e-15 * want + 1e-320));
          }
        }
      }
    }
  }
  return result;
}

// Costs as products of rows, random and tied, down to none at all; `certify` as above.
Outcome factors(mg_context* context, const Input& input, bool with_oracle, bool certify) {
  const int64_t cols = input.size, shift = whole(input.shift);
  // Products of F32 are in range as F64.
  const double size = magnitude(input.dtype, input.scale, input.dtype == MG_F64 ? 2 : 1);
  Outcome result;
  for (int64_t rows : {cols, std::max<int64_t>(cols - 3, 0)}) {
    for (int64_t k : {0, 1, 9}) {
      for (bool tied : {false, true}) {
        const int64_t ldx = k + 1, ldy = k + 2;
        Vector left = gaussian(rows * ldx, static_cast<uint64_t>(cols)), right = gaussian(cols * ldy, 3);
        for (Vector* each : {&left, &right}) {
          for (double& element : *each) element = tied ? std::floor(2 * element) : element;
        }
        const Array x(context, input.dtype, scaled(left, size), input.shift);
        const Array y(context, input.dtype, scaled(right, size), input.shift);
        const Vector xs = x.values(input.dtype), ys = y.values(input.dtype);
        Vector costs(static_cast<size_t>(rows * cols), 0.0);
        for (int64_t e = 0; e < rows * cols; ++e) {
          for (int64_t l = 0; l < k; ++l) costs[e] += xs[e / cols * ldx + l] * ys[e % cols * ldy + l];
        }
        for (bool maximise : {false, true}) {
          const HostArray u(context, rows * 8, shift), v(context, cols * 8, shift);
          for (bool warm : {false, true}) {  // the second one from the duals of the first
            if (warm && (certify || rows < cols)) continue;
            Matching m{std::vector<int64_t>(static_cast<size_t>(rows)), {}, {}};
            double value = 0;
            CHECK_OK(assign(context, products(input.dtype, rows, cols, k, x.data(), ldx, y.data(), ldy), maximise, warm,
                            m.columns.data(), u.doubles(), v.doubles(), &value));
            m.u = u.values(MG_F64);
            m.v = v.values(MG_F64);
            if (!certify) {
              add_matching(result, rows, cols, costs, maximise, m, value, with_oracle);
              continue;
            }
            m.v[0] += 0.25 * size * size;
            const HostArray off(context, MG_F64, m.v, shift);
            double found = -1;
            CHECK_OK(certified(context, products(input.dtype, rows, cols, k, x.data(), ldx, y.data(), ldy), maximise,
                               m.columns.data(), u.doubles(), off.doubles(), &found));
            append(result.bytes, &found, 1);
            if (with_oracle) {
              const double want = violation(rows, cols, costs, maximise ? -1 : 1, m);
              raise(result.error, std::fabs(found - want) / (1e-15 * want + 1e-320));
            }
          }
        }
      }
    }
  }
  return result;
}

}  // namespace

Outcome listed_assignment(mg_context* context, const Input& input, bool with_oracle) {
  return assignments(context, input, with_oracle, false);
}
Outcome listed_assignment_certify(mg_context* context, const Input& input, bool with_oracle) {
  return assignments(context, input, with_oracle, true);
}

// From any duals, and from those found.
Outcome listed_assignment_warm(mg_context* context, const Input& input, bool with_oracle) {
  const int64_t n = input.size, shift = whole(input.shift);
  const double size = magnitude(input.dtype, input.scale);
  Outcome result;
  for (int family = 0; family < 4; ++family) {
    const Array cost(context, input.dtype, scaled(costs_of(family, n, n), size), input.shift);
    const Vector costs = cost.values(input.dtype);
    for (bool maximise : {false, true}) {
      const HostArray u(context, n * 8, shift), v(context, MG_F64, scaled(gaussian(n, 7), size), shift);
      for (int turn = 0; turn < 2; ++turn) {
        Matching m{std::vector<int64_t>(static_cast<size_t>(n)), {}, {}};
        double value = 0;
        CHECK_OK(assign(context, matrix(input.dtype, n, n, cost.data(), n), maximise, 1, m.columns.data(), u.doubles(),
                        v.doubles(), &value));
        m.u = u.values(MG_F64);
        m.v = v.values(MG_F64);
        add_matching(result, n, n, costs, maximise, m, value, with_oracle);
      }
    }
  }
  return result;
}

Outcome listed_assignment_factors(mg_context* context, const Input& input, bool with_oracle) {
  return factors(context, input, with_oracle, false);
}
Outcome listed_assignment_factors_certify(mg_context* context, const Input& input, bool with_oracle) {
  return factors(context, input, with_oracle, true);
}

// Problems of unlike sizes, empty ones too, each with a leading dimension of its own; one is of the other type.
Outcome listed_assignment_batch(mg_context* context, const Input& input, bool with_oracle) {
  const int64_t n = input.size, shift = whole(input.shift);
  const std::vector<int64_t> rows = {n, 0, std::max<int64_t>(n - 3, 0), 1, n / 2, 2}, cols = {n, 2, n, 1, n, 5};
  std::vector<int64_t> ld, columns;
  std::vector<std::unique_ptr<Array>> arrays;
  std::vector<mg_costs> problems;
  std::vector<Vector> costs;
  int64_t all_rows = 0, all_cols = 0;
  for (size_t p = 0; p < rows.size(); ++p) {
    ld.push_back(cols[p] + static_cast<int64_t>(p));
    const int32_t other = input.dtype == MG_F64 ? MG_F32 : MG_F64, dtype = p == 2 ? other : input.dtype;
    const Vector plain =
        scaled(costs_of(static_cast<int>(p % 4), rows[p], cols[p]), magnitude(dtype, input.scale));
    Vector padded(static_cast<size_t>(rows[p] * ld[p]), kNaN);  // which nobody may read
    for (int64_t e = 0; e < rows[p] * cols[p]; ++e) padded[e / cols[p] * ld[p] + e % cols[p]] = plain[e];
    arrays.push_back(std::make_unique<Array>(context, dtype, padded, input.shift));
    problems.push_back(matrix(dtype, rows[p], cols[p], arrays.back()->data(), ld[p]));
    const Vector stored = arrays.back()->values(dtype);
    costs.emplace_back();
    for (int64_t e = 0; e < rows[p] * cols[p]; ++e) {
      costs.back().push_back(stored[e / cols[p] * ld[p] + e % cols[p]]);
    }
    all_rows += rows[p];
    all_cols += cols[p];
  }
  columns.resize(static_cast<size_t>(all_rows));
  Outcome result;
  for (bool maximise : {false, true}) {
    const HostArray u(context, all_rows * 8, shift), v(context, all_cols * 8, shift);
    Vector value(rows.size(), kNaN);
    CHECK_OK(mg_assignment_batch(context, static_cast<int64_t>(problems.size()), problems.data(), maximise,
                                 columns.data(), u.doubles(), v.doubles(), value.data()));
    const Vector us = u.values(MG_F64), vs = v.values(MG_F64);
    int64_t row = 0, col = 0;
    for (size_t p = 0; p < rows.size(); ++p) {
      const Matching m{std::vector<int64_t>(columns.begin() + row, columns.begin() + row + rows[p]),
                       Vector(us.begin() + row, us.begin() + row + rows[p]),
                       Vector(vs.begin() + col, vs.begin() + col + cols[p])};
      add_matching(result, rows[p], cols[p], costs[p], maximise, m, value[p], with_oracle);
      row += rows[p];
      col += cols[p];
    }
  }
  return result;
}

}  // namespace check
