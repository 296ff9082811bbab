// SPDX-License-Identifier: Apache-2.0
// Persistent homology is branches and comparisons, so the input is copied to the host and the CPU's routine does it:
// distances of 2000 points are 16 MB, 1 ms.
#include <algorithm>

#include "cuda/plugin.h"
#include "runtime/buffer.h"

namespace merganser {
namespace cuda {

void rips(mg_context* context, int32_t dtype, int64_t n, int64_t k, const void* x, int64_t ldx, double threshold,
          int32_t max_degree, mg_barcode** out) {
  OnDevice here;
  State& s = state(context);
  const int64_t columns = k < 0 ? n : k;
  Buffer<char> copied(n, columns * size_of(dtype));
  if (n > 0 && columns > 0) {
    const size_t width = static_cast<size_t>(columns * size_of(dtype));
    check(cudaMemcpy2DAsync(copied.data(), width, x, static_cast<size_t>(ldx * size_of(dtype)), width,
                            static_cast<size_t>(n), cudaMemcpyDeviceToHost, s.stream),
          "rips");
    synchronize(s, "rips");
  }
  const PluginHost& library = plugin_host();
  const int32_t status = library.cpu->rips(context, dtype, n, k, copied.data(), std::max<int64_t>(columns, 1),
                                           threshold, max_degree, out);
  if (status != MG_OK) fail(status, library.last_error());
}

}  // namespace cuda
}  // namespace merganser
