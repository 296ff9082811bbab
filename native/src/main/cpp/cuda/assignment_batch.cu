// SPDX-License-Identifier: Apache-2.0
// Many small assignments: a block of one warp for each solves it wholly on the device (assignment_block.cuh), with
// prices and owners of the columns in shared memory and lists, paths and queues in scratch memory. The decisions are
// those of the CPU, so the bytes are. The host adds up the values. It also solves, one after the other as mg_assignment
// does, what is larger, what lies at addresses that elements cannot have, what failed (to say why) and what F64 prices
// do not settle (assignment_exact.cpp).
//
// Considered: the dense Jonker-Volgenant with a block-wide minimum a step (50 000 steps of 2.5 us a problem of 1024,
// five times what the lists take, and other duals than the CPU's); a block of 4 warps (each of the 10 000 steps through
// lists waits for the other warps, and only the 1000 to 2000 row scans gain); copying all to the host (1.07 GB over
// PCIe, 25 to 40 ms, and 256 x 2 to 5 ms of its cores).
//
// Expected for 256 x n = 1024, F32, on an H100: 1.07 GB of costs once for column minima, 0.35 ms from bytes but 1.5 ms
// by the loads that a warp has in flight; then a problem is one chain of dependent steps, all problems at once (13 KiB
// of shared memory each): 1000 to 2000 lists of 2 us, 5 000 to 30 000 steps of 0.5 us and 20 paths, together 10 to
// 20 ms; results to the host 5 MB, 0.1 ms.
#include <algorithm>
#include <cstring>
#include <memory>

#include "cuda/assignment_block_lists.cuh"
#include "cuda/assignment_block_paths.cuh"
#include "cuda/assignment_block_rows.cuh"

namespace merganser {
namespace cuda {

namespace {

constexpr const char *kName = "assignment_batch", *kCopying = "copying for assignment_batch";
constexpr int64_t kLargest = 2048;                   // columns of a problem that one warp solves
constexpr int64_t kFewest = 4;                       // problems: fewer are solved sooner one after the other
constexpr int64_t kBatchBytes = int64_t{512} << 20;  // scratch memory of the problems of one launch, at most

template <typename Real>
__global__ void __launch_bounds__(32, 1)
    solve_blocks(const BlockProblem* problems, BlockOptions options, char* memory, BlockResults results) {
  MG_DYNAMIC_SHARED(char, shared);
  const BlockProblem problem = problems[blockIdx.x];
  BlockSolver<Real> solver;
  solver.costs = static_cast<const Real*>(problem.costs);
  solver.ld = problem.ld;
  solver.rows = problem.rows;
  solver.cols = problem.cols;
  Pieces pieces{reinterpret_cast<uintptr_t>(memory + problem.memory)}, of_block{reinterpret_cast<uintptr_t>(shared)};
  solver.lay_out(pieces);
  solver.share(of_block);
  solver.start(options);
  solver.solve();
  const int at = problem.number;
  if (threadIdx.x == 0) {
    results.state[at] = solver.failed ? kFailed : solver.by_columns ? kByColumns : kSolved;
    int64_t* counters = results.counters + int64_t{at} * MG_ASSIGNMENT_COUNTERS;
    const int done[MG_ASSIGNMENT_COUNTERS] = {
        solver.free_after_columns, solver.free_after_greedy, solver.reduction_steps, solver.free_after_reduction,
        solver.auction_steps,      solver.list_builds,       solver.dense_scans,     solver.sparse_paths,
        solver.dense_paths,        solver.dense_rows};
    for (int k = 0; k < MG_ASSIGNMENT_COUNTERS; ++k) counters[k] = done[k];
  }
  if (solver.failed) return;
  for (int i = static_cast<int>(threadIdx.x); i < solver.rows; i += 32) {
    const int j = solver.column_of[i];
    results.column[problem.row_offset + i] = j;
    results.cost[problem.row_offset + i] = solver.c(i, j);
  }
  for (int j = static_cast<int>(threadIdx.x); j < solver.cols; j += 32) {
    results.v[problem.col_offset + j] = solver.v[j];
  }
}

// Whether a warp of the device solves it.
bool small(const mg_costs& c) {
  const bool aligned = reinterpret_cast<uintptr_t>(c.x) % static_cast<uintptr_t>(size_of(c.dtype)) == 0;
  return c.rows > 0 && c.cols <= kLargest && aligned;
}

template <typename Real>
int64_t bytes_of(const mg_costs& c, void (BlockSolver<Real>::*count)(Pieces&)) {
  BlockSolver<Real> solver;
  solver.rows = static_cast<int>(c.rows);
  solver.cols = static_cast<int>(c.cols);
  Pieces pieces{0};
  (solver.*count)(pieces);
  return (pieces.used + 255) / 256 * 256;
}

int64_t memory_of(const mg_costs& c) {
  return c.dtype == MG_F64 ? bytes_of(c, &BlockSolver<double>::lay_out) : bytes_of(c, &BlockSolver<float>::lay_out);
}

// Problems that are solved by one launch of each type, and their results on the host.
class Batch {
 public:
  Batch(mg_context* context, const mg_costs* given, int64_t count, bool maximise, int32_t route)
      : s_(state(context)), pinned_(s_.staging), sign_(maximise ? -1.0 : 1.0), place_(count, -1) {
    int64_t memory = 0, shared = 0, small_ones = 0;
    for (int64_t p = 0; p < count; ++p) small_ones += small(given[p]);
    std::vector<BlockProblem> of_type[2];
    for (int64_t p = 0; p < count; ++p) {
      const mg_costs& c = given[p];
      if (!small(c) || small_ones < kFewest) continue;
      place_[p] = static_cast<int32_t>(problems_.size());
      problems_.push_back({c.x, c.ldx, memory, rows_, cols_, static_cast<int32_t>(c.rows), static_cast<int32_t>(c.cols),
                           place_[p]});
      of_type[c.dtype].push_back(problems_.back());
      memory += memory_of(c);
      shared = std::max(shared, bytes_of(c, &BlockSolver<double>::share));
      rows_ += c.rows;
      cols_ += c.cols;
    }
    if (!problems_.empty()) run(of_type, memory, shared, route);
  }

  // The result of problem p where it was solved here and needs no more; false otherwise.
  bool take(int64_t p, AssignmentState& state, int64_t* row_to_col, double* u, double* v, double* value) const {
    if (place_[p] < 0 || here_.state[place_[p]] == kFailed) return false;
    const BlockProblem& problem = problems_[place_[p]];
    const double* matched = here_.cost + problem.row_offset;
    for (int64_t i = 0; i < problem.rows; ++i) row_to_col[i] = here_.column[problem.row_offset + i];
    std::copy_n(matched, problem.rows, u);
    std::copy_n(here_.v + problem.col_offset, problem.cols, v);
    finish_assignment(problem.rows, sign_, row_to_col, u, v, value);
    const bool settled = here_.state[place_[p]] == kByColumns ||
                         plain_assignment(problem.rows, problem.cols, nullptr, matched, u, v);
    const int64_t* counters = here_.counters + int64_t{place_[p]} * MG_ASSIGNMENT_COUNTERS;
    for (int k = 0; k < MG_ASSIGNMENT_COUNTERS && settled; ++k) state.counters[k] += counters[k];
    return settled;
  }

 private:
  // The same arrays there and here, in one piece for one copy.
  int64_t lay_out(BlockResults& results, char* memory) const {
    const int64_t count = static_cast<int64_t>(problems_.size());
    Pieces pieces{reinterpret_cast<uintptr_t>(memory)};
    pieces.take(results.column, rows_);
    pieces.take(results.cost, rows_);
    pieces.take(results.v, cols_);
    pieces.take(results.state, count);
    pieces.take(results.counters, count * MG_ASSIGNMENT_COUNTERS);
    return pieces.used;
  }

  // The results stay on the host; the device's memory is free for what is solved one after the other.
  void run(const std::vector<BlockProblem>* of_type, int64_t memory, int64_t shared, int32_t route) {
    Scratch device(s_.scratch);
    const Finish finish{s_};
    BlockResults there;
    const int64_t bytes = lay_out(there, nullptr), count = static_cast<int64_t>(problems_.size());
    char* const results = device.take<char>(bytes);
    char* const copied = pinned_.take<char>(bytes);
    lay_out(there, results);
    lay_out(here_, copied);
    char* const scratch = device.take<char>(memory);
    BlockProblem* const list = device.take<BlockProblem>(count);
    BlockProblem* const staged = pinned_.take<BlockProblem>(count);
    std::copy(of_type[1].begin(), of_type[1].end(), std::copy(of_type[0].begin(), of_type[0].end(), staged));
    check(cudaMemcpyAsync(list, staged, static_cast<size_t>(count) * sizeof *list, cudaMemcpyHostToDevice, s_.stream),
          kCopying);
    const BlockOptions options{sign_, route, CandidateLists::rank_of(CandidateLists::kEntries),
                               CandidateLists::rank_of(CandidateLists::kFewest)};
    const auto start = [&](auto real, const BlockProblem* first, size_t blocks) {
      if (blocks == 0) return;
      launch(s_, kName, static_cast<unsigned int>(blocks), 32, static_cast<size_t>(shared),
             solve_blocks<decltype(real)>, first, options, scratch, there);
    };
    start(double{}, list, of_type[MG_F64].size());
    start(float{}, list + of_type[MG_F64].size(), of_type[MG_F32].size());
    check(cudaMemcpyAsync(copied, results, static_cast<size_t>(bytes), cudaMemcpyDeviceToHost, s_.stream), kCopying);
    synchronize(s_, kName);
  }

  State& s_;
  Scratch pinned_;
  const double sign_;
  int64_t rows_ = 0, cols_ = 0;
  std::vector<int32_t> place_;  // of each problem among those of the device, or -1
  std::vector<BlockProblem> problems_;
  BlockResults here_{};
};

}  // namespace

void assignment_batch(mg_context* context, int64_t problems, const mg_costs* given, int32_t maximise,
                      int64_t* row_to_col, double* u, double* v, double* value) {
  OnDevice here;
  AssignmentState& state = kept_assignment(context);
  state.clear_counters();
  int64_t most = problems;
  for (int64_t first = 0; first < problems;) {
    check_cancelled(context);
    int64_t count = 0;
    for (int64_t bytes = 0; first + count < problems && count < most && bytes < kBatchBytes; ++count) {
      if (small(given[first + count])) bytes += memory_of(given[first + count]);
    }
    const int64_t wanted = count;
    const auto solved = take_fewer(count, 1, [&](int64_t fewer) {
      return std::make_unique<const Batch>(context, given + first, fewer, maximise, state.route);
    });
    const Batch& batch = *solved;
    if (count < wanted) most = count;
    for (int64_t p = 0; p < count; ++p) {
      const mg_costs& c = given[first + p];
      of_problem(first + p, [&] {
        if (batch.take(p, state, row_to_col, u, v, value)) return;
        DeviceCosts costs(context, c, maximise);
        state.count(solve_assignment(context, costs, state.scratch[0], state.route, nullptr, row_to_col, u, v, value));
      });
      row_to_col += c.rows;
      u += c.rows;
      v += c.cols;
      ++value;
    }
    first += count;
  }
}

}  // namespace cuda
}  // namespace merganser
