// SPDX-License-Identifier: Apache-2.0
// Eigenvalues of general matrices by LAPACK (dgeev: balancing, Hessenberg form, QR iteration), which scales what is far
// from 1 by itself. One thread a matrix, matrices at the same time. LAPACK sees the transposes, whose eigenvalues are the
// same.
#include <algorithm>

#include "routines/dense.h"
#include "routines/problems.h"
#include "routines/routines.h"
#include "runtime/blas.h"
#include "runtime/buffer.h"

namespace merganser {

void general_eigenvalues(mg_context* context, int64_t count, int64_t n, const double* a, int64_t lda, double* real,
                         double* imaginary) {
  SerialBlas blas(context);
  each_problem(context, count, [&](mg_context*, int64_t k) {
    const double* matrix = a + k * n * lda;
    check_finite("a", n, n, matrix, lda);
    Buffer<double> copy(n, n), re(n), im(n);
    for (int64_t i = 0; i < n; ++i) std::copy_n(matrix + i * lda, n, copy.data() + i * n);
    geev(n, copy.data(), re.data(), im.data());
    check_finite("real", 1, n, re.data(), n);
    check_finite("imaginary", 1, n, im.data(), n);
    std::copy_n(re.data(), n, real + k * n);
    std::copy_n(im.data(), n, imaginary + k * n);
  });
}

}  // namespace merganser
