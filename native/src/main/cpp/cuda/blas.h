// SPDX-License-Identifier: Apache-2.0
// cuBLAS and cuSOLVER of a context, for matrices by rows: the exchange of rows and columns happens here, and every
// status is checked. Both are opened at the first use; without the library that fails with MG_UNAVAILABLE and where it
// was looked for. Everything runs on the context's stream. T is double or float.
#pragma once

#include <cstdint>

#include "cuda/libraries.h"
#include "cuda/plugin.h"

namespace merganser {
namespace cuda {

enum class Op : int { N = kOperationN, T = kOperationT };  // the matrix as it is, or transposed
enum class Side { LEFT, RIGHT };

// Results do not depend on what else runs, and nothing is allocated after the first use: the workspace is ours. No
// TF32: the default mode takes tensor cores only for the precision of the arguments.
class Blas {
 public:
  explicit Blas(State&);
  ~Blas();
  Blas(const Blas&) = delete;
  Blas& operator=(const Blas&) = delete;

  // C = alpha op(A) op(B) + beta C, C m x n, op(A) m x k. C is not read when beta is 0. k >= 1.
  template <typename T>
  void gemm(Op op_a, Op op_b, int64_t m, int64_t n, int64_t k, double alpha, const T* a, int64_t lda, const T* b,
            int64_t ldb, double beta, T* c, int64_t ldc);

  // The same for `count` problems whose matrices lie so many elements apart: small ones fill the GPU together.
  template <typename T>
  void gemm_batch(Op op_a, Op op_b, int64_t m, int64_t n, int64_t k, double alpha, const T* a, int64_t lda,
                  int64_t step_a, const T* b, int64_t ldb, int64_t step_b, double beta, T* c, int64_t ldc,
                  int64_t step_c, int64_t count);

  // The lower triangle of C = alpha op(A) op(A)^T + beta C, op(A) n x k; the other one is not touched.
  template <typename T>
  void syrk(Op op, int64_t n, int64_t k, double alpha, const T* a, int64_t lda, double beta, T* c, int64_t ldc);

  // B = op(L)^-1 B (LEFT) or B op(L)^-1 (RIGHT), B m x n, L a lower triangle whose other one is not read.
  template <typename T>
  void trsm(Side side, Op op, int64_t m, int64_t n, const T* l, int64_t ldl, T* b, int64_t ldb);

  // C = op(L) B or B op(L), C m x n; C may be B.
  template <typename T>
  void trmm(Side side, Op op, int64_t m, int64_t n, const T* l, int64_t ldl, const T* b, int64_t ldb, T* c,
            int64_t ldc);

  // B = A^T, A m x n; the two do not overlap.
  template <typename T>
  void transpose(int64_t m, int64_t n, const T* a, int64_t lda, T* b, int64_t ldb);

  // y = op(A) x, A m x n.
  template <typename T>
  void gemv(Op op, int64_t m, int64_t n, const T* a, int64_t lda, const T* x, T* y);

  // x = op(L)^-1 x, L a lower triangle.
  template <typename T>
  void trsv(Op op, int64_t n, const T* l, int64_t ldl, T* x);

  // From here to the next routine: kMathTf32 lets products of float take TF32.
  void math(CublasMath mode);

 private:
  friend Blas& blas(State&, const char* routine);
  template <typename T>
  struct Functions {
    Cublas::Gemm<T>* gemm;
    Cublas::GemmBatch<T>* gemm_batch;
    Cublas::Syrk<T>* syrk;
    Cublas::Trsm<T>* trsm;
    Cublas::Trmm<T>* trmm;
    Cublas::Geam<T>* geam;
    Cublas::Gemv<T>* gemv;
    Cublas::Trsv<T>* trsv;
    explicit Functions(char letter);
  };
  template <typename T>
  const Functions<T>& of() const;
  void require(int status, const char* function) const;

  const char* routine_ = "";
  CublasMath math_ = kMathDefault;
  Functions<float> single_;
  Functions<double> double_;
  Cublas::Destroy* destroy_;
  Cublas::SetMathMode* set_math_;
  Owned workspace_;
  Handle handle_ = nullptr;
};

// F64 factorisations and decompositions. Work memory is scratch of the context; a and the results are on the device.
class Solver {
 public:
  explicit Solver(State&);
  ~Solver();
  Solver(const Solver&) = delete;
  Solver& operator=(const Solver&) = delete;

  // The lower triangle of a becomes its Cholesky factor, the other one is not touched. False when there is none.
  bool potrf(int64_t n, double* a, int64_t lda);

  // Symmetric a = E^T diag(values) E from the lower triangle, values increasing; a becomes E.
  void eigen(int64_t n, double* a, double* values);

  // The values alone; a is destroyed.
  void eigenvalues(int64_t n, double* a, double* values);

  // a = U diag(sigma) V^T of m x n, U m x r, V^T r x n, r = min(m, n), sigma decreasing, without gaps; a is destroyed.
  void svd(int64_t m, int64_t n, double* a, double* u, double* sigma, double* vt);

 private:
  friend Solver& solver(State&, const char* routine);
  void require(int status, const char* function) const;
  int info(const int* device, const char* function) const;
  void syevd(int mode, int64_t n, double* a, double* values);
  bool gesvdp(int m, int n, double* a, double* u, double* sigma, double* vt);
  void gesvd(int m, int n, double* a, double* u, double* sigma, double* vt);

  const char* routine_ = "";
  Cusolver::Destroy* destroy_;
  Cusolver::DestroyParameters* destroy_parameters_;
  Cusolver::PotrfSize* potrf_size_;
  Cusolver::Potrf* potrf_;
  Cusolver::SyevdSize* syevd_size_;
  Cusolver::Syevd* syevd_;
  Cusolver::GesvdSize* gesvd_size_;
  Cusolver::Gesvd* gesvd_;
  Cusolver::GesvdpSize* gesvdp_size_;
  Cusolver::Gesvdp* gesvdp_;
  Handle handle_ = nullptr;
  Parameters parameters_ = nullptr;
  State& state_;
};

// Those of a context, made at the first call; failures name the routine. They end with the context.
Blas& blas(State&, const char* routine);
Solver& solver(State&, const char* routine);

}  // namespace cuda
}  // namespace merganser
