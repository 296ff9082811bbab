// SPDX-License-Identifier: Apache-2.0
// Copies between the device and ordinary memory of the host. The driver copies from and to page-locked memory alone,
// so what lies elsewhere goes through a ring of page-locked tiles: the host fills or empties one while the driver
// copies the other.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "cuda/blocks.h"
#include "runtime/context.h"

namespace merganser {
namespace cuda {

class CopyRing {
 public:
  CopyRing();
  ~CopyRing();
  CopyRing(const CopyRing&) = delete;
  CopyRing& operator=(const CopyRing&) = delete;

  // Both return, also when cancelled, once nothing reads or writes the memory of the caller any more.
  void to_device(mg_context* context, cudaStream_t stream, char* to, const char* from, int64_t bytes);
  void to_host(mg_context* context, cudaStream_t stream, char* to, const char* from, int64_t bytes);

 private:
  static constexpr int kTiles = 2;
  Owned memory_;
  char* tiles_[kTiles];
  cudaEvent_t copied_[kTiles] = {};
};

}  // namespace cuda
}  // namespace merganser
