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
constexpr int kEntries = static_cast<int>(CandidateLists::kEntries);
constexpr int kFewEntries = static_cast<int>(CandidateLists::kFewest);
constexpr int kLongestChain = 30;  // as in assignment_lists.cpp

// A problem of a batch; offsets into the memory and the results of all.
struct BlockProblem {
  const void* costs;
  int64_t ld, memory, row_offset, col_offset;
  int32_t rows, cols, number;
};

struct BlockOptions {
  double sign;
  int32_t route;
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

  // Columns and lists: assignment_block_lists.cuh.
  __device__ bool column_minima();
  __device__ bool check();
  __device__ void reduce_columns();
  __device__ void find_free();
  __device__ void match_tight_edges();
  __device__ void choose_scale();
  __device__ void put_entry(int64_t at, int j, Real cost);
  __device__ void build_list(int i);
  __device__ double cut(int i, int64_t list, int count);
  __device__ Two list_minima(int i) const;
  __device__ Two two_smallest(int i);
  __device__ int free_tied(int i, double minimum);

  // Row reduction and auction: assignment_block_rows.cuh.
  __device__ int settle(int i);
  __device__ void reduce_rows(int passes);
  __device__ int bid(int i, double eps);
  __device__ void auction();
  __device__ void keep_tight_pairs();

  // Paths: assignment_block_paths.cuh.
  __device__ void offer(int i, int j, double distance);
  __device__ Lowest nearest() const;
  __device__ int next_pending() const;
  __device__ int sparse_path(int start, double& mu);
  __device__ int dense_path(int start, double& mu);
  __device__ void augment_all();

  // All of it.
  __device__ void start(const BlockOptions& options);
  __device__ void solve();
};

template <typename Real>
__device__ void BlockSolver<Real>::start(const BlockOptions& options) {
  sign = options.sign;
  route = options.route;
  lane = static_cast<int>(threadIdx.x);
  lists = cols >= kSmallestForLists || (route & MG_ASSIGNMENT_LISTS);
  entries = route & MG_ASSIGNMENT_SHORT_LISTS ? kFewEntries : kEntries;
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

template <typename Real>
__device__ void BlockSolver<Real>::solve() {
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

}  // namespace
}  // namespace cuda
}  // namespace merganser
