// SPDX-License-Identifier: Apache-2.0
// How gpu-check measures: see gpu_bench.h.
#include "test/gpu_bench.h"

#include <algorithm>

#include "abi/table.h"
#include "merganser_testing.h"
#include "runtime/context.h"

namespace check {

void must(int32_t status) {
  if (status == MG_OK) return;
  const std::string message = mg_last_error();
  if (status == MG_OUT_OF_MEMORY || status == MG_UNAVAILABLE) throw Skipped(message);
  throw std::runtime_error(message);
}

namespace {

// splitmix64
uint64_t mixed(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

template <typename Real>
void fill(std::vector<char>& to, int64_t count, uint64_t seed) {
  Real* values = reinterpret_cast<Real*>(to.data());
  for (int64_t i = 0; i < count; ++i) {
    const uint64_t bits = mixed(seed * 0xd1342543de82ef95u + static_cast<uint64_t>(i) * 0x9e3779b97f4a7c15u);
    values[i] = static_cast<Real>(static_cast<double>(bits >> 40) * 0x1p-23 - 1);  // exact in F32
  }
}

}  // namespace

std::vector<char> uniform(int32_t dtype, int64_t count, uint64_t seed) {
  std::vector<char> result(static_cast<size_t>(count * size_of(dtype)));
  if (dtype == MG_F64) {
    fill<double>(result, count, seed);
  } else if (dtype == MG_F32) {
    fill<float>(result, count, seed);
  } else {
    const std::vector<char> wide = uniform(MG_F32, count, seed);
    for (int64_t i = 0; i < count; ++i) store(dtype, element(MG_F32, wide.data(), i), result.data(), i);
  }
  return result;
}

bool repeats(const std::vector<char>& all, const std::vector<char>& period) {
  for (size_t at = 0; at < all.size(); at += period.size()) {
    if (std::memcmp(&all[at], period.data(), std::min(period.size(), all.size() - at)) != 0) return false;
  }
  return !period.empty();
}

const char* type_name(int32_t dtype) {
  static const char* const names[] = {"F64", "F32", "F16", "BF16"};
  return names[dtype];
}

std::string count_text(int64_t count) {
  char text[32];
  if (count < 1000000) return std::to_string(count);
  std::snprintf(text, sizeof text, "%.1f M", static_cast<double>(count) / 1e6);
  return text;
}

Memory::Memory(mg_context* context, int32_t dtype, int64_t count, int64_t period, uint64_t seed)
    : Memory(context, count * size_of(dtype)) {
  const std::vector<char> pattern = uniform(dtype, std::min(count, period), seed);
  write(pattern.data(), static_cast<int64_t>(pattern.size()));
  for (int64_t done = static_cast<int64_t>(pattern.size()); done < bytes_;) {
    const int64_t more = std::min(done, bytes_ - done);
    copy(static_cast<char*>(at_) + done, true, at_, true, more);
    done += more;
  }
}

std::vector<char> Memory::read() const {
  std::vector<char> result(static_cast<size_t>(bytes_));
  copy(result.data(), false, at_, true, bytes_);
  return result;
}

void Memory::copy(void* to, bool to_context, const void* from, bool from_context, int64_t bytes) const {
  const int32_t device = context_->table->device, host = MG_DEVICE_HOST;
  must(mg_copy(context_, to, to_context ? device : host, from, from_context ? device : host, bytes));
}

Bench::Bench(mg_context* device, mg_context* cpu, bool brief, double seconds)
    : device(device), cpu(cpu), brief(brief), seconds_(seconds) {}

double Bench::once(const std::function<void()>& call) const {
  const auto start = std::chrono::steady_clock::now();
  call();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

double Bench::milliseconds(const std::function<void()>& call, double seconds) const {
  double spent = once(call);
  if (spent > 1e3 * seconds) return spent;
  Vector times;
  spent = 0;
  while (times.size() < (brief ? 1 : 15) && (times.empty() || spent < 1e3 * seconds)) {
    times.push_back(once(call));
    spent += times.back();
  }
  std::nth_element(times.begin(), times.begin() + static_cast<int64_t>(times.size() / 2), times.end());
  return times[times.size() / 2];
}

Timing& Bench::add(const std::string& name, const std::string& size) {
  timings.emplace_back();
  timings.back().name = name;
  timings.back().size = size;
  return timings.back();
}

// The card's own: arrays beyond its cache, and products of matrices that fill it.
void measure_limits(Bench& bench) {
  mg_context* device = bench.device;
  const int64_t bytes = bench.size(int64_t{1} << 30, 1 << 16);
  {
    const Memory from(device, MG_F32, bytes / 4, 1 << 20, 1), to(device, bytes);
    const void* in[] = {from.data()};
    void* out[] = {to.data()};
    Timing& copy = bench.add("limit: copy on the device", count_text(bytes) + "B");
    copy.device_ms = bench.milliseconds([&] { must(mg_bandwidth(device, bytes, 1, in, 1, out)); });
    copy.work = 2 * static_cast<double>(bytes);
    bench.rates_[static_cast<int>(Limit::COPY)] = 1e3 * copy.work / copy.device_ms;
    copy.limit = Limit::COPY;
    if (to.read() != from.read()) copy.wrong = "the copy is another";
  }
  for (int32_t dtype : {MG_F32, MG_F64}) {
    const int64_t n = bench.size(8192, 48);
    const Memory a(device, dtype, n * n, n * n, 2), b(device, dtype, n * n, n * n, 3);
    const Memory c(device, n * n * size_of(dtype));
    Timing& gemm = bench.add(dtype == MG_F32 ? "limit: gemm F32" : "limit: gemm F64", std::to_string(n));
    gemm.limit = dtype == MG_F32 ? Limit::GEMM_F32 : Limit::GEMM_F64;
    gemm.device_ms = bench.milliseconds(
        [&] { must(mg_gemm(device, dtype, 0, 0, n, n, n, 1, a.data(), n, b.data(), n, 0, c.data(), n)); });
    gemm.work = 2 * static_cast<double>(n) * static_cast<double>(n) * static_cast<double>(n);
    bench.rates_[static_cast<int>(gemm.limit)] = 1e3 * gemm.work / gemm.device_ms;
  }
  const int64_t part = bench.size(int64_t{1} << 28, 1 << 16);
  const Memory there(device, part);
  std::vector<char> here(static_cast<size_t>(part), 1);
  bench.add("copy to the device", count_text(part) + "B, pageable").device_ms =
      bench.milliseconds([&] { there.write(here.data(), part); });
  const int32_t kind = device->table->device;
  bench.add("copy from the device", count_text(part) + "B, pageable").device_ms =
      bench.milliseconds([&] { must(mg_copy(device, here.data(), MG_DEVICE_HOST, there.data(), kind, part)); });
}

void Bench::all() {
  const auto start = std::chrono::steady_clock::now();
  std::vector<Case> cases = gpu_cases();
  cases.insert(cases.begin(), {"limits", measure_limits});
  for (const Case& each : cases) {
    const size_t before = timings.size();
    std::string skipped, wrong;
    if (std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() > seconds_) {
      skipped = "the time for measurements was over";
    } else {
      try {
        each.run(*this);
      } catch (const Skipped& reason) {
        skipped = reason.what();
      } catch (const std::exception& failure) {
        wrong = failure.what();
      }
    }
    if (!skipped.empty() || !wrong.empty()) {
      if (timings.size() == before) add(each.name, "");
      timings.back().skipped = skipped;
      timings.back().wrong = wrong;
    }
    for (size_t i = before; i < timings.size(); ++i) {
      const Timing& t = timings[i];
      std::printf("%-4s %-34s %-28s device %10.4f ms  CPU %10.4f ms %s%s\n",
                  !t.wrong.empty() ? "BAD" : !t.skipped.empty() ? "skip" : "ok", t.name.c_str(), t.size.c_str(),
                  t.device_ms, t.cpu_ms, t.skipped.c_str(), t.wrong.c_str());
    }
    std::fflush(stdout);
  }
}

}  // namespace check
