// SPDX-License-Identifier: Apache-2.0
// Dense building blocks over LAPACK. LAPACK is column-major: it sees the transpose of each row-major matrix, so
// "lower" becomes "U" and U, V^T of a singular value decomposition change places.
#include "routines/dense.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "runtime/blas.h"
#include "runtime/error.h"
#include "runtime/isa.h"

namespace merganser {

namespace {

// LAPACK's work arrays are counted in 32-bit integers and need about 4 n^2 elements.
int lapack_int(int64_t n) {
  MG_REQUIRE(n <= 23000, "n = %lld is above 23000, the limit of 32-bit LAPACK", Long{n});
  return static_cast<int>(n);
}

[[noreturn]] void lapack_failed(const char* routine, int info) {
  fail(MG_NUMERICAL, format("%s failed with info = %d", routine, info));
}

// Divide and conquer; false when it does not converge.
bool gesdd(int n, double* a, double* sigma, double* left, double* right) {
  Buffer<int> integers(8 * static_cast<int64_t>(n));
  double wanted = 0;
  int info = 0, size = -1;
  dgesdd_("S", &n, &n, a, &n, sigma, left, &n, right, &n, &wanted, &size, integers.data(), &info, 1);
  if (info != 0) lapack_failed("dgesdd", info);
  size = static_cast<int>(wanted);
  Buffer<double> work(size);
  dgesdd_("S", &n, &n, a, &n, sigma, left, &n, right, &n, work.data(), &size, integers.data(), &info, 1);
  if (info < 0) lapack_failed("dgesdd", info);
  return info == 0;
}

void gesvd(int n, double* a, double* sigma, double* left, double* right) {
  double wanted = 0;
  int info = 0, size = -1;
  dgesvd_("S", "S", &n, &n, a, &n, sigma, left, &n, right, &n, &wanted, &size, &info, 1, 1);
  if (info != 0) lapack_failed("dgesvd", info);
  size = static_cast<int>(wanted);
  Buffer<double> work(size);
  dgesvd_("S", "S", &n, &n, a, &n, sigma, left, &n, right, &n, work.data(), &size, &info, 1, 1);
  if (info != 0) lapack_failed("dgesvd", info);
}

void syevd(const char* job, int64_t n, double* a, double* values) {
  const int order = lapack_int(n);
  double wanted = 0;
  int wanted_integers = 0, info = 0, size = -1, integers_size = -1;
  dsyevd_(job, "U", &order, a, &order, values, &wanted, &size, &wanted_integers, &integers_size, &info, 1, 1);
  if (info != 0) lapack_failed("dsyevd", info);
  size = static_cast<int>(wanted);
  integers_size = wanted_integers;
  Buffer<double> work(size);
  Buffer<int> integers(integers_size);
  dsyevd_(job, "U", &order, a, &order, values, work.data(), &size, integers.data(), &integers_size, &info, 1, 1);
  if (info != 0) lapack_failed("dsyevd", info);
}

}  // namespace

void svd(mg_context*, int64_t n, double* a, double* u, double* sigma, double* vt) {
  const int order = lapack_int(n);
  Buffer<double> saved(n, n);
  std::memcpy(saved.data(), a, static_cast<size_t>(n * n) * sizeof(double));
  if (!gesdd(order, a, sigma, vt, u)) gesvd(order, saved.data(), sigma, vt, u);
}

void eigen(mg_context*, int64_t n, double* a, double* values) { syevd("V", n, a, values); }

void eigenvalues(mg_context*, int64_t n, double* a, double* values) { syevd("N", n, a, values); }

void check_finite(const char* name, int64_t rows, int64_t cols, const double* a, int64_t ld) {
  const auto count = kernels().elementwise.count_nonfinite[MG_F64];
  for (int64_t i = 0; i < rows; ++i) {
    if (count(a + i * ld, cols) == 0) continue;
    int64_t j = 0;
    while (j < cols && std::isfinite(a[i * ld + j])) ++j;
    if (j == cols) fail(MG_NUMERICAL, format("%s changed while it was read", name));
    fail_not_finite(name, i, j, a[i * ld + j]);
  }
}

}  // namespace merganser
