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

// LAPACK's work arrays are counted in 32-bit integers and need about 4 n^2 elements, n the smaller side of a matrix.
int lapack_int(int64_t n) {
  MG_REQUIRE(n <= 23000, "n = %lld is above 23000, the limit of 32-bit LAPACK", Long{n});
  return static_cast<int>(n);
}

[[noreturn]] void lapack_failed(const char* routine, int info) {
  fail(MG_NUMERICAL, format("%s failed with info = %d", routine, info));
}

// What LAPACK sees of a row-major m x n matrix, and how large its factors are.
struct Transposed {
  int rows, columns, rank;
  Transposed(int64_t m, int64_t n)
      : rows(blas_int(n, "n")), columns(blas_int(m, "m")), rank(lapack_int(std::min(m, n))) {}
};

// Divide and conquer; false when it does not converge.
bool gesdd(const Transposed& t, double* a, double* sigma, double* left, double* right) {
  Buffer<int> integers(8 * static_cast<int64_t>(t.rank));
  double wanted = 0;
  int info = 0, size = -1;
  dgesdd_("S", &t.rows, &t.columns, a, &t.rows, sigma, left, &t.rows, right, &t.rank, &wanted, &size, integers.data(),
          &info, 1);
  if (info != 0) lapack_failed("dgesdd", info);
  size = static_cast<int>(wanted);
  Buffer<double> work(size);
  dgesdd_("S", &t.rows, &t.columns, a, &t.rows, sigma, left, &t.rows, right, &t.rank, work.data(), &size,
          integers.data(), &info, 1);
  if (info < 0) lapack_failed("dgesdd", info);
  return info == 0;
}

void gesvd(const Transposed& t, double* a, double* sigma, double* left, double* right) {
  double wanted = 0;
  int info = 0, size = -1;
  dgesvd_("S", "S", &t.rows, &t.columns, a, &t.rows, sigma, left, &t.rows, right, &t.rank, &wanted, &size, &info, 1, 1);
  if (info != 0) lapack_failed("dgesvd", info);
  size = static_cast<int>(wanted);
  Buffer<double> work(size);
  dgesvd_("S", "S", &t.rows, &t.columns, a, &t.rows, sigma, left, &t.rows, right, &t.rank, work.data(), &size, &info, 1,
          1);
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

void thin_svd(mg_context*, int64_t m, int64_t n, double* a, double* u, double* sigma, double* vt) {
  const Transposed t(m, n);
  Buffer<double> saved(m, n);
  std::memcpy(saved.data(), a, static_cast<size_t>(m * n) * sizeof(double));
  if (!gesdd(t, a, sigma, vt, u)) gesvd(t, saved.data(), sigma, vt, u);
}

void eigen(mg_context*, int64_t n, double* a, double* values) { syevd("V", n, a, values); }

void eigenvalues(mg_context*, int64_t n, double* a, double* values) { syevd("N", n, a, values); }

// LAPACK sees a^T = r^T q^T: the decomposition of what it has by columns is its LQ.
void thin_qr(int64_t m, int64_t n, double* a, double* r) {
  const int rows = lapack_int(n), columns = blas_int(m, "m");
  Buffer<double> tau(n);
  double wanted = 0, wanted_q = 0;
  int info = 0, size = -1;
  dgelqf_(&rows, &columns, a, &rows, tau.data(), &wanted, &size, &info);
  if (info != 0) lapack_failed("dgelqf", info);
  dorglq_(&rows, &columns, &rows, a, &rows, tau.data(), &wanted_q, &size, &info);
  if (info != 0) lapack_failed("dorglq", info);
  size = static_cast<int>(std::max(wanted, wanted_q));
  Buffer<double> work(size);
  dgelqf_(&rows, &columns, a, &rows, tau.data(), work.data(), &size, &info);
  if (info != 0) lapack_failed("dgelqf", info);
  for (int64_t i = 0; i < n; ++i) {
    std::fill_n(r + i * n, i, 0.0);
    std::copy_n(a + i * n + i, n - i, r + i * n + i);
  }
  dorglq_(&rows, &columns, &rows, a, &rows, tau.data(), work.data(), &size, &info);
  if (info != 0) lapack_failed("dorglq", info);
  for (int64_t i = 0; i < n; ++i) {
    if (!(r[i * n + i] < 0)) continue;
    for (int64_t j = i; j < n; ++j) r[i * n + j] = -r[i * n + j];
    for (int64_t k = 0; k < m; ++k) a[k * n + i] = -a[k * n + i];
  }
}

void geev(int64_t n, double* a, double* real, double* imaginary) {
  const int order = lapack_int(n), one = 1;
  double wanted = 0;
  int info = 0, size = -1;
  dgeev_("N", "N", &order, a, &order, real, imaginary, nullptr, &one, nullptr, &one, &wanted, &size, &info, 1, 1);
  if (info != 0) lapack_failed("dgeev", info);
  size = static_cast<int>(wanted);
  Buffer<double> work(size);
  dgeev_("N", "N", &order, a, &order, real, imaginary, nullptr, &one, nullptr, &one, work.data(), &size, &info, 1, 1);
  if (info != 0) lapack_failed("dgeev", info);
}

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
