// SPDX-License-Identifier: Apache-2.0
// The CPU routines behind the table. Arguments are checked by the caller; failures are thrown.
#pragma once

#include <cstdint>

#include "core/context.h"
#include "merganser.h"

namespace merganser {

inline int64_t size_of(int32_t dtype) { return dtype == MG_F64 ? 8 : dtype == MG_F32 ? 4 : 2; }

void moments_create(mg_context*, const mg_moments* description, mg_moments** out);
void moments_destroy(mg_moments*);
void moments_update(mg_context*, mg_moments*, const void* const* data, int32_t dtype, int64_t outer, int64_t inner,
                    const int64_t* strides);
void moments_stream(mg_context*, const mg_moments*, int32_t stream, double* mean, double* m2);
void moments_block(mg_context*, const mg_moments*, int32_t pair, double* out);

void gemm(mg_context*, int32_t dtype, bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k,
          double alpha, const void* a, int64_t lda, const void* b, int64_t ldb, double beta, void* c, int64_t ldc);
void polar(mg_context*, int32_t dtype, int64_t count, int64_t n, const double* a, int64_t lda, double* q, int64_t ldq,
           double* sigma, mg_polar_report* reports);
void cca_map(mg_context*, int32_t dtype, int64_t n, const double* sxx, const double* syy, const double* sxy,
             int64_t count, const double* gamma_x, const double* gamma_y, double* t, double* tinv, double* correlations,
             mg_cca_report* reports);
void divide(mg_context*, int64_t rows, int64_t cols, const double* a, int64_t lda, const double* row_divisors,
            const double* col_divisors, double* out, int64_t ldo);
void norm(mg_context*, int32_t kind, int64_t rows, int64_t cols, const double* a, int64_t lda, double shift,
          double* out);
void row_products(mg_context*, int64_t rows, int64_t cols, const double* x, int64_t ldx, const double* y, int64_t ldy,
                  double* out);

void assignment(mg_context*, int32_t dtype, int64_t rows, int64_t cols, const void* cost, int64_t ld, bool maximise,
                int64_t* row_to_col, double* u, double* v, double* value);
void assignment_warm(mg_context*, int32_t dtype, int64_t rows, int64_t cols, const void* cost, int64_t ld,
                     bool maximise, int64_t* row_to_col, double* u, double* v, double* value);
void assignment_factors(mg_context*, int32_t dtype, int64_t rows, int64_t cols, int64_t k, const void* x, int64_t ldx,
                        const void* y, int64_t ldy, bool maximise, bool warm, int64_t* row_to_col, double* u, double* v,
                        double* value);
void assignment_batch(mg_context*, int64_t problems, int32_t dtype, const int64_t* rows, const int64_t* cols,
                      const void* const* cost, const int64_t* ld, bool maximise, int64_t* row_to_col, double* u,
                      double* v, double* value);
void assignment_certify(mg_context*, int32_t dtype, int64_t rows, int64_t cols, const void* cost, int64_t ld,
                        bool maximise, const int64_t* row_to_col, const double* u, const double* v, double* violation);
void assignment_factors_certify(mg_context*, int32_t dtype, int64_t rows, int64_t cols, int64_t k, const void* x,
                                int64_t ldx, const void* y, int64_t ldy, bool maximise, const int64_t* row_to_col,
                                const double* u, const double* v, double* violation);

void apply_dense(mg_context*, int32_t dtype, int64_t outer, int64_t n_in, int64_t inner, int64_t n_out,
                 const double* map, int64_t ldmap, bool transpose, const void* in, int64_t in_stride, void* out,
                 int64_t out_stride);
void apply_gather(mg_context*, int32_t dtype, int64_t outer, int64_t n_in, int64_t inner, int64_t n_out,
                  const int64_t* index, const double* scale, const void* in, int64_t in_stride, void* out,
                  int64_t out_stride);

void weighted_sum(mg_context*, int32_t dtype, int64_t count, int32_t models, const void* const* in,
                  const double* weights, void* out);
void convert(mg_context*, int32_t from, int32_t to, int64_t count, const void* in, void* out, int64_t* overflowed);
void nonfinite_count(mg_context*, int32_t dtype, int64_t count, const void* in, int64_t* nonfinite, int64_t* first);

void task_merge(mg_context*, int32_t dtype, int64_t first, int64_t count, int32_t models, const void* base,
                const void* const* in, const mg_task* tasks, bool elect, bool normalise, double lambda, void* out);
void kth_magnitude(mg_context*, int32_t dtype, int64_t count, const void* x, const void* base, int64_t k,
                   mg_threshold* out);
void products(mg_context*, int32_t dtype, int64_t count, const void* x, const void* y, double* sums);
void slerp_weights(const double* sums, double t, double* weights);
void stream(mg_context*, int64_t bytes, int32_t reads, const void* const* in, int32_t writes, void* const* out);

void np_create(mg_context*, const mg_np* description, const double* initial, mg_np** out);
void np_destroy(mg_np*);
void np_theta(mg_context*, const mg_np*, float* const* theta);
void np_step(mg_context*, mg_np*, double rate, const float* const* gradient, float* const* theta, int32_t* bad_slot,
             int64_t* bad_index);
void np_state(mg_context*, const mg_np*, int32_t slot, int32_t part, float* out);
void np_load(mg_context*, mg_np*, int32_t slot, int32_t part, const float* in);
void np_resume(mg_context*, mg_np*, int64_t steps);

}  // namespace merganser
