// SPDX-License-Identifier: Apache-2.0
// One update of moments: a batch, its panels, and the scratch memory of a group of them.
#pragma once

#include <optional>
#include <vector>

#include "cuda/blas.h"
#include "cuda/moments.h"

namespace merganser {
namespace cuda {

class Update {
 public:
  Update(mg_context* context, CudaMoments& moments, const void* const* data, int32_t dtype, int64_t outer,
         int64_t inner, const int64_t* strides);
  void run();

 private:
  int64_t samples_of(int64_t panel) const;
  int64_t kept() const { return kept_ ? kept_count_ : samples_; }
  int64_t size_of_packed() const { return moments_.mode == MG_MOMENTS_F64 || moments_.tf32x3 ? 8 : 4; }

  // Memory.
  void choose_group();
  void reserve(int64_t panels);
  bool save();
  void restore();

  // Reading. read() is false when a value is not finite and `look` asks for that; find() then fails or drops samples.
  bool read(bool look);
  void read_verdicts(const std::vector<unsigned char>& redo);
  void find();
  void fail_at(int32_t series, int64_t sample, int64_t feature);
  void drop(const int* marks);

  // Adding what was read: moments_products.cpp.
  bool needs_scaling() const;
  void add(bool scaled);
  static int64_t height_of(int64_t rows, int64_t ld);
  static int64_t batch_of(int64_t panels, int64_t rows, int64_t ld);
  void multiply(int32_t pair, bool scaled);
  void multiply_panels(int32_t pair, int64_t panel, int64_t panels, int64_t first, int64_t height, int64_t ld);
  void product_of_tf32(int32_t pair, int64_t sample, int64_t samples, int64_t first, int64_t height, float* c,
                       int64_t ldc);
  template <typename T>
  void product(int32_t pair, int64_t sample, int64_t samples, int64_t first, int64_t height, double beta, T* c,
               int64_t ldc);

  // A product of what is packed is the sum of these: of z, or of its rest.
  struct Term {
    bool left_rest, right_rest;
  };
  static const float* operand(const Series& series, bool rest, int64_t sample);

  mg_context* context_;
  CudaMoments& moments_;
  State& s_;
  Blas* blas_;
  Types types_;
  int64_t samples_;
  std::vector<Series> series_;
  std::vector<Term> terms_;
  Group group_{};
  int64_t panels_ = 0;  // of a full group
  Owned kept_, saved_;
  int64_t kept_count_ = 0;
  std::vector<Verdict> verdicts_;
  std::optional<Scratch> scratch_, staging_;
  unsigned char* redo_ = nullptr;
  float* products_ = nullptr;
};

}  // namespace cuda
}  // namespace merganser
