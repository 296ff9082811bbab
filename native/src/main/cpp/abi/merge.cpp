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
