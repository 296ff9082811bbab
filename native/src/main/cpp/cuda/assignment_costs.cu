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
// memory). What the host makes of this is in assignment_rows.cpp.
//
// Expected on an H100 (3.3 TB/s, PCIe 5 at 50 GB/s), n = 14336, F32, from bytes: the column pass and the lists of all
// rows read 822 MB each, 0.25 ms and, with the second read from L2, 0.4 ms; lists to the host 520 n bytes, 7.5 MB,
// 0.15 ms; certificate 0.25 ms. A later rebuild of a block of rows is one round trip: prices there (115 KB, 3 us), a
// block a row, lists back (66 KB, 2 us), about 25 us with launch and synchronisation. How many there are was counted on
// the stand-in at n = 1000: uniform costs need 969 lists of the solver and no rebuild on the device, correlations of
// noise 950 and 8, Euclidean costs 5586 and 196 (308 when 64 rows are rebuilt together).
#include "cuda/assignment_costs.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "cuda/assignment_kernels.cuh"

namespace merganser {
namespace cuda {

namespace {

constexpr const char *kName = "assignment", *kCopying = "copying for assignment";
constexpr int64_t kPartBytes = int64_t{64} << 20;  // of rows that are computed at once
constexpr int64_t kTightBytes = int64_t{4} << 20;  // of bits of tight columns
constexpr int64_t kPieces = 64;                    // of the rows in a column pass
constexpr double kAimedWide = 40;                  // expected entries of a WideList

int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

dim3 grid(int64_t x, int64_t y = 1) { return dim3(static_cast<unsigned int>(x), static_cast<unsigned int>(y)); }

// Of a block that has one row: a warp for each 64 columns, as far as there are.
int row_threads(int64_t cols) {
  return static_cast<int>(32 * std::max<int64_t>(1, std::min<int64_t>(kWarps, divide_up(cols, 64))));
}

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
      pinned_numbers_(pinned_.take<double>(2 * std::max<int64_t>(rows, 1))),  // largest_of uses two, of no rows too
      places_(device_.take<int64_t>(std::max(rows, cols))),
      index_there_(device_.take<int32_t>(rows)),
      index_(pinned_.take<int32_t>(std::max(rows, cols))),
      part_rows_(rows),
      slot_of_(static_cast<size_t>(rows), -1) {
  if (factored()) {
    double x = 0, y = 0;
    largest_of("x", given.x, rows, given.ldx, x);
    largest_of("y", given.y, cols, given.ldy, y);
    check_products(x, y, given.k);
  }
  if (direct()) return;
  part_rows_ = std::min(rows, std::max(kRowsAhead, kPartBytes / std::max<int64_t>(1, row_bytes())));
  const int64_t fewest = std::min(rows, kRowsAhead);
  part_ = take_fewer(part_rows_, fewest, [&](int64_t count) { return take_part(count, count > fewest); });
}

// Memory for `count` rows, where as much is left as passes take after it.
char* DeviceCosts::take_part(int64_t count, bool with_reserve) {
  const int64_t before = s_.scratch.used();
  try {
    char* part = device_.take<char>(count * row_bytes());
    Scratch later(s_.scratch);
    if (with_reserve) {
      later.take<char>(std::max(kPieces * cols * 12, rows * list_bytes()));  // of the column pass, then of lists
      later.take<uint32_t>(tight_rows(count) * tight_words());
    }
    return part;
  } catch (...) {
    s_.scratch.rewind(before);
    throw;
  }
}

int64_t DeviceCosts::tight_words() const { return divide_up(cols, 32); }

int64_t DeviceCosts::tight_rows(int64_t part_rows) const {
  return std::min(part_rows, std::max<int64_t>(1, kTightBytes / (4 * std::max<int64_t>(1, tight_words()))));
}

// Copies may still run where a phase was cancelled.
DeviceCosts::~DeviceCosts() { static_cast<void>(cudaStreamSynchronize(s_.stream)); }

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
    const int blocks = Spread(s_, count * given_.k, 1, false).blocks;
    launch(s_, kName, grid(blocks), kThreads, 0, largest_magnitude<decltype(tag)>, data, count, given_.k, ld,
           s_.counters);
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
      launch(s_, kName, grid(count), row_threads(cols), 0, align_part<T>, given_.x, given_.ldx, first, index, cols,
             reinterpret_cast<WordOf<T>*>(part_));
    }
  });
  return {part_, cols, first, count, nullptr, sign};
}

// Calls run for all rows, part by part.
template <typename Run>
void DeviceCosts::for_parts(const Run& run) {
  for (int64_t first = 0; first < rows; first += part_rows_) {
    check_cancelled(context_);
    run(part(first, std::min(part_rows_, rows - first), nullptr));
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
      launch(s_, kName, grid(part.count), row_threads(cols), 0, bad_rows<decltype(real)>, part, cols, s_.counters);
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
  const int64_t words = tight_words(), batch = tight_rows(part_rows_);
  batch_ = static_cast<size_t>(batch);
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
    launch(s_, kName, grid(count), row_threads(cols), 0, tight_columns<decltype(real)>, part, cols, prices_, numbers_,
           tight_there_);
  });
  receive(pinned_numbers_, numbers_, count * 8);
  receive(tight_, tight_there_, count * words * 4);
  finish();
  done_ = 0;
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
      prefetch(std::vector<int32_t>(&left[at], left.data() + end));
    }
    build_from_row(lists, left[at]);
  }
}

void DeviceCosts::make_lists(const CandidateLists& lists, const CostPart& part) {
  with_real(type, [&](auto real) {
    launch(s_, kName, grid(part.count), row_threads(cols), 0, wide_lists<decltype(real)>, part, cols, prices_,
           lists.scale(), wide_rank(lists.rank()), lists.rank(), wide_there_ + part.first * list_bytes(), list_bytes());
  });
}

void DeviceCosts::send_columns(const int64_t* columns) {
  int64_t* staged = reinterpret_cast<int64_t*>(pinned_numbers_ + rows);
  std::copy_n(columns, rows, staged);
  send(places_, staged, rows * 8);
}

int64_t DeviceCosts::excesses(const int64_t* columns, const double* u, const double* v, double* worst) {
  if (rows == 0) return 0;
  start_search();
  finish();  // before its memory is written again
  send_columns(columns);
  send_prices(v);
  std::copy_n(u, rows, pinned_numbers_);
  send(numbers_, pinned_numbers_, rows * 8);
  for_parts([&](const CostPart& part) {
    with_real(type, [&](auto real) {
      launch(s_, kName, grid(part.count), row_threads(cols), 0, excesses_of<decltype(real)>, part, cols, places_,
             numbers_, prices_, numbers_ + rows, s_.counters);
    });
  });
  receive(pinned_numbers_ + rows, numbers_ + rows, rows * 8);
  const int64_t bad = end_search();
  std::copy_n(pinned_numbers_ + rows, rows, worst);
  return bad;
}

void DeviceCosts::pairs(const int64_t* columns, double* c) {
  if (rows == 0) return;
  send_columns(columns);
  with_tag(given_.dtype, [&](auto tag) {
    launch(s_, kName, grid(divide_up(rows, kThreads)), kThreads, 0, pairs_of<decltype(tag)>, rows, given_.x, given_.ldx,
           given_.y, given_.ldy, given_.k, sign, places_, numbers_);
  });
  receive(pinned_numbers_ + rows, numbers_, rows * 8);
  finish();
  std::copy_n(pinned_numbers_ + rows, rows, c);
}

}  // namespace cuda
}  // namespace merganser
