// SPDX-License-Identifier: Apache-2.0
// Moments on the device, by the definition of routines/moments.cpp: panels about their own means, merged into an F64
// state. Panels are small beside a GPU, so a group of them (up to 512 MiB packed) is read at once:
//   choose_shifts, pack; the host looks at the verdicts, the one wait of a group;
//   rarely: panels whose shift is far from their mean are packed again, z is scaled, values that are not finite are
//   looked for;
//   merge_sums; then for each block its products and their fold.
// MIXED: a product of each panel in F32, folded into F64; small blocks of all panels are one batch. F32, F64: one product
// over all panels of the group into the block. Own blocks are SYRK, lower triangles; in a batch stripes of 128 rows
// that end at the diagonal, 1.25 times that for 512 features.
// Expected at 60 TF/s of F32 for two series of 512, 65536 samples in one update: own blocks and cross block, 4 n 512^2
// = 69 GF, 77 in stripes, 1.3 ms; reading and packing both 0.2 ms. cuBLAS computes in F32 proper; TF32 is
// on in MG_MOMENTS_TF32X3 alone, where z is split in two once it is scaled, and a product is three: moments_split.cu.
// An update returns when the batch has been read: what is left runs on the stream while the next batch is copied.
// Not yet run on a device.
#include "cuda/moments.h"

#include <cstring>
#include <memory>

#include "cuda/blas.h"
#include "cuda/moments_update.h"
#include "routines/moments_rules.h"

namespace merganser {
namespace cuda {

namespace {

constexpr int64_t kMostSeries = 65535;  // of a launch

CudaMoments& state_of(mg_moments* moments) { return *static_cast<CudaMoments*>(moments); }
const CudaMoments& state_of(const mg_moments* moments) { return *static_cast<const CudaMoments*>(moments); }

// Places in one block of memory, which is taken once all are known.
class Layout {
 public:
  int64_t add(int64_t rows, int64_t columns, int64_t size) {
    const int64_t place = bytes_;
    int64_t more;
    if (__builtin_mul_overflow(rows, columns, &more) || __builtin_mul_overflow(more, size, &more) ||
        __builtin_add_overflow(bytes_, more, &bytes_) || __builtin_add_overflow(bytes_, 255, &bytes_)) {
      fail(MG_OUT_OF_MEMORY, format("moments of %lld x %lld features are more than any memory", Long{rows},
                                    Long{columns}));
    }
    bytes_ = bytes_ / 256 * 256;
    return place;
  }
  int64_t bytes() const { return bytes_; }

 private:
  int64_t bytes_ = 0;
};

// Sums of squares of a series on the host, checked.
double* sums_of_squares(State& s, Scratch& staging, const CudaMoments& moments, int32_t series) {
  const int64_t width = moments.widths[series];
  double* m2 = staging.take<double>(width);
  check(cudaMemcpyAsync(m2, moments.m2[series], static_cast<size_t>(width) * sizeof *m2, cudaMemcpyDeviceToHost,
                        s.stream),
        "reading moments");
  synchronize(s, "reading moments");
  check_no_overflow(moments, series, m2);
  return m2;
}

}  // namespace

CudaMoments::~CudaMoments() {
  guard([&] {
    OnDevice here;
    if (updated) {
      static_cast<void>(cudaEventSynchronize(updated));
      static_cast<void>(cudaEventDestroy(updated));
    }
    memory = Owned();
  });
}

void moments_create(mg_context* context, int32_t series, const int64_t* widths, int32_t pairs, const int32_t* pair_i,
                    const int32_t* pair_j, int32_t mode, int32_t nonfinite, mg_moments** out) {
  MG_REQUIRE(series <= kMostSeries, "%d series; moments on CUDA have %d at most", series,
             static_cast<int>(kMostSeries));
  OnDevice here;
  State& s = state(context);
  if (pairs > 0) blas(s, "moments_create");  // without it nothing is created
  auto moments = std::make_unique<CudaMoments>(context, series, widths, pairs, pair_i, pair_j, mode, nonfinite);
  const int64_t size = mode == MG_MOMENTS_F32 ? sizeof(float) : sizeof(double);
  Layout layout;
  std::vector<int64_t> sums, blocks;
  for (int32_t k = 0; k < pairs; ++k) {
    blocks.push_back(layout.add(widths[pair_i[k]], ld_of(widths[pair_j[k]]), size));
  }
  for (int32_t k = 0; k < series; ++k) sums.push_back(layout.add(3, widths[k], sizeof(double)));
  moments->bytes = layout.bytes();
  moments->memory = Owned(DEVICE, moments->bytes, "moments");
  char* memory = moments->memory.as<char>();
  for (int64_t place : blocks) moments->blocks.push_back(memory + place);
  for (int32_t k = 0; k < series; ++k) {
    double* place = reinterpret_cast<double*>(memory + sums[k]);
    moments->mean.push_back(place);
    moments->low.push_back(place + widths[k]);
    moments->m2.push_back(place + 2 * widths[k]);
  }
  check(cudaEventCreateWithFlags(&moments->updated, cudaEventDisableTiming), "moments_create");
  check(cudaMemsetAsync(memory, 0, static_cast<size_t>(moments->bytes), s.stream), "moments_create");
  synchronize(s, "moments_create");
  *out = moments.release();
}

void moments_update(mg_context* context, mg_moments* moments, const void* const* data, int32_t dtype, int64_t outer,
                    int64_t inner, const int64_t* strides) {
  CudaMoments& to = state_of(moments);
  check_complete(to);
  OnDevice here;
  try {
    Update(context, to, data, dtype, outer, inner, strides).run();
  } catch (...) {
    static_cast<void>(cudaStreamSynchronize(state(context).stream));  // a state that is given up is waited for here
    throw;
  }
}

void moments_series(mg_context* context, const mg_moments* moments, int32_t series, double* mean, double* m2) {
  const CudaMoments& from = state_of(moments);
  check_has_samples(from);
  OnDevice here;
  State& s = state(context);
  check(cudaStreamWaitEvent(s.stream, from.updated, 0), "moments_series");
  Scratch staging(s.staging);
  const size_t bytes = static_cast<size_t>(from.widths[series]) * sizeof *mean;
  double* means = staging.take<double>(from.widths[series]);
  check(cudaMemcpyAsync(means, from.mean[series], bytes, cudaMemcpyDeviceToHost, s.stream), "moments_series");
  std::memcpy(m2, sums_of_squares(s, staging, from, series), bytes);
  std::memcpy(mean, means, bytes);
}

void moments_block(mg_context* context, const mg_moments* moments, int32_t pair, double* out) {
  const CudaMoments& from = state_of(moments);
  check_has_samples(from);
  OnDevice here;
  State& s = state(context);
  check(cudaStreamWaitEvent(s.stream, from.updated, 0), "moments_block");
  Scratch staging(s.staging);
  const int32_t i = from.pair_i[pair], j = from.pair_j[pair];
  sums_of_squares(s, staging, from, i);
  sums_of_squares(s, staging, from, j);
  if (!write_block(s, from.widths[i], from.widths[j], from.blocks[pair], from.mode == MG_MOMENTS_F32,
                   i == j ? from.m2[i] : nullptr, out)) {
    products_overflowed(from, pair);
  }
}

}  // namespace cuda
}  // namespace merganser
