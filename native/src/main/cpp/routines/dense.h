// SPDX-License-Identifier: Apache-2.0
// Dense F64 building blocks on row-major matrices. The caller holds the BLAS gate (SerialBlas). The CUDA plug-in has
// its own, for the same callers.
#pragma once

#include <cmath>
#include <cstdint>

#include "runtime/buffer.h"
#include "runtime/context.h"
#include "runtime/error.h"

namespace merganser {

// a = U diag(sigma) V^T of m x n without gaps, U m x r, V^T r x n, r = min(m, n), sigma decreasing; a is destroyed.
void thin_svd(mg_context*, int64_t m, int64_t n, double* a, double* u, double* sigma, double* vt);

// Symmetric a = E^T diag(values) E from the lower triangle, values increasing; a becomes E (eigenvectors in rows).
void eigen(mg_context*, int64_t n, double* a, double* values);

// The values alone; a is destroyed.
void eigenvalues(mg_context*, int64_t n, double* a, double* values);

// a = q r of m x n without gaps, m >= n: a becomes q, r upper triangular with no negative element on its diagonal.
void thin_qr(int64_t m, int64_t n, double* a, double* r);

// Real and imaginary parts of the eigenvalues of a general matrix without gaps; a is destroyed.
void geev(int64_t n, double* a, double* real, double* imaginary);

// Fails with MG_NUMERICAL and the position of the first NaN or infinity.
void check_finite(const char* name, int64_t rows, int64_t cols, const double* a, int64_t ld);

[[noreturn]] inline void fail_not_finite(const char* name, int64_t i, int64_t j, double value) {
  fail(MG_NUMERICAL, format("%s[%lld, %lld] is %s", name, Long{i}, Long{j}, std::isnan(value) ? "NaN" : "infinite"));
}

[[noreturn]] inline void fail_not_definite() {
  fail(MG_NUMERICAL, "a is not positive definite to working precision: it has no Cholesky factor");
}

}  // namespace merganser
