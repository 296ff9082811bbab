// SPDX-License-Identifier: Apache-2.0
// Scans of the costs of an assignment that lie on the device. What is exact on the CPU is the same here: minima with
// their lowest places, (float)((c - v) * scale) without contraction, products summed in the order of k.
//
//   column_minima  least c_ij of each column and its lowest row: a thread walks down a column of a piece of the rows,
//                  then one thread a column goes through the pieces in their order
//   tight_columns  of each free row, min_j c_ij - v_j and the columns that attain it, as bits
//   wide_lists     block a row: 64 interleaved block minima give a threshold, then the columns below it in order
//   excesses       block a row: max_j u_i + v_j - c_ij in two errorless sums
//   factor_part    rows of products, 64 x 64 a block: F64, each product and sum rounded once
//
// Considered: a warp a row for the lists (a row of 14336 takes one warp 20 us, which every later rebuild waits for; a
// block 3 us); keeping (float)(h * scale) of the row for the second pass (57 KB a row against a second read from L2);
// packs of 16 bytes in the column pass (32 lanes x 4 bytes are whole sectors, and 8 rows in flight a thread fill the
// memory).
//
// Expected on an H100 (3.3 TB/s, PCIe 5 at 50 GB/s), n = 14336, F32, from bytes: the column pass and the lists of all
// rows read 822 MB each, 0.25 ms and, with the second read from L2, 0.4 ms; lists to the host 520 n bytes, 7.5 MB,
// 0.15 ms; certificate 0.25 ms. A later rebuild of a block of rows is one round trip: prices there (115 KB, 3 us), a
// block a row, lists back (66 KB, 2 us), about 25 us with launch and synchronisation. How many there are, counted on the
// stand-in at n = 1000: uniform 969 lists of the solver without one rebuild on the device, correlations of noise 950
// with 8, Euclidean 5586 with 196 (308 when 64 rows are rebuilt together).
#include "cuda/assignment_costs.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "cuda/assignment_kernels.cuh"

namespace merganser {
namespace cuda {

namespace {

constexpr const char *kName = "assignment", *kCopying = "copying for assignment";
constexpr int64_t kPartBytes = int64_t{64} << 20;   // of rows that are computed at once
constexpr int64_t kCacheBytes = int64_t{64} << 20;  // of whole rows on the host
constexpr int64_t kTightBytes = int64_t{4} << 20;   // of bits of tight columns
constexpr int64_t kRowsAhead = 32;                  // that are fetched with the next one
constexpr int64_t kListsAhead = 128;                // rows whose lists are rebuilt together
constexpr int64_t kPieces = 64;                     // of the rows in a column pass
constexpr double kAimedWide = 40;                   // expected entries of a WideList

int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

dim3 grid(int64_t x, int64_t y = 1) { return dim3(static_cast<unsigned int>(x), static_cast<unsigned int>(y)); }

// Calls run with a value of the elements' type.
template <typename Run>
void with_real(int32_t type, const Run& run) {
  if (type == MG_F64) {
    run(double{});
  } else {
    run(float{});
  }
}

template <typename Run>
void with_tag(int32_t type, const Run& run) {
  if (type == MG_F64) {
    run(F64{});
  } else {
    run(F32{});
  }
}

// A rank among the block minima below which about `aim` columns lie, more than the solver's own.
int wide_rank(int32_t rank) {
  const double share = 1 - std::exp(-kAimedWide / static_cast<double>(kListBlocks));
  return std::max(rank, static_cast<int32_t>(static_cast<double>(kListBlocks) * share + 0.5));
}

}  // namespace

DeviceCosts::DeviceCosts(mg_context* context, const mg_costs& given, bool maximise)
    : Costs(given, maximise),
      context_(context),
      given_(given),
      s_(state(context)),
      device_(s_.scratch),
      pinned_(s_.staging),
      prices_(device_.take<double>(cols)),
      pinned_prices_(pinned_.take<double>(cols)),
      numbers_(device_.take<double>(2 * rows)),
      pinned_numbers_(pinned_.take<double>(2 * rows)),
      places_(device_.take<int64_t>(std::max(rows, cols))),
      index_there_(device_.take<int32_t>(rows)),
      index_(pinned_.take<int32_t>(std::max(rows, cols))),
      slot_of_(static_cast<size_t>(rows), -1) {
  if (factored()) {
    double x = 0, y = 0;
    largest_of("x", given.x, rows, given.ldx, x);
    largest_of("y", given.y, cols, given.ldy, y);
    check_products(x, y, given.k);
  }
  if (!direct()) part_ = device_.take<char>(rows_of_part() * row_bytes());
}

// Copies may still run where a phase was cancelled.
DeviceCosts::~DeviceCosts() { cudaStreamSynchronize(s_.stream); }

void DeviceCosts::send(void* device, const void* host, int64_t bytes) {
  cuda::check(cudaMemcpyAsync(device, host, static_cast<size_t>(bytes), cudaMemcpyHostToDevice, s_.stream), kCopying);
}

void DeviceCosts::receive(void* host, const void* device, int64_t bytes) {
  cuda::check(cudaMemcpyAsync(host, device, static_cast<size_t>(bytes), cudaMemcpyDeviceToHost, s_.stream), kCopying);
}

void DeviceCosts::largest_of(const char* name, const void* data, int64_t count, int64_t ld, double& largest) {
  if (count == 0 || given_.k == 0) return;
  unsigned long long* bits = reinterpret_cast<unsigned long long*>(pinned_numbers_);
  bits[0] = 0;
  bits[1] = ~0ull;
  send(s_.counters, bits, 16);
  with_tag(given_.dtype, [&](auto tag) {
    launch(s_, kName, Spread(s_, count * given_.k, 1, false).blocks, kThreads, 0, largest_magnitude<decltype(tag)>, data,
           count, given_.k, ld, s_.counters);
  });
  receive(bits, s_.counters, 16);
  finish();
  if (bits[1] != ~0ull) {
    const int64_t e = static_cast<int64_t>(bits[1]);
    char element[8];
    const int64_t size = size_of(given_.dtype);
    receive(element, static_cast<const char*>(data) + (e / given_.k * ld + e % given_.k) * size, size);
    finish();
    throw_bad_factor(name, e / given_.k, e % given_.k, element_of(given_.dtype, element, 0));
  }
  std::memcpy(&largest, bits, sizeof largest);
}

bool DeviceCosts::direct() const {
  return !factored() && reinterpret_cast<uintptr_t>(given_.x) % static_cast<uintptr_t>(size_of(type)) == 0;
}

int64_t DeviceCosts::rows_of_part() const {
  return direct() ? rows : std::min(rows, std::max(kRowsAhead, kPartBytes / std::max<int64_t>(1, row_bytes())));
}

// Rows first to first + count - 1, or those of an index on the device, where kernels can read them.
CostPart DeviceCosts::part(int64_t first, int64_t count, const int32_t* index) {
  if (direct()) {
    const char* base = static_cast<const char*>(given_.x) + (index ? 0 : first * given_.ldx * size_of(type));
    return {base, given_.ldx, first, count, index, sign};
  }
  with_tag(given_.dtype, [&](auto tag) {
    using T = decltype(tag);
    if (factored()) {
      launch(s_, kName, grid(divide_up(cols, kTile), divide_up(count, kTile)), kThreads, 0, factor_part<T>, given_.x,
             given_.ldx, given_.y, given_.ldy, given_.k, first, index, count, cols, reinterpret_cast<double*>(part_));
    } else {
      launch(s_, kName, grid(count), kThreads, 0, align_part<T>, given_.x, given_.ldx, first, index, cols,
             reinterpret_cast<WordOf<T>*>(part_));
    }
  });
  return {part_, cols, first, count, nullptr, sign};
}

// Calls run for all rows, part by part.
template <typename Run>
void DeviceCosts::for_parts(const Run& run) {
  for (int64_t first = 0; first < rows; first += rows_of_part()) {
    check_cancelled(context_);
    run(part(first, std::min(rows_of_part(), rows - first), nullptr));
  }
}

void DeviceCosts::start_search() {
  unsigned long long* none = reinterpret_cast<unsigned long long*>(pinned_numbers_);
  *none = static_cast<unsigned long long>(rows);
  send(s_.counters, none, 8);
}

// The first bad row that a pass found, or `rows`.
int64_t DeviceCosts::end_search() {
  unsigned long long* found = reinterpret_cast<unsigned long long*>(pinned_numbers_);
  receive(found, s_.counters, 8);
  finish();
  return static_cast<int64_t>(*found);
}

void DeviceCosts::check() {
  if (factored()) return;  // the factors have been checked
  start_search();
  for_parts([&](const CostPart& part) {
    with_real(type, [&](auto real) {
      launch(s_, kName, grid(part.count), kThreads, 0, bad_rows<decltype(real)>, part, cols, s_.counters);
    });
  });
  const int64_t bad = end_search();
  if (bad < rows) throw_bad_cost(bad, row(bad));
}

void DeviceCosts::column_minima(double* minimum, int32_t* row) {
  Scratch scratch(s_.scratch);
  double* value = scratch.take<double>(kPieces * cols);
  int32_t* where = scratch.take<int32_t>(kPieces * cols);
  int32_t* argmin = reinterpret_cast<int32_t*>(places_);
  start_search();
  for_parts([&](const CostPart& part) {
    const int64_t piece = std::max<int64_t>(16, divide_up(part.count, kPieces)), pieces = divide_up(part.count, piece);
    with_real(type, [&](auto real) {
      launch(s_, kName, grid(divide_up(cols, kThreads), pieces), kThreads, 0, minima_of_pieces<decltype(real)>, part,
             cols, piece, value, where, s_.counters);
    });
    launch(s_, kName, grid(divide_up(cols, kThreads)), kThreads, 0, join_pieces, cols, static_cast<int>(pieces),
           part.first > 0, value, where, prices_, argmin);
  });
  receive(pinned_prices_, prices_, cols * 8);
  receive(index_, argmin, cols * 4);
  const int64_t bad = end_search();
  if (bad < rows) throw_bad_cost(bad, this->row(bad));
  std::copy_n(pinned_prices_, cols, minimum);
  std::copy_n(index_, cols, row);
}

void DeviceCosts::send_prices(const double* v) {
  std::copy_n(v, cols, pinned_prices_);
  send(prices_, pinned_prices_, cols * 8);
}

void DeviceCosts::expect(const std::vector<int32_t>& expected, const double* v) {
  expected_ = &expected;
  next_ = known_ = 0;
  send_prices(v);
  const int64_t words = divide_up(cols, 32);
  batch_ = static_cast<size_t>(std::min(rows_of_part(), std::max<int64_t>(1, kTightBytes / (4 * words))));
  const int64_t batch = static_cast<int64_t>(batch_);
  if (!tight_) {
    tight_there_ = device_.take<uint32_t>(batch * words);
    tight_ = pinned_.take<uint32_t>(batch * words);
  }
  open_.assign(static_cast<size_t>(words), ~0u);
}

// Fetches what is asked for next.
void DeviceCosts::next_minima() {
  known_ = std::min(batch_, expected_->size() - next_);
  const int64_t count = static_cast<int64_t>(known_), words = divide_up(cols, 32);
  std::copy_n(expected_->data() + next_, known_, index_);
  send(index_there_, index_, count * 4);
  const CostPart part = this->part(0, count, index_there_);
  with_real(type, [&](auto real) {
    launch(s_, kName, grid(count), kThreads, 0, tight_columns<decltype(real)>, part, cols, prices_, numbers_,
           tight_there_);
  });
  receive(pinned_numbers_, numbers_, count * 8);
  receive(tight_, tight_there_, count * words * 4);
  finish();
  done_ = 0;
}

OpenAndFree DeviceCosts::row_minima(int64_t, const double*, const double* taken) {
  if (done_ == known_) next_minima();
  const int64_t words = divide_up(cols, 32);
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

void DeviceCosts::build_free_lists(CandidateLists& lists, const int32_t* column_of) {
  h32_.reserve(cols + 64);
  columns_.reserve(cols + 64);
  if (!wide_) {
    wide_there_ = device_.take<char>(rows * list_bytes());
    wide_ = pinned_.take<char>(rows * list_bytes());
  }
  send_prices(lists.v());
  for_parts([&](const CostPart& part) { make_lists(lists, part); });
  receive(wide_, wide_there_, rows * list_bytes());
  finish();
  std::vector<int32_t> left;
  for (int64_t i = 0; i < rows; ++i) {
    if (column_of[i] < 0 && !narrow(lists, i)) left.push_back(static_cast<int32_t>(i));
  }
  for (size_t at = 0; at < left.size(); ++at) {
    check_cancelled(context_);
    if (at % kRowsAhead == 0) {
      const size_t end = std::min(left.size(), at + static_cast<size_t>(kRowsAhead));
      prefetch(std::vector<int32_t>(left.begin() + static_cast<ptrdiff_t>(at), left.begin() + static_cast<ptrdiff_t>(end)));
    }
    build_from_row(lists, left[at]);
  }
}

void DeviceCosts::make_lists(const CandidateLists& lists, const CostPart& part) {
  with_real(type, [&](auto real) {
    launch(s_, kName, grid(part.count), kThreads, 0, wide_lists<decltype(real)>, part, cols, prices_, lists.scale(),
           wide_rank(lists.rank()), lists.rank(), wide_there_ + part.first * list_bytes(), list_bytes());
  });
}

void DeviceCosts::build_list(CandidateLists& lists, int64_t i) {
  if (wide(i)->count < 0) return build_from_row(lists, i);
  if (narrow(lists, i)) return;
  const int64_t first = i / kListsAhead * kListsAhead, count = std::min(kListsAhead, rows - first);
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
  const int64_t slab = divide_up(cols, kListBlocks) * 16;
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
  k.list_reduced[type](row, sign, lists.v(), lists.scale(), cols, divide_up(cols, kListBlocks), h32_.data(), minima);
  const float threshold = std::min(k.list_threshold(minima, lists.rank()), std::numeric_limits<float>::max());
  int32_t* columns = columns_.data();
  const int64_t count = k.list_collect(h32_.data(), threshold, cols, columns);
  lists.put(
      i, threshold, count, columns, [&](int64_t e) { return h32_[columns[e]]; },
      [&](int64_t e) { return sign * element_of(type, row, columns[e]); }, overfull_);
}

int64_t DeviceCosts::excesses(const double* u, const double* v, double* worst) {
  if (rows == 0) return 0;
  start_search();
  finish();  // before its memory is written again
  send_prices(v);
  std::copy_n(u, rows, pinned_numbers_);
  send(numbers_, pinned_numbers_, rows * 8);
  for_parts([&](const CostPart& part) {
    with_real(type, [&](auto real) {
      launch(s_, kName, grid(part.count), kThreads, 0, excesses_of<decltype(real)>, part, cols, numbers_, prices_,
             numbers_ + rows, s_.counters);
    });
  });
  receive(pinned_numbers_ + rows, numbers_ + rows, rows * 8);
  const int64_t bad = end_search();
  std::copy_n(pinned_numbers_ + rows, rows, worst);
  return bad;
}

void DeviceCosts::pairs(const int64_t* columns, double* c) {
  if (rows == 0) return;
  int64_t* staged = reinterpret_cast<int64_t*>(pinned_numbers_);
  std::copy_n(columns, rows, staged);
  send(places_, staged, rows * 8);
  with_tag(given_.dtype, [&](auto tag) {
    launch(s_, kName, grid(divide_up(rows, kThreads)), kThreads, 0, pairs_of<decltype(tag)>, rows, given_.x, given_.ldx,
           given_.y, given_.ldy, given_.k, sign, places_, numbers_);
  });
  receive(pinned_numbers_ + rows, numbers_, rows * 8);
  finish();
  std::copy_n(pinned_numbers_ + rows, rows, c);
}

// ---- Whole rows on the host ----------------------------------------------------------------------------

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
  const size_t most = static_cast<size_t>(std::min(rows, std::max<int64_t>(2 * kRowsAhead, kCacheBytes / row_bytes())));
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
