// SPDX-License-Identifier: Apache-2.0
// Polar factors of many small matrices (the heads of a transformer), a block for each: one-sided Jacobi rotations J of
// the rows (Hestenes) until they are orthogonal,
//   J A = diag(sigma) W,  A = J^T diag(sigma) W,  q = J^T W.
// In a round of a sweep the rows are paired as in a tournament, so that warps turn all pairs at the same time; n - 1
// rounds meet every pair. A row of J follows its row of A: both lie in one line of shared memory, or of memory where a
// block does not have as much. Squares are recomputed for every pair: rows lose nothing by cancellation, and small
// singular values come out to full relative accuracy.
// Versions considered: gesvdjBatched of cuSOLVER (n <= 32 only); a launch of products for each step of an iteration
// (three launches of 5 us for what a block does in 10); Jacobi on A^T A (loses singular values below 1e-8).
// Expected on an H100-class card: about 9 sweeps of n - 1 rounds, a round 6 n^2 fused operations of F64 by one
// multiprocessor and two barriers: n = 64 0.4 us a round, 0.25 ms for each 264 problems (two blocks at a time on each
// of 132 multiprocessors); n = 128 1.5 us, 1.7 ms for each 132.
// Not yet run on a device.
#include <cstring>

#include "cuda/launch.cuh"
#include "cuda/polar.h"

namespace merganser {
namespace cuda {

namespace {

constexpr int kMostWarps = 16, kSweeps = 30;
constexpr double kOrthogonal = 1e-15;  // cosine of two rows that counts as 0
constexpr double kNothing = 1e-200;    // squared lengths of two rows whose product is below: one of them is 0
constexpr double kRank = 1e-6;         // of completion.cpp
constexpr int kMost = static_cast<int>(kSmallPolar);

__device__ __forceinline__ double warp_sum(double x) {
  for (int apart = 16; apart > 0; apart /= 2) x += __shfl_xor_sync(0xffffffffu, x, apart);
  return x;
}

// Makes rows p and q of n elements orthogonal, and turns what follows them in their lines of 2 n. True when it had to.
__device__ __forceinline__ bool turn(double* p, double* q, int n, int lane) {
  double pp = 0, qq = 0, pq = 0;
  for (int k = lane; k < n; k += 32) {
    const double x = p[k], y = q[k];
    pp = fma(x, x, pp);
    qq = fma(y, y, qq);
    pq = fma(x, y, pq);
  }
  pp = warp_sum(pp);
  qq = warp_sum(qq);
  pq = warp_sum(pq);
  const double both = pp * qq;
  if (both < kNothing || !(fabs(pq) > kOrthogonal * sqrt(both))) return false;
  const double apart = qq - pp, twice = apart < 0 ? -2 * pq : 2 * pq;
  const double tangent = twice / (fabs(apart) + sqrt(fma(apart, apart, twice * twice)));
  const double c = rsqrt(fma(tangent, tangent, 1.0)), s = c * tangent;
  for (int k = lane; k < 2 * n; k += 32) {
    const double x = p[k], y = q[k];
    p[k] = fma(c, x, -s * y);
    q[k] = fma(s, x, c * y);
  }
  return true;
}

// One sweep. Of m players, m even, the last one stays; a player n of an odd n stands for a rest.
__device__ __forceinline__ bool sweep(double* lines, int n, int warp, int warps, int lane) {
  const int m = n + n % 2;
  bool turned = false;
  for (int round = 0; round < m - 1; ++round) {
    for (int pair = warp; pair < m / 2; pair += warps) {
      const int after = round + pair, before = round - pair;
      const int p = pair == 0 ? m - 1 : after < m - 1 ? after : after - (m - 1), q = before < 0 ? before + m - 1 : before;
      const int low = p < q ? p : q, high = p < q ? q : p;
      if (high < n) turned = turn(lines + low * 2 * n, lines + high * 2 * n, n, lane) || turned;
    }
    __syncthreads();
  }
  return turned;
}

// 2^exponent x. In two steps: one factor alone may be out of range.
__device__ __forceinline__ double scaled(double x, int exponent) {
  const int half = exponent / 2, rest = exponent - half;
  return x * __longlong_as_double(static_cast<long long>(1023 + half) << 52) *
         __longlong_as_double(static_cast<long long>(1023 + rest) << 52);
}

struct Small {
  int64_t n, lda, ldq;
  const double* a;
  double *q, *sigma;
  double* memory;  // 2 n^2 for each block, or NULL: shared memory
  SmallPolar* results;
};

__global__ void __launch_bounds__(32 * kMostWarps, 2) polar_of_blocks(Small small) {
  __shared__ double norms[kMost], sorted[kMost];
  __shared__ int again;
  MG_DYNAMIC_SHARED(double, shared);
  const int n = static_cast<int>(small.n), thread = static_cast<int>(threadIdx.x);
  const int threads = static_cast<int>(blockDim.x), lane = thread % 32, warp = thread / 32, warps = threads / 32;
  const int64_t problem = blockIdx.x;
  const int exponent = small.results[problem].exponent;
  double* lines = small.memory ? small.memory + problem * 2 * n * n : shared;
  const double* a = small.a + problem * n * small.lda;
  for (int e = thread; e < n * n; e += threads) {
    const int i = e / n, j = e % n;
    lines[i * 2 * n + j] = scaled(a[i * small.lda + j], -exponent);
    lines[i * 2 * n + n + j] = i == j ? 1 : 0;
  }
  __syncthreads();
  bool converged = false;
  for (int count = 0; count < kSweeps && !converged; ++count) {
    if (thread == 0) again = 0;  // before the barriers of the sweep
    if (sweep(lines, n, warp, warps, lane)) again = 1;  // all who write it write this
    __syncthreads();
    converged = again == 0;
    __syncthreads();
  }
  for (int i = warp; i < n; i += warps) {
    const double* row = lines + i * 2 * n;
    double square = 0;
    for (int k = lane; k < n; k += 32) square = fma(row[k], row[k], square);
    square = warp_sum(square);
    if (lane == 0) norms[i] = sqrt(square);
  }
  __syncthreads();
  for (int i = thread; i < n; i += threads) {
    int position = 0;
    for (int j = 0; j < n; ++j) position += norms[j] > norms[i] || (norms[j] == norms[i] && j < i) ? 1 : 0;
    sorted[position] = norms[i];
  }
  __syncthreads();
  int rank = 0;
  double sum = 0;
  for (int i = 0; i < n; ++i) {
    rank += sorted[i] > kRank * sorted[0] ? 1 : 0;
    sum += sorted[i];
  }
  if (small.sigma) {
    for (int i = thread; i < n; i += threads) small.sigma[problem * n + i] = scaled(sorted[i], exponent);
  }
  if (rank == n && converged) {
    for (int i = warp; i < n; i += warps) {
      const double inverse = 1 / norms[i];
      for (int k = lane; k < n; k += 32) lines[i * 2 * n + k] *= inverse;
    }
    __syncthreads();
    double* q = small.q + problem * n * small.ldq;
    for (int e = thread; e < n * n; e += threads) {
      const int i = e / n, j = e % n;
      double element = 0;
      for (int k = 0; k < n; ++k) element = fma(lines[k * 2 * n + n + i], lines[k * 2 * n + j], element);
      q[i * small.ldq + j] = element;
    }
  }
  if (thread == 0) {
    small.results[problem] = {rank, sorted[0], sum, exponent, converged ? 1 : 0};
  }
}

// The dynamic shared memory of a block of this card, beside what the kernel declares.
int64_t most_shared() {
  int bytes = 0;
  check(cudaDeviceGetAttribute(&bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, kDevice), "polar");
  return bytes - int64_t{8} * 2 * kMost - 64;
}

}  // namespace

void small_polar(State& s, const char* routine, int64_t count, int64_t n, const double* a, int64_t lda, double* q,
                 int64_t ldq, double* sigma, SmallPolar* results) {
  Scratch scratch(s.scratch), staging(s.staging);
  const size_t bytes = static_cast<size_t>(count) * sizeof *results;
  SmallPolar* there = scratch.take<SmallPolar>(count);
  SmallPolar* staged = staging.take<SmallPolar>(count);
  std::memcpy(staged, results, bytes);
  check(cudaMemcpyAsync(there, staged, bytes, cudaMemcpyHostToDevice, s.stream), routine);
  const int64_t lines = 16 * n * n;
  const bool shared = lines <= most_shared();
  double* memory = shared ? nullptr : scratch.take<double>(count * 2 * n * n);
  if (shared) {
    check(cudaFuncSetAttribute(polar_of_blocks, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(lines)),
          routine);
  }
  const int64_t warps = n < 2 * kMostWarps ? (n + 1) / 2 : kMostWarps;
  launch(s, routine, dim3(static_cast<unsigned int>(count)), dim3(static_cast<unsigned int>(32 * warps)),
         shared ? static_cast<size_t>(lines) : 0, polar_of_blocks, Small{n, lda, ldq, a, q, sigma, memory, there});
  check(cudaMemcpyAsync(staged, there, bytes, cudaMemcpyDeviceToHost, s.stream), routine);
  synchronize(s, routine);
  std::memcpy(results, staged, bytes);
}

}  // namespace cuda
}  // namespace merganser
