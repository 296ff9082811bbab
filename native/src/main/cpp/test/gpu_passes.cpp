// SPDX-License-Identifier: Apache-2.0
// What gpu-check times of merging, applying maps, and passes over arrays.
#include <memory>

#include "test/gpu_bench.h"

namespace check {

namespace {

// ---- Merge arithmetic ----------------------------------------------------------------------------------

// Four models of `count` elements and what is made of them.
struct Models {
  std::vector<std::unique_ptr<Memory>> arrays;
  std::vector<const void*> in;
  Memory out;
  Models(mg_context* context, int32_t dtype, int64_t count, int64_t period) : out(context, count * size_of(dtype)) {
    for (uint64_t k = 0; k < 4; ++k) {
      arrays.push_back(std::make_unique<Memory>(context, dtype, count, period, 61 + k));
      in.push_back(arrays.back()->data());
    }
  }
};

using Merging = void (*)(mg_context*, int32_t dtype, int64_t count, const Models& models);

void sum_models(mg_context* context, int32_t dtype, int64_t count, const Models& models) {
  const double weights[] = {0.1, 0.2, 0.3, 0.4};
  must(mg_weighted_sum(context, dtype, count, 4, models.in.data(), weights, models.out.data()));
}

// TIES: three task vectors over the first model, trimmed, with elected signs.
void ties(mg_context* context, int32_t dtype, int64_t count, const Models& models) {
  mg_task tasks[3];
  for (int32_t k = 0; k < 3; ++k) tasks[k] = mg_task{1, 1, MG_TRIM_MAGNITUDE, k, 0.5 + 0.25 * k, count, 0, 0};
  must(mg_task_merge(context, dtype, 0, count, 3, models.in[0], models.in.data() + 1, tasks, 1, 1, 0.7,
                     models.out.data()));
}

// SCE: three models over the first one, all elements.
void sce(mg_context* context, int32_t dtype, int64_t count, const Models& models) {
  const double parameters[] = {0, 0, 0.2, 0.3, 0.5};
  must(mg_formula_merge(context, dtype, MG_FORMULA_SCE, 0, count, 3, models.in[0], models.in.data() + 1, parameters,
                        nullptr, models.out.data()));
}

void merging(Bench& bench, const char* name, int32_t dtype, Merging run) {
  const int64_t period = bench.size(int64_t{1} << 20, 1 << 10), count = period * bench.size(64, 3);
  Timing& timing = bench.add(std::string(name) + " " + type_name(dtype), "4 x " + count_text(count));
  timing.limit = Limit::COPY;
  timing.work = 5.0 * static_cast<double>(count * size_of(dtype));
  const Models device(bench.device, dtype, count, period), cpu(bench.cpu, dtype, count, period);
  timing.device_ms = bench.milliseconds([&] { run(bench.device, dtype, count, device); });
  timing.cpu_ms = bench.milliseconds([&] { run(bench.cpu, dtype, count, cpu); });
  if (device.out.read() != cpu.out.read()) timing.wrong = "other bytes than on the CPU";
}

void merges(Bench& bench) {
  for (int32_t dtype : {MG_F32, MG_BF16}) {
    merging(bench, "weighted_sum", dtype, sum_models);
    merging(bench, "task_merge (TIES)", dtype, ties);
    merging(bench, "formula_merge (SCE)", dtype, sce);
  }
}

void magnitudes(Bench& bench) {
  const int64_t period = bench.size(int64_t{1} << 20, 1 << 10), periods = bench.size(128, 3), count = period * periods;
  Timing& timing = bench.add("magnitude_counts F32", count_text(count) + ", 16 bits");
  timing.limit = Limit::COPY;
  timing.work = 4 * static_cast<double>(count);
  const Memory there(bench.device, MG_F32, count, period, 71), here(bench.cpu, MG_F32, period, period, 71);
  std::vector<int64_t> expected(1 << 16, 0), found(1 << 16);
  const int64_t bytes = static_cast<int64_t>(found.size()) * 8;
  const Memory counts(bench.device, bytes);
  must(mg_magnitude_counts(bench.cpu, MG_F32, period, here.data(), nullptr, 15, 16, 0, expected.data()));
  int64_t runs = 0;
  std::vector<int64_t> zeros(1 << 16, 0);
  counts.write(zeros.data(), bytes);
  timing.device_ms = bench.milliseconds([&] {
    must(mg_magnitude_counts(bench.device, MG_F32, count, there.data(), nullptr, 15, 16, 0,
                             static_cast<int64_t*>(counts.data())));
    ++runs;
  });
  const auto read = counts.read();
  std::memcpy(found.data(), read.data(), static_cast<size_t>(bytes));
  for (int64_t& each : expected) each *= periods * runs;
  if (found != expected) timing.wrong = "other counts than the CPU's";
}

// ---- Maps, and passes over arrays ----------------------------------------------------------------------

// A map that is twice a permutation: the dense product must be what gathering with the scale 2 gives.
void maps(Bench& bench) {
  mg_context* device = bench.device;
  const int64_t n = bench.size(4096, 48);
  const Memory in(device, MG_BF16, n * n, n * n, 81), dense(device, n * n * 2), gathered(device, n * n * 2);
  std::vector<int64_t> index(static_cast<size_t>(n));
  Vector map(static_cast<size_t>(n * n), 0.0);
  const Vector scale(static_cast<size_t>(n), 2.0);
  for (int64_t r = 0; r < n; ++r) {
    index[r] = (5 * r + 2) % n;
    map[r * n + index[r]] = 2;
  }
  const Memory weights(device, n * n * 8);
  weights.write(map.data(), n * n * 8);
  const std::string size = std::to_string(n) + " x " + std::to_string(n);
  Timing& product = bench.add("apply_dense BF16", size);
  product.limit = Limit::GEMM_F64;
  product.work = 2 * static_cast<double>(n) * static_cast<double>(n) * static_cast<double>(n);
  product.device_ms = bench.milliseconds([&] {
    must(mg_apply_dense(device, MG_BF16, 1, n, n, n, weights.doubles(), n, 0, in.data(), n * n, dense.data(), n * n));
  });
  Timing& gather = bench.add("apply_gather BF16, scaled", size);
  gather.limit = Limit::COPY;
  gather.work = 4 * static_cast<double>(n * n);
  gather.device_ms = bench.milliseconds([&] {
    must(mg_apply_gather(device, MG_BF16, 1, n, n, n, index.data(), scale.data(), in.data(), n * n, gathered.data(),
                         n * n));
  });
  if (dense.read() != gathered.read()) product.wrong = "not what gathering gives";
}

void pass(Bench& bench, const char* name, const std::string& size, double bytes, const std::function<void()>& call) {
  Timing& timing = bench.add(name, size);
  timing.limit = Limit::COPY;
  timing.work = bytes;
  timing.device_ms = bench.milliseconds(call);
}

void passes(Bench& bench) {
  mg_context* device = bench.device;
  const int64_t period = bench.size(int64_t{1} << 20, 1 << 10), count = period * bench.size(128, 3);
  const double elements = static_cast<double>(count);
  {
    const Memory x(device, MG_F32, count, period, 91), out(device, count * 2);
    int64_t number = 0, first = 0;
    double sums[3];
    pass(bench, "convert F32 to BF16", count_text(count), 6 * elements,
         [&] { must(mg_convert(device, MG_F32, MG_BF16, count, x.data(), out.data(), &number)); });
    const Memory one(bench.cpu, MG_F32, period, period, 91), rounded(bench.cpu, period * 2);
    must(mg_convert(bench.cpu, MG_F32, MG_BF16, period, one.data(), rounded.data(), &number));
    if (!repeats(out.read(), rounded.read())) bench.timings.back().wrong = "other bytes than on the CPU";
    pass(bench, "nonfinite_count F32", count_text(count), 4 * elements,
         [&] { must(mg_nonfinite_count(device, MG_F32, count, x.data(), &number, &first)); });
    pass(bench, "dot_products F32", count_text(count), 4 * elements,
         [&] { must(mg_dot_products(device, MG_F32, count / 2, x.data(), x.floats() + count / 2, sums)); });
  }
  {
    const int64_t rows = bench.size(4096, 3), units = 1024, all = rows * units;
    const Memory x(device, MG_F32, all, units, 94), g(device, MG_F32, all, units, 95), out(device, all * 4);
    const Memory n(device, MG_F32, units, units, 96), s(device, MG_F32, units, units, 97), slopes(device, units * 16);
    const std::string size = std::to_string(rows) + " x " + std::to_string(units) + ", n of each unit";
    pass(bench, "gamma_forward F32", size, 8 * static_cast<double>(all), [&] {
      must(mg_gamma_forward(device, MG_F32, MG_GAMMA_PER_UNIT, rows, units, x.data(), n.data(), s.data(), 0,
                            out.data()));
    });
    pass(bench, "gamma_backward F32", size, 12 * static_cast<double>(all), [&] {
      must(mg_gamma_backward(device, MG_F32, MG_GAMMA_PER_UNIT, rows, units, x.data(), g.data(), n.data(), s.data(), 0,
                             out.data(), slopes.doubles(), slopes.doubles() + units));
    });
  }
  const int64_t n = bench.size(4096, 48);
  const double area = 8 * static_cast<double>(n * n);
  const std::string size = std::to_string(n) + " x " + std::to_string(n) + " F64";
  const Memory a(device, MG_F64, n * n, n * n, 92), b(device, n * n * 8);
  Vector list(static_cast<size_t>(n), 2.0), out(static_cast<size_t>(n));
  double result = 0;
  pass(bench, "transpose", size, 2 * area, [&] { must(mg_transpose(device, MG_F64, n, n, a.data(), n, b.data(), n)); });
  pass(bench, "divide", size, 2 * area,
       [&] { must(mg_divide(device, n, n, a.doubles(), n, list.data(), list.data(), b.doubles(), n)); });
  pass(bench, "norm", size, area, [&] { must(mg_norm(device, MG_NORM_ONE, n, n, a.doubles(), n, 0, &result)); });
  pass(bench, "row_products", size, 2 * area,
       [&] { must(mg_row_products(device, n, n, a.doubles(), n, b.doubles(), n, out.data())); });
}

}  // namespace

const std::vector<Case>& gpu_passes() {
  static const std::vector<Case> cases = {
      {"merging", merges}, {"magnitudes", magnitudes}, {"maps", maps}, {"passes", passes}};
  return cases;
}

}  // namespace check
