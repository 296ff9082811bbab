// SPDX-License-Identifier: Apache-2.0
// Formulas of mergers: kernels/formulas.inc, the CPU's own source, in the CPU's order and never contracted, so the
// bytes of the CPU for any input.
//
// Bytes of an element: N + 2 times its size, as task_merge: at 3.3 TB/s, 33.6 M elements of BF16, base and 3 models:
// 336 MB, 0.10 ms. CONSENSUS goes through the models twice, the second time from the first-level cache. A thread keeps
// the state of 16 bytes of elements in registers: 8 x 7 numbers of SCE_SELECTED in BF16 are the most.
//
// Sums keep sixteen sums of every sixteenth element of a chunk of 16384, as dot_products: sixteen threads have a chunk,
// and four elements under way each; shuffles add their sums, the host the chunks. A second dimension of the grid is the
// models whose sums are formed, four at a time, since those lie in registers: each reads all models for the state. The
// same base and 3 models: 269 MB, 0.08 ms.
// Not yet run on a device.
#include <cstring>

#include "cuda/types.cuh"
#include "kernels/kernels.h"

namespace merganser {
namespace cuda {

namespace {

#define MG_LOOP __host__ __device__ __forceinline__
#include "kernels/merge_formulas.inc"

#include "kernels/formulas.inc"
#undef MG_LOOP

constexpr int kLanes = 16, kAhead = 4, kTargets = 4, kChunksOfBlock = kThreads / kLanes;
constexpr int64_t kChunk = 16384;

// All of a call: it travels with the launch.
template <typename Real, typename Bits>
struct FormulaCall {
  const void* in[kFormulaModels];
  Real own[kFormulaModels];
  FormulaNumbers<Real> numbers;
  const void* base;
  void* out;
  int64_t last;
  Bits least;
  int32_t models;
};

template <typename T, typename F>
struct FormulaRun {
  typedef Arithmetic<T> A;
  typedef typename A::Real Real;
  typedef typename F::Bits Bits;
  typedef FormulaCall<Real, Bits> Call;
  typedef WordOf<T> W;
  const Call& all;

  template <int kPass, int kCount>
  __device__ __forceinline__ void pass(int64_t i, const Real* base, Real (*state)[F::kState]) const {
    auto next = load<W, kCount>(all.in[0], i);
    for (int32_t k = 0; k < all.models; ++k) {
      const auto pack = next;
      if (k + 1 < all.models) next = load<W, kCount>(all.in[k + 1], i);  // under way during this one
#pragma unroll
      for (int e = 0; e < kCount; ++e) {
        const Real x = A::load(value_of(pack.word[e]));
        F::template add<kPass>(state[e], {static_cast<Real>(k), all.own[k], x, x - base[e]}, all.numbers);
      }
    }
  }

  __device__ __forceinline__ Bits least(int64_t i) const { return all.least + (i > all.last ? 1 : 0); }

  template <int kCount>
  __device__ __forceinline__ void run(int64_t i) const {
    Real base[kCount] = {}, state[kCount][F::kState] = {};
    if (all.base) {
      const auto from = load<W, kCount>(all.base, i);
#pragma unroll
      for (int e = 0; e < kCount; ++e) base[e] = A::load(value_of(from.word[e]));
    }
    pass<0, kCount>(i, base, state);
    if constexpr (F::kPasses == 2) pass<1, kCount>(i, base, state);
    Pack<W, kCount> result;
#pragma unroll
    for (int e = 0; e < kCount; ++e) {
      result.word[e] = word_of(A::store(only_nan(F::result(state[e], base[e], all.numbers, least(i + e)))));
    }
    store(all.out, i, result);
  }
};

// Left to itself ptxas keeps to 64 registers in one form and spills, of sum_chunks for sm_100; two blocks allow 128.
template <typename T, typename F, int kCount>
__global__ void __launch_bounds__(kThreads, 2)
    formula_all(const __grid_constant__ typename FormulaRun<T, F>::Call all, int64_t packs, int64_t count) {
  for_packs<kCount>(packs, count, FormulaRun<T, F>{all});
}

template <typename T, typename F>
__global__ void __launch_bounds__(kThreads, 2)
    sum_chunks(const __grid_constant__ typename FormulaRun<T, F>::Call all, int64_t count, int64_t chunks,
               double* parts) {
  typedef FormulaRun<T, F> Run;
  typedef Arithmetic<T> A;
  typedef typename A::Real Real;
  typedef WordOf<T> W;
  const Run run{all};
  const int64_t chunk = static_cast<int64_t>(blockIdx.x) * kChunksOfBlock + threadIdx.x / kLanes;
  const int64_t begin = chunk * kChunk;  // beyond count in the last warps, which shuffle with the others
  const int64_t end = begin + kChunk < count ? begin + kChunk : count;
  const int32_t target = static_cast<int32_t>(blockIdx.y) * kTargets;
  double sums[kTargets][F::kValues] = {};
  for (int64_t i = begin + threadIdx.x % kLanes; i < end; i += kAhead * kLanes) {
    Real base[kAhead] = {}, state[kAhead][F::kState] = {};
    bool inside[kAhead];
#pragma unroll
    for (int e = 0; e < kAhead; ++e) {
      inside[e] = i + e * kLanes < end;
      if (all.base && inside[e]) base[e] = A::load(value_of(load<W, 1>(all.base, i + e * kLanes).word[0]));
    }
    const auto value = [&](int32_t k, int e) {
      return inside[e] ? A::load(value_of(load<W, 1>(all.in[k], i + e * kLanes).word[0])) : Real(0);
    };
    for (int32_t k = 0; k < all.models; ++k) {
#pragma unroll
      for (int e = 0; e < kAhead; ++e) {
        const Real x = value(k, e);
        F::template add<0>(state[e], {static_cast<Real>(k), all.own[k], x, x - base[e]}, all.numbers);
      }
    }
#pragma unroll
    for (int t = 0; t < kTargets; ++t) {
      const int32_t k = target + t;
      if (k >= all.models) continue;
#pragma unroll
      for (int e = 0; e < kAhead; ++e) {
        const Real x = value(k, e);
        double v[F::kValues];
        F::values(state[e], {static_cast<Real>(k), all.own[k], x, x - base[e]}, all.numbers,
                  run.least(i + e * kLanes), v);
#pragma unroll
        for (int j = 0; j < F::kValues; ++j) sums[t][j] += inside[e] ? v[j] : 0;
      }
    }
  }
#pragma unroll
  for (int t = 0; t < kTargets; ++t) {
#pragma unroll
    for (int j = 0; j < F::kValues; ++j) {
#pragma unroll
      for (int apart = kLanes / 2; apart > 0; apart /= 2) {
        sums[t][j] += __shfl_xor_sync(0xffffffffu, sums[t][j], apart);
      }
    }
  }
  if (chunk >= chunks || threadIdx.x % kLanes != 0) return;
#pragma unroll
  for (int t = 0; t < kTargets; ++t) {
    const int32_t k = target + t;
    if (k >= all.models) continue;
#pragma unroll
    for (int j = 0; j < F::kValues; ++j) parts[(chunk * all.models + k) * F::kValues + j] = one_nan(sums[t][j]);
  }
}

template <typename T>
uint64_t bits_as(double x) {
  return bits_of(static_cast<typename Arithmetic<T>::Real>(x));
}

template <typename T, typename F>
typename FormulaRun<T, F>::Call call_of(int64_t first, int32_t models, const void* base, const void* const* in,
                                        const double* parameters, const mg_threshold* selected, void* out) {
  typedef typename Arithmetic<T>::Real Real;
  typename FormulaRun<T, F>::Call all{};
  for (int j = 0; j < kFormulaScalars; ++j) all.numbers.scalar[j] = static_cast<Real>(parameters[j]);
  all.numbers.models = static_cast<Real>(models);
  for (int32_t k = 0; k < models; ++k) {
    all.in[k] = in[k];
    all.own[k] = static_cast<Real>(parameters[kFormulaScalars + k]);
  }
  all.base = base;
  all.out = out;
  all.models = models;
  all.last = selected ? selected->last - first : INT64_MAX;
  all.least = selected ? static_cast<typename F::Bits>(bits_as<T>(selected->threshold)) : 0;
  return all;
}

template <typename T, typename F>
void merge(State& s, int64_t first, int64_t count, int32_t models, const void* base, const void* const* in,
           const double* parameters, const mg_threshold* selected, void* out) {
  constexpr int kCount = 16 / sizeof(typename T::Raw);
  bool packed = (base == nullptr || aligned(base)) && aligned(out);
  for (int32_t k = 0; k < models; ++k) packed = packed && aligned(in[k]);
  const Spread spread(s, count, kCount, packed);
  launch(s, "formula_merge", spread.blocks, kThreads, 0, formula_all<T, F, kCount>,
         call_of<T, F>(first, models, base, in, parameters, selected, out), spread.packs, count);
}

template <typename T, typename F>
void sum(State& s, int64_t first, int64_t count, int32_t models, const void* base, const void* const* in,
         const double* parameters, const mg_threshold* selected, double* sums) {
  const int64_t chunks = tiles_of(count, kChunk), values = int64_t{models} * F::kValues;
  Scratch scratch(s.scratch), staging(s.staging);
  double *parts = scratch.take<double>(chunks * values), *staged = staging.take<double>(chunks * values);
  const dim3 grid(blocks_of(tiles_of(chunks, kChunksOfBlock)), blocks_of(tiles_of(models, kTargets)), 1);
  launch(s, "formula_sums", grid, kThreads, 0, sum_chunks<T, F>,
         call_of<T, F>(first, models, base, in, parameters, selected, nullptr), count, chunks, parts);
  check(cudaMemcpyAsync(staged, parts, static_cast<size_t>(chunks * values) * sizeof *parts, cudaMemcpyDeviceToHost,
                        s.stream),
        "formula_sums");
  synchronize(s, "formula_sums");
  for (int64_t v = 0; v < values; ++v) {
    for (int64_t c = 0; c < chunks; ++c) sums[v] += staged[c * values + v];
  }
}

}  // namespace

void formula_merge(mg_context* context, int32_t dtype, int32_t formula, int64_t first, int64_t count, int32_t models,
                   const void* base, const void* const* in, const double* parameters, const mg_threshold* selected,
                   void* out) {
  if (count == 0) return;
  OnDevice here;
  State& s = state(context);
  with_type(dtype, [&](auto type) {
    using T = decltype(type);
    using Real = typename Arithmetic<T>::Real;
    static constexpr decltype(&merge<T, NearSwap<Real>>) all[] = {
#define MG_ONE(name) merge<T, name<Real>>,
        MG_FORMULAS(MG_ONE)
#undef MG_ONE
    };
    all[formula](s, first, count, models, base, in, parameters, selected, out);
  });
  synchronize(s, "formula_merge");
}

void formula_sums(mg_context* context, int32_t dtype, int32_t which, int64_t first, int64_t count, int32_t models,
                  const void* base, const void* const* in, const double* parameters, const mg_threshold* selected,
                  double* sums) {
  const int64_t values = int64_t{models} * (which == MG_FORMULA_SQUARES ? 1 : 2);
  for (int64_t v = 0; v < values; ++v) sums[v] = 0;
  if (count == 0) return;
  OnDevice here;
  State& s = state(context);
  with_type(dtype, [&](auto type) {
    using T = decltype(type);
    using Real = typename Arithmetic<T>::Real;
    static constexpr decltype(&sum<T, RamCounts<Real>>) all[] = {
#define MG_ONE(name) sum<T, name<Real>>,
        MG_FORMULA_SUMS(MG_ONE)
#undef MG_ONE
    };
    all[which](s, first, count, models, base, in, parameters, selected, sums);
  });
}

}  // namespace cuda
}  // namespace merganser
