// SPDX-License-Identifier: Apache-2.0
// Thin singular value decomposition by LAPACK: divide and conquer (dgesdd), QR iteration (dgesvd) where that does not
// converge. One thread. A matrix whose elements are far from 1 is decomposed in units of a power of two, so that no
// square of theirs leaves the range of F64.
#include <algorithm>
#include <cmath>

#include "routines/dense.h"
#include "routines/routines.h"
#include "runtime/blas.h"
#include "runtime/buffer.h"

namespace merganser {

void svd(mg_context* context, int64_t m, int64_t n, const double* a, int64_t lda, double* u, int64_t ldu, double* sigma,
         double* vt, int64_t ldvt) {
  SerialBlas blas(context);
  check_finite("a", m, n, a, lda);
  const int64_t r = std::min(m, n);
  Buffer<double> copy(m, n), left(m, r), right(r, n);
  double largest = 0;
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t j = 0; j < n; ++j) largest = std::max(largest, std::fabs(a[i * lda + j]));
  }
  int exponent = 0;
  if (!(largest > 1e-100 && largest < 1e100)) std::frexp(largest, &exponent);
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t j = 0; j < n; ++j) copy[i * n + j] = std::ldexp(a[i * lda + j], -exponent);
  }
  thin_svd(context, m, n, copy.data(), left.data(), sigma, right.data());
  for (int64_t k = 0; k < r; ++k) sigma[k] = std::ldexp(sigma[k], exponent);
  check_finite("sigma", 1, r, sigma, r);
  for (int64_t i = 0; i < m; ++i) std::copy_n(left.data() + i * r, r, u + i * ldu);
  for (int64_t i = 0; i < r; ++i) std::copy_n(right.data() + i * n, n, vt + i * ldvt);
}

}  // namespace merganser
