// SPDX-License-Identifier: Apache-2.0
// Activations with a gain n and a saturation s, and their derivatives, by the formulas of kernels/gamma_formulas.inc for
// one number: the bytes of the CPU, sums in its order (routines/gamma.h). Elements are one thread's each; what follows
// from n and s is formed anew by every thread, a division in F64 beside some hundred operations.
// Bytes of an F32 element with n and s of a column: forward 8, backward 12. At 3.3 TB/s 16.8 million take 0.04 and
// 0.06 ms; the operations, some 55 and 80 in F32, take less. Sums of one n have sixteen threads for a chunk, so
// that a million elements are 8192 threads; they read one element at a time, as their order says which thread has it.
// Not yet run on a device.
#include "cuda/types.cuh"
#include "routines/gamma.h"

namespace merganser {
namespace cuda {

namespace {

#define MG_LOOP __host__ __device__ __forceinline__
template <typename R>
struct Bits;
template <>
struct Bits<float> {
  static constexpr uint32_t kSign = 0x80000000u, kNan = 0x7fc00000u;
};
template <>
struct Bits<double> {
  static constexpr uint64_t kSign = 0x8000000000000000u, kNan = 0x7ff8000000000000u;
};
MG_LOOP float number_of(uint32_t u) { return float_of(u); }
MG_LOOP double number_of(uint64_t u) { return double_of(u); }
template <typename R>
MG_LOOP R magnitude(R x) {
  return number_of(bits_of(x) & ~Bits<R>::kSign);
}
MG_LOOP float mul_add(float x, float y, float z) { return fmaf(x, y, z); }
MG_LOOP double mul_add(double x, double y, double z) { return fma(x, y, z); }
// z - x y
template <typename R>
MG_LOOP R mul_off(R x, R y, R z) {
  return mul_add(-x, y, z);
}
template <typename R>
MG_LOOP R with_sign_times(R x, R y) {
  return number_of(bits_of(x) ^ (bits_of(y) & Bits<R>::kSign));
}
template <typename R>
MG_LOOP R where_positive(R x, R yes, R no) {
  return x >= 0 ? yes : no;
}
template <typename R>
MG_LOOP R zero_unless_positive(R x, R yes) {
  return x >= 0 ? yes : R(0);
}
template <typename R>
MG_LOOP R zero_beyond(R x, R limit, R y) {
  return x <= limit ? y : R(0);
}
template <typename R>
MG_LOOP R product_unless_zero(R x, R y) {
  return x != 0 ? x * y : R(0);
}
template <typename R>
MG_LOOP R or_nan(R x, R y) {
  return x == x && y == y ? y : number_of(Bits<R>::kNan);
}
MG_LOOP float times_power(float x, float, float shifted, float scale) {
  return float_of(bits_of(x) + (bits_of(shifted) << 23)) * scale;
}
MG_LOOP double times_power(double x, double, double shifted, double scale) {
  return double_of(bits_of(x) + (bits_of(shifted) << 52)) * scale;
}
#include "kernels/gamma_formulas.inc"
#undef MG_LOOP

// Arrays of a call.
struct Arguments {
  int64_t rows, columns;
  int32_t shape;
  const void *x, *g, *n, *s;
  void *out, *dn, *ds;
  __device__ __forceinline__ int64_t own(int64_t i) const {
    if (shape != MG_GAMMA_PER_UNIT) return shape == MG_GAMMA_UNIFORM ? 0 : i;
    const bool small = ((i | columns) >> 32) == 0;  // a division of 64 bits takes some hundred operations
    return small ? static_cast<uint32_t>(i) % static_cast<uint32_t>(columns) : i % columns;
  }
};

template <typename T>
__device__ __forceinline__ auto read(const void* array, int64_t i) {
  return value_of(load<WordOf<T>, 1>(array, i).word[0]);
}
template <typename T, typename R>
__device__ __forceinline__ void write(void* array, int64_t i, R value) {
  Pack<WordOf<T>, 1> pack;
  pack.word[0] = word_of(value);
  store(array, i, pack);
}

// Slopes of one element, with what depends on n and s; by_x is g times that by x.
template <bool kShape, typename R>
__device__ __forceinline__ GammaSlopes<R> backward_of(R x, R g, const GammaShape<R>& shape, R* by_x) {
  const GammaSlopes<R> slopes = gamma_slopes<kShape, R, R>(x, shape, gamma_exponential<R, R>(x, shape.n));
  *by_x = or_nan(x, g * slopes.x);
  return slopes;
}

template <typename T>
__device__ __forceinline__ auto shape_at(const Arguments& a, int64_t own) {
  const auto n = read<T>(a.n, own), s = read<T>(a.s, own);
  typedef std::remove_const_t<decltype(n)> R;
  return gamma_shape<R>(n, s);
}

// Elements without sums: forward, and backward of elements with an n each or with fixed ones.
template <typename T>
struct Element {
  typedef WordOf<T> W;
  const Arguments& a;

  // n or s of neighbours.
  template <int kCount>
  __device__ __forceinline__ Pack<W, kCount> of_each(const void* array, int64_t own) const {
    if (a.shape != MG_GAMMA_UNIFORM) return load<W, kCount>(array, own);
    Pack<W, kCount> same;
    const W word = load<W, 1>(array, 0).word[0];
#pragma unroll
    for (int e = 0; e < kCount; ++e) same.word[e] = word;
    return same;
  }

  template <int kCount>
  __device__ __forceinline__ void run(int64_t i) const {
    typedef decltype(value_of(W())) R;
    const int64_t own = a.own(i);
    const auto n = of_each<kCount>(a.n, own), s = of_each<kCount>(a.s, own), x = load<W, kCount>(a.x, i);
    Pack<W, kCount> out;
    if (!a.g) {
#pragma unroll
      for (int e = 0; e < kCount; ++e) {
        const auto shape = gamma_shape<R>(value_of(n.word[e]), value_of(s.word[e]));
        const R at = value_of(x.word[e]);
        out.word[e] = word_of(gamma_value<R, R>(at, shape, gamma_exponential<R, R>(at, shape.n)));
      }
      return store(a.out, i, out);
    }
    const auto g = load<W, kCount>(a.g, i);
    a.dn ? backward<true>(i, n, s, x, g, &out) : backward<false>(i, n, s, x, g, &out);
    store(a.out, i, out);
  }

  template <bool kShape, int kCount>
  __device__ __forceinline__ void backward(int64_t i, const Pack<W, kCount>& n, const Pack<W, kCount>& s,
                                           const Pack<W, kCount>& x, const Pack<W, kCount>& g,
                                           Pack<W, kCount>* out) const {
    typedef decltype(value_of(W())) R;
    Pack<W, kCount> dn, ds;
#pragma unroll
    for (int e = 0; e < kCount; ++e) {
      const auto shape = gamma_shape<R>(value_of(n.word[e]), value_of(s.word[e]));
      const R loss = value_of(g.word[e]);
      R by_x;
      const auto slopes = backward_of<kShape, R>(value_of(x.word[e]), loss, shape, &by_x);
      out->word[e] = word_of(by_x);
      if constexpr (kShape) {
        const R by_n = loss * slopes.n, by_s = loss * slopes.s;
        dn.word[e] = word_of(or_nan(by_n, by_n));
        ds.word[e] = word_of(or_nan(by_s, by_s));
      }
    }
    if constexpr (kShape) {
      store(a.dn, i, dn);
      store(a.ds, i, ds);
    }
  }
};

template <typename T>
constexpr int kPack = 16 / sizeof(typename T::Raw);

template <typename T>
__global__ void __launch_bounds__(kThreads) each_element(int64_t packs, const Arguments a) {
  for_packs<kPack<T>>(packs, a.rows * a.columns, Element<T>{a});
}

constexpr int kLanes = 16, kOfBlock = kThreads / kLanes;

__device__ __forceinline__ double pairwise(double sum) {
#pragma unroll
  for (int apart = kLanes / 2; apart > 0; apart /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, apart);
  return sum;
}

// parts[2 chunk], parts[2 chunk + 1]: sums of a chunk
template <typename T>
__global__ void __launch_bounds__(kThreads) sum_chunks(const Arguments a, int64_t chunks, double* parts) {
  const int64_t chunk = static_cast<int64_t>(blockIdx.x) * kOfBlock + threadIdx.x / kLanes, count = a.rows * a.columns;
  const int64_t begin = chunk * kGammaChunk;  // beyond count in the last warps, which shuffle with the others
  const int64_t end = begin + kGammaChunk < count ? begin + kGammaChunk : count;
  const auto shape = shape_at<T>(a, 0);
  typedef std::remove_const_t<decltype(shape.n)> R;
  double by_n = 0, by_s = 0;
  for (int64_t i = begin + threadIdx.x % kLanes; i < end; i += kLanes) {
    const R g = read<T>(a.g, i);
    R by_x;
    const GammaSlopes<R> slopes = backward_of<true, R>(read<T>(a.x, i), g, shape, &by_x);
    write<T>(a.out, i, by_x);
    by_n += static_cast<double>(g) * static_cast<double>(slopes.n);
    by_s += static_cast<double>(g) * static_cast<double>(slopes.s);
  }
  by_n = pairwise(by_n);
  by_s = pairwise(by_s);
  if (chunk >= chunks || threadIdx.x % kLanes != 0) return;
  parts[2 * chunk] = by_n;
  parts[2 * chunk + 1] = by_s;
}

// By one warp: its halves have one of the two each.
__global__ void __launch_bounds__(32) sum_parts(int64_t chunks, const double* parts, void* dn, void* ds) {
  const int which = static_cast<int>(threadIdx.x) / kLanes;
  double sum = 0;
  for (int64_t c = threadIdx.x % kLanes; c < chunks; c += kLanes) sum += parts[2 * c + which];
  sum = pairwise(sum);
  if (threadIdx.x % kLanes == 0) write<F64>(which == 0 ? dn : ds, 0, one_nan(sum));
}

// A thread for a column of a block of rows.
template <typename T>
__global__ void __launch_bounds__(kThreads) sum_rows(const Arguments a, int64_t tiles, double* parts) {
  const int64_t tile = blockIdx.x % tiles, block = blockIdx.x / tiles, column = tile * kThreads + threadIdx.x;
  if (column >= a.columns) return;
  const auto shape = shape_at<T>(a, column);
  typedef std::remove_const_t<decltype(shape.n)> R;
  const int64_t end = (block + 1) * kGammaRows < a.rows ? (block + 1) * kGammaRows : a.rows;
  double by_n = 0, by_s = 0;
  for (int64_t row = block * kGammaRows; row < end; ++row) {
    const int64_t i = row * a.columns + column;
    const R g = read<T>(a.g, i);
    R by_x;
    const GammaSlopes<R> slopes = backward_of<true, R>(read<T>(a.x, i), g, shape, &by_x);
    write<T>(a.out, i, by_x);
    by_n += static_cast<double>(g) * static_cast<double>(slopes.n);
    by_s += static_cast<double>(g) * static_cast<double>(slopes.s);
  }
  parts[2 * block * a.columns + column] = by_n;
  parts[(2 * block + 1) * a.columns + column] = by_s;
}

__global__ void __launch_bounds__(kThreads)
    sum_blocks(int64_t columns, int64_t blocks, const double* parts, void* dn, void* ds) {
  const int64_t column = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (column >= columns) return;
  double by_n = 0, by_s = 0;
  for (int64_t block = 0; block < blocks; ++block) {
    by_n += parts[2 * block * columns + column];
    by_s += parts[(2 * block + 1) * columns + column];
  }
  write<F64>(dn, column, one_nan(by_n));
  write<F64>(ds, column, one_nan(by_s));
}

template <typename T>
struct Refused {
  const void *n, *s;
  double least;
  unsigned long long* first;  // of this thread

  template <int kCount>
  __device__ __forceinline__ void run(int64_t i) const {
    typedef decltype(value_of(WordOf<T>())) R;
    const auto gains = load<WordOf<T>, kCount>(n, i), saturations = load<WordOf<T>, kCount>(s, i);
    const R limit = static_cast<R>(least);
#pragma unroll
    for (int e = kCount - 1; e >= 0; --e) {
      const R gain = value_of(gains.word[e]), saturation = value_of(saturations.word[e]);
      const R finite = (gain - gain) + (saturation - saturation);
      if (finite == 0 && gain != 0 && (limit == 0 || gain >= limit)) continue;
      const unsigned long long index = static_cast<unsigned long long>(i + e);
      if (index < *first) *first = index;
    }
  }
};

// *first = the least index of what is refused
template <typename T>
__global__ void __launch_bounds__(kThreads)
    find_refused(const void* n, const void* s, double least, int64_t packs, int64_t count, unsigned long long* first) {
  unsigned long long mine = ~0ull;
  for_packs<kPack<T>>(packs, count, Refused<T>{n, s, least, &mine});
  if (mine != ~0ull) atomicMin(first, mine);
}

template <typename T>
double value_at(State& s, const char* routine, const void* array, int64_t i) {
  typename T::Raw raw;
  const Finish finish{s};
  check(cudaMemcpyAsync(&raw, static_cast<const char*>(array) + i * static_cast<int64_t>(sizeof raw), sizeof raw,
                        cudaMemcpyDeviceToHost, s.stream),
        routine);
  synchronize(s, routine);
  return T::f64(raw);
}

template <typename T>
void check_shape(State& s, const char* routine, const Arguments& a, double least) {
  const int64_t count = a.shape == MG_GAMMA_UNIFORM ? 1 : a.columns * (a.shape == MG_GAMMA_PER_UNIT ? 1 : a.rows);
  unsigned long long first;
  const Finish finish{s};
  check(cudaMemsetAsync(s.counters, 0xff, 8, s.stream), routine);
  const Spread spread(s, count, kPack<T>, aligned(a.n) && aligned(a.s));
  launch(s, routine, spread.blocks, kThreads, 0, find_refused<T>, a.n, a.s, least, spread.packs, count, s.counters);
  check(cudaMemcpyAsync(&first, s.counters, sizeof first, cudaMemcpyDeviceToHost, s.stream), routine);
  synchronize(s, routine);
  const int64_t i = static_cast<int64_t>(first);
  if (i >= 0) refuse_gamma(i, value_at<T>(s, routine, a.n, i), value_at<T>(s, routine, a.s, i), least);
}

// Whether neighbours are read and written at once: n and s of a column are neighbours as long as the row goes on.
template <typename T>
bool packed(const Arguments& a) {
  for (const void* each : {a.x, a.g, static_cast<const void*>(a.out), static_cast<const void*>(a.dn),
                           static_cast<const void*>(a.ds)}) {
    if (!aligned(each)) return false;
  }
  return a.shape == MG_GAMMA_UNIFORM ||
         (aligned(a.n) && aligned(a.s) && (a.shape == MG_GAMMA_PER_ELEMENT || a.columns % kPack<T> == 0));
}

template <typename T>
void run(State& s, const char* routine, const Arguments& a, double least) {
  check_shape<T>(s, routine, a, least);
  const int64_t count = a.rows * a.columns;
  if (!a.dn || a.shape == MG_GAMMA_PER_ELEMENT) {
    const Spread spread(s, count, kPack<T>, packed<T>(a));
    launch(s, routine, spread.blocks, kThreads, 0, each_element<T>, spread.packs, a);
    return synchronize(s, routine);
  }
  Scratch scratch(s.scratch);
  const Finish finish{s};
  if (a.shape == MG_GAMMA_UNIFORM) {
    const int64_t chunks = tiles_of(count, kGammaChunk);
    double* parts = scratch.take<double>(2 * chunks);
    launch(s, routine, blocks_of(tiles_of(chunks, kOfBlock)), kThreads, 0, sum_chunks<T>, a, chunks, parts);
    launch(s, routine, 1, 32, 0, sum_parts, chunks, parts, a.dn, a.ds);
  } else {
    const int64_t blocks = tiles_of(a.rows, kGammaRows);
    double* parts = scratch.take<double>(2 * blocks * a.columns);
    const int64_t tiles = tiles_of(a.columns, kThreads);
    launch(s, routine, blocks_of(tiles * blocks), kThreads, 0, sum_rows<T>, a, tiles, parts);
    launch(s, routine, blocks_of(tiles), kThreads, 0, sum_blocks, a.columns, blocks, parts, a.dn, a.ds);
  }
  synchronize(s, routine);
}

void go(mg_context* context, const char* routine, int32_t dtype, const Arguments& a, double least) {
  OnDevice here;
  State& s = state(context);
  dtype == MG_F64 ? run<F64>(s, routine, a, least) : run<F32>(s, routine, a, least);
}

}  // namespace

void gamma_forward(mg_context* context, int32_t dtype, int32_t shape, int64_t rows, int64_t columns, const void* x,
                   const void* n, const void* s, double least, void* out) {
  go(context, "gamma_forward", dtype, {rows, columns, shape, x, nullptr, n, s, out, nullptr, nullptr}, least);
}

void gamma_backward(mg_context* context, int32_t dtype, int32_t shape, int64_t rows, int64_t columns, const void* x,
                    const void* g, const void* n, const void* s, double least, void* dx, void* dn, void* ds) {
  go(context, "gamma_backward", dtype, {rows, columns, shape, x, g, n, s, dx, dn, ds}, least);
}

}  // namespace cuda
}  // namespace merganser
