// SPDX-License-Identifier: Apache-2.0
// cuSOLVER sees the transpose of each matrix by rows: the lower triangle is the upper one, eigenvectors in its columns
// are our rows, and U and V of a singular value decomposition change places.
// Decompositions by gesvdp (polar factor and symmetric eigenvalues: products for the most part) where it is accurate:
// it shifts a matrix with a singular value near 0 and says by how much. Else by gesvd, which is many times slower.
#include <memory>

#include "cuda/blas.h"

namespace merganser {
namespace cuda {

namespace {

constexpr int64_t kSmall = 32;    // up to here gesvd is as quick
constexpr double kShift = 1e-11;  // of gesvdp against the largest singular value, at most

const char* name_of(int status) {
  static const char* const names[] = {"SUCCESS",          "NOT_INITIALIZED", "ALLOC_FAILED",
                                      "INVALID_VALUE",    "ARCH_MISMATCH",   "MAPPING_ERROR",
                                      "EXECUTION_FAILED", "INTERNAL_ERROR",  "MATRIX_TYPE_NOT_SUPPORTED",
                                      "NOT_SUPPORTED",    "ZERO_PIVOT",      "INVALID_LICENSE"};
  constexpr int kKnown = sizeof names / sizeof *names;
  return status >= 0 && status < kKnown ? names[status] : "unknown";
}

// The limit of 32-bit work sizes, as on the CPU.
int order_of(int64_t n) {
  MG_REQUIRE(n <= 23000, "n = %lld is above 23000, the limit of 32-bit LAPACK", Long{n});
  return static_cast<int>(n);
}

template <typename Function>
Function* load(const char* name) {
  return function<Function>(kCusolver, name);
}

}  // namespace

Solver::Solver(State& state)
    : destroy_(load<Cusolver::Destroy>("cusolverDnDestroy")),
      destroy_parameters_(load<Cusolver::DestroyParameters>("cusolverDnDestroyParams")),
      potrf_size_(load<Cusolver::PotrfSize>("cusolverDnDpotrf_bufferSize")),
      potrf_(load<Cusolver::Potrf>("cusolverDnDpotrf")),
      syevd_size_(load<Cusolver::SyevdSize>("cusolverDnDsyevd_bufferSize")),
      syevd_(load<Cusolver::Syevd>("cusolverDnDsyevd")),
      gesvd_size_(load<Cusolver::GesvdSize>("cusolverDnDgesvd_bufferSize")),
      gesvd_(load<Cusolver::Gesvd>("cusolverDnDgesvd")),
      gesvdp_size_(load<Cusolver::GesvdpSize>("cusolverDnXgesvdp_bufferSize")),
      gesvdp_(load<Cusolver::Gesvdp>("cusolverDnXgesvdp")),
      state_(state) {
  routine_ = "opening cuSOLVER";
  const auto create = load<Cusolver::Create>("cusolverDnCreate");
  const auto set_stream = load<Cusolver::SetStream>("cusolverDnSetStream");
  const auto create_parameters = load<Cusolver::CreateParameters>("cusolverDnCreateParams");
  require(create(&handle_), "cusolverDnCreate");
  try {
    require(set_stream(handle_, state.stream), "cusolverDnSetStream");
    require(create_parameters(&parameters_), "cusolverDnCreateParams");
  } catch (...) {
    static_cast<void>(destroy_(handle_));
    throw;
  }
}

Solver::~Solver() {
  static_cast<void>(destroy_parameters_(parameters_));
  static_cast<void>(destroy_(handle_));
}

void Solver::require(int status, const char* function) const {
  if (status == kLibrarySuccess) return;
  const bool memory = status == 2;
  fail(memory ? MG_OUT_OF_MEMORY : MG_INTERNAL,
       format("%s on CUDA: %s of cuSOLVER failed: CUSOLVER_STATUS_%s (code %d)", routine_, function, name_of(status),
              status));
}

int Solver::info(const int* device, const char* function) const {
  Scratch staging(state_.staging);
  int* host = staging.take<int>(1);
  check(cudaMemcpyAsync(host, device, sizeof *host, cudaMemcpyDeviceToHost, state_.stream), routine_);
  synchronize(state_, routine_);
  if (*host < 0) fail(MG_INTERNAL, format("%s on CUDA: argument %d of %s is wrong", routine_, -*host, function));
  return *host;
}

bool Solver::potrf(int64_t n, double* a, int64_t lda) {
  const int order = order_of(n), ld = order_of(lda);
  Scratch scratch(state_.scratch);
  int size = 0;
  require(potrf_size_(handle_, kFillUpper, order, a, ld, &size), "cusolverDnDpotrf_bufferSize");
  double* work = scratch.take<double>(size);
  int* status = scratch.take<int>(1);
  require(potrf_(handle_, kFillUpper, order, a, ld, work, size, status), "cusolverDnDpotrf");
  return info(status, "cusolverDnDpotrf") == 0;
}

void Solver::syevd(int mode, int64_t n, double* a, double* values) {
  const int order = order_of(n);
  Scratch scratch(state_.scratch);
  int size = 0;
  require(syevd_size_(handle_, mode, kFillUpper, order, a, order, values, &size), "cusolverDnDsyevd_bufferSize");
  double* work = scratch.take<double>(size);
  int* status = scratch.take<int>(1);
  require(syevd_(handle_, mode, kFillUpper, order, a, order, values, work, size, status), "cusolverDnDsyevd");
  const int found = info(status, "cusolverDnDsyevd");
  if (found != 0) fail(MG_NUMERICAL, format("dsyevd failed with info = %d", found));
}

void Solver::eigen(int64_t n, double* a, double* values) { syevd(kEigenModeVector, n, a, values); }

void Solver::eigenvalues(int64_t n, double* a, double* values) { syevd(kEigenModeNoVector, n, a, values); }

// cuSOLVER takes no fewer rows than columns, of the transpose that it sees: a tall matrix is transposed first.
void Solver::svd(int64_t m, int64_t n, double* a, double* u, double* sigma, double* vt) {
  Scratch scratch(state_.scratch);
  if (m > n) {
    double* flat = scratch.take<double>(m * n);
    double* left = scratch.take<double>(n * n);
    double* right = scratch.take<double>(m * n);
    blas(state_, routine_).transpose<double>(m, n, a, n, flat, m);
    svd(n, m, flat, left, sigma, right);
    blas(state_, routine_).transpose<double>(n, m, right, m, u, n);
    blas(state_, routine_).transpose<double>(n, n, left, n, vt, n);
    return;
  }
  MG_REQUIRE(n <= INT32_MAX, "n = %lld is beyond 32 bits, the limit of LAPACK", Long{n});
  const int rows = order_of(m), columns = static_cast<int>(n);
  if (n <= kSmall) return gesvd(rows, columns, a, u, sigma, vt);
  double* saved = scratch.take<double>(m * n);
  const size_t bytes = static_cast<size_t>(m * n) * sizeof(double);
  check(cudaMemcpyAsync(saved, a, bytes, cudaMemcpyDeviceToDevice, state_.stream), routine_);
  if (!gesvdp(rows, columns, a, u, sigma, vt)) gesvd(rows, columns, saved, u, sigma, vt);
}

// False when it did not converge, or moved the singular values too far. m <= n.
bool Solver::gesvdp(int m, int n, double* a, double* u, double* sigma, double* vt) {
  Scratch scratch(state_.scratch), staging(state_.staging);
  const int type = kReal64F, economy = 1;
  double* ut = scratch.take<double>(int64_t{m} * m);
  size_t size = 0, host_size = 0;
  require(gesvdp_size_(handle_, parameters_, kEigenModeVector, economy, n, m, type, a, n, type, sigma, type, vt, n,
                       type, ut, m, type, &size, &host_size),
          "cusolverDnXgesvdp_bufferSize");
  char* work = scratch.take<char>(static_cast<int64_t>(size));
  char* host_work = staging.take<char>(static_cast<int64_t>(host_size));
  int* status = scratch.take<int>(1);
  double* largest = staging.take<double>(1);
  double shift = 0;
  require(gesvdp_(handle_, parameters_, kEigenModeVector, economy, n, m, type, a, n, type, sigma, type, vt, n, type,
                  ut, m, type, work, size, host_work, host_size, status, &shift),
          "cusolverDnXgesvdp");
  check(cudaMemcpyAsync(largest, sigma, sizeof *largest, cudaMemcpyDeviceToHost, state_.stream), routine_);
  if (info(status, "cusolverDnXgesvdp") != 0 || !(shift <= kShift * *largest)) return false;
  blas(state_, routine_).transpose<double>(m, m, ut, m, u, m);
  return true;
}

// m <= n.
void Solver::gesvd(int m, int n, double* a, double* u, double* sigma, double* vt) {
  Scratch scratch(state_.scratch);
  int size = 0;
  require(gesvd_size_(handle_, n, m, &size), "cusolverDnDgesvd_bufferSize");
  double* work = scratch.take<double>(size);
  double* super_diagonal = scratch.take<double>(m);
  int* status = scratch.take<int>(1);
  require(gesvd_(handle_, 'S', 'S', n, m, a, n, sigma, vt, n, u, m, work, size, super_diagonal, status),
          "cusolverDnDgesvd");
  const int found = info(status, "cusolverDnDgesvd");
  if (found != 0) fail(MG_NUMERICAL, format("dgesvd failed with info = %d", found));
}

Solver& solver(State& state, const char* routine) {
  if (!state.solver) state.solver = std::make_shared<Solver>(state);
  state.solver->routine_ = routine;
  return *state.solver;
}

}  // namespace cuda
}  // namespace merganser
