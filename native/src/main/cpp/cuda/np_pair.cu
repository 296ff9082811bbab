// SPDX-License-Identifier: Apache-2.0
// NP Merge of two models: theta = c + s (a - c), s = sigmoid(z) or z. One pass over the parameters of all slots:
//   q = g (a - c) [s (1 - s)] + pull;  m, v, z by Adam, momentum or plain SGD;  theta of the new z
// with the operations of kernels/np_formulas.inc in F32, none contracted, division and root correctly rounded: all
// results have the bytes of the CPU.
//
// Bytes of a parameter with F32 models: reads a, c, g, z, m, v, writes z, m, v, theta: 40 (Adam), 32 (momentum), 24
// (plain); 4 less with BF16 models; 4 more for the pass that checks the gradients before (np.cu). At 3.3 TB/s 13.3 us
// for a million parameters with Adam. Some 130 (CLAMP 60) instructions of a parameter are half of that time (28 T
// instructions/s), so memory is the limit. theta alone: 16, from shared coefficients 12: 3.6 us.
//
// Considered: one thread for one element, a quarter of the bytes in flight of a pack of 16 bytes; packs of 8 elements,
// for 16-byte accesses to BF16 models too, which take twice the registers while 8-byte accesses of a warp fill whole
// lines as well; a - c stored in place of a, which saves nothing as theta needs c and one of the two; blocks that stay
// and walk over the parts, which load a part's table entry only after the last one is done.
// Not yet run on a device.
#include "cuda/np.cuh"

namespace merganser {
namespace cuda {

namespace {

constexpr int kPack = 4;

template <typename T, typename Form, typename Optimizer>
struct PairStep {
  const void *a, *c;
  const float* g;
  float *z, *m, *v, *theta;
  const NpScalars& s;

  template <int kCount>
  __device__ __forceinline__ void run(int64_t i) const {
    float xa[kCount], xc[kCount], loss[kCount], state[kCount], first[kCount] = {}, second[kCount] = {};
    load_floats<T, kCount>(a, i, xa);
    load_floats<T, kCount>(c, i, xc);
    load_floats<F32, kCount>(g, i, loss);
    load_floats<F32, kCount>(z, i, state);
    if constexpr (Optimizer::kFirst) load_floats<F32, kCount>(m, i, first);
    if constexpr (Optimizer::kSecond) load_floats<F32, kCount>(v, i, second);
    float mix[kCount];
#pragma unroll
    for (int e = 0; e < kCount; ++e) {
      float weight, rest;
      Form::weights(state[e], weight, rest);
      const float gradient = Form::gradient(loss[e] * (xa[e] - xc[e]), weight, rest, state[e], s);
      state[e] = moved<Optimizer>(gradient, state[e], first[e], second[e], s);
      Form::weights(state[e], weight, rest);
      mix[e] = between(xa[e], xc[e], weight, rest);
    }
    store_floats<kCount>(state, z, i);
    if constexpr (Optimizer::kFirst) store_floats<kCount>(first, m, i);
    if constexpr (Optimizer::kSecond) store_floats<kCount>(second, v, i);
    store_floats<kCount>(mix, theta, i);
  }
};

template <typename T, typename Form, typename Optimizer>
__global__ void __launch_bounds__(kThreads) pair_step(const NpView np, const NpScalars s) {
  if (refused(np)) return;
  const NpPart part = np.tiles[blockIdx.x];
  const int64_t offset = np.slots[part.slot].offset;
  const void *a = np.x[2 * part.slot], *c = np.x[2 * part.slot + 1];
  const float* g = np.gradient[part.slot];
  float* theta = np.theta[part.slot];
  typedef WordOf<T> W;
  const bool packed =
      allows<W, kPack>(a) && allows<W, kPack>(c) && allows<float, kPack>(g) && allows<float, kPack>(theta);
  const PairStep<T, Form, Optimizer> body{
      a, c, g, np.z + offset, np.first + offset, np.second + offset, theta, s};
  for_part<kPack>(packed, part.begin, part.n, body);
}

template <typename T, typename Form, bool kShared>
struct PairTheta {
  const void *a, *c;
  const float* z;
  float* theta;
  const Groups& groups;

  template <int kCount>
  __device__ __forceinline__ void run(int64_t i) const {
    float xa[kCount], xc[kCount], state[kCount], mix[kCount];
    load_floats<T, kCount>(a, i, xa);
    load_floats<T, kCount>(c, i, xc);
    if constexpr (!kShared) load_floats<F32, kCount>(z, i, state);
#pragma unroll
    for (int e = 0; e < kCount; ++e) {
      if constexpr (kShared) state[e] = z[groups.of(i + e)];
      float weight, rest;
      Form::weights(state[e], weight, rest);
      mix[e] = between(xa[e], xc[e], weight, rest);
    }
    store_floats<kCount>(mix, theta, i);
  }
};

template <typename T, typename Form, bool kShared>
__global__ void __launch_bounds__(kThreads) pair_theta(const NpView np) {
  if (refused(np)) return;
  const NpPart part = np.tiles[blockIdx.x];
  const NpSlot slot = np.slots[part.slot];
  const void *a = np.x[2 * part.slot], *c = np.x[2 * part.slot + 1];
  float* theta = np.theta[part.slot];
  typedef WordOf<T> W;
  const Groups groups(slot, part);
  const bool packed = allows<W, kPack>(a) && allows<W, kPack>(c) && allows<float, kPack>(theta);
  for_part<kPack>(packed, part.begin, part.n,
                  PairTheta<T, Form, kShared>{a, c, np.z + slot.offset + (kShared ? groups.first : 0), theta, groups});
}

// A coefficient of a group: that of a parameter with a = 1, c = 0 and the sum as g.
template <typename Form, typename Optimizer>
__global__ void __launch_bounds__(kThreads) pair_groups(const NpView np, const NpScalars s) {
  if (refused(np)) return;
  const NpPart part = np.groups[blockIdx.x];
  const NpSlot slot = np.slots[part.slot];
  if (slot.count == 0) return;
  for (int i = static_cast<int>(threadIdx.x); i < part.n; i += kThreads) {
    const int64_t at = slot.offset + part.begin + i;
    float state = np.z[at], first = 0, second = 0, weight, rest;
    if constexpr (Optimizer::kFirst) first = np.first[at];
    if constexpr (Optimizer::kSecond) second = np.second[at];
    Form::weights(state, weight, rest);
    np.z[at] = moved<Optimizer>(Form::gradient(np.sums[at], weight, rest, state, s), state, first, second, s);
    if constexpr (Optimizer::kFirst) np.first[at] = first;
    if constexpr (Optimizer::kSecond) np.second[at] = second;
  }
}

template <typename Run>
void with_optimizer(const CudaNp& np, const Run& run) {
  np.optimizer() == 0 ? run(Adam{}) : np.optimizer() == 1 ? run(Momentum{}) : run(Plain{});
}

template <typename Run>
void with_form(const CudaNp& np, const Run& run) {
  np.options.form == MG_NP_SIGMOID ? run(Sigmoid{}) : run(Clamp{});
}

}  // namespace

void np_pair(State& s, const CudaNp& np, const NpScalars& scalars) {
  with_input(np, [&](auto type) {
    with_form(np, [&](auto form) {
      with_optimizer(np, [&](auto optimizer) {
        launch(s, "np_step", blocks_of(np.view.tile_count), kThreads, 0,
               pair_step<decltype(type), decltype(form), decltype(optimizer)>, np.view, scalars);
      });
    });
  });
}

void np_pair_groups(State& s, const CudaNp& np, const NpScalars& scalars) {
  with_form(np, [&](auto form) {
    with_optimizer(np, [&](auto optimizer) {
      launch(s, "np_step", blocks_of(np.view.group_count), kThreads, 0,
             pair_groups<decltype(form), decltype(optimizer)>, np.view, scalars);
    });
  });
}

void np_pair_theta(State& s, const CudaNp& np) {
  with_input(np, [&](auto type) {
    with_form(np, [&](auto form) {
      using T = decltype(type);
      using Form = decltype(form);
      launch(s, "np_theta", blocks_of(np.view.tile_count), kThreads, 0,
             np.shared() ? pair_theta<T, Form, true> : pair_theta<T, Form, false>, np.view);
    });
  });
}

}  // namespace cuda
}  // namespace merganser
