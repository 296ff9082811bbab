// SPDX-License-Identifier: Apache-2.0
// Linear equations with a symmetric positive definite matrix: potrf of cuSOLVER, two trsm of cuBLAS, in F64. Expected for
// n = cols = 4096 on an H100-class card: n^3/3 + 2 n^3 = 160 Gflop, about 10 ms. Not yet run on a device.
#include <limits>

#include "cuda/blas.h"
#include "cuda/matrix.h"
#include "routines/dense.h"

namespace merganser {
namespace cuda {

namespace {

constexpr const char* kRoutine = "solve";

void copy_rows(State& s, int64_t rows, int64_t cols, const double* from, int64_t from_ld, double* to, int64_t to_ld) {
  if (cols == 0) return;
  constexpr size_t kBytes = sizeof(double);
  check(cudaMemcpy2DAsync(to, static_cast<size_t>(to_ld) * kBytes, from, static_cast<size_t>(from_ld) * kBytes,
                          static_cast<size_t>(cols) * kBytes, static_cast<size_t>(rows), cudaMemcpyDeviceToDevice,
                          s.stream),
        kRoutine);
}

void require_finite_matrix(mg_context* context, const char* name, int64_t rows, int64_t cols, const double* a) {
  int64_t count = 0, first = 0;
  nonfinite_count(context, MG_F64, rows * cols, a, &count, &first);
  if (count > 0) {
    fail_not_finite(name, first / cols, first % cols, read(state(context), kRoutine, a + first, 1)[0]);
  }
}

}  // namespace

void solve(mg_context* context, int64_t n, int64_t cols, const double* a, int64_t lda, const double* b, int64_t ldb,
           double* x, int64_t ldx) {
  OnDevice here;
  State& s = state(context);
  Scratch scratch(s.scratch);
  double* factor = scratch.take<double>(n * n);
  double* right = scratch.take<double>(n * cols);
  copy_rows(s, n, n, a, lda, factor, n);
  copy_rows(s, n, cols, b, ldb, right, cols);
  require_finite_matrix(context, "a", n, n, factor);
  require_finite_matrix(context, "b", n, cols, right);
  const double largest = diagonal_range(s, kRoutine, n, factor).largest;
  if (!(largest > 0) || !solver(s, kRoutine).potrf(n, factor, n)) fail_not_definite();
  const double least = diagonal_range(s, kRoutine, n, factor).least;
  if (!(least * least > static_cast<double>(n) * std::numeric_limits<double>::epsilon() * largest)) fail_not_definite();
  blas(s, kRoutine).trsm<double>(Side::LEFT, Op::N, n, cols, factor, n, right, cols);
  blas(s, kRoutine).trsm<double>(Side::LEFT, Op::T, n, cols, factor, n, right, cols);
  require_finite_matrix(context, "x", n, cols, right);
  copy_rows(s, n, cols, right, cols, x, ldx);
  synchronize(s, kRoutine);
}

}  // namespace cuda
}  // namespace merganser
