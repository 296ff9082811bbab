// SPDX-License-Identifier: Apache-2.0
// What the stand-ins use of OpenBLAS, declared here so that no header of it is needed.
#pragma once

#include <cstddef>

extern "C" {
enum { kColumns = 102, kPlain = 111, kTransposed = 112, kUpper = 121, kLower = 122, kLeft = 141, kRight = 142 };
enum { kNonUnit = 131, kUnit = 132 };

#define MG_OPENBLAS(letter, T)                                                                                       \
  void cblas_##letter##gemm(int, int, int, int m, int n, int k, T, const T*, int, const T*, int, T, T*, int);        \
  void cblas_##letter##syrk(int, int, int, int n, int k, T, const T*, int, T, T*, int);                              \
  void cblas_##letter##trsm(int, int, int, int, int, int m, int n, T, const T*, int, T*, int);                       \
  void cblas_##letter##trmm(int, int, int, int, int, int m, int n, T, const T*, int, T*, int);                       \
  void cblas_##letter##gemv(int, int, int m, int n, T, const T*, int, const T*, int, T, T*, int);                    \
  void cblas_##letter##trsv(int, int, int, int, int n, const T*, int, T*, int);
MG_OPENBLAS(s, float)
MG_OPENBLAS(d, double)
#undef MG_OPENBLAS

void dpotrf_(const char* uplo, const int* n, double* a, const int* lda, int* info, size_t);
void dsyevd_(const char* jobz, const char* uplo, const int* n, double* a, const int* lda, double* w, double* work,
             const int* lwork, int* iwork, const int* liwork, int* info, size_t, size_t);
void dgesvd_(const char* jobu, const char* jobvt, const int* m, const int* n, double* a, const int* lda, double* s,
             double* u, const int* ldu, double* vt, const int* ldvt, double* work, const int* lwork, int* info, size_t,
             size_t);
}
