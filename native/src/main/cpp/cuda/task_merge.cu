// SPDX-License-Identifier: Apache-2.0
// Task vectors, trimmed, weighted, elected and added to the base in one pass:
//   u_k = w_k (r_k (x_k - b)) where kept, else 0;  out = b + lambda mix(u)
// in F32, in F64 for F64 tensors, with the operations of the CPU in the same order, none contracted, division correctly
// rounded, every NaN the positive quiet one: the bytes of the CPU for any input.
//
// Bytes of an element: N + 2 times its size. At 3.3 TB/s, 33.6 M elements of BF16, base and 3 models: 336 MB, 0.10 ms;
// F32 0.20 ms. An election takes some 12 instructions for each element of a model, random trimming 25 (a block of
// Philox gives four words: 10 rounds of two wide products); with 28 T instructions/s, three models of BF16 trimmed at
// random and elected take 0.13 ms, a little more than memory, everything else less.
//
// An election needs all u before it knows which of them count. Both candidates are summed beside the total, those above
// 0 and those below, and the sign of the total chooses: one pass over any number of models, nothing kept of each.
// Adding 0 for those that do not agree changes no bit, as a sum of numbers of one sign is never -0. Considered: keeping
// all u in registers, which is one kernel for each number of models and does not go to 32; reading the models twice.
// Not yet run on a device.
#include <cmath>

#include "cuda/types.cuh"

namespace merganser {
namespace cuda {

namespace {

#define MG_LOOP __host__ __device__ __forceinline__
#include "kernels/merge_formulas.inc"
#undef MG_LOOP

constexpr int kMaxModels = 32;

template <typename Real, typename Bits>
struct Task {
  const void* x;
  Real weight, scale;
  Bits threshold;  // of the bits of magnitudes
  int64_t last;    // element up to which those equal to the threshold are kept
  uint64_t key;
  uint32_t below, subsequence;
  int32_t trim;  // NONE when RANDOM keeps all
  bool scaled;
};

// All of a call: it travels with the launch (2.2 KiB of the 4 KiB there are).
template <typename Real, typename Bits>
struct Tasks {
  Task<Real, Bits> task[kMaxModels];
  const void* base;
  void* out;
  int64_t first;
  Real lambda;
  int32_t models;
  bool normalise;
};

template <typename T, bool kElect>
struct Merge {
  typedef Arithmetic<T> A;
  typedef typename A::Real Real;
  typedef typename A::Bits Bits;
  typedef WordOf<T> W;
  const Tasks<Real, Bits>& all;

  // Bit e: whether element first + e is kept at random.
  template <int kCount>
  static __device__ __forceinline__ uint32_t random_mask(const Task<Real, Bits>& task, int64_t first) {
    uint32_t kept = 0;
    for (int64_t block = first >> 2; block <= (first + kCount - 1) >> 2; ++block) {
      uint32_t x[4] = {static_cast<uint32_t>(block), static_cast<uint32_t>(static_cast<uint64_t>(block) >> 32),
                       task.subsequence, 0};
      uint32_t k0 = static_cast<uint32_t>(task.key), k1 = static_cast<uint32_t>(task.key >> 32);
#pragma unroll
      for (int round = 0; round < kPhiloxRounds; ++round) {
        philox_round(x[0], x[1], x[2], x[3], k0, k1);
        k0 += kPhiloxKey0;
        k1 += kPhiloxKey1;
      }
#pragma unroll
      for (int l = 0; l < 4; ++l) {
        const int64_t e = block * 4 + l - first;
        if (e >= 0 && e < kCount && x[l] < task.below) kept |= 1u << e;
      }
    }
    return kept;
  }

  template <int kCount>
  __device__ __forceinline__ void vector(const Task<Real, Bits>& task, const Pack<W, kCount>& pack, int64_t i,
                                         const Real* base, Real* u) const {
#pragma unroll
    for (int e = 0; e < kCount; ++e) u[e] = A::load(value_of(pack.word[e])) - base[e];
    if (task.trim == MG_TRIM_MAGNITUDE) {
#pragma unroll
      for (int e = 0; e < kCount; ++e) {
        const Bits least = task.threshold + (all.first + i + e > task.last ? 1 : 0);
        const Bits magnitude = bits_of(u[e]) & magnitude_mask(Bits());
        u[e] = magnitude >= least ? u[e] : Real(0);
      }
    } else if (task.trim == MG_TRIM_RANDOM) {
      const uint32_t kept = random_mask<kCount>(task, all.first + i);
#pragma unroll
      for (int e = 0; e < kCount; ++e) u[e] = (kept >> e & 1u) != 0 ? u[e] : Real(0);
    }
#pragma unroll
    for (int e = 0; e < kCount; ++e) u[e] = task.weight * (task.scaled ? task.scale * u[e] : u[e]);
  }

  template <int kCount>
  __device__ __forceinline__ void run(int64_t i) const {
    Real base[kCount], u[kCount], total[kCount] = {}, above[kCount] = {}, below[kCount] = {};
    Real weight_above[kCount] = {}, weight_below[kCount] = {};
    const auto from = load<W, kCount>(all.base, i);
    auto next = load<W, kCount>(all.task[0].x, i);
#pragma unroll
    for (int e = 0; e < kCount; ++e) base[e] = A::load(value_of(from.word[e]));
    for (int32_t k = 0; k < all.models; ++k) {
      const Task<Real, Bits>& task = all.task[k];
      const auto pack = next;
      if (k + 1 < all.models) next = load<W, kCount>(all.task[k + 1].x, i);  // under way during this one
      vector<kCount>(task, pack, i, base, u);
#pragma unroll
      for (int e = 0; e < kCount; ++e) {
        total[e] = k == 0 ? u[e] : total[e] + u[e];
        if constexpr (kElect) {
          above[e] += u[e] > 0 ? u[e] : Real(0);
          below[e] += u[e] < 0 ? u[e] : Real(0);
          weight_above[e] += u[e] > 0 ? task.weight : Real(0);
          weight_below[e] += u[e] < 0 ? task.weight : Real(0);
        }
      }
    }
    Pack<W, kCount> result;
#pragma unroll
    for (int e = 0; e < kCount; ++e) {
      Real mix = total[e];
      if (kElect && mix == mix) {  // a NaN is of no sign and would vanish
        const bool down = mix < 0;
        mix = down ? below[e] : above[e];
        const Real weight = down ? weight_below[e] : weight_above[e];
        if (all.normalise) mix = mix / (weight == 0 ? Real(1) : weight);
      }
      result.word[e] = word_of(A::store(only_nan(base[e] + all.lambda * mix)));
    }
    store(all.out, i, result);
  }
};

// Two blocks: left to itself ptxas keeps one form to 64 registers for sm_100, and spills.
template <typename T, bool kElect, int kCount>
__global__ void __launch_bounds__(kThreads, 2)
    merge_all(const __grid_constant__ Tasks<typename Arithmetic<T>::Real, typename Arithmetic<T>::Bits> all,
              int64_t packs, int64_t count) {
  for_packs<kCount>(packs, count, Merge<T, kElect>{all});
}

template <typename T>
void run(State& s, int64_t first, int64_t count, int32_t models, const void* base, const void* const* in,
         const mg_task* given, bool elect, bool normalise, double lambda, void* out) {
  typedef typename Arithmetic<T>::Real Real;
  typedef typename Arithmetic<T>::Bits Bits;
  constexpr int kCount = 16 / sizeof(typename T::Raw);
  Tasks<Real, Bits> all{};
  bool packed = aligned(base) && aligned(out);
  double sum = 0;
  for (int32_t k = 0; k < models; ++k) {
    const mg_task& task = given[k];
    const bool keeps_all = task.trim == MG_TRIM_RANDOM && task.keep >= int64_t{1} << 32;
    all.task[k] = {in[k],
                   static_cast<Real>(task.weight),
                   static_cast<Real>(task.scale),
                   bits_of(static_cast<Real>(task.threshold)),
                   task.last,
                   static_cast<uint64_t>(task.key),
                   static_cast<uint32_t>(task.keep),
                   static_cast<uint32_t>(task.subsequence),
                   keeps_all ? static_cast<int32_t>(MG_TRIM_NONE) : task.trim,
                   task.scale != 1};
    packed = packed && aligned(in[k]);
    sum += task.weight;
  }
  if (!elect && normalise && std::fabs(sum) >= 1e-8) lambda /= sum;
  all.base = base;
  all.out = out;
  all.first = first;
  all.lambda = static_cast<Real>(lambda);
  all.models = models;
  all.normalise = normalise;
  const Spread spread(s, count, kCount, packed);
  launch(s, "task_merge", spread.blocks, kThreads, 0, elect ? merge_all<T, true, kCount> : merge_all<T, false, kCount>,
         all, spread.packs, count);
  synchronize(s, "task_merge");
}

}  // namespace

void task_merge(mg_context* context, int32_t dtype, int64_t first, int64_t count, int32_t models, const void* base,
                const void* const* in, const mg_task* tasks, int32_t elect, int32_t normalise, double lambda,
                void* out) {
  if (count == 0) return;
  OnDevice here;
  State& s = state(context);
  with_type(dtype, [&](auto type) {
    run<decltype(type)>(s, first, count, models, base, in, tasks, elect != 0, normalise != 0, lambda, out);
  });
}

}  // namespace cuda
}  // namespace merganser
