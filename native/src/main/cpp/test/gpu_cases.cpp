// SPDX-License-Identifier: Apache-2.0
// What gpu-check times, at sizes that users have, each with a check of its results where the size itself could break
// them: alignment, and training of merges. Merging and single passes: gpu_passes.cpp; Gram matrices:
// gpu_grams.cpp.
#include <algorithm>
#include <memory>

#include "merganser_testing.h"
#include "test/costs.h"
#include "test/gpu_bench.h"

namespace check {

namespace {

// ---- NP Merge ------------------------------------------------------------------------------------------

struct NpCase {
  const char* name;
  int32_t form, optimizer, granularity;
  double bytes;  // of a parameter, from the head comments of cuda/np_*.cu
};

class Np {
 public:
  Np(mg_context* context, const NpCase& kind, int64_t count, int64_t period)
      : context_(context), gradient_(context, MG_F32, count, period, 13), theta_(context, count * 4) {
    for (uint64_t k : {11, 12}) models_.push_back(std::make_unique<Memory>(context, MG_F32, count, period, k));
    const mg_np_options options{kind.form, kind.optimizer, kind.granularity, 2, MG_F32, 0.9, 0.999, 1e-8, 0, 0, 20};
    const void* in[] = {models_[0]->data(), models_[1]->data()};
    const int64_t rows = std::max<int64_t>(1, count / 4096);
    must(mg_np_create(context, &options, 1, &count, &rows, in, nullptr, &np_));
  }
  ~Np() { mg_np_destroy(context_, np_); }
  Np(const Np&) = delete;
  void step() {
    const float* gradient = gradient_.floats();
    float* theta = theta_.floats();
    int32_t slot = -1;
    int64_t index = -1;
    must(mg_np_step(context_, np_, 0.01, &gradient, &theta, &slot, &index));
  }
  std::vector<char> theta() const { return theta_.read(); }

 private:
  mg_context* context_;
  Memory gradient_, theta_;
  std::vector<std::unique_ptr<Memory>> models_;
  mg_np* np_ = nullptr;
};

void np_steps(Bench& bench) {
  const NpCase sigmoid{"np_step sigmoid Adam", MG_NP_SIGMOID, MG_NP_ADAM, MG_NP_PARAMETER, 44};
  const std::pair<NpCase, int64_t> cases[] = {
      {sigmoid, 16},
      {sigmoid, 128},
      {{"np_step clamp SGD", MG_NP_CLAMP, MG_NP_SGD, MG_NP_PARAMETER, 28}, 16},
      {{"np_step softmax Adam", MG_NP_SOFTMAX, MG_NP_ADAM, MG_NP_PARAMETER, 68}, 16},
      {{"np_step sigmoid Adam, rows", MG_NP_SIGMOID, MG_NP_ADAM, MG_NP_ROW, 24}, 16}};
  const int64_t period = bench.size(int64_t{1} << 20, 1 << 13);
  for (const auto& [kind, periods] : cases) {
    const int64_t count = period * bench.size(periods, 3);
    Timing& timing = bench.add(kind.name, count_text(count) + " parameters");
    timing.limit = Limit::COPY;
    timing.work = kind.bytes * static_cast<double>(count);
    if (kind.granularity == MG_NP_PARAMETER && !bench.brief) timing.least_share = 0.8;
    Np device(bench.device, kind, count, period);
    device.step();
    Np cpu(bench.cpu, kind, period, period);
    cpu.step();
    if (!repeats(device.theta(), cpu.theta())) timing.wrong = "theta has other bytes than on the CPU";
    timing.device_ms = bench.milliseconds([&] { device.step(); });
    if (periods > 16) continue;
    Np whole(bench.cpu, kind, count, period);
    timing.cpu_ms = bench.milliseconds([&] { whole.step(); });
  }
}

// ---- Moments -------------------------------------------------------------------------------------------

class Moments {
 public:
  Moments(mg_context* context, int64_t d, int64_t n, int32_t mode = MG_MOMENTS_MIXED)
      : context_(context), d_(d), n_(n), mode_(mode), x_(context, MG_F32, n * d, n * d, 21),
        y_(context, MG_F32, n * d, n * d, 22) {}
  ~Moments() { mg_moments_destroy(context_, moments_); }
  Moments(const Moments&) = delete;
  // Both own blocks and the one between them; reading the sums waits for all of it.
  void run() {
    mg_moments_destroy(context_, moments_);
    moments_ = nullptr;
    const int64_t widths[] = {d_, d_}, strides[] = {d_, 0, 1, d_, 0, 1};
    const int32_t i[] = {0, 0, 1}, j[] = {0, 1, 1};
    must(mg_moments_create(context_, 2, widths, 3, i, j, mode_, MG_NONFINITE_FAIL, &moments_));
    const void* data[] = {x_.data(), y_.data()};
    must(mg_moments_update(context_, moments_, data, MG_F32, n_, 1, strides));
    Vector mean(static_cast<size_t>(d_)), m2(static_cast<size_t>(d_));
    must(mg_moments_series(context_, moments_, 0, mean.data(), m2.data()));
  }
  Vector block(int32_t k) {
    const Memory out(context_, d_ * d_ * 8);
    must(mg_moments_block(context_, moments_, k, out.doubles()));
    const std::vector<char> bytes = out.read();
    Vector values(static_cast<size_t>(d_ * d_));
    std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
  }

 private:
  mg_context* context_;
  int64_t d_, n_;
  int32_t mode_;
  Memory x_, y_;
  mg_moments* moments_ = nullptr;
};

// Each is within 1e-5 of the exact sums, judged by the largest of own blocks.
void compare(Timing& timing, Moments& found, Moments& expected) {
  const double allowed = 2e-5 * largest_magnitude(expected.block(0));
  for (int32_t k = 0; k < 3; ++k) {
    if (largest_difference(found.block(k), expected.block(k)) <= allowed) continue;
    timing.wrong = "differs by > 2e-5 from the CPU, or from MIXED";
  }
}

void moments(Bench& bench) {
  for (const auto& [d, n] : {std::pair<int64_t, int64_t>{512, 50000}, {4096, 16384}}) {
    const int64_t width = bench.size(d, 24), samples = bench.size(n, 100);
    Timing& timing = bench.add("moments", "d = " + std::to_string(width) + ", n = " + std::to_string(samples));
    timing.limit = Limit::GEMM_F32;
    timing.work = 4 * static_cast<double>(samples) * static_cast<double>(width) * static_cast<double>(width);
    if (!bench.brief) timing.least_share = 0.8;
    Moments device(bench.device, width, samples);
    timing.device_ms = bench.milliseconds([&] { device.run(); });
    if (d > 512) continue;
    Moments cpu(bench.cpu, width, samples);
    timing.cpu_ms = bench.milliseconds([&] { cpu.run(); });
    compare(timing, device, cpu);
  }
  // Three products of TF32 for each of F32, whose rate they have to exceed to be worth it.
  const int64_t width = bench.size(4096, 24), samples = bench.size(16384, 100);
  Timing& timing = bench.add("moments TF32X3", "d = " + std::to_string(width) + ", n = " + std::to_string(samples));
  timing.limit = Limit::GEMM_F32;
  timing.work = 4 * static_cast<double>(samples) * static_cast<double>(width) * static_cast<double>(width);
  Moments device(bench.device, width, samples, MG_MOMENTS_TF32X3), mixed(bench.device, width, samples);
  timing.device_ms = bench.milliseconds([&] { device.run(); });
  mixed.run();
  compare(timing, device, mixed);
}

// ---- Linear algebra ------------------------------------------------------------------------------------

// The largest element of op(a) b - I.
double off_identity(mg_context* context, int64_t n, bool transpose, const Memory& a, const Memory& b) {
  const Memory product(context, n * n * 8);
  must(mg_gemm(context, MG_F64, transpose, 0, n, n, n, 1, a.data(), n, b.data(), n, 0, product.data(), n));
  double most = kNaN;
  must(mg_norm(context, MG_NORM_MAX, n, n, product.doubles(), n, 1, &most));
  return most;
}

// Covariances of uniform x and of x mixed, with noise: made on the context.
struct Sums {
  Memory xx, yy, xy, t, tinv;
  Sums(mg_context* context, int64_t n)
      : xx(context, n * n * 8), yy(context, n * n * 8), xy(context, n * n * 8), t(context, n * n * 8),
        tinv(context, n * n * 8) {
    const int64_t m = 2 * n;
    const Memory x(context, MG_F64, m * n, m * n, 31), y(context, MG_F64, m * n, m * n, 32);
    const Memory mix(context, MG_F64, n * n, n * n, 33);
    const double share = 1 / std::sqrt(static_cast<double>(n)), mean = 1 / static_cast<double>(m);
    must(mg_gemm(context, MG_F64, 0, 0, m, n, n, share, x.data(), n, mix.data(), n, 0.5, y.data(), n));
    const auto product = [&](const Memory& a, const Memory& b, const Memory& out) {
      must(mg_gemm(context, MG_F64, 1, 0, n, n, m, mean, a.data(), n, b.data(), n, 0, out.data(), n));
    };
    product(x, x, xx);
    product(y, y, yy);
    product(x, y, xy);
  }
};

void map_of(mg_context* context, int32_t dtype, int64_t n, const Sums& sums) {
  const double gamma = 0.01;
  mg_cca_report report{};
  must(mg_cca_map(context, dtype, n, sums.xx.doubles(), sums.yy.doubles(), sums.xy.doubles(), 1, &gamma, &gamma,
                  sums.t.doubles(), sums.tinv.doubles(), nullptr, &report));
}

void cca(Bench& bench) {
  for (int64_t full : {1024, 2048, 4096}) {
    const int64_t n = bench.size(full, full / 128);
    const Sums sums(bench.device, n);
    for (int32_t dtype : {MG_F32, MG_F64}) {
      Timing& timing = bench.add(std::string("cca_map ") + type_name(dtype), "d = " + std::to_string(n));
      if (full == 4096 && dtype == MG_F32 && !bench.brief) timing.most_ms = 250;
      timing.device_ms = bench.milliseconds([&] { map_of(bench.device, dtype, n, sums); }, 1);
      if (!(off_identity(bench.device, n, false, sums.t, sums.tinv) <= 1e-7)) timing.wrong = "T Tinv is not I to 1e-7";
      if (full > 1024) continue;
      const Sums same(bench.cpu, n);
      timing.cpu_ms = bench.once([&] { map_of(bench.cpu, dtype, n, same); });
    }
  }
}

void polar_of(Bench& bench, int32_t dtype, int64_t count, int64_t n) {
  Timing& timing = bench.add(std::string("polar ") + type_name(dtype),
                             (count > 1 ? std::to_string(count) + " x " : "") + "n = " + std::to_string(n));
  const Memory a(bench.device, MG_F64, count * n * n, count * n * n, 41), q(bench.device, count * n * n * 8);
  std::vector<mg_polar_report> reports(static_cast<size_t>(count));
  timing.device_ms = bench.milliseconds([&] {
    must(mg_polar(bench.device, dtype, count, n, a.doubles(), n, q.doubles(), n, nullptr, reports.data()));
  }, 1);
  if (!(off_identity(bench.device, n, true, q, q) <= 1e-9)) timing.wrong = "q is not orthogonal to 1e-9";
}

void polar(Bench& bench) {
  for (int64_t n : {1024, 4096}) {
    for (int32_t dtype : {MG_F32, MG_F64}) polar_of(bench, dtype, 1, bench.size(n, n / 128));
  }
  polar_of(bench, MG_F64, bench.size(384, 3), bench.size(64, 8));
}

// ---- Linear assignment ---------------------------------------------------------------------------------

struct Solved {
  std::vector<int64_t> columns;
  Vector u, v, value;
  Solved(int64_t problems, int64_t n)
      : columns(static_cast<size_t>(problems * n)), u(columns.size()), v(columns.size()),
        value(static_cast<size_t>(problems)) {}
  bool operator==(const Solved& other) const {
    return columns == other.columns && same_bits(u, other.u) && same_bits(v, other.v) && same_bits(value, other.value);
  }
};

void solve(mg_context* context, int64_t problems, int64_t n, const Memory& costs, Solved* out) {
  std::vector<mg_costs> all;
  for (int64_t p = 0; p < problems; ++p) all.push_back(matrix(MG_F32, n, n, costs.floats() + p * n * n, n));
  must(problems == 1 ? mg_assignment(context, all.data(), 0, 0, out->columns.data(), out->u.data(), out->v.data(),
                                     out->value.data())
                     : mg_assignment_batch(context, problems, all.data(), 0, out->columns.data(), out->u.data(),
                                           out->v.data(), out->value.data()));
}

void assignments(Bench& bench) {
  for (const auto& [problems, n] : {std::pair<int64_t, int64_t>{1, 4096}, {1, 14336}, {256, 1024}}) {
    const int64_t count = bench.size(problems, std::min<int64_t>(problems, 5)), size = bench.size(n, 40);
    Timing& timing = bench.add(problems > 1 ? "assignment_batch F32" : "assignment F32",
                               (problems > 1 ? std::to_string(count) + " x " : "") + "n = " + std::to_string(size));
    const std::vector<char> costs = uniform(MG_F32, count * size * size, 51);
    Solved device(count, size), cpu(count, size);
    {
      const Memory there(bench.device, static_cast<int64_t>(costs.size()));
      there.write(costs.data(), static_cast<int64_t>(costs.size()));
      timing.device_ms = bench.milliseconds([&] { solve(bench.device, count, size, there, &device); }, 1);
      if (problems == 1) {
        Timing& certificate = bench.add("assignment_certify F32", "n = " + std::to_string(size));
        const mg_costs problem = matrix(MG_F32, size, size, there.data(), size);
        double violation = kNaN;
        certificate.device_ms = bench.milliseconds([&] {
          must(mg_assignment_certify(bench.device, &problem, 0, device.columns.data(), device.u.data(),
                                     device.v.data(), &violation));
        });
        if (!(violation <= 1e-9)) certificate.wrong = "optimality is violated by " + std::to_string(violation);
      }
    }
    const Memory here(bench.cpu, static_cast<int64_t>(costs.size()));
    here.write(costs.data(), static_cast<int64_t>(costs.size()));
    timing.cpu_ms = bench.once([&] { solve(bench.cpu, count, size, here, &cpu); });
    if (!(device == cpu)) timing.wrong = "another solution than the CPU's";
  }
}

}  // namespace

const std::vector<Case>& gpu_cases() {
  static const std::vector<Case> cases = [] {
    std::vector<Case> all = {
        {"np_step", np_steps}, {"moments", moments}, {"cca_map", cca}, {"polar", polar}, {"assignment", assignments}};
    for (const auto& more : {gpu_passes(), gpu_grams()}) all.insert(all.end(), more.begin(), more.end());
    return all;
  }();
  return cases;
}

}  // namespace check
