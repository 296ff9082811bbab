// SPDX-License-Identifier: Apache-2.0
// Orthogonal polar factor from a singular value decomposition, completed on the null space.
#pragma once

#include <cstdint>

#include "runtime/context.h"

namespace merganser {

// Singular values above 1e-6 of the largest.
int64_t numerical_rank(int64_t n, const double* sigma);

// q = U_r V_r^T + U_0 polar(U_0^T P V_0) V_0^T, n x n contiguous; P = I, else the permutation that maximises
// sum preference[i, perm[i]], else index order. Returns the mg_completion.
int32_t completed_polar(mg_context* context, int64_t n, int64_t rank, const double* u, const double* vt,
                        const double* preference, int64_t ld_preference, double* q);

}  // namespace merganser
