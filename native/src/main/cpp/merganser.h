/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The C ABI of Merganser, from which the Java bindings are generated.
 *
 * Conventions
 *   - Matrices are row-major; `ld*` is the distance in elements between two rows.
 *   - Sizes are int64_t. Every routine returns an mg_status; MG_OK is 0. On failure the message is in
 *     mg_last_error() of the calling thread, and no output has been written unless a routine says otherwise.
 *   - Large arrays live on the context's device (mg_alloc); lists of sizes, weights, scales, indices and pointers, and
 *     small results (scalars, reports, means, permutations, duals) live on the host. Nothing is copied between the two
 *     except by mg_copy; an array that lies elsewhere is MG_INVALID_ARGUMENT.
 *   - A context serves one calling thread at a time and fans out over the process-wide pool. The result of
 *     a routine does not depend on the number of threads.
 *   - No C++ exception crosses this boundary.
 */
#ifndef MERGANSER_H
#define MERGANSER_H

#include <stdint.h>

#define MG_API __attribute__((visibility("default")))

/* Raised whenever a signature or the meaning of an argument changes, here or of plug-ins; Java refuses another value. */
#define MG_ABI_VERSION 10

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
typedef struct mg_np mg_np;
typedef struct mg_barcode mg_barcode;

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

/* SHA-256 of a message that comes in parts, in host memory. `state`, 32 bytes, keeps what the parts so far amount to,
 * and has the digest after the last one. `before` is the number of bytes in the parts before: 0 begins anew. All parts
 * but the last have a multiple of 64 bytes. */
MG_API int32_t mg_sha256(const void* in, int64_t bytes, int64_t before, int32_t last, uint8_t* state);

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

/* Order with another library that works on the same arrays, by its stream on the context's device: a cudaStream_t, or NULL
 * for the default stream. After mg_context_wait, routines and copies of this context begin when everything is done that
 * lies on the stream by now; after mg_context_signal, what is put on the stream begins when everything is done that this
 * context has begun. The device keeps the order by events; the host waits for nothing. On the CPU there are no streams,
 * and neither does anything. Both work on a cancelled context. */
MG_API int32_t mg_context_wait(mg_context* context, void* stream);
MG_API int32_t mg_context_signal(mg_context* context, void* stream);

/* ---- Moments ------------------------------------------------------------------------------------------ */

/* Precision of the products inside a batch; the state is always F64 outside MG_MOMENTS_F32.
 *   F32    f32 products, f32 accumulators, widened when read
 *   MIXED  f32 products, folded into F64 accumulators every 4096 samples at the latest
 *   F64    everything in F64
 *   TF32X3 as MIXED, each f32 product on a device as three products of TF32, see cuda/moments_split.cu; on the CPU MIXED
 * At most 4096 samples at a time are centred about their own mean and merged into the state. So how samples are split
 * into updates, and their order, change results by rounding only: 1e-5 (MIXED, TF32X3) or 1e-12 (F64) of the largest
 * value. */
typedef enum mg_moments_mode {
  MG_MOMENTS_F32 = 0,
  MG_MOMENTS_MIXED = 1,
  MG_MOMENTS_F64 = 2,
  MG_MOMENTS_TF32X3 = 3
} mg_moments_mode;

typedef enum mg_nonfinite { MG_NONFINITE_FAIL = 0, MG_NONFINITE_SKIP_SAMPLE = 1 } mg_nonfinite;

/* Moments, batch by batch, of `series` paired series of activations, of the given widths.
 * Means and per-feature centred sums of squares are always kept; the centred sums of products
 *   block k = sum_m (x_m - mean_x)(y_m - mean_y)^T,  x = series pair_i[k], y = series pair_j[k],
 * for the pairs asked (i <= j; i = j is a series' own block). */
MG_API int32_t mg_moments_create(mg_context* context, int32_t series, const int64_t* widths, int32_t pairs,
                                 const int32_t* pair_i, const int32_t* pair_j, int32_t mode, int32_t nonfinite,
                                 mg_moments** out);
MG_API void mg_moments_destroy(mg_context* context, mg_moments* moments);

/* Adds outer*inner samples. Feature f of sample (o, p) of series s is
 *   data[s][o*strides[3s] + p*strides[3s+1] + f*strides[3s+2]]   (elements of dtype, MG_F32 or MG_F64)
 * so [samples x features] is (ld, 0, 1) with inner = 1 and N,C,H,W is (C*H*W, 1, H*W) with inner = H*W.
 * Non-finite values: FAIL returns MG_NUMERICAL naming series, sample and feature, with the state unchanged;
 * SKIP_SAMPLE drops that sample from every series and adds it to mg_moments_skipped. */
MG_API int32_t mg_moments_update(mg_context* context, mg_moments* moments, const void* const* data, int32_t dtype,
                                 int64_t outer, int64_t inner, const int64_t* strides);

MG_API int64_t mg_moments_count(const mg_moments* moments);
MG_API int64_t mg_moments_skipped(const mg_moments* moments);

/* mean [width] and sum of squared deviations [width] of one series, on the host. */
MG_API int32_t mg_moments_series(mg_context* context, const mg_moments* moments, int32_t series, double* mean,
                                 double* m2);
/* Block k as asked at creation, [width_i x width_j] contiguous; own blocks come complete (both triangles,
 * diagonal never negative). */
MG_API int32_t mg_moments_block(mg_context* context, const mg_moments* moments, int32_t pair, double* out);

/* ---- Linear algebra (F64 unless said otherwise) -------------------------------------------------------- */

/* C = alpha * op(A) op(B) + beta * C, C is m x n, all of dtype MG_F64 or MG_F32. The bytes do not depend on the number
 * of threads. */
MG_API int32_t mg_gemm(mg_context* context, int32_t dtype, int32_t transpose_a, int32_t transpose_b, int64_t m,
                       int64_t n, int64_t k, double alpha, const void* a, int64_t lda, const void* b, int64_t ldb,
                       double beta, void* c, int64_t ldc);

/* out[j * ldout + i] = in[i * ldin + j] for a rows x cols matrix of dtype MG_F64 or MG_F32: the bits, as they are. The two
 * may not overlap. */
MG_API int32_t mg_transpose(mg_context* context, int32_t dtype, int64_t rows, int64_t cols, const void* in,
                            int64_t ldin, void* out, int64_t ldout);

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
  double sum;         /* of the singular values: trace(q^T a) */
} mg_polar_report;

/* Orthogonal polar factors q = U V^T of a = U diag(sigma) V^T, n x n; orthogonal Procrustes when a is a
 * cross-covariance. On the null space q is the nearest orthogonal map to P, P = I, else the assignment
 * that maximises sum a[r, perm[r]], else index order. sigma [count x n], each row decreasing, or NULL when they are not
 * wanted. An iteration that needs no singular value decomposition is used where it pays and a is well conditioned; sigma
 * are then the eigenvalues of q^T a. dtype: MG_F64, or MG_F32 for most of that iteration in F32: q is orthogonal to 1e-9,
 * its distance from the polar factor about 1e-5.
 * `count` problems, problem k at a + k*n*lda, q + k*n*ldq and reports[k], run at the same time, so small ones need one
 * call. When one fails, the message says which, and the outputs of others may have been written. */
MG_API int32_t mg_polar(mg_context* context, int32_t dtype, int64_t count, int64_t n, const double* a, int64_t lda,
                        double* q, int64_t ldq, double* sigma, mg_polar_report* reports);

/* Thin singular value decomposition a = u diag(sigma) vt of m x n, with r = min(m, n): u [m x r] and vt [r x n] have
 * orthonormal columns and rows, sigma [r] is decreasing. The sign of a pair of vectors is free. All in F64. Fails with
 * MG_NUMERICAL where a is not finite. */
MG_API int32_t mg_svd(mg_context* context, int64_t m, int64_t n, const double* a, int64_t lda, double* u, int64_t ldu,
                      double* sigma, double* vt, int64_t ldvt);

/* Eigenvalues of a symmetric n x n matrix, of which the lower triangle counts, in ascending order, and orthonormal
 * eigenvectors: row k of `vectors` [n x n] belongs to values[k]; its sign is either. `vectors` may be `a`. All in F64.
 * Fails with MG_NUMERICAL where a is not finite or the iteration does not converge. */
MG_API int32_t mg_symmetric_eigen(mg_context* context, int64_t n, const double* a, int64_t lda, double* vectors,
                                  int64_t ldv, double* values);

/* Thin QR decomposition a = q r of m x n with m >= n by Householder reflections: q [m x n] has orthonormal columns, r
 * [n x n] is upper triangular with r[i, i] >= 0. `q` may be `a`. All in F64. Fails with MG_NUMERICAL where a is not
 * finite. */
MG_API int32_t mg_qr(mg_context* context, int64_t m, int64_t n, const double* a, int64_t lda, double* q, int64_t ldq,
                     double* r, int64_t ldr);

/* Eigenvalues of `count` general n x n matrices, matrix k at a + k*n*lda: real and imaginary parts [count x n], in no
 * order but that conjugate pairs stand together, the one with the positive imaginary part first. All in F64. Problems run
 * at the same time. Fails with MG_NUMERICAL where a is not finite or the iteration does not converge; the outputs of other
 * problems may have been written then. */
MG_API int32_t mg_general_eigenvalues(mg_context* context, int64_t count, int64_t n, const double* a, int64_t lda,
                                      double* real, double* imaginary);

/* x [n x cols] with a x = b for a symmetric positive definite a, of which the lower triangle counts, by its Cholesky
 * factor, in F64. `x` may be `b`. Fails with MG_NUMERICAL where there is no factor to working precision, or something is
 * not finite. */
MG_API int32_t mg_solve(mg_context* context, int64_t n, int64_t cols, const double* a, int64_t lda, const double* b,
                        int64_t ldb, double* x, int64_t ldx);

typedef struct mg_cca_report {
  int64_t rank;       /* canonical correlations > 1e-6 * largest */
  int32_t completion; /* mg_completion */
  int64_t clipped_x;  /* eigenvalues of Sxx + gamma_x I raised to 1e-10 * largest because it was singular */
  int64_t clipped_y;
  double condition; /* ||T||_1 ||Tinv||_1 */
  double sum;       /* of the correlations: trace(V U^T K) */
} mg_cca_report;

/* CCA maps of y into the space of x, all n x n contiguous:
 *   X = Sxx + gamma_x I,  Y = Syy + gamma_y I,  K = X^-1/2 Sxy Y^-1/2 = U S V^T
 *   T = X^1/2 U V^T Y^-1/2,  Tinv = Y^1/2 V U^T X^-1/2,  correlations = diag(S), decreasing.
 * gamma >= 0 is never changed. correlations [count x n] may be NULL when they are not wanted, and dtype is that of
 * U V^T: see mg_polar. One map for each of `count` values of gamma: t and tinv [count x n x n], reports [count]. They
 * run at the same time; when one fails, the message says which, and the outputs of others may have been written. */
MG_API int32_t mg_cca_map(mg_context* context, int32_t dtype, int64_t n, const double* sxx, const double* syy,
                          const double* sxy, int64_t count, const double* gamma_x, const double* gamma_y, double* t,
                          double* tinv, double* correlations, mg_cca_report* reports);

/* out[i, j] = a[i, j] / (row_divisors[i] col_divisors[j]), 0 where the product of the two is 0. The lists are on the
 * host; NULL stands for ones. `out` may be a. */
MG_API int32_t mg_divide(mg_context* context, int64_t rows, int64_t cols, const double* a, int64_t lda,
                         const double* row_divisors, const double* col_divisors, double* out, int64_t ldo);

/* Of A - shift I: the largest sum of magnitudes of a column, or the largest magnitude. A NaN anywhere gives NaN. */
typedef enum mg_norm_kind { MG_NORM_ONE = 0, MG_NORM_MAX = 1 } mg_norm_kind;
MG_API int32_t mg_norm(mg_context* context, int32_t kind, int64_t rows, int64_t cols, const double* a, int64_t lda,
                       double shift, double* out);

/* out[i] = sum_j x[i, j] y[i, j], on the host, in an order that depends on `cols` only. */
MG_API int32_t mg_row_products(mg_context* context, int64_t rows, int64_t cols, const double* x, int64_t ldx,
                               const double* y, int64_t ldy, double* out);

/* ---- Gram matrices ------------------------------------------------------------------------------------- */

/* Of the samples of X [n x p], one a row: symmetric n x n matrices, contiguous, with both triangles the same bits. X is
 * centred, about the means of its columns, before anything is multiplied: means are sums in F64 of differences to the
 * first row, so that equal numbers in a column are exactly 0. */

/* out = in less the mean of each column, rounded once from F64; types MG_F64 or MG_F32. The order of the sums depends on
 * `rows` only. `out` may be `in` when both have the same type and leading dimension. */
MG_API int32_t mg_centre_columns(mg_context* context, int32_t from, int32_t to, int64_t rows, int64_t cols,
                                 const void* in, int64_t ldin, void* out, int64_t ldout);

/*   PRODUCTS   out[i, j] = x_i . x_j
 *   DISTANCES  out[i, j] = |x_i - x_j|^2 = max(0, x_i . x_i + x_j . x_j - 2 x_i . x_j), 0 on the diagonal
 * of centred rows x_i. Products in `precision`: MG_F64, or MG_F32 for centred numbers rounded to it, folded into F64
 * every 4096 columns at the latest, as good as 1e-5 of |x_i| |x_j|. */
typedef enum mg_gram_kind { MG_GRAM_PRODUCTS = 0, MG_GRAM_DISTANCES = 1 } mg_gram_kind;
MG_API int32_t mg_gram(mg_context* context, int32_t dtype, int32_t precision, int32_t kind, int64_t n, int64_t p,
                       const void* x, int64_t ldx, double* out);

/* A symmetric k, centred; `out` may be k unless it is packed.
 *   BIASED    out = H k H, H = I - 1 1^T / n
 *   UNBIASED  the U-centred matrix of Szekely and Rizzo (2014): k_ij - m_i - m_j with zeros on the diagonal, whose rows
 *             sum to 0; the diagonal of k is not read into any sum. n >= 3.
 *   PACKED    the strict upper triangle of UNBIASED, n (n - 1) / 2 elements, row after row
 * Sums over a row have an order that depends on n only. */
typedef enum mg_centring { MG_CENTRE_BIASED = 0, MG_CENTRE_UNBIASED = 1, MG_CENTRE_PACKED = 2 } mg_centring;
MG_API int32_t mg_centre_gram(mg_context* context, int32_t centring, int64_t n, const double* k, double* out);

/* One batch of `layers` representations, x[l] [n x widths[l]] contiguous: row l of out, n (n - 1) / 2 elements, is the
 * packed U-centred matrix of the products of x[l]. Dot products of rows are then HSIC of pairs, times n (n - 3) / 2. */
MG_API int32_t mg_gram_rows(mg_context* context, int32_t dtype, int32_t precision, int32_t layers, int64_t n,
                            const int64_t* widths, const void* const* x, double* out, int64_t ldout);

/* d[i] = exp(-gamma d[i]) in place, of d >= 0, within 2 units in the last place; exp(-708) below that. gamma >= 0. */
MG_API int32_t mg_gaussian(mg_context* context, int64_t count, double gamma, double* d);

/* out[b] = sum_ij k[i, j] l[pi(i), pi(j)] of symmetric matrices, pi row b of `permutations` [count x n]; both are on the
 * host. The order of a sum depends on n only. What is not a permutation of 0 to n - 1 is MG_INVALID_ARGUMENT. */
MG_API int32_t mg_permuted_products(mg_context* context, int64_t n, const double* k, const double* l, int64_t count,
                                    const int32_t* permutations, double* out);

/* ---- Linear assignment -------------------------------------------------------------------------------- */

/* The costs of a problem, rows <= cols: a matrix, cost[i, j] = x[i, j]; or products of low-rank factors, cost[i, j] =
 * sum_k x[i, k] y[j, k] in F64 in the order of k, which are computed in tiles and again when they are needed again, never
 * stored as a whole: a maximum is then the best match of rows of x with rows of y. */
typedef struct mg_costs {
  int32_t dtype; /* MG_F32 or MG_F64 */
  int64_t rows, cols;
  int64_t k;     /* columns of the factors; -1 for a matrix */
  const void* x; /* the matrix [rows x cols], or a factor [rows x k] */
  int64_t ldx;
  const void* y; /* the other factor [cols x k] */
  int64_t ldy;
} mg_costs;

/* Exact minimum (maximise = 0) or maximum of sum_i cost[i, row_to_col[i]]. The solution is on the host. Duals u [rows],
 * v [cols] are those of the minimisation (of -cost when maximising): u_i + v_j <= c_ij, equality on the matching,
 * v_j <= 0, v_j = 0 on unmatched columns when rows < cols. NaN and the infinity that would always be taken are errors
 * with their position; the other infinity forbids an edge. Ties: a fixed scan order, lowest column first.
 * warm = 1: from the column duals that v [cols] holds on entry; any finite values are allowed, those of a similar
 * problem save time. rows = cols only. Where optima tie, the start decides which one is found. */
MG_API int32_t mg_assignment(mg_context* context, const mg_costs* costs, int32_t maximise, int32_t warm,
                             int64_t* row_to_col, double* u, double* v, double* value);

/* Independent problems of matrices, one a thread; outputs one after the other in order of the problems, as
 * mg_assignment would give them. A failure names the first problem that fails and leaves the outputs unspecified. */
MG_API int32_t mg_assignment_batch(mg_context* context, int64_t problems, const mg_costs* costs, int32_t maximise,
                                   int64_t* row_to_col, double* u, double* v, double* value);

/* Largest violation of the optimality conditions above by (row_to_col, u, v); 0 proves the optimum. */
MG_API int32_t mg_assignment_certify(mg_context* context, const mg_costs* costs, int32_t maximise,
                                     const int64_t* row_to_col, const double* u, const double* v, double* violation);

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

/* out[i] = sum_k weights[k] * in[k][i], k in order, without contraction, rounded once to dtype: in F64 for MG_F64 and
 * MG_F32; for the 16-bit types in F32, weights rounded to it, and in F64 where that is not finite. MG_F64 numbers that
 * are all below 2^-959 are taken 2^600 times, so that equal subnormals come out as they are. A NaN result is the
 * positive quiet NaN without payload, so that the bytes do not depend on the processor. `out` may be one of the
 * inputs. */
MG_API int32_t mg_weighted_sum(mg_context* context, int32_t dtype, int64_t count, int32_t models, const void* const* in,
                               const double* weights, void* out);

/* Round to nearest even, never through an intermediate type; NaN stays NaN (quiet); subnormals kept.
 * `overflowed` counts finite inputs that became infinite. */
MG_API int32_t mg_convert(mg_context* context, int32_t from, int32_t to, int64_t count, const void* in, void* out,
                          int64_t* overflowed);

/* Number of non-finite values and the index of the first (-1 when there is none). */
MG_API int32_t mg_nonfinite_count(mg_context* context, int32_t dtype, int64_t count, const void* in, int64_t* nonfinite,
                                  int64_t* first);

/* ---- Task vectors and magnitudes ---------------------------------------------------------------------- */

/* Arithmetic of this section is in F32, in F64 for MG_F64, in the order written and without contraction, rounded once
 * to dtype; the bytes are the same on every processor. Weights and scales are rounded to that type first. */

typedef enum mg_trim { MG_TRIM_NONE = 0, MG_TRIM_MAGNITUDE = 1, MG_TRIM_RANDOM = 2 } mg_trim;

/* What becomes of one task vector d = x - base:  u_i = weight * (scale * d_i) where element i is kept, else 0.
 *   MAGNITUDE  keeps |d_i| > threshold and NaN, and |d_i| = threshold up to index `last` (see mg_magnitude_find)
 *   RANDOM     keeps an element when its word of Philox4x32-10 is below `keep` = floor(probability * 2^32), at most
 *              2^32: key `key` (low word first), counter (i>>2 low, i>>2 high, subsequence, 0), word i & 3
 * A scale of exactly 1 is left out. */
typedef struct mg_task {
  double weight;
  double scale;
  int32_t trim; /* mg_trim */
  int32_t subsequence;
  double threshold;
  int64_t last;
  int64_t key;
  int64_t keep;
} mg_task;

/* out = base + lambda * mix over `models` task vectors, at most 32, in their order.
 *   elect = 0  mix = sum_k u_k; with `normalise`, lambda is divided by sum_k weight_k unless that is below 1e-8
 *   elect = 1  the sign s of sum_k u_k is elected, 0 counting as +; mix = sum of the u_k of sign s; with `normalise`,
 *              mix is divided by the sum of their weights unless that is 0
 * The arrays may be a part of a tensor, from its element `first` on. `out` may be one of the inputs. NaN results are
 * the positive quiet NaN without payload. */
MG_API int32_t mg_task_merge(mg_context* context, int32_t dtype, int64_t first, int64_t count, int32_t models,
                             const void* base, const void* const* in, const mg_task* tasks, int32_t elect,
                             int32_t normalise, double lambda, void* out);

/* sums = x.y, x.x, y.y in F64, in an order that depends on `count` only. */
MG_API int32_t mg_dot_products(mg_context* context, int32_t dtype, int64_t count, const void* x, const void* y,
                           double* sums);

/* What is selected of numbers that are not negative: those above the threshold, and those equal to it up to `last`. */
typedef struct mg_threshold {
  double threshold;
  int64_t last;
} mg_threshold;

/* Formulas of mergers over the differences d_k = x_k - b of N models to a base, element by element, with parameters
 * p[0], p[1] and one number w_k = p[2 + k] for each model. In F32, in F64 for MG_F64.
 *   NEARSWAP       out = w x_0 + (1 - w) b, w = min(p[0] / max(|x_0 - b|, 1e-6), 1)
 *   MAGMAX         out = b + p[0] d, the d_k of largest magnitude, of equal ones the last
 *   RAM            d_k with |d_k| > p[0] are active: out = b + w_k d_k of one alone, b + the mean of several, or b
 *   VARIANCE       out = sum_k (d_k - mean)^2 / N, exactly 0 of equal ones
 *   SCE            out = b + sum_A w_k d_k / max(sum_A w_k, 1e-6), over the d_k that have the sign of sum_k d_k, 0
 *                  counting as +; zeros have none
 *   SCE_SELECTED   SCE where the VARIANCE is selected, else b
 *   CONSENSUS      out = b + p[0] s, s = sum_k d_k, where |d_k| >= w_k |s - d_k| for p[1] models or more, else b
 *   EMR            u = s max |d_k| over the d_k of sign s, s = + where sum_k d_k > 0, else -; out = b + p[1] u where
 *                  d of model p[0] has that sign, else b
 *   WHERE          out = x_0 where x_1 >= 0 is selected, else b; of two arrays
 *   WEIGHTED       out = b + sum_j v_j d_2j / sum_j v_j, v_j = w_(2j+1) (x_(2j+1) + p[0]), exactly b where that mean is
 *                  0, NaN where an x_(2j+1) < 0; of pairs of arrays
 * `selected` NULL selects all, and is ignored by the other formulas. Where b is the result of sums it loses the sign of
 * -0. The arrays may be a part of a tensor, from its element `first` on. `base` NULL is 0. `out` may be one of the inputs.
 * NaN results are the positive quiet NaN without payload. */
typedef enum mg_formula {
  MG_FORMULA_NEARSWAP = 0,
  MG_FORMULA_MAGMAX = 1,
  MG_FORMULA_RAM = 2,
  MG_FORMULA_VARIANCE = 3,
  MG_FORMULA_SCE = 4,
  MG_FORMULA_SCE_SELECTED = 5,
  MG_FORMULA_CONSENSUS = 6,
  MG_FORMULA_EMR = 7,
  MG_FORMULA_WHERE = 8,
  MG_FORMULA_WEIGHTED = 9
} mg_formula;

MG_API int32_t mg_formula_merge(mg_context* context, int32_t dtype, int32_t formula, int64_t first, int64_t count,
                                int32_t models, const void* base, const void* const* in, const double* parameters,
                                const mg_threshold* selected, void* out);

/* Sums over elements in F64, in an order that depends on `count` only; values of a model after those of the one before.
 *   ACTIVE     how many d_k of a model with |d_k| > p[0] are active in another one as well; how many in it alone
 *   SQUARES    d_k^2 where the VARIANCE is selected
 *   AGREEMENT  |d_k|; |u| of EMR where d_k has its sign */
typedef enum mg_formula_sum { MG_FORMULA_ACTIVE = 0, MG_FORMULA_SQUARES = 1, MG_FORMULA_AGREEMENT = 2 } mg_formula_sum;

MG_API int32_t mg_formula_sums(mg_context* context, int32_t dtype, int32_t sum, int64_t first, int64_t count,
                               int32_t models, const void* base, const void* const* in, const double* parameters,
                               const mg_threshold* selected, double* sums);

/* out[i] = sum_j p ln(p / q) in F64, p and q the softmax of row i of x and of base, plus 1e-8: how much the rows differ,
 * up to a constant. Of finite numbers; `out` lies on the host. */
MG_API int32_t mg_row_divergences(mg_context* context, int32_t dtype, int64_t rows, int64_t cols, const void* x,
                                  const void* base, double* out);

/* out = |x - base| times the divergence of the element's row, in F32, in F64 for MG_F64. The arrays are `count` elements
 * of a matrix with rows of `cols`, from element `skipped` of the first of the rows that `divergences`, on the host, has
 * numbers for. */
MG_API int32_t mg_fusion_scores(mg_context* context, int32_t dtype, int64_t skipped, int64_t count, int64_t cols,
                                const void* x, const void* base, const double* divergences, void* out);

/* ---- NP Merge ----------------------------------------------------------------------------------------- */

/* Merging with trained coefficients (non-uniform parameter-wise merging, arXiv 2412.15467).
 *   SIGMOID  theta = c + s (a - c), s = 1/(1 + exp(-z)): the published form, two models (a, c)
 *   CLAMP    theta = c + z (a - c), 0 <= z <= 1, two models
 *   SOFTMAX  theta = sum_k s_k x_k, s = softmax(z), two models or more
 * with z for each parameter, shared by a row, or by a tensor. */
typedef enum mg_np_form { MG_NP_SIGMOID = 0, MG_NP_CLAMP = 1, MG_NP_SOFTMAX = 2 } mg_np_form;
typedef enum mg_np_optimizer { MG_NP_ADAM = 0, MG_NP_SGD = 1 } mg_np_optimizer;
typedef enum mg_np_granularity { MG_NP_PARAMETER = 0, MG_NP_ROW = 1, MG_NP_TENSOR = 2 } mg_np_granularity;

typedef struct mg_np_options {
  int32_t form;        /* mg_np_form */
  int32_t optimizer;   /* mg_np_optimizer */
  int32_t granularity; /* mg_np_granularity */
  int32_t models;      /* 2; 2 to 8 for SOFTMAX */
  int32_t dtype;       /* of the models: MG_F32 or MG_BF16. State, gradients and theta are F32. */
  double beta1, beta2, epsilon; /* Adam: m = beta1 m + (1-beta1) q, v = beta2 v + (1-beta2) q^2,
                                   z -= rate (m/(1-beta1^t)) / (sqrt(v/(1-beta2^t)) + epsilon) */
  double momentum;              /* SGD: m = momentum m + q, z -= rate m */
  double pull;                  /* q = dL/dz + pull * z, for CLAMP pull * (z - 0.5) */
  double limit;                 /* z stays in [-limit, limit], 0 < limit <= 40; unused for CLAMP */
} mg_np_options;

/* State for `slots` tensors of counts[s] elements in rows[s] rows. in[s*models + k] is model k's; the models must be
 * finite, stay where they are and stay unchanged. initial [models] are the coefficients to begin with, >= 0 with sum 1,
 * or NULL for equal ones. What the rest of this section calls models, gradients and theta may have any address that is
 * a multiple of the size of an element. */
MG_API int32_t mg_np_create(mg_context* context, const mg_np_options* options, int32_t slots, const int64_t* counts,
                            const int64_t* rows, const void* const* in, const double* initial, mg_np** out);
MG_API void mg_np_destroy(mg_context* context, mg_np* np);

/* theta[s] from the state. */
MG_API int32_t mg_np_theta(mg_context* context, const mg_np* np, float* const* theta);

/* One step of the optimizer by gradient[s] = dL/dtheta, and the new theta[s]. The gradients are checked before
 * anything changes: one that is not finite, or so large that its product with a difference of the models has a square
 * beyond F32, is MG_NUMERICAL naming slot and index, which are also stored (-1 otherwise). */
MG_API int32_t mg_np_step(mg_context* context, mg_np* np, double rate, const float* const* gradient,
                          float* const* theta, int32_t* bad_slot, int64_t* bad_index);

/* Number of z of a slot: elements, rows or 1, times `models` (one after the other) for SOFTMAX. */
MG_API int64_t mg_np_state_size(const mg_np* np, int32_t slot);

/* Copies a part of the state of a slot to `out`, or `in` to it: z to keep the best and return to it, all parts and the
 * number of steps to go on in another process. `count` is that of the array: another than mg_np_state_size is
 * MG_INVALID_ARGUMENT. z is clamped to its range; V must be >= 0. A part that the optimizer does not have is
 * MG_INVALID_ARGUMENT: M is of Adam and of SGD with momentum, V of Adam. */
typedef enum mg_np_part { MG_NP_Z = 0, MG_NP_M = 1, MG_NP_V = 2 } mg_np_part;
MG_API int32_t mg_np_state(mg_context* context, const mg_np* np, int32_t slot, int32_t part, int64_t count, float* out);
MG_API int32_t mg_np_load(mg_context* context, mg_np* np, int32_t slot, int32_t part, int64_t count, const float* in);

/* Steps made so far; to go on, the number that M and V come from, which Adam's corrections of their bias depend on. */
MG_API int64_t mg_np_steps(const mg_np* np);
MG_API int32_t mg_np_resume(mg_context* context, mg_np* np, int64_t steps);

/* ---- Ranks of magnitudes ------------------------------------------------------------------------------- */

/* For the selection of the magnitude |x|, or |x - base| when base is not NULL, of a given rank in arrays that are never
 * in memory at once: by digits of its bits from the top, tile after tile. Differences are formed in F32, in F64 for
 * MG_F64. The bits of a magnitude are 31 of F32, to which F16 and BF16 are widened, 63 of MG_F64. They order as
 * magnitudes do; NaN are above infinity. */

/* counts[d] += number of elements whose bits are prefix, then the digit d of `width` bits, 1 to 16, then `shift` bits.
 * `counts` [2^width] lies on the context's device. */
MG_API int32_t mg_magnitude_counts(mg_context* context, int32_t dtype, int64_t count, const void* x, const void* base,
                                   int32_t shift, int32_t width, int64_t prefix, int64_t* counts);

/* The index of the need-th element, need >= 1, whose magnitude is `threshold`, or -1 where there are fewer, and their
 * number, at most `need`: of equal magnitudes those of lowest index are kept. */
MG_API int32_t mg_magnitude_find(mg_context* context, int32_t dtype, int64_t count, const void* x, const void* base,
                                 double threshold, int64_t need, int64_t* found, int64_t* index);

/* Random drop by rank: of each of `rows` rows of d = x - base, `length` elements one after the other, the element of
 * rank r, 0 for the smallest magnitude, of equal ones the last, is kept with the probability
 *   p = density - epsilon + r / (length - 1) * 2 epsilon, density where length is 1,
 * as MG_TRIM_RANDOM keeps it: i is its index in the arrays plus `first`. out = d, with `inverse` d / p, where kept, else
 * 0, in F32, in F64 for MG_F64. 0 < density - epsilon and density + epsilon < 1; length is below 2^31. */
typedef struct mg_ranked_drop_options {
  double density;
  double epsilon;
  int64_t key;
  int32_t subsequence;
  int32_t inverse;
} mg_ranked_drop_options;

MG_API int32_t mg_ranked_drop(mg_context* context, int32_t dtype, int64_t rows, int64_t length, int64_t first,
                              const void* x, const void* base, const mg_ranked_drop_options* options, void* out);

/* ---- Persistent homology ------------------------------------------------------------------------------ */

/* Persistence of the Vietoris-Rips filtration over Z/2 in degrees 0 to max_degree <= 2: a simplex is there from its
 * diameter on, the largest distance of two of its vertices, for diameters up to `threshold`; < 0 stands for the enclosing
 * radius min_i max_j distance(i, j), beyond which nothing changes. n <= 65536 vertices, MG_F64 or MG_F32:
 *   k = -1  x [n x n] are distances: >= 0, symmetric, 0 on the diagonal, +Inf where there is no edge. Two that differ
 *           by 1e-12 of their sum at most are the larger one
 *   k >= 0  x [n x k] are points with their Euclidean distances, of differences in F64 in the order of the coordinates
 * Distances are rounded to F32. What is not finite in points, or NaN, is MG_NUMERICAL, what else is not such is
 * MG_INVALID_ARGUMENT, with the first place. Classes that begin at their end are left out; those that are left at the
 * threshold end at +Inf. The bytes are the same everywhere. Runs on the host. */
MG_API int32_t mg_rips(mg_context* context, int32_t dtype, int64_t n, int64_t k, const void* x, int64_t ldx,
                       double threshold, int32_t max_degree, mg_barcode** out);
MG_API void mg_barcode_destroy(mg_barcode* barcode);

/* The threshold that was used, at most the largest number of F32. */
MG_API double mg_barcode_threshold(const mg_barcode* barcode);

/* The number of classes of a degree, and birth and death of each, sorted, on the host. */
MG_API int64_t mg_barcode_count(const mg_barcode* barcode, int32_t degree);
MG_API int32_t mg_barcode_points(const mg_barcode* barcode, int32_t degree, float* out);

/* ---- Activations that learn their shape ----------------------------------------------------------------- */

/* n and s: one of each, of each column, of each element. */
typedef enum mg_gamma_shape { MG_GAMMA_UNIFORM = 0, MG_GAMMA_PER_UNIT = 1, MG_GAMMA_PER_ELEMENT = 2 } mg_gamma_shape;

/* out = gamma(x; n, s) = (1 - s) softplus(n x) / n + s sigma(n x) of a rows x columns array, both at least 1, of MG_F32 or
 * MG_F64; n and s, on the context's device, are of that type, 1, `columns` or rows x columns of each. Within 4 (F32) or
 * 8 (F64) units in the last place of the sum of the magnitudes of the two terms. NaN gives NaN; +Inf the limit, which is 1
 * for s = 1, else of the sign of 1 - s. `out` may be x.
 * n and s must be finite and n at least `least` >= 0, or, where that is 0, not 0, of either sign: else
 * MG_INVALID_ARGUMENT, which names the first that is not. */
MG_API int32_t mg_gamma_forward(mg_context* context, int32_t dtype, int32_t shape, int64_t rows, int64_t columns,
                                const void* x, const void* n, const void* s, double least, void* out);

/* The derivatives of sum g gamma(x; n, s): by x into dx, which may be g; by n and s into dn and ds: for PER_ELEMENT
 * arrays of dtype, else sums over what shares an n, 1 or `columns` F64. Their terms are products, in F64, of g and of a
 * slope rounded to dtype, added in an order that depends on rows and columns only. dn and ds may both be NULL. */
MG_API int32_t mg_gamma_backward(mg_context* context, int32_t dtype, int32_t shape, int64_t rows, int64_t columns,
                                 const void* x, const void* g, const void* n, const void* s, double least, void* dx,
                                 void* dn, void* ds);

#ifdef __cplusplus
}
#endif

#endif
