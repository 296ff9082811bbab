// SPDX-License-Identifier: Apache-2.0
// Orthogonal polar factor by scaled Newton iteration.
#pragma once

#include <cstdint>

#include "runtime/context.h"

namespace merganser {

// q becomes the orthogonal polar factor of a, both n x n contiguous. False, with q lost, when a singular value
// decomposition has to decide or is quicker: a is small, is singular or may have a singular value below 1e-6 of the
// largest, or the iteration does not converge. MG_F32: the steps between the first and the last in F32. The caller
// holds the BLAS gate.
bool newton_polar(mg_context*, int32_t dtype, int64_t n, const double* a, double* q);

// The singular values of a, decreasing, q and dtype being those of newton_polar: the eigenvalues of q^T a, which take a
// fraction of the time of a singular value decomposition.
void singular_values(mg_context*, int32_t dtype, int64_t n, const double* q, const double* a, double* sigma);

// trace(q^T a), the sum of the singular values of a when q is its polar factor.
double sum_of_singular_values(int64_t n, const double* q, const double* a, int64_t lda);

}  // namespace merganser
