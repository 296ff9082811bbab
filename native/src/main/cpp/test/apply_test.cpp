// SPDX-License-Identifier: Apache-2.0
// Dense maps and gathers on one axis of a tensor: what the list of routines does not say.
#include "test/check.h"

using namespace check;

TEST(apply_gather_keeps_signalling_nan) {
  Context context;
  const std::vector<uint16_t> in = {0x7c01, 0x8000};
  std::vector<uint16_t> out(2);
  const int64_t index[] = {1, 0};
  CHECK_OK(mg_apply_gather(context, MG_F16, 1, 2, 1, 2, index, nullptr, in.data(), 2, out.data(), 2));
  CHECK(out[0] == 0x8000 && out[1] == 0x7c01);
}

TEST(apply_errors) {
  Context context;
  double map[4] = {}, in[4] = {}, out[4] = {};
  const int64_t index[] = {0, 2};
  CHECK_FAILS(mg_apply_gather(context, MG_F64, 1, 2, 1, 2, index, nullptr, in, 2, out, 2), MG_INVALID_ARGUMENT,
              "index[1] = 2 is outside [0, 2)");
  CHECK_FAILS(mg_apply_dense(context, MG_F64, 2, 2, 1, 2, map, 2, 0, in, 1, out, 2), MG_INVALID_ARGUMENT,
              "in_stride = 1 is below the slice of 2 elements");
  CHECK_FAILS(mg_apply_dense(context, 9, 1, 2, 1, 2, map, 2, 0, in, 2, out, 2), MG_INVALID_ARGUMENT, "unknown dtype 9");
  out[0] = 5;
  CHECK_OK(mg_apply_dense(context, MG_F64, 1, 0, 1, 2, map, 1, 0, in, 0, out, 2));
  CHECK(out[0] == 0);
  CHECK_OK(mg_apply_dense(context, MG_F64, 0, 2, 1, 2, map, 2, 0, nullptr, 2, nullptr, 2));
}
