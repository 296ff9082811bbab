// SPDX-License-Identifier: Apache-2.0
// Oracles of moments.
#include "test/listed_tools.h"

namespace check {

namespace {

// Two series in every mode and three updates; what is asked for goes into the bytes.
Outcome moments(mg_context* context, const Input& input, bool with_oracle, bool blocks) {
  const int64_t d = input.size, e = d + 3, n = 2 * d + 50;
  const int64_t widths[] = {d, e};
  const int32_t pair_i[] = {0, 0, 1}, pair_j[] = {0, 1, 1};
  Outcome result;
  for (int32_t mode = MG_MOMENTS_F32; mode <= MG_MOMENTS_TF32X3; ++mode) {
    const int32_t narrowest = mode == MG_MOMENTS_F64 ? input.dtype : static_cast<int32_t>(MG_F32);
    const double size = magnitude(narrowest, input.scale, 3);
    const Array x(context, input.dtype, gaussian(n * d, 1, 10 * size, size), input.shift);
    const Array y(context, input.dtype, gaussian(n * e, 2, -3 * size, size), input.shift);
    mg_moments* handle = nullptr;
    CHECK_OK(mg_moments_create(context, 2, widths, 3, pair_i, pair_j, mode, MG_NONFINITE_FAIL, &handle));
    const int64_t strides[] = {d, 0, 1, e, 0, 1};
    for (const auto& [from, to] : {std::pair<int64_t, int64_t>{0, 7}, {7, 8}, {8, n}}) {
      const void* data[] = {x.data() + from * d * size_of(input.dtype), y.data() + from * e * size_of(input.dtype)};
      CHECK_OK(mg_moments_update(context, handle, data, input.dtype, to - from, 1, strides));
    }
    const Vector xs = with_oracle ? x.values(input.dtype) : Vector();
    const Vector ys = with_oracle ? y.values(input.dtype) : Vector();
    const double allowed = mode == MG_MOMENTS_F64 ? 1e-12 : mode == MG_MOMENTS_F32 ? 1e-4 : 1e-5;
    for (int32_t k = 0; k < (blocks ? 3 : 2); ++k) {
      const Vector& a = (blocks ? k == 2 : k == 1) ? ys : xs;
      const Vector& b = (blocks ? k == 0 : k == 0) ? xs : ys;
      const int64_t da = (blocks ? k == 2 : k == 1) ? e : d, db = k == 0 ? d : e;
      const Array out(context, (blocks ? da * db : da) * 8, whole(input.shift), !blocks);
      const HostArray mean(context, da * 8, whole(input.shift));
      if (blocks) {
        CHECK_OK(mg_moments_block(context, handle, k, out.doubles()));
      } else {
        CHECK_OK(mg_moments_series(context, handle, k, mean.doubles(), out.doubles()));
        append(result.bytes, mean.read());
      }
      append(result.bytes, out.read());
      if (!with_oracle) continue;
      const Vector exact = two_pass(a, da, b, db, n), found = out.values(MG_F64);
      double largest = largest_magnitude(exact);
      for (size_t i = 0; i < found.size(); ++i) {
        const size_t at = blocks ? i : i * static_cast<size_t>(da) + i;
        raise(result.error, std::fabs(found[i] - exact[at]) / (allowed * largest));
      }
      if (blocks) continue;
      const Vector means = mean.values(MG_F64);
      for (int64_t f = 0; f < da; ++f) {
        long double sum = 0;
        for (int64_t t = 0; t < n; ++t) sum += a[t * da + f];
        raise(result.error, std::fabs(means[f] - static_cast<double>(sum / n)) / (1e-12 * size));
      }
    }
    mg_moments_destroy(context, handle);
  }
  return result;
}

}  // namespace

Outcome listed_moments_sums(mg_context* context, const Input& input, bool with_oracle) {
  return moments(context, input, with_oracle, false);
}
Outcome listed_moments_blocks(mg_context* context, const Input& input, bool with_oracle) {
  return moments(context, input, with_oracle, true);
}

}  // namespace check
