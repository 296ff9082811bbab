// SPDX-License-Identifier: Apache-2.0
// What the routines use of cuBLAS and cuSOLVER, declared here so that neither their headers nor the libraries are
// needed to build. The values and signatures are those of CUDA 12 and 13; matrices are stored by columns.
#pragma once

#include <cstddef>
#include <cstdint>

#include "runtime/cuda_libraries.h"

namespace merganser {
namespace cuda {

using Handle = struct OpaqueHandle*;          // cublasHandle_t, cusolverDnHandle_t
using Parameters = struct OpaqueParameters*;  // cusolverDnParams_t

enum CublasOperation { kOperationN = 0, kOperationT = 1 };
enum CublasFill { kFillLower = 0, kFillUpper = 1 };
enum CublasSide { kSideLeft = 0, kSideRight = 1 };
enum CublasDiagonal { kDiagonalNonUnit = 0 };
enum CublasPointerMode { kPointerModeHost = 0 };
enum CublasMath { kMathDefault = 0, kMathPedantic = 2, kMathTf32 = 3 };
enum CudaDataType { kReal32F = 0, kReal64F = 1 };
enum CusolverEigenMode { kEigenModeNoVector = 0, kEigenModeVector = 1 };
// Of both libraries. None is to be dropped: what cannot be told is cast to void.
enum [[nodiscard]] Status : int { kLibrarySuccess = 0 };

// Of cuBLAS. Each returns its cublasStatus_t; T is float (S in the name) or double (D).
struct Cublas {
  using Create = Status(Handle*);                      // cublasCreate_v2
  using Destroy = Status(Handle);                      // cublasDestroy_v2
  using SetStream = Status(Handle, void* stream);      // cublasSetStream_v2
  using SetWorkspace = Status(Handle, void*, size_t);  // cublasSetWorkspace_v2
  using SetMathMode = Status(Handle, int mode);        // cublasSetMathMode
  using SetPointerMode = Status(Handle, int mode);     // cublasSetPointerMode_v2

  // C = alpha op(A) op(B) + beta C: cublas?gemm_v2
  template <typename T>
  using Gemm = Status(Handle, int op_a, int op_b, int m, int n, int k, const T* alpha, const T* a, int lda, const T* b,
                      int ldb, const T* beta, T* c, int ldc);
  // The same for `count` problems whose matrices lie so many elements apart: cublas?gemmStridedBatched
  template <typename T>
  using GemmBatch = Status(Handle, int op_a, int op_b, int m, int n, int k, const T* alpha, const T* a, int lda,
                           long long step_a, const T* b, int ldb, long long step_b, const T* beta, T* c, int ldc,
                           long long step_c, int count);
  // One triangle of C = alpha op(A) op(A)^T + beta C: cublas?syrk_v2
  template <typename T>
  using Syrk = Status(Handle, int fill, int op, int n, int k, const T* alpha, const T* a, int lda, const T* beta, T* c,
                      int ldc);
  // B = alpha op(A)^-1 B or alpha B op(A)^-1, B m x n: cublas?trsm_v2
  template <typename T>
  using Trsm = Status(Handle, int side, int fill, int op, int diagonal, int m, int n, const T* alpha, const T* a,
                      int lda, T* b, int ldb);
  // C = alpha op(A) B or alpha B op(A), C m x n and perhaps B: cublas?trmm_v2
  template <typename T>
  using Trmm = Status(Handle, int side, int fill, int op, int diagonal, int m, int n, const T* alpha, const T* a,
                      int lda, const T* b, int ldb, T* c, int ldc);
  // C = alpha op(A) + beta op(B), C m x n: cublas?geam
  template <typename T>
  using Geam = Status(Handle, int op_a, int op_b, int m, int n, const T* alpha, const T* a, int lda, const T* beta,
                      const T* b, int ldb, T* c, int ldc);
  // y = alpha op(A) x + beta y, A m x n: cublas?gemv_v2
  template <typename T>
  using Gemv = Status(Handle, int op, int m, int n, const T* alpha, const T* a, int lda, const T* x, int incx,
                      const T* beta, T* y, int incy);
  // x = op(A)^-1 x: cublas?trsv_v2
  template <typename T>
  using Trsv = Status(Handle, int fill, int op, int diagonal, int n, const T* a, int lda, T* x, int incx);
};

// Of cuSOLVER. Each returns a cusolverStatus_t; work and info are on the device.
struct Cusolver {
  using Create = Status(Handle*);                  // cusolverDnCreate
  using Destroy = Status(Handle);                  // cusolverDnDestroy
  using SetStream = Status(Handle, void* stream);  // cusolverDnSetStream
  using CreateParameters = Status(Parameters*);    // cusolverDnCreateParams
  using DestroyParameters = Status(Parameters);    // cusolverDnDestroyParams

  // cusolverDnDpotrf_bufferSize, cusolverDnDpotrf
  using PotrfSize = Status(Handle, int fill, int n, double* a, int lda, int* work_size);
  using Potrf = Status(Handle, int fill, int n, double* a, int lda, double* work, int work_size, int* info);
  // Eigenvalues increasing, vectors in the columns of a: cusolverDnDsyevd_bufferSize, cusolverDnDsyevd
  using SyevdSize = Status(Handle, int mode, int fill, int n, const double* a, int lda, const double* values,
                           int* work_size);
  using Syevd = Status(Handle, int mode, int fill, int n, double* a, int lda, double* values, double* work,
                       int work_size, int* info);
  // U and V^T by QR iteration, jobs 'A', 'S' or 'N', m >= n: cusolverDnDgesvd_bufferSize, cusolverDnDgesvd
  using GesvdSize = Status(Handle, int m, int n, int* work_size);
  using Gesvd = Status(Handle, signed char job_u, signed char job_vt, int m, int n, double* a, int lda, double* sigma,
                       double* u, int ldu, double* vt, int ldvt, double* work, int work_size, double* super_diagonal,
                       int* info);
  // U and V (not its transpose) through the polar factor, m >= n; *error is the perturbation that a singular matrix
  // needed: cusolverDnXgesvdp_bufferSize, cusolverDnXgesvdp. The types are CudaDataType.
  using GesvdpSize = Status(Handle, Parameters, int mode, int economy, int64_t m, int64_t n, int type_a, const void* a,
                            int64_t lda, int type_sigma, const void* sigma, int type_u, const void* u, int64_t ldu,
                            int type_v, const void* v, int64_t ldv, int type, size_t* work_size,
                            size_t* host_work_size);
  using Gesvdp = Status(Handle, Parameters, int mode, int economy, int64_t m, int64_t n, int type_a, void* a,
                        int64_t lda, int type_sigma, void* sigma, int type_u, void* u, int64_t ldu, int type_v, void* v,
                        int64_t ldv, int type, void* work, size_t work_size, void* host_work, size_t host_work_size,
                        int* info, double* error);
};

// A function of one of the libraries. Fails with MG_UNAVAILABLE and where it was looked for.
void* library_function(CudaLibrary library, const char* name);

template <typename Function>
Function* function(CudaLibrary library, const char* name) {
  return reinterpret_cast<Function*>(library_function(library, name));
}

}  // namespace cuda
}  // namespace merganser
