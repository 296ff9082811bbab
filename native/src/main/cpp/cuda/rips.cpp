// SPDX-License-Identifier: Apache-2.0
// Persistent homology is branches and comparisons, so the distances are copied to the host and the CPU's routine does
// it: 2000 points are 16 MB, 1 ms.
#include <algorithm>

#include "cuda/plugin.h"
#include "runtime/buffer.h"

namespace merganser {
namespace cuda {

void rips(mg_context* context, int32_t dtype, int64_t n, const void* distances, int64_t ld, double threshold,
          int32_t max_degree, mg_barcode** out) {
  OnDevice here;
  State& s = state(context);
  Buffer<char> copied(n, n * size_of(dtype));
  if (n > 0) {
    const size_t width = static_cast<size_t>(n * size_of(dtype));
    check(cudaMemcpy2DAsync(copied.data(), width, distances, static_cast<size_t>(ld * size_of(dtype)), width,
                            static_cast<size_t>(n), cudaMemcpyDeviceToHost, s.stream),
          "rips");
    synchronize(s, "rips");
  }
  const PluginHost& library = plugin_host();
  const int32_t status = library.cpu->rips(context, dtype, n, copied.data(), std::max<int64_t>(n, 1), threshold,
                                           max_degree, out);
  if (status != MG_OK) fail(status, library.last_error());
}

}  // namespace cuda
}  // namespace merganser
