// SPDX-License-Identifier: Apache-2.0
// C = alpha op(A) op(B) + beta C by cuBLAS, which has the tensor cores for F64 and no reason to be rewritten for F32.
// Expected on an H100-class card (60 TF/s for either type): 2 m n k flops, 4096^3 in 2.3 ms; thin products by memory,
// (m k + k n + 2 m n) elements at 3.3 TB/s. What is ours: the exchange of rows and columns (blas.h), and k = 0.
// Not yet run on a device.
#include <utility>

#include "cuda/blas.h"
#include "cuda/launch.cuh"

namespace merganser {
namespace cuda {

namespace {

constexpr int kRowThreads = 256, kMostRows = 65535;  // of a grid's second dimension

// C = beta C; what C held is not read when beta is 0.
template <typename T>
__global__ void __launch_bounds__(kRowThreads) scale_rows(int64_t m, int64_t n, T beta, T* c, int64_t ldc) {
  const int64_t j = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (j >= n) return;
  for (int64_t i = blockIdx.y; i < m; i += gridDim.y) c[i * ldc + j] = beta == 0 ? T{0} : beta * c[i * ldc + j];
}

template <typename T>
void run(State& s, int32_t transpose_a, int32_t transpose_b, int64_t m, int64_t n, int64_t k, double alpha,
         const void* a, int64_t lda, const void* b, int64_t ldb, double beta, void* c, int64_t ldc) {
  for (const auto& [pointer, name] : {std::pair{a, "a"}, {b, "b"}, {static_cast<const void*>(c), "c"}}) {
    MG_REQUIRE(reinterpret_cast<uintptr_t>(pointer) % sizeof(T) == 0,
               "%s of gemm is not at a multiple of %d bytes, as CUDA needs it", name, static_cast<int>(sizeof(T)));
  }
  if (k == 0) {
    const dim3 grid(static_cast<unsigned int>((n + kRowThreads - 1) / kRowThreads),
                    static_cast<unsigned int>(m < kMostRows ? m : kMostRows));
    return launch(s, "gemm", grid, dim3(kRowThreads), 0, scale_rows<T>, m, n, static_cast<T>(beta),
                  static_cast<T*>(c), ldc);
  }
  blas(s, "gemm").gemm<T>(transpose_a ? Op::T : Op::N, transpose_b ? Op::T : Op::N, m, n, k, alpha,
                          static_cast<const T*>(a), lda, static_cast<const T*>(b), ldb, beta, static_cast<T*>(c), ldc);
}

}  // namespace

void gemm(mg_context* context, int32_t dtype, int32_t transpose_a, int32_t transpose_b, int64_t m, int64_t n, int64_t k,
          double alpha, const void* a, int64_t lda, const void* b, int64_t ldb, double beta, void* c, int64_t ldc) {
  if (m == 0 || n == 0) return;
  OnDevice here;
  State& s = state(context);
  const auto run_as = dtype == MG_F64 ? run<double> : run<float>;
  run_as(s, transpose_a, transpose_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
  synchronize(s, "gemm");
}

}  // namespace cuda
}  // namespace merganser
