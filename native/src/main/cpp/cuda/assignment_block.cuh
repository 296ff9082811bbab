// SPDX-License-Identifier: Apache-2.0
// The phases of routines/assignment_*.cpp for a small problem, by one warp on the device: same decisions in the same
// order, hence the same bytes. All lanes run the same control; one writes what they share, between two barriers of the
// warp, so that none reads a value before or after its time. What fails is only told to have failed: the host solves
// that problem again and says why.
#pragma once

#include "cuda/costs.cuh"
#include "merganser_testing.h"

namespace merganser {
namespace cuda {
namespace {

constexpr unsigned int kAll = 0xffffffffu;
constexpr int kEntries = 32;       // of a list
constexpr int kLongestChain = 30;  // as in assignment_lists.cpp

// A problem of a batch; offsets into the memory and the results of all.
struct BlockProblem {
  const void* costs;
  int64_t ld, memory, row_offset, col_offset;
  int32_t rows, cols, number;
};

struct BlockOptions {
  double sign;
  int32_t route, smallest_for_lists;
  int32_t rank, short_rank;  // of list thresholds
};

// What a problem leaves: of its rows column and c, of its columns v, and the rest.
struct BlockResults {
  int32_t* column;
  double *cost, *v;
  int32_t* state;  // of each problem: kSolved, kByColumns, or kFailed
  int64_t* counters;
};
enum BlockState { kFailed = 0, kSolved = 1, kByColumns = 2 };

// Counts bytes, or gives pieces of memory; pieces are aligned to 16 bytes.
struct Pieces {
  uintptr_t memory;
  int64_t used = 0;

  template <typename T>
  __host__ __device__ void take(T*& piece, int64_t count) {
    piece = reinterpret_cast<T*>(memory + static_cast<uintptr_t>(used));
    used += (count * static_cast<int64_t>(sizeof(T)) + 15) / 16 * 16;
  }
};

// Order of doubles as that of unsigned integers; both zeros are one.
__device__ __forceinline__ unsigned long long ordered(double x) {
  const unsigned long long bits = x == 0 ? 0 : bits_of(x);
  return bits >> 63 ? ~bits : bits | 0x8000000000000000ull;
}
__device__ __forceinline__ unsigned int ordered(float x) {
  const unsigned int bits = x == 0 ? 0 : bits_of(x);
  return bits >> 31 ? ~bits : bits | 0x80000000u;
}

__device__ __forceinline__ unsigned long long least_of_warp(unsigned long long key) {
  const unsigned int high = static_cast<unsigned int>(key >> 32);
  const unsigned int top = __reduce_min_sync(kAll, high);
  const unsigned int low = __reduce_min_sync(kAll, high == top ? static_cast<unsigned int>(key) : ~0u);
  return static_cast<unsigned long long>(top) << 32 | low;
}

struct Two {
  double first, second;
  int first_index, second_index;  // -1: none
};

template <typename Real>
struct BlockSolver {
  // The problem.
  const Real* costs;
  int64_t ld;
  double sign;
  int rows, cols, route;
  // Of columns, in shared memory; `taken` is 1 as the CPU's is +Inf.
  double* v;
  int* row_of;
  char* taken;
  float* minima;  // kListBlocks
  // Of columns.
  double *d, *closed_value, *prices;
  int *pred, *touched, *closed_index;
  char* closed;
  unsigned long long* keys;
  // Of rows.
  int *column_of, *free, *left, *queue, *list_column, *list_count, *pending_row;
  double *tau, *pending_bound, *pending_offset;
  Real* list_cost;

  int lane, frees, lefts, touches, closes, pendings;
  int entries, rank;
  bool lists, sparse, failed, by_columns;
  double scale, range;
  double limit;  // of the path now searched
  int limit_column;
  // In order of mg_assignment_counters.
  int free_after_columns, free_after_greedy, reduction_steps, free_after_reduction, auction_steps, list_builds,
      dense_scans, sparse_paths, dense_paths, dense_rows;

  // The memory of a problem, but for what is shared.
  __host__ __device__ void lay_out(Pieces& pieces) {
    pieces.take(d, cols);
    pieces.take(closed_value, cols);
    pieces.take(prices, cols);
    pieces.take(pred, cols);
    pieces.take(touched, cols);
    pieces.take(closed_index, cols);
    pieces.take(closed, cols);
    pieces.take(keys, cols);
    pieces.take(column_of, rows);
    pieces.take(free, rows);
    pieces.take(left, rows);
    pieces.take(queue, rows);
    pieces.take(pending_row, rows);
    pieces.take(pending_bound, rows);
    pieces.take(pending_offset, rows);
    pieces.take(tau, rows);
    pieces.take(list_count, rows);
    pieces.take(list_column, int64_t{rows} * kEntries);
    pieces.take(list_cost, int64_t{rows} * kEntries);
  }
  __host__ __device__ void share(Pieces& pieces) {
    pieces.take(v, cols);
    pieces.take(row_of, cols);
    pieces.take(taken, cols);
    pieces.take(minima, kListBlocks);
  }

  __device__ __forceinline__ double c(int i, int j) const { return sign * static_cast<double>(costs[i * ld + j]); }

  template <typename T>
  __device__ __forceinline__ void put(T& place, T value) {
    __syncwarp();
    if (lane == 0) place = value;
    __syncwarp();
  }
  __device__ void assign(int i, int j) {
    __syncwarp();
    if (lane == 0) {
      column_of[i] = j;
      row_of[j] = i;
      taken[j] = 1;
    }
    __syncwarp();
  }
  __device__ void keep_for_later(int i) { put(left[lefts++], i); }
  __device__ void swap_free() {
    int* const other = free;
    free = left;
    left = other;
    frees = lefts;
  }

  // ---- Columns and lists -------------------------------------------------------------------------------

  // Least c of each column in v with its lowest row in pred; false for a bad cost, or a column without a finite one.
  __device__ bool column_minima() {
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

  __device__ bool check() {
    bool good = true;
    for (int i = 0; i < rows; ++i) {
#pragma unroll 4
      for (int j = lane; j < cols; j += 32) good = good && acceptable(c(i, j));
    }
    return __all_sync(kAll, good);
  }

  __device__ void reduce_columns() {
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

  __device__ void find_free() {
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

  __device__ void match_tight_edges() {
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

  __device__ void choose_scale() {
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

  __device__ void put_entry(int64_t at, int j, Real cost) {
    list_column[at] = j;
    list_cost[at] = cost;
  }

  __device__ void build_list(int i) {
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
  __device__ double cut(int i, int64_t list, int count) {
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
  __device__ Two list_minima(int i) const {
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

  __device__ Two two_smallest(int i) {
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

  __device__ int free_tied(int i, double minimum) {
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

  // ---- Row reduction and auction -----------------------------------------------------------------------

  __device__ int settle(int i) {
    const Two best = two_smallest(i);
    int j = best.first_index;
    failed = j < 0;
    if (failed) return -1;
    if (best.second_index < 0 && row_of[j] >= 0) {
      keep_for_later(i);
      return -1;
    }
    if (best.first == best.second && row_of[j] >= 0) {
      const int other = free_tied(i, best.first);
      if (other >= 0) {
        assign(i, other);
        return -1;
      }
    }
    bool fell = false;
    if (best.second_index >= 0 && best.first < best.second) {
      const double price = v[j] - (best.second - best.first);
      fell = price < v[j];
      put(v[j], price);
    } else if (row_of[j] >= 0) {
      j = best.second_index;
    }
    const int displaced = row_of[j];
    assign(i, j);
    if (displaced < 0) return -1;
    put(column_of[displaced], -1);
    if (fell) return displaced;
    keep_for_later(displaced);
    return -1;
  }

  __device__ void reduce_rows(int passes) {
    for (int pass = 0; pass < passes && frees > 0; ++pass) {
      lefts = 0;
      int64_t steps = int64_t{lists ? 40 : 4} * rows;
      const int64_t scans = int64_t{list_builds} + dense_scans;
      for (int at = 0; at < frees; ++at) {
        int chain = 0;
        for (int i = free[at]; i >= 0;) {
          const bool many = lists && int64_t{list_builds} + dense_scans - scans > 4 * int64_t{rows};
          if (++chain > kLongestChain || --steps < 0 || many) {
            keep_for_later(i);
            break;
          }
          ++reduction_steps;
          i = settle(i);
          if (failed) return;
        }
      }
      if (lists && int64_t{list_builds} + dense_scans - scans > 2 * int64_t{rows}) sparse = false;
      find_free();  // in order, the rows that are left
    }
  }

  __device__ int bid(int i, double eps) {
    ++auction_steps;
    const Two best = two_smallest(i);
    int j = best.first_index;
    failed = j < 0;
    if (failed) return -1;
    if (best.first == best.second && row_of[j] >= 0) {
      const int other = free_tied(i, best.first);
      if (other >= 0) j = other;
    }
    const int displaced = row_of[j];
    if (best.second_index < 0 && displaced >= 0) return -1;
    put(v[j], v[j] - ((best.second_index < 0 ? 0 : best.second - best.first) + eps));
    if (displaced >= 0) put(column_of[displaced], -1);
    assign(i, j);
    return displaced;
  }

  __device__ void auction() {
    const double last = range / static_cast<double>(rows);
    const bool hard = 20 * int64_t{frees} > rows;
    bool again = false, ended = false, growing = true;
    int waiting = 0;
    for (double eps = range * (hard ? 1.0 / 20 : 1.0 / 200); eps > 0;) {
      if (!again) {
        __syncwarp();
        for (int j = lane; j < cols; j += 32) {
          row_of[j] = -1;
          taken[j] = 0;
        }
        for (int i = lane; i < rows; i += 32) {
          column_of[i] = -1;
          queue[rows - 1 - i] = i;
        }
        __syncwarp();
        waiting = rows;
      }
      int64_t steps = int64_t{12} * rows;
      while (waiting > 0 && --steps >= 0) {
        const int i = queue[--waiting];
        const int displaced = bid(i, eps);
        if (failed) return;
        if (displaced >= 0) put(queue[waiting++], displaced);
      }
      ended = ended || waiting == 0;
      again = growing && !ended && eps < range * (1.0 / 8);
      growing = again;
      if (!again && eps <= last) break;
      eps *= again ? 4.0 : 1.0 / 8;
    }
    keep_tight_pairs();
    reduce_rows(2);
    sparse = true;
  }

  __device__ void keep_tight_pairs() {
    __syncwarp();
    for (int j = lane; j < cols; j += 32) taken[j] = 0;
    __syncwarp();
    frees = 0;
    for (int i = 0; i < rows; ++i) {
      const int j = column_of[i];
      if (j >= 0 && two_smallest(i).first == c(i, j) - v[j]) {
        assign(i, j);
        continue;
      }
      if (j >= 0) put(row_of[j], -1);
      put(column_of[i], -1);
      put(free[frees++], i);
    }
  }

  // ---- Paths -------------------------------------------------------------------------------------------

  // Each lane offers a column, or -1; the nearest free one becomes the limit.
  __device__ void offer(int i, int j, double distance) {
    const bool better = j >= 0 && distance < d[j] && distance < limit && !closed[j];
    const bool is_new = better && d[j] == infinity();
    const bool is_free = better && row_of[j] < 0;
    const unsigned int bits = __ballot_sync(kAll, is_new);
    __syncwarp();
    if (better) {
      d[j] = distance;
      pred[j] = i;
    }
    if (is_new) touched[touches + __popc(bits & ((1u << lane) - 1))] = j;
    touches += __popc(bits);
    const unsigned long long least = least_of_warp(is_free ? ordered(distance) : ~0ull);
    if (least != ~0ull) {
      const int at = __ffs(static_cast<int>(__ballot_sync(kAll, is_free && ordered(distance) == least))) - 1;
      limit = __shfl_sync(kAll, distance, at);
      limit_column = __shfl_sync(kAll, j, at);
    }
    __syncwarp();
  }

  // The nearest column that is neither closed nor free.
  __device__ Lowest nearest() const {
    Lowest best = {0, -1};
    for (int k = lane; k < touches; k += 32) {
      const int j = touched[k];
      if (!closed[j] && row_of[j] >= 0) best.add(d[j], j);
    }
    return lowest_of_warp(best);
  }

  // The place of the pending row with the least bound, of equal ones the lowest row; -1 where there is none.
  __device__ int next_pending() const {
    Lowest best = {0, -1};
    int at = -1;
    for (int k = lane; k < pendings; k += 32) {
      const Lowest before = best;
      best.add(pending_bound[k], pending_row[k]);
      if (best.place != before.place) at = k;
    }
    const Lowest least = lowest_of_warp(best);
    if (least.place < 0) return -1;
    const unsigned int bits = __ballot_sync(kAll, best.place == least.place);
    return __shfl_sync(kAll, at, __ffs(static_cast<int>(bits)) - 1);
  }

  __device__ int sparse_path(int start, double& mu) {
    const bool bounded = !(route & MG_ASSIGNMENT_SPARSE);
    const int most = cols / 16 > 64 ? cols / 16 : 64;
    int dense = 0, end = -1, i = start;
    double offset = 0;
    touches = closes = pendings = 0;
    limit = infinity();
    limit_column = -1;
    for (;;) {
      if (list_count[i] < 0) build_list(i);
      const bool has = lane < list_count[i];
      const int column = has ? list_column[int64_t{i} * kEntries + lane] : -1;
      offer(i, column, has ? static_cast<double>(list_cost[int64_t{i} * kEntries + lane]) - v[column] - offset : 0);
      const double bound = tau[i] - offset;
      if (bound < limit) {
        __syncwarp();
        if (lane == 0) {
          pending_bound[pendings] = bound;
          pending_offset[pendings] = offset;
          pending_row[pendings] = i;
        }
        ++pendings;
        __syncwarp();
      }
      Lowest next;
      for (;;) {
        next = nearest();
        const int at = next_pending();
        if (at < 0 || (next.place >= 0 && pending_bound[at] > next.value) || !(pending_bound[at] < limit)) break;
        const int row = pending_row[at];
        const double shift = pending_offset[at];
        --pendings;
        __syncwarp();
        if (lane == 0) {
          pending_bound[at] = pending_bound[pendings];
          pending_offset[at] = pending_offset[pendings];
          pending_row[at] = pending_row[pendings];
        }
        __syncwarp();
        if (++dense > most && bounded) break;
        ++dense_rows;
        for (int first = 0; first < cols; first += 32) {
          const int j = first + lane < cols ? first + lane : -1;
          const double distance = j >= 0 ? c(row, j) - v[j] - shift : 0;
          const bool wanted = j >= 0 && distance < d[j] && distance < limit;
          if (__any_sync(kAll, wanted)) offer(row, wanted ? j : -1, distance);
        }
      }
      if (dense > most && bounded) break;
      if (next.place < 0 || limit <= next.value) {
        failed = limit_column < 0;
        mu = limit;
        end = limit_column;
        break;
      }
      const int j = next.place;
      __syncwarp();
      if (lane == 0) {
        closed[j] = 1;
        closed_value[closes] = next.value;
        closed_index[closes] = j;
      }
      ++closes;
      __syncwarp();
      i = row_of[j];
      offset = c(i, j) - v[j] - next.value;
    }
    __syncwarp();
    for (int k = lane; k < touches; k += 32) d[touched[k]] = infinity();
    if (end < 0) {
      for (int k = lane; k < closes; k += 32) closed[closed_index[k]] = 0;
      closes = 0;
    }
    __syncwarp();
    return end;
  }

  __device__ int dense_path(int start, double& mu) {
    closes = 0;
    int i = start, end = -1;
    double offset = 0;
    while (end < 0) {
      ++dense_rows;
      Lowest open = {0, -1}, unmatched = {0, -1};
      __syncwarp();
#pragma unroll 4
      for (int j = lane; j < cols; j += 32) {
        const double candidate = c(i, j) - v[j] - offset;
        double distance = d[j];
        if (candidate < distance) {
          d[j] = distance = candidate;
          pred[j] = i;
        }
        if (!(distance < infinity())) continue;
        open.add(distance, j);
        if (!taken[j]) unmatched.add(distance, j);
      }
      __syncwarp();
      open = lowest_of_warp(open);
      unmatched = lowest_of_warp(unmatched);
      failed = open.place < 0;
      if (failed) return -1;
      mu = open.value;
      if (unmatched.place >= 0 && unmatched.value == mu) {
        end = unmatched.place;
        break;
      }
      const int j = open.place;
      i = row_of[j];
      offset = c(i, j) - v[j] - mu;
      __syncwarp();
      if (lane == 0) {
        closed_value[closes] = mu;
        closed_index[closes] = j;
        prices[closes] = v[j];
        v[j] = -infinity();
        d[j] = infinity();
      }
      ++closes;
      __syncwarp();
    }
    for (int k = lane; k < closes; k += 32) v[closed_index[k]] = prices[k];
    for (int j = lane; j < cols; j += 32) d[j] = infinity();
    __syncwarp();
    return end;
  }

  __device__ void augment_all() {
    const bool always_sparse = lists && (route & MG_ASSIGNMENT_SPARSE);
    sparse = always_sparse || (sparse && lists && !(route & MG_ASSIGNMENT_DENSE));
    int aborted = 0;
    for (int k = 0; k < frees; ++k) {
      const int start = free[k];
      double mu = 0;
      int end = -1;
      if (sparse) {
        end = sparse_path(start, mu);
        if (failed) return;
        if (end < 0 && ++aborted >= 3) sparse = false;
      }
      if (end >= 0) {
        ++sparse_paths;
      } else {
        end = dense_path(start, mu);
        if (failed) return;
        ++dense_paths;
      }
      __syncwarp();
      for (int e = lane; e < closes; e += 32) {
        const double fall = closed_value[e] - mu;
        v[closed_index[e]] += fall < 0 ? fall : 0.0;
        closed[closed_index[e]] = 0;
      }
      __syncwarp();
      for (int j = end; j >= 0;) {
        const int i = pred[j], before = column_of[i];
        assign(i, j);
        j = before;
      }
    }
  }

  // ---- All of it ---------------------------------------------------------------------------------------

  __device__ void start(const BlockOptions& options) {
    sign = options.sign;
    route = options.route;
    lane = static_cast<int>(threadIdx.x);
    lists = cols >= options.smallest_for_lists || (route & MG_ASSIGNMENT_LISTS);
    entries = route & MG_ASSIGNMENT_SHORT_LISTS ? 8 : kEntries;
    rank = route & MG_ASSIGNMENT_SHORT_LISTS ? options.short_rank : options.rank;
    sparse = true;
    failed = by_columns = false;
    scale = 1;
    range = 0;
    frees = lefts = 0;
    free_after_columns = free_after_greedy = reduction_steps = free_after_reduction = auction_steps = list_builds = 0;
    dense_scans = sparse_paths = dense_paths = dense_rows = 0;
    for (int j = lane; j < cols; j += 32) {
      v[j] = 0;
      row_of[j] = -1;
      taken[j] = 0;
      d[j] = infinity();
      closed[j] = 0;
    }
    for (int i = lane; i < rows; i += 32) {
      column_of[i] = -1;
      list_count[i] = -1;
    }
    __syncwarp();
  }

  __device__ void solve() {
    if (rows == 0) return;
    if (rows == cols) {
      reduce_columns();
    } else {
      failed = !check();
    }
    if (failed) return;
    find_free();
    free_after_columns = frees;
    by_columns = frees == 0;
    if (frees == 0) return;
    if (2 * frees > rows || (route & MG_ASSIGNMENT_GREEDY)) match_tight_edges();
    free_after_greedy = frees;
    if (failed || frees == 0) return;
    if (lists) {
      choose_scale();
      for (int k = 0; k < frees; ++k) build_list(free[k]);
    }
    const bool reduce = !(route & MG_ASSIGNMENT_NO_REDUCTION);
    if (reduce) reduce_rows(3);
    free_after_reduction = frees;
    const bool many = reduce && lists && 50 * int64_t{frees} > rows;
    if (!failed && rows == cols && frees > 0 && (many || (route & MG_ASSIGNMENT_AUCTION))) auction();
    if (!failed) augment_all();
  }
};

}  // namespace
}  // namespace cuda
}  // namespace merganser
