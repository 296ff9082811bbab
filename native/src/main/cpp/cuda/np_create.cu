// SPDX-License-Identifier: Apache-2.0
// The state of NP Merge on the device: its memory, the lists of parts, the limits of gradients, the initial
// coefficients. One pass over the models, for their largest difference: 4 N bytes of a parameter, 2 N of BF16.
//
// Memory: the state (12 bytes of a parameter with Adam, each plane of a slot on a line of its own), 16 bytes for each
// 2048 elements that one block works on, 80 for a slot; for shared coefficients 16 and 8 N for each piece of 16384.
// Not yet run on a device.
#include <memory>

#include "cuda/np.cuh"

namespace merganser {
namespace cuda {

namespace {

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
#pragma unroll 1
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
  most = __reduce_max_sync(0xffffffffu, most);
  if (threadIdx.x % 32 == 0) atomicMax(&np.distance[part.slot], most);
}

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
    slot.stride = tiles_of(slot.groups, 16) * 16;
    slot.first = elements;
    slot.first_piece = pieces;
    slot.pieces = tiles_of(slot.span, kNpPiece);
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

}  // namespace

CudaNp::~CudaNp() {
  // Whoever deletes it may have chosen another device.
  guard([&] {
    OnDevice here;
    memory = Owned();
  });
}

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
    static_cast<void>(cudaStreamSynchronize(s.stream));  // for the lists that are being sent
    throw;
  }
  *out = np.release();
}

}  // namespace cuda
}  // namespace merganser
