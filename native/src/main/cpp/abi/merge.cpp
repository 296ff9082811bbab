// SPDX-License-Identifier: Apache-2.0
// The exported functions of merging by task vectors.
#include <cmath>

#include "abi/checks.h"
#include "merganser.h"

using namespace merganser;

namespace {

constexpr int32_t kMaxModels = 32;

void check_task(const mg_task& task, int32_t k) {
  MG_REQUIRE(std::isfinite(task.weight), "the weight of task %d is %g", k, task.weight);
  MG_REQUIRE(std::isfinite(task.scale), "the scale of task %d is %g", k, task.scale);
  MG_REQUIRE(task.trim >= MG_TRIM_NONE && task.trim <= MG_TRIM_RANDOM, "unknown trim %d of task %d", task.trim, k);
  if (task.trim == MG_TRIM_MAGNITUDE) {
    MG_REQUIRE(task.threshold >= 0, "the threshold of task %d must be >= 0, not %g", k, task.threshold);
  }
  if (task.trim == MG_TRIM_RANDOM) {
    MG_REQUIRE(task.keep >= 0 && task.keep <= int64_t{1} << 32, "keep of task %d must be in [0, 2^32], not %lld", k,
               Long{task.keep});
  }
}

void check_formula(const mg_context* context, const char* routine, int32_t dtype, int64_t first, int64_t count,
                   int32_t models, const void* base, const void* const* in, const double* parameters,
                   const mg_threshold* selected) {
  check_dtype(dtype);
  check_size(first, "first");
  check_size(count, "count");
  MG_REQUIRE(models >= 1 && models <= kMaxModels, "models must be in [1, %d], not %d", kMaxModels, models);
  check_pointer(in, "in");
  check_host(routine, parameters, "parameters");
  for (int32_t p = 0; p < 2 + models; ++p) {
    MG_REQUIRE(std::isfinite(parameters[p]), "parameter %d is %g", p, parameters[p]);
  }
  for (int32_t k = 0; k < models; ++k) {
    MG_REQUIRE(count == 0 || in[k], "in[%d] is NULL", k);
    if (count > 0) check_resident(context, in[k], routine, "in", k);
  }
  if (count > 0 && base) check_resident(context, base, routine, "base");
  if (selected) MG_REQUIRE(selected->threshold >= 0, "the threshold must be >= 0, not %g", selected->threshold);
}

}  // namespace

extern "C" {

int32_t mg_task_merge(mg_context* context, int32_t dtype, int64_t first, int64_t count, int32_t models,
                      const void* base, const void* const* in, const mg_task* tasks, int32_t elect, int32_t normalise,
                      double lambda, void* out) {
  auto check = [&] {
    check_dtype(dtype);
    check_size(first, "first");
    check_size(count, "count");
    MG_REQUIRE(models >= 1 && models <= kMaxModels, "models must be in [1, %d], not %d", kMaxModels, models);
    check_pointer(in, "in");
    check_pointer(tasks, "tasks");
    MG_REQUIRE(std::isfinite(lambda), "lambda is %g", lambda);
    for (int32_t k = 0; k < models; ++k) {
      check_task(tasks[k], k);
      MG_REQUIRE(count == 0 || in[k], "in[%d] is NULL", k);
      if (count > 0) check_resident(context, in[k], "task_merge", "in", k);
    }
    if (count > 0) {
      check_array(context, "task_merge", base, "base");
      check_array(context, "task_merge", out, "out");
    }
  };
  return dispatch(check, &Table::task_merge, context, dtype, first, count, models, base, in, tasks, elect, normalise,
                  lambda, out);
}

int32_t mg_dot_products(mg_context* context, int32_t dtype, int64_t count, const void* x, const void* y, double* sums) {
  auto check = [&] {
    check_dtype(dtype);
    check_size(count, "count");
    if (count > 0) {
      check_array(context, "dot_products", x, "x");
      check_array(context, "dot_products", y, "y");
    }
    check_pointer(sums, "sums");
  };
  return dispatch(check, &Table::dot_products, context, dtype, count, x, y, sums);
}

int32_t mg_formula_merge(mg_context* context, int32_t dtype, int32_t formula, int64_t first, int64_t count,
                         int32_t models, const void* base, const void* const* in, const double* parameters,
                         const mg_threshold* selected, void* out) {
  auto check = [&] {
    MG_REQUIRE(formula >= MG_FORMULA_NEARSWAP && formula <= MG_FORMULA_WEIGHTED, "unknown formula %d", formula);
    check_formula(context, "formula_merge", dtype, first, count, models, base, in, parameters, selected);
    const int32_t wanted = formula == MG_FORMULA_NEARSWAP ? 1 : formula == MG_FORMULA_WHERE ? 2 : models;
    MG_REQUIRE(models == wanted, "formula %d takes %d arrays, not %d", formula, wanted, models);
    MG_REQUIRE(formula != MG_FORMULA_WEIGHTED || models % 2 == 0, "formula %d takes pairs of arrays, not %d arrays",
               formula, models);
    if (count > 0) check_array(context, "formula_merge", out, "out");
  };
  return dispatch(check, &Table::formula_merge, context, dtype, formula, first, count, models, base, in, parameters,
                  selected, out);
}

int32_t mg_formula_sums(mg_context* context, int32_t dtype, int32_t sum, int64_t first, int64_t count, int32_t models,
                        const void* base, const void* const* in, const double* parameters,
                        const mg_threshold* selected, double* sums) {
  auto check = [&] {
    MG_REQUIRE(sum >= MG_FORMULA_ACTIVE && sum <= MG_FORMULA_AGREEMENT, "unknown sum %d", sum);
    check_formula(context, "formula_sums", dtype, first, count, models, base, in, parameters, selected);
    check_host("formula_sums", sums, "sums");
  };
  return dispatch(check, &Table::formula_sums, context, dtype, sum, first, count, models, base, in, parameters,
                  selected, sums);
}

int32_t mg_row_divergences(mg_context* context, int32_t dtype, int64_t rows, int64_t cols, const void* x,
                           const void* base, double* out) {
  auto check = [&] {
    check_dtype(dtype);
    check_size(rows, "rows");
    MG_REQUIRE(cols >= 1, "cols must be >= 1, not %lld", Long{cols});
    if (rows > 0) {
      check_array(context, "row_divergences", x, "x");
      check_array(context, "row_divergences", base, "base");
      check_host("row_divergences", out, "out");
    }
  };
  return dispatch(check, &Table::row_divergences, context, dtype, rows, cols, x, base, out);
}

int32_t mg_fusion_scores(mg_context* context, int32_t dtype, int64_t skipped, int64_t count, int64_t cols,
                         const void* x, const void* base, const double* divergences, void* out) {
  auto check = [&] {
    check_dtype(dtype);
    check_size(count, "count");
    MG_REQUIRE(cols >= 1 && skipped >= 0 && skipped < cols, "%lld elements of a row of %lld are skipped", Long{skipped},
               Long{cols});
    if (count > 0) {
      check_array(context, "fusion_scores", x, "x");
      check_array(context, "fusion_scores", base, "base");
      check_host("fusion_scores", divergences, "divergences");
      check_array(context, "fusion_scores", out, "out");
    }
  };
  return dispatch(check, &Table::fusion_scores, context, dtype, skipped, count, cols, x, base, divergences, out);
}

int32_t mg_magnitude_counts(mg_context* context, int32_t dtype, int64_t count, const void* x, const void* base,
                            int32_t shift, int32_t width, int64_t prefix, int64_t* counts) {
  auto check = [&] {
    check_dtype(dtype);
    check_size(count, "count");
    const int32_t bits = dtype == MG_F64 ? 63 : 31;
    MG_REQUIRE(width >= 1 && width <= 16, "width must be in [1, 16], not %d", width);
    MG_REQUIRE(shift >= 0 && shift + width <= bits, "shift = %d and width = %d of %d bits", shift, width, bits);
    MG_REQUIRE(prefix >= 0 && prefix >> (bits - shift - width) == 0, "prefix %lld has more than %d bits", Long{prefix},
               bits - shift - width);
    if (count > 0) {
      check_array(context, "magnitude_counts", x, "x");
      if (base) check_resident(context, base, "magnitude_counts", "base");
    }
    check_array(context, "magnitude_counts", counts, "counts");
  };
  return dispatch(check, &Table::magnitude_counts, context, dtype, count, x, base, shift, width, prefix, counts);
}

int32_t mg_magnitude_find(mg_context* context, int32_t dtype, int64_t count, const void* x, const void* base,
                          double threshold, int64_t need, int64_t* found, int64_t* index) {
  auto check = [&] {
    check_dtype(dtype);
    check_size(count, "count");
    MG_REQUIRE(threshold >= 0, "the threshold must be >= 0, not %g", threshold);
    MG_REQUIRE(need >= 1, "need must be >= 1, not %lld", Long{need});
    if (count > 0) {
      check_array(context, "magnitude_find", x, "x");
      if (base) check_resident(context, base, "magnitude_find", "base");
    }
    check_pointer(found, "found");
    check_pointer(index, "index");
  };
  return dispatch(check, &Table::magnitude_find, context, dtype, count, x, base, threshold, need, found, index);
}

int32_t mg_ranked_drop(mg_context* context, int32_t dtype, int64_t rows, int64_t length, int64_t first, const void* x,
                       const void* base, const mg_ranked_drop_options* options, void* out) {
  auto check = [&] {
    check_dtype(dtype);
    check_size(rows, "rows");
    check_size(first, "first");
    MG_REQUIRE(length >= 1 && length <= INT32_MAX, "length must be in [1, 2^31), not %lld", Long{length});
    check_pointer(options, "options");
    const double least = options->density - options->epsilon, most = options->density + options->epsilon;
    MG_REQUIRE(options->epsilon >= 0 && least > 0 && most < 1,
               "density %g and epsilon %g; the density less and plus epsilon must be in (0, 1)", options->density,
               options->epsilon);
    if (rows > 0) {
      check_array(context, "ranked_drop", x, "x");
      check_array(context, "ranked_drop", base, "base");
      check_array(context, "ranked_drop", out, "out");
    }
  };
  return dispatch(check, &Table::ranked_drop, context, dtype, rows, length, first, x, base, options, out);
}

}  // extern "C"
