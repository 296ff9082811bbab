// SPDX-License-Identifier: Apache-2.0
// A cuBLAS 13 on OpenBLAS: names, arguments, storage by columns and statuses of the real one. What the real one leaves
// to the caller it refuses: a matrix that does not lie in one allocation, a handle without a stream.
#include <algorithm>
#include <type_traits>
#include <vector>

#include "library.h"
#include "openblas.h"

using namespace standin;

namespace {

constexpr Statuses kStatuses = {3, 7, 13};  // CUBLAS_STATUS_...
constexpr size_t kAligned = 256;
constexpr int kTf32 = 3;  // CUBLAS_TF32_TENSOR_OP_MATH

std::set<Handle*>& handles() {
  static std::set<Handle*> only;
  return only;
}

// The functions of OpenBLAS by type.
template <typename T>
struct Of;
template <>
struct Of<float> {
  static constexpr auto gemm = &cblas_sgemm;
  static constexpr auto syrk = &cblas_ssyrk;
  static constexpr auto trsm = &cblas_strsm;
  static constexpr auto trmm = &cblas_strmm;
  static constexpr auto gemv = &cblas_sgemv;
  static constexpr auto trsv = &cblas_strsv;
};
template <>
struct Of<double> {
  static constexpr auto gemm = &cblas_dgemm;
  static constexpr auto syrk = &cblas_dsyrk;
  static constexpr auto trsm = &cblas_dtrsm;
  static constexpr auto trmm = &cblas_dtrmm;
  static constexpr auto gemv = &cblas_dgemv;
  static constexpr auto trsv = &cblas_dtrsv;
};

int op_of(int op) { return op == 0 ? kPlain : kTransposed; }
int fill_of(int fill) { return fill == 0 ? kLower : kUpper; }
int side_of(int side) { return side == 0 ? kLeft : kRight; }
int diagonal_of(int diagonal) { return diagonal == 0 ? kNonUnit : kUnit; }

class BlasCall : public LibraryCall {
 public:
  BlasCall(const char* function, Handle* handle) : LibraryCall(function, kStatuses), handle_(handle) {
    LibraryCall::handle(handles(), handle);
  }
  void op(const char* name, int value) { one_of(name, value, {0, 1, 2}); }
  void triangle(int fill, int diagonal) {
    one_of("uplo", fill, {0, 1});
    one_of("diag", diagonal, {0, 1});
  }
  // Whether operands of this type are taken in TF32.
  template <typename T>
  bool tf32() const {
    return status() == 0 && handle_->math == kTf32 && std::is_same<T, float>::value;
  }
  template <typename T>
  void not_tf32() {
    require(!tf32<T>(), "TF32 is on, which is meant for products");
  }
  // What alpha or beta is: read now when it is on the host, as the default is.
  template <typename T>
  T scalar(const char* name, const T* value) {
    if (status() == 0) require(handle_->pointer_mode == 0, "scalars on the device are not in the stand-in");
    host(name, value);
    return status() == 0 ? *value : T{};
  }
  template <typename Work>
  int run(const Work& work) {
    return queue(handle_, [workspace = status() == 0 ? *handle_ : Handle(), work] {
      const size_t bytes = std::min<size_t>(4096, workspace.workspace_bytes);
      if (workspace.workspace) fill_with_garbage(workspace.workspace, bytes);
      work();
    });
  }

 private:
  Handle* handle_;
};

// A copy as tensor cores take it in TF32: bits that it does not have are cut off, which is the worst they may do.
template <typename T>
std::vector<T> cut(const T* a, int rows, int columns, int lda) {
  const size_t height = static_cast<size_t>(rows);
  std::vector<T> copy(height * static_cast<size_t>(columns));
  for (size_t e = 0; e < copy.size(); ++e) {
    copy[e] = a[e / height * static_cast<size_t>(lda) + e % height];
    if constexpr (std::is_same<T, float>::value) {
      uint32_t bits;
      std::memcpy(&bits, &copy[e], sizeof bits);
      bits &= ~uint32_t{0x1fff};
      std::memcpy(&copy[e], &bits, sizeof bits);
    }
  }
  return copy;
}

// C *= beta, where 0 does not read it.
template <typename T>
void scale(int m, int n, T beta, T* c, int ldc) {
  for (int64_t j = 0; j < n; ++j) {
    for (int64_t i = 0; i < m; ++i) c[j * ldc + i] = beta == 0 ? T{0} : beta * c[j * ldc + i];
  }
}

template <typename T>
int gemm(const char* name, Handle* handle, int op_a, int op_b, int m, int n, int k, const T* alpha, const T* a, int lda,
         const T* b, int ldb, const T* beta, T* c, int ldc) {
  BlasCall call(name, handle);
  call.op("transa", op_a);
  call.op("transb", op_b);
  call.require(m >= 0 && n >= 0 && k >= 0, "a negative size");
  const T x = call.scalar("alpha", alpha), y = call.scalar("beta", beta);
  const int rows_a = op_a == 0 ? m : k, rows_b = op_b == 0 ? k : n;
  call.matrix("A", a, rows_a, op_a == 0 ? k : m, lda);
  call.matrix("B", b, rows_b, op_b == 0 ? n : k, ldb);
  call.matrix("C", c, m, n, ldc);
  return call.run([=, tf32 = call.template tf32<T>()] {
    scale(m, n, y, c, ldc);
    if (m == 0 || n == 0 || k == 0 || x == 0) return;
    if (tf32) {
      const std::vector<T> p = cut(a, rows_a, op_a == 0 ? k : m, lda), q = cut(b, rows_b, op_b == 0 ? n : k, ldb);
      Of<T>::gemm(kColumns, op_of(op_a), op_of(op_b), m, n, k, x, p.data(), rows_a, q.data(), rows_b, 1, c, ldc);
      return;
    }
    Of<T>::gemm(kColumns, op_of(op_a), op_of(op_b), m, n, k, x, a, lda, b, ldb, 1, c, ldc);
  });
}

template <typename T>
int gemm_batched(const char* name, Handle* handle, int op_a, int op_b, int m, int n, int k, const T* alpha, const T* a,
                 int lda, long long stride_a, const T* b, int ldb, long long stride_b, const T* beta, T* c, int ldc,
                 long long stride_c, int count) {
  BlasCall call(name, handle);
  call.require(count >= 0, "a negative number of matrices");
  call.require(count <= 1 || std::abs(stride_c) >= int64_t{ldc} * (n - 1) + m, "the matrices of C overlap");
  if (call.status() != 0) return call.status();
  for (int64_t i = 0; i < count; ++i) {
    const int status = gemm(name, handle, op_a, op_b, m, n, k, alpha, a + i * stride_a, lda, b + i * stride_b, ldb,
                            beta, c + i * stride_c, ldc);
    if (status != 0) return status;
  }
  return 0;
}

template <typename T>
int syrk(const char* name, Handle* handle, int fill, int op, int n, int k, const T* alpha, const T* a, int lda,
         const T* beta, T* c, int ldc) {
  BlasCall call(name, handle);
  call.not_tf32<T>();
  call.triangle(fill, 0);
  call.op("trans", op);
  call.require(n >= 0 && k >= 0, "a negative size");
  const T x = call.scalar("alpha", alpha), y = call.scalar("beta", beta);
  call.matrix("A", a, op == 0 ? n : k, op == 0 ? k : n, lda);
  call.matrix("C", c, n, n, ldc);
  return call.run([=] {
    for (int64_t j = 0; j < n; ++j) {
      const int64_t begin = fill == 0 ? j : 0, end = fill == 0 ? n : j + 1;
      scale(static_cast<int>(end - begin), 1, y, c + j * ldc + begin, ldc);
    }
    if (n > 0 && k > 0) Of<T>::syrk(kColumns, fill_of(fill), op_of(op), n, k, x, a, lda, 1, c, ldc);
  });
}

template <typename T>
int trsm(const char* name, Handle* handle, int side, int fill, int op, int diagonal, int m, int n, const T* alpha,
         const T* a, int lda, T* b, int ldb) {
  BlasCall call(name, handle);
  call.not_tf32<T>();
  call.one_of("side", side, {0, 1});
  call.triangle(fill, diagonal);
  call.op("trans", op);
  const T x = call.scalar("alpha", alpha);
  const int order = side == 0 ? m : n;
  call.matrix("A", a, order, order, lda);
  call.matrix("B", b, m, n, ldb);
  return call.run([=] {
    if (m == 0 || n == 0) return;
    Of<T>::trsm(kColumns, side_of(side), fill_of(fill), op_of(op), diagonal_of(diagonal), m, n, x, a, lda, b, ldb);
  });
}

template <typename T>
int trmm(const char* name, Handle* handle, int side, int fill, int op, int diagonal, int m, int n, const T* alpha,
         const T* a, int lda, const T* b, int ldb, T* c, int ldc) {
  BlasCall call(name, handle);
  call.not_tf32<T>();
  call.one_of("side", side, {0, 1});
  call.triangle(fill, diagonal);
  call.op("trans", op);
  const T x = call.scalar("alpha", alpha);
  const int order = side == 0 ? m : n;
  call.matrix("A", a, order, order, lda);
  call.matrix("B", b, m, n, ldb);
  call.matrix("C", c, m, n, ldc);
  call.require(b != c || ldb == ldc, "C is B with another ld");
  return call.run([=] {
    if (m == 0 || n == 0) return;
    for (int64_t j = 0; j < n; ++j) std::memmove(c + j * ldc, b + j * ldb, static_cast<size_t>(m) * sizeof(T));
    Of<T>::trmm(kColumns, side_of(side), fill_of(fill), op_of(op), diagonal_of(diagonal), m, n, x, a, lda, c, ldc);
  });
}

template <typename T>
int geam(const char* name, Handle* handle, int op_a, int op_b, int m, int n, const T* alpha, const T* a, int lda,
         const T* beta, const T* b, int ldb, T* c, int ldc) {
  BlasCall call(name, handle);
  call.op("transa", op_a);
  call.op("transb", op_b);
  call.require(m >= 0 && n >= 0, "a negative size");
  const T x = call.scalar("alpha", alpha), y = call.scalar("beta", beta);
  if (x != 0) call.matrix("A", a, op_a == 0 ? m : n, op_a == 0 ? n : m, lda);
  if (y != 0) call.matrix("B", b, op_b == 0 ? m : n, op_b == 0 ? n : m, ldb);
  call.matrix("C", c, m, n, ldc);
  call.require(a != c || (op_a == 0 && lda == ldc), "C is A, transposed or with another ld");
  call.require(b != c || (op_b == 0 && ldb == ldc), "C is B, transposed or with another ld");
  return call.run([=] {
    for (int64_t j = 0; j < n; ++j) {
      for (int64_t i = 0; i < m; ++i) {
        const T p = x == 0 ? T{0} : x * (op_a == 0 ? a[j * lda + i] : a[i * lda + j]);
        const T q = y == 0 ? T{0} : y * (op_b == 0 ? b[j * ldb + i] : b[i * ldb + j]);
        c[j * ldc + i] = y == 0 ? p : x == 0 ? q : p + q;
      }
    }
  });
}

template <typename T>
int gemv(const char* name, Handle* handle, int op, int m, int n, const T* alpha, const T* a, int lda, const T* x,
         int incx, const T* beta, T* y, int incy) {
  BlasCall call(name, handle);
  call.not_tf32<T>();
  call.op("trans", op);
  call.require(m >= 0 && n >= 0 && incx != 0 && incy != 0, "a negative size or an increment of 0");
  const T p = call.scalar("alpha", alpha), q = call.scalar("beta", beta);
  const int in = op == 0 ? n : m, out = op == 0 ? m : n;
  call.matrix("A", a, m, n, lda);
  call.matrix("x", x, 1, in, std::abs(incx));
  call.matrix("y", y, 1, out, std::abs(incy));
  return call.run([=] {
    if (m == 0 || n == 0) return;
    scale(1, out, q, y, std::abs(incy));
    Of<T>::gemv(kColumns, op_of(op), m, n, p, a, lda, x, incx, 1, y, incy);
  });
}

template <typename T>
int trsv(const char* name, Handle* handle, int fill, int op, int diagonal, int n, const T* a, int lda, T* x, int incx) {
  BlasCall call(name, handle);
  call.not_tf32<T>();
  call.triangle(fill, diagonal);
  call.op("trans", op);
  call.require(incx != 0, "an increment of 0");
  call.matrix("A", a, n, n, lda);
  call.matrix("x", x, 1, n, std::abs(incx));
  return call.run([=] {
    if (n > 0) Of<T>::trsv(kColumns, fill_of(fill), op_of(op), diagonal_of(diagonal), n, a, lda, x, incx);
  });
}

}  // namespace

MG_LIBRARY cublasGetProperty(int type, int* value) {
  if (type < 0 || type > 2 || !value) return kStatuses.invalid_value;
  *value = type == 0 ? 13 : type;
  return 0;
}

MG_LIBRARY cublasCreate_v2(Handle** handle) {
  LibraryCall call("cublasCreate_v2", kStatuses);
  call.require(handle != nullptr, "no place for the handle");
  if (call.status() != 0) return call.status();
  *handle = new Handle;
  handles().insert(*handle);
  return 0;
}

MG_LIBRARY cublasDestroy_v2(Handle* handle) {
  Call call("");
  if (handles().erase(handle) == 0) return kNotInitialized;
  run_all();
  delete handle;
  return 0;
}

// Also takes the workspace away, as the real one does.
MG_LIBRARY cublasSetStream_v2(Handle* handle, cudaStream_t stream) {
  LibraryCall call("cublasSetStream_v2", kStatuses);
  if (call.status() == 0 && handles().count(handle) == 0) return kNotInitialized;
  call.require(known(stream), "no such stream");
  if (call.status() != 0) return call.status();
  handle->stream = stream;
  handle->has_stream = true;
  handle->workspace = nullptr;
  return 0;
}

MG_LIBRARY cublasGetStream_v2(Handle* handle, cudaStream_t* stream) {
  LibraryCall call("cublasGetStream_v2", kStatuses);
  if (call.status() == 0 && handles().count(handle) == 0) return kNotInitialized;
  if (call.status() == 0) *stream = handle->stream;
  return call.status();
}

MG_LIBRARY cublasSetWorkspace_v2(Handle* handle, void* workspace, size_t bytes) {
  BlasCall call("cublasSetWorkspace_v2", handle);
  call.memory("workspace", workspace, static_cast<int64_t>(bytes), kAligned);
  if (call.status() != 0) return call.status();
  handle->workspace = workspace;
  handle->workspace_bytes = bytes;
  return 0;
}

MG_LIBRARY cublasSetPointerMode_v2(Handle* handle, int mode) {
  BlasCall call("cublasSetPointerMode_v2", handle);
  call.one_of("mode", mode, {0, 1});
  if (call.status() == 0) handle->pointer_mode = mode;
  return call.status();
}

MG_LIBRARY cublasSetMathMode(Handle* handle, int mode) {
  BlasCall call("cublasSetMathMode", handle);
  call.one_of("mode", mode & ~16, {0, 2, 3});  // 16: no reductions in less than the type
  if (call.status() == 0) handle->math = mode;
  return call.status();
}

#define MG_FUNCTIONS(S, T)                                                                                            \
  MG_LIBRARY cublas##S##gemm_v2(Handle* h, int op_a, int op_b, int m, int n, int k, const T* alpha, const T* a,       \
                                int lda, const T* b, int ldb, const T* beta, T* c, int ldc) {                         \
    return gemm(__func__, h, op_a, op_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);                               \
  }                                                                                                                   \
  MG_LIBRARY cublas##S##gemmStridedBatched(Handle* h, int op_a, int op_b, int m, int n, int k, const T* alpha,        \
                                           const T* a, int lda, long long sa, const T* b, int ldb, long long sb,      \
                                           const T* beta, T* c, int ldc, long long sc, int count) {                   \
    return gemm_batched(__func__, h, op_a, op_b, m, n, k, alpha, a, lda, sa, b, ldb, sb, beta, c, ldc, sc, count);    \
  }                                                                                                                   \
  MG_LIBRARY cublas##S##syrk_v2(Handle* h, int fill, int op, int n, int k, const T* alpha, const T* a, int lda,       \
                                const T* beta, T* c, int ldc) {                                                       \
    return syrk(__func__, h, fill, op, n, k, alpha, a, lda, beta, c, ldc);                                            \
  }                                                                                                                   \
  MG_LIBRARY cublas##S##trsm_v2(Handle* h, int side, int fill, int op, int diagonal, int m, int n, const T* alpha,    \
                                const T* a, int lda, T* b, int ldb) {                                                 \
    return trsm(__func__, h, side, fill, op, diagonal, m, n, alpha, a, lda, b, ldb);                                  \
  }                                                                                                                   \
  MG_LIBRARY cublas##S##trmm_v2(Handle* h, int side, int fill, int op, int diagonal, int m, int n, const T* alpha,    \
                                const T* a, int lda, const T* b, int ldb, T* c, int ldc) {                            \
    return trmm(__func__, h, side, fill, op, diagonal, m, n, alpha, a, lda, b, ldb, c, ldc);                          \
  }                                                                                                                   \
  MG_LIBRARY cublas##S##geam(Handle* h, int op_a, int op_b, int m, int n, const T* alpha, const T* a, int lda,        \
                             const T* beta, const T* b, int ldb, T* c, int ldc) {                                     \
    return geam(__func__, h, op_a, op_b, m, n, alpha, a, lda, beta, b, ldb, c, ldc);                                  \
  }                                                                                                                   \
  MG_LIBRARY cublas##S##gemv_v2(Handle* h, int op, int m, int n, const T* alpha, const T* a, int lda, const T* x,     \
                                int incx, const T* beta, T* y, int incy) {                                            \
    return gemv(__func__, h, op, m, n, alpha, a, lda, x, incx, beta, y, incy);                                        \
  }                                                                                                                   \
  MG_LIBRARY cublas##S##trsv_v2(Handle* h, int fill, int op, int diagonal, int n, const T* a, int lda, T* x,          \
                                int incx) {                                                                           \
    return trsv(__func__, h, fill, op, diagonal, n, a, lda, x, incx);                                                 \
  }
MG_FUNCTIONS(S, float)
MG_FUNCTIONS(D, double)
