// SPDX-License-Identifier: Apache-2.0
// Dense F64 building blocks on row-major matrices. The caller holds the BLAS gate (SerialBlas).
#pragma once

#include <cstdint>

#include "runtime/buffer.h"
#include "runtime/context.h"

namespace merganser {

// a = U diag(sigma) V^T, n x n, sigma decreasing; a is destroyed.
void svd(int64_t n, double* a, double* u, double* sigma, double* vt);

// Symmetric a = E^T diag(values) E from the lower triangle, values increasing; a becomes E (eigenvectors in rows).
void eigen(int64_t n, double* a, double* values);

// The values alone; a is destroyed.
void eigenvalues(int64_t n, double* a, double* values);

// Largest sum of magnitudes in a column.
double norm1(int64_t n, const double* a);

// Fails with MG_NUMERICAL and the position of the first NaN or infinity.
void check_finite(const char* name, int64_t rows, int64_t cols, const double* a, int64_t ld);

}  // namespace merganser
