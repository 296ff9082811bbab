// SPDX-License-Identifier: Apache-2.0
// NP Merge: the order of a step, and access to the state, which np_create.cu makes. What is computed where: np_pair.cu,
// np_softmax.cu, np_groups.cu.
//
// A step is 2 launches for coefficients of parameters (check of the gradients; the step), 4 for shared ones (sums with
// the check; sums of groups; their coefficients; theta), whatever the number of tensors. Nobody waits in between: a
// gradient that is refused leaves its place in `worst`, and what comes after it on the stream sees that and does
// nothing. The host reads the two places once, which is the one synchronisation. Nothing is allocated, and the lists
// of gradients and theta are sent only when they are others than in the step before. The models, gradients and theta
// may be anybody's memory on the device.
// Not yet run on a device.
#include <cstring>

#include "cuda/np.cuh"

namespace merganser {
namespace cuda {

namespace {

CudaNp& state_of(mg_np* np) { return *static_cast<CudaNp*>(np); }
const CudaNp& state_of(const mg_np* np) { return *static_cast<const CudaNp*>(np); }

void check_complete(const CudaNp& np) {
  if (np.incomplete) fail(MG_INVALID_ARGUMENT, "np: a step failed on CUDA, so the state is half old and half new");
}

// worst[0]: the first value that a part of the state cannot have.
__global__ void __launch_bounds__(kThreads)
    check_values(const float* in, int64_t count, int32_t part, unsigned long long* worst) {
  const int64_t threads = static_cast<int64_t>(gridDim.x) * kThreads;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x; i < count; i += threads) {
    const float x = in[i];
    const bool finite = (bits_of(x) & 0x7f800000u) != 0x7f800000u;
    const bool allowed = part == MG_NP_Z ? x == x : finite && (part == MG_NP_M || x >= 0);
    if (!allowed) atomicMin(worst, static_cast<unsigned long long>(i));
  }
}

__global__ void __launch_bounds__(kThreads)
    load_values(const float* in, int64_t count, bool clamped, float least, float most, float* out,
                const unsigned long long* worst) {
  if (*worst != kNpNone) return;
  const int64_t threads = static_cast<int64_t>(gridDim.x) * kThreads;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x; i < count; i += threads) {
    const float x = in[i];
    out[i] = !clamped ? x : x < least ? least : most < x ? most : x;
  }
}

// The lists of gradients and theta to the device, unless they are there; a NULL one is any.
void send_pointers(State& s, CudaNp& np, Scratch& staging, const float* const* gradient, float* const* theta) {
  const size_t slots = np.counts.size();
  std::vector<const void*>& known = np.known;
  bool same = known.size() == 2 * slots;
  if (!same) known.assign(2 * slots, nullptr);
  for (size_t i = 0; i < slots; ++i) {
    if (gradient && known[i] != gradient[i]) known[i] = gradient[i], same = false;
    if (known[slots + i] != theta[i]) known[slots + i] = theta[i], same = false;
  }
  if (same) return;
  const void** staged = staging.take<const void*>(static_cast<int64_t>(2 * slots));
  std::memcpy(staged, known.data(), 2 * slots * sizeof(void*));
  const cudaError_t error =
      cudaMemcpyAsync(np.pointers, staged, 2 * slots * sizeof(void*), cudaMemcpyHostToDevice, s.stream);
  if (error != cudaSuccess) known.clear();
  check(error, "copying the lists of np_step");
}

void launch_theta(State& s, const CudaNp& np) {
  if (np.view.tile_count == 0) return;
  np.options.form == MG_NP_SOFTMAX ? np_softmax_theta(s, np) : np_pair_theta(s, np);
}

void launch_step(State& s, const CudaNp& np, const NpScalars& scalars) {
  const bool softmax = np.options.form == MG_NP_SOFTMAX;
  if (np.view.tile_count == 0) return;  // no elements, no gradients
  if (!np.shared()) {
    np_check_gradients(s, np);
    return softmax ? np_softmax(s, np, scalars) : np_pair(s, np, scalars);
  }
  np_sum_groups(s, np);
  softmax ? np_softmax_groups(s, np, scalars) : np_pair_groups(s, np, scalars);
  launch_theta(s, np);
}

// Fails with the slot, the index and the value; the next step finds nothing refused.
[[noreturn]] void refuse(State& s, const CudaNp& np, const unsigned long long* worst, const float* const* gradient,
                         int32_t* bad_slot, int64_t* bad_index) {
  check(cudaMemsetAsync(np.view.worst, 0xff, 16, s.stream), "np_step");
  const bool of_sum = worst[0] == kNpNone;
  int64_t i = static_cast<int64_t>(worst[of_sum ? 1 : 0]);
  int32_t slot = 0;
  for (; i >= np.counts[slot]; ++slot) i -= np.counts[slot];
  double value = 0;
  if (of_sum) {
    // The sums of its group again, of which one is too large.
    NpSlot where;
    check(cudaMemcpyAsync(&where, np.view.slots + slot, sizeof where, cudaMemcpyDeviceToHost, s.stream), "np_step");
    synchronize(s, "np_step");
    const int64_t width = np.sums_of_group(), first = where.first_piece + i / where.span * where.pieces;
    std::vector<double> dots(static_cast<size_t>(where.pieces * width));
    check(cudaMemcpyAsync(dots.data(), np.view.dots + first * width, dots.size() * 8, cudaMemcpyDeviceToHost, s.stream),
          "np_step");
    synchronize(s, "np_step");
    for (int64_t k = 0; k < width && std::fabs(value) <= kNpLargest / 2; ++k) {
      value = 0;
      for (int64_t p = 0; p < where.pieces; ++p) value += dots[static_cast<size_t>(p * width + k)];
    }
  } else {
    float g = 0;
    check(cudaMemcpyAsync(&g, gradient[slot] + i, 4, cudaMemcpyDeviceToHost, s.stream), "np_step");
    synchronize(s, "np_step");
    value = g;
  }
  np.refuse_gradient(slot, i, value, bad_slot, bad_index);
}

}  // namespace

void np_theta(mg_context* context, const mg_np* handle, float* const* theta) {
  OnDevice here;
  State& s = state(context);
  CudaNp& np = const_cast<CudaNp&>(state_of(handle));  // its list of pointers
  check_complete(np);
  Scratch staging(s.staging);
  send_pointers(s, np, staging, nullptr, theta);
  launch_theta(s, np);
  synchronize(s, "np_theta");
}

void np_step(mg_context* context, mg_np* handle, double rate, const float* const* gradient, float* const* theta,
             int32_t* bad_slot, int64_t* bad_index) {
  OnDevice here;
  State& s = state(context);
  CudaNp& np = state_of(handle);
  check_complete(np);
  Scratch staging(s.staging);
  const double power1 = np.power1 * np.options.beta1, power2 = np.power2 * np.options.beta2;
  auto* worst = staging.take<unsigned long long>(2);
  send_pointers(s, np, staging, gradient, theta);
  np.incomplete = true;
  launch_step(s, np, np.scalars(rate, power1, power2));
  check(cudaMemcpyAsync(worst, np.view.worst, 16, cudaMemcpyDeviceToHost, s.stream), "np_step");
  synchronize(s, "np_step");
  np.incomplete = false;
  if (worst[0] != kNpNone || worst[1] != kNpNone) refuse(s, np, worst, gradient, bad_slot, bad_index);
  np.power1 = power1;
  np.power2 = power2;
  ++np.steps;
}

void np_state(mg_context* context, const mg_np* handle, int32_t slot, int32_t part, int64_t count, float* out) {
  OnDevice here;
  State& s = state(context);
  const CudaNp& np = state_of(handle);
  check_complete(np);
  if (count == 0) return;
  const int64_t groups = np.groups(slot);
  for (int32_t k = 0; k < np.planes(); ++k) {
    check(cudaMemcpyAsync(out + k * groups, np.part(part) + np.offsets[slot] + k * np.strides[slot],
                          static_cast<size_t>(groups) * 4, cudaMemcpyDeviceToDevice, s.stream),
          "np_state");
  }
  synchronize(s, "np_state");
}

void np_load(mg_context* context, mg_np* handle, int32_t slot, int32_t part, int64_t count, const float* in) {
  OnDevice here;
  State& s = state(context);
  CudaNp& np = state_of(handle);
  check_complete(np);
  if (count == 0) return;
  const NpScalars range = np.scalars(0, 0, 0);
  const int64_t groups = np.groups(slot);
  check(cudaMemsetAsync(s.counters, 0xff, 8, s.stream), "np_load");
  launch(s, "np_load", Spread(s, count, 1, false).blocks, kThreads, 0, check_values, in, count, part, s.counters);
  for (int32_t k = 0; k < np.planes(); ++k) {
    launch(s, "np_load", Spread(s, groups, 1, false).blocks, kThreads, 0, load_values, in + k * groups, groups,
           part == MG_NP_Z, range.least, range.most, np.part(part) + np.offsets[slot] + k * np.strides[slot],
           s.counters);
  }
  unsigned long long worst = 0;
  check(cudaMemcpyAsync(&worst, s.counters, 8, cudaMemcpyDeviceToHost, s.stream), "np_load");
  synchronize(s, "np_load");
  if (worst == kNpNone) return;
  float value = 0;
  check(cudaMemcpyAsync(&value, in + worst, 4, cudaMemcpyDeviceToHost, s.stream), "np_load");
  synchronize(s, "np_load");
  mg_np::refuse_state(slot, static_cast<int64_t>(worst), value);
}

void np_resume(mg_context*, mg_np* handle, int64_t steps) {
  check_complete(state_of(handle));
  state_of(handle).go_on_from(steps);
}

}  // namespace cuda
}  // namespace merganser
