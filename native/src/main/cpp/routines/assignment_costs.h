// SPDX-License-Identifier: Apache-2.0
// Costs in the memory of the CPU: a matrix that is read where it lies, or products that are computed when they are
// read.
#pragma once

#include <functional>
#include <vector>

#include "routines/assignment.h"

namespace merganser {

// One for each thread that scans rows.
struct RowScratch {
  Buffer<double> row;  // rows of factored costs
  Buffer<float> h32;
  Buffer<int32_t> columns;
  Buffer<char> minimum, argmin;  // column minima of this thread's rows
  Overfull overfull;
};

// What a context keeps for them: a vector for each participant that solves, of one scratch for each that scans; and y
// in panels.
struct CostsState {
  std::vector<std::vector<RowScratch>> scratch;
  Buffer<char> packed;
};

class HostCosts : public Costs {
 public:
  // `packed`: memory for y in panels, which is written. `serial`: uses no other thread of the pool. Checks factors.
  HostCosts(mg_context* context, const mg_costs& given, bool maximise, std::vector<RowScratch>& scratch,
            Buffer<char>& packed, bool serial);

  const void* row(int64_t i) override;
  double at(int64_t i, int64_t j) override;
  void check() override;
  void column_minima(double* minimum, int32_t* row) override;
  void expect(const std::vector<int32_t>& rows, const double* v) override;
  OpenAndFree row_minima(int64_t i, const double* v, const double* taken) override;
  void build_list(CandidateLists& lists, int64_t i) override;
  void build_free_lists(CandidateLists& lists, const int32_t* column_of) override;
  int64_t excesses(const int64_t* columns, const double* u, const double* v, double* worst) override;

  // Of its scratch memory.
  int64_t bytes() const;

 private:
  bool factored() const { return given_.k >= 0; }
  int64_t panels() const { return (cols + kFactorPanel - 1) / kFactorPanel; }
  void pack(Buffer<char>& packed);
  // Rows i to i + count - 1 of the elements; `stride` is set to the elements between two of them.
  const void* rows_at(int64_t i, int64_t count, double* scratch, int64_t* stride) const;
  void for_rows(const std::function<void(int64_t begin, int64_t end, RowScratch&)>& fn);
  void build_list(CandidateLists& lists, int64_t i, const void* row, RowScratch& scratch);
  [[noreturn]] void report_bad();

  mg_context* context_;
  const mg_costs given_;
  const AssignmentKernels& k_;
  std::vector<RowScratch>& scratch_;
  const bool serial_;
  const void* packed_ = nullptr;  // y in panels
  // Rows that row_minima() will be asked for; the last `known_` before `next_` are at block_.
  const std::vector<int32_t>* expected_ = nullptr;
  size_t next_ = 0, known_ = 0;
  const char* block_ = nullptr;
  int64_t stride_ = 0;
};

}  // namespace merganser
