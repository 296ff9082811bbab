// SPDX-License-Identifier: Apache-2.0
// Thin singular value decomposition by cuSOLVER: gesvdp (polar factor and symmetric eigenvalues, products for the most
// part), gesvd where that is inaccurate. In units of a power of two where elements are far from 1, as on the CPU.
// Expected for 4096 x 4096 on an H100-class card: about 40 n^3 = 2.7 Tflop in F64 products, 0.1 s at 30 TFLOP/s and as
// much for the eigenvalues. Not yet run on a device.
#include <algorithm>
#include <cmath>
#include <vector>

#include "cuda/blas.h"
#include "cuda/matrix.h"
#include "routines/dense.h"

namespace merganser {
namespace cuda {

namespace {

constexpr const char* kRoutine = "svd";

void copy_rows(State& s, int64_t rows, int64_t cols, const double* from, int64_t from_ld, double* to, int64_t to_ld) {
  constexpr size_t kBytes = sizeof(double);
  check(cudaMemcpy2DAsync(to, static_cast<size_t>(to_ld) * kBytes, from, static_cast<size_t>(from_ld) * kBytes,
                          static_cast<size_t>(cols) * kBytes, static_cast<size_t>(rows), cudaMemcpyDeviceToDevice,
                          s.stream),
        kRoutine);
}

void require_finite_matrix(mg_context* context, int64_t m, int64_t n, const double* a) {
  int64_t count = 0, first = 0;
  nonfinite_count(context, MG_F64, m * n, a, &count, &first);
  if (count > 0) fail_not_finite("a", first / n, first % n, read(state(context), kRoutine, a + first, 1)[0]);
}

}  // namespace

void svd(mg_context* context, int64_t m, int64_t n, const double* a, int64_t lda, double* u, int64_t ldu, double* sigma,
         double* vt, int64_t ldvt) {
  OnDevice here;
  State& s = state(context);
  const int64_t r = std::min(m, n);
  Scratch scratch(s.scratch);
  double* copy = scratch.take<double>(m * n);
  double* left = scratch.take<double>(m * r);
  double* right = scratch.take<double>(r * n);
  double* values = scratch.take<double>(r);
  copy_rows(s, m, n, a, lda, copy, n);
  require_finite_matrix(context, m, n, copy);
  double largest = 0;
  norm(context, MG_NORM_MAX, m, n, copy, n, 0, &largest);
  int exponent = 0;
  if (!(largest > 1e-100 && largest < 1e100)) std::frexp(largest, &exponent);
  for (int rest = -exponent; rest != 0;) {
    // A factor of 2^1074 is none of F64.
    const int step = std::max(-1000, std::min(1000, rest));
    const double factor = std::ldexp(1.0, step);
    const void* in[] = {copy};
    weighted_sum(context, MG_F64, m * n, 1, in, &factor, copy);
    rest -= step;
  }
  solver(s, kRoutine).svd(m, n, copy, left, values, right);
  std::vector<double> found = read(s, kRoutine, values, r);
  for (double& each : found) each = std::ldexp(each, exponent);
  check_finite("sigma", 1, r, found.data(), r);
  Scratch staging(s.staging);
  double* staged = staging.take<double>(r);
  std::copy(found.begin(), found.end(), staged);
  check(cudaMemcpyAsync(sigma, staged, static_cast<size_t>(r) * sizeof *sigma, cudaMemcpyHostToDevice, s.stream),
        kRoutine);
  copy_rows(s, m, r, left, r, u, ldu);
  copy_rows(s, r, n, right, n, vt, ldvt);
  synchronize(s, kRoutine);
}

}  // namespace cuda
}  // namespace merganser
