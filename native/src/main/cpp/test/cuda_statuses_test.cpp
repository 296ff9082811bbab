// SPDX-License-Identifier: Apache-2.0
// Failures that no later call of a routine tells, or that need more than the inputs of cuda_faults_test.cpp, on the
// stand-in: contexts, copies in tiles, the end of an update, what decompositions say of themselves. Empty elsewhere.
#include <cuda_runtime.h>

#include <cstdlib>
#include <map>
#include <string>

#include "test/cuda_standin/control.h"
#include "test/listed_tools.h"

using namespace check;

namespace {

// What is given back when calls fail has not been seen under sanitizers. In exact memory routines free what they are done
// with, and nobody is told where that fails.
bool wanted() {
  const char* exact = std::getenv("MERGANSER_CUDA_EXACT_MEMORY");
  return cuda_standin() && !kSanitized && !(exact && std::string(exact) == "1");
}

// Lets the first call of the runtime and its libraries fail, then the second, and so on, as long as there is one.
class EachCall {
 public:
  bool next() { return ++call_ == 0 || failed_; }

  template <typename Run>
  void run(const Run& run) {
    standin_fail_after(call_, 0);
    const int32_t status = run();
    const std::string name = standin_failed();
    standin_fail_after(-1, 0);
    failed_ = !name.empty();
    if (failed_ && status == MG_OK) untold_ += name + ' ';
    CHECK(cudaDeviceSynchronize() == cudaSuccess);
  }

  int64_t calls() const { return call_; }
  // Names of those whose failure was not told.
  const std::string& untold() const { return untold_; }

 private:
  int64_t call_ = -1;
  bool failed_ = false;
  std::string untold_;
};

}  // namespace

TEST(fake_statuses_of_a_context) {
  if (!wanted()) return;
  const Context before(1, MG_BACKEND_CUDA);
  EachCall each;
  while (each.next()) {
    mg_context* context = nullptr;
    each.run([&] { return mg_context_create(MG_BACKEND_CUDA, 1, &context); });
    mg_context_destroy(context);
  }
  CHECK(each.calls() >= 3 && each.untold().empty());  // two streams and an event
}

// The first use of cuBLAS and of cuSOLVER opens them.
TEST(fake_statuses_of_libraries) {
  if (!wanted()) return;
  const Vector one(1, 2.0);
  for (const bool solver : {false, true}) {
    EachCall each;
    while (each.next()) {
      const Context context(1, MG_BACKEND_CUDA);
      const Array a(context, MG_F64, one, 0), x(context, MG_F64, one, 0), y(context, MG_F64, one, 0);
      each.run([&] {
        return solver ? mg_symmetric_eigen(context, 1, a.doubles(), 1, x.doubles(), 1, y.doubles())
                      : mg_gemm(context, MG_F64, 0, 0, 1, 1, 1, 1, a.data(), 1, x.data(), 1, 0, y.data(), 1);
      });
    }
    CHECK(each.calls() >= 6 && each.untold().empty());
  }
}

// Of those in tiles nothing depends on the second wait, of a scope that ends.
TEST(fake_statuses_of_copies) {
  if (!wanted()) return;
  const Context context(1, MG_BACKEND_CUDA);
  for (const int64_t tiles : {0, 5}) {
    const int64_t bytes = (tiles << 22) + 1000;
    const std::vector<char> from(static_cast<size_t>(bytes), 'a');
    std::vector<char> to(from.size());
    void* memory = nullptr;
    CHECK_OK(mg_alloc(context, bytes, &memory));
    CHECK_OK(mg_copy(context, memory, MG_DEVICE_CUDA, from.data(), MG_DEVICE_HOST, bytes));  // makes the tiles
    EachCall there, back;
    while (there.next()) {
      there.run([&] { return mg_copy(context, memory, MG_DEVICE_CUDA, from.data(), MG_DEVICE_HOST, bytes); });
    }
    while (back.next()) {
      back.run([&] { return mg_copy(context, to.data(), MG_DEVICE_HOST, memory, MG_DEVICE_CUDA, bytes); });
    }
    const char* const untold = tiles == 0 ? "" : "cudaStreamSynchronize ";
    CHECK(there.untold() == untold && back.untold() == untold);
    CHECK(there.calls() >= 2 + 3 * tiles && back.calls() >= 2 + 3 * tiles && to == from);
    mg_free(context, memory);
  }
}

TEST(fake_statuses_of_an_update) {
  if (!wanted()) return;
  const Context context(1, MG_BACKEND_CUDA);
  const int64_t width = 6, samples = 20, strides[] = {width, 0, 1};
  const int32_t zero = 0;
  const Array batch(context, MG_F32, gaussian(width * samples, 1), 0);
  const void* data[] = {batch.data()};
  for (const int32_t mode : {MG_MOMENTS_MIXED, MG_MOMENTS_TF32X3}) {
    EachCall each;
    while (each.next()) {
      mg_moments* moments = nullptr;
      CHECK_OK(mg_moments_create(context, 1, &width, 1, &zero, &zero, mode, MG_NONFINITE_FAIL, &moments));
      each.run([&] { return mg_moments_update(context, moments, data, MG_F32, samples, 1, strides); });
      mg_moments_destroy(context, moments);
    }
    CHECK(each.calls() > 10 && each.untold().empty());
  }
}

// Of each function that a large polar factor calls the first call.
TEST(fake_statuses_of_an_iteration) {
  if (!wanted()) return;
  const Context context(1, MG_BACKEND_CUDA);
  const int64_t n = 129;
  const Array a(context, MG_F64, gaussian(n * n, 1), 0), q(context, 8 * n * n, 0), sigma(context, 8 * n, 0);
  mg_polar_report report{};
  const auto run = [&] {
    return mg_polar(context, MG_F32, 1, n, a.doubles(), n, q.doubles(), n, sigma.doubles(), &report);
  };
  CHECK_OK(run());  // opens the libraries
  const int64_t begin = standin_calls();
  CHECK_OK(run());
  std::map<std::string, int64_t> first;
  const int64_t end = standin_calls();
  for (int64_t call = begin; call < end; ++call) first.insert({standin_name(call), call - begin});
  for (const auto& [name, call] : first) {
    standin_fail_after(call, 0);
    CHECK(run() == MG_INTERNAL && standin_failed() == name);
    standin_fail_after(-1, 0);
    CHECK(cudaDeviceSynchronize() == cudaSuccess);
  }
  CHECK(first.size() > 10);
}

// What cuSOLVER's decompositions say of themselves. LAPACK, which stands in, ends well.
TEST(fake_statuses_of_decompositions) {
  if (!wanted()) return;
  const Context context(1, MG_BACKEND_CUDA);
  const int64_t n = 40;
  const Vector a = gaussian(n * n, 1), square = multiply(n, n, n, a, false, a, true);
  const auto svd = [&](int64_t size, Vector& values) {
    const Array in(context, MG_F64, a, 0), u(context, 8 * n * n, 0), vt(context, 8 * n * n, 0);
    const Array sigma(context, 8 * size, 0);
    const int32_t status =
        mg_svd(context, size, size, in.doubles(), n, u.doubles(), n, sigma.doubles(), vt.doubles(), n);
    values = u.values(MG_F64);
    const Vector right = vt.values(MG_F64);
    values.insert(values.end(), right.begin(), right.end());
    return status;
  };
  Vector factors, again;
  standin_tell_info(3);
  CHECK_FAILS(svd(20, factors), MG_NUMERICAL, "dgesvd failed with info = 3");
  // gesvdp has another way behind it.
  CHECK_OK(svd(n, factors));
  standin_tell_info(3);
  CHECK_OK(svd(n, again));
  CHECK(largest_difference(again, factors) <= 1e-12);
  const Array symmetric(context, MG_F64, square, 0), vectors(context, 8 * n * n, 0);
  const Array values(context, MG_F64, gaussian(n, 2), 0);
  standin_tell_info(1);
  CHECK_FAILS(mg_solve(context, n, 1, symmetric.doubles(), n, values.doubles(), 1, values.doubles(), 1), MG_NUMERICAL,
              "a is not positive definite to working precision: it has no Cholesky factor");
  standin_tell_info(2);
  CHECK_FAILS(mg_symmetric_eigen(context, n, symmetric.doubles(), n, vectors.doubles(), n, values.doubles()),
              MG_NUMERICAL, "dsyevd failed with info = 2");
  standin_tell_info(-4);
  CHECK_FAILS(mg_symmetric_eigen(context, n, symmetric.doubles(), n, vectors.doubles(), n, values.doubles()),
              MG_INTERNAL, "symmetric_eigen on CUDA: argument 4 of cusolverDnDsyevd is wrong");
}

// Where a product on the fast way to a CCA map were wrong, the symmetric form would decide, and be right: it is not
// asked.
TEST(fake_cca_of_regular_covariances_is_fast) {
  if (!wanted()) return;
  const Context context(1, MG_BACKEND_CUDA);
  const int64_t n = 7;
  const Covariances p = covariances(n, 4 * n, 1, 9);
  const Array xx(context, MG_F64, p.xx, 0), yy(context, MG_F64, p.yy, 0), xy(context, MG_F64, p.xy, 0);
  const Array t(context, 8 * n * n, 0), tinv(context, 8 * n * n, 0);
  const double gamma = 0.1;
  mg_cca_report report{};
  const int64_t begin = standin_calls();
  CHECK_OK(mg_cca_map(context, MG_F64, n, xx.doubles(), yy.doubles(), xy.doubles(), 1, &gamma, &gamma, t.doubles(),
                      tinv.doubles(), nullptr, &report));
  const int64_t end = standin_calls();
  CHECK(end > begin);
  for (int64_t call = begin; call < end; ++call) CHECK(std::string(standin_name(call)) != "cusolverDnDsyevd");
}
