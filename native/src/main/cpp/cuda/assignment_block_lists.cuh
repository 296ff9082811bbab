// SPDX-License-Identifier: Apache-2.0
// What scans rows for the solver of assignment_block.cuh: column minima, tight edges, candidate lists.
#pragma once

#include "cuda/assignment_block.cuh"

namespace merganser {
namespace cuda {
namespace {

// Least c of each column in v with its lowest row in pred; false for a bad cost, or a column without a finite one.
template <typename Real>
__device__ bool BlockSolver<Real>::column_minima() {
  bool good = true;
  for (int j = lane; j < cols; j += 32) {
    const Real* element = costs + j;
    double least = infinity();
    int where = -1;
#pragma unroll 8
    for (int i = 0; i < rows; ++i) {
      const double cost = sign * static_cast<double>(*element);
      element += ld;
      if (cost < least) {
        least = cost;
        where = i;
      }
      good = good && acceptable(cost);
    }
    v[j] = least;
    pred[j] = where;
    good = good && where >= 0;
  }
  return __all_sync(kAll, good);
}

template <typename Real>
__device__ bool BlockSolver<Real>::check() {
  bool good = true;
  for (int i = 0; i < rows; ++i) {
#pragma unroll 4
    for (int j = lane; j < cols; j += 32) good = good && acceptable(c(i, j));
  }
  return __all_sync(kAll, good);
}

template <typename Real>
__device__ void BlockSolver<Real>::reduce_columns() {
  failed = !column_minima();
  if (failed) return;
  int* const claims = left;
  for (int i = lane; i < rows; i += 32) claims[i] = 0;
  __syncwarp();
  for (int j = lane; j < cols; j += 32) atomicAdd(&claims[pred[j]], 1);
  __syncwarp();
  int most = 0;
  for (int i = lane; i < rows; i += 32) most = claims[i] > most ? claims[i] : most;
  most = __reduce_max_sync(kAll, most);
  if (lists && most > (rows / 50 > 8 ? rows / 50 : 8)) {
    for (int j = lane; j < cols; j += 32) v[j] = 0;
    __syncwarp();
    return;
  }
  // Each row has the first of its columns.
  for (int i = lane; i < rows; i += 32) column_of[i] = 0x7fffffff;
  __syncwarp();
  for (int j = lane; j < cols; j += 32) atomicMin(&column_of[pred[j]], j);
  __syncwarp();
  for (int i = lane; i < rows; i += 32) {
    const int j = column_of[i];
    if (j == 0x7fffffff) {
      column_of[i] = -1;
    } else {
      row_of[j] = i;
      taken[j] = 1;
    }
  }
  __syncwarp();
}

template <typename Real>
__device__ void BlockSolver<Real>::find_free() {
  frees = 0;
  for (int start = 0; start < rows; start += 32) {
    const int i = start + lane;
    const bool is_free = i < rows && column_of[i] < 0;
    const unsigned int bits = __ballot_sync(kAll, is_free);
    if (is_free) free[frees + __popc(bits & ((1u << lane) - 1))] = i;
    frees += __popc(bits);
  }
  __syncwarp();
}

template <typename Real>
__device__ void BlockSolver<Real>::match_tight_edges() {
  lefts = 0;
  for (int k = 0; k < frees; ++k) {
    const int i = free[k];
    Lowest open = {0, -1}, mine = {0, -1};
#pragma unroll 4
    for (int j = lane; j < cols; j += 32) {
      const double h = c(i, j) - v[j];
      if (!(h < infinity())) continue;
      open.add(h, j);
      if (!taken[j]) mine.add(h, j);
    }
    open = lowest_of_warp(open);
    mine = lowest_of_warp(mine);
    failed = open.place < 0;
    if (failed) return;
    if (mine.place >= 0 && mine.value == open.value) {
      assign(i, mine.place);
    } else {
      keep_for_later(i);
    }
  }
  swap_free();
}

template <typename Real>
__device__ void BlockSolver<Real>::choose_scale() {
  double low = infinity(), high = -infinity();
  const int samples = rows < 16 ? rows : 16;
  for (int s = 0; s < samples; ++s) {
    const int i = static_cast<int>(int64_t{s} * rows / samples);
    for (int j = lane; j < cols; j += 32) {
      const double cost = c(i, j);
      if (cost == infinity()) continue;
      if (cost < low) low = cost;
      if (cost > high) high = cost;
    }
  }
#pragma unroll
  for (int step = 16; step > 0; step /= 2) {
    const double other_low = __shfl_xor_sync(kAll, low, step), other_high = __shfl_xor_sync(kAll, high, step);
    if (other_low < low) low = other_low;
    if (other_high > high) high = other_high;
  }
  range = high > low ? high - low : 0;
  const double largest = high >= low ? (fabs(low) > fabs(high) ? fabs(low) : fabs(high)) : 0;
  int exponent = 0;
  if (largest > 0) frexp(largest, &exponent);
  exponent = -exponent < -1000 ? -1000 : -exponent > 800 ? 800 : -exponent;
  scale = ldexp(1.0, exponent);
}

template <typename Real>
__device__ void BlockSolver<Real>::put_entry(int64_t at, int j, Real cost) {
  list_column[at] = j;
  list_cost[at] = cost;
}

template <typename Real>
__device__ void BlockSolver<Real>::build_list(int i) {
  ++list_builds;
  const float none = __int_as_float(0x7f800000), largest = __int_as_float(0x7f7fffff);
  const int slab = (cols + static_cast<int>(kListBlocks) - 1) / static_cast<int>(kListBlocks) * 16;
  __syncwarp();
  for (int s = 0; s < static_cast<int>(kListSlabs); ++s) {
    const int end = (s + 1) * slab < cols ? (s + 1) * slab : cols;
    float least = none;
#pragma unroll 4
    for (int j = s * slab + lane; j < end; j += 32) {
      const float h = narrow_reduced(c(i, j), v[j], scale);
      if (h < least) least = h;
    }
    const float other = __shfl_xor_sync(kAll, least, 16);
    if (other < least) least = other;
    if (lane < 16) minima[16 * s + lane] = least;
  }
  __syncwarp();
  float threshold = rank_of_minima(minima, rank);
  if (!(threshold < largest)) threshold = largest;
  const int64_t list = int64_t{i} * kEntries;
  const unsigned int start = static_cast<unsigned int>(static_cast<unsigned long long>(i) * 0x9e3779b97f4a7c15ull %
                                                       static_cast<unsigned long long>(cols));
  int count = 0;
  for (int first = 0; first < cols; first += 32) {
    const int j = first + lane;
    float h = none;
    Real element = 0;
    if (j < cols) {
      element = costs[i * ld + j];
      h = narrow_reduced(sign * static_cast<double>(element), v[j], scale);
    }
    const bool below = h <= threshold;
    const unsigned int bits = __ballot_sync(kAll, below);
    const int at = count + __popc(bits & ((1u << lane) - 1));
    if (below) {
      if (at < entries) put_entry(list + at, j, static_cast<Real>(sign) * element);
      // The least first; equal ones: those that are free, from `start` on, by column.
      keys[at] = static_cast<unsigned long long>(ordered(h)) << 32 | (taken[j] ? 1ull << 31 : 0) |
                 (static_cast<unsigned int>(j) < start ? 1ull << 30 : 0) | static_cast<unsigned int>(j);
    }
    count += __popc(bits);
  }
  __syncwarp();
  double bound = static_cast<double>(threshold) / scale;
  if (count > entries) {
    bound = cut(i, list, count);
    count = entries;
  }
  const int padded = (count + 7) / 8 * 8;
  if (lane >= count && lane < padded) put_entry(list + lane, 0, static_cast<Real>(infinity()));
  if (lane == 0) {
    tau[i] = bound;
    list_count[i] = padded;
  }
  __syncwarp();
}

// Keeps the `entries` least of `count` keys in order of columns; returns tau from the first ones left out.
template <typename Real>
__device__ double BlockSolver<Real>::cut(int i, int64_t list, int count) {
  unsigned long long last = 0;  // the largest key that is kept
  for (int bit = 63; bit >= 0; --bit) {
    const unsigned long long below = last | ((1ull << bit) - 1);
    int mine = 0;
    for (int e = lane; e < count; e += 32) mine += keys[e] <= below;
    if (__reduce_add_sync(kAll, mine) < entries) last |= 1ull << bit;
  }
  unsigned long long next = ~0ull;
  for (int e = lane; e < count; e += 32) {
    if (keys[e] > last && keys[e] < next) next = keys[e];
  }
  const unsigned int out = static_cast<unsigned int>(least_of_warp(next) >> 32);
  double bound = infinity();
  int kept = 0;
  for (int first = 0; first < count; first += 32) {
    const bool here = first + lane < count;
    const unsigned long long key = here ? keys[first + lane] : ~0ull;
    const int j = static_cast<int>(key & 0x3fffffffu);
    const bool keep = here && key <= last;
    const unsigned int bits = __ballot_sync(kAll, keep);
    if (keep) put_entry(list + kept + __popc(bits & ((1u << lane) - 1)), j, static_cast<Real>(c(i, j)));
    kept += __popc(bits);
    if (here && !keep && static_cast<unsigned int>(key >> 32) == out) {
      const double h = c(i, j) - v[j];
      if (h < bound) bound = h;
    }
  }
#pragma unroll
  for (int step = 16; step > 0; step /= 2) {
    const double other = __shfl_xor_sync(kAll, bound, step);
    if (other < bound) bound = other;
  }
  return bound;
}

// The two smallest of the list, equal ones by place.
template <typename Real>
__device__ Two BlockSolver<Real>::list_minima(int i) const {
  double h = infinity();
  int j = -1;
  if (lane < list_count[i]) {
    j = list_column[int64_t{i} * kEntries + lane];
    h = static_cast<double>(list_cost[int64_t{i} * kEntries + lane]) - v[j];
  }
  Two two = {infinity(), infinity(), -1, -1};
  unsigned long long key = h < infinity() ? ordered(h) : ~0ull;
  for (int turn = 0; turn < 2; ++turn) {
    const unsigned long long least = least_of_warp(key);
    if (least == ~0ull) break;
    const int at = __ffs(static_cast<int>(__ballot_sync(kAll, key == least))) - 1;
    const double value = __shfl_sync(kAll, h, at);
    const int index = __shfl_sync(kAll, j, at);
    if (turn == 1) {
      two.second = value;
      two.second_index = index;
      break;
    }
    two.first = value;
    two.first_index = index;
    if (lane == at) key = ~0ull;
  }
  return two;
}

template <typename Real>
__device__ Two BlockSolver<Real>::two_smallest(int i) {
  if (lists) {
    if (list_count[i] >= 0) {
      const Two best = list_minima(i);
      if (best.second <= tau[i]) return best;
    }
    build_list(i);
    const Two best = list_minima(i);
    if (best.second <= tau[i]) return best;
  }
  ++dense_scans;
  Lowest first = {0, -1}, second = {0, -1};
#pragma unroll 4
  for (int j = lane; j < cols; j += 32) {
    const double h = c(i, j) - v[j];
    if (!(h < infinity())) continue;
    if (first.place < 0 || h < first.value) {  // a later column is not lower
      second = first;
      first.value = h;
      first.place = j;
    } else {
      second.add(h, j);
    }
  }
  const Lowest best = lowest_of_warp(first);
  const Lowest next = lowest_of_warp(first.place == best.place ? second : first);
  return {best.place < 0 ? infinity() : best.value, next.place < 0 ? infinity() : next.value, best.place, next.place};
}

template <typename Real>
__device__ int BlockSolver<Real>::free_tied(int i, double minimum) {
  for (int turn = 0; turn < 2 && lists; ++turn) {
    bool found = false;
    int j = -1;
    if (lane < list_count[i]) {
      j = list_column[int64_t{i} * kEntries + lane];
      found = row_of[j] < 0 && static_cast<double>(list_cost[int64_t{i} * kEntries + lane]) - v[j] == minimum;
    }
    const unsigned int bits = __ballot_sync(kAll, found);
    if (bits) return __shfl_sync(kAll, j, __ffs(static_cast<int>(bits)) - 1);
    if (turn == 1 || tau[i] > minimum) break;
    build_list(i);
  }
  return -1;
}

}  // namespace
}  // namespace cuda
}  // namespace merganser
