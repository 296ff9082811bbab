// SPDX-License-Identifier: Apache-2.0
// Activations with a gain n and a saturation s, and their derivatives: see kernels/gamma_formulas.inc for the arithmetic
// and gamma.h for the order of sums. Where n and s serve many elements, what follows from them is formed once.
#include "routines/gamma.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <type_traits>
#include <vector>

#include "routines/routines.h"
#include "runtime/buffer.h"
#include "runtime/isa.h"
#include "runtime/pool.h"

namespace merganser {

namespace {

constexpr int64_t kChunk = 16384;  // of elements, for a thread at once; a multiple of kGammaChunk
constexpr int64_t kPiece = 256;    // of elements that have n and s of their own
constexpr int64_t kColumns = 512;  // whose sums and constants stay in the first-level cache

struct Arguments {
  mg_context* context;
  int32_t dtype, shape;
  int64_t rows, columns;
  const void *x, *g, *n, *s;
  void *out, *dn, *ds;  // out: dx where there is g

  int64_t count() const { return rows * columns; }
  int64_t shapes() const { return shape == MG_GAMMA_UNIFORM ? 1 : shape == MG_GAMMA_PER_UNIT ? columns : count(); }
  int32_t real() const { return dtype == MG_F64 ? 0 : 1; }
  int64_t bytes() const { return size_of(dtype); }
};

template <typename T>
T* from(T* array, int64_t bytes) {
  typedef std::conditional_t<std::is_const_v<T>, const char, char> Byte;
  return array ? static_cast<T*>(static_cast<Byte*>(array) + bytes) : nullptr;
}

double value(int32_t dtype, const void* array, int64_t i) {
  double wide;
  kernels().elementwise.widen[dtype](from(array, i * size_of(dtype)), &wide, 1);
  return wide;
}

void check_shape(const Arguments& a, double least) {
  const auto refused = kernels().gamma.gamma_refused[a.real()];
  const int64_t shapes = a.shapes(), chunks = divide_up(shapes, kChunk);
  std::vector<int64_t> first(static_cast<size_t>(participants(a.context)), chunks);
  const auto bad = [&](int64_t begin, int64_t count) {
    return refused(from(a.n, begin * a.bytes()), from(a.s, begin * a.bytes()), least, count) > 0;
  };
  parallel_for(a.context, chunks, [&](int64_t item, int32_t participant) {
    int64_t& least_item = first[static_cast<size_t>(participant)];
    const int64_t begin = item * kChunk;
    if (item < least_item && bad(begin, std::min(kChunk, shapes - begin))) least_item = item;
  });
  const int64_t chunk = *std::min_element(first.begin(), first.end());
  for (int64_t i = chunk * kChunk; i < std::min(shapes, (chunk + 1) * kChunk); ++i) {
    if (bad(i, 1)) refuse_gamma(i, value(a.dtype, a.n, i), value(a.dtype, a.s, i), least);
  }
}

GammaTile tile(const Arguments& a, int64_t begin, const void* constants, int64_t stride, bool shared) {
  const int64_t at = begin * a.bytes();
  return {from(a.x, at), from(a.g, at), constants, stride, shared, kGammaNone, from(a.out, at), nullptr, nullptr};
}

void run(const Arguments& a, const GammaTile& tile, int64_t count) {
  const GammaKernels& gamma = kernels().gamma;
  (a.g ? gamma.gamma_backward : gamma.gamma_forward)[a.real()](tile, count);
}

// Sixteen lanes added pairwise, as in a chunk.
double total(const double* parts, int64_t count, int64_t step) {
  double lane[16] = {};
  for (int64_t i = 0; i < count; ++i) lane[i % 16] += parts[i * step];
  for (int half = 8; half >= 1; half /= 2) {
    for (int l = 0; l < half; ++l) lane[l] += lane[l + half];
  }
  return lane[0];
}

double one_nan(double x) { return std::isnan(x) ? std::numeric_limits<double>::quiet_NaN() : x; }

void uniform(const Arguments& a) {
  double constants[kGammaConstants];
  kernels().gamma.gamma_constants[a.real()](a.n, a.s, 1, constants, 1);
  const int64_t count = a.count(), parts = a.dn ? divide_up(count, kGammaChunk) : 0;
  Buffer<double> sums(parts, 2);
  parallel_for(a.context, divide_up(count, kChunk), [&](int64_t item, int32_t) {
    const int64_t end = std::min(count, (item + 1) * kChunk), step = a.dn ? kGammaChunk : kChunk;
    for (int64_t begin = item * kChunk; begin < end; begin += step) {
      GammaTile each = tile(a, begin, constants, 1, true);
      if (a.dn) {
        double* const to = &sums[begin / kGammaChunk * 2];
        each.sums = kGammaLanes;
        each.dn = to;
        each.ds = to + 1;
      }
      run(a, each, std::min(step, end - begin));
    }
  });
  if (!a.dn) return;
  const double dn = one_nan(total(&sums[0], parts, 2)), ds = one_nan(total(&sums[1], parts, 2));
  std::memcpy(a.dn, &dn, sizeof dn);
  std::memcpy(a.ds, &ds, sizeof ds);
}

void per_element(const Arguments& a) {
  const int64_t count = a.count();
  parallel_for(a.context, divide_up(count, kChunk), [&](int64_t item, int32_t) {
    double constants[kGammaConstants * kPiece];  // or as many F32
    const int64_t end = std::min(count, (item + 1) * kChunk);
    for (int64_t begin = item * kChunk; begin < end; begin += kPiece) {
      const int64_t here = std::min(kPiece, end - begin), at = begin * a.bytes();
      kernels().gamma.gamma_constants[a.real()](from(a.n, at), from(a.s, at), here, constants, kPiece);
      GammaTile each = tile(a, begin, constants, kPiece, false);
      if (a.dn) {
        each.sums = kGammaElements;
        each.dn = from(a.dn, at);
        each.ds = from(a.ds, at);
      }
      run(a, each, here);
    }
  });
}

void per_unit(const Arguments& a) {
  const int64_t columns = a.columns, blocks = divide_up(a.rows, kGammaRows), tiles = divide_up(columns, kColumns);
  Buffer<double> constants(kGammaConstants, columns);
  kernels().gamma.gamma_constants[a.real()](a.n, a.s, columns, constants.data(), columns);
  Buffer<double> sums(a.dn ? 2 * blocks : 0, columns);
  parallel_for(a.context, blocks * tiles, [&](int64_t item, int32_t) {
    const int64_t block = item / tiles, left = item % tiles * kColumns, width = std::min(kColumns, columns - left);
    double* const dn = a.dn ? &sums[2 * block * columns + left] : nullptr;
    double* const ds = dn ? dn + columns : nullptr;
    if (dn) {
      std::fill(dn, dn + width, 0.0);
      std::fill(ds, ds + width, 0.0);
    }
    for (int64_t row = block * kGammaRows; row < std::min(a.rows, (block + 1) * kGammaRows); ++row) {
      const void* own = reinterpret_cast<const char*>(constants.data()) + left * a.bytes();
      GammaTile each = tile(a, row * columns + left, own, columns, false);
      each.sums = dn ? kGammaColumns : kGammaNone;
      each.dn = dn;
      each.ds = ds;
      run(a, each, width);
    }
  });
  for (int k = 0; a.dn && k < 2; ++k) {
    for (int64_t j = 0; j < columns; ++j) {
      double sum = 0;
      for (int64_t block = 0; block < blocks; ++block) sum += sums[(2 * block + k) * columns + j];
      sum = one_nan(sum);
      std::memcpy(static_cast<char*>(k == 0 ? a.dn : a.ds) + 8 * j, &sum, sizeof sum);
    }
  }
}

void go(const Arguments& a, double least) {
  check_shape(a, least);
  a.shape == MG_GAMMA_UNIFORM ? uniform(a) : a.shape == MG_GAMMA_PER_UNIT ? per_unit(a) : per_element(a);
}

}  // namespace

void gamma_forward(mg_context* context, int32_t dtype, int32_t shape, int64_t rows, int64_t columns, const void* x,
                   const void* n, const void* s, double least, void* out) {
  go({context, dtype, shape, rows, columns, x, nullptr, n, s, out, nullptr, nullptr}, least);
}

void gamma_backward(mg_context* context, int32_t dtype, int32_t shape, int64_t rows, int64_t columns, const void* x,
                    const void* g, const void* n, const void* s, double least, void* dx, void* dn, void* ds) {
  go({context, dtype, shape, rows, columns, x, g, n, s, dx, dn, ds}, least);
}

}  // namespace merganser
