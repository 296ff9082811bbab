// SPDX-License-Identifier: Apache-2.0
// Eigenvalues and eigenvectors of a symmetric matrix by cuSOLVER (syevd), in units of a power of two where elements are
// far from 1, as on the CPU.
// Expected for n = 4096 on an H100-class card: 9 n^3 operations, half of them products with vectors at the speed of
// memory: about 1 s. Not yet run on a device.
#include <algorithm>
#include <cmath>
#include <vector>

#include "cuda/blas.h"
#include "cuda/matrix.h"
#include "routines/dense.h"

namespace merganser {
namespace cuda {

namespace {

constexpr const char* kRoutine = "symmetric_eigen";
constexpr size_t kBytes = sizeof(double);

void copy_rows(State& s, int64_t n, const double* from, int64_t from_ld, double* to, int64_t to_ld) {
  const size_t width = static_cast<size_t>(n) * kBytes;
  check(cudaMemcpy2DAsync(to, static_cast<size_t>(to_ld) * kBytes, from, static_cast<size_t>(from_ld) * kBytes, width,
                          static_cast<size_t>(n), cudaMemcpyDeviceToDevice, s.stream),
        kRoutine);
}

}  // namespace

void symmetric_eigen(mg_context* context, int64_t n, const double* a, int64_t lda, double* vectors, int64_t ldv,
                     double* values) {
  OnDevice here;
  State& s = state(context);
  Scratch scratch(s.scratch);
  double* packed = scratch.take<double>(n * n);
  double* copy = scratch.take<double>(n * n);
  double* found = scratch.take<double>(n);
  copy_rows(s, n, a, lda, packed, n);
  symmetric_sum(s, kRoutine, n, 0.0, 1.0, packed, copy);
  const Seen seen = look(s, kRoutine, 1, n, copy, n)[0];
  require_finite("a", seen);
  const bool near = seen.largest > 1e-100 && seen.largest < 1e100;
  const int exponent = near ? 0 : seen.exponent();
  if (exponent != 0) {
    scaled_copy(s, kRoutine, n, copy, n, -exponent, 0, packed);
    std::swap(copy, packed);
  }
  solver(s, kRoutine).eigen(n, copy, found);
  std::vector<double> host = read(s, kRoutine, found, n);
  for (double& each : host) each = std::ldexp(each, exponent);
  check_finite("values", 1, n, host.data(), n);
  Scratch staging(s.staging);
  double* staged = staging.take<double>(n);
  std::copy(host.begin(), host.end(), staged);
  check(cudaMemcpyAsync(values, staged, static_cast<size_t>(n) * kBytes, cudaMemcpyHostToDevice, s.stream), kRoutine);
  copy_rows(s, n, copy, n, vectors, ldv);
  synchronize(s, kRoutine);
}

}  // namespace cuda
}  // namespace merganser
