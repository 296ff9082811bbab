// SPDX-License-Identifier: Apache-2.0
// routines/dense.h and product.h of the plug-in: matrices on the host, work on the device. They serve the code that is
// shared with the CPU and runs where an input is singular: the completion on a null space and the symmetric form of
// the CCA map (completion.cpp, cca_symmetric.cpp). Their own loops are over n^2; what is n^3 goes through here.
// Expected on an H100-class card at n = 4096: a matrix crosses PCIe in 6 to 15 ms, a product takes 2.5; eigenvectors
// about 1 s and a decomposition about 2 s, several times less than a host of 32 cores.
#include "routines/dense.h"

#include <algorithm>
#include <cmath>

#include "cuda/blas.h"
#include "routines/product.h"
#include "routines/routines.h"

namespace merganser {

using namespace cuda;

namespace {

constexpr const char* kRoutine = "a singular problem";

// A matrix on the device without gaps, as its view has it: by rows, or by columns when op is T.
struct Uploaded {
  const double* data;
  int64_t ld;
  Op op;
};

Uploaded upload(State& s, Scratch& scratch, View<const double> from, int64_t rows, int64_t columns) {
  const bool by_rows = from.column == 1;
  const int64_t lines = by_rows ? rows : columns, length = by_rows ? columns : rows;
  const int64_t step = by_rows ? from.row : from.column;
  double* there = scratch.take<double>(lines * length);
  const size_t width = static_cast<size_t>(length) * sizeof(double);
  check(cudaMemcpy2DAsync(there, width, from.data, static_cast<size_t>(std::max(step, length)) * sizeof(double), width,
                          static_cast<size_t>(lines), cudaMemcpyHostToDevice, s.stream),
        kRoutine);
  return {there, length, by_rows ? Op::N : Op::T};
}

void to_device(State& s, double* to, const double* from, int64_t count) {
  check(cudaMemcpyAsync(to, from, static_cast<size_t>(count) * sizeof *to, cudaMemcpyHostToDevice, s.stream), kRoutine);
}

void to_host(State& s, double* to, const double* from, int64_t count) {
  check(cudaMemcpyAsync(to, from, static_cast<size_t>(count) * sizeof *to, cudaMemcpyDeviceToHost, s.stream), kRoutine);
}

// The device's copy of a square matrix while run works on it.
template <typename Run>
void on_device(mg_context* context, int64_t n, double* a, double* values, const Run& run) {
  check_cancelled(context);
  State& s = state(context);
  Scratch scratch(s.scratch);
  double* there = scratch.take<double>(n * n);
  double* found = scratch.take<double>(n);
  to_device(s, there, a, n * n);
  run(solver(s, kRoutine), there, found);
  to_host(s, a, there, n * n);
  to_host(s, values, found, n);
  synchronize(s, kRoutine);
}

}  // namespace

template <typename T>
void multiply(mg_context* context, int64_t m, int64_t n, int64_t k, double alpha, Input<T> a, Input<T> b, double beta,
              View<T> c, Uplo) {
  if (m == 0 || n == 0) return;
  if (c.column != 1) {
    return multiply<T>(context, n, m, k, alpha, b.transposed(), a.transposed(), beta, c.transposed(), Uplo::kAll);
  }
  if (k == 0) {
    for (int64_t i = 0; i < m; ++i) {
      for (int64_t j = 0; j < n; ++j) c(i, j) = beta == 0 ? 0 : beta * c(i, j);
    }
    return;
  }
  check_cancelled(context);
  State& s = state(context);
  Scratch scratch(s.scratch);
  const Uploaded left = upload(s, scratch, a, m, k), right = upload(s, scratch, b, k, n);
  double* product = beta == 0 ? scratch.take<double>(m * n) : const_cast<double*>(upload(s, scratch, c, m, n).data);
  blas(s, kRoutine).gemm<T>(left.op, right.op, m, n, k, alpha, left.data, left.ld, right.data, right.ld, beta, product,
                            n);
  const size_t width = static_cast<size_t>(n) * sizeof(T);
  check(cudaMemcpy2DAsync(c.data, static_cast<size_t>(std::max(c.row, n)) * sizeof(T), product, width, width,
                          static_cast<size_t>(m), cudaMemcpyDeviceToHost, s.stream),
        kRoutine);
  synchronize(s, kRoutine);
}
template void multiply<double>(mg_context*, int64_t, int64_t, int64_t, double, Input<double>, Input<double>, double,
                               View<double>, Uplo);

void thin_svd(mg_context* context, int64_t m, int64_t n, double* a, double* u, double* sigma, double* vt) {
  check_cancelled(context);
  State& s = state(context);
  Scratch scratch(s.scratch);
  const int64_t r = std::min(m, n);
  double* there = scratch.take<double>(m * n);
  double* left = scratch.take<double>(m * r);
  double* right = scratch.take<double>(r * n);
  double* values = scratch.take<double>(r);
  to_device(s, there, a, m * n);
  solver(s, kRoutine).svd(m, n, there, left, values, right);
  to_host(s, u, left, m * r);
  to_host(s, vt, right, r * n);
  to_host(s, sigma, values, r);
  synchronize(s, kRoutine);
}

void eigen(mg_context* context, int64_t n, double* a, double* values) {
  on_device(context, n, a, values, [n](Solver& solver, double* x, double* found) { solver.eigen(n, x, found); });
}

void check_finite(const char* name, int64_t rows, int64_t cols, const double* a, int64_t ld) {
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < cols; ++j) {
      if (!std::isfinite(a[i * ld + j])) fail_not_finite(name, i, j, a[i * ld + j]);
    }
  }
}

// Sequential for the most part: the CPU's.
void assignment(mg_context* context, const mg_costs* costs, int32_t maximise, int32_t warm_start, int64_t* row_to_col,
                double* u, double* v, double* value) {
  const PluginHost& host = plugin_host();
  const int32_t status = host.cpu->assignment(context, costs, maximise, warm_start, row_to_col, u, v, value);
  if (status != MG_OK) fail(status, host.last_error());
}

}  // namespace merganser
