// SPDX-License-Identifier: Apache-2.0
// Table of the loops that are compiled once per instruction-set level. All levels give the same bytes: every output
// element has one fixed order of operations, nothing is contracted. Arrays over types are indexed by mg_dtype. Pointers
// to elements need no alignment.
#ifndef MERGANSER_KERNELS_H
#define MERGANSER_KERNELS_H

#include <stdint.h>

namespace merganser {

// The two smallest of a row, ties to the lowest index; index -1 and +Inf where there is none.
struct TwoSmallest {
  double first, second;
  int64_t first_index, second_index;
};

// Smallest over the open columns and over the free columns, ties to the lowest index; -1 where there is none.
struct OpenAndFree {
  double open, free;
  int64_t open_index, free_index;
};

constexpr int64_t kListSlabs = 4;
constexpr int64_t kListBlocks = 16 * kListSlabs;
constexpr int64_t kListCapacity = 64;
constexpr int64_t kFactorPanel = 32;

// A product by panels of either factor. width is 0 where there is none and OpenBLAS is as quick.
struct ProductKernel {
  int64_t rows, width;  // of a tile of the result; a panel is as wide, a multiple of `rows`
  // Panels, one after the other: out[k * width + w] = in[w * step + k * deep], zeros from count on. One of the steps
  // is 1.
  void (*pack)(const void* in, int64_t step, int64_t deep, int64_t count, int64_t depth, void* out);
  // A whole tile c = alpha a b + beta c: `rows` indices of a panel, from a on, times a panel; c is not read when beta
  // is 0.
  void (*tile)(int64_t depth, const void* a, const void* b, double alpha, double beta, void* c, int64_t ldc);
};

struct Kernels {
  // Conversion to and from F64; narrow rounds once, to nearest even.
  void (*widen[4])(const void* in, double* out, int64_t n);
  void (*narrow[4])(const double* in, void* out, int64_t n);
  // convert[from][to] returns the number of finite inputs that became infinite.
  int64_t (*convert[4][4])(const void* in, void* out, int64_t n);

  // out[i] = weight * in[i]
  void (*scale[4])(const void* in, double weight, double* out, int64_t n);
  // out[i] = sum_k weights[k] * in_k[i] as mg_weighted_sum has it; any n, `out` may be one of the inputs.
  void (*sum_line[4])(const void* const* in, const double* weights, int32_t models, void* out, int64_t n,
                      bool past_caches);

  int64_t (*count_nonfinite[4])(const void* in, int64_t n);

  // out[i*ld + f] = in[f*stride + i] for f < features, i < rows. transpose[F64|F32].
  void (*transpose[2])(const void* in, int64_t stride, int64_t features, int64_t rows, void* out, int64_t ld);
  // For rows r: sum[f] += in[offsets[r] + f] - shift[f], rows in order. sum_columns[in F64|F32].
  void (*sum_columns[2])(const void* in, const int64_t* offsets, int64_t rows, int64_t width, const double* shift,
                         double* sum);
  // For rows r, d = in[offsets[r] + f] - shift[f]: z[r*ldz + f] = d rounded to the type of z (unless z is NULL),
  // sum[f] += d, square[f] += d*d in F64, rows in order. pack[in F64|F32][z F64|F32].
  void (*pack[2][2])(const void* in, const int64_t* offsets, int64_t rows, int64_t width, const double* shift, void* z,
                     int64_t ldz, double* sum, double* square);
  // acc[i] += in[i] + (a * x[i] + b * y[i])
  void (*fold)(const float* in, double a, const double* x, double b, const double* y, double* acc, int64_t n);
  // acc[i] += a * x[i] + b * y[i], rounded to the type of acc. add_outer[acc F64|F32].
  void (*add_outer[2])(double a, const double* x, double b, const double* y, void* acc, int64_t n);

  // x[i] = copy[i] = left * x[i] + right * y[i]. average[F64|F32], arrays of that type.
  void (*average[2])(double left, double right, const void* y, void* x, void* copy, int64_t n);

  // Assignment. Costs are of type F64|F32, c = sign * cost; v are duals, h = c - v. Columns fit int32_t.
  // First index whose c is NaN, -Inf or finite beyond 1e300, or n.
  int64_t (*cost_bad[2])(const void* cost, double sign, int64_t n);
  // For rows r in order, c < minimum[j]: minimum[j] = c, argmin[j] = first + r, both of the type of the costs. Returns
  // whether a c is one that cost_bad finds.
  bool (*column_minima[2])(const void* cost, int64_t ld, double sign, int64_t first, int64_t rows, void* minimum,
                           void* argmin, int64_t n);
  TwoSmallest (*two_smallest[2])(const void* cost, double sign, const double* v, int64_t n);
  // Minima of h over all columns and of h + taken (0 or +Inf).
  OpenAndFree (*row_minima[2])(const void* cost, double sign, const double* v, const double* taken, int64_t n);
  // nd = h - offset; where nd < d: d = nd, pred = row. Then minima of d and of d + taken. A column with v = -Inf and
  // d = +Inf is closed.
  OpenAndFree (*relax[2])(const void* cost, double sign, const double* v, double offset, int32_t row,
                          const double* taken, double* d, int32_t* pred, int64_t n);
  // max_j of u - (c - v_j)
  double (*violation[2])(const void* cost, double sign, const double* v, double u, int64_t n);

  // Candidate lists. h32[j] = (float)(h * scale), j < n; and minima[16 s + l], the least over the columns
  // j = 16 q + l of slab s, which has `width` consecutive q; kListSlabs slabs, +Inf where a block is empty.
  void (*list_reduced[2])(const void* cost, double sign, const double* v, double scale, int64_t n, int64_t width,
                          float* h32, float* minima);
  // The rank-th smallest (from 1) of the kListBlocks minima.
  float (*list_threshold)(const float* minima, int32_t rank);
  // Columns with h32 <= threshold in increasing order; returns their number. `out` has room for n + 16.
  int64_t (*list_collect)(const float* h32, float threshold, int64_t n, int32_t* out);
  // The two smallest of cost[k] - v[column[k]], k < count, a multiple of 8; equal ones by position. Indices are
  // columns. At most kListCapacity entries.
  TwoSmallest (*list_scan[2])(const void* cost, const int32_t* column, int64_t count, const double* v);
  // Columns with nd = h - offset below both d and limit, in increasing order; returns their number.
  int64_t (*improved[2])(const void* cost, double sign, const double* v, double offset, const double* d, double limit,
                         int64_t n, int32_t* out);

  // Costs from factors of type F64|F32: out[r * ldo + j] = sum_k x[r * ldx + k] * y[j, k], k in order, in F64 with each
  // product rounded once (products of F32 are exact); y packed in panels of kFactorPanel columns, panel[k][column].
  void (*factor_rows[2])(const void* x, int64_t ldx, int64_t rows, const void* packed, int64_t k, int64_t panels,
                         double* out, int64_t ldo);

  // The one exception: the portable level has no bytes of its own here. product[F64|F32].
  ProductKernel product[2];
};

const Kernels* kernels_portable();
const Kernels* kernels_avx2();
const Kernels* kernels_avx512();

}  // namespace merganser

#endif
