// SPDX-License-Identifier: Apache-2.0
// Thin QR decomposition by LAPACK. One thread. A matrix whose elements are far from 1 is decomposed in units of a power
// of two.
#include <algorithm>
#include <cmath>

#include "routines/dense.h"
#include "routines/routines.h"
#include "runtime/blas.h"
#include "runtime/buffer.h"

namespace merganser {

void qr(mg_context* context, int64_t m, int64_t n, const double* a, int64_t lda, double* q, int64_t ldq, double* r,
        int64_t ldr) {
  SerialBlas blas(context);
  check_finite("a", m, n, a, lda);
  Buffer<double> copy(m, n), upper(n, n);
  double largest = 0;
  for (int64_t i = 0; i < m; ++i) {
    std::copy_n(a + i * lda, n, copy.data() + i * n);
    for (int64_t j = 0; j < n; ++j) largest = std::max(largest, std::fabs(a[i * lda + j]));
  }
  int exponent = 0;
  if (largest > 0 && !(largest > 1e-100 && largest < 1e100)) {
    std::frexp(largest, &exponent);
    for (int64_t i = 0; i < m * n; ++i) copy[i] = std::ldexp(copy[i], -exponent);
  }
  thin_qr(m, n, copy.data(), upper.data());
  if (exponent != 0) {
    for (int64_t i = 0; i < n * n; ++i) upper[i] = std::ldexp(upper[i], exponent);
    check_finite("r", n, n, upper.data(), n);
  }
  for (int64_t i = 0; i < m; ++i) std::copy_n(copy.data() + i * n, n, q + i * ldq);
  for (int64_t i = 0; i < n; ++i) std::copy_n(upper.data() + i * n, n, r + i * ldr);
}

}  // namespace merganser
