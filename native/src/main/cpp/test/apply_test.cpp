// SPDX-License-Identifier: Apache-2.0
// Dense maps and gathers on one axis of a tensor: all layouts and types, unaligned views, thread counts.
#include <algorithm>

#include "test/check.h"

using namespace check;

namespace {

struct Shape {
  int64_t outer, n_in, inner, n_out;
};

const std::vector<Shape> kShapes = {{1, 1, 1, 1},     {1, 3, 1, 2},      {5, 7, 1, 7},
                                    {1, 17, 9, 15},   {4, 16, 9, 16},    {300, 33, 1, 31},
                                    {1, 65, 300, 65}, {3, 257, 31, 300}, {2, 7, 600, 3}};

int64_t element_size(int32_t dtype) { return dtype == MG_F64 ? 8 : dtype == MG_F32 ? 4 : 2; }

// A tensor of any type at an odd address.
struct Tensor {
  int32_t dtype;
  std::vector<char> bytes;
  void* data() { return bytes.data() + 1; }

  Tensor(mg_context* context, int32_t type, const Vector& values)
      : dtype(type), bytes(values.size() * static_cast<size_t>(element_size(type)) + 1) {
    int64_t overflowed = 0;
    CHECK_OK(
        mg_convert(context, MG_F64, type, static_cast<int64_t>(values.size()), values.data(), data(), &overflowed));
  }
  Vector values(mg_context* context) {
    Vector result((bytes.size() - 1) / static_cast<size_t>(element_size(dtype)));
    int64_t overflowed = 0;
    CHECK_OK(
        mg_convert(context, dtype, MG_F64, static_cast<int64_t>(result.size()), data(), result.data(), &overflowed));
    return result;
  }
};

double unit(int32_t dtype) { return dtype == MG_F64 ? 1e-14 : dtype == MG_F32 ? 6e-8 : dtype == MG_F16 ? 5e-4 : 4e-3; }

}  // namespace

TEST(apply_dense_matches_plain_loops) {
  Context context;
  for (const Shape& s : kShapes) {
    for (int32_t dtype : {MG_F64, MG_F32, MG_F16, MG_BF16}) {
      for (bool transpose : {false, true}) {
        const int64_t in_stride = s.n_in * s.inner + 3, out_stride = s.n_out * s.inner + 2;
        const Vector map = gaussian(s.n_out * s.n_in, 1);
        Tensor in(context, dtype, gaussian(s.outer * in_stride, 2));
        Tensor out(context, dtype, Vector(static_cast<size_t>(s.outer * out_stride), 7.0));
        CHECK_OK(mg_apply_dense(context, dtype, s.outer, s.n_in, s.inner, s.n_out, map.data(),
                                transpose ? s.n_out : s.n_in, transpose, in.data(), in_stride, out.data(), out_stride));
        const Vector x = in.values(context), y = out.values(context);
        double worst = 0;
        bool padding = true;
        for (int64_t o = 0; o < s.outer; ++o) {
          for (int64_t r = 0; r < s.n_out; ++r) {
            for (int64_t p = 0; p < s.inner; ++p) {
              double sum = 0, size = 0;
              for (int64_t c = 0; c < s.n_in; ++c) {
                const double term =
                    (transpose ? map[c * s.n_out + r] : map[r * s.n_in + c]) * x[o * in_stride + c * s.inner + p];
                sum += term;
                size += std::fabs(term);
              }
              worst = std::max(worst, std::fabs(y[o * out_stride + r * s.inner + p] - sum) / size);
            }
          }
          for (int64_t e = s.n_out * s.inner; e < out_stride; ++e) padding = padding && y[o * out_stride + e] == 7;
        }
        CHECK(worst < unit(dtype));
        CHECK(padding);
      }
    }
  }
}

TEST(apply_gather_copies_bits) {
  Context context;
  for (const Shape& s : kShapes) {
    for (int32_t dtype : {MG_F64, MG_F32, MG_F16, MG_BF16}) {
      std::vector<int64_t> index(static_cast<size_t>(s.n_out));
      for (int64_t r = 0; r < s.n_out; ++r) index[r] = (5 * r + 2) % s.n_in;
      const Vector scale = gaussian(s.n_out, 9);
      Tensor in(context, dtype, gaussian(s.outer * s.n_in * s.inner, 2));
      for (bool scaled : {false, true}) {
        Tensor out(context, dtype, Vector(static_cast<size_t>(s.outer * s.n_out * s.inner)));
        CHECK_OK(mg_apply_gather(context, dtype, s.outer, s.n_in, s.inner, s.n_out, index.data(),
                                 scaled ? scale.data() : nullptr, in.data(), s.n_in * s.inner, out.data(),
                                 s.n_out * s.inner));
        const Vector x = in.values(context);
        Vector expected(static_cast<size_t>(s.outer * s.n_out * s.inner));
        for (int64_t e = 0; e < static_cast<int64_t>(expected.size()); ++e) {
          const int64_t o = e / (s.n_out * s.inner), r = e / s.inner % s.n_out, p = e % s.inner;
          expected[e] = x[(o * s.n_in + index[r]) * s.inner + p] * (scaled ? scale[r] : 1);
        }
        Tensor wanted(context, dtype, expected);
        CHECK(wanted.bytes == out.bytes);
      }
    }
  }
}

TEST(apply_gather_keeps_signalling_nan) {
  Context context;
  const std::vector<uint16_t> in = {0x7c01, 0x8000};
  std::vector<uint16_t> out(2);
  const int64_t index[] = {1, 0};
  CHECK_OK(mg_apply_gather(context, MG_F16, 1, 2, 1, 2, index, nullptr, in.data(), 2, out.data(), 2));
  CHECK(out[0] == 0x8000 && out[1] == 0x7c01);
}

TEST(apply_ignores_the_thread_count) {
  const int64_t n = 300, inner = 500;
  const Vector map = gaussian(n * n, 1), in = gaussian(n * inner, 2);
  Vector first;
  for (int32_t threads : kThreadCounts) {
    Context context(threads);
    Vector out(in.size());
    CHECK_OK(
        mg_apply_dense(context, MG_F64, 1, n, inner, n, map.data(), n, 0, in.data(), n * inner, out.data(), n * inner));
    if (first.empty()) first = out;
    CHECK(same_bits(out, first));
  }
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
