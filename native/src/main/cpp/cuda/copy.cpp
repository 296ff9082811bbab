// SPDX-License-Identifier: Apache-2.0
// Tiles of 4 MiB: 0.1 ms of a link of 50 GB/s, beside which the start of a copy (10 us) is little, and both tiles stay
// in the cache of the host. One thread copies about 10 GB/s, which is then the rate of a copy; memory that is
// page-locked already does not come here.
#include "cuda/copy.h"

#include <algorithm>
#include <cstring>

#include "cuda/plugin.h"

namespace merganser {
namespace cuda {

namespace {

constexpr int64_t kTileBytes = int64_t{4} << 20;
// Below, the driver's own buffer is as good.
constexpr int64_t kSmall = int64_t{64} << 10;

// Leaves nothing running, whatever happens.
class Drain {
 public:
  explicit Drain(cudaStream_t stream) : stream_(stream) {}
  ~Drain() { static_cast<void>(cudaStreamSynchronize(stream_)); }
  Drain(const Drain&) = delete;
  Drain& operator=(const Drain&) = delete;

 private:
  cudaStream_t stream_;
};

bool page_locked(const void* pointer) {
  cudaPointerAttributes found;
  if (cudaPointerGetAttributes(&found, pointer) != cudaSuccess) {
    static_cast<void>(cudaGetLastError());
    return false;
  }
  return found.type == cudaMemoryTypeHost;
}

}  // namespace

CopyRing::CopyRing() : memory_(PINNED, kTiles * kTileBytes, "tiles of copies") {
  for (int t = 0; t < kTiles; ++t) tiles_[t] = memory_.as<char>() + t * kTileBytes;
  try {
    for (cudaEvent_t& each : copied_) {
      check(cudaEventCreateWithFlags(&each, cudaEventDisableTiming), "creating an event");
    }
  } catch (...) {
    if (copied_[0]) static_cast<void>(cudaEventDestroy(copied_[0]));
    throw;
  }
}

CopyRing::~CopyRing() {
  for (cudaEvent_t each : copied_) static_cast<void>(cudaEventDestroy(each));
}

void CopyRing::to_device(mg_context* context, cudaStream_t stream, char* to, const char* from, int64_t bytes) {
  const Drain drain(stream);
  for (int64_t begin = 0, tile = 0; begin < bytes; begin += kTileBytes, ++tile) {
    const size_t here = static_cast<size_t>(std::min(kTileBytes, bytes - begin));
    const int t = static_cast<int>(tile % kTiles);
    check_cancelled(context);
    if (tile >= kTiles) check(cudaEventSynchronize(copied_[t]), "copy");
    std::memcpy(tiles_[t], from + begin, here);
    check(cudaMemcpyAsync(to + begin, tiles_[t], here, cudaMemcpyHostToDevice, stream), "copy");
    check(cudaEventRecord(copied_[t], stream), "copy");
  }
  check(cudaStreamSynchronize(stream), "copy");
}

void CopyRing::to_host(mg_context* context, cudaStream_t stream, char* to, const char* from, int64_t bytes) {
  const Drain drain(stream);
  const int64_t tiles = (bytes + kTileBytes - 1) / kTileBytes;
  const auto size = [&](int64_t tile) { return static_cast<size_t>(std::min(kTileBytes, bytes - tile * kTileBytes)); };
  for (int64_t tile = 0; tile < tiles + kTiles - 1; ++tile) {
    check_cancelled(context);
    if (tile < tiles) {
      const int t = static_cast<int>(tile % kTiles);
      check(cudaMemcpyAsync(tiles_[t], from + tile * kTileBytes, size(tile), cudaMemcpyDeviceToHost, stream), "copy");
      check(cudaEventRecord(copied_[t], stream), "copy");
    }
    const int64_t done = tile - (kTiles - 1);
    if (done < 0 || done >= tiles) continue;
    check(cudaEventSynchronize(copied_[done % kTiles]), "copy");
    std::memcpy(to + done * kTileBytes, tiles_[done % kTiles], size(done));
  }
}

void copy(mg_context* context, void* to, int32_t to_device, const void* from, int32_t from_device, int64_t bytes) {
  if (bytes == 0) return;
  OnDevice here;
  State& s = state(context);
  const bool to_host = to_device == MG_DEVICE_HOST, from_host = from_device == MG_DEVICE_HOST;
  if (to_host != from_host && bytes > kSmall && !page_locked(to_host ? to : from)) {
    if (!s.ring) s.ring = std::make_unique<CopyRing>();
    char* target = static_cast<char*>(to);
    const char* source = static_cast<const char*>(from);
    if (to_host) return s.ring->to_host(context, s.copies, target, source, bytes);
    return s.ring->to_device(context, s.copies, target, source, bytes);
  }
  const cudaMemcpyKind kind = to_host ? (from_host ? cudaMemcpyHostToHost : cudaMemcpyDeviceToHost)
                                      : (from_host ? cudaMemcpyHostToDevice : cudaMemcpyDeviceToDevice);
  check(cudaMemcpyAsync(to, from, static_cast<size_t>(bytes), kind, s.copies), "copy");
  check(cudaStreamSynchronize(s.copies), "copy");
}

}  // namespace cuda
}  // namespace merganser
