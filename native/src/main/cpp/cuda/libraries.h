// SPDX-License-Identifier: Apache-2.0
// What the routines use of cuBLAS and cuSOLVER, declared here so that neither their headers nor the libraries are
// needed to build. The values are those of CUDA 12 and 13.
#pragma once

#include "runtime/cuda_libraries.h"

namespace merganser {
namespace cuda {

using Handle = struct OpaqueHandle*;  // cublasHandle_t, cusolverDnHandle_t

enum CublasOperation { kOperationN = 0, kOperationT = 1 };
enum CublasFill { kFillLower = 0, kFillUpper = 1 };
enum CublasSide { kSideLeft = 0 };
enum CublasDiagonal { kDiagonalNonUnit = 0 };
enum CublasPointerMode { kPointerModeHost = 0 };
enum CublasMath { kMathDefault = 0, kMathPedantic = 2, kMathTf32 = 3 };
enum CublasCompute { kCompute32F = 68, kCompute32FPedantic = 69, kCompute64F = 70, kCompute32FFastTf32 = 77 };
enum CudaDataType { kReal32F = 0, kReal64F = 1, kReal16F = 2, kReal16BF = 14 };
enum CusolverEigenMode { kEigenModeVector = 1 };
constexpr int kLibrarySuccess = 0;

// A function of one of the libraries. Fails with MG_UNAVAILABLE and where it was looked for.
void* library_function(CudaLibrary library, const char* name);

template <typename Function>
Function* function(CudaLibrary library, const char* name) {
  return reinterpret_cast<Function*>(library_function(library, name));
}

}  // namespace cuda
}  // namespace merganser
