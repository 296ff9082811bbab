// SPDX-License-Identifier: Apache-2.0
// Orthogonal polar factor q = U V^T of a = U diag(sigma) V^T: the orthogonal Procrustes map when a is a
// cross-covariance. Rank deficiency is completed as in completion.cpp.
#include <algorithm>

#include "core/blas.h"
#include "core/buffer.h"
#include "routines/completion.h"
#include "routines/dense.h"
#include "routines/routines.h"

namespace merganser {

void polar(mg_context* context, int64_t n, const double* a, int64_t lda, double* q, int64_t ldq, double* sigma,
           mg_polar_report* report) {
  check_finite("a", n, n, a, lda);
  SerialBlas blas(context);
  Buffer<double> copy(n, n), u(n, n), vt(n, n), values(n), result(n, n);
  for (int64_t i = 0; i < n; ++i) std::copy_n(a + i * lda, n, copy.data() + i * n);
  svd(n, copy.data(), u.data(), values.data(), vt.data());
  const int64_t rank = numerical_rank(n, values.data());
  const int32_t completion = completed_polar(context, n, rank, u.data(), vt.data(), a, lda, result.data());
  for (int64_t i = 0; i < n; ++i) std::copy_n(result.data() + i * n, n, q + i * ldq);
  std::copy_n(values.data(), n, sigma);
  *report = {rank, completion};
}

}  // namespace merganser
