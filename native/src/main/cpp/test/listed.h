// SPDX-License-Identifier: Apache-2.0
// Every entry of abi/table.h with a way to run it on random input and a check of its results. A routine is tested by
// being listed: against plain loops, over types, odd sizes, alignments and magnitudes, for any number of threads, on
// the fake device, and, where its bytes are promised to be the same, on every instruction-set level.
#pragma once

#include "abi/table.h"
#include "runtime/context.h"
#include "test/check.h"

namespace check {

enum class Scale { NORMAL, TINY, HUGE_VALUES, BITS };  // BITS: random bits, with NaN, infinities and subnormals

struct Input {
  int32_t dtype = MG_F64;
  int64_t size = 1;   // elements, features or rows: what the routine grows with
  int64_t shift = 0;  // bytes by which arrays lie off an aligned address; multiples of 8 for arrays of double
  Scale scale = Scale::NORMAL;
};

struct Outcome {
  std::vector<char> bytes;
  double error = 0;  // against the oracle, in units of what is allowed
};

enum class Same { EVERY_LEVEL, EACH_LEVEL };  // where the bytes are the same: everywhere, or per level and BLAS core

struct Listed {
  const char* entry;
  const char* name;  // the entry's, unless several list it
  Same same;
  std::vector<int32_t> dtypes;
  std::vector<int64_t> sizes;  // the last one is for NORMAL values alone
  std::vector<Scale> scales;
  Outcome (*run)(mg_context*, const Input&, bool with_oracle);
  // Puts a counter in front of the entry, and reads it.
  void (*spy)(merganser::Table*);
  int64_t (*calls)();
};

const std::vector<Listed>& listed();

// Oracles of moments, in listed_moments.cpp.
Outcome listed_moments_sums(mg_context* context, const Input& input, bool with_oracle);
Outcome listed_moments_blocks(mg_context* context, const Input& input, bool with_oracle);

// Oracles of linear algebra, in listed_linear_algebra.cpp.
Outcome listed_gemm(mg_context* context, const Input& input, bool with_oracle);
Outcome listed_transpose(mg_context* context, const Input& input, bool with_oracle);
Outcome listed_polar(mg_context* context, const Input& input, bool with_oracle);
Outcome listed_thin_svd(mg_context* context, const Input& input, bool with_oracle);
Outcome listed_symmetric_eigen(mg_context* context, const Input& input, bool with_oracle);
Outcome listed_thin_qr(mg_context* context, const Input& input, bool with_oracle);
Outcome listed_general_eigenvalues(mg_context* context, const Input& input, bool with_oracle);
Outcome listed_solve(mg_context* context, const Input& input, bool with_oracle);
Outcome listed_cca_map(mg_context* context, const Input& input, bool with_oracle);

// Oracles of passes over matrices, sums and conversions, in listed_elementwise.cpp.
Outcome listed_divide(mg_context* context, const Input& input, bool with_oracle);
Outcome listed_norm(mg_context* context, const Input& input, bool with_oracle);
Outcome listed_row_products(mg_context* context, const Input& input, bool with_oracle);
Outcome listed_weighted_sum(mg_context* context, const Input& input, bool with_oracle);
Outcome listed_weighted_sum_of_many(mg_context* context, const Input& input, bool with_oracle);
Outcome listed_convert(mg_context* context, const Input& input, bool with_oracle);
Outcome listed_nonfinite_count(mg_context* context, const Input& input, bool with_oracle);

// Oracles of linear assignment, in listed_assignment.cpp.
Outcome listed_assignment(mg_context* context, const Input& input, bool with_oracle);
Outcome listed_assignment_certify(mg_context* context, const Input& input, bool with_oracle);
Outcome listed_assignment_warm(mg_context* context, const Input& input, bool with_oracle);
Outcome listed_assignment_factors(mg_context* context, const Input& input, bool with_oracle);
Outcome listed_assignment_factors_certify(mg_context* context, const Input& input, bool with_oracle);
Outcome listed_assignment_batch(mg_context* context, const Input& input, bool with_oracle);

// Oracles of feature maps, in listed_apply.cpp.
Outcome listed_apply_dense(mg_context* context, const Input& input, bool with_oracle);
Outcome listed_apply_gather(mg_context* context, const Input& input, bool with_oracle);

// Oracles of Gram matrices, in listed_gram.cpp.
Outcome listed_centre_columns(mg_context* context, const Input& input, bool with_oracle);
Outcome listed_gram(mg_context* context, const Input& input, bool with_oracle);
Outcome listed_centre_gram(mg_context* context, const Input& input, bool with_oracle);
Outcome listed_gram_rows(mg_context* context, const Input& input, bool with_oracle);
Outcome listed_gaussian(mg_context* context, const Input& input, bool with_oracle);
Outcome listed_permuted_products(mg_context* context, const Input& input, bool with_oracle);

// Oracles of merging, in listed_merge.cpp, listed_formula.cpp and listed_np.cpp.
Outcome listed_task_merge(mg_context* context, const Input& input, bool with_oracle);
Outcome listed_magnitude_counts(mg_context* context, const Input& input, bool with_oracle);
Outcome listed_magnitude_find(mg_context* context, const Input& input, bool with_oracle);
Outcome listed_ranked_drop(mg_context* context, const Input& input, bool with_oracle);
Outcome listed_dot_products(mg_context* context, const Input& input, bool with_oracle);
Outcome listed_formula_merge(mg_context* context, const Input& input, bool with_oracle);
Outcome listed_formula_sums(mg_context* context, const Input& input, bool with_oracle);
Outcome listed_fusion_scores(mg_context* context, const Input& input, bool with_oracle);
Outcome listed_bandwidth(mg_context* context, const Input& input, bool with_oracle);
Outcome listed_np(mg_context* context, const Input& input, bool with_oracle);

// Oracle of persistent homology, in listed_topology.cpp.
Outcome listed_rips(mg_context* context, const Input& input, bool with_oracle);

// Oracles of activations, in listed_gamma.cpp.
Outcome listed_gamma_forward(mg_context* context, const Input& input, bool with_oracle);
Outcome listed_gamma_backward(mg_context* context, const Input& input, bool with_oracle);

// A routine on a device against its oracle and the same on the CPU.
struct Compared {
  int64_t inputs = 0;
  std::string unavailable;  // what the device lacks; then nothing else holds
  double worst = 0;         // of the errors, in units of what is allowed
  std::string problem;      // the first one
};
Compared compare_with_cpu(const Listed& routine, mg_context* device, mg_context* cpu, bool brief, bool with_oracle);

// All inputs of a routine.
std::vector<Input> inputs(const Listed& routine);
std::string text(const Listed& routine, const Input& input);

}  // namespace check
