// SPDX-License-Identifier: Apache-2.0
// Products and applied maps of a device beside those of the CPU: what listed.cpp does not reach, which is rows with
// gaps, several launches, and empty shapes. On a device on the host (see fake_device_test.cpp), or a GPU.
#include <array>

#include "test/check.h"
#include "test/listed_tools.h"

using namespace check;

namespace {

bool device() { return std::string(mg_cuda_reason()).empty(); }

}  // namespace

TEST(fake_gemm_edges) {
  if (!device()) return;
  Context device(2, MG_BACKEND_CUDA), cpu;
  struct Shape {
    int64_t m, n, k;
  };
  for (const Shape& s : {Shape{2, 3, 0}, {1, 1, 1}, {5, 33, 7}, {70, 3, 40}}) {
    for (int32_t dtype : {MG_F64, MG_F32}) {
      for (int form = 0; form < 4; ++form) {
        const bool ta = form & 1, tb = form & 2;
        const int64_t lda = (ta ? s.m : s.k) + 3, ldb = (tb ? s.k : s.n) + 1, ldc = s.n + 2;
        const Vector a = gaussian((ta ? s.k : s.m) * lda + 1, 1), b = gaussian((tb ? s.n : s.k) * ldb + 1, 2);
        const auto run = [&](mg_context* context, double alpha, double beta, const Vector& c) {
          const Array x(context, dtype, a, 0), y(context, dtype, b, 0), z(context, dtype, c, 0);
          CHECK_OK(mg_gemm(context, dtype, ta, tb, s.m, s.n, s.k, alpha, x.data(), lda, y.data(), ldb, beta, z.data(),
                           ldc));
          return z.values(dtype);
        };
        const Vector start = gaussian(s.m * ldc, 3);
        // What C held does not matter when beta is 0, but for what lies between its rows.
        Vector lost = start;
        for (int64_t i = 0; i < s.m * ldc; ++i) lost[i] = i % ldc < s.n ? kNaN : 5;
        for (const auto& [alpha, beta] : {std::pair{1.0, 0.0}, {-0.5, 2.0}, {0.0, 1.0}, {0.0, 0.0}}) {
          const Vector& c = beta == 0 ? lost : start;
          const double allowed = (dtype == MG_F64 ? 1e-15 : 1e-6) * (1 + std::sqrt(static_cast<double>(s.k)));
          CHECK(largest_difference(run(device, alpha, beta, c), run(cpu, alpha, beta, c)) <= 8 * allowed);
        }
      }
    }
  }
  if (fake_device()) return;  // works with any bytes
  const Array a(device, MG_F64, Vector(9, 1.0), 1), c(device, MG_F64, Vector(9, 1.0), 0);
  CHECK_FAILS(mg_gemm(device, MG_F64, 0, 0, 2, 2, 2, 1, c.data(), 2, a.data(), 2, 0, c.data(), 2), MG_INVALID_ARGUMENT,
              "b of gemm is not at a multiple of 8 bytes, as CUDA needs it");
}

// Tensors that take several tiles or launches, and empty ones.
TEST(fake_apply_in_parts) {
  if (!device()) return;
  Context device(2, MG_BACKEND_CUDA), cpu;
  struct Shape {
    int64_t outer, n_in, inner, n_out;
  };
  const int64_t large = kSanitized ? 5 : 2100;
  for (const Shape& s : {Shape{1, 1, 2800 * large, 2}, {2800 * large, 2, 1, 1}, {3, 0, 2, 2}, {70000, 2, 1, 2},
                         {2, 5, 24, 3}}) {
    const Vector in = gaussian(s.outer * s.n_in * s.inner + 1, 1), map = gaussian(s.n_out * s.n_in + 1, 2);
    std::vector<int64_t> index;
    for (int64_t r = 0; r < s.n_out; ++r) index.push_back(s.n_in > 0 ? (r + 1) % s.n_in : 0);
    std::array<std::vector<char>, 4> found;
    for (int which = 0; which < 2; ++which) {
      mg_context* context = which == 0 ? static_cast<mg_context*>(device) : static_cast<mg_context*>(cpu);
      const Array x(context, MG_F32, in, 0), m(context, MG_F64, map, 0),
          y(context, MG_F32, Vector(static_cast<size_t>(s.outer * s.n_out * s.inner), 7.0), 0);
      const int64_t ldmap = std::max<int64_t>(1, s.n_in);
      CHECK_OK(mg_apply_dense(context, MG_F32, s.outer, s.n_in, s.inner, s.n_out, m.doubles(), ldmap, 0, x.data(),
                              s.n_in * s.inner, y.data(), s.n_out * s.inner));
      found[which] = y.read();
      if (s.n_in == 0) continue;
      CHECK_OK(mg_apply_gather(context, MG_F32, s.outer, s.n_in, s.inner, s.n_out, index.data(), nullptr, x.data(),
                               s.n_in * s.inner, y.data(), s.n_out * s.inner));
      found[2 + which] = y.read();
    }
    // Sums of so few terms are off by a unit of F64 at most, which F32 hides but for ties.
    CHECK(found[0] == found[1] || s.n_in > 2);
    CHECK(found[2] == found[3]);
  }
}

// A slice that takes several launches.
TEST(fake_gather_of_a_large_slice) {
  if (!device() || kSanitized) return;
  Context device(2, MG_BACKEND_CUDA);
  const int64_t n = 4001, inner = 4300;
  std::vector<char> in(static_cast<size_t>(n * inner * 2));
  for (size_t i = 0; i < in.size(); ++i) in[i] = static_cast<char>(i * 2654435761u >> 24);
  Array from(device, static_cast<int64_t>(in.size()), 2), to(device, static_cast<int64_t>(in.size()), 0);
  from.write(in);
  std::vector<int64_t> index;
  for (int64_t r = 0; r < n; ++r) index.push_back((7 * r + 3) % n);
  CHECK_OK(mg_apply_gather(device, MG_BF16, 1, n, inner, n, index.data(), nullptr, from.data(), n * inner, to.data(),
                           n * inner));
  const std::vector<char> found = to.read();
  for (int64_t r = 0; r < n; ++r) {
    CHECK(std::memcmp(&found[r * inner * 2], &in[index[r] * inner * 2], static_cast<size_t>(inner * 2)) == 0);
  }
}

namespace {
// The own block of one batch in F32.
Vector block_of(mg_context* context, int32_t mode, int64_t width, const Vector& x) {
  const int64_t samples = static_cast<int64_t>(x.size()) / width, strides[] = {width, 0, 1};
  const int32_t zero = 0;
  const Array batch(context, MG_F32, x, 0), out(context, 8 * width * width, 0);
  const void* data[] = {batch.data()};
  mg_moments* moments = nullptr;
  CHECK_OK(mg_moments_create(context, 1, &width, 1, &zero, &zero, mode, MG_NONFINITE_FAIL, &moments));
  CHECK_OK(mg_moments_update(context, moments, data, MG_F32, samples, 1, strides));
  CHECK_OK(mg_moments_block(context, moments, 0, out.doubles()));
  mg_moments_destroy(context, moments);
  return out.values(MG_F64);
}
}  // namespace

// A block of which not all rows fit in the memory for products.
TEST(fake_moments_of_a_wide_block) {
  if (!device() || in_short()) return;
  Context device(2, MG_BACKEND_CUDA), cpu;
  const int64_t n = 4352;
  const Vector x = gaussian(3 * n, 1), wanted = block_of(cpu, MG_MOMENTS_MIXED, n, x);
  for (int32_t mode : {MG_MOMENTS_MIXED, MG_MOMENTS_TF32X3}) {
    CHECK(largest_difference(block_of(device, mode, n, x), wanted) <= 1e-5 * largest_magnitude(wanted));
  }
}

// Several panels at once, of an own block of more than one stripe.
TEST(fake_moments_of_stripes) {
  if (!device() || in_short()) return;
  Context device(2, MG_BACKEND_CUDA), cpu;
  const int64_t n = 300;
  const Vector x = gaussian(2500 * n, 1), wanted = block_of(cpu, MG_MOMENTS_MIXED, n, x);
  for (int32_t mode : {MG_MOMENTS_MIXED, MG_MOMENTS_TF32X3}) {
    CHECK(largest_difference(block_of(device, mode, n, x), wanted) <= 1e-5 * largest_magnitude(wanted));
  }
}

// A block of more tiles of rows than the second dimension of a launch has blocks.
TEST(fake_moments_of_a_high_block) {
  if (!device() || in_short()) return;
  Context device(2, MG_BACKEND_CUDA), cpu;
  const int64_t high = 8 * 65535 + 1, samples = 2, widths[] = {high, 1}, strides[] = {high, 0, 1, 1, 0, 1};
  const int32_t i = 0, j = 1;
  const Vector x = gaussian(samples * high, 1), y = gaussian(samples, 2);
  const auto block = [&](mg_context* context) {
    const Array left(context, MG_F32, x, 0), right(context, MG_F32, y, 0), out(context, 8 * high, 0);
    const void* data[] = {left.data(), right.data()};
    mg_moments* moments = nullptr;
    CHECK_OK(mg_moments_create(context, 2, widths, 1, &i, &j, MG_MOMENTS_MIXED, MG_NONFINITE_FAIL, &moments));
    CHECK_OK(mg_moments_update(context, moments, data, MG_F32, samples, 1, strides));
    CHECK_OK(mg_moments_block(context, moments, 0, out.doubles()));
    mg_moments_destroy(context, moments);
    return out.values(MG_F64);
  };
  const Vector wanted = block(cpu);
  CHECK(largest_difference(block(device), wanted) <= 1e-5 * largest_magnitude(wanted));
}

// Samples x and -x, so each sum is of two products: three of TF32 are off by 3 * 2^-22 of them at most
// (cuda/moments_split.cu), beside the rounding of six sums in F32. One of TF32 would be off by a thousand times as much,
// F32 by 2^-23: the upper bound shows that lo is there, the lower one that F32 is not what was taken. The diagonal has
// F64 sums.
TEST(fake_moments_of_three_products_in_tf32) {
  if (!device()) return;
  Context device(2, MG_BACKEND_CUDA);
  const int64_t n = 100;
  Vector x(2 * n);
  const Vector drawn = gaussian(n, 1);
  for (int64_t i = 0; i < n; ++i) x[n + i] = -(x[i] = static_cast<double>(static_cast<float>(drawn[i])));
  const Vector found = block_of(device, MG_MOMENTS_TF32X3, n, x), mixed = block_of(device, MG_MOMENTS_MIXED, n, x);
  const auto largest_error = [&](const Vector& block) {
    double most = 0;
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t j = 0; j < n; ++j) {
        const double exact = 2 * x[i] * x[j];
        if (i != j) most = std::max(most, std::fabs(block[i * n + j] - exact) / std::fabs(exact));
      }
    }
    return most;
  };
  CHECK(largest_error(mixed) <= std::ldexp(1, -23));
  CHECK(largest_error(found) <= 3 * std::ldexp(1, -22) + 6 * std::ldexp(1, -24));
  if (!cuda_standin()) {
    CHECK(found == mixed);  // the CPU's routines
    return;
  }
  CHECK(largest_error(found) > std::ldexp(1, -22));
  // What comes after them is in F32 again.
  const Array a(device, MG_F32, Vector{1 + std::ldexp(1, -23)}, 0), b(device, MG_F32, Vector{1}, 0);
  const Array c(device, MG_F32, Vector{0}, 0);
  CHECK_OK(mg_gemm(device, MG_F32, 0, 0, 1, 1, 1, 1, a.data(), 1, b.data(), 1, 0, c.data(), 1));
  CHECK(c.values(MG_F32) == a.values(MG_F32));
}
