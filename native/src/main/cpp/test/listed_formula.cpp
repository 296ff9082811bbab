// SPDX-License-Identifier: Apache-2.0
// Oracles of formulas of mergers: their definitions in merganser.h, element by element.
#include <array>
#include <memory>

#include "test/listed_tools.h"

namespace check {

namespace {

constexpr int32_t kMost = 5;

// One element of a base and models, all of a call's parameters, and whether its variance is selected.
template <typename Real>
struct Element {
  Real base, x[kMost], d[kMost];
  int32_t models;
  const double* parameters;
  const mg_threshold* selected;
  int64_t index;

  Real p(int j) const { return static_cast<Real>(parameters[j]); }
  Real own(int32_t k) const { return static_cast<Real>(parameters[2 + k]); }
  Real sum() const {
    Real sum = 0;
    for (int32_t k = 0; k < models; ++k) sum += d[k];
    return sum;
  }
  // The running form, which gives 0 for equal numbers.
  Real variance() const {
    Real mean = 0, squares = 0;
    for (int32_t k = 0; k < models; ++k) {
      const Real from = d[k] - mean;
      mean += from / static_cast<Real>(k + 1);
      squares += from * (d[k] - mean);
    }
    return squares / static_cast<Real>(models);
  }
  bool selects(Real value) const {
    if (!selected) return true;
    const Real threshold = static_cast<Real>(selected->threshold);
    return !(value < threshold) && (value != threshold || index <= selected->last);
  }
  bool active(int32_t k) const { return !(std::fabs(d[k]) <= p(0)); }
  int32_t count() const {
    int32_t count = 0;
    for (int32_t k = 0; k < models; ++k) count += active(k) ? 1 : 0;
    return count;
  }
  Real unified(bool up) const {
    Real most = 0;
    for (int32_t k = 0; k < models; ++k) {
      const Real size = up ? d[k] : -d[k];
      most = size > most ? size : most;
    }
    return most;
  }
};

template <typename Real>
Real near_swap(const Element<Real>& e) {
  const Real apart = std::fabs(e.x[0] - e.base), least = static_cast<Real>(1e-6);
  const Real share = e.p(0) / (apart < least ? least : apart), weight = share > 1 ? 1 : share;
  return weight * e.x[0] + (1 - weight) * e.base;
}

template <typename Real>
Real mag_max(const Element<Real>& e) {
  Real largest = 0;
  for (int32_t k = 0; k < e.models; ++k) {
    if (!(std::fabs(e.d[k]) < std::fabs(largest))) largest = e.d[k];
  }
  return e.base + e.p(0) * largest;
}

template <typename Real>
Real ram(const Element<Real>& e) {
  Real sum = 0, alone = 0;
  for (int32_t k = 0; k < e.models; ++k) {
    if (!e.active(k)) continue;
    sum += e.d[k];
    alone = e.own(k) * e.d[k];
  }
  const int32_t count = e.count();
  return e.base + (count == 1 ? alone : count > 1 ? sum / static_cast<Real>(count) : 0);
}

template <typename Real>
Real sce(const Element<Real>& e, bool select) {
  const Real total = e.sum();
  if (std::isnan(total)) return total;
  if (select && !e.selects(e.variance())) return e.base + 0;  // which takes the sign of -0
  Real mix = 0, weight = 0;
  for (int32_t k = 0; k < e.models; ++k) {
    if (!(total < 0 ? e.d[k] < 0 : e.d[k] > 0)) continue;
    mix += e.own(k) * e.d[k];
    weight += e.own(k);
  }
  const Real floor = static_cast<Real>(1e-6);
  return e.base + mix / (weight < floor ? floor : weight);
}

template <typename Real>
Real consensus(const Element<Real>& e) {
  const Real sum = e.sum();
  Real agree = 0;
  for (int32_t k = 0; k < e.models; ++k) agree += std::fabs(e.d[k]) < e.own(k) * std::fabs(sum - e.d[k]) ? 0 : 1;
  return e.base + (agree < e.p(1) ? 0 : e.p(0) * sum);
}

template <typename Real>
Real emr(const Element<Real>& e) {
  const Real sum = e.sum(), own = e.d[static_cast<int32_t>(e.parameters[0])];
  if (std::isnan(sum)) return sum;
  const bool up = sum > 0;
  const Real size = (up ? own : -own) > 0 ? e.p(1) * e.unified(up) : 0;
  return e.base + (up ? size : -size);
}

template <typename Real>
Real weighted(const Element<Real>& e) {
  Real mix = 0, total = 0;
  for (int32_t k = 0; k < e.models; k += 2) {
    const Real weight = e.own(k + 1) * (e.x[k + 1] < 0 ? static_cast<Real>(kNaN) : e.x[k + 1] + e.p(0));
    mix += weight * e.d[k];
    total += weight;
  }
  const Real mean = mix / total;
  return mean == 0 ? e.base : e.base + mean;
}

template <typename Real>
Real merged(int32_t formula, const Element<Real>& e) {
  switch (formula) {
    case MG_FORMULA_NEARSWAP:
      return near_swap(e);
    case MG_FORMULA_MAGMAX:
      return mag_max(e);
    case MG_FORMULA_RAM:
      return ram(e);
    case MG_FORMULA_VARIANCE:
      return e.variance();
    case MG_FORMULA_SCE:
      return sce(e, false);
    case MG_FORMULA_SCE_SELECTED:
      return sce(e, true);
    case MG_FORMULA_CONSENSUS:
      return consensus(e);
    case MG_FORMULA_EMR:
      return emr(e);
    case MG_FORMULA_WEIGHTED:
      return weighted(e);
    default:
      return e.selects(e.x[1]) ? e.x[0] : e.base;
  }
}

// The values of model k that are summed.
template <typename Real>
std::array<double, 2> summed(int32_t sum, const Element<Real>& e, int32_t k) {
  const double d = static_cast<double>(e.d[k]);
  const bool up = e.sum() > 0;
  switch (sum) {
    case MG_FORMULA_ACTIVE:
      return {e.active(k) && e.count() > 1 ? 1.0 : 0.0, e.active(k) && e.count() == 1 ? 1.0 : 0.0};
    case MG_FORMULA_SQUARES:
      return {e.selects(e.variance()) ? d * d : 0.0, 0.0};
    default:
      return {std::fabs(d), (up ? d : -d) > 0 ? static_cast<double>(e.unified(up)) : 0.0};
  }
}

// Arrays of models and a base, and the parameters with which a formula is called.
struct Arrays {
  std::vector<std::unique_ptr<Array>> arrays;
  std::vector<std::vector<char>> elements;
  std::vector<const void*> in;
  Arrays(mg_context* context, const Input& input) {
    const int64_t bytes = input.size * size_of(input.dtype);
    for (int32_t k = 0; k <= kMost; ++k) {
      elements.push_back(random_elements(input, input.size, 60 + static_cast<uint64_t>(k)));
      // Differences that agree, are equal, and are 0.
      for (int64_t i = 0; i < input.size && k > 1; i += 3) {
        const int32_t like = i % 2 == 0 ? 1 : 0;
        store(input.dtype, element(input.dtype, elements[like].data(), i), elements[k].data(), i);
      }
      arrays.push_back(std::make_unique<Array>(context, bytes, input.shift));
      arrays.back()->write(elements.back());
      in.push_back(arrays.back()->data());
    }
  }

  template <typename Real>
  Element<Real> at(int64_t i, int32_t dtype, int32_t models, bool with_base) const {
    Element<Real> e{};
    e.models = models;
    e.base = with_base ? static_cast<Real>(element(dtype, elements[0].data(), i)) : 0;
    for (int32_t k = 0; k < models; ++k) {
      e.x[k] = static_cast<Real>(element(dtype, elements[k + 1].data(), i));
      e.d[k] = e.x[k] - e.base;
    }
    return e;
  }
};

constexpr int64_t kFirst = 5;

struct Case {
  int32_t models;
  bool with_base;
  double parameters[2 + kMost];
  mg_threshold selected;
};

Case case_of(int variant, double size, int64_t n) {
  Case c{variant == 0 ? 1 : variant == 1 ? 3 : kMost, variant != 2, {0.4 * size, 0.7}, {}};
  for (int32_t k = 0; k < kMost; ++k) c.parameters[2 + k] = 0.2 + 0.15 * k;
  c.selected.last = kFirst + n / 2;
  return c;
}

template <typename Real>
Outcome formula_merge(mg_context* context, const Input& input, bool with_oracle) {
  const int64_t n = input.size, bytes = n * size_of(input.dtype);
  const double size = magnitude(input.dtype, input.scale);
  const Arrays given(context, input);
  Outcome result;
  for (int32_t formula = MG_FORMULA_NEARSWAP; formula <= MG_FORMULA_WEIGHTED; ++formula) {
    for (int variant = 0; variant < 3; ++variant) {
      Case c = case_of(variant, size, n);
      if (formula == MG_FORMULA_NEARSWAP) c.models = 1;
      if (formula == MG_FORMULA_WHERE) c.models = 2;
      if (formula == MG_FORMULA_WEIGHTED) c.models = variant == 0 ? 2 : 4;
      if (formula == MG_FORMULA_MAGMAX || formula == MG_FORMULA_CONSENSUS) c.parameters[0] = 0.6;
      if (formula == MG_FORMULA_CONSENSUS) c.parameters[1] = variant == 0 ? 1 : 2;
      if (formula == MG_FORMULA_EMR) c.parameters[0] = c.models - 1;
      // A tie in the middle, which is the last one to be selected or the first one not to be.
      const bool where = formula == MG_FORMULA_WHERE;
      if (n > 0) {
        const Element<Real> e = given.at<Real>(n / 2, input.dtype, c.models, c.with_base);
        const double found = static_cast<double>(where ? std::fabs(e.x[1]) : e.variance());
        c.selected.threshold = std::isnan(found) ? 1 : found;
      }
      c.selected.last -= variant % 2;
      std::vector<const void*> in(given.in.begin() + 1, given.in.end());
      std::unique_ptr<Array> sizes;
      std::vector<char> magnitudes = given.elements[2];
      if (where) {  // numbers that are not negative
        for (int64_t i = 0; i < n; ++i) {
          store(input.dtype, std::fabs(element(input.dtype, magnitudes.data(), i)), magnitudes.data(), i);
        }
        sizes = std::make_unique<Array>(context, bytes, input.shift);
        sizes->write(magnitudes);
        in[1] = sizes->data();
      }
      const mg_threshold* selected = variant == 2 ? nullptr : &c.selected;
      const Array out(context, bytes, input.shift);
      CHECK_OK(mg_formula_merge(context, input.dtype, formula, kFirst, n, c.models,
                                c.with_base ? given.in[0] : nullptr, in.data(), c.parameters, selected, out.data()));
      const std::vector<char> found = out.read();
      append(result.bytes, found);
      if (!with_oracle) continue;
      std::vector<char> expected(found.size());
      for (int64_t i = 0; i < n; ++i) {
        Element<Real> e = given.at<Real>(i, input.dtype, c.models, c.with_base);
        if (where) e.x[1] = static_cast<Real>(element(input.dtype, magnitudes.data(), i));
        e.parameters = c.parameters;
        e.selected = selected;
        e.index = kFirst + i;
        store(input.dtype, static_cast<double>(merged(formula, e)), expected.data(), i);
      }
      raise(result.error, exactly(found == expected));
    }
  }
  // In place.
  const double parameters[] = {0.5, 0, 0.3, 0.7};
  const Array out(context, bytes, input.shift);
  CHECK_OK(mg_formula_merge(context, input.dtype, MG_FORMULA_SCE, 0, n, 2, given.in[0], given.in.data() + 1, parameters,
                            nullptr, out.data()));
  CHECK_OK(mg_formula_merge(context, input.dtype, MG_FORMULA_SCE, 0, n, 2, given.in[0], given.in.data() + 1, parameters,
                            nullptr, given.arrays[2]->data()));
  raise(result.error, exactly(out.read() == given.arrays[2]->read()));
  return result;
}

template <typename Real>
Outcome formula_sums(mg_context* context, const Input& input, bool with_oracle) {
  const int64_t n = input.size;
  const double size = magnitude(input.dtype, input.scale, 3);
  const Arrays given(context, input);
  Outcome result;
  for (int32_t sum = MG_FORMULA_ACTIVE; sum <= MG_FORMULA_AGREEMENT; ++sum) {
    for (int variant = 0; variant < 3; ++variant) {
      Case c = case_of(variant, size, n);
      if (n > 0) {
        const Element<Real> e = given.at<Real>(n / 2, input.dtype, c.models, c.with_base);
        const double variance = static_cast<double>(e.variance());
        c.selected.threshold = std::isnan(variance) ? 1 : variance;
      }
      c.selected.last -= variant % 2;
      const mg_threshold* selected = variant == 2 ? nullptr : &c.selected;
      const int32_t values = sum == MG_FORMULA_SQUARES ? 1 : 2;
      Vector found(static_cast<size_t>(c.models * values), -1.0);
      CHECK_OK(mg_formula_sums(context, input.dtype, sum, kFirst, n, c.models, c.with_base ? given.in[0] : nullptr,
                               given.in.data() + 1, c.parameters, selected, found.data()));
      append(result.bytes, found.data(), found.size());
      if (!with_oracle) continue;
      std::vector<long double> expected(found.size());
      for (int64_t i = 0; i < n; ++i) {
        Element<Real> e = given.at<Real>(i, input.dtype, c.models, c.with_base);
        e.parameters = c.parameters;
        e.selected = selected;
        e.index = kFirst + i;
        for (int32_t k = 0; k < c.models; ++k) {
          const std::array<double, 2> each = summed(sum, e, k);
          for (int32_t j = 0; j < values; ++j) expected[k * values + j] += each[j];
        }
      }
      for (size_t v = 0; v < found.size(); ++v) {
        const double exact = static_cast<double>(expected[v]);
        if (!std::isfinite(exact)) continue;  // sums of 1e308, as they come
        raise(result.error, std::fabs(found[v] - exact) / (1e-14 * std::fabs(exact) + 1e-300));
      }
    }
  }
  return result;
}

}  // namespace

Outcome listed_formula_merge(mg_context* context, const Input& input, bool with_oracle) {
  return input.dtype == MG_F64 ? formula_merge<double>(context, input, with_oracle)
                               : formula_merge<float>(context, input, with_oracle);
}

Outcome listed_formula_sums(mg_context* context, const Input& input, bool with_oracle) {
  return input.dtype == MG_F64 ? formula_sums<double>(context, input, with_oracle)
                               : formula_sums<float>(context, input, with_oracle);
}

// Rows of the size, and scores of a part that begins inside of one.
Outcome listed_fusion_scores(mg_context* context, const Input& input, bool with_oracle) {
  const int64_t cols = std::max<int64_t>(input.size, 1), rows = cols > 1000 ? 2 : 5, skipped = cols / 3;
  const int64_t count = input.size * rows - std::min(skipped, input.size * rows);
  const double size = magnitude(input.dtype, input.scale);
  const Array x(context, input.dtype, gaussian(rows * cols, 71, 0, size), input.shift);
  const Array base(context, input.dtype, gaussian(rows * cols, 72, 0, size), input.shift);
  const int32_t wide = input.dtype == MG_F64 ? MG_F64 : MG_F32;
  const Array out(context, count * size_of(wide), input.shift);
  Vector divergences(static_cast<size_t>(rows), -1.0);
  CHECK_OK(mg_row_divergences(context, input.dtype, rows, cols, x.data(), base.data(), divergences.data()));
  const int64_t bytes = skipped * size_of(input.dtype);
  CHECK_OK(mg_fusion_scores(context, input.dtype, skipped, count, cols, static_cast<const char*>(x.data()) + bytes,
                            static_cast<const char*>(base.data()) + bytes, divergences.data(), out.data()));
  Outcome result{out.read()};
  append(result.bytes, divergences.data(), divergences.size());
  if (!with_oracle) return result;
  const Vector xs = x.values(input.dtype), bs = base.values(input.dtype), found = out.values(wide);
  for (int64_t row = 0; row < rows; ++row) {
    const double *a = xs.data() + row * cols, *b = bs.data() + row * cols;
    const long double most_a = *std::max_element(a, a + cols), most_b = *std::max_element(b, b + cols);
    long double sum_a = 0, sum_b = 0, divergence = 0, terms = 0;
    for (int64_t i = 0; i < cols; ++i) {
      sum_a += std::exp(a[i] - most_a);
      sum_b += std::exp(b[i] - most_b);
    }
    for (int64_t i = 0; i < cols; ++i) {
      const long double p = std::exp(a[i] - most_a) / sum_a + 1e-8L, q = std::exp(b[i] - most_b) / sum_b + 1e-8L;
      divergence += p * std::log(p / q);
      terms += p * (1 + std::fabs(std::log(p / q)));
    }
    raise(result.error, static_cast<double>(std::fabs(divergences[row] - divergence) / (1e-14L * terms)));
  }
  std::vector<char> expected(found.size() * static_cast<size_t>(size_of(wide)));
  for (int64_t i = 0; i < count; ++i) {
    const double a = xs[skipped + i], b = bs[skipped + i], divergence = divergences[(skipped + i) / cols];
    const double apart = wide == MG_F64 ? a - b : static_cast<float>(a) - static_cast<float>(b);
    store(wide, std::fabs(apart) * divergence, expected.data(), i);
  }
  raise(result.error, exactly(out.read() == expected));
  return result;
}

}  // namespace check
