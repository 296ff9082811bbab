// SPDX-License-Identifier: Apache-2.0
// NP Merge of 2 to 8 models: theta = sum_k s_k x_k, s = softmax(z). One pass over the parameters of all slots:
//   q_k = g s_k (x_k - theta) + pull z_k;  m_k, v_k, z_k by Adam, momentum or plain SGD;  theta of the new z
// with the operations of kernels/np_formulas.inc in F32, none contracted, division and root correctly rounded: all
// results have the bytes of the CPU.
//
// Bytes of a parameter of N F32 models with Adam: reads x, z, m, v of each and g, writes z, m, v of each and theta:
// 28 N + 8; 2 N less with BF16 models; 4 more for the pass that checks the gradients before (np.cu). At 3.3 TB/s 19 us
// for a million parameters of two models, 70 us of eight.
//
// The number of models is known to the compiler, for else arrays over models were in memory instead of registers. All
// x, z and s of an element are held at once, m and v of one model after the other. Packs of 4 elements up to 4 models,
// of 2 beyond, for half of the registers; two models at a time with a second softmax by running maximum and sum would
// need fewer, but other operations than the CPU's. The optimizer is a branch that all threads take alike: a kernel for
// each tripled the time to compile and 20 MB of code.
// Not yet run on a device.
#include "cuda/np.cuh"

namespace merganser {
namespace cuda {

namespace {

template <int kModels>
constexpr int kPack = kModels <= 4 ? 4 : 2;

// The update by the optimizer of that number.
__device__ __forceinline__ float moved_by(int optimizer, float gradient, float z, float& m, float& v,
                                          const NpScalars& s) {
  if (optimizer == 0) return moved<Adam>(gradient, z, m, v, s);
  return optimizer == 1 ? moved<Momentum>(gradient, z, m, v, s) : moved<Plain>(gradient, z, m, v, s);
}

template <typename T, int kModels>
struct SoftmaxStep {
  const void* const* x;
  const float* g;
  float *z, *m, *v, *theta;
  int64_t stride;
  int optimizer;
  const NpScalars& s;

  template <int kCount>
  __device__ __forceinline__ void run(int64_t i) const {
    float inputs[kCount][kModels], states[kCount][kModels], weights[kCount][kModels], mix[kCount], loss[kCount];
    float one[kCount], first[kCount] = {}, second[kCount] = {};
    load_floats<F32, kCount>(g, i, loss);
#pragma unroll
    for (int k = 0; k < kModels; ++k) {
      load_floats<T, kCount>(x[k], i, one);
      load_floats<F32, kCount>(z + k * stride, i, first);
#pragma unroll
      for (int e = 0; e < kCount; ++e) {
        inputs[e][k] = one[e];
        states[e][k] = first[e];
      }
    }
#pragma unroll
    for (int e = 0; e < kCount; ++e) {
      softmax<kModels>(states[e], weights[e], kModels);
      mix[e] = mixed<kModels>(inputs[e], weights[e], kModels);
    }
#pragma unroll
    for (int k = 0; k < kModels; ++k) {
      if (optimizer < 2) load_floats<F32, kCount>(m + k * stride, i, first);
      if (optimizer == 0) load_floats<F32, kCount>(v + k * stride, i, second);
#pragma unroll
      for (int e = 0; e < kCount; ++e) {
        const float gradient = (loss[e] * weights[e][k]) * (inputs[e][k] - mix[e]) + states[e][k] * s.pull;
        states[e][k] = one[e] = moved_by(optimizer, gradient, states[e][k], first[e], second[e], s);
      }
      store_floats<kCount>(one, z + k * stride, i);
      if (optimizer < 2) store_floats<kCount>(first, m + k * stride, i);
      if (optimizer == 0) store_floats<kCount>(second, v + k * stride, i);
    }
#pragma unroll
    for (int e = 0; e < kCount; ++e) {
      softmax<kModels>(states[e], weights[e], kModels);
      mix[e] = mixed<kModels>(inputs[e], weights[e], kModels);
    }
    store_floats<kCount>(mix, theta, i);
  }
};

template <typename T, int kModels>
__device__ __forceinline__ bool inputs_allow(const void* const* x) {
  bool all = true;
  for (int k = 0; k < kModels; ++k) all = all && allows<WordOf<T>, kPack<kModels>>(x[k]);
  return all;
}

template <typename T, int kModels>
__global__ void __launch_bounds__(kThreads) softmax_step(const NpView np, const NpScalars s, int optimizer) {
  if (refused(np)) return;
  const NpPart part = np.tiles[blockIdx.x];
  const NpSlot& slot = np.slots[part.slot];
  const void* const* x = np.x + kModels * part.slot;
  const float* g = np.gradient[part.slot];
  float* theta = np.theta[part.slot];
  const int64_t offset = slot.offset;
  const bool packed = inputs_allow<T, kModels>(x) && allows<float, kPack<kModels>>(g) &&
                      allows<float, kPack<kModels>>(theta);
  for_part<kPack<kModels>>(
      packed, part.begin, part.n,
      SoftmaxStep<T, kModels>{
          x, g, np.z + offset, np.first + offset, np.second + offset, theta, slot.stride, optimizer, s});
}

template <typename T, int kModels>
struct SoftmaxTheta {
  const void* const* x;
  const float* z;
  float* theta;
  int64_t stride;
  bool shared;
  const Groups& groups;

  template <int kCount>
  __device__ __forceinline__ void run(int64_t i) const {
    float inputs[kCount][kModels], states[kCount][kModels], weights[kModels], mix[kCount], one[kCount], state[kCount];
#pragma unroll
    for (int k = 0; k < kModels; ++k) {
      load_floats<T, kCount>(x[k], i, one);
      if (!shared) load_floats<F32, kCount>(z + k * stride, i, state);
#pragma unroll
      for (int e = 0; e < kCount; ++e) {
        if (shared) state[e] = z[k * stride + groups.of(i + e)];
        inputs[e][k] = one[e];
        states[e][k] = state[e];
      }
    }
#pragma unroll
    for (int e = 0; e < kCount; ++e) {
      softmax<kModels>(states[e], weights, kModels);
      mix[e] = mixed<kModels>(inputs[e], weights, kModels);
    }
    store_floats<kCount>(mix, theta, i);
  }
};

template <typename T, int kModels>
__global__ void __launch_bounds__(kThreads) softmax_theta(const NpView np, bool shared) {
  if (refused(np)) return;
  const NpPart part = np.tiles[blockIdx.x];
  const NpSlot slot = np.slots[part.slot];
  const void* const* x = np.x + kModels * part.slot;
  float* theta = np.theta[part.slot];
  const Groups groups(slot, part);
  const bool packed = inputs_allow<T, kModels>(x) && allows<float, kPack<kModels>>(theta);
  const float* z = np.z + slot.offset + (shared ? groups.first : 0);
  for_part<kPack<kModels>>(packed, part.begin, part.n,
                           SoftmaxTheta<T, kModels>{x, z, theta, slot.stride, shared, groups});
}

// The coefficients of a group: those of a parameter whose x are the sums and whose g is 1.
template <int kModels>
__global__ void __launch_bounds__(kThreads) softmax_groups(const NpView np, const NpScalars s, int optimizer) {
  if (refused(np)) return;
  const NpPart part = np.groups[blockIdx.x];
  const NpSlot slot = np.slots[part.slot];
  if (slot.count == 0) return;
  for (int i = static_cast<int>(threadIdx.x); i < part.n; i += kThreads) {
    const int64_t at = slot.offset + part.begin + i;
    float inputs[kModels], states[kModels], weights[kModels];
#pragma unroll
    for (int k = 0; k < kModels; ++k) {
      inputs[k] = np.sums[at + k * slot.stride];
      states[k] = np.z[at + k * slot.stride];
    }
    softmax<kModels>(states, weights, kModels);
    const float mix = mixed<kModels>(inputs, weights, kModels);
#pragma unroll
    for (int k = 0; k < kModels; ++k) {
      const int64_t here = at + k * slot.stride;
      float first = 0, second = 0;
      if (optimizer < 2) first = np.first[here];
      if (optimizer == 0) second = np.second[here];
      const float gradient = (1.0f * weights[k]) * (inputs[k] - mix) + states[k] * s.pull;
      np.z[here] = moved_by(optimizer, gradient, states[k], first, second, s);
      if (optimizer < 2) np.first[here] = first;
      if (optimizer == 0) np.second[here] = second;
    }
  }
}

}  // namespace

void np_softmax(State& s, const CudaNp& np, const NpScalars& scalars) {
  with_input(np, [&](auto type) {
    with_models(np, [&](auto models) {
      launch(s, "np_step", blocks_of(np.view.tile_count), kThreads, 0,
             softmax_step<decltype(type), decltype(models)::value>, np.view, scalars, np.optimizer());
    });
  });
}

void np_softmax_groups(State& s, const CudaNp& np, const NpScalars& scalars) {
  with_models(np, [&](auto models) {
    launch(s, "np_step", blocks_of(np.view.group_count), kThreads, 0, softmax_groups<decltype(models)::value>, np.view,
           scalars, np.optimizer());
  });
}

void np_softmax_theta(State& s, const CudaNp& np) {
  with_input(np, [&](auto type) {
    with_models(np, [&](auto models) {
      launch(s, "np_theta", blocks_of(np.view.tile_count), kThreads, 0,
             softmax_theta<decltype(type), decltype(models)::value>, np.view, np.shared());
    });
  });
}

}  // namespace cuda
}  // namespace merganser
