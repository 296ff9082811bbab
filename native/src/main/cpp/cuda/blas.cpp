// SPDX-License-Identifier: Apache-2.0
// cuBLAS sees the transpose of each matrix by rows, with the same leading dimension:
//   C = op(A) op(B)        is  C^T = op(B)^T op(A)^T: operands change places;
//   the lower triangle     is  the upper one;
//   B = op(L)^-1 B         is  B^T = B^T op(L)^-T: the sides change, op stays.
#include "cuda/blas.h"

#include <algorithm>
#include <memory>
#include <string>

namespace merganser {
namespace cuda {

namespace {

constexpr int64_t kWorkspace = int64_t{32} << 20;  // what cuBLAS recommends for Hopper

const char* name_of(int status) {
  switch (status) {
    case 1:
      return "CUBLAS_STATUS_NOT_INITIALIZED";
    case 3:
      return "CUBLAS_STATUS_ALLOC_FAILED";
    case 7:
      return "CUBLAS_STATUS_INVALID_VALUE";
    case 8:
      return "CUBLAS_STATUS_ARCH_MISMATCH";
    case 11:
      return "CUBLAS_STATUS_MAPPING_ERROR";
    case 13:
      return "CUBLAS_STATUS_EXECUTION_FAILED";
    case 14:
      return "CUBLAS_STATUS_INTERNAL_ERROR";
    case 15:
      return "CUBLAS_STATUS_NOT_SUPPORTED";
    case 16:
      return "CUBLAS_STATUS_LICENSE_ERROR";
    default:
      return "unknown status";
  }
}

// The dimensions of the CPU's BLAS, and its text.
int narrow(int64_t dimension, const char* name) {
  MG_REQUIRE(dimension <= INT32_MAX, "%s = %lld does not fit the 32-bit integers of BLAS", name, Long{dimension});
  return static_cast<int>(dimension);
}

// A leading dimension that no element is reached by may be anything, but cuBLAS wants a row's length at least.
int leading(int64_t ld, int64_t columns, const char* name) {
  return narrow(std::max({ld, columns, int64_t{1}}), name);
}

// The columns of op(X) m x n as it is stored.
int64_t columns_of(Op op, int64_t m, int64_t n) { return op == Op::N ? n : m; }

int swapped(Side side) { return side == Side::LEFT ? kSideRight : kSideLeft; }

template <typename Function>
Function* load(char letter, const char* name) {
  return function<Function>(kCublas, format("cublas%c%s", letter, name).c_str());
}

}  // namespace

template <typename T>
Blas::Functions<T>::Functions(char letter)
    : gemm(load<Cublas::Gemm<T>>(letter, "gemm_v2")),
      gemm_batch(load<Cublas::GemmBatch<T>>(letter, "gemmStridedBatched")),
      syrk(load<Cublas::Syrk<T>>(letter, "syrk_v2")),
      trsm(load<Cublas::Trsm<T>>(letter, "trsm_v2")),
      trmm(load<Cublas::Trmm<T>>(letter, "trmm_v2")),
      geam(load<Cublas::Geam<T>>(letter, "geam")),
      gemv(load<Cublas::Gemv<T>>(letter, "gemv_v2")),
      trsv(load<Cublas::Trsv<T>>(letter, "trsv_v2")) {}

template <>
const Blas::Functions<float>& Blas::of() const {
  return single_;
}
template <>
const Blas::Functions<double>& Blas::of() const {
  return double_;
}

Blas::Blas(State& state)
    : single_('S'),
      double_('D'),
      destroy_(function<Cublas::Destroy>(kCublas, "cublasDestroy_v2")),
      set_math_(function<Cublas::SetMathMode>(kCublas, "cublasSetMathMode")),
      workspace_(DEVICE, kWorkspace, "the workspace of cuBLAS") {
  routine_ = "opening cuBLAS";
  const auto create = function<Cublas::Create>(kCublas, "cublasCreate_v2");
  const auto set_stream = function<Cublas::SetStream>(kCublas, "cublasSetStream_v2");
  const auto set_workspace = function<Cublas::SetWorkspace>(kCublas, "cublasSetWorkspace_v2");
  const auto set_pointers = function<Cublas::SetPointerMode>(kCublas, "cublasSetPointerMode_v2");
  try {
    require(create(&handle_), "cublasCreate");
    require(set_stream(handle_, state.stream), "cublasSetStream");
    // After the stream, which brings a workspace of its own.
    require(set_workspace(handle_, workspace_.as<void>(), static_cast<size_t>(kWorkspace)), "cublasSetWorkspace");
    require(set_pointers(handle_, kPointerModeHost), "cublasSetPointerMode");
    math(kMathDefault);
  } catch (...) {
    if (handle_) static_cast<void>(destroy_(handle_));
    throw;
  }
}

Blas::~Blas() { static_cast<void>(destroy_(handle_)); }

void Blas::require(int status, const char* function) const {
  if (status == kLibrarySuccess) return;
  const bool memory = status == 3;
  fail(memory ? MG_OUT_OF_MEMORY : MG_INTERNAL, format("%s on CUDA: %s of cuBLAS failed: %s (code %d)", routine_,
                                                       function, name_of(status), status));
}

void Blas::math(CublasMath mode) {
  require(set_math_(handle_, mode), "cublasSetMathMode");
  math_ = mode;
}

template <typename T>
void Blas::gemm(Op op_a, Op op_b, int64_t m, int64_t n, int64_t k, double alpha, const T* a, int64_t lda, const T* b,
                int64_t ldb, double beta, T* c, int64_t ldc) {
  if (m == 0 || n == 0) return;
  const T scale = static_cast<T>(alpha), keep = static_cast<T>(beta);
  require(of<T>().gemm(handle_, static_cast<int>(op_b), static_cast<int>(op_a), narrow(n, "n"), narrow(m, "m"),
                       narrow(k, "k"), &scale, b, leading(ldb, columns_of(op_b, k, n), "ldb"), a,
                       leading(lda, columns_of(op_a, m, k), "lda"), &keep, c, leading(ldc, n, "ldc")),
          "gemm");
}

template <typename T>
void Blas::gemm_batch(Op op_a, Op op_b, int64_t m, int64_t n, int64_t k, double alpha, const T* a, int64_t lda,
                      int64_t step_a, const T* b, int64_t ldb, int64_t step_b, double beta, T* c, int64_t ldc,
                      int64_t step_c, int64_t count) {
  if (m == 0 || n == 0 || count == 0) return;
  const T scale = static_cast<T>(alpha), keep = static_cast<T>(beta);
  require(of<T>().gemm_batch(handle_, static_cast<int>(op_b), static_cast<int>(op_a), narrow(n, "n"), narrow(m, "m"),
                             narrow(k, "k"), &scale, b, leading(ldb, columns_of(op_b, k, n), "ldb"), step_b, a,
                             leading(lda, columns_of(op_a, m, k), "lda"), step_a, &keep, c, leading(ldc, n, "ldc"),
                             step_c, narrow(count, "count")),
          "gemm of a batch");
}

template <typename T>
void Blas::syrk(Op op, int64_t n, int64_t k, double alpha, const T* a, int64_t lda, double beta, T* c, int64_t ldc) {
  if (n == 0) return;
  const T scale = static_cast<T>(alpha), keep = static_cast<T>(beta);
  const Op turned = op == Op::N ? Op::T : Op::N;
  require(of<T>().syrk(handle_, kFillUpper, static_cast<int>(turned), narrow(n, "n"), narrow(k, "k"), &scale, a,
                       leading(lda, columns_of(op, n, k), "lda"), &keep, c, leading(ldc, n, "ldc")),
          "syrk");
}

template <typename T>
void Blas::trsm(Side side, Op op, int64_t m, int64_t n, const T* l, int64_t ldl, T* b, int64_t ldb) {
  if (m == 0 || n == 0) return;
  const T one = 1;
  require(of<T>().trsm(handle_, swapped(side), kFillUpper, static_cast<int>(op), kDiagonalNonUnit, narrow(n, "n"),
                       narrow(m, "m"), &one, l, leading(ldl, side == Side::LEFT ? m : n, "ldl"), b,
                       leading(ldb, n, "ldb")),
          "trsm");
}

template <typename T>
void Blas::trmm(Side side, Op op, int64_t m, int64_t n, const T* l, int64_t ldl, const T* b, int64_t ldb, T* c,
                int64_t ldc) {
  if (m == 0 || n == 0) return;
  const T one = 1;
  require(of<T>().trmm(handle_, swapped(side), kFillUpper, static_cast<int>(op), kDiagonalNonUnit, narrow(n, "n"),
                       narrow(m, "m"), &one, l, leading(ldl, side == Side::LEFT ? m : n, "ldl"), b,
                       leading(ldb, n, "ldb"), c, leading(ldc, n, "ldc")),
          "trmm");
}

template <typename T>
void Blas::transpose(int64_t m, int64_t n, const T* a, int64_t lda, T* b, int64_t ldb) {
  if (m == 0 || n == 0) return;
  const T one = 1, none = 0;
  require(of<T>().geam(handle_, kOperationT, kOperationN, narrow(m, "m"), narrow(n, "n"), &one, a,
                       leading(lda, n, "lda"), &none, b, leading(ldb, m, "ldb"), b, leading(ldb, m, "ldb")),
          "geam");
}

template <typename T>
void Blas::gemv(Op op, int64_t m, int64_t n, const T* a, int64_t lda, const T* x, T* y) {
  if (m == 0 || n == 0) return;
  const T one = 1, none = 0;
  const Op turned = op == Op::N ? Op::T : Op::N;
  const int64_t rows = op == Op::N ? m : n, columns = op == Op::N ? n : m;
  require(of<T>().gemv(handle_, static_cast<int>(turned), narrow(columns, "n"), narrow(rows, "m"), &one, a,
                       leading(lda, columns, "lda"), x, 1, &none, y, 1),
          "gemv");
}

template <typename T>
void Blas::trsv(Op op, int64_t n, const T* l, int64_t ldl, T* x) {
  if (n == 0) return;
  const Op turned = op == Op::N ? Op::T : Op::N;
  require(of<T>().trsv(handle_, kFillUpper, static_cast<int>(turned), kDiagonalNonUnit, narrow(n, "n"), l,
                       leading(ldl, n, "ldl"), x, 1),
          "trsv");
}

#define MG_INSTANTIATE(T)                                                                                      \
  template void Blas::gemm<T>(Op, Op, int64_t, int64_t, int64_t, double, const T*, int64_t, const T*, int64_t, \
                              double, T*, int64_t);                                                            \
  template void Blas::gemm_batch<T>(Op, Op, int64_t, int64_t, int64_t, double, const T*, int64_t, int64_t,     \
                                    const T*, int64_t, int64_t, double, T*, int64_t, int64_t, int64_t);        \
  template void Blas::syrk<T>(Op, int64_t, int64_t, double, const T*, int64_t, double, T*, int64_t);           \
  template void Blas::trsm<T>(Side, Op, int64_t, int64_t, const T*, int64_t, T*, int64_t);                     \
  template void Blas::trmm<T>(Side, Op, int64_t, int64_t, const T*, int64_t, const T*, int64_t, T*, int64_t);  \
  template void Blas::transpose<T>(int64_t, int64_t, const T*, int64_t, T*, int64_t);                          \
  template void Blas::gemv<T>(Op, int64_t, int64_t, const T*, int64_t, const T*, T*);                          \
  template void Blas::trsv<T>(Op, int64_t, const T*, int64_t, T*);
MG_INSTANTIATE(float)
MG_INSTANTIATE(double)
#undef MG_INSTANTIATE

Blas& blas(State& state, const char* routine) {
  if (!state.blas) state.blas = std::make_shared<Blas>(state);
  state.blas->routine_ = routine;
  if (state.blas->math_ != kMathDefault) state.blas->math(kMathDefault);
  return *state.blas;
}

}  // namespace cuda
}  // namespace merganser
