// SPDX-License-Identifier: Apache-2.0
// The list of routines, and those of the CPU. A routine has the signature of the exported function mg_NAME, whose
// arguments were checked; what fails is thrown.
#pragma once

#include <cstdint>

#include "merganser.h"
#include "merganser_testing.h"

// Besides the header the one place that names them all: the entries of abi/table.h, the tables of the CPU and of the
// plug-ins and the list of the native tests follow from it.
#define MG_ROUTINES(X)                                                                             \
  X(moments_create) X(moments_update) X(moments_series) X(moments_block)                           \
  X(gemm) X(transpose) X(divide) X(norm) X(row_products) X(polar) X(cca_map) X(svd) X(solve)       \
  X(symmetric_eigen) X(qr) X(general_eigenvalues)                                                 \
  X(centre_columns) X(gram) X(centre_gram) X(gram_rows) X(gaussian) X(permuted_products)           \
  X(assignment) X(assignment_batch) X(assignment_certify)                                          \
  X(apply_dense) X(apply_gather) X(weighted_sum) X(convert) X(nonfinite_count)                     \
  X(task_merge) X(dot_products) X(bandwidth)                                                       \
  X(np_create) X(np_theta) X(np_step) X(np_state) X(np_load) X(np_resume)                          \
  X(magnitude_counts) X(magnitude_find) X(ranked_drop)                                             \
  X(formula_merge) X(formula_sums) X(row_divergences) X(fusion_scores)                             \
  X(gamma_forward) X(gamma_backward) X(rips)

namespace merganser {

inline int64_t size_of(int32_t dtype) { return dtype == MG_F64 ? 8 : dtype == MG_F32 ? 4 : 2; }

// The type of the routine behind an exported function.
template <typename Exported>
struct RoutineOf;
template <typename... Arguments>
struct RoutineOf<int32_t(Arguments...)> {
  typedef void Type(Arguments...);
};

#define MG_DECLARE(routine) RoutineOf<decltype(mg_##routine)>::Type routine;
MG_ROUTINES(MG_DECLARE)

}  // namespace merganser
