// SPDX-License-Identifier: Apache-2.0
// What an update adds to the blocks: products of what was packed, in F32 panel by panel or in pieces, and their fold.
#include <algorithm>

#include "cuda/moments_update.h"
#include "routines/moments_rules.h"

namespace merganser {
namespace cuda {

namespace {

constexpr int64_t kProductBytes = int64_t{64} << 20;
constexpr int64_t kSmallBlock = 1024;  // 64 tiles of 128 x 128 or fewer
// Rows of an own block whose products are one call: of large ones in TF32, and of small ones of several panels.
constexpr int64_t kStripe = 1024, kSmallStripe = 128;

}  // namespace

// Rows of a block whose products are held at a time.
int64_t Update::height_of(int64_t rows, int64_t ld) {
  const int64_t most = std::max<int64_t>(1, kProductBytes / (4 * ld) / 256) * 256;
  return std::min(rows, most);
}

// Panels whose products are held at a time: several of a small block.
int64_t Update::batch_of(int64_t panels, int64_t rows, int64_t ld) {
  return std::clamp<int64_t>(kProductBytes / (4 * rows * ld), 1, panels);
}

void Update::multiply(int32_t pair, bool scaled) {
  const int32_t i = moments_.pair_i[pair], j = moments_.pair_j[pair];
  const int64_t rows = moments_.widths[i], cols = moments_.widths[j], ld = ld_of(cols);
  if (moments_.mode != MG_MOMENTS_MIXED) {
    const Fold all{i, j, 0, rows, 0, group_.panels, nullptr, ld, false};
    if (moments_.mode == MG_MOMENTS_F64) {
      double* block = static_cast<double*>(moments_.blocks[pair]);
      product(pair, 0, group_.rows, 0, rows, 1, block, ld);
      return fold(s_, group_, all, block, cols);
    }
    float* block = static_cast<float*>(moments_.blocks[pair]);
    product(pair, 0, group_.rows, 0, rows, 1, block, ld);
    return fold(s_, group_, all, block, cols);
  }
  const int64_t batch = batch_of(group_.panels, rows, ld), height = height_of(rows, ld);
  for (int64_t panel = 0; panel < group_.panels; panel += batch) {
    const int64_t panels = std::min(batch, group_.panels - panel);
    for (int64_t first = 0; first < rows; first += height) {
      const int64_t here = std::min(height, rows - first);
      multiply_panels(pair, panel, panels, first, here, ld);
      fold(s_, group_, {i, j, first, here, panel, panels, products_, ld, scaled},
           static_cast<double*>(moments_.blocks[pair]), cols);
    }
  }
}

// Products of panels, each by itself. Small blocks of full panels are one call: one after the other they would leave
// most of the GPU idle. Own blocks are stripes that end at the diagonal's tile, a call each: of 512 features 1.25 times
// what is needed, where whole squares are twice that.
void Update::multiply_panels(int32_t pair, int64_t panel, int64_t panels, int64_t first, int64_t height, int64_t ld) {
  const Series &left = series_[moments_.pair_i[pair]], &right = series_[moments_.pair_j[pair]];
  int64_t p = 0;
  const bool own = moments_.pair_i[pair] == moments_.pair_j[pair];
  if (panels > 1 && height == left.width && std::max(left.width, right.width) <= kSmallBlock) {
    const int64_t stripe = own ? kSmallStripe : height;
    const int64_t rows = group_.panel_rows, full = samples_of(panel + panels - 1) == rows ? panels : panels - 1;
    double beta = 0;
    for (int64_t done = 0; done < rows; done += kMomentsPiece) {
      for (const Term& term : terms_) {
        const float* x = operand(left, term.left_rest, panel * rows + done);
        const float* y = operand(right, term.right_rest, panel * rows + done);
        for (int64_t row = 0; row < height; row += stripe) {
          const int64_t here = std::min(stripe, height - row);
          blas_->gemm_batch(Op::T, Op::N, here, own ? row + here : right.width, std::min(kMomentsPiece, rows - done), 1,
                            x + row, left.ldz, rows * left.ldz, y, right.ldz, rows * right.ldz, beta,
                            products_ + row * ld, ld, height * ld, full);
        }
        beta = 1;
      }
    }
    p = full;
  }
  for (; p < panels; ++p) {
    const int64_t sample = (panel + p) * group_.panel_rows, samples = samples_of(panel + p);
    float* c = products_ + p * height * ld;
    if (moments_.tf32x3) {
      product_of_tf32(pair, sample, samples, first, height, c, ld);
    } else {
      product(pair, sample, samples, first, height, 0, c, ld);
    }
  }
}

// From a sample on.
const float* Update::operand(const Series& series, bool rest, int64_t sample) {
  return (rest ? series.rest : static_cast<const float*>(series.z)) + sample * series.ldz;
}

// As product(), of an own block by stripes that end at the diagonal's: of SYRK it is not known whether it takes TF32.
void Update::product_of_tf32(int32_t pair, int64_t sample, int64_t samples, int64_t first, int64_t height, float* c,
                             int64_t ldc) {
  const bool own = moments_.pair_i[pair] == moments_.pair_j[pair];
  const Series &left = series_[moments_.pair_i[pair]], &right = series_[moments_.pair_j[pair]];
  const int64_t stripe = own ? kStripe : height;
  double beta = 0;
  for (int64_t done = 0; done < samples; done += kMomentsPiece) {
    for (const Term& term : terms_) {
      const float* x = operand(left, term.left_rest, sample + done) + first;
      const float* y = operand(right, term.right_rest, sample + done);
      for (int64_t row = 0; row < height; row += stripe) {
        const int64_t rows = std::min(stripe, height - row);
        blas_->gemm(Op::T, Op::N, rows, own ? first + row + rows : right.width, std::min(kMomentsPiece, samples - done),
                    1, x + row, left.ldz, y, right.ldz, beta, c + row * ldc, ldc);
      }
      beta = 1;
    }
  }
}

// c = z_i^T z_j + beta c over samples of the group, rows `first` on of the block; of an own block what is below and in
// the triangle on the diagonal.
template <typename T>
void Update::product(int32_t pair, int64_t sample, int64_t samples, int64_t first, int64_t height, double beta, T* c,
                     int64_t ldc) {
  const int32_t i = moments_.pair_i[pair], j = moments_.pair_j[pair];
  const Series &left = series_[i], &right = series_[j];
  // F32 in pieces, as on the CPU: one sum over all samples of a panel costs digits.
  const int64_t piece = sizeof(T) == sizeof(float) ? kMomentsPiece : std::max<int64_t>(samples, 1);
  for (int64_t done = 0; done < samples; done += piece, beta = 1) {
    const int64_t here = std::min(piece, samples - done);
    const T* x = static_cast<const T*>(left.z) + (sample + done) * left.ldz + first;
    const T* y = static_cast<const T*>(right.z) + (sample + done) * right.ldz;
    if (i != j) {
      blas_->gemm(Op::T, Op::N, height, right.width, here, 1, x, left.ldz, y, right.ldz, beta, c, ldc);
      continue;
    }
    if (first > 0) blas_->gemm(Op::T, Op::N, height, first, here, 1, x, left.ldz, y, right.ldz, beta, c, ldc);
    blas_->syrk(Op::T, height, here, 1, x, left.ldz, beta, c + first, ldc);
  }
}

}  // namespace cuda
}  // namespace merganser
