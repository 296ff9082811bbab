// SPDX-License-Identifier: Apache-2.0
// Gram matrices of centred samples: the columns are centred and multiplied a part at a time, so that what is centred
// stays small; only one triangle is computed.
#include "routines/gram.h"

#include <algorithm>
#include <new>
#include <vector>

#include "routines/centre.h"
#include "routines/product.h"
#include "routines/routines.h"
#include "runtime/blas.h"
#include "runtime/buffer.h"
#include "runtime/isa.h"
#include "runtime/pool.h"

namespace merganser {

namespace {

constexpr int64_t kMirror = 64;  // side of what is transposed at a time

// Step between rows of so many centred columns: a line more, since rows that are a power of two apart share the sets of a
// cache.
template <typename T>
constexpr int64_t step(int64_t depth) {
  return depth + 64 / static_cast<int64_t>(sizeof(T));
}

template <typename T>
constexpr int32_t code() {
  return sizeof(T) == 8 ? MG_F64 : MG_F32;
}

// The other triangle of rows [begin, begin + kMirror): columns of the upper one.
void mirror(int64_t n, double* out, int64_t begin) {
  const int64_t end = std::min(n, begin + kMirror), height = end - begin;
  const auto transpose = kernels().elementwise.transpose[MG_F64];
  for (int64_t j = 0; j < begin; j += kMirror) transpose(out + begin * n + j, n, height, kMirror, out + j * n + begin, n);
  for (int64_t i = begin; i < end; ++i) {
    for (int64_t j = begin; j < i; ++j) out[j * n + i] = out[i * n + j];
  }
}

// Products of float are added to the sum in F64; those of double are there.
void fold(int64_t n, int64_t row, const float* products, bool first, double* out) {
  double* sum = out + row * n;
  if (first) std::fill(sum, sum + row + 1, 0.0);
  kernels().gram.fold_row(products + row * n, sum, row + 1);
}

// The lower triangle of X X^T of centred X, on the pool or, without a context, on this thread. Work memory is given:
// n * step(min(p, kGramDepth)), and n * n for float.
template <typename T>
struct Products {
  mg_context* context;
  int64_t n;
  T* centred;
  T* products;

  template <typename Run>
  void each(int64_t items, const Run& run) const {
    if (context) return parallel_for(context, items, [&](int64_t item, int32_t) { run(item); });
    for (int64_t item = 0; item < items; ++item) run(item);
  }

  void operator()(int32_t dtype, int64_t p, const void* x, int64_t ldx, double* out) const {
    for (int64_t k0 = 0; k0 < p; k0 += kGramDepth) {
      const int64_t depth = std::min(kGramDepth, p - k0);
      each(divide_up(depth, kStripe), [&](int64_t item) {
        const int64_t begin = item * kStripe;
        centre_stripe(dtype, code<T>(), n, x, ldx, k0 + begin, std::min(kStripe, depth - begin), centred + begin,
                      step<T>(depth));
      });
      const View<const T> z = by_rows<const T>(centred, step<T>(depth));
      if constexpr (sizeof(T) == 8) {
        multiply_lower(depth, z, k0 == 0 ? 0 : 1, out);
      } else {
        multiply_lower(depth, z, 0, products);
        each(n, [&](int64_t row) { fold(n, row, products, k0 == 0, out); });
      }
    }
    if (p == 0) std::fill(out, out + n * n, 0.0);
  }

 private:
  void multiply_lower(int64_t depth, View<const T> z, double beta, T* c) const {
    if (context) {
      multiply<T>(context, n, n, depth, 1, z, z.transposed(), beta, by_rows(c, n), Uplo::kLower);
    } else {
      multiply<T>(n, n, depth, 1, z, z.transposed(), beta, by_rows(c, n), Uplo::kLower);
    }
  }
};

template <typename T>
int64_t work_of(int64_t n, int64_t p) {
  int64_t rows = step<T>(std::min(p, kGramDepth)), work;
  if (sizeof(T) == 4) rows += n;
  if (__builtin_mul_overflow(n, rows, &work)) throw std::bad_alloc();
  return work;
}

template <typename T>
void products(mg_context* context, int32_t dtype, int64_t n, int64_t p, const void* x, int64_t ldx, double* out) {
  Buffer<T> work(work_of<T>(n, p));
  Products<T>{context, n, work.data(), work.data() + n * step<T>(std::min(p, kGramDepth))}(dtype, p, x, ldx, out);
}

// Of row i, without its own element where the matrix has none.
double row_sum(int64_t n, const double* k, int64_t i, bool unbiased) {
  const auto sum = kernels().gram.sum_row;
  const double* row = k + i * n;
  return unbiased ? sum(row, i) + sum(row + i + 1, n - i - 1) : sum(row, n);
}

void means_of_sums(int64_t n, bool unbiased, double* sums) {
  const GramDivisors by(n, unbiased);
  const double all = kernels().gram.sum_row(sums, n) / by.row / by.all;
  for (int64_t i = 0; i < n; ++i) sums[i] = sums[i] / by.row - all;
}

// Of row i in a packed strict upper triangle.
int64_t packed_begin(int64_t n, int64_t i) { return i * (2 * n - i - 1) / 2; }

void write_row(int64_t n, int32_t centring, const double* k, const double* means, int64_t i, double* out) {
  const auto run = kernels().gram.centre_gram_row;
  const double* row = k + i * n;
  if (centring == MG_CENTRE_PACKED) {
    return run(row + i + 1, means[i], means + i + 1, out + packed_begin(n, i), n - i - 1);
  }
  run(row, means[i], means, out + i * n, n);
  if (centring == MG_CENTRE_UNBIASED) out[i * n + i] = 0;
}

template <typename T>
void packed_rows(mg_context* context, int32_t dtype, int32_t layers, int64_t n, const int64_t* widths,
                 const void* const* x, double* out, int64_t ldout) {
  int64_t widest = 0;
  for (int32_t l = 0; l < layers; ++l) widest = std::max(widest, widths[l]);
  const int32_t threads = participants(context);
  Buffer<T> work(threads, work_of<T>(n, widest));
  Buffer<double> grams(threads, n * n + n);
  parallel_for(context, layers, [&](int64_t l, int32_t mine) {
    T* z = work.data() + mine * work_of<T>(n, widest);
    double* gram = grams.data() + mine * (n * n + n);
    double* means = gram + n * n;
    const int64_t width = widths[l];
    Products<T>{nullptr, n, z, z + n * step<T>(std::min(width, kGramDepth))}(dtype, width, x[l], std::max<int64_t>(width, 1),
                                                                    gram);
    for (int64_t i = 0; i < n; i += kMirror) mirror(n, gram, i);
    for (int64_t i = 0; i < n; ++i) means[i] = row_sum(n, gram, i, true);
    means_of_sums(n, true, means);
    for (int64_t i = 0; i < n; ++i) write_row(n, MG_CENTRE_PACKED, gram, means, i, out + l * ldout);
  });
}

}  // namespace

void gram(mg_context* context, int32_t dtype, int32_t precision, int32_t kind, int64_t n, int64_t p, const void* x,
          int64_t ldx, double* out) {
  SerialBlas blas(context);
  const auto run = precision == MG_F64 ? products<double> : products<float>;
  run(context, dtype, n, p, x, ldx, out);
  std::vector<double> squares(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) squares[i] = out[i * n + i];
  parallel_for(context, divide_up(n, kMirror), [&](int64_t item, int32_t) {
    for (int64_t i = item * kMirror; kind == MG_GRAM_DISTANCES && i < std::min(n, (item + 1) * kMirror); ++i) {
      kernels().gram.distance_row(out + i * n, squares[i], squares.data(), out + i * n, i);
      out[i * n + i] = 0;
    }
    mirror(n, out, item * kMirror);
  });
}

void centre_gram(mg_context* context, int32_t centring, int64_t n, const double* k, double* out) {
  const bool unbiased = centring != MG_CENTRE_BIASED;
  const int64_t height = std::max<int64_t>(1, (1 << 15) / std::max<int64_t>(1, n));
  std::vector<double> means(static_cast<size_t>(n));
  const auto rows = [&](const auto& run) {
    parallel_for(context, divide_up(n, height), [&](int64_t item, int32_t) {
      for (int64_t i = item * height; i < std::min(n, (item + 1) * height); ++i) run(i);
    });
  };
  rows([&](int64_t i) { means[i] = row_sum(n, k, i, unbiased); });
  means_of_sums(n, unbiased, means.data());
  rows([&](int64_t i) { write_row(n, centring, k, means.data(), i, out); });
}

void gram_rows(mg_context* context, int32_t dtype, int32_t precision, int32_t layers, int64_t n, const int64_t* widths,
               const void* const* x, double* out, int64_t ldout) {
  if (layers == 0) return;
  SerialBlas blas(context);
  (precision == MG_F64 ? packed_rows<double> : packed_rows<float>)(context, dtype, layers, n, widths, x, out, ldout);
}

void gaussian(mg_context* context, int64_t count, double gamma, double* d) {
  constexpr int64_t kChunk = 16384;
  parallel_for(context, divide_up(count, kChunk), [&](int64_t item, int32_t) {
    const int64_t begin = item * kChunk;
    kernels().gram.gaussian_row(gamma, d + begin, std::min(kChunk, count - begin));
  });
}

}  // namespace merganser
