// SPDX-License-Identifier: Apache-2.0
// Orthogonal polar factors on the device: the parts of polar.cpp, which cca_map.cpp uses too.
#pragma once

#include <cstdint>

#include "cuda/plugin.h"

namespace merganser {
namespace cuda {

// Up to here a problem is one block's: see polar_small.cu.
constexpr int64_t kSmallPolar = 128;

// What a block found. `largest` and `sum` are of the singular values of 2^-exponent a.
struct SmallPolar {
  int64_t rank;
  double largest, sum;
  int32_t exponent;
  int32_t converged;
};

// q = U V^T of `count` matrices a = U diag(sigma) V^T, n <= kSmallPolar, of which 2^-exponent a has elements at most 1;
// sigma, decreasing, may be NULL. Exponents go in with `results` on the host. q is written where the rank is n.
void small_polar(State&, const char* routine, int64_t count, int64_t n, const double* a, int64_t lda, double* q,
                 int64_t ldq, double* sigma, SmallPolar* results);

enum class Iterated { DONE, ABOVE, UNCLEAR };

// x becomes its orthogonal polar factor by products alone, n x n without gaps; `dtype` as in mg_polar. ABOVE when a
// singular value is above `bound` > 0 (0: none is given), UNCLEAR when a singular value decomposition has to decide:
// x may have one below 1e-6 of the largest. Then x is lost. Its elements are near 1, or the bound is.
Iterated iterated_polar(mg_context*, State&, const char* routine, int32_t dtype, int64_t n, double bound, double* x);

// sigma[i], decreasing, on the host: the eigenvalues of q^T a, q as iterated_polar leaves it.
void singular_values(State&, const char* routine, int32_t dtype, int64_t n, const double* q, const double* a,
                     double* sigma);

}  // namespace cuda
}  // namespace merganser
