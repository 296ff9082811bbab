// SPDX-License-Identifier: Apache-2.0
// out[o, r, p] = scale[r] in[o, index[r], p]: without a scale a copy of bits, with one a product in F64 rounded once,
// as on the CPU to the bit. Threads follow the order of out, in units of 16 bytes where slices, strides and pointers
// allow, so that writes are whole; reads are as whole as runs of `inner` are. The index list comes from the host
// through page-locked memory.
// Versions considered: a thread for each run (o, r), which wastes a warp on short runs (inner = 9 of a convolution) and
// is no quicker on long ones.
// Expected on an H100-class card: 2 bytes of traffic for each of out at 3.3 TB/s; 4096 x 4096 of BF16 67 MB, 20 us.
// With inner = 1 a read of 2 to 8 bytes takes a sector of 32 unless neighbours in the index are near: up to 16 times
// the traffic of in.
// Not yet run on a device.
#include <algorithm>
#include <cstring>

#include "cuda/types.cuh"

namespace merganser {
namespace cuda {

namespace {

constexpr int64_t kMostOuter = 65535;             // of a grid's second dimension
constexpr int64_t kMostUnits = int64_t{1} << 24;  // in a slice of a launch: 20 us or more, and divisions of 32 bits

// Units of one size: elements, or 16 bytes. In units, but for the lists.
struct Gather {
  int64_t outer, inner, slice;  // slice: rows of the launch * inner
  int64_t in_stride, out_stride;
  int64_t bytes;  // of a unit
  const int64_t* index;
  const double* scale;
  const void* in;
  void* out;
};

struct alignas(16) Unit {
  unsigned long long half[2];
};

// run(r, from, to) for every unit of the output.
template <typename Run>
__device__ __forceinline__ void for_units(const Gather& g, const Run& run) {
  const int64_t threads = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t o = blockIdx.y; o < g.outer; o += gridDim.y) {
    for (int64_t e = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; e < g.slice; e += threads) {
      const int64_t r = static_cast<uint32_t>(e) / static_cast<uint32_t>(g.inner), p = e - r * g.inner;
      run(r, o * g.in_stride + g.index[r] * g.inner + p, o * g.out_stride + e);
    }
  }
}

__global__ void __launch_bounds__(kThreads) gather_units(Gather g) {
  for_units(g, [&](int64_t, int64_t from, int64_t to) {
    static_cast<Unit*>(g.out)[to] = static_cast<const Unit*>(g.in)[from];
  });
}

template <typename T>
__global__ void __launch_bounds__(kThreads) gather_elements(Gather g) {
  for_units(g, [&](int64_t, int64_t from, int64_t to) {
    store(g.out, to, load<WordOf<T>, 1>(g.in, from));
  });
}

// A NaN keeps its bits and a product of infinity and 0 is the negative NaN, as on x86: a GPU knows only one NaN.
__device__ __forceinline__ double product(double weight, double x) {
  if (x != x) return double_of(bits_of(x) | 0x0008000000000000u);
  if (weight != weight) return double_of(bits_of(weight) | 0x0008000000000000u);
  const double result = __dmul_rn(weight, x);
  return result == result ? result : double_of(uint64_t{0xfff8000000000000u});
}

template <typename T>
__global__ void __launch_bounds__(kThreads) gather_scaled(Gather g) {
  for_units(g, [&](int64_t r, int64_t from, int64_t to) {
    const double x = T::f64(value_of(load<WordOf<T>, 1>(g.in, from).word[0]));
    store(g.out, to, Pack<WordOf<T>, 1>{word_of(T::store(product(g.scale[r], x)))});
  });
}

// In as many launches as it takes, each of some of the n_out rows.
void start_gather(State& s, void (*kernel)(Gather), Gather g, int64_t n_out) {
  MG_REQUIRE(g.inner <= UINT32_MAX, "apply_gather on CUDA takes rows of at most %lld elements, not %lld",
             Long{UINT32_MAX}, Long{g.inner});
  const int64_t planes = std::min(g.outer, kMostOuter), most = std::max<int64_t>(1, s.blocks / planes);
  const int64_t rows = std::max<int64_t>(1, kMostUnits / g.inner);
  const int64_t bytes = g.bytes * g.inner;  // of a row of out
  for (int64_t r = 0; r < n_out; r += rows) {
    g.slice = std::min(rows, n_out - r) * g.inner;
    const int64_t blocks = std::min((g.slice + kThreads - 1) / kThreads, most);
    launch(s, "apply_gather", dim3(static_cast<unsigned int>(blocks), static_cast<unsigned int>(planes)),
           dim3(kThreads), 0, kernel, g);
    g.index += rows;
    g.scale += rows;
    g.out = static_cast<char*>(g.out) + rows * bytes;
  }
}

}  // namespace

void apply_gather(mg_context* context, int32_t dtype, int64_t outer, int64_t, int64_t inner, int64_t n_out,
                  const int64_t* index, const double* scale, const void* in, int64_t in_stride, void* out,
                  int64_t out_stride) {
  if (outer == 0 || inner == 0 || n_out == 0) return;
  OnDevice here;
  State& s = state(context);
  Scratch scratch(s.scratch), staging(s.staging);
  const int64_t lists = scale ? 2 : 1;
  uint64_t* staged = staging.take<uint64_t>(lists * n_out);
  uint64_t* there = scratch.take<uint64_t>(lists * n_out);
  const size_t bytes = 8 * static_cast<size_t>(n_out);
  std::memcpy(staged, index, bytes);
  if (scale) std::memcpy(staged + n_out, scale, bytes);
  check(cudaMemcpyAsync(there, staged, static_cast<size_t>(lists) * bytes, cudaMemcpyHostToDevice, s.stream),
        "copying the lists of apply_gather");
  Gather g{outer,
           inner,
           0,
           in_stride,
           out_stride,
           size_of(dtype),
           reinterpret_cast<const int64_t*>(there),
           reinterpret_cast<const double*>(there + n_out),
           in,
           out};
  const int64_t unit = 16 / size_of(dtype);
  const bool units = !scale && aligned(in) && aligned(out) && inner % unit == 0 &&
                     (outer == 1 || (in_stride % unit == 0 && out_stride % unit == 0));
  if (units) {
    for (int64_t* each : {&g.inner, &g.in_stride, &g.out_stride}) *each /= unit;
    g.bytes = 16;
    start_gather(s, &gather_units, g, n_out);
  } else {
    with_type(dtype, [&](auto type) {
      using T = decltype(type);
      start_gather(s, scale ? &gather_scaled<T> : &gather_elements<T>, g, n_out);
    });
  }
  synchronize(s, "apply_gather");
}

}  // namespace cuda
}  // namespace merganser
