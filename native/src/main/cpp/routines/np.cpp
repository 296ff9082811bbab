// SPDX-License-Identifier: Apache-2.0
// NP Merge: a step is one pass over the parameters, after one over the gradients that refuses those that would ruin the
// state. Coefficients shared by a row or a tensor take three: sums of g (x_k - x_0) in F64 over pieces that depend on
// the shapes only, the update of the few coefficients, and theta.
// The update of shared coefficients is that of parameters with other inputs: for the pair a = 1, c = 0, g = the sum;
// for softmax x_k = the sums and g = 1.
#include "routines/np.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <memory>

#include "routines/output.h"
#include "routines/routines.h"
#include "runtime/error.h"
#include "runtime/isa.h"
#include "runtime/pool.h"

namespace merganser {

namespace {

constexpr int64_t kTile = 256;  // 1024: 0.05 of the rate of memory less
constexpr int64_t kChunk = kNpPiece;

CpuNp& state_of(mg_np* np) { return *static_cast<CpuNp*>(np); }
const CpuNp& state_of(const mg_np* np) { return *static_cast<const CpuNp*>(np); }

void check_complete(const CpuNp& np) {
  if (np.incomplete) fail(MG_INVALID_ARGUMENT, "np: a step was cancelled, so the state is half old and half new");
}

// One constant to a place.
struct Constants {
  alignas(64) float zeros[kTile], ones[kTile];
  Constants() {
    std::fill_n(zeros, kTile, 0.0f);
    std::fill_n(ones, kTile, 1.0f);
  }
};
const Constants& constants() {
  static const Constants all;
  return all;
}

// What works on a tile, for parameters and for groups alike.
class Tiles {
 public:
  Tiles(const CpuNp& np, const NpScalars& scalars) : np_(np), scalars_(scalars), kernels_(merganser::kernels().np) {}

  // z, or another array of the state, of a plane of a slot.
  float* plane(const Buffer<float>& array, int32_t slot, int32_t k, int64_t at) const {
    if (array.size() == 0) return nullptr;
    return const_cast<float*>(array.data()) + np_.offsets[slot] + k * np_.groups(slot) + at;
  }

  // theta of n elements with coefficients of their own.
  void theta(const void* const* x, int type, const float* const* z, float* out, int64_t n) const {
    if (np_.options.form != MG_NP_SOFTMAX) {
      kernels_.np_pair_theta[type][np_.options.form](x[0], x[1], z[0], out, n);
      return;
    }
    kernels_.np_softmax_theta[type](
        {np_.options.models, x, nullptr, const_cast<float* const*>(z), nullptr, nullptr, out}, n);
  }

  // The update of the n coefficients from `at` on, and theta with them.
  void step(const void* const* x, int type, const float* g, int32_t slot, int64_t at, float* out, int64_t n) const {
    const int optimizer = np_.optimizer();
    if (np_.options.form != MG_NP_SOFTMAX) {
      const NpTile tile{
          x[0], x[1], g, plane(np_.z, slot, 0, at), plane(np_.first, slot, 0, at), plane(np_.second, slot, 0, at), out};
      kernels_.np_pair[type][np_.options.form][optimizer](tile, scalars_, n);
      return;
    }
    float *z[kNpModels] = {}, *m[kNpModels] = {}, *v[kNpModels] = {};
    for (int32_t k = 0; k < np_.options.models; ++k) {
      z[k] = plane(np_.z, slot, k, at);
      m[k] = plane(np_.first, slot, k, at);
      v[k] = plane(np_.second, slot, k, at);
    }
    kernels_.np_softmax[type][optimizer]({np_.options.models, x, g, z, m, v, out}, scalars_, n);
  }

  void inputs(int32_t slot, int64_t at, const void** x) const {
    for (int32_t k = 0; k < np_.options.models; ++k) x[k] = np_.input(slot, k, at);
  }

  const NpKernels& kernels() const { return kernels_; }

 private:
  const CpuNp& np_;
  NpScalars scalars_;
  const NpKernels& kernels_;
};

// Runs fn(piece index) over the bundles.
template <typename Fn>
void for_pieces(mg_context* context, const CpuNp& np, const Fn& fn) {
  const int64_t bundles = static_cast<int64_t>(np.bundles.size()) - 1;
  parallel_for(context, bundles, [&](int64_t item, int32_t) {
    for (int64_t p = np.bundles[item]; p < np.bundles[item + 1]; ++p) fn(p);
  });
}

int64_t theta_bytes(const CpuNp& np) {
  int64_t total = 0;
  for (int64_t each : np.counts) total += each * 4;
  return total;
}

void make_pieces(CpuNp& np) {
  for (int32_t s = 0; s < np.slots(); ++s) {
    const int64_t span = np.shared() ? np.span(s) : np.counts[s];
    const int64_t groups = np.shared() ? np.groups(s) : 1;
    for (int64_t group = 0; group < groups; ++group) {
      for (int64_t at = 0; at < span; at += kChunk) {
        const int64_t begin = group * span + at;
        np.pieces.push_back({s, np.shared() ? group : begin, begin, std::min(kChunk, span - at)});
      }
    }
  }
  np.bundles.push_back(0);
  int64_t elements = 0;
  for (size_t p = 0; p < np.pieces.size(); ++p) {
    elements += np.pieces[p].n;
    if (elements >= kChunk || p + 1 == np.pieces.size()) {
      np.bundles.push_back(static_cast<int64_t>(p) + 1);
      elements = 0;
    }
  }
}

[[noreturn]] void refuse_models(const CpuNp& np, int32_t slot) {
  for (int32_t k = 0; k < np.options.models; ++k) {
    for (int64_t i = 0; i < np.counts[slot]; ++i) {
      if (kernels().elementwise.count_nonfinite[np.options.dtype](np.input(slot, k, i), 1) > 0) {
        CpuNp::refuse_model(k, slot, i);
      }
    }
  }
  CpuNp::refuse_distance(slot);
}

// Largest difference of two models of each slot, and with it the gradients that need no closer check.
void find_limits(mg_context* context, CpuNp& np) {
  std::vector<float> distances(np.pieces.size(), 0.0f);
  const Tiles tiles(np, NpScalars{});
  for_pieces(context, np, [&](int64_t p) {
    const NpPiece& piece = np.pieces[p];
    for (int32_t k = 1; k < np.options.models; ++k) {
      const float here = tiles.kernels().np_distance[np.input_type()](np.input(piece.slot, k, piece.begin),
                                                                      np.input(piece.slot, 0, piece.begin), piece.n);
      distances[p] = std::max(distances[p], here);
    }
  });
  std::vector<double> largest(np.counts.size(), 0.0);
  for (size_t p = 0; p < np.pieces.size(); ++p) {
    double& each = largest[np.pieces[p].slot];
    each = std::max<double>(each, distances[p]);
  }
  for (int32_t s = 0; s < np.slots(); ++s) {
    if (!std::isfinite(largest[s])) refuse_models(np, s);
    np.limits.push_back(CpuNp::gradient_limit(largest[s]));
  }
}

// Of one element: twice the largest difference bounds |x_k - theta|.
bool acceptable(const CpuNp& np, int32_t slot, int64_t i, float g) {
  if (!std::isfinite(g)) return false;
  const auto value = [&](int32_t k) {
    float x;
    kernels().elementwise.convert[np.options.dtype][MG_F32](np.input(slot, k, i), &x, 1);
    return x;
  };
  double largest = 0;
  for (int32_t k = 1; k < np.options.models; ++k) largest = std::max(largest, std::fabs(double{value(k)} - value(0)));
  return std::fabs(g) * 2 * largest <= kNpLargest;
}

// The first gradient that would ruin the state.
void check_gradients(mg_context* context, const CpuNp& np, const float* const* gradient, int32_t* bad_slot,
                     int64_t* bad_index) {
  std::atomic<int64_t> worst{INT64_MAX};  // piece
  const NpKernels& kernels = merganser::kernels().np;
  const auto bad_element = [&](int64_t p) {
    const NpPiece& piece = np.pieces[p];
    for (int64_t i = piece.begin; i < piece.begin + piece.n; ++i) {
      if (!acceptable(np, piece.slot, i, gradient[piece.slot][i])) return i;
    }
    return int64_t{-1};
  };
  for_pieces(context, np, [&](int64_t p) {
    const NpPiece& piece = np.pieces[p];
    if (kernels.np_beyond(gradient[piece.slot] + piece.begin, np.limits[piece.slot], piece.n) == 0) return;
    if (p > worst.load() || bad_element(p) < 0) return;
    int64_t before = worst.load();
    while (p < before && !worst.compare_exchange_weak(before, p)) {
    }
  });
  const int64_t p = worst.load();
  if (p == INT64_MAX) return;
  const int64_t i = bad_element(p);
  np.refuse_gradient(np.pieces[p].slot, i, gradient[np.pieces[p].slot][i], bad_slot, bad_index);
}

// sums[slot][model][group]
void sum_groups(mg_context* context, CpuNp& np, const float* const* gradient, int32_t* bad_slot, int64_t* bad_index) {
  const Tiles tiles(np, NpScalars{});
  const int32_t width = np.sums_of_group();
  const bool pair = np.options.form != MG_NP_SOFTMAX;
  for_pieces(context, np, [&](int64_t p) {
    const NpPiece& piece = np.pieces[p];
    const auto dot = [&](int32_t x, int32_t y) {
      return tiles.kernels().np_dot[np.input_type()](np.input(piece.slot, x, piece.begin),
                                                     np.input(piece.slot, y, piece.begin),
                                                     gradient[piece.slot] + piece.begin, piece.n);
    };
    for (int32_t k = 0; k < width; ++k) np.dots[p * width + k] = pair ? dot(0, 1) : k == 0 ? 0 : dot(k, 0);
  });
  for (size_t p = 0; p < np.pieces.size();) {
    const NpPiece first = np.pieces[p];
    double sum[kNpModels] = {};
    for (; p < np.pieces.size() && np.pieces[p].slot == first.slot && np.pieces[p].group == first.group; ++p) {
      for (int32_t k = 0; k < width; ++k) sum[k] += np.dots[static_cast<int64_t>(p) * width + k];
    }
    for (int32_t k = 0; k < width; ++k) {
      if (!(std::fabs(sum[k]) <= kNpLargest / 2)) {
        np.refuse_gradient(first.slot, first.begin, sum[k], bad_slot, bad_index);
      }
      np.sums[np.offsets[first.slot] + k * np.groups(first.slot) + first.group] = static_cast<float>(sum[k]);
    }
  }
}

void update_groups(CpuNp& np, const Tiles& tiles) {
  alignas(64) float unused[kTile];
  for (int32_t s = 0; s < np.slots(); ++s) {
    for (int64_t at = 0; at < np.groups(s) && np.counts[s] > 0; at += kTile) {
      const int64_t n = std::min(kTile, np.groups(s) - at);
      const float* sum = tiles.plane(np.sums, s, 0, at);
      const void* x[kNpModels] = {constants().ones, constants().zeros};
      if (np.options.form == MG_NP_SOFTMAX) {
        for (int32_t k = 0; k < np.options.models; ++k) x[k] = tiles.plane(np.sums, s, k, at);
        sum = constants().ones;
      }
      tiles.step(x, 0, sum, s, at, unused, n);
    }
  }
}

void write_theta(mg_context* context, const CpuNp& np, float* const* theta) {
  const Tiles tiles(np, NpScalars{});
  const Output output(theta_bytes(np));
  for_pieces(context, np, [&](int64_t p) {
    const NpPiece& piece = np.pieces[p];
    alignas(64) float tile[kTile];
    alignas(64) float same[kNpModels][kTile];
    for (int64_t at = 0; at < piece.n; at += kTile) {
      const int64_t n = std::min(kTile, piece.n - at);
      const void* x[kNpModels];
      const float* z[kNpModels];
      tiles.inputs(piece.slot, piece.begin + at, x);
      for (int32_t k = 0; k < np.planes(); ++k) {
        z[k] = tiles.plane(np.z, piece.slot, k, np.shared() ? piece.group : piece.begin + at);
        if (np.shared()) {
          std::fill_n(same[k], n, *z[k]);
          z[k] = same[k];
        }
      }
      tiles.theta(x, np.input_type(), z, tile, n);
      output.put(tile, theta[piece.slot] + piece.begin + at, n * 4);
    }
    output.finish();
  });
}

void step_parameters(mg_context* context, const CpuNp& np, const Tiles& tiles, const float* const* gradient,
                     float* const* theta) {
  const Output output(theta_bytes(np));
  for_pieces(context, np, [&](int64_t p) {
    const NpPiece& piece = np.pieces[p];
    alignas(64) float tile[kTile];
    for (int64_t at = piece.begin; at < piece.begin + piece.n; at += kTile) {
      const int64_t n = std::min(kTile, piece.begin + piece.n - at);
      const void* x[kNpModels];
      tiles.inputs(piece.slot, at, x);
      tiles.step(x, np.input_type(), gradient[piece.slot] + at, piece.slot, at, tile, n);
      output.put(tile, theta[piece.slot] + at, n * 4);
    }
    output.finish();
  });
}

}  // namespace

void np_create(mg_context* context, const mg_np_options* options, int32_t slots, const int64_t* counts,
               const int64_t* rows, const void* const* in, const double* initial, mg_np** out) {
  auto np = std::make_unique<CpuNp>(context, *options, slots, counts, rows, in);
  int64_t size = 0;
  for (int32_t s = 0; s < np->slots(); ++s) {
    np->offsets.push_back(size);
    size += divide_up(np->planes() * np->groups(s), 16) * 16;
  }
  make_pieces(*np);
  find_limits(context, *np);
  np->z.reserve(size);
  if (np->optimizer() < 2) np->first.reserve(size);
  if (np->optimizer() == 0) np->second.reserve(size);
  for (Buffer<float>* each : {&np->first, &np->second}) {
    if (each->size() > 0) std::fill_n(each->data(), size, 0.0f);
  }
  if (np->shared()) {
    np->dots.reserve(static_cast<int64_t>(np->pieces.size()) * np->sums_of_group());
    // A plane for each model, while the pair has one state.
    np->sums.reserve(size);
  }
  for (int32_t s = 0; s < np->slots(); ++s) {
    for (int32_t k = 0; k < np->planes(); ++k) {
      std::fill_n(np->z.data() + np->offsets[s] + k * np->groups(s), np->groups(s), np->initial_z(initial, k));
    }
  }
  *out = np.release();
}

void np_theta(mg_context* context, const mg_np* np, float* const* theta) {
  check_complete(state_of(np));
  write_theta(context, state_of(np), theta);
}

void np_step(mg_context* context, mg_np* handle, double rate, const float* const* gradient, float* const* theta,
             int32_t* bad_slot, int64_t* bad_index) {
  CpuNp& np = state_of(handle);
  check_complete(np);
  check_gradients(context, np, gradient, bad_slot, bad_index);
  if (np.shared()) sum_groups(context, np, gradient, bad_slot, bad_index);
  const double power1 = np.power1 * np.options.beta1, power2 = np.power2 * np.options.beta2;
  const Tiles tiles(np, np.scalars(rate, power1, power2));
  np.incomplete = true;
  if (np.shared()) {
    update_groups(np, tiles);
    write_theta(context, np, theta);
  } else {
    step_parameters(context, np, tiles, gradient, theta);
  }
  np.incomplete = false;
  np.power1 = power1;
  np.power2 = power2;
  ++np.steps;
}

void np_state(mg_context*, const mg_np* handle, int32_t slot, int32_t part, int64_t count, float* out) {
  const CpuNp& np = state_of(handle);
  check_complete(np);
  std::copy_n(np.part(part).data() + np.offsets[slot], count, out);
}

void np_load(mg_context*, mg_np* handle, int32_t slot, int32_t part, int64_t count, const float* in) {
  CpuNp& np = state_of(handle);
  check_complete(np);
  for (int64_t i = 0; i < count; ++i) {
    const bool allowed = part == MG_NP_Z ? !std::isnan(in[i]) : std::isfinite(in[i]) && (part == MG_NP_M || in[i] >= 0);
    if (!allowed) CpuNp::refuse_state(slot, i, in[i]);
  }
  const NpScalars range = np.scalars(0, 0, 0);
  float* out = np.part(part).data() + np.offsets[slot];
  for (int64_t i = 0; i < count; ++i) out[i] = part == MG_NP_Z ? std::clamp(in[i], range.least, range.most) : in[i];
}

void np_resume(mg_context*, mg_np* handle, int64_t steps) {
  CpuNp& np = state_of(handle);
  check_complete(np);
  np.go_on_from(steps);
}

}  // namespace merganser
