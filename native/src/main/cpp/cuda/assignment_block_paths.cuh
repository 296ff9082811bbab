// SPDX-License-Identifier: Apache-2.0
// Shortest augmenting paths of the solver of assignment_block.cuh. No heaps: 32 lanes look through what is open.
#pragma once

#include "cuda/assignment_block.cuh"

namespace merganser {
namespace cuda {
namespace {

// Each lane offers a column, or -1; the nearest free one becomes the limit.
template <typename Real>
__device__ void BlockSolver<Real>::offer(int i, int j, double distance) {
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
template <typename Real>
__device__ Lowest BlockSolver<Real>::nearest() const {
  Lowest best = {0, -1};
  for (int k = lane; k < touches; k += 32) {
    const int j = touched[k];
    if (!closed[j] && row_of[j] >= 0) best.add(d[j], j);
  }
  return lowest_of_warp(best);
}

// The place of the pending row with the least bound, of equal ones the lowest row; -1 where there is none.
template <typename Real>
__device__ int BlockSolver<Real>::next_pending() const {
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

template <typename Real>
__device__ int BlockSolver<Real>::sparse_path(int start, double& mu) {
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

template <typename Real>
__device__ int BlockSolver<Real>::dense_path(int start, double& mu) {
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

template <typename Real>
__device__ void BlockSolver<Real>::augment_all() {
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

}  // namespace
}  // namespace cuda
}  // namespace merganser
