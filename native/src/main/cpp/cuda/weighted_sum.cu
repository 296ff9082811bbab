// SPDX-License-Identifier: Apache-2.0
// out[i] = sum_k w_k in_k[i]: the operations of kernels/sum.inc in the same order, each rounded by itself (no
// contraction), one rounding to the type. So the bytes are those of the CPU.
// Bytes: each model is read and the sum written once. Expected at 3.3 TB/s: four models of 67 million of BF16 (0.67 GB)
// 0.2 ms; of F32 0.4 ms.
// Not yet run on a device.
#include <cstring>

#include "cuda/types.cuh"

namespace merganser {
namespace cuda {

namespace {

// Up to this many models, their pointers and weights travel with the launch (1 KiB of the 4 KiB there are).
constexpr int kByValue = 64;

struct Models {
  const void* in[kByValue];
  double weight[kByValue];
};

template <typename T>
struct Sum {
  const void* const* in;
  const double* weight;
  int models;
  void* out;

  static __device__ __forceinline__ double times(double a, double b) { return __dmul_rn(a, b); }
  static __device__ __forceinline__ double plus(double a, double b) { return __dadd_rn(a, b); }
  static __device__ __forceinline__ float times(float a, float b) { return __fmul_rn(a, b); }
  static __device__ __forceinline__ float plus(float a, float b) { return __fadd_rn(a, b); }

  // Sums of kCount neighbours in F32 or F64.
  template <typename Real, int kCount>
  __device__ __forceinline__ void add(int64_t i, Real* sum) const {
    for (int k = 0; k < models; ++k) {
      const Real w = static_cast<Real>(weight[k]);
      const auto pack = load<WordOf<T>, kCount>(in[k], i);
#pragma unroll
      for (int e = 0; e < kCount; ++e) {
        Real x;
        if constexpr (sizeof(Real) == 4) {
          x = T::f32(value_of(pack.word[e]));
        } else {
          x = T::f64(value_of(pack.word[e]));
        }
        const Real product = times(w, x);
        sum[e] = k == 0 ? product : plus(sum[e], product);
      }
    }
  }

  // F64 that are all below 2^-959, not all 0.
  __device__ __forceinline__ bool is_tiny(int64_t i) const {
    uint64_t all = 0;
    for (int k = 0; k < models; ++k) all |= bits_of(T::f64(value_of(load<WordOf<T>, 1>(in[k], i).word[0])));
    return (all & 0x7c00000000000000u) == 0 && (all & 0x7fffffffffffffffu) != 0;
  }

  __device__ __forceinline__ double sum_of_scaled(int64_t i) const {
    double sum = 0;
    for (int k = 0; k < models; ++k) {
      const double term = times(weight[k], times(0x1p600, T::f64(value_of(load<WordOf<T>, 1>(in[k], i).word[0]))));
      sum = k == 0 ? term : plus(sum, term);
    }
    return sum;
  }

  template <int kCount>
  __device__ __forceinline__ void run(int64_t i) const {
    Pack<WordOf<T>, kCount> result;
    if constexpr (sizeof(typename T::Raw) == 2) {
      float sum[kCount] = {};
      add<float, kCount>(i, sum);
#pragma unroll
      for (int e = 0; e < kCount; ++e) {
        if ((bits_of(sum[e]) & 0x7f800000u) != 0x7f800000u) {
          result.word[e] = word_of(T::store(sum[e]));
        } else {
          double wide = 0;
          add<double, 1>(i + e, &wide);
          result.word[e] = word_of(T::store(one_nan(wide)));
        }
      }
    } else {
      double sum[kCount] = {};
      add<double, kCount>(i, sum);
#pragma unroll
      for (int e = 0; e < kCount; ++e) {
        if constexpr (sizeof(typename T::Raw) == 8) {
          if (is_tiny(i + e)) sum[e] = times(sum_of_scaled(i + e), 0x1p-600);
        }
        result.word[e] = word_of(T::store(one_nan(sum[e])));
      }
    }
    store(out, i, result);
  }
};

// The lists are in the parameters unless `in` is given. __grid_constant__: their address is taken without a copy for
// every thread. Four blocks: left to itself ptxas spills on sm_100.
template <typename T, int kCount>
__global__ void __launch_bounds__(kThreads, 4)
    sum_all(const __grid_constant__ Models list, const void* const* in, const double* weight, int models, int64_t packs,
            int64_t count, void* out) {
  for_packs<kCount>(packs, count, Sum<T>{in ? in : list.in, in ? weight : list.weight, models, out});
}

template <typename T>
void run(State& s, int64_t count, int32_t models, const void* const* in, const double* weights, void* out) {
  constexpr int kCount = 16 / sizeof(typename T::Raw);
  bool packed = aligned(out);
  for (int32_t k = 0; k < models; ++k) packed = packed && aligned(in[k]);
  const Spread spread(s, count, kCount, packed);
  Models list{};
  if (models <= kByValue) {
    for (int32_t k = 0; k < models; ++k) {
      list.in[k] = in[k];
      list.weight[k] = weights[k];
    }
    launch(s, "weighted_sum", spread.blocks, kThreads, 0, sum_all<T, kCount>, list, nullptr, nullptr, models,
           spread.packs, count, out);
    return synchronize(s, "weighted_sum");
  }
  Scratch scratch(s.scratch), staging(s.staging);
  const int64_t words = 2 * int64_t{models};
  uint64_t* lists = scratch.take<uint64_t>(words);
  uint64_t* staged = staging.take<uint64_t>(words);
  std::memcpy(staged, in, 8 * static_cast<size_t>(models));
  std::memcpy(staged + models, weights, 8 * static_cast<size_t>(models));
  check(cudaMemcpyAsync(lists, staged, 8 * static_cast<size_t>(words), cudaMemcpyHostToDevice, s.stream),
        "copying the lists of weighted_sum");
  launch(s, "weighted_sum", spread.blocks, kThreads, 0, sum_all<T, kCount>, list,
         reinterpret_cast<const void* const*>(lists), reinterpret_cast<const double*>(lists + models), models,
         spread.packs, count, out);
  synchronize(s, "weighted_sum");
}

}  // namespace

void weighted_sum(mg_context* context, int32_t dtype, int64_t count, int32_t models, const void* const* in,
                  const double* weights, void* out) {
  if (count == 0) return;
  OnDevice here;
  State& s = state(context);
  with_type(dtype, [&](auto type) { run<decltype(type)>(s, count, models, in, weights, out); });
}

}  // namespace cuda
}  // namespace merganser
