// SPDX-License-Identifier: Apache-2.0
// Linear assignment, what makes the result exact for every finite input. Prices in F64 are sums and differences of
// costs, so costs of very different sizes (1e15 for "forbidden", tails of exp(N(0, 8))) or a start from large duals
// round away the costs that decide. In turn, each only where the one before does not settle it:
//   1  bounds      prices near the matched costs: what the solver rounded is below what decides      O(n)
//   2  a proof     an improvement is a cycle of exchanges of negative length. Lengths are known to be above -delta, so
//                  such a cycle has none above n delta: those left are few, mostly without cycles     two passes
//   3  a solution  shortest augmenting paths in fixed-point numbers wide enough for every bit of every cost
#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "routines/assignment.h"
#include "runtime/error.h"

namespace merganser {

namespace {

constexpr double kEpsilon = std::numeric_limits<double>::epsilon();

// An odd integer times a power of two; 0 has magnitude 0.
struct Odd {
  uint64_t magnitude;
  int exponent;
  bool negative;

  explicit Odd(double c) {
    uint64_t bits;
    std::memcpy(&bits, &c, sizeof bits);
    const int biased = static_cast<int>(bits >> 52) & 0x7ff;
    magnitude = (bits & ((uint64_t{1} << 52) - 1)) | (biased > 0 ? uint64_t{1} << 52 : 0);
    exponent = std::max(biased, 1) - 1075;
    negative = bits >> 63;
    if (magnitude == 0) return;
    const int zeros = __builtin_ctzll(magnitude);
    magnitude >>= zeros;
    exponent += zeros;
  }
  int top() const { return exponent + 64 - __builtin_clzll(magnitude); }
};

// A two's complement integer of kWords words in units of 2^unit.
template <int kWords>
struct Wide {
  uint64_t word[kWords] = {};

  Wide& operator+=(const Wide& x) { return add(x, false); }
  Wide& operator-=(const Wide& x) { return add(x, true); }
  // Adds c times `sign`, 1 or -1.
  void add(double c, int unit, int sign = 1) {
    const Odd odd(c);
    if (odd.magnitude == 0) return;
    if (odd.exponent < unit) costs_changed();  // the unit is that of all costs, as they were
    const int shift = odd.exponent - unit, first = shift / 64, bit = shift % 64;
    const uint64_t part[2] = {odd.magnitude << bit, bit ? odd.magnitude >> (64 - bit) : 0};
    const bool subtract = odd.negative != (sign < 0);
    uint64_t carry = 0;
    for (int w = first; w < kWords; ++w) {
      const uint64_t x = w - first < 2 ? part[w - first] : 0;
      if (w - first >= 2 && carry == 0) break;
      add_word(word[w], x, subtract, carry);
    }
  }
  bool negative() const { return word[kWords - 1] >> 63; }
  bool operator<(const Wide& x) const {
    const int64_t top = static_cast<int64_t>(word[kWords - 1]), other = static_cast<int64_t>(x.word[kWords - 1]);
    if (top != other) return top < other;
    for (int w = kWords - 2; w >= 0; --w) {
      if (word[w] != x.word[w]) return word[w] < x.word[w];
    }
    return false;
  }
  bool operator==(const Wide& x) const { return std::memcmp(word, x.word, sizeof word) == 0; }
  // The nearest double.
  double value(int unit) const {
    Wide magnitude = *this;
    if (negative()) {
      magnitude = Wide();
      magnitude -= *this;
    }
    int top = kWords - 1;
    while (top > 0 && magnitude.word[top] == 0) --top;
    uint64_t high = magnitude.word[top];
    int exponent = unit + 64 * top;
    if (top > 0) {
      const int shift = __builtin_clzll(high);
      bool rest = false;
      for (int w = 0; w < top - 1; ++w) rest |= magnitude.word[w] != 0;
      uint64_t next = magnitude.word[top - 1];
      if (shift > 0) {
        high = high << shift | next >> (64 - shift);
        next <<= shift;
      }
      high |= rest || next != 0;  // below the bit that rounding looks at
      exponent -= shift;
    }
    const double result = std::ldexp(static_cast<double>(high), exponent);
    return negative() ? -result : result;
  }

 private:
  Wide& add(const Wide& x, bool subtract) {
    uint64_t carry = 0;
    for (int w = 0; w < kWords; ++w) add_word(word[w], x.word[w], subtract, carry);
    return *this;
  }
  static void add_word(uint64_t& to, uint64_t x, bool subtract, uint64_t& carry) {
    const unsigned __int128 before = to, wide = subtract ? before - x - carry : before + x + carry;
    to = static_cast<uint64_t>(wide);
    carry = static_cast<uint64_t>(wide >> 64) & 1;
  }
};

// Units of the fixed-point numbers, and the bits that sums of `terms` costs need.
struct Span {
  int unit = 0, bits = 64;

  Span(mg_context* context, Costs& costs, int64_t terms) {
    int low = INT32_MAX, high = INT32_MIN;
    for (int64_t i = 0; i < costs.rows; ++i) {
      check_cancelled(context);
      const void* row = costs.row(i);
      for (int64_t j = 0; j < costs.cols; ++j) {
        const double c = element_of(costs.type, row, j);
        if (c == 0 || std::isinf(c)) continue;
        const Odd odd(c);
        low = std::min(low, odd.exponent);
        high = std::max(high, odd.top());
      }
    }
    if (low > high) return;
    unit = low;
    bits = high - low + 2;
    while (terms > 0) {
      ++bits;
      terms /= 2;
    }
  }
};

struct Exact {
  std::vector<int64_t> columns;
  std::vector<double> v;
  double value;
  bool same;  // the matching given has this sum too
};

// A number as F64, and how far off that may be.
struct Near {
  double value, off;

  explicit Near(double nearest = 0) : value(nearest), off(kEpsilon * std::fabs(nearest)) {}
  bool above(const Near& other) const { return value - off > other.value + other.off; }
};

// Shortest augmenting paths (Dijkstra over columns), every comparison exact: in F64 where that decides, as it nearly
// always does.
template <int kWords>
Exact shortest_paths(mg_context* context, Costs& costs, int unit, const std::vector<double>& given) {
  using Number = Wide<kWords>;
  const int64_t rows = costs.rows, cols = costs.cols;
  std::vector<Number> u(rows), v(cols), d(cols);
  std::vector<Near> near_v(cols), near_d(cols);
  std::vector<int64_t> column_of(rows, -1), row_of(cols, -1), pred(cols), open(cols), closed;
  std::vector<char> reached(cols);
  const auto cost = [&](const void* row, int64_t j) { return costs.sign * element_of(costs.type, row, j); };
  if (rows == cols) {
    // Column reduction: v_j = min_i c_ij, u = 0.
    std::vector<double> least(cols, kInfinity);
    for (int64_t i = 0; i < costs.rows; ++i) {
      const void* row = costs.row(i);
      for (int64_t j = 0; j < cols; ++j) {
        const double c = cost(row, j);
        if (c < least[j]) {
          least[j] = c;
          pred[j] = i;
        }
      }
    }
    for (int64_t j = 0; j < cols; ++j) {
      if (least[j] == kInfinity) no_finite_assignment("column", j);
      v[j].add(least[j], unit);
      near_v[j] = Near(least[j]);
      if (column_of[pred[j]] >= 0) continue;
      column_of[pred[j]] = j;
      row_of[j] = pred[j];
    }
  }
  for (int64_t start = 0; start < costs.rows; ++start) {
    if (column_of[start] >= 0) continue;
    std::fill(reached.begin(), reached.end(), 0);
    closed.clear();
    for (int64_t j = 0; j < cols; ++j) open[j] = j;
    int64_t left = cols;
    Number mu;
    int64_t i = start, end = -1;
    while (end < 0) {
      check_cancelled(context);
      const void* row = costs.row(i);
      Number base = mu;
      base -= u[i];
      const double near_base = base.value(unit);
      int64_t best = left;
      for (int64_t at = 0; at < left; ++at) {
        const int64_t j = open[at];
        const double c = cost(row, j);
        if (c < kInfinity) {
          Near about(near_base + c - near_v[j].value);
          about.off = 4 * kEpsilon * (std::fabs(near_base) + std::fabs(c) + std::fabs(near_v[j].value));
          if (!reached[j] || !about.above(near_d[j])) {
            Number candidate = base;
            candidate -= v[j];
            candidate.add(c, unit);
            if (!reached[j] || candidate < d[j]) {
              d[j] = candidate;
              near_d[j] = Near(candidate.value(unit));
              pred[j] = i;
              reached[j] = 1;
            }
          }
        }
        if (!reached[j]) continue;
        if (best == left) {
          best = at;
          continue;
        }
        // The nearest; of equal ones a free column, then the lowest.
        const int64_t other = open[best];
        if (near_d[j].above(near_d[other])) continue;
        const bool free = row_of[j] < 0, other_free = row_of[other] < 0;
        if (d[j] < d[other] || (d[j] == d[other] && (free != other_free ? free : j < other))) best = at;
      }
      if (best == left) no_finite_assignment("row", start);
      const int64_t j = open[best];
      open[best] = open[--left];
      mu = d[j];
      closed.push_back(j);
      if (row_of[j] < 0) {
        end = j;
      } else {
        i = row_of[j];
      }
    }
    u[start] += mu;
    for (const int64_t j : closed) {
      Number step = mu;
      step -= d[j];
      v[j] -= step;
      near_v[j] = Near(v[j].value(unit));
      if (row_of[j] >= 0) u[row_of[j]] += step;
    }
    for (int64_t j = end; j >= 0;) {
      const int64_t row = pred[j];
      row_of[j] = row;
      std::swap(column_of[row], j);
      if (row == start) break;
    }
  }
  Exact result{std::move(column_of), std::vector<double>(cols), 0, false};
  Number total, other;
  std::vector<double> found(rows);
  costs.pairs(result.columns.data(), found.data());
  for (int64_t i = 0; i < rows; ++i) {
    total.add(found[i], unit);
    other.add(given[i], unit);
  }
  for (int64_t j = 0; j < cols; ++j) result.v[j] = v[j].value(unit);
  result.value = costs.sign * total.value(unit);
  result.same = total == other;
  return result;
}

// An exchange: the row of column `from` takes column `to`. Its cost changes by plus - minus.
struct Exchange {
  int32_t from, to;
  double plus, minus;
};

// Keeps the exchanges that may lie on a cycle.
void peel(std::vector<Exchange>& exchanges, int64_t nodes) {
  std::vector<int32_t> in(nodes), out(nodes);
  for (size_t before = exchanges.size() + 1; exchanges.size() < before;) {
    before = exchanges.size();
    std::fill(in.begin(), in.end(), 0);
    std::fill(out.begin(), out.end(), 0);
    for (const Exchange& e : exchanges) {
      ++out[e.from];
      ++in[e.to];
    }
    exchanges.erase(std::remove_if(exchanges.begin(), exchanges.end(),
                                   [&](const Exchange& e) { return in[e.from] == 0 || out[e.to] == 0; }),
                    exchanges.end());
  }
}

// Whether no cycle has negative length (Bellman and Ford).
template <int kWords>
bool none_negative(mg_context* context, const std::vector<Exchange>& exchanges, int64_t nodes, int unit) {
  std::vector<Wide<kWords>> distance(nodes);
  for (int64_t round = 0; round <= nodes; ++round) {
    check_cancelled(context);
    bool changed = false;
    for (const Exchange& e : exchanges) {
      Wide<kWords> candidate = distance[e.from];
      candidate.add(e.plus, unit);
      candidate.add(e.minus, unit, -1);
      if (candidate < distance[e.to]) {
        distance[e.to] = candidate;
        changed = true;
      }
    }
    if (!changed) return true;
  }
  return false;
}

// Calls fn with the first width that holds `bits`. The costs span less than 2^2100.
template <typename Fn>
auto with_width(int bits, Fn&& fn) {
  if (bits <= 128) return fn(Wide<2>());
  if (bits <= 192) return fn(Wide<3>());
  if (bits <= 320) return fn(Wide<5>());
  if (bits <= 640) return fn(Wide<10>());
  if (bits <= 1216) return fn(Wide<19>());
  MG_REQUIRE(bits <= 2304, "costs that span %d bits", bits);
  return fn(Wide<36>());
}

template <int kWords>
constexpr int words_of(const Wide<kWords>&) {
  return kWords;
}

// True only when no matching is better, in exact arithmetic.
bool proved(mg_context* context, Costs& costs, const int64_t* columns, const std::vector<double>& matched,
            const double* u, const double* v) {
  const int64_t rows = costs.rows, cols = costs.cols;
  std::vector<char> used(cols, 0);
  for (int64_t i = 0; i < rows; ++i) used[columns[i]] = 1;
  for (int64_t j = 0; rows < cols && j < cols; ++j) {
    if (used[j] ? v[j] > 0 : v[j] != 0) return false;
  }
  double delta = 0;
  std::vector<double> worst(rows);
  costs.excesses(columns, u, v, worst.data());
  for (int64_t i = 0; i < rows; ++i) {
    delta = std::max(delta, worst[i] - excess_of(u[i], v[columns[i]], matched[i]));
  }
  if (delta == 0) return true;
  const int64_t nodes = cols + 1;  // the last stands for "some free column", whose dual is 0
  const double near = 1.01 * delta * static_cast<double>(nodes);
  const size_t most = static_cast<size_t>(16 * rows + 4096);
  std::vector<Exchange> exchanges;
  for (int64_t i = 0; i < rows; ++i) {
    check_cancelled(context);
    const int64_t own = columns[i];
    const double least = excess_of(u[i], v[own], matched[i]) - near;
    if (worst[i] < least) continue;
    const void* row = costs.row(i);
    for (int64_t j = 0; j < cols; ++j) {
      const double c = costs.sign * element_of(costs.type, row, j);
      if (j == own || !(excess_of(u[i], v[j], c) >= least)) continue;
      const int64_t to = used[j] ? j : cols;
      exchanges.push_back({static_cast<int32_t>(own), static_cast<int32_t>(to), c, matched[i]});
      if (exchanges.size() > most) return false;
    }
  }
  for (int64_t j = 0; rows < cols && j < cols; ++j) {
    if (used[j] && -v[j] <= near) {
      exchanges.push_back({static_cast<int32_t>(cols), static_cast<int32_t>(j), 0, 0});
    }
  }
  peel(exchanges, nodes);
  if (exchanges.empty()) return true;
  std::vector<int32_t> name(nodes, -1);
  int32_t core = 0;
  for (Exchange& e : exchanges) {
    for (int32_t* end : {&e.from, &e.to}) {
      int32_t& known = name[*end];
      if (known < 0) known = core++;
      *end = known;
    }
  }
  if (static_cast<double>(core) * static_cast<double>(exchanges.size()) > 1e8) return false;
  const Span span(context, costs, 2 * nodes);
  return with_width(span.bits, [&](auto zero) {
    return none_negative<words_of(decltype(zero)())>(context, exchanges, core, span.unit);
  });
}

}  // namespace

bool plain_assignment(int64_t rows, int64_t cols, const double* start, const double* matched, const double* u,
                      const double* v) {
  double prices = 0, duals = 0, sum = 0, least = kInfinity;
  for (int64_t i = 0; i < rows; ++i) {
    const double c = std::fabs(matched[i]);
    sum += c;
    if (c > 0) least = std::min(least, c);
    duals = std::max(duals, std::fabs(u[i]));
  }
  // Prices only fall: those on the way lie between the first, which matched costs or `start` bound, and the last.
  for (int64_t j = 0; j < cols; ++j) {
    prices = std::max({prices, std::fabs(v[j]), start ? std::fabs(start[j]) : 0});
  }
  const double largest = prices + duals, n = static_cast<double>(cols);
  return largest == 0 || (largest <= 16 * sum && n * kEpsilon * largest <= 0x1p-20 * least);
}

void make_exact(mg_context* context, Costs& costs, const double* start, int64_t* columns, double* u, double* v,
                double* value) {
  if (costs.rows == 0) return;
  std::vector<double> matched(costs.rows);
  costs.pairs(columns, matched.data());
  const bool plain = plain_assignment(costs.rows, costs.cols, start, matched.data(), u, v);
  if (plain || proved(context, costs, columns, matched, u, v)) return;
  const Span span(context, costs, 4 * costs.cols + 4);
  const Exact exact = with_width(span.bits, [&](auto zero) {
    return shortest_paths<words_of(decltype(zero)())>(context, costs, span.unit, matched);
  });
  if (!exact.same) {
    std::copy(exact.columns.begin(), exact.columns.end(), columns);
    *value = exact.value;
  }
  std::copy(exact.v.begin(), exact.v.end(), v);
  costs.pairs(columns, u);
  for (int64_t i = 0; i < costs.rows; ++i) {
    u[i] -= v[columns[i]];
    if (!std::isfinite(u[i])) costs_changed();
  }
}

}  // namespace merganser
