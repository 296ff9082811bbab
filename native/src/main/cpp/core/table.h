// SPDX-License-Identifier: Apache-2.0
// The seam between the C ABI and a backend: arguments are checked once in abi*.cpp, then every routine that works on
// device memory goes through this table. The CPU fills it in cpu_table.cpp; a plug-in (CUDA, or the fake
// device of the tests) fills the same table from its one exported symbol, `mg_fill_table`. Entries return an mg_status
// and never throw.
#pragma once

#include <cstdint>
#include <vector>

#include "merganser.h"

namespace merganser {

struct Table {
  const char* name;  // as messages call it: "the CPU"
  int32_t device;    // mg_device of its memory

  // Start and end of a context. A failed `open` leaves nothing to close.
  int32_t (*open)(mg_context*);
  void (*close)(mg_context*);
  // Whether memory that mg_alloc did not give lies on this device.
  bool (*owns)(const void* pointer);
  // Lines "name: value" about the device.
  const char* (*describe)();

  int32_t (*allocate)(mg_context*, int64_t bytes, void** out);
  void (*release)(void* pointer);
  int32_t (*copy)(mg_context*, void* to, int32_t to_device, const void* from, int32_t from_device, int64_t bytes);

  int32_t (*moments_create)(mg_context*, const mg_moments* description, mg_moments** out);
  void (*moments_destroy)(mg_moments*);
  int32_t (*moments_update)(mg_context*, mg_moments*, const void* const* data, int32_t dtype, int64_t outer,
                            int64_t inner, const int64_t* strides);
  int32_t (*moments_stream)(mg_context*, const mg_moments*, int32_t stream, double* mean, double* m2);
  int32_t (*moments_block)(mg_context*, const mg_moments*, int32_t pair, double* out);

  int32_t (*gemm)(mg_context*, int32_t dtype, bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k,
                  double alpha, const void* a, int64_t lda, const void* b, int64_t ldb, double beta, void* c, int64_t ldc);
  int32_t (*polar)(mg_context*, int32_t dtype, int64_t count, int64_t n, const double* a, int64_t lda, double* q,
                   int64_t ldq, double* sigma, mg_polar_report* reports);
  int32_t (*cca_map)(mg_context*, int32_t dtype, int64_t n, const double* sxx, const double* syy, const double* sxy,
                     int64_t count, const double* gamma_x, const double* gamma_y, double* t, double* tinv,
                     double* correlations, mg_cca_report* reports);
  int32_t (*divide)(mg_context*, int64_t rows, int64_t cols, const double* a, int64_t lda, const double* row_divisors,
                    const double* col_divisors, double* out, int64_t ldo);
  int32_t (*norm)(mg_context*, int32_t kind, int64_t rows, int64_t cols, const double* a, int64_t lda, double shift,
                  double* out);
  int32_t (*row_products)(mg_context*, int64_t rows, int64_t cols, const double* x, int64_t ldx, const double* y,
                          int64_t ldy, double* out);

  int32_t (*assignment)(mg_context*, int32_t dtype, int64_t rows, int64_t cols, const void* cost, int64_t ld,
                        bool maximise, int64_t* row_to_col, double* u, double* v, double* value);
  int32_t (*assignment_warm)(mg_context*, int32_t dtype, int64_t rows, int64_t cols, const void* cost, int64_t ld,
                             bool maximise, int64_t* row_to_col, double* u, double* v, double* value);
  int32_t (*assignment_factors)(mg_context*, int32_t dtype, int64_t rows, int64_t cols, int64_t k, const void* x,
                                int64_t ldx, const void* y, int64_t ldy, bool maximise, bool warm, int64_t* row_to_col,
                                double* u, double* v, double* value);
  int32_t (*assignment_batch)(mg_context*, int64_t problems, int32_t dtype, const int64_t* rows, const int64_t* cols,
                              const void* const* cost, const int64_t* ld, bool maximise, int64_t* row_to_col, double* u,
                              double* v, double* value);
  int32_t (*assignment_certify)(mg_context*, int32_t dtype, int64_t rows, int64_t cols, const void* cost, int64_t ld,
                                bool maximise, const int64_t* row_to_col, const double* u, const double* v,
                                double* violation);
  int32_t (*assignment_factors_certify)(mg_context*, int32_t dtype, int64_t rows, int64_t cols, int64_t k,
                                        const void* x, int64_t ldx, const void* y, int64_t ldy, bool maximise,
                                        const int64_t* row_to_col, const double* u, const double* v, double* violation);

  int32_t (*apply_dense)(mg_context*, int32_t dtype, int64_t outer, int64_t n_in, int64_t inner, int64_t n_out,
                         const double* map, int64_t ldmap, bool transpose, const void* in, int64_t in_stride, void* out,
                         int64_t out_stride);
  int32_t (*apply_gather)(mg_context*, int32_t dtype, int64_t outer, int64_t n_in, int64_t inner, int64_t n_out,
                          const int64_t* index, const double* scale, const void* in, int64_t in_stride, void* out,
                          int64_t out_stride);

  int32_t (*weighted_sum)(mg_context*, int32_t dtype, int64_t count, int32_t models, const void* const* in,
                          const double* weights, void* out);
  int32_t (*convert)(mg_context*, int32_t from, int32_t to, int64_t count, const void* in, void* out,
                     int64_t* overflowed);
  int32_t (*nonfinite_count)(mg_context*, int32_t dtype, int64_t count, const void* in, int64_t* nonfinite,
                             int64_t* first);

  int32_t (*task_merge)(mg_context*, int32_t dtype, int64_t first, int64_t count, int32_t models, const void* base,
                        const void* const* in, const mg_task* tasks, bool elect, bool normalise, double lambda,
                        void* out);
  int32_t (*kth_magnitude)(mg_context*, int32_t dtype, int64_t count, const void* x, const void* base, int64_t k,
                           mg_threshold* out);
  int32_t (*products)(mg_context*, int32_t dtype, int64_t count, const void* x, const void* y, double* sums);
  int32_t (*stream)(mg_context*, int64_t bytes, int32_t reads, const void* const* in, int32_t writes,
                    void* const* out);

  int32_t (*np_create)(mg_context*, const mg_np* description, const double* initial, mg_np** out);
  void (*np_destroy)(mg_np*);
  int32_t (*np_theta)(mg_context*, const mg_np*, float* const* theta);
  int32_t (*np_step)(mg_context*, mg_np*, double rate, const float* const* gradient, float* const* theta,
                     int32_t* bad_slot, int64_t* bad_index);
  int32_t (*np_state)(mg_context*, const mg_np*, int32_t slot, int32_t part, float* out);
  int32_t (*np_load)(mg_context*, mg_np*, int32_t slot, int32_t part, const float* in);
  int32_t (*np_resume)(mg_context*, mg_np*, int64_t steps);
};

const Table* cpu_table();

// What the library tells a plug-in. The two share structures, so they must come from one build.
struct PluginHost {
  int32_t abi_version;
  const char* version;
  int64_t table_bytes;
  int64_t context_bytes;
  const char* (*last_error)();
  const Table* cpu;
  void (*set_error)(const char*);                                    // text of a failure that an entry reports
  void* (*cuda_symbol)(int32_t library, const char* name) noexcept;  // see cuda_libraries.h; NULL with the text set
};

// What a plug-in exports as "mg_fill_table": fills the table and returns NULL, or returns why it cannot be used.
using FillTable = const char*(const PluginHost* host, Table* table);

}  // namespace merganser

// What every backend knows about a set of moments; a backend derives its own state from it.
struct mg_moments {
  const merganser::Table* table = nullptr;
  std::vector<int64_t> widths;
  std::vector<int32_t> pair_i, pair_j;
  int32_t mode = 0;
  int32_t nonfinite = 0;
  int64_t count = 0;
  int64_t skipped = 0;
};

// What every backend knows about the state of NP Merge.
struct mg_np {
  const merganser::Table* table = nullptr;
  mg_np_options options{};
  std::vector<int64_t> counts, rows;
  std::vector<const void*> inputs;  // [slot * models + model]
  int64_t steps = 0;

  int32_t slots() const { return static_cast<int32_t>(counts.size()); }
  // Elements that share one z are `span` consecutive ones.
  int64_t groups(int32_t slot) const {
    return options.granularity == MG_NP_PARAMETER ? counts[slot]
           : options.granularity == MG_NP_ROW     ? rows[slot]
                                                  : 1;
  }
  int64_t span(int32_t slot) const { return groups(slot) == 0 ? 0 : counts[slot] / groups(slot); }
  int32_t planes() const { return options.form == MG_NP_SOFTMAX ? options.models : 1; }
  bool has(int32_t part) const {
    const bool adam = options.optimizer == MG_NP_ADAM;
    return part == MG_NP_Z || (part == MG_NP_M && (adam || options.momentum != 0)) || (part == MG_NP_V && adam);
  }
};
