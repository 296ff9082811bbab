// SPDX-License-Identifier: Apache-2.0
// Eigenvalues and eigenvectors of a symmetric matrix by LAPACK: divide and conquer (dsyevd). One thread. A matrix whose
// elements are far from 1 is decomposed in units of a power of two, so that no square of theirs leaves the range of F64.
#include <algorithm>
#include <cmath>

#include "routines/dense.h"
#include "routines/routines.h"
#include "runtime/blas.h"
#include "runtime/buffer.h"

namespace merganser {

void symmetric_eigen(mg_context* context, int64_t n, const double* a, int64_t lda, double* vectors, int64_t ldv,
                     double* values) {
  SerialBlas blas(context);
  Buffer<double> copy(n, n);
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j <= i; ++j) copy[i * n + j] = copy[j * n + i] = a[i * lda + j];
  }
  check_finite("a", n, n, copy.data(), n);
  double largest = 0;
  for (int64_t i = 0; i < n * n; ++i) largest = std::max(largest, std::fabs(copy[i]));
  int exponent = 0;
  if (!(largest > 1e-100 && largest < 1e100)) std::frexp(largest, &exponent);
  for (int64_t i = 0; i < n * n; ++i) copy[i] = std::ldexp(copy[i], -exponent);
  eigen(context, n, copy.data(), values);
  for (int64_t k = 0; k < n; ++k) values[k] = std::ldexp(values[k], exponent);
  check_finite("values", 1, n, values, n);
  for (int64_t k = 0; k < n; ++k) std::copy_n(copy.data() + k * n, n, vectors + k * ldv);
}

}  // namespace merganser
