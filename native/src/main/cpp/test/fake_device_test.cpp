// SPDX-License-Identifier: Apache-2.0
// What must hold for every device, shown on the two in host memory: run with
// MERGANSER_CUDA_PLUGIN=.../libmerganser_fake.so or libmerganser_standin.so, empty otherwise.
#include <unistd.h>

#include "test/check.h"
#include "test/costs.h"

using namespace check;

namespace {

struct Counts {
  explicit Counts(mg_context* context) { CHECK_OK(mg_transfer_counts(context, &to_device, &to_host)); }
  bool operator==(const Counts& other) const { return to_device == other.to_device && to_host == other.to_host; }
  int64_t to_device = -1, to_host = -1;
};

// An array on the device of a context.
template <typename T>
class Array {
 public:
  Array(mg_context* context, const std::vector<T>& values) : context_(context), size_(values.size()) {
    void* memory = nullptr;
    CHECK_OK(mg_alloc(context, bytes(), &memory));
    data_ = static_cast<T*>(memory);
    CHECK_OK(mg_copy(context, data_, MG_DEVICE_CUDA, values.data(), MG_DEVICE_HOST, bytes()));
  }
  ~Array() { mg_free(context_, data_); }
  Array(const Array&) = delete;
  std::vector<T> read() const {
    std::vector<T> values(size_);
    CHECK_OK(mg_copy(context_, values.data(), MG_DEVICE_HOST, data_, MG_DEVICE_CUDA, bytes()));
    return values;
  }
  int64_t bytes() const { return static_cast<int64_t>(size_ * sizeof(T)); }
  T* data() const { return data_; }

 private:
  mg_context* context_;
  size_t size_;
  T* data_ = nullptr;
};

std::string format_pointer(const void* pointer) {
  char text[32];
  std::snprintf(text, sizeof text, "%p", pointer);
  return text;
}

}  // namespace

TEST(fake_is_a_device) {
  if (!device_on_host()) return;
  CHECK(std::string(mg_cuda_reason()).empty());
  const std::string name = fake_device() ? "name: fake device in host memory\n" : "name: stand-in on the host\n";
  CHECK(std::string(mg_cuda_device()).find(name) == 0);
}

TEST(fake_memory_is_out_of_reach) {
  if (!device_on_host()) return;
  Context device(2, MG_BACKEND_CUDA);
  const int64_t before = mg_allocated_bytes();
  {
    const Array<double> array(device, {1, 2, 3});
    CHECK(mg_allocated_bytes() == before + 24);
    int ends[2];
    CHECK(pipe(ends) == 0);
    CHECK(write(ends[1], array.data(), 8) == -1 && errno == EFAULT);
    close(ends[0]);
    close(ends[1]);
    CHECK(array.read() == (Vector{1, 2, 3}));
  }
  CHECK(mg_allocated_bytes() == before);
  void* memory = nullptr;
  CHECK(mg_alloc(device, INT64_MAX / 2, &memory) == MG_OUT_OF_MEMORY);
  CHECK_OK(mg_alloc(device, 0, &memory));
  CHECK(memory != nullptr);
  mg_free(device, memory);
}

TEST(fake_counts_are_exact) {
  if (!device_on_host()) return;
  Context device(2, MG_BACKEND_CUDA), other(2, MG_BACKEND_CUDA), cpu;
  const int64_t n = 1000;
  const Array<double> a(device, gaussian(n, 1)), b(device, gaussian(n, 2)), sum(device, Vector(n, 0.0));
  CHECK(Counts(device).to_device == 3 * 8 * n && Counts(device).to_host == 0);
  // Routines and copies on the device move nothing between the two.
  const Counts before(device);
  const void* in[] = {a.data(), b.data()};
  const double weights[] = {.5, .5};
  int64_t found[2];
  CHECK_OK(mg_weighted_sum(device, MG_F64, n, 2, in, weights, sum.data()));
  CHECK_OK(mg_convert(device, MG_F64, MG_BF16, n, a.data(), sum.data(), &found[0]));
  CHECK_OK(mg_nonfinite_count(device, MG_F64, n, a.data(), &found[0], &found[1]));
  CHECK_OK(mg_gemm(device, MG_F64, 0, 1, 10, 10, 100, 1, a.data(), 100, b.data(), 100, 0, sum.data(), 10));
  CHECK_OK(mg_copy(device, sum.data(), MG_DEVICE_CUDA, a.data(), MG_DEVICE_CUDA, 8 * n));
  CHECK(Counts(device) == before);
  CHECK(same_bits(sum.read(), a.read()));
  CHECK(Counts(device).to_host == 2 * 8 * n && Counts(device).to_device == before.to_device);
  // A part of an array; a failed copy; host to host; another context.
  double one = 0;
  CHECK_OK(mg_copy(device, &one, MG_DEVICE_HOST, a.data() + 7, MG_DEVICE_CUDA, 8));
  CHECK(one == gaussian(n, 1)[7] && Counts(device).to_host == 2 * 8 * n + 8);
  double two = 5;
  CHECK_OK(mg_copy(device, &two, MG_DEVICE_HOST, &one, MG_DEVICE_HOST, 8));
  CHECK(two == one && Counts(device).to_host == 2 * 8 * n + 8);
  CHECK(Counts(other) == Counts(cpu) && Counts(other).to_device == 0);
  CHECK_FAILS(mg_transfer_counts(device, nullptr, &found[0]), MG_INVALID_ARGUMENT, "a pointer is NULL");
}

TEST(fake_copies_say_where_memory_is) {
  if (!device_on_host()) return;
  Context device(1, MG_BACKEND_CUDA), cpu;
  const Array<double> a(device, {1, 2, 3, 4});
  double host[4];
  const Counts before(device);
  CHECK_FAILS(mg_copy(device, host, MG_DEVICE_CUDA, a.data(), MG_DEVICE_CUDA, 8), MG_INVALID_ARGUMENT,
              "to of copy lies on the host, not on " + device_name());
  CHECK_FAILS(mg_copy(device, host, MG_DEVICE_HOST, a.data(), MG_DEVICE_HOST, 8), MG_INVALID_ARGUMENT,
              "from of copy lies on " + device_name() + ", not on the host");
  CHECK_FAILS(mg_copy(device, a.data() + 1, MG_DEVICE_CUDA, a.data(), MG_DEVICE_CUDA, 16), MG_INVALID_ARGUMENT,
              "from and to overlap on " + device_name());
  CHECK_FAILS(mg_copy(cpu, host, MG_DEVICE_HOST, a.data(), MG_DEVICE_CUDA, 8), MG_UNAVAILABLE,
              "a CPU context copies within host memory only");
  CHECK(Counts(device) == before);
}

// What holds on every device; that the order is kept is seen in cuda_streams_test.cpp.
TEST(fake_streams) {
  if (!device_on_host()) return;
  Context device(1, MG_BACKEND_CUDA), another(1, MG_BACKEND_CUDA), cpu;
  const Array<double> a(device, {1, 2, 3});
  const Counts before(device);
  const std::vector<mg_context*> contexts = {device, another, cpu};
  for (mg_context* context : contexts) {
    mg_context_cancel(context, 1);
    for (int turn = 0; turn < 2; ++turn) {
      CHECK_OK(mg_context_wait(context, nullptr));
      CHECK_OK(mg_context_signal(context, nullptr));
    }
    mg_context_cancel(context, 0);
  }
  CHECK(Counts(device) == before && a.read() == (Vector{1, 2, 3}));
  CHECK_FAILS(mg_context_wait(nullptr, nullptr), MG_INVALID_ARGUMENT, "context is NULL");
  CHECK_FAILS(mg_context_signal(nullptr, nullptr), MG_INVALID_ARGUMENT, "context is NULL");
  if (!fake_device()) return;
  // The fake device wants those who wait to signal, and knows its streams.
  CHECK_OK(mg_context_wait(device, a.data()));
  CHECK_OK(mg_context_wait(another, a.data()));
  CHECK_FAILS(mg_context_wait(device, a.data()), MG_INVALID_ARGUMENT,
              "the stream has not been signalled since it was waited for");
  CHECK_OK(mg_context_signal(device, a.data()));
  CHECK_FAILS(mg_context_signal(device, a.data()), MG_INVALID_ARGUMENT,
              "the stream was signalled but not waited for");
  double host = 0;
  const std::string none = format_pointer(&host) + " is no stream of the fake device";
  CHECK_FAILS(mg_context_wait(device, &host), MG_INVALID_ARGUMENT, none);
  CHECK_FAILS(mg_context_signal(device, &host), MG_INVALID_ARGUMENT, none);
}

// Every array argument of every routine: one pointer of the wrong side is named.
TEST(fake_residency_is_checked) {
  if (!device_on_host()) return;
  Context device(1, MG_BACKEND_CUDA), cpu(1);
  for (bool on_device : {true, false}) {
    mg_context* context = on_device ? static_cast<mg_context*>(device) : static_cast<mg_context*>(cpu);
    const Array<double> array(device, Vector(4, 1.0));
    Vector host(4, 1.0);
    double* right = on_device ? array.data() : host.data();
    double* wrong = on_device ? host.data() : array.data();
    const auto says = [&](const std::string& argument, const std::string& routine) {
      return argument + " of " + routine + " lies on " +
             (on_device ? "the host, the context runs on " + device_name()
                        : device_name() + ", the context runs on the CPU");
    };
    const auto refused = [&](int32_t status, const std::string& argument, const std::string& routine) {
      check::report(status == MG_INVALID_ARGUMENT && mg_last_error() == says(argument, routine), __FILE__, __LINE__,
                    argument + " of " + routine + ": " + std::to_string(status) + " " + mg_last_error());
    };
    const double weights[] = {1, 1};
    int64_t index[] = {0, 1}, numbers[2];
    double number;
    for (int k = 0; k < 2; ++k) {
      const void* in[] = {k == 0 ? wrong : right, k == 1 ? wrong : right};
      refused(mg_weighted_sum(context, MG_F64, 2, 2, in, weights, right), k == 0 ? "in[0]" : "in[1]", "weighted_sum");
    }
    const void* in[] = {right, right};
    refused(mg_weighted_sum(context, MG_F64, 2, 2, in, weights, wrong), "out", "weighted_sum");
    refused(mg_convert(context, MG_F64, MG_F32, 2, wrong, right, numbers), "in", "convert");
    refused(mg_convert(context, MG_F64, MG_F32, 2, right, wrong + 1, numbers), "out", "convert");
    refused(mg_nonfinite_count(context, MG_F64, 2, wrong, &numbers[0], &numbers[1]), "in", "nonfinite_count");

    const char* gemm[] = {"a", "b", "c"};
    for (int k = 0; k < 3; ++k) {
      refused(mg_gemm(context, MG_F64, 0, 0, 1, 1, 1, 1, k == 0 ? wrong : right, 1, k == 1 ? wrong : right, 1, 0,
                      k == 2 ? wrong : right, 1),
              gemm[k], "gemm");
    }
    const char* polar[] = {"a", "q", "sigma"};
    for (int k = 0; k < 3; ++k) {
      mg_polar_report report;
      refused(mg_polar(context, MG_F64, 1, 1, k == 0 ? wrong : right, 1, k == 1 ? wrong : right, 1,
                       k == 2 ? wrong : right, &report),
              polar[k], "polar");
    }
    const double gamma = 0;
    const char* cca[] = {"sxx", "syy", "sxy", "t", "tinv", "correlations"};
    for (int k = 0; k < 6; ++k) {
      const auto at = [&](int argument) { return argument == k ? wrong : right; };
      mg_cca_report report;
      refused(mg_cca_map(context, MG_F64, 1, at(0), at(1), at(2), 1, &gamma, &gamma, at(3), at(4), at(5), &report),
              cca[k], "cca_map");
    }
    // Duals and means are on the host whatever the context runs on.
    const auto kept = [&](int32_t status, const std::string& argument, const std::string& routine) {
      const std::string want = argument + " of " + routine + " lies on " + device_name() + ", it is a list on the host";
      check::report(status == MG_INVALID_ARGUMENT && mg_last_error() == want, __FILE__, __LINE__,
                    argument + " of " + routine + ": " + std::to_string(status) + " " + mg_last_error());
    };
    double* list = host.data();
    double* off = array.data();
    mg_costs costs = matrix(MG_F64, 1, 1, wrong, 1);
    refused(assign(context, matrix(MG_F64, 1, 1, wrong, 1), 0, 0, numbers, list, list, &number), "cost", "assignment");
    refused(certified(context, matrix(MG_F64, 1, 1, wrong, 1), 0, index, list, list, &number), "cost",
            "assignment_certify");
    refused(mg_assignment_batch(context, 1, &costs, 0, numbers, list, list, &number), "problem 0: cost",
            "assignment_batch");
    costs.x = right;
    const char* duals[] = {"u", "v"};
    for (int k = 0; k < 2; ++k) {
      double* u = k == 0 ? off : list;
      double* v = k == 1 ? off : list;
      kept(assign(context, matrix(MG_F64, 1, 1, right, 1), 0, 0, numbers, u, v, &number), duals[k], "assignment");
      kept(certified(context, matrix(MG_F64, 1, 1, right, 1), 0, index, u, v, &number), duals[k], "assignment_certify");
      kept(mg_assignment_batch(context, 1, &costs, 0, numbers, u, v, &number), duals[k], "assignment_batch");
      kept(assign(context, products(MG_F64, 1, 1, 1, right, 1, right, 1), 0, 0, numbers, u, v, &number), duals[k],
           "assignment");
      kept(certified(context, products(MG_F64, 1, 1, 1, right, 1, right, 1), 0, index, u, v, &number), duals[k],
           "assignment_certify");
    }
    const char* factors[] = {"x", "y"};
    for (int k = 0; k < 2; ++k) {
      const auto at = [&](int argument) { return argument == k ? wrong : right; };
      refused(assign(context, products(MG_F64, 1, 1, 1, at(0), 1, at(1), 1), 0, 0, numbers, list, list, &number),
              factors[k], "assignment");
      refused(certified(context, products(MG_F64, 1, 1, 1, at(0), 1, at(1), 1), 0, index, list, list, &number),
              factors[k], "assignment_certify");
    }
    refused(mg_divide(context, 1, 1, wrong, 1, nullptr, nullptr, right, 1), "a", "divide");
    refused(mg_divide(context, 1, 1, right, 1, nullptr, nullptr, wrong, 1), "out", "divide");
    kept(mg_divide(context, 1, 1, right, 1, off, list, right, 1), "row_divisors", "divide");
    kept(mg_divide(context, 1, 1, right, 1, list, off, right, 1), "col_divisors", "divide");
    refused(mg_norm(context, MG_NORM_ONE, 1, 1, wrong, 1, 0, &number), "a", "norm");
    refused(mg_row_products(context, 1, 1, wrong, 1, right, 1, list), "x", "row_products");
    refused(mg_row_products(context, 1, 1, right, 1, wrong, 1, list), "y", "row_products");
    kept(mg_row_products(context, 1, 1, right, 1, right, 1, off), "out", "row_products");
    const int32_t identity[] = {0, 1, 2};
    const int64_t one_column = 1;
    const char* centred[] = {"in", "out"};
    for (int k = 0; k < 2; ++k) {
      const auto at = [&](int argument) { return argument == k ? wrong : right; };
      refused(mg_centre_columns(context, MG_F64, MG_F64, 1, 1, at(0), 1, at(1), 1), centred[k], "centre_columns");
      refused(mg_gram(context, MG_F64, MG_F64, MG_GRAM_PRODUCTS, 1, 1, at(0), 1, at(1)), k == 0 ? "x" : "out", "gram");
      refused(mg_centre_gram(context, MG_CENTRE_BIASED, 1, at(0), at(1)), k == 0 ? "k" : "out", "centre_gram");
      refused(mg_permuted_products(context, 1, at(0), at(1), 1, identity, list), k == 0 ? "k" : "l",
              "permuted_products");
      const void* layers[] = {at(0)};
      refused(mg_gram_rows(context, MG_F64, MG_F64, 1, 3, &one_column, layers, at(1), 3), k == 0 ? "x[0]" : "out",
              "gram_rows");
    }
    refused(mg_gaussian(context, 1, 1, wrong), "d", "gaussian");
    kept(mg_permuted_products(context, 1, right, right, 1, identity, off), "out", "permuted_products");
    const char* apply[] = {"in", "out", "map"};
    for (int k = 0; k < 3; ++k) {
      const auto at = [&](int argument) { return argument == k ? wrong : right; };
      refused(mg_apply_dense(context, MG_F64, 1, 1, 1, 1, at(2), 1, 0, at(0), 1, at(1), 1), apply[k], "apply_dense");
      if (k < 2) {
        refused(mg_apply_gather(context, MG_F64, 1, 2, 1, 2, index, nullptr, at(0), 2, at(1), 2), apply[k],
                "apply_gather");
      }
    }
    const int64_t width = 1, strides[] = {1, 0, 1};
    const int32_t zero = 0;
    mg_moments* moments = nullptr;
    CHECK_OK(mg_moments_create(context, 1, &width, 1, &zero, &zero, MG_MOMENTS_F64, MG_NONFINITE_FAIL, &moments));
    const void* data[] = {wrong};
    refused(mg_moments_update(context, moments, data, MG_F64, 2, 1, strides), "data[0]", "moments_update");
    kept(mg_moments_series(context, moments, 0, off, list), "mean", "moments_series");
    kept(mg_moments_series(context, moments, 0, list, off), "m2", "moments_series");
    refused(mg_moments_block(context, moments, 0, wrong), "out", "moments_block");
    mg_moments_destroy(context, moments);
  }
}

TEST(fake_moments_belong_to_a_backend) {
  if (!device_on_host()) return;
  Context device(2, MG_BACKEND_CUDA), cpu;
  const int64_t n = 20, strides[] = {n, 0, 1};
  const int32_t zero = 0;
  const Vector x = gaussian(n * n, 1);
  const Array<double> a(device, x);
  for (bool on_device : {false, true}) {
    mg_context* context = on_device ? static_cast<mg_context*>(device) : static_cast<mg_context*>(cpu);
    mg_context* another = on_device ? static_cast<mg_context*>(cpu) : static_cast<mg_context*>(device);
    mg_moments* moments = nullptr;
    const void* data[] = {on_device ? a.data() : x.data()};
    CHECK_OK(mg_moments_create(context, 1, &n, 1, &zero, &zero, MG_MOMENTS_F64, MG_NONFINITE_FAIL, &moments));
    CHECK_OK(mg_moments_update(context, moments, data, MG_F64, n, 1, strides));
    CHECK_FAILS(mg_moments_update(another, moments, data, MG_F64, n, 1, strides), MG_INVALID_ARGUMENT,
                "the moments belong to another backend");
    mg_moments_destroy(context, moments);
  }
}
