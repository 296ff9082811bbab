// SPDX-License-Identifier: Apache-2.0
// The BLAS and LAPACK symbols in use (LP64), declared here so that no LAPACK header is needed, and the gate that holds
// the BLAS thread count.
#pragma once

#include <cstddef>
#include <cstdint>

#include "runtime/context.h"

extern "C" {

enum CblasOrder { kRowMajor = 101, kColumnMajor = 102 };
enum CblasTranspose { kNoTrans = 111, kTrans = 112 };

void cblas_sgemm(CblasOrder, CblasTranspose, CblasTranspose, int m, int n, int k, float alpha, const float* a, int lda,
                 const float* b, int ldb, float beta, float* c, int ldc);
void cblas_dgemm(CblasOrder, CblasTranspose, CblasTranspose, int m, int n, int k, double alpha, const double* a,
                 int lda, const double* b, int ldb, double beta, double* c, int ldc);
void cblas_sgemv(CblasOrder, CblasTranspose, int m, int n, float alpha, const float* a, int lda, const float* x,
                 int incx, float beta, float* y, int incy);
void cblas_dgemv(CblasOrder, CblasTranspose, int m, int n, double alpha, const double* a, int lda, const double* x,
                 int incx, double beta, double* y, int incy);

void sgetrf_(const int* m, const int* n, float* a, const int* lda, int* pivots, int* info);
void dgetrf_(const int* m, const int* n, double* a, const int* lda, int* pivots, int* info);
void strtri_(const char* uplo, const char* diag, const int* n, float* a, const int* lda, int* info, size_t, size_t);
void dtrtri_(const char* uplo, const char* diag, const int* n, double* a, const int* lda, int* info, size_t, size_t);
void dtrsv_(const char* uplo, const char* trans, const char* diag, const int* n, const double* a, const int* lda,
            double* x, const int* incx, size_t, size_t, size_t);
void dpotrf_(const char* uplo, const int* n, double* a, const int* lda, int* info, size_t);
void dgesdd_(const char* jobz, const int* m, const int* n, double* a, const int* lda, double* s, double* u,
             const int* ldu, double* vt, const int* ldvt, double* work, const int* lwork, int* iwork, int* info,
             size_t);
void dgesvd_(const char* jobu, const char* jobvt, const int* m, const int* n, double* a, const int* lda, double* s,
             double* u, const int* ldu, double* vt, const int* ldvt, double* work, const int* lwork, int* info, size_t,
             size_t);
void dsyevd_(const char* jobz, const char* uplo, const int* n, double* a, const int* lda, double* w, double* work,
             const int* lwork, int* iwork, const int* liwork, int* info, size_t, size_t);
void dgelqf_(const int* m, const int* n, double* a, const int* lda, double* tau, double* work, const int* lwork,
             int* info);
void dorglq_(const int* m, const int* n, const int* k, double* a, const int* lda, const double* tau, double* work,
             const int* lwork, int* info);
void dgeev_(const char* jobvl, const char* jobvr, const int* n, double* a, const int* lda, double* wr, double* wi,
            double* vl, const int* ldvl, double* vr, const int* ldvr, double* work, const int* lwork, int* info, size_t,
            size_t);
}

namespace merganser {

const char* blas_core();
const char* blas_config();

// See mg_blas_enter. `context` may be NULL; when it is not, waiting ends with MG_CANCELLED once it is cancelled.
void blas_enter(int32_t threads, const mg_context* context);
void blas_leave();
int32_t blas_threads();

// BLAS runs with one thread while it lives.
class SerialBlas {
 public:
  explicit SerialBlas(const mg_context* context) { blas_enter(1, context); }
  ~SerialBlas() { blas_leave(); }
  SerialBlas(const SerialBlas&) = delete;
  SerialBlas& operator=(const SerialBlas&) = delete;
};

// A dimension as BLAS takes it; fails when it does not fit 32 bits.
int blas_int(int64_t dimension, const char* name);

}  // namespace merganser
