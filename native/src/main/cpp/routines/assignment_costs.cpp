// SPDX-License-Identifier: Apache-2.0
// Scans of costs in the memory of the CPU, by rows spread over threads: no result depends on how they are spread.
#include "routines/assignment_costs.h"

#include <algorithm>
#include <atomic>
#include <cmath>

#include "runtime/error.h"
#include "runtime/pool.h"

namespace merganser {

namespace {

constexpr int64_t kRowsOfBlock = 64;

// Elements of a matrix that is read in less time than it takes to wake threads for it.
constexpr int64_t kAlone = int64_t{1} << 21;

// Largest |element|; the first that is not finite is an error.
double largest_of(const char* name, int32_t dtype, int64_t rows, int64_t k, const void* data, int64_t ld) {
  double largest = 0;
  std::vector<double> row(k);
  for (int64_t i = 0; i < rows; ++i) {
    kernels().elementwise.widen[dtype](static_cast<const char*>(data) + i * ld * size_of(dtype), row.data(), k);
    for (int64_t l = 0; l < k; ++l) {
      const double magnitude = std::fabs(row[l]);
      if (!(magnitude < kInfinity)) throw_bad_factor(name, i, l, magnitude);
      largest = std::max(largest, magnitude);
    }
  }
  return largest;
}

// y in panels, as the kernels read it.
template <typename T>
void pack_panel(const mg_costs& c, int64_t p, T* panel) {
  for (int64_t w = 0; w < kFactorPanel; ++w) {
    const int64_t j = p * kFactorPanel + w;
    for (int64_t l = 0; l < c.k; ++l) {
      panel[l * kFactorPanel + w] = j < c.cols ? static_cast<T>(element_of(c.dtype, c.y, j * c.ldy + l)) : T{};
    }
  }
}

}  // namespace

HostCosts::HostCosts(mg_context* context, const mg_costs& given, bool maximise, std::vector<RowScratch>& scratch,
                     Buffer<char>& packed, bool serial)
    : Costs(given, maximise),
      context_(context),
      given_(given),
      k_(kernels().assignment),
      scratch_(scratch),
      serial_(serial || (given.k < 0 && given.rows * given.cols < kAlone)) {
  if (factored()) {
    const double largest_x = largest_of("x", given.dtype, rows, given.k, given.x, given.ldx);
    check_products(largest_x, largest_of("y", given.dtype, cols, given.k, given.y, given.ldy), given.k);
    pack(packed);
  }
  const size_t count = serial_ ? 1 : static_cast<size_t>(participants(context));
  if (scratch_.size() < count) scratch_.resize(count);
  for (size_t t = 0; t < count; ++t) {
    RowScratch& each = scratch_[t];
    each.h32.reserve(cols + 64);
    each.columns.reserve(cols + 64);
    if (factored()) each.row.reserve(kRowsOfBlock * panels() * kFactorPanel);
  }
}

void HostCosts::pack(Buffer<char>& packed) {
  const int64_t panel_bytes = kFactorPanel * given_.k * size_of(given_.dtype);
  packed.reserve(panels() * panel_bytes);
  parallel_for(context_, panels(), [&](int64_t p, int32_t) {
    char* panel = packed.data() + p * panel_bytes;
    if (given_.dtype == MG_F64) {
      pack_panel(given_, p, reinterpret_cast<double*>(panel));
    } else {
      pack_panel(given_, p, reinterpret_cast<float*>(panel));
    }
  });
  packed_ = packed.data();
}

int64_t HostCosts::bytes() const {
  const int64_t row = factored() ? kRowsOfBlock * panels() * kFactorPanel * 8 : 0;
  return static_cast<int64_t>(scratch_.size()) * ((cols + 64) * 8 + row);
}

const void* HostCosts::rows_at(int64_t i, int64_t count, double* scratch, int64_t* stride) const {
  const char* first = static_cast<const char*>(given_.x) + i * given_.ldx * size_of(given_.dtype);
  if (!factored()) {
    *stride = given_.ldx;
    return first;
  }
  *stride = panels() * kFactorPanel;
  k_.factor_rows[given_.dtype](first, given_.ldx, count, packed_, given_.k, panels(), scratch, *stride);
  return scratch;
}

const void* HostCosts::row(int64_t i) {
  int64_t stride;
  return rows_at(i, 1, scratch_[0].row.data(), &stride);
}

double HostCosts::at(int64_t i, int64_t j) {
  const mg_costs& g = given_;
  if (!factored()) return sign * element_of(g.dtype, g.x, i * g.ldx + j);
  double sum = 0;
  for (int64_t l = 0; l < g.k; ++l) {
    sum += element_of(g.dtype, g.x, i * g.ldx + l) * element_of(g.dtype, g.y, j * g.ldy + l);
  }
  return sign * sum;
}

// Runs fn on blocks of rows; each call has the scratch of its thread. What fn computes must not depend on it.
void HostCosts::for_rows(const std::function<void(int64_t, int64_t, RowScratch&)>& fn) {
  const int64_t blocks = divide_up(rows, kRowsOfBlock);
  if (serial_) {
    for (int64_t b = 0; b < blocks; ++b) {
      check_cancelled(context_);
      fn(b * kRowsOfBlock, std::min(rows, (b + 1) * kRowsOfBlock), scratch_[0]);
    }
    return;
  }
  parallel_for(context_, blocks, [&](int64_t b, int32_t participant) {
    fn(b * kRowsOfBlock, std::min(rows, (b + 1) * kRowsOfBlock), scratch_[participant]);
  });
}

// Costs were found to be bad: says where the first one is.
void HostCosts::report_bad() {
  for (int64_t i = 0; i < rows; ++i) {
    const void* bad = row(i);
    if (k_.cost_bad[type](bad, sign, cols) < cols) throw_bad_cost(i, bad);
  }
  costs_changed();
}

void HostCosts::check() {
  if (factored()) return;  // the factors have been checked
  std::atomic<bool> bad{false};
  for_rows([&](int64_t begin, int64_t end, RowScratch& scratch) {
    int64_t stride;
    const char* first = static_cast<const char*>(rows_at(begin, end - begin, scratch.row.data(), &stride));
    for (int64_t i = begin; i < end; ++i) {
      const void* row = first + (i - begin) * stride * size_of(type);
      if (k_.cost_bad[type](row, sign, cols) < cols) bad.store(true, std::memory_order_relaxed);
    }
  });
  if (bad.load()) report_bad();
}

// Costs are checked in the same pass. Each thread has minima of its own; the lowest row of equal ones wins, so how rows
// fall to threads is not seen.
void HostCosts::column_minima(double* minimum, int32_t* row) {
  const auto set_up = [&](auto zero, RowScratch& scratch) {
    using T = decltype(zero);
    scratch.minimum.reserve(cols * static_cast<int64_t>(sizeof(T)));
    scratch.argmin.reserve(cols * static_cast<int64_t>(sizeof(T)));
    std::fill_n(reinterpret_cast<T*>(scratch.minimum.data()), cols, std::numeric_limits<T>::infinity());
    std::fill_n(reinterpret_cast<T*>(scratch.argmin.data()), cols, T{-1});
  };
  const size_t count = serial_ ? 1 : static_cast<size_t>(participants(context_));
  for (size_t t = 0; t < count; ++t) {
    if (type == MG_F64) {
      set_up(double{}, scratch_[t]);
    } else {
      set_up(float{}, scratch_[t]);
    }
  }
  std::atomic<bool> bad{false};
  for_rows([&](int64_t begin, int64_t end, RowScratch& scratch) {
    int64_t stride;
    const void* first = rows_at(begin, end - begin, scratch.row.data(), &stride);
    if (k_.column_minima[type](first, stride, sign, begin, end - begin, scratch.minimum.data(), scratch.argmin.data(),
                               cols)) {
      bad.store(true, std::memory_order_relaxed);
    }
  });
  if (bad.load()) report_bad();
  const auto merge = [&](auto zero) {
    using T = decltype(zero);
    for (int64_t j = 0; j < cols; ++j) {
      T least = std::numeric_limits<T>::infinity(), lowest = -1;
      for (size_t t = 0; t < count; ++t) {
        const T value = reinterpret_cast<const T*>(scratch_[t].minimum.data())[j];
        const T who = reinterpret_cast<const T*>(scratch_[t].argmin.data())[j];
        if (who >= 0 && (lowest < 0 || value < least || (value == least && who < lowest))) {
          least = value;
          lowest = who;
        }
      }
      minimum[j] = least;
      row[j] = static_cast<int32_t>(lowest);
    }
  };
  if (type == MG_F64) {
    merge(double{});
  } else {
    merge(float{});
  }
}

void HostCosts::expect(const std::vector<int32_t>& expected, const double*) {
  expected_ = &expected;
  next_ = known_ = 0;
}

// Rows next to each other are computed together.
OpenAndFree HostCosts::row_minima(int64_t i, const double* v, const double* taken) {
  if (known_ == 0) {
    const std::vector<int32_t>& all = *expected_;
    const size_t most = factored() ? static_cast<size_t>(kRowsOfBlock) : 1;
    const auto follows = [&](size_t k) {
      return next_ + k < all.size() && all[next_ + k] == i + static_cast<int64_t>(k);
    };
    for (known_ = 1; known_ < most && follows(known_);) ++known_;
    block_ = static_cast<const char*>(rows_at(i, static_cast<int64_t>(known_), scratch_[0].row.data(), &stride_));
  }
  const void* row = block_;
  block_ += stride_ * size_of(type);
  ++next_;
  --known_;
  return k_.row_minima[type](row, sign, v, taken, cols);
}

void HostCosts::build_list(CandidateLists& lists, int64_t i) { build_list(lists, i, row(i), scratch_[0]); }

void HostCosts::build_list(CandidateLists& lists, int64_t i, const void* row, RowScratch& scratch) {
  float minima[kListBlocks];
  float* h32 = scratch.h32.data();
  const int64_t width = divide_up(cols, kListBlocks);
  k_.list_reduced[type](row, sign, lists.v(), lists.scale(), cols, width, h32, minima);
  const float threshold = std::min(k_.list_threshold(minima, lists.rank()), std::numeric_limits<float>::max());
  int32_t* columns = scratch.columns.data();
  const int64_t count = k_.list_collect(h32, threshold, cols, columns);
  lists.put(
      i, threshold, count, columns, [&](int64_t e) { return h32[columns[e]]; },
      [&](int64_t e) { return sign * element_of(type, row, columns[e]); }, scratch.overfull);
}

void HostCosts::build_free_lists(CandidateLists& lists, const int32_t* column_of) {
  for_rows([&](int64_t begin, int64_t end, RowScratch& scratch) {
    if (std::all_of(column_of + begin, column_of + end, [](int32_t j) { return j >= 0; })) return;
    int64_t stride;
    const char* first = static_cast<const char*>(rows_at(begin, end - begin, scratch.row.data(), &stride));
    for (int64_t i = begin; i < end; ++i) {
      if (column_of[i] < 0) build_list(lists, i, first + (i - begin) * stride * size_of(type), scratch);
    }
  });
}

int64_t HostCosts::excesses(const int64_t* columns, const double* u, const double* v, double* worst) {
  std::atomic<int64_t> first_bad{rows};
  for_rows([&](int64_t begin, int64_t end, RowScratch& scratch) {
    int64_t stride;
    const char* first = static_cast<const char*>(rows_at(begin, end - begin, scratch.row.data(), &stride));
    for (int64_t i = begin; i < end; ++i) {
      const char* row = first + (i - begin) * stride * size_of(type);
      const int64_t after = columns[i] + 1;
      worst[i] = std::max(k_.violation[type](row, sign, v, u[i], columns[i]),
                          k_.violation[type](row + after * size_of(type), sign, v + after, u[i], cols - after));
      if (k_.cost_bad[type](row, sign, cols) == cols) continue;
      for (int64_t least = first_bad.load(); i < least && !first_bad.compare_exchange_weak(least, i);) {
      }
    }
  });
  return first_bad.load();
}

}  // namespace merganser
