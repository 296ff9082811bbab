/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The C ABI of Merganser: the only header the Java bindings are generated from.
 *
 * Conventions
 *   - Matrices are row-major; `ld*` is the distance in elements between two rows.
 *   - Sizes are int64_t. Every routine returns an mg_status; MG_OK is 0. On failure the message is in
 *     mg_last_error() of the calling thread, and no output has been written unless a routine says otherwise.
 *   - Large arrays live on the context's device (mg_alloc); lists of sizes, weights, scales, indices and pointers,
 *     scalar results and reports live on the host. Nothing is copied between the two except by mg_copy; an array
 *     that lies elsewhere is MG_INVALID_ARGUMENT.
 *   - A context serves one calling thread at a time and fans out over the process-wide pool. The result of
 *     a routine does not depend on the number of threads.
 *   - No C++ exception crosses this boundary.
 */
#ifndef MERGANSER_H
#define MERGANSER_H

#include <stdint.h>

#define MG_API __attribute__((visibility("default")))

/* Raised whenever a signature or the meaning of an argument changes; Java refuses another value. */
#define MG_ABI_VERSION 1

#ifdef __cplusplus
extern "C" {
#endif

typedef enum mg_status {
  MG_OK = 0,
  MG_INVALID_ARGUMENT = 1,
  MG_NUMERICAL = 2,
  MG_OUT_OF_MEMORY = 3,
  MG_UNAVAILABLE = 4,
  MG_CANCELLED = 5,
  MG_INTERNAL = 6
} mg_status;

typedef enum mg_backend { MG_BACKEND_CPU = 0, MG_BACKEND_CUDA = 1 } mg_backend;

typedef enum mg_device { MG_DEVICE_HOST = 0, MG_DEVICE_CUDA = 1 } mg_device;

/* The four types the library computes in. Other types are carried through unchanged by the caller. */
typedef enum mg_dtype { MG_F64 = 0, MG_F32 = 1, MG_F16 = 2, MG_BF16 = 3 } mg_dtype;

/* Levels of the instruction set, in increasing order. */
typedef enum mg_isa_level { MG_ISA_PORTABLE = 0, MG_ISA_AVX2 = 1, MG_ISA_AVX512 = 2 } mg_isa_level;

typedef struct mg_context mg_context;
typedef struct mg_moments mg_moments;

/* ---- Library ------------------------------------------------------------------------------------------ */

MG_API int32_t mg_abi_version(void);
MG_API const char* mg_version(void);

/* Message of the last failure on this thread; valid until the next call on this thread. */
MG_API const char* mg_last_error(void);

/* The level in use: the best this CPU has, lowered by MERGANSER_ISA=portable|avx2|avx512.
 * Any other value, or one above what the CPU has, is MG_INVALID_ARGUMENT. Chosen once per process. */
MG_API int32_t mg_isa(int32_t* level);
MG_API const char* mg_isa_name(int32_t level);

/* Kernel family that OpenBLAS chose for this CPU (say "SkylakeX"), and its build string. */
MG_API const char* mg_blas_core(void);
MG_API const char* mg_blas_config(void);

/* The process-wide BLAS gate. Between enter and leave the BLAS thread count is `threads`. Holders of the
 * same count run together; a holder of another count waits. Our routines enter with 1 (BLAS results change
 * with its thread count); merganser-torch enters with the count its session was given. Not re-entrant. */
MG_API int32_t mg_blas_enter(int32_t threads);
MG_API void mg_blas_leave(void);
MG_API int32_t mg_blas_threads(void);

/* Sets an environment variable of the process unless it is set already. For what other native libraries read
 * when they are loaded (OMP_WAIT_POLICY of libgomp), which Java cannot set. */
MG_API int32_t mg_environment_default(const char* name, const char* value);

/* Why CUDA cannot be used ("not in this build", ...), or an empty string when it can. */
MG_API const char* mg_cuda_reason(void);

/* Lines "name: value" about the GPU in use, or an empty string when CUDA cannot be used. */
MG_API const char* mg_cuda_device(void);

/* Where cuBLAS and cuSOLVER were found, or where they were looked for. Only some routines need them. Searched: already
 * loaded, loader path, $MERGANSER_CUDA_PATH, $CUDA_PATH, $CUDA_HOME; once per process, at the first use. */
MG_API const char* mg_cuda_libraries(void);

/* ---- Context and memory ------------------------------------------------------------------------------- */

/* threads >= 1. MG_UNAVAILABLE with the reason when the backend cannot be used: nothing falls back here. */
MG_API int32_t mg_context_create(int32_t backend, int32_t threads, mg_context** out);
MG_API void mg_context_destroy(mg_context* context);

/* May be called from any thread; running and later routines return MG_CANCELLED until it is set to 0. A
 * cancelled routine leaves its outputs unspecified; moments cancelled in an update cannot be used further. */
MG_API void mg_context_cancel(mg_context* context, int32_t cancelled);

/* 64-byte aligned memory on the context's device, or on the host when context is NULL; not initialised.
 * bytes = 0 gives a valid pointer. mg_free takes the same context, or NULL for host memory. */
MG_API int32_t mg_alloc(mg_context* context, int64_t bytes, void** out);
MG_API void mg_free(mg_context* context, void* pointer);

/* Bytes now allocated through mg_alloc in this process, on all devices. */
MG_API int64_t mg_allocated_bytes(void);

/* A pointer that does not lie where to_device or from_device says is MG_INVALID_ARGUMENT. */
MG_API int32_t mg_copy(mg_context* context, void* to, int32_t to_device, const void* from, int32_t from_device,
                       int64_t bytes);

/* Bytes that mg_copy moved between host and device for this context. Lists and scalar results of routines, which are
 * a few bytes, are not counted. */
MG_API int32_t mg_transfer_counts(const mg_context* context, int64_t* host_to_device, int64_t* device_to_host);

/* ---- Moments ------------------------------------------------------------------------------------------ */

/* Precision of the products inside a batch; the state is always F64 outside MG_MOMENTS_F32.
 *   F32    f32 products, f32 accumulators, widened when read
 *   MIXED  f32 products, folded into F64 accumulators every 4096 samples at the latest
 *   F64    everything in F64
 * At most 4096 samples at a time are centred about their own mean and merged into the state. So how samples are split
 * into updates, and their order, change results by rounding only: 1e-5 (MIXED) or 1e-12 (F64) of the largest value. */
typedef enum mg_moments_mode { MG_MOMENTS_F32 = 0, MG_MOMENTS_MIXED = 1, MG_MOMENTS_F64 = 2 } mg_moments_mode;

typedef enum mg_nonfinite { MG_NONFINITE_FAIL = 0, MG_NONFINITE_SKIP_SAMPLE = 1 } mg_nonfinite;

/* Streaming moments of `streams` paired activation streams of the given widths.
 * Means and per-feature centred sums of squares are always kept; the centred sums of products
 *   block k = sum_m (x_m - mean_x)(y_m - mean_y)^T,  x = stream pair_i[k], y = stream pair_j[k],
 * for the pairs asked (i <= j; i = j is a stream's own block). */
MG_API int32_t mg_moments_create(mg_context* context, int32_t streams, const int64_t* widths, int32_t pairs,
                                 const int32_t* pair_i, const int32_t* pair_j, int32_t mode, int32_t nonfinite,
                                 mg_moments** out);
MG_API void mg_moments_destroy(mg_context* context, mg_moments* moments);

/* Adds outer*inner samples. Feature f of sample (o, p) of stream s is
 *   data[s][o*strides[3s] + p*strides[3s+1] + f*strides[3s+2]]   (elements of dtype, MG_F32 or MG_F64)
 * so [samples x features] is (ld, 0, 1) with inner = 1 and N,C,H,W is (C*H*W, 1, H*W) with inner = H*W.
 * Non-finite values: FAIL returns MG_NUMERICAL naming stream, sample and feature, with the state unchanged;
 * SKIP_SAMPLE drops that sample from every stream and adds it to mg_moments_skipped. */
MG_API int32_t mg_moments_update(mg_context* context, mg_moments* moments, const void* const* data, int32_t dtype,
                                 int64_t outer, int64_t inner, const int64_t* strides);

MG_API int64_t mg_moments_count(const mg_moments* moments);
MG_API int64_t mg_moments_skipped(const mg_moments* moments);

/* mean [width] and sum of squared deviations [width] of one stream. */
MG_API int32_t mg_moments_stream(mg_context* context, const mg_moments* moments, int32_t stream, double* mean,
                                 double* m2);
/* Block k as asked at creation, [width_i x width_j] contiguous; own blocks come complete (both triangles,
 * diagonal never negative). */
MG_API int32_t mg_moments_block(mg_context* context, const mg_moments* moments, int32_t pair, double* out);

/* ---- Linear algebra (F64) ----------------------------------------------------------------------------- */

/* C = alpha * op(A) op(B) + beta * C, C is m x n. Tiled over the pool by shape only. */
MG_API int32_t mg_gemm(mg_context* context, int32_t transpose_a, int32_t transpose_b, int64_t m, int64_t n, int64_t k,
                       double alpha, const double* a, int64_t lda, const double* b, int64_t ldb, double beta,
                       double* c, int64_t ldc);

/* How the map was completed on the null space of a rank-deficient input. */
typedef enum mg_completion {
  MG_COMPLETION_NONE = 0,       /* full rank: nothing to complete */
  MG_COMPLETION_IDENTITY = 1,   /* nearest to the identity */
  MG_COMPLETION_ASSIGNMENT = 2, /* nearest to the best one-to-one matching of features */
  MG_COMPLETION_INDEX = 3       /* null directions paired in index order */
} mg_completion;

typedef struct mg_polar_report {
  int64_t rank;       /* singular values > 1e-6 * largest */
  int32_t completion; /* mg_completion */
} mg_polar_report;

/* Orthogonal polar factor q = U V^T of a = U diag(sigma) V^T, n x n; orthogonal Procrustes when a is a
 * cross-covariance. On the null space q is the nearest orthogonal map to P, P = I, else the assignment
 * that maximises sum a[r, perm[r]], else index order. sigma [n] decreasing. */
MG_API int32_t mg_polar(mg_context* context, int64_t n, const double* a, int64_t lda, double* q, int64_t ldq,
                        double* sigma, mg_polar_report* report);

typedef struct mg_cca_report {
  int64_t rank;       /* canonical correlations > 1e-6 * largest */
  int32_t completion; /* mg_completion */
  int64_t clipped_x;  /* eigenvalues of Sxx + gamma_x I raised to 1e-10 * largest because it was singular */
  int64_t clipped_y;
  double condition;   /* ||T||_1 ||Tinv||_1 */
} mg_cca_report;

/* CCA map of y into the space of x, all n x n contiguous:
 *   X = Sxx + gamma_x I,  Y = Syy + gamma_y I,  K = X^-1/2 Sxy Y^-1/2 = U S V^T
 *   T = X^1/2 U V^T Y^-1/2,  Tinv = Y^1/2 V U^T X^-1/2,  correlations = diag(S), decreasing.
 * gamma >= 0 is never changed. */
MG_API int32_t mg_cca_map(mg_context* context, int64_t n, const double* sxx, const double* syy, const double* sxy,
                          double gamma_x, double gamma_y, double* t, double* tinv, double* correlations,
                          mg_cca_report* report);

/* ---- Linear assignment -------------------------------------------------------------------------------- */

/* Exact minimum (maximise = 0) or maximum of sum_i cost[i, row_to_col[i]], rows <= cols, dtype MG_F32 or
 * MG_F64. Duals u [rows], v [cols] are those of the minimisation (of -cost when maximising):
 * u_i + v_j <= c_ij, equality on the matching, v_j <= 0, v_j = 0 on unmatched columns when rows < cols.
 * NaN and the infinity that would always be taken are errors with their position; the other infinity
 * forbids an edge. Ties: a fixed scan order, lowest column first. */
MG_API int32_t mg_assignment(mg_context* context, int32_t dtype, int64_t rows, int64_t cols, const void* cost,
                             int64_t ld, int32_t maximise, int64_t* row_to_col, double* u, double* v, double* value);

/* Largest violation of the optimality conditions above by (row_to_col, u, v); 0 proves the optimum. */
MG_API int32_t mg_assignment_certify(mg_context* context, int32_t dtype, int64_t rows, int64_t cols, const void* cost,
                                     int64_t ld, int32_t maximise, const int64_t* row_to_col, const double* u,
                                     const double* v, double* violation);

/* ---- Applying feature maps ---------------------------------------------------------------------------- */

/* A tensor is seen as [outer x axis x inner] with `stride` elements between two outer slices, the axis
 * starting at the pointer (a sub-range of an axis is a shifted pointer). Products are formed in F64 and
 * rounded once to dtype.
 *   out[o, r, p] = sum_c op(map)[r, c] in[o, c, p],  op(map) is n_out x n_in */
MG_API int32_t mg_apply_dense(mg_context* context, int32_t dtype, int64_t outer, int64_t n_in, int64_t inner,
                              int64_t n_out, const double* map, int64_t ldmap, int32_t transpose, const void* in,
                              int64_t in_stride, void* out, int64_t out_stride);

/*   out[o, r, p] = scale[r] * in[o, index[r], p];  scale may be NULL (exact copy of the bits) */
MG_API int32_t mg_apply_gather(mg_context* context, int32_t dtype, int64_t outer, int64_t n_in, int64_t inner,
                               int64_t n_out, const int64_t* index, const double* scale, const void* in,
                               int64_t in_stride, void* out, int64_t out_stride);

/* ---- Merge arithmetic and conversion ------------------------------------------------------------------ */

/* out[i] = sum_k weights[k] * in[k][i], k in order, in F64 without contraction, rounded once to dtype. A NaN result is
 * the positive quiet NaN without payload, so that the bytes do not depend on the processor. */
MG_API int32_t mg_weighted_sum(mg_context* context, int32_t dtype, int64_t count, int32_t models,
                               const void* const* in, const double* weights, void* out);

/* Round to nearest even, never through an intermediate type; NaN stays NaN (quiet); subnormals kept.
 * `overflowed` counts finite inputs that became infinite. */
MG_API int32_t mg_convert(mg_context* context, int32_t from, int32_t to, int64_t count, const void* in, void* out,
                          int64_t* overflowed);

/* Number of non-finite values and the index of the first (-1 when there is none). */
MG_API int32_t mg_nonfinite_count(mg_context* context, int32_t dtype, int64_t count, const void* in,
                                  int64_t* nonfinite, int64_t* first);

#ifdef __cplusplus
}
#endif

#endif
