// SPDX-License-Identifier: Apache-2.0
// The stand-ins of cuBLAS and cuSOLVER themselves: matrices by columns against plain loops, and what they refuse.
#include <cuda_runtime.h>

#include <dlfcn.h>

#include "test/check.h"
#include "test/cuda_standin/control.h"

using namespace check;

namespace {

using Handle = void*;
enum { kNotInitialized = 1, kBlasInvalid = 7, kBlasExecution = 13, kSolverInvalid = 3 };

// Closed again: the test of the search expects that nobody has loaded one.
class Library {
 public:
  explicit Library(const char* name)
      // It stays: what it keeps for the process would count as leaked.
      : handle_(dlopen((std::string(MERGANSER_TEST_STANDIN) + "/" + name).c_str(),
                       RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE)) {
    CHECK(handle_ != nullptr);
  }
  ~Library() { dlclose(handle_); }
  Library(const Library&) = delete;
  template <typename Function>
  Function* function(const char* name) const {
    return reinterpret_cast<Function*>(dlsym(handle_, name));
  }

 private:
  void* handle_;
};

class OnDevice {
 public:
  explicit OnDevice(const Vector& values) : count_(values.size()) {
    CHECK(cudaMalloc(&data_, 8 * count_) == cudaSuccess);
    CHECK(cudaMemcpy(data_, values.data(), 8 * count_, cudaMemcpyHostToDevice) == cudaSuccess);
  }
  ~OnDevice() { CHECK(cudaFree(data_) == cudaSuccess); }
  OnDevice(const OnDevice&) = delete;
  operator double*() const { return data_; }
  Vector read() const {
    Vector values(count_);
    CHECK(cudaMemcpy(values.data(), data_, 8 * count_, cudaMemcpyDeviceToHost) == cudaSuccess);
    return values;
  }

 private:
  size_t count_;
  double* data_ = nullptr;
};

struct Quiet {
  Quiet() { standin_speak(0); }
  ~Quiet() { standin_speak(1); }
};

}  // namespace

TEST(standin_multiplies_by_columns) {
  const Library library("libcublas.so.13");
  const auto create = library.function<int(Handle*)>("cublasCreate_v2");
  const auto destroy = library.function<int(Handle)>("cublasDestroy_v2");
  const auto set_stream = library.function<int(Handle, cudaStream_t)>("cublasSetStream_v2");
  const auto gemm = library.function<int(Handle, int, int, int, int, int, const double*, const double*, int,
                                         const double*, int, const double*, double*, int)>("cublasDgemm_v2");
  const int m = 5, n = 4, k = 3, lda = 6, ldb = 7, ldc = 8;
  const Vector a = gaussian(lda * m, 1), b = gaussian(ldb * k, 2), c = gaussian(ldc * n, 3);
  const OnDevice da(a), db(b), dc(c);
  const double alpha = 2, beta = -1;
  Handle handle = nullptr;
  CHECK(create(&handle) == 0);
  const Quiet quiet;
  const auto call = [&](int ld, const double* left, double* out) {
    return gemm(handle, 1, 1, m, n, k, &alpha, left, ld, db, ldb, &beta, out, ldc);
  };
  CHECK(call(lda, da, dc) == kBlasInvalid);  // no stream
  CHECK(set_stream(handle, nullptr) == 0 && call(lda, da, dc) == 0);
  Vector expected = c;
  for (int j = 0; j < n; ++j) {
    for (int i = 0; i < m; ++i) {
      double sum = 0;
      for (int l = 0; l < k; ++l) sum += a[i * lda + l] * b[l * ldb + j];
      expected[j * ldc + i] = alpha * sum + beta * c[j * ldc + i];
    }
  }
  CHECK(largest_difference(dc.read(), expected) < 1e-12);
  CHECK(call(2, da, dc) == kBlasInvalid && call(30, da, dc) == kBlasInvalid);  // below the rows; beyond the allocation
  CHECK(call(lda, a.data(), dc) == kBlasInvalid && call(lda, nullptr, dc) == kBlasInvalid);
  CHECK(call(lda, reinterpret_cast<const double*>(reinterpret_cast<const char*>(static_cast<double*>(da)) + 4), dc) ==
        kBlasInvalid);
  CHECK(gemm(handle, 5, 0, 1, 1, 1, &alpha, da, 1, db, 1, &beta, dc, 1) == kBlasInvalid);
  CHECK(gemm(handle, 0, 0, 1, 1, 1, da, da, 1, db, 1, &beta, dc, 1) == kBlasInvalid);  // alpha on the device
  standin_fail_after(0, 0);
  CHECK(call(lda, da, dc) == kBlasExecution);
  standin_fail_after(-1, 0);
  CHECK(destroy(handle) == 0 && destroy(handle) == kNotInitialized && call(lda, da, dc) == kNotInitialized);
}

TEST(standin_factorises_by_columns) {
  const Library library("libcusolver.so.12");
  const auto create = library.function<int(Handle*)>("cusolverDnCreate");
  const auto destroy = library.function<int(Handle)>("cusolverDnDestroy");
  const auto set_stream = library.function<int(Handle, cudaStream_t)>("cusolverDnSetStream");
  const auto size_of_work = library.function<int(Handle, int, int, double*, int, int*)>("cusolverDnDpotrf_bufferSize");
  const auto potrf = library.function<int(Handle, int, int, double*, int, double*, int, int*)>("cusolverDnDpotrf");
  const int n = 4, lda = 5;
  const Vector x = gaussian(n * n, 1), square = multiply(n, n, n, x, false, x, true);
  Vector a(lda * n, 7.0);
  for (int j = 0; j < n; ++j) std::copy_n(&square[j * n], n, &a[j * lda]);
  Handle handle = nullptr;
  CHECK(create(&handle) == 0 && set_stream(handle, nullptr) == 0);
  for (int fill : {0, 1}) {  // the lower, the upper triangle
    const OnDevice da(a), info(Vector(1));
    int size = 0;
    CHECK(size_of_work(handle, fill, n, da, lda, &size) == 0 && size > 0);
    const OnDevice work(Vector(static_cast<size_t>(size), 0.0));
    int* const status = reinterpret_cast<int*>(static_cast<double*>(info));
    {
      const Quiet quiet;
      CHECK(potrf(handle, fill, n, da, lda, work, size - 1, status) == kSolverInvalid);
      CHECK(potrf(handle, fill, n, da, n - 1, work, size, status) == kSolverInvalid);
    }
    CHECK(potrf(handle, fill, n, da, lda, work, size, status) == 0);
    const Vector found = da.read();
    Vector lower(n * n, 0.0);
    for (int i = 0; i < n; ++i) {
      for (int j = 0; j <= i; ++j) lower[i * n + j] = fill == 0 ? found[j * lda + i] : found[i * lda + j];
    }
    CHECK(largest_difference(multiply(n, n, n, lower, false, lower, true), square) < 1e-12);
    CHECK(found[n] == 7 && work.read()[0] != 0);  // between the columns; work memory does not keep its values
  }
  Vector indefinite = a;
  indefinite[2 * lda + 2] = -1;
  const OnDevice da(indefinite), work(Vector(400)), info(Vector(1));
  int* const status = reinterpret_cast<int*>(static_cast<double*>(info));
  CHECK(potrf(handle, 0, n, da, lda, work, 400, status) == 0);
  int host = 0;
  CHECK(cudaMemcpy(&host, status, sizeof host, cudaMemcpyDeviceToHost) == cudaSuccess && host == 3);
  CHECK(destroy(handle) == 0);
}
