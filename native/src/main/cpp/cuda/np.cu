// SPDX-License-Identifier: Apache-2.0
// NP Merge: the state on the device, and the order of a step. What is computed where: np_pair.cu, np_softmax.cu,
// np_groups.cu.
//
// A step is 2 launches for coefficients of parameters (check of the gradients; the step), 4 for shared ones (sums with
// the check; sums of groups; their coefficients; theta), whatever the number of tensors. Nobody waits in between: a
// gradient that is refused leaves its place in `worst`, and what comes after it on the stream sees that and does
// nothing. The host reads the two places once, which is the one synchronisation. Nothing is allocated, and the lists
// of gradients and theta are sent only when they are others than in the step before. The models, gradients and theta
// may be anybody's memory on the device.
//
// Memory: the state (12 bytes of a parameter with Adam, each plane of a slot on a line of its own), 16 bytes for each
// 2048 elements that one block works on, 104 for a slot; for shared coefficients 16 and 8 N for each piece of 16384.
#include <cstring>
#include <memory>

#include "cuda/np.cuh"

namespace merganser {
namespace cuda {

namespace {

CudaNp& state_of(mg_np* np) { return *static_cast<CudaNp*>(np); }
const CudaNp& state_of(const mg_np* np) { return *static_cast<const CudaNp*>(np); }

void check_complete(const CudaNp& np) {
  if (np.incomplete) fail(MG_INVALID_ARGUMENT, "np: a step failed on the device, so the state is half old and half new");
}

// The initial coefficients, of each model.
struct Initial {
  float z[kNpModels];
};

__global__ void __launch_bounds__(kThreads)
    fill(const __grid_constant__ NpView np, const __grid_constant__ Initial initial, int32_t planes) {
  const NpPart part = np.groups[blockIdx.x];
  const NpSlot& slot = np.slots[part.slot];
  for (int32_t k = 0; k < planes; ++k) {
    float* z = np.z + slot.offset + k * slot.stride + part.begin;
    for (int i = static_cast<int>(threadIdx.x); i < part.n; i += kThreads) z[i] = initial.z[k];
  }
}

// Of the bits of magnitudes, which order as they do; NaN are above all.
template <typename T>
struct Distance {
  const NpView& np;
  int32_t slot;
  unsigned int* most;

  template <int kCount>
  __device__ __forceinline__ void run(int64_t i) const {
    float zero[kCount], each[kCount];
    const void* const* x = np.x + np.models * slot;
    load_floats<T, kCount>(x[0], i, zero);
    for (int32_t k = 1; k < np.models; ++k) {
      load_floats<T, kCount>(x[k], i, each);
#pragma unroll
      for (int e = 0; e < kCount; ++e) {
        const unsigned int magnitude = bits_of(each[e] - zero[e]) & 0x7fffffffu;
        if (magnitude > *most) *most = magnitude;
      }
    }
  }
};

template <typename T>
__global__ void __launch_bounds__(kThreads) find_distance(const __grid_constant__ NpView np) {
  const NpPart part = np.tiles[blockIdx.x];
  bool packed = true;
  for (int32_t k = 0; k < np.models; ++k) packed = packed && allows<WordOf<T>, 4>(np.x[np.models * part.slot + k]);
  unsigned int most = 0;
  for_part<4>(packed, part.begin, part.n, Distance<T>{np, part.slot, &most});
  atomicMax(&np.distance[part.slot], most);
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

// ---- Creation ------------------------------------------------------------------------------------------

// Parts of n[s] consecutive things of each slot.
template <typename Number>
std::vector<NpPart> parts(const CudaNp& np, const Number& number) {
  std::vector<NpPart> all;
  for (int32_t s = 0; s < np.slots(); ++s) {
    const int64_t n = number(s);
    for (int64_t begin = 0; begin < n; begin += kNpTile) {
      all.push_back({s, static_cast<int32_t>(n - begin < kNpTile ? n - begin : kNpTile), begin});
    }
  }
  return all;
}

std::vector<NpPart> pieces_of(const CudaNp& np) {
  std::vector<NpPart> all;
  for (int32_t s = 0; s < np.slots() && np.shared(); ++s) {
    for (int64_t begin = 0; begin < np.counts[s]; begin += np.span(s)) {
      for (int64_t at = 0; at < np.span(s); at += kNpPiece) {
        const int64_t left = np.span(s) - at;
        all.push_back({s, static_cast<int32_t>(left < kNpPiece ? left : kNpPiece), begin + at});
      }
    }
  }
  return all;
}

std::vector<NpSlot> slots_of(CudaNp& np) {
  std::vector<NpSlot> all;
  int64_t elements = 0, pieces = 0;
  for (int32_t s = 0; s < np.slots(); ++s) {
    NpSlot slot{};
    slot.count = np.counts[s];
    slot.groups = np.groups(s);
    slot.span = np.span(s);
    slot.offset = np.size;
    slot.stride = (slot.groups + 15) / 16 * 16;
    slot.first = elements;
    slot.first_piece = pieces;
    slot.pieces = (slot.span + kNpPiece - 1) / kNpPiece;
    all.push_back(slot);
    np.offsets.push_back(slot.offset);
    np.strides.push_back(slot.stride);
    np.size += np.planes() * slot.stride;
    elements += slot.count;
    pieces += slot.count == 0 ? 0 : slot.groups * slot.pieces;
  }
  return all;
}

// Consecutive arrays, in memory that need not be there yet: then only their size is known.
class Layout {
 public:
  explicit Layout(void* memory) : memory_(static_cast<char*>(memory)) {}
  template <typename T>
  T* take(int64_t count) {
    char* at = memory_ + bytes_;
    bytes_ += (count * static_cast<int64_t>(sizeof(T)) + 255) / 256 * 256;
    return memory_ && count > 0 ? reinterpret_cast<T*>(at) : nullptr;
  }
  int64_t bytes() const { return bytes_; }

 private:
  char* memory_;
  int64_t bytes_ = 0;
};

int64_t lay_out(CudaNp& np, void* memory) {
  Layout layout(memory);
  NpView& view = np.view;
  const int64_t slots = np.slots();
  view.worst = layout.take<unsigned long long>(2);
  const int64_t zeros = layout.bytes();
  view.distance = layout.take<unsigned int>(slots);
  view.first = layout.take<float>(np.has(MG_NP_M) ? np.size : 0);
  view.second = layout.take<float>(np.has(MG_NP_V) ? np.size : 0);
  np.zeros = static_cast<size_t>(layout.bytes() - zeros);
  view.z = layout.take<float>(np.size);
  view.sums = layout.take<float>(np.shared() ? np.size : 0);
  view.dots = layout.take<double>(view.piece_count * np.sums_of_group());
  view.slots = layout.take<NpSlot>(slots);
  view.x = layout.take<const void*>(slots * np.options.models);
  view.tiles = layout.take<NpPart>(view.tile_count);
  view.groups = np.shared() ? layout.take<NpPart>(view.group_count) : view.tiles;
  view.pieces = layout.take<NpPart>(view.piece_count);
  np.pointers = layout.take<void*>(2 * slots);
  view.gradient = reinterpret_cast<const float* const*>(np.pointers);
  view.theta = reinterpret_cast<float* const*>(np.pointers ? np.pointers + slots : nullptr);
  return layout.bytes();
}

template <typename T>
void send(State& s, const std::vector<T>& from, const void* to) {
  if (from.empty()) return;
  check(cudaMemcpyAsync(const_cast<void*>(to), from.data(), from.size() * sizeof(T), cudaMemcpyHostToDevice, s.stream),
        "np_create");
}

[[noreturn]] void refuse_models(mg_context* context, const CudaNp& np, int32_t slot) {
  for (int32_t k = 0; k < np.options.models; ++k) {
    int64_t number = 0, first = -1;
    nonfinite_count(context, np.options.dtype, np.counts[slot], np.inputs[slot * np.options.models + k], &number,
                    &first);
    if (number > 0) mg_np::refuse_model(k, slot, first);
  }
  mg_np::refuse_distance(slot);
}

// Largest difference of two models of each slot, and with it the gradients that need no closer check.
void find_limits(mg_context* context, State& s, const CudaNp& np, std::vector<NpSlot>& slots) {
  if (np.view.tile_count > 0) {
    with_input(np, [&](auto type) {
      launch(s, "np_create", blocks_of(np.view.tile_count), kThreads, 0, find_distance<decltype(type)>, np.view);
    });
  }
  std::vector<uint32_t> largest(slots.size());
  check(cudaMemcpyAsync(largest.data(), np.view.distance, largest.size() * 4, cudaMemcpyDeviceToHost, s.stream),
        "np_create");
  synchronize(s, "np_create");
  for (size_t i = 0; i < slots.size(); ++i) {
    if (largest[i] >= 0x7f800000u) refuse_models(context, np, static_cast<int32_t>(i));
    slots[i].limit = bits_of(mg_np::gradient_limit(float_of(largest[i])));
  }
}

// ---- Steps ---------------------------------------------------------------------------------------------

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

void np_create(mg_context* context, const mg_np_options* options, int32_t slots, const int64_t* counts,
               const int64_t* rows, const void* const* in, const double* initial, mg_np** out) {
  OnDevice here;
  State& s = state(context);
  auto np = std::make_unique<CudaNp>(context, *options, slots, counts, rows, in);
  NpView& view = np->view;
  std::vector<NpSlot> table = slots_of(*np);
  const std::vector<NpPart> tiles = parts(*np, [&](int32_t slot) { return np->counts[slot]; });
  const std::vector<NpPart> groups = parts(*np, [&](int32_t slot) { return np->shared() ? np->groups(slot) : 0; });
  const std::vector<NpPart> pieces = pieces_of(*np);
  view.models = options->models;
  view.sums_of_group = np->sums_of_group();
  view.tile_count = static_cast<int64_t>(tiles.size());
  view.group_count = np->shared() ? static_cast<int64_t>(groups.size()) : view.tile_count;
  view.piece_count = static_cast<int64_t>(pieces.size());
  np->memory = Owned(DEVICE, lay_out(*np, nullptr), "the state of NP Merge");
  lay_out(*np, np->memory.as<void>());

  try {
    check(cudaMemsetAsync(view.worst, 0xff, 16, s.stream), "np_create");
    check(cudaMemsetAsync(view.distance, 0, np->zeros, s.stream), "np_create");
    send(s, np->inputs, view.x);
    send(s, tiles, view.tiles);
    send(s, groups, view.groups);
    send(s, pieces, view.pieces);
    send(s, table, view.slots);
    find_limits(context, s, *np, table);
    send(s, table, view.slots);
    Initial first{};
    for (int32_t k = 0; k < np->planes(); ++k) first.z[k] = np->initial_z(initial, k);
    if (view.group_count > 0) {
      launch(s, "np_create", blocks_of(view.group_count), kThreads, 0, fill, view, first, np->planes());
    }
    synchronize(s, "np_create");
  } catch (...) {
    cudaStreamSynchronize(s.stream);  // for the lists that are being sent
    throw;
  }
  *out = np.release();
}

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
