// SPDX-License-Identifier: Apache-2.0
// A cuSOLVER 12 on OpenBLAS: names, arguments, storage by columns, work sizes and statuses of the real one. Work memory
// holds garbage afterwards, and so do matrices that the real one destroys.
#include <algorithm>
#include <vector>

#include "library.h"
#include "openblas.h"

using namespace standin;

namespace {

constexpr Statuses kStatuses = {2, 3, 6};  // CUSOLVER_STATUS_...
constexpr int kReal64 = 1;                 // of cudaDataType

struct Parameters {
  int unused = 0;
};

std::set<Handle*>& handles() {
  static std::set<Handle*> only;
  return only;
}
std::set<Parameters*>& parameters() {
  static std::set<Parameters*> only;
  return only;
}

class SolverCall : public LibraryCall {
 public:
  SolverCall(const char* function, Handle* handle) : LibraryCall(function, kStatuses) {
    LibraryCall::handle(handles(), handle);
  }
  void symmetric(int fill, int n, const double* a, int lda) {
    one_of("uplo", fill, {0, 1});
    matrix("A", a, n, n, lda);
  }
  template <typename T>
  void work(const T* memory, int64_t size, int64_t needed) {
    require(size >= needed, "a work size of " + std::to_string(size) + ", below " + std::to_string(needed));
    matrix("work", memory, size, 1, size);
  }
  void info(const int* where) { memory("info", where, 4, 4); }
};

char fill_of(int fill) { return fill == 0 ? 'L' : 'U'; }

// Work sizes: of each function its own, so that one for another is found out.
int potrf_size(int n) { return 64 * n + 1; }
int syevd_size(int mode, int n) { return mode == 1 ? 2 * n * n + 6 * n + 3 : 4 * n + 2; }
int gesvd_size(int m, int n) { return 4 * m + 3 * n + 5; }
size_t gesvdp_size(int64_t m, int64_t n) { return static_cast<size_t>(8 * (3 * m * n + 2 * n + 7)); }
size_t gesvdp_host_size(int64_t n) { return static_cast<size_t>(16 * n + 40); }

// a = U diag(s) V^T with V^T by columns; U m x m or m x n.
int svd(char jobs, int m, int n, double* a, int lda, double* s, double* u, int ldu, double* vt, int ldvt) {
  int info = 0, query = -1;
  double size = 0;
  dgesvd_(&jobs, &jobs, &m, &n, a, &lda, s, u, &ldu, vt, &ldvt, &size, &query, &info, 1, 1);
  std::vector<double> work(static_cast<size_t>(size) + 1);
  const int count = static_cast<int>(work.size());
  dgesvd_(&jobs, &jobs, &m, &n, a, &lda, s, u, &ldu, vt, &ldvt, work.data(), &count, &info, 1, 1);
  return info;
}

void destroy(double* a, int64_t m, int64_t n, int64_t lda) {
  for (int64_t j = 0; j < n; ++j) fill_with_garbage(a + j * lda, static_cast<size_t>(8 * m));
}

// Says what was found, or what a test wants it to; then the factor is destroyed.
void tell(int* info, double* factor, int64_t m, int64_t n, int64_t ld) {
  const int found = *info;
  *info = told_info(found);
  if (*info != found) destroy(factor, m, n, ld);
}

}  // namespace

MG_LIBRARY cusolverGetProperty(int type, int* value) {
  if (type < 0 || type > 2 || !value) return kStatuses.invalid_value;
  *value = type == 0 ? 12 : type;
  return 0;
}

MG_LIBRARY cusolverDnCreate(Handle** handle) {
  LibraryCall call("cusolverDnCreate", kStatuses);
  call.require(handle != nullptr, "no place for the handle");
  if (call.status() != 0) return call.status();
  *handle = new Handle;
  handles().insert(*handle);
  return 0;
}

MG_LIBRARY cusolverDnDestroy(Handle* handle) {
  Call call("");
  if (handles().erase(handle) == 0) return kNotInitialized;
  run_all();
  delete handle;
  return 0;
}

MG_LIBRARY cusolverDnSetStream(Handle* handle, cudaStream_t stream) {
  LibraryCall call("cusolverDnSetStream", kStatuses);
  if (call.status() == 0 && handles().count(handle) == 0) return kNotInitialized;
  call.require(known(stream), "no such stream");
  if (call.status() != 0) return call.status();
  handle->stream = stream;
  handle->has_stream = true;
  return 0;
}

MG_LIBRARY cusolverDnCreateParams(Parameters** out) {
  LibraryCall call("cusolverDnCreateParams", kStatuses);
  call.require(out != nullptr, "no place for the parameters");
  if (call.status() != 0) return call.status();
  *out = new Parameters;
  parameters().insert(*out);
  return 0;
}

MG_LIBRARY cusolverDnDestroyParams(Parameters* given) {
  Call call("");
  if (parameters().erase(given) == 0) return kStatuses.invalid_value;
  delete given;
  return 0;
}

MG_LIBRARY cusolverDnDpotrf_bufferSize(Handle* handle, int fill, int n, double* a, int lda, int* size) {
  SolverCall call("cusolverDnDpotrf_bufferSize", handle);
  call.symmetric(fill, n, a, lda);
  call.host("the size", size);
  if (call.status() == 0) *size = potrf_size(n);
  return call.status();
}

MG_LIBRARY cusolverDnDpotrf(Handle* handle, int fill, int n, double* a, int lda, double* work, int size, int* info) {
  SolverCall call("cusolverDnDpotrf", handle);
  call.symmetric(fill, n, a, lda);
  call.work(work, size, potrf_size(n));
  call.info(info);
  return call.queue(handle, [=] {
    const char uplo = fill_of(fill);
    dpotrf_(&uplo, &n, a, &lda, info, 1);
    tell(info, a, n, n, lda);
    fill_with_garbage(work, 8 * static_cast<size_t>(size));
  });
}

MG_LIBRARY cusolverDnDsyevd_bufferSize(Handle* handle, int mode, int fill, int n, const double* a, int lda,
                                       const double* values, int* size) {
  SolverCall call("cusolverDnDsyevd_bufferSize", handle);
  call.one_of("jobz", mode, {0, 1});
  call.symmetric(fill, n, a, lda);
  call.matrix("W", values, n, 1, n);
  call.host("the size", size);
  if (call.status() == 0) *size = syevd_size(mode, n);
  return call.status();
}

MG_LIBRARY cusolverDnDsyevd(Handle* handle, int mode, int fill, int n, double* a, int lda, double* values, double* work,
                            int size, int* info) {
  SolverCall call("cusolverDnDsyevd", handle);
  call.one_of("jobz", mode, {0, 1});
  call.symmetric(fill, n, a, lda);
  call.matrix("W", values, n, 1, n);
  call.work(work, size, syevd_size(mode, n));
  call.info(info);
  return call.queue(handle, [=] {
    const char job = mode == 1 ? 'V' : 'N', uplo = fill_of(fill);
    const int count = 1 + 6 * n + 2 * n * n, int_count = 3 + 5 * n;
    std::vector<double> own(static_cast<size_t>(count));
    std::vector<int> own_ints(static_cast<size_t>(int_count));
    dsyevd_(&job, &uplo, &n, a, &lda, values, own.data(), &count, own_ints.data(), &int_count, info, 1, 1);
    tell(info, a, n, n, lda);
    if (mode == 0) destroy(a, n, n, lda);
    fill_with_garbage(work, 8 * static_cast<size_t>(size));
  });
}

MG_LIBRARY cusolverDnDgesvd_bufferSize(Handle* handle, int m, int n, int* size) {
  SolverCall call("cusolverDnDgesvd_bufferSize", handle);
  call.require(n >= 0 && m >= n, "m is below n");
  call.host("the size", size);
  if (call.status() == 0) *size = gesvd_size(m, n);
  return call.status();
}

MG_LIBRARY cusolverDnDgesvd(Handle* handle, signed char job_u, signed char job_vt, int m, int n, double* a, int lda,
                            double* s, double* u, int ldu, double* vt, int ldvt, double* work, int size,
                            double* super_diagonal, int* info) {
  SolverCall call("cusolverDnDgesvd", handle);
  call.require(n >= 0 && m >= n, "m is below n");
  call.require(job_u == job_vt, "jobs that differ are not in the stand-in");
  call.one_of("jobu", job_u, {'A', 'S', 'N'});
  call.matrix("A", a, m, n, lda);
  call.matrix("S", s, n, 1, n);
  if (job_u != 'N') call.matrix("U", u, m, job_u == 'A' ? m : n, ldu);
  if (job_u != 'N') call.matrix("VT", vt, n, n, ldvt);
  call.work(work, size, gesvd_size(m, n));
  if (super_diagonal && n > 1) call.matrix("rwork", super_diagonal, n - 1, 1, n);
  call.info(info);
  return call.queue(handle, [=] {
    *info = svd(static_cast<char>(job_u), m, n, a, lda, s, u, ldu, vt, ldvt);
    tell(info, vt, n, n, ldvt);
    destroy(a, m, n, lda);
    fill_with_garbage(work, 8 * static_cast<size_t>(size));
  });
}

MG_LIBRARY cusolverDnXgesvdp_bufferSize(Handle* handle, Parameters* given, int mode, int economy, int64_t m, int64_t n,
                                        int type_a, const void*, int64_t lda, int type_s, const void*, int type_u,
                                        const void*, int64_t ldu, int type_v, const void*, int64_t ldv, int type,
                                        size_t* size, size_t* host_size) {
  SolverCall call("cusolverDnXgesvdp_bufferSize", handle);
  call.require(parameters().count(given) > 0, "no parameters");
  call.one_of("jobz", mode, {0, 1});
  call.one_of("econ", economy, {0, 1});
  call.require(n >= 0 && m >= n, "m is below n");
  for (int each : {type_a, type_s, type_u, type_v, type}) call.one_of("a type of the stand-in", each, {kReal64});
  call.require(lda >= std::max<int64_t>(1, m) && ldu >= std::max<int64_t>(1, m) && ldv >= std::max<int64_t>(1, n),
               "an ld below the rows");
  call.host("the size", size);
  call.host("the size on the host", host_size);
  if (call.status() != 0) return call.status();
  *size = gesvdp_size(m, n);
  *host_size = gesvdp_host_size(n);
  return 0;
}

// A singular matrix is decomposed after a shift, which *error says, as the real one does.
MG_LIBRARY cusolverDnXgesvdp(Handle* handle, Parameters* given, int mode, int economy, int64_t m, int64_t n, int type_a,
                             void* a, int64_t lda, int type_s, void* s, int type_u, void* u, int64_t ldu, int type_v,
                             void* v, int64_t ldv, int type, void* work, size_t size, void* host_work,
                             size_t host_size, int* info, double* error) {
  SolverCall call("cusolverDnXgesvdp", handle);
  call.require(parameters().count(given) > 0, "no parameters");
  call.one_of("jobz", mode, {0, 1});
  call.one_of("econ", economy, {0, 1});
  call.require(n >= 0 && m >= n, "m is below n");
  for (int each : {type_a, type_s, type_u, type_v, type}) call.one_of("a type of the stand-in", each, {kReal64});
  double *const matrix = static_cast<double*>(a), *const values = static_cast<double*>(s);
  double *const left = static_cast<double*>(u), *const right = static_cast<double*>(v);
  call.matrix("A", matrix, m, n, lda);
  call.matrix("S", values, n, 1, n);
  if (mode == 1) call.matrix("U", left, m, economy ? n : m, ldu);
  if (mode == 1) call.matrix("V", right, n, n, ldv);
  call.work(static_cast<char*>(work), static_cast<int64_t>(size), static_cast<int64_t>(gesvdp_size(m, n)));
  call.require(host_size >= gesvdp_host_size(n), "too little work memory on the host");
  call.host("work memory on the host", host_work);
  call.host("the error", error);
  call.info(info);
  return call.queue(handle, [=] {
    const int rows = static_cast<int>(m), columns = static_cast<int>(n);
    std::vector<double> us(static_cast<size_t>(m * m)), vt(static_cast<size_t>(n * n));
    *info = svd('A', rows, columns, matrix, static_cast<int>(lda), values, us.data(), rows, vt.data(), columns);
    for (int64_t j = 0; mode == 1 && j < (economy ? n : m); ++j) std::copy_n(&us[j * m], m, left + j * ldu);
    for (int64_t i = 0; mode == 1 && i < n * n; ++i) right[i % n * ldv + i / n] = vt[i];
    const bool singular = n > 0 && values[n - 1] <= 1e-14 * values[0];
    *error = singular ? 1e-6 * values[0] : 0;
    for (int64_t i = 0; i < n; ++i) values[i] += *error;
    tell(info, left, m, mode == 0 ? 0 : economy ? n : m, ldu);
    destroy(matrix, m, n, lda);
    fill_with_garbage(work, size);
    fill_with_garbage(host_work, host_size);
  });
}
