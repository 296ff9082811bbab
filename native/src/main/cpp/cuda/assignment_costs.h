// SPDX-License-Identifier: Apache-2.0
// The costs of one assignment on the device, for the phases of routines/assignment.h on the host.
#pragma once

#include <vector>

#include "cuda/plugin.h"
#include "routines/assignment.h"

namespace merganser {
namespace cuda {

// A list of a row as the device makes it: up to kWide of its smallest reduced costs at the prices of that time, all
// those with (float)(h * scale) <= threshold; count -1 where ties are more. Prices only fall, so the solver's shorter
// list of any later time follows from it while enough of it is left below the threshold, which the host sees.
struct WideList {
  static constexpr int kWide = 64;
  float threshold;
  int32_t count;
  int32_t column[kWide];  // in increasing order; then the elements of the costs
};

// Rows of F64 or F32 as kernels read them, each aligned to its elements: row r of a part is row (index ? index[r] : r)
// at base, and row first + r of the problem where there is no index.
struct CostPart {
  const void* base;
  int64_t ld, first, count;
  const int32_t* index;
  double sign;
};

// What a context keeps for assignments, with scratch for one solver.
AssignmentState& kept_assignment(mg_context* context);

class DeviceCosts : public Costs {
 public:
  // Checks factors.
  DeviceCosts(mg_context* context, const mg_costs& given, bool maximise);
  ~DeviceCosts() override;

  const void* row(int64_t i) override;
  double at(int64_t i, int64_t j) override;
  void pairs(const int64_t* columns, double* c) override;
  void prefetch(const std::vector<int32_t>& wanted) override;
  void check() override;
  void column_minima(double* minimum, int32_t* row) override;
  void expect(const std::vector<int32_t>& rows, const double* v) override;
  OpenAndFree row_minima(int64_t i, const double* v, const double* taken) override;
  void build_list(CandidateLists& lists, int64_t i) override;
  void build_free_lists(CandidateLists& lists, const int32_t* column_of) override;
  int64_t excesses(const int64_t* columns, const double* u, const double* v, double* worst) override;

 private:
  static constexpr int64_t kRowsAhead = 32;  // that are fetched with the next one

  bool factored() const { return given_.k >= 0; }
  bool direct() const;  // kernels read the matrix where it lies
  int64_t row_bytes() const { return cols * size_of(type); }
  int64_t list_bytes() const { return static_cast<int64_t>(sizeof(WideList)) + WideList::kWide * size_of(type); }
  WideList* wide(int64_t i) const { return reinterpret_cast<WideList*>(wide_ + i * list_bytes()); }
  template <typename Run>
  void for_parts(const Run& run);
  char* take_part(int64_t count, bool with_reserve);
  int64_t tight_words() const;  // of the bits of the columns
  int64_t tight_rows(int64_t part_rows) const;  // whose bits are made at once
  CostPart part(int64_t first, int64_t count, const int32_t* index);
  void largest_of(const char* name, const void* data, int64_t rows, int64_t ld, double& largest);
  void send_prices(const double* v);
  void send_columns(const int64_t* columns);
  void make_lists(const CandidateLists& lists, const CostPart& part);
  bool narrow(CandidateLists& lists, int64_t i);
  void build_from_row(CandidateLists& lists, int64_t i);
  void next_minima();
  char* slot_for(int64_t i);
  void start_search();
  int64_t end_search();

  // To the device and back, in the order of the stream.
  void send(void* device, const void* host, int64_t bytes);
  void receive(void* host, const void* device, int64_t bytes);
  void finish() { synchronize(s_, "assignment"); }

  mg_context* context_;
  const mg_costs given_;
  State& s_;
  Scratch device_, pinned_;
  double *prices_, *pinned_prices_;    // of the columns, there and here
  double *numbers_, *pinned_numbers_;  // two of each row
  int64_t* places_;                    // one of each row or column
  int32_t *index_there_, *index_;      // of chosen rows; or one of each column, here
  int64_t part_rows_;                  // that kernels can read at once
  char* part_ = nullptr;               // those, where they are computed or made aligned
  // Lists, there and here.
  char *wide_there_ = nullptr, *wide_ = nullptr;
  Buffer<float> h32_;
  Buffer<int32_t> columns_;
  Overfull overfull_;
  // Tight columns of the rows that row_minima() is asked for, as bits.
  const std::vector<int32_t>* expected_ = nullptr;
  size_t next_ = 0, known_ = 0, done_ = 0, batch_ = 0;  // of those known, done; the next of all; known at once
  uint32_t *tight_there_ = nullptr, *tight_ = nullptr;
  std::vector<uint32_t> open_;
  // Whole rows on the host, in slots that rows take in turn.
  std::vector<char*> slots_;
  std::vector<int32_t> slot_of_, row_in_;
  size_t turn_ = 0;
  int64_t last_row_ = -2;
};

}  // namespace cuda
}  // namespace merganser
