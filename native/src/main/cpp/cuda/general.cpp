// SPDX-License-Identifier: Apache-2.0
// Decompositions of general matrices that are sequential for the most part, of matrices that a host does in
// milliseconds: the CPU's, on copies. Bytes are those of the CPU.
// Considered: geqrf and orgqr of cuSOLVER (200 x 20: launches of 20 reflections one after the other, longer than the
// host takes with both copies), Xgeev (since cuSOLVER 11.7; the QR iteration is on the host there, too).
#include <vector>

#include "cuda/matrix.h"

namespace merganser {
namespace cuda {

namespace {

constexpr const char* kEigenvalues = "general_eigenvalues";

std::vector<double> to_host(State& s, const char* routine, int64_t rows, int64_t cols, const double* from, int64_t ld) {
  std::vector<double> here(static_cast<size_t>(rows * cols));
  const size_t width = static_cast<size_t>(cols) * sizeof(double);
  check(cudaMemcpy2DAsync(here.data(), width, from, static_cast<size_t>(ld) * sizeof(double), width,
                          static_cast<size_t>(rows), cudaMemcpyDeviceToHost, s.stream),
        routine);
  synchronize(s, routine);
  return here;
}

void to_device(State& s, const char* routine, const std::vector<double>& here, int64_t rows, int64_t cols, double* to,
               int64_t ld) {
  const size_t width = static_cast<size_t>(cols) * sizeof(double);
  check(cudaMemcpy2DAsync(to, static_cast<size_t>(ld) * sizeof(double), here.data(), width, width,
                          static_cast<size_t>(rows), cudaMemcpyHostToDevice, s.stream),
        routine);
}

void require(int32_t status) {
  if (status != MG_OK) fail(status, plugin_host().last_error());
}

}  // namespace

void qr(mg_context* context, int64_t m, int64_t n, const double* a, int64_t lda, double* q, int64_t ldq, double* r,
        int64_t ldr) {
  OnDevice here;
  State& s = state(context);
  std::vector<double> copy = to_host(s, "qr", m, n, a, lda);
  std::vector<double> upper(static_cast<size_t>(n * n));
  require(plugin_host().cpu->qr(context, m, n, copy.data(), n, copy.data(), n, upper.data(), n));
  to_device(s, "qr", copy, m, n, q, ldq);
  to_device(s, "qr", upper, n, n, r, ldr);
  synchronize(s, "qr");
}

void general_eigenvalues(mg_context* context, int64_t count, int64_t n, const double* a, int64_t lda, double* real,
                         double* imaginary) {
  if (count == 0) return;
  OnDevice here;
  State& s = state(context);
  const std::vector<double> copy = to_host(s, kEigenvalues, count * n, n, a, lda);
  std::vector<double> re(static_cast<size_t>(count * n)), im(re.size());
  require(plugin_host().cpu->general_eigenvalues(context, count, n, copy.data(), n, re.data(), im.data()));
  to_device(s, kEigenvalues, re, count, n, real, n);
  to_device(s, kEigenvalues, im, count, n, imaginary, n);
  synchronize(s, kEigenvalues);
}

}  // namespace cuda
}  // namespace merganser
