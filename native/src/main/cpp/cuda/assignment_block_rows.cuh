// SPDX-License-Identifier: Apache-2.0
// Augmenting row reduction and the auction of the solver of assignment_block.cuh.
#pragma once

#include "cuda/assignment_block.cuh"

namespace merganser {
namespace cuda {
namespace {

template <typename Real>
__device__ int BlockSolver<Real>::settle(int i) {
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

template <typename Real>
__device__ void BlockSolver<Real>::reduce_rows(int passes) {
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

template <typename Real>
__device__ int BlockSolver<Real>::bid(int i, double eps) {
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

template <typename Real>
__device__ void BlockSolver<Real>::auction() {
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

template <typename Real>
__device__ void BlockSolver<Real>::keep_tight_pairs() {
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

}  // namespace
}  // namespace cuda
}  // namespace merganser
