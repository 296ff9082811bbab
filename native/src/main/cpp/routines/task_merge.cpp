// SPDX-License-Identifier: Apache-2.0
// Task vectors, trimmed, weighted, elected and added to the base in one pass. A tile of every vector stays in the
// first-level cache between its steps.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "routines/output.h"
#include "routines/routines.h"
#include "runtime/isa.h"
#include "runtime/pool.h"

namespace merganser {

namespace {

constexpr int64_t kTile = 1024;
constexpr int64_t kChunk = 64 * kTile;  // some microseconds, or waking a thread costs more than it saves
constexpr int64_t kMaxModels = 32;

template <typename To, typename From>
To bits_as(From from) {
  To to;
  static_assert(sizeof(To) == sizeof(From));
  std::memcpy(&to, &from, sizeof to);
  return to;
}

uint64_t bits_of_real(double x, bool wide) {
  return wide ? bits_as<uint64_t>(x) : bits_as<uint32_t>(static_cast<float>(x));
}

template <typename Real>
class Merge {
 public:
  Merge(int32_t dtype, int64_t first, int32_t models, const void* base, const void* const* in, const mg_task* tasks,
        bool elect, bool normalise, double lambda, void* out)
      : kernels_(kernels().merge),
        dtype_(dtype),
        size_(size_of(dtype)),
        first_(first),
        models_(models),
        base_(static_cast<const char*>(base)),
        in_(in),
        tasks_(tasks),
        elect_(elect),
        normalise_(normalise),
        lambda_(lambda),
        out_(static_cast<char*>(out)) {
    double sum = 0;
    for (int32_t k = 0; k < models; ++k) {
      sum += tasks[k].weight;
      weights_[k] = tasks[k].weight;
    }
    if (!elect && normalise && std::fabs(sum) >= 1e-8) lambda_ /= sum;
    in_registers_ = dtype != MG_F64 && models <= 4;
    for (int32_t k = 0; k < models; ++k) {
      const bool trimmed = tasks[k].trim != MG_TRIM_NONE && !(elect && tasks[k].trim == MG_TRIM_MAGNITUDE);
      in_registers_ = in_registers_ && !trimmed && tasks[k].scale == 1;
    }
  }

  // False when the place up to which elements equal to a threshold are kept lies inside.
  bool in_registers(bool past_caches, int64_t begin, int64_t n) const {
    const void* in[4];
    uint32_t least[4] = {};
    if (!in_registers_) return false;
    for (int32_t k = 0; k < models_; ++k) {
      in[k] = at(k, begin);
      if (tasks_[k].trim != MG_TRIM_MAGNITUDE) continue;
      const int64_t kept = tasks_[k].last - (first_ + begin) + 1;
      if (kept > 0 && kept < n) return false;
      least[k] = static_cast<uint32_t>(bits_of_real(tasks_[k].threshold, false)) + (kept <= 0 ? 1 : 0);
    }
    const TaskLine line{base_ + begin * size_, in, weights_, least, models_, normalise_, lambda_};
    (elect_ ? kernels_.elect_line : kernels_.task_line)[dtype_](line, out_ + begin * size_, n, past_caches);
    return true;
  }

  void by_tiles(const Output& output, int64_t begin, int64_t n) const {
    alignas(64) Real base[kTile], sum[kTile];
    alignas(64) char result[kTile * sizeof(double)];
    kernels_.widen_real[dtype_](base_ + begin * size_, base, n);
    if (elect_) {
      alignas(64) Real planes[kMaxModels][kTile];
      const void* vectors[kMaxModels];
      for (int32_t k = 0; k < models_; ++k) {
        vector(k, begin, n, base, planes[k]);
        vectors[k] = planes[k];
      }
      kernels_.elect[kReal](vectors, weights_, models_, normalise_, sum, n);
    } else {
      alignas(64) Real plane[kTile];
      for (int32_t k = 0; k < models_; ++k) {
        if (tasks_[k].trim == MG_TRIM_NONE && tasks_[k].scale == 1) {
          kernels_.task_add[dtype_](at(k, begin), base, weights_[k], k == 0, sum, n);
        } else {
          vector(k, begin, n, base, plane);
          kernels_.add_real[kReal](plane, sum, k == 0, n);
        }
      }
    }
    kernels_.task_store[dtype_](base, sum, lambda_, result, n);
    output.put(result, out_ + begin * size_, n * size_);
  }

 private:
  static constexpr int kReal = sizeof(Real) == 8 ? 0 : 1;

  const char* at(int32_t model, int64_t i) const { return static_cast<const char*>(in_[model]) + i * size_; }

  void vector(int32_t model, int64_t begin, int64_t n, const Real* base, Real* u) const {
    const mg_task& task = tasks_[model];
    TrimTile trim{task.trim, 0, nullptr, 0};
    const auto part = [&](int64_t from, int64_t count) {
      if (count <= 0) return;
      kernels_.task_vector[dtype_](at(model, begin + from), base + from, trim, task.scale != 1, task.scale, task.weight,
                                   u + from, count);
    };
    if (task.trim == MG_TRIM_MAGNITUDE) {
      // Up to `last` those equal to the threshold are kept, from there on they are not.
      const uint64_t threshold = bits_of_real(task.threshold, kReal == 0);
      const int64_t ties = std::clamp<int64_t>(task.last - (first_ + begin) + 1, 0, n);
      trim.at_least = threshold;
      part(0, ties);
      trim.at_least = threshold + 1;
      part(ties, n - ties);
    } else if (task.trim == MG_TRIM_RANDOM && task.keep < int64_t{1} << 32) {
      alignas(64) uint32_t words[kTile + 8];
      const int64_t element = first_ + begin, skipped = element & 3;
      kernels_.philox(static_cast<uint64_t>(task.key), static_cast<uint64_t>(element >> 2),
                      static_cast<uint32_t>(task.subsequence), words, divide_up(skipped + n, 4));
      trim.words = words + skipped;
      trim.below = static_cast<uint32_t>(task.keep);
      part(0, n);
    } else {
      trim.trim = MG_TRIM_NONE;
      part(0, n);
    }
  }

  const MergeKernels& kernels_;
  int32_t dtype_;
  int64_t size_, first_;
  int32_t models_;
  const char* base_;
  const void* const* in_;
  const mg_task* tasks_;
  bool elect_, normalise_;
  bool in_registers_;  // few, and neither scaled nor dropped at random
  double lambda_;
  char* out_;
  double weights_[kMaxModels];
};

template <typename Real>
void run(mg_context* context, int64_t count, const Output& output, Merge<Real> merge) {
  parallel_for(context, divide_up(count, kChunk), [&](int64_t chunk, int32_t) {
    const int64_t first = chunk * kChunk, end = std::min(count, first + kChunk);
    if (merge.in_registers(output.past_caches(), first, end - first)) return;
    for (int64_t begin = first; begin < end; begin += kTile) {
      const int64_t n = std::min(kTile, end - begin);
      if (!merge.in_registers(output.past_caches(), begin, n)) merge.by_tiles(output, begin, n);
    }
    output.finish();
  });
}

}  // namespace

void task_merge(mg_context* context, int32_t dtype, int64_t first, int64_t count, int32_t models, const void* base,
                const void* const* in, const mg_task* tasks, int32_t elect, int32_t normalise, double lambda,
                void* out) {
  const Output output(count * size_of(dtype));
  if (dtype == MG_F64) {
    run(context, count, output, Merge<double>(dtype, first, models, base, in, tasks, elect, normalise, lambda, out));
  } else {
    run(context, count, output, Merge<float>(dtype, first, models, base, in, tasks, elect, normalise, lambda, out));
  }
}

}  // namespace merganser
