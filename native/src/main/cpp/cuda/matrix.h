// SPDX-License-Identifier: Apache-2.0
// Passes over matrices by rows on the device, between the products of blas.h: what they write is on the device, in the
// order of the context's stream. Those that return values wait for them. Sums have one order, that of the problem.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "cuda/plugin.h"

namespace merganser {
namespace cuda {

// What is in a matrix: its largest magnitude, and the place of the first NaN or infinity, or -1.
struct Seen {
  double largest;
  int64_t row, column;
  double value;  // there

  // 2^-exponent a has a largest magnitude in [1/2, 1), or is 0.
  int exponent() const {
    int found = 0;
    if (largest > 0) std::frexp(largest, &found);
    return found;
  }
};

// Of `count` n x n matrices, one n * ld behind the other.
std::vector<Seen> look(State&, const char* routine, int64_t count, int64_t n, const double* a, int64_t lda);

// Fails with the text of the CPU's check_finite.
void require_finite(const char* name, const Seen& seen);

// out = 2^exponent a + shift I, n x n without gaps; out may be a.
void scaled_copy(State&, const char* routine, int64_t n, const double* a, int64_t lda, int exponent, double shift,
                 double* out);

// out[i, j] = a[i, j], between types, without gaps.
template <typename From, typename To>
void convert_all(State&, const char* routine, int64_t count, const From* in, To* out);

// out = diagonal I + factor A for a symmetric A from its lower triangle, both triangles; out may be a. T is double or
// float.
template <typename T>
void symmetric_sum(State&, const char* routine, int64_t n, double diagonal, double factor, const T* a, T* out);

// The same, and returns |I - A|_F.
double symmetric_sum_and_distance(State&, const char* routine, int64_t n, double diagonal, double factor,
                                  const double* a, double* out);

// out[i] = sum_j a[i, j] b[i, j] on the device.
void row_dots(State&, const char* routine, int64_t rows, int64_t cols, const double* a, int64_t lda, const double* b,
              int64_t ldb, double* out);

// The sum of all a[i, j] b[i, j] of n x n matrices without gaps.
double dot(State&, const char* routine, int64_t n, const double* a, const double* b);

struct Range {
  double least, largest;
};
Range diagonal_range(State&, const char* routine, int64_t n, const double* a);

// `count` doubles from the device.
std::vector<double> read(State&, const char* routine, const double* from, int64_t count);

}  // namespace cuda
}  // namespace merganser
