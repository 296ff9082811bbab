// SPDX-License-Identifier: Apache-2.0
// What the host makes of the costs on the device: the solver's lists from wider ones, the first free column of those
// that are tight, and whole rows in page-locked memory where a phase reads all of one.
#include <algorithm>

#include "cuda/assignment_costs.h"

namespace merganser {
namespace cuda {

namespace {

constexpr int64_t kCacheBytes = int64_t{64} << 20;  // of whole rows on the host
constexpr int64_t kListsAhead = 128;                // rows whose lists are rebuilt together, if a part has them

}  // namespace

OpenAndFree DeviceCosts::row_minima(int64_t, const double*, const double* taken) {
  if (done_ == known_) next_minima();
  const int64_t words = (cols + 31) / 32;
  const double least = pinned_numbers_[done_];
  const uint32_t* tight = tight_ + static_cast<int64_t>(done_) * words;
  ++done_;
  ++next_;
  OpenAndFree best = {least, kInfinity, -1, -1};
  if (least == kInfinity) return best;
  for (int64_t w = 0; w < words; ++w) {
    if (best.open_index < 0 && tight[w]) best.open_index = 32 * w + __builtin_ctz(tight[w]);
    for (uint32_t bits = tight[w] & open_[w]; bits; bits &= bits - 1) {
      const int64_t j = 32 * w + __builtin_ctz(bits);
      if (taken[j] == 0) {
        best.free = least;
        best.free_index = j;
        return best;
      }
      open_[w] &= ~(bits & -bits);  // taken columns stay so
    }
  }
  return best;
}

void DeviceCosts::build_list(CandidateLists& lists, int64_t i) {
  if (wide(i)->count < 0) return build_from_row(lists, i);
  if (narrow(lists, i)) return;
  const int64_t step = std::min(kListsAhead, part_rows_), first = i / step * step, count = std::min(step, rows - first);
  send_prices(lists.v());
  make_lists(lists, part(first, count, nullptr));
  receive(wide(first), wide_there_ + first * list_bytes(), count * list_bytes());
  finish();
  if (!narrow(lists, i)) build_from_row(lists, i);
}

// The solver's list of now from the wide one; false where too little of that is left.
bool DeviceCosts::narrow(CandidateLists& lists, int64_t i) {
  const WideList& list = *wide(i);
  if (list.count < 0) return false;
  const void* costs = &list + 1;
  const double* v = lists.v();
  const int64_t slab = (cols + kListBlocks - 1) / kListBlocks * 16;
  float h[WideList::kWide], minima[kListBlocks];
  std::fill_n(minima, kListBlocks, std::numeric_limits<float>::infinity());
  for (int32_t e = 0; e < list.count; ++e) {
    const int32_t j = list.column[e];
    h[e] = static_cast<float>((element_of(type, costs, e) - v[j]) * lists.scale());
    float& least = minima[j / slab * 16 + j % 16];
    if (h[e] < least) least = h[e];
  }
  const float all = std::numeric_limits<float>::max();
  const float threshold = std::min(kernels().assignment.list_threshold(minima, lists.rank()), all);
  if (threshold > list.threshold) return false;
  int32_t column[WideList::kWide], entry[WideList::kWide];
  int64_t count = 0;
  for (int32_t e = 0; e < list.count; ++e) {
    if (!(h[e] <= threshold)) continue;
    column[count] = list.column[e];
    entry[count++] = e;
  }
  lists.put(
      i, threshold, count, column, [&](int64_t e) { return h[entry[e]]; },
      [&](int64_t e) { return element_of(type, costs, entry[e]); }, overfull_);
  return true;
}

// As the CPU does: rows with more ties than a WideList holds.
void DeviceCosts::build_from_row(CandidateLists& lists, int64_t i) {
  const AssignmentKernels& k = kernels().assignment;
  const void* row = this->row(i);
  float minima[kListBlocks];
  const int64_t width = (cols + kListBlocks - 1) / kListBlocks;
  k.list_reduced[type](row, sign, lists.v(), lists.scale(), cols, width, h32_.data(), minima);
  const float threshold = std::min(k.list_threshold(minima, lists.rank()), std::numeric_limits<float>::max());
  int32_t* columns = columns_.data();
  const int64_t count = k.list_collect(h32_.data(), threshold, cols, columns);
  lists.put(
      i, threshold, count, columns, [&](int64_t e) { return h32_[columns[e]]; },
      [&](int64_t e) { return sign * element_of(type, row, columns[e]); }, overfull_);
}

// Nearly always of a matched pair, which is in the list of its row.
double DeviceCosts::at(int64_t i, int64_t j) {
  if (wide_ && slot_of_[i] < 0) {
    const WideList& list = *wide(i);
    for (int32_t e = 0; e < list.count; ++e) {
      if (list.column[e] == j) return element_of(type, &list + 1, e);
    }
  }
  return sign * element_of(type, row(i), j);
}

const void* DeviceCosts::row(int64_t i) {
  if (slot_of_[i] < 0) {
    // Rows in order are read ahead.
    const int64_t count = i == last_row_ + 1 ? std::min(kRowsAhead, rows - i) : 1;
    std::vector<int32_t> wanted;
    for (int64_t r = 0; r < count; ++r) wanted.push_back(static_cast<int32_t>(i + r));
    prefetch(wanted);
  }
  last_row_ = i;
  return slots_[slot_of_[i]];
}

// At most kRowsAhead rows at once.
void DeviceCosts::prefetch(const std::vector<int32_t>& wanted) {
  std::vector<int32_t> missing;
  for (const int32_t i : wanted) {
    if (slot_of_[i] < 0 && static_cast<int64_t>(missing.size()) < kRowsAhead) missing.push_back(i);
  }
  if (missing.empty()) return;
  const int64_t count = static_cast<int64_t>(missing.size());
  const char* computed = nullptr;
  if (factored()) {
    std::copy_n(missing.data(), count, index_);
    send(index_there_, index_, count * 4);
    computed = static_cast<const char*>(part(0, count, index_there_).base);
  }
  for (int64_t r = 0; r < count; ++r) {
    const int32_t i = missing[static_cast<size_t>(r)];
    const char* from = computed ? computed + r * row_bytes()
                                : static_cast<const char*>(given_.x) + i * given_.ldx * size_of(type);
    receive(slot_for(i), from, row_bytes());
  }
  finish();
}

// Memory for row i, of a row that was fetched long ago where there is no more.
char* DeviceCosts::slot_for(int64_t i) {
  const int64_t wanted = std::min(rows, std::max(2 * kRowsAhead, kCacheBytes / row_bytes()));
  const size_t most = static_cast<size_t>(wanted);
  if (turn_ == slots_.size() && slots_.size() < most) {
    const size_t more = std::min<size_t>(16, most - slots_.size());
    char* memory = pinned_.take<char>(static_cast<int64_t>(more) * row_bytes());
    for (size_t k = 0; k < more; ++k) slots_.push_back(memory + static_cast<int64_t>(k) * row_bytes());
    row_in_.resize(slots_.size(), -1);
  }
  if (turn_ == slots_.size()) turn_ = 0;
  if (row_in_[turn_] >= 0) slot_of_[row_in_[turn_]] = -1;
  row_in_[turn_] = static_cast<int32_t>(i);
  slot_of_[i] = static_cast<int32_t>(turn_);
  return slots_[turn_++];
}

}  // namespace cuda
}  // namespace merganser
