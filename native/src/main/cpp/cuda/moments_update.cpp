// SPDX-License-Identifier: Apache-2.0
#include "cuda/moments_update.h"

#include <algorithm>
#include <cstring>

#include "routines/moments_rules.h"

namespace merganser {
namespace cuda {

namespace {

constexpr const char* kRoutine = "moments_update";
constexpr int64_t kGroupBytes = int64_t{512} << 20;
constexpr int64_t kMostPanels = 1024;  // a launch has 65535 pieces at most

int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

double number(unsigned long long bits) {
  double value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

}  // namespace

Update::Update(mg_context* context, CudaMoments& moments, const void* const* data, int32_t dtype, int64_t outer,
               int64_t inner, const int64_t* strides)
    : context_(context),
      moments_(moments),
      s_(state(context)),
      blas_(moments.blocks.empty() ? nullptr : &blas(s_, kRoutine)),
      types_{dtype, moments.mode == MG_MOMENTS_F64},
      samples_(outer * inner) {
  for (size_t k = 0; k < moments.widths.size(); ++k) {
    const int64_t* stride = strides + 3 * k;
    // Samples that lie evenly are one dimension.
    const bool even = inner == 1 || outer == 1 || stride[0] == inner * stride[1];
    Series series{};
    series.data = data[k];
    series.inner = even ? 1 : inner;
    series.outer_stride = even && inner > 1 ? stride[1] : stride[0];
    series.inner_stride = stride[1];
    series.feature_stride = stride[2];
    series.width = moments.widths[k];
    series.ldz = ld_of(series.width);
    series.mean = moments.mean[k];
    series.low = moments.low[k];
    series.m2 = moments.m2[k];
    series_.push_back(series);
    group_.widest = std::max(group_.widest, series.width);
  }
  group_.count = static_cast<int32_t>(series_.size());
  group_.panel_rows = panel_rows(moments, samples_);
  group_.pieces = divide_up(group_.panel_rows, kMomentsPiece);
  terms_ = {{false, false}};
  if (!moments.tf32x3 || !blas_) return;
  blas_->math(kMathTf32);
  terms_ = {{true, false}, {false, true}, {false, false}};  // the small ones first
}

int64_t Update::samples_of(int64_t panel) const {
  return std::min(group_.panel_rows, group_.rows - panel * group_.panel_rows);
}

// As many panels as the problem allows, then as the device has memory for: fewer change results by rounding at most.
void Update::choose_group() {
  int64_t bytes = 0;
  for (int32_t k = 0; k < group_.count; ++k) {
    const Series& series = series_[k];
    if (in_a_block(moments_, k)) bytes += group_.panel_rows * series.ldz * size_of_packed();
    bytes += series.width * (5 + 2 * group_.pieces) * static_cast<int64_t>(sizeof(double));
  }
  panels_ = std::clamp<int64_t>(kGroupBytes / bytes, 1, kMostPanels);
  panels_ = std::min(panels_, divide_up(samples_, group_.panel_rows));
  for (;; panels_ /= 2) {
    try {
      return reserve(panels_);
    } catch (const Error& error) {
      scratch_.reset();
      if (error.status != MG_OUT_OF_MEMORY) throw;
      if (panels_ > 1) continue;
      fail(MG_OUT_OF_MEMORY, format("moments_update needs %lld bytes for a panel of %lld samples: %s", Long{bytes},
                                    Long{group_.panel_rows}, error.text.c_str()));
    }
  }
}

void Update::reserve(int64_t panels) {
  scratch_.emplace(s_.scratch);
  group_.series = scratch_->take<Series>(group_.count);
  group_.verdicts = scratch_->take<Verdict>(panels * group_.count);
  redo_ = scratch_->take<unsigned char>(panels * group_.count);
  for (int32_t k = 0; k < group_.count; ++k) {
    Series& series = series_[k];
    if (in_a_block(moments_, k)) {
      const int64_t rows = std::min(panels * group_.panel_rows, samples_);
      series.z = scratch_->take<char>(rows * series.ldz * size_of_packed());
      series.rest = moments_.tf32x3 ? static_cast<float*>(series.z) + rows * series.ldz : nullptr;
    }
    double* place = scratch_->take<double>(panels * series.width * (5 + 2 * group_.pieces));
    for (double** each : {&series.shift, &series.sum, &series.square, &series.offset, &series.delta, &series.parts}) {
      *each = place;
      place += panels * series.width;
    }
  }
  int64_t products = 0;
  for (size_t k = 0; k < moments_.blocks.size() && moments_.mode == MG_MOMENTS_MIXED; ++k) {
    const int64_t rows = moments_.widths[moments_.pair_i[k]], ld = ld_of(moments_.widths[moments_.pair_j[k]]);
    products = std::max(products, batch_of(panels, rows, ld) * height_of(rows, ld) * ld);
  }
  if (products > 0) products_ = scratch_->take<float>(products);

  staging_.emplace(s_.staging);
  Series* staged = staging_->take<Series>(group_.count);
  std::copy(series_.begin(), series_.end(), staged);
  check(cudaMemcpyAsync(const_cast<Series*>(group_.series), staged, series_.size() * sizeof(Series),
                        cudaMemcpyHostToDevice, s_.stream),
        kRoutine);
  verdicts_.assign(static_cast<size_t>(panels * group_.count), Verdict{});
}

// A copy of the state, to be put back when a later group has values that are not finite. False when there is no memory
// for it, or it is larger than the batch, which is then looked through instead.
bool Update::save() {
  int64_t width = 0;
  for (int64_t each : moments_.widths) width += each;
  if (moments_.bytes >= samples_ * width * size_of(types_.dtype)) return false;
  try {
    saved_ = Owned(DEVICE, moments_.bytes, "a copy of the moments");
  } catch (const Error& error) {
    if (error.status != MG_OUT_OF_MEMORY) throw;
    return false;
  }
  check(cudaMemcpyAsync(saved_.as<char>(), moments_.memory.as<char>(), static_cast<size_t>(moments_.bytes),
                        cudaMemcpyDeviceToDevice, s_.stream),
        kRoutine);
  return true;
}

void Update::restore() {
  if (!saved_) return;
  check(cudaMemcpyAsync(moments_.memory.as<char>(), saved_.as<char>(), static_cast<size_t>(moments_.bytes),
                        cudaMemcpyDeviceToDevice, s_.stream),
        kRoutine);
  synchronize(s_, kRoutine);
  moments_.incomplete = false;
}

void Update::run() {
  if (samples_ == 0) return;
  // The last update may have come through another context.
  check(cudaStreamWaitEvent(s_.stream, moments_.updated, 0), kRoutine);
  choose_group();
  bool look = true;
  if (samples_ > panels_ * group_.panel_rows && moments_.nonfinite == MG_NONFINITE_FAIL && !save()) {
    find();
    look = false;
  }
  for (int64_t begin = 0; begin < kept();) {
    check_cancelled(context_);
    group_.kept = kept_.as<int64_t>();
    group_.begin = begin;
    group_.before = moments_.count + begin;
    group_.rows = std::min(panels_ * group_.panel_rows, kept() - begin);
    group_.panels = divide_up(group_.rows, group_.panel_rows);
    bool scaled = false;
    try {
      if (!read(look)) {
        look = false;
        find();
        continue;  // samples before this group are all kept, so it begins where it did
      }
      scaled = needs_scaling();
    } catch (const Error& error) {
      if (error.status == MG_NUMERICAL) restore();
      throw;
    }
    moments_.incomplete = true;
    add(scaled);
    begin += group_.rows;
  }
  moments_.count += kept();
  moments_.skipped += samples_ - kept();
  moments_.incomplete = false;
  check(cudaEventRecord(moments_.updated, s_.stream), kRoutine);
}

bool Update::read(bool look) {
  choose_shifts(s_, group_, types_.dtype);
  pack(s_, group_, types_, nullptr);
  std::vector<unsigned char> redo(static_cast<size_t>(group_.panels * group_.count), 1);
  read_verdicts(redo);
  for (int attempt = 0;; ++attempt) {
    bool again = false;
    for (size_t v = 0; v < redo.size(); ++v) {
      if (verdicts_[v].bad && look) return false;
      redo[v] = verdicts_[v].far && !verdicts_[v].bad;
      again = again || redo[v];
    }
    if (!again || attempt > 0) return true;
    Scratch staging(s_.staging);
    unsigned char* staged = staging.take<unsigned char>(static_cast<int64_t>(redo.size()));
    std::copy(redo.begin(), redo.end(), staged);
    check(cudaMemcpyAsync(redo_, staged, redo.size(), cudaMemcpyHostToDevice, s_.stream), kRoutine);
    move_shifts(s_, group_, redo_);
    pack(s_, group_, types_, redo_);
    read_verdicts(redo);
  }
}

void Update::read_verdicts(const std::vector<unsigned char>& redo) {
  Scratch staging(s_.staging);
  Verdict* staged = staging.take<Verdict>(static_cast<int64_t>(redo.size()));
  check(cudaMemcpyAsync(staged, group_.verdicts, redo.size() * sizeof(Verdict), cudaMemcpyDeviceToHost, s_.stream),
        kRoutine);
  synchronize(s_, kRoutine);
  for (size_t v = 0; v < redo.size(); ++v) {
    if (redo[v]) verdicts_[v] = staged[v];
  }
}

void Update::find() {
  Scratch scratch(s_.scratch), staging(s_.staging);
  if (moments_.nonfinite == MG_NONFINITE_SKIP_SAMPLE) {
    const size_t bytes = static_cast<size_t>(samples_) * sizeof(int);
    int *marks = scratch.take<int>(samples_), *staged = staging.take<int>(samples_);
    check(cudaMemsetAsync(marks, 0, bytes, s_.stream), kRoutine);
    find_nonfinite(s_, group_, types_.dtype, samples_, nullptr, marks);
    check(cudaMemcpyAsync(staged, marks, bytes, cudaMemcpyDeviceToHost, s_.stream), kRoutine);
    synchronize(s_, kRoutine);
    return drop(staged);
  }
  const size_t bytes = series_.size() * sizeof(unsigned long long);
  auto* keys = scratch.take<unsigned long long>(group_.count);
  auto* staged = staging.take<unsigned long long>(group_.count);
  check(cudaMemsetAsync(keys, 0xff, bytes, s_.stream), kRoutine);
  find_nonfinite(s_, group_, types_.dtype, samples_, keys, nullptr);
  check(cudaMemcpyAsync(staged, keys, bytes, cudaMemcpyDeviceToHost, s_.stream), kRoutine);
  synchronize(s_, kRoutine);
  for (int32_t k = 0; k < group_.count; ++k) {
    if (staged[k] == ~0ull) continue;
    const auto key = static_cast<int64_t>(staged[k]);
    fail_at(k, key / series_[k].width, key % series_[k].width);
  }
}

void Update::fail_at(int32_t series, int64_t sample, int64_t feature) {
  const Series& where = series_[series];
  const int64_t at = sample / where.inner * where.outer_stride + sample % where.inner * where.inner_stride +
                     feature * where.feature_stride;
  const size_t bytes = static_cast<size_t>(size_of(types_.dtype));
  char element[8];
  check(cudaMemcpyAsync(element, static_cast<const char*>(where.data) + at * static_cast<int64_t>(bytes), bytes,
                        cudaMemcpyDeviceToHost, s_.stream),
        kRoutine);
  synchronize(s_, kRoutine);
  float narrow;
  double value;
  std::memcpy(&narrow, element, sizeof narrow);
  std::memcpy(&value, element, sizeof value);
  not_finite(series, sample, feature, bytes == sizeof narrow ? static_cast<double>(narrow) : value);
}

void Update::drop(const int* marks) {
  std::vector<int64_t> kept;
  for (int64_t m = 0; m < samples_; ++m) {
    if (!marks[m]) kept.push_back(m);
  }
  kept_count_ = static_cast<int64_t>(kept.size());
  if (kept_count_ == samples_) return;
  const size_t bytes = kept.size() * sizeof(int64_t);
  kept_ = Owned(DEVICE, static_cast<int64_t>(bytes), "the samples that are kept");
  check(cudaMemcpyAsync(kept_.as<int64_t>(), kept.data(), bytes, cudaMemcpyHostToDevice, s_.stream), kRoutine);
  synchronize(s_, kRoutine);
}

bool Update::needs_scaling() const {
  bool some = false;
  for (int64_t panel = 0; panel < group_.panels; ++panel) {
    for (int32_t k = 0; k < group_.count; ++k) {
      const Verdict& verdict = verdicts_[static_cast<size_t>(panel * group_.count + k)];
      const double largest = number(verdict.largest) / static_cast<double>(samples_of(panel));
      if (deviation_exponent(moments_, k, largest, verdict.some) != 0) some = true;
    }
  }
  return some;
}

void Update::add(bool scaled) {
  if (scaled) scale_panels(s_, group_);
  if (moments_.tf32x3) split_panels(s_, group_);
  merge_sums(s_, group_);
  for (size_t k = 0; k < moments_.blocks.size(); ++k) multiply(static_cast<int32_t>(k), scaled);
}

}  // namespace cuda
}  // namespace merganser
