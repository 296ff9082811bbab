// SPDX-License-Identifier: Apache-2.0
// The gradients of NP Merge before anything changes: the check of each, and for coefficients shared by a row or a
// tensor the sums of g (x_k - x_0), of g (a - c) for two models, over the elements of their group.
//
// Sums have the bytes of the CPU: products in F64 are exact; a piece of 16384 elements is added up in 16 lanes,
// element i in lane i mod 16, and the lanes pairwise; the pieces of a group in order. So 16 threads have a piece, its
// 1024 dependent additions take some 10 us, and pieces run side by side: a tensor of 16.8 M elements has 1024 of them
// and 12 bytes of an element (N + 1 times 4 for N models), 61 us at 3.3 TB/s, with 16384 threads that ask for eight
// elements ahead: 1.6 MB in flight. A warp adds up the pieces of a group, 32 loaded at a time: for that tensor 10 us.
// Then the coefficients (np_pair.cu, np_softmax.cu) and theta, another 12 bytes.
//
// The check alone reads 4 bytes: 1.2 us for a million. It compares with a bound of the slot; what exceeds it is looked
// at with the models at its place. The first one by slot and index is the least of all, whatever the order.
//
// Considered: blocks that bring products to shared memory and let 16 of their threads add, with seven eighths of the
// threads idle in between; trees of sums, which are shorter but would give other bytes than the CPU.
// Not yet run on a device.
#include "cuda/np.cuh"

namespace merganser {
namespace cuda {

namespace {

constexpr uint32_t kMagnitudeBits = 0x7fffffffu;
constexpr unsigned int kWhole = 0xffffffffu;

// The first element of the slots that is refused.
__device__ __forceinline__ void refuse_element(const NpView& np, int which, const NpSlot& slot, int64_t i) {
  atomicMin(&np.worst[which], static_cast<unsigned long long>(slot.first + i));
}

// A gradient beyond the bound of its slot, with the models at its place: twice the largest difference bounds
// |x_k - theta|.
template <typename T>
__device__ __forceinline__ void look_closer(const NpView& np, int32_t s, int64_t i, float g) {
  typedef WordOf<T> W;
  const auto value = [&](int32_t k) {
    return static_cast<double>(T::f32(value_of(static_cast<const W*>(np.x[s * np.models + k])[i])));
  };
  double largest = 0;
  for (int32_t k = 1; k < np.models; ++k) {
    const double difference = fabs(value(k) - value(0));
    if (difference > largest) largest = difference;
  }
  const bool finite = (bits_of(g) & kMagnitudeBits) < 0x7f800000u;
  if (!finite || !(fabs(static_cast<double>(g)) * 2 * largest <= kNpLargest)) refuse_element(np, 0, np.slots[s], i);
}

template <typename T>
struct Check {
  const NpView& np;
  int32_t slot;
  const float* g;
  uint32_t limit;

  template <int kCount>
  __device__ __forceinline__ void run(int64_t i) const {
    float loss[kCount];
    load_floats<F32, kCount>(g, i, loss);
#pragma unroll
    for (int e = 0; e < kCount; ++e) {
      if ((bits_of(loss[e]) & kMagnitudeBits) > limit) look_closer<T>(np, slot, i + e, loss[e]);
    }
  }
};

template <typename T>
__global__ void __launch_bounds__(kThreads) check_gradients(const __grid_constant__ NpView np) {
  const NpPart part = np.tiles[blockIdx.x];
  const float* g = np.gradient[part.slot];
  for_part<4>(allows<float, 4>(g), part.begin, part.n, Check<T>{np, part.slot, g, np.slots[part.slot].limit});
}

constexpr int kLanes = 16;  // of a piece
constexpr int kSumThreads = 64;
constexpr int kWarp = 32;

// The differences of one element: x_k - x_0 for k >= 1, or of the pair.
template <typename T, int kSums, bool kPair>
struct Differences {
  const void* x[kSums + 1];
  __device__ __forceinline__ Differences(const NpView& np, int32_t slot) {
#pragma unroll
    for (int k = 0; k <= kSums; ++k) x[k] = np.x[slot * (kSums + 1) + k];
  }
  __device__ __forceinline__ void at(int64_t i, float* difference) const {
    float zero, each;
    load_floats<T, 1>(x[0], i, &zero);
#pragma unroll
    for (int k = 0; k < kSums; ++k) {
      load_floats<T, 1>(x[k + 1], i, &each);
      difference[k] = kPair ? zero - each : each - zero;
    }
  }
};

// dots[piece][.], with the check of the gradients. The sum of x_0 - x_0 is 0.
template <typename T, int kSums, bool kPair>
__global__ void __launch_bounds__(kSumThreads) sum_pieces(const __grid_constant__ NpView np) {
  constexpr int kAhead = kSums <= 3 ? 8 : 4;
  const int64_t piece = static_cast<int64_t>(blockIdx.x) * (kSumThreads / kLanes) + threadIdx.x / kLanes;
  const int lane = static_cast<int>(threadIdx.x) % kLanes;
  const bool mine = piece < np.piece_count;
  double sum[kSums] = {};
  if (mine) {
    const NpPart part = np.pieces[piece];
    const Differences<T, kSums, kPair> differences(np, part.slot);
    const float* g = np.gradient[part.slot];
    const uint32_t limit = np.slots[part.slot].limit;
    const auto add = [&](int64_t i, float loss, const float* difference) {
      if ((bits_of(loss) & kMagnitudeBits) > limit) look_closer<T>(np, part.slot, i, loss);
#pragma unroll
      for (int k = 0; k < kSums; ++k) {
        sum[k] = fma(static_cast<double>(loss), static_cast<double>(difference[k]), sum[k]);
      }
    };
    const int64_t end = part.begin + part.n;
    int64_t i = part.begin + lane;
    for (; i + (kAhead - 1) * kLanes < end; i += kAhead * kLanes) {
      float loss[kAhead], difference[kAhead][kSums];
#pragma unroll
      for (int a = 0; a < kAhead; ++a) {
        loss[a] = g[i + a * kLanes];
        differences.at(i + a * kLanes, difference[a]);
      }
#pragma unroll
      for (int a = 0; a < kAhead; ++a) add(i + a * kLanes, loss[a], difference[a]);
    }
    for (; i < end; i += kLanes) {
      float difference[kSums];
      differences.at(i, difference);
      add(i, g[i], difference);
    }
  }
#pragma unroll
  for (int k = 0; k < kSums; ++k) {
    for (int half = kLanes / 2; half >= 1; half /= 2) sum[k] += __shfl_down_sync(kWhole, sum[k], half);
  }
  if (!mine || lane > 0) return;
  double* dots = np.dots + piece * np.sums_of_group;
  if (!kPair) *dots++ = 0;
#pragma unroll
  for (int k = 0; k < kSums; ++k) dots[k] = sum[k];
}

// sums of one group after the other, a warp for each; the blocks of a part share it.
constexpr unsigned int kSplit = 32;
__global__ void __launch_bounds__(kThreads) sum_groups(const __grid_constant__ NpView np) {
  const NpPart part = np.groups[blockIdx.x];
  const NpSlot slot = np.slots[part.slot];
  if (slot.count == 0) return;
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int first = static_cast<int>(blockIdx.y * (kThreads / kWarp) + threadIdx.x / kWarp);
  for (int i = first; i < part.n; i += static_cast<int>(gridDim.y) * (kThreads / kWarp)) {
    const int64_t group = part.begin + i;
    const double* dots = np.dots + (slot.first_piece + group * slot.pieces) * np.sums_of_group;
    for (int32_t k = 0; k < np.sums_of_group; ++k) {
      double sum = 0;
      for (int64_t p = 0; p < slot.pieces; p += kWarp) {
        const double each = p + lane < slot.pieces ? dots[(p + lane) * np.sums_of_group + k] : 0;
        const int here = slot.pieces - p < kWarp ? static_cast<int>(slot.pieces - p) : kWarp;
        for (int l = 0; l < here; ++l) sum += __shfl_sync(kWhole, each, l);
      }
      if (lane > 0) continue;
      if (!(fabs(sum) <= kNpLargest / 2)) refuse_element(np, 1, slot, group * slot.span);
      np.sums[slot.offset + k * slot.stride + group] = static_cast<float>(sum);
    }
  }
}

template <typename T, int kModels>
void launch_pieces(State& s, const CudaNp& np) {
  const int64_t blocks = tiles_of(np.view.piece_count, kSumThreads / kLanes);
  if (blocks == 0) return;
  const bool pair = np.options.form != MG_NP_SOFTMAX;
  if constexpr (kModels == 2) {
    launch(s, "np_step", blocks_of(blocks), kSumThreads, 0,
           pair ? sum_pieces<T, 1, true> : sum_pieces<T, 1, false>, np.view);
  } else {
    launch(s, "np_step", blocks_of(blocks), kSumThreads, 0, sum_pieces<T, kModels - 1, false>, np.view);
  }
}

}  // namespace

void np_check_gradients(State& s, const CudaNp& np) {
  with_input(np, [&](auto type) {
    launch(s, "np_step", blocks_of(np.view.tile_count), kThreads, 0, check_gradients<decltype(type)>, np.view);
  });
}

void np_sum_groups(State& s, const CudaNp& np) {
  with_input(np, [&](auto type) {
    with_models(np, [&](auto models) { launch_pieces<decltype(type), decltype(models)::value>(s, np); });
  });
  const dim3 blocks(blocks_of(np.view.group_count), kSplit);
  launch(s, "np_step", blocks, kThreads, 0, sum_groups, np.view);
}

}  // namespace cuda
}  // namespace merganser
