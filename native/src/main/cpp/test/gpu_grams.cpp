// SPDX-License-Identifier: Apache-2.0
// What gpu-check times of Gram matrices.
#include <algorithm>
#include <numeric>
#include <random>

#include "test/gpu_bench.h"

namespace check {

namespace {

std::string size_text(int64_t n, int64_t p) { return std::to_string(n) + " x " + std::to_string(p); }

Vector doubles(const Memory& memory) {
  const std::vector<char> bytes = memory.read();
  Vector values(bytes.size() / sizeof(double));
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

// The samples of `device` repeat with a period, and so do the rows and columns of what is made of them.
bool repeats_in_tiles(const Vector& all, int64_t n, const Vector& tile, int64_t period, double tolerance) {
  const double allowed = tolerance * largest_magnitude(tile);
  for (int64_t e = 0; e < n * n; ++e) {
    if (!(std::fabs(all[e] - tile[e / n % period * period + e % n % period]) <= allowed)) return false;
  }
  return true;
}

void products(Bench& bench) {
  const int64_t n = bench.size(4096, 48), p = bench.size(4096, 40), period = bench.size(256, 16);
  const Memory x(bench.device, MG_F32, n * p, period * p, 101), few(bench.cpu, MG_F32, period * p, period * p, 101);
  const Memory out(bench.device, n * n * 8), tile(bench.cpu, period * period * 8);
  for (const int32_t precision : {MG_F64, MG_F32}) {
    for (const int32_t kind : {MG_GRAM_PRODUCTS, MG_GRAM_DISTANCES}) {
      const std::string name = kind == MG_GRAM_PRODUCTS ? "gram " : "gram (distances) ";
      Timing& timing = bench.add(name + type_name(precision), size_text(n, p));
      timing.limit = precision == MG_F64 ? Limit::GEMM_F64 : Limit::GEMM_F32;
      timing.work = static_cast<double>(n) * static_cast<double>(n) * static_cast<double>(p);
      if (kind == MG_GRAM_PRODUCTS && !bench.brief) timing.least_share = 0.8;
      timing.device_ms = bench.milliseconds(
          [&] { must(mg_gram(bench.device, MG_F32, precision, kind, n, p, x.data(), p, out.doubles())); });
      must(mg_gram(bench.cpu, MG_F32, MG_F64, kind, period, p, few.data(), p, tile.doubles()));
      const double tolerance = precision == MG_F64 ? 1e-12 : 2e-5;
      if (!repeats_in_tiles(doubles(out), n, doubles(tile), period, tolerance)) timing.wrong = "differs from the CPU";
    }
  }
}

// Batches of the layers of a network, each a product too small to fill a GPU.
void rows(Bench& bench) {
  const int32_t layers = 32;
  const int64_t n = bench.size(256, 12), p = bench.size(1024, 20), packed = n * (n - 1) / 2;
  const Memory there(bench.device, MG_F32, layers * n * p, layers * n * p, 102);
  const Memory here(bench.cpu, MG_F32, layers * n * p, layers * n * p, 102);
  const Memory found(bench.device, layers * packed * 8), expected(bench.cpu, layers * packed * 8);
  const std::vector<int64_t> widths(layers, p);
  const auto run = [&](mg_context* context, const Memory& x, const Memory& out) {
    std::vector<const void*> pointers;
    for (int32_t l = 0; l < layers; ++l) pointers.push_back(x.floats() + l * n * p);
    must(mg_gram_rows(context, MG_F32, MG_F64, layers, n, widths.data(), pointers.data(), out.doubles(), packed));
  };
  Timing& timing = bench.add("gram_rows F64", "32 x " + size_text(n, p));
  timing.limit = Limit::GEMM_F64;
  timing.work = layers * static_cast<double>(n) * static_cast<double>(n) * static_cast<double>(p);
  timing.device_ms = bench.milliseconds([&] { run(bench.device, there, found); });
  timing.cpu_ms = bench.milliseconds([&] { run(bench.cpu, here, expected); });
  const Vector wanted = doubles(expected);
  if (!(largest_difference(doubles(found), wanted) <= 1e-12 * largest_magnitude(wanted))) {
    timing.wrong = "differs from the CPU by > 1e-12";
  }
}

// Passes whose bytes are the CPU's.
void passes(Bench& bench) {
  const int64_t n = bench.size(4096, 48), samples = bench.size(10000, 50), p = bench.size(4096, 40);
  const auto pass = [&](const std::string& name, const std::string& size, double bytes,
                        const std::function<void(mg_context*, bool)>& call, const Memory& found, const Memory& wanted) {
    Timing& timing = bench.add(name, size);
    timing.limit = Limit::COPY;
    timing.work = bytes;
    call(bench.device, true);
    call(bench.cpu, false);
    if (found.read() != wanted.read()) timing.wrong = "other bytes than on the CPU";
    timing.device_ms = bench.milliseconds([&] { call(bench.device, true); });
  };
  {
    const Memory x(bench.device, MG_F32, samples * p, samples * p, 103), z(bench.device, samples * p * 4);
    const Memory y(bench.cpu, MG_F32, samples * p, samples * p, 103), w(bench.cpu, samples * p * 4);
    pass("centre_columns F32", size_text(samples, p), 12 * static_cast<double>(samples * p),
         [&](mg_context* context, bool there) {
           must(mg_centre_columns(context, MG_F32, MG_F32, samples, p, (there ? x : y).data(), p,
                                  (there ? z : w).data(), p));
         },
         z, w);
  }
  const double area = 8 * static_cast<double>(n * n);
  const Memory x(bench.cpu, MG_F32, n * 8, n * 8, 104), k(bench.cpu, n * n * 8), out(bench.cpu, n * n * 8);
  must(mg_gram(bench.cpu, MG_F32, MG_F64, MG_GRAM_DISTANCES, n, 8, x.data(), 8, k.doubles()));
  const Memory there(bench.device, n * n * 8), found(bench.device, n * n * 8);
  there.write(k.read().data(), n * n * 8);
  for (const int32_t centring : {MG_CENTRE_BIASED, MG_CENTRE_UNBIASED, MG_CENTRE_PACKED}) {
    const bool packed = centring == MG_CENTRE_PACKED;
    const char* names[] = {"centre_gram, biased", "centre_gram, unbiased", "centre_gram, packed"};
    if (packed) found.write(out.read().data(), n * n * 8);  // what is beyond it stays what it was
    pass(names[centring], size_text(n, n), (packed ? 2.5 : 3) * area,
         [&](mg_context* context, bool device) {
           must(mg_centre_gram(context, centring, n, (device ? there : k).doubles(), (device ? found : out).doubles()));
         },
         found, out);
  }
  pass("gaussian", size_text(n, n), 2 * area,
       [&](mg_context* context, bool device) {
         must(mg_gaussian(context, n * n, 0.5, (device ? there : k).doubles()));
       },
       there, k);
}

void permutations(Bench& bench) {
  const int64_t n = bench.size(2000, 30), count = bench.size(999, 5), checked = std::min<int64_t>(count, 8);
  const Memory x(bench.cpu, MG_F32, n * 8, n * 8, 105), k(bench.cpu, n * n * 8), l(bench.cpu, n * n * 8);
  must(mg_gram(bench.cpu, MG_F32, MG_F64, MG_GRAM_PRODUCTS, n, 8, x.data(), 8, k.doubles()));
  must(mg_gram(bench.cpu, MG_F32, MG_F64, MG_GRAM_DISTANCES, n, 8, x.data(), 8, l.doubles()));
  const Memory dk(bench.device, n * n * 8), dl(bench.device, n * n * 8);
  dk.write(k.read().data(), n * n * 8);
  dl.write(l.read().data(), n * n * 8);
  std::mt19937_64 random(106);
  std::vector<int32_t> orders(static_cast<size_t>(count * n));
  for (int64_t b = 0; b < count; ++b) {
    std::iota(orders.begin() + b * n, orders.begin() + (b + 1) * n, 0);
    std::shuffle(orders.begin() + b * n, orders.begin() + (b + 1) * n, random);
  }
  Vector found(static_cast<size_t>(count)), expected(static_cast<size_t>(checked));
  Timing& timing = bench.add("permuted_products", size_text(count, n));
  timing.device_ms = bench.milliseconds([&] {
    must(mg_permuted_products(bench.device, n, dk.doubles(), dl.doubles(), count, orders.data(), found.data()));
  });
  must(mg_permuted_products(bench.cpu, n, k.doubles(), l.doubles(), checked, orders.data(), expected.data()));
  if (!std::equal(expected.begin(), expected.end(), found.begin())) timing.wrong = "other sums than on the CPU";
}

}  // namespace

const std::vector<Case>& gpu_grams() {
  static const std::vector<Case> cases = {
      {"gram", products}, {"gram_rows", rows}, {"passes of Gram matrices", passes}, {"permutations", permutations}};
  return cases;
}

}  // namespace check
