// SPDX-License-Identifier: Apache-2.0
// Digest of the portable conversions, sums and counts on random bits, without BLAS or the library: to compare
// processors. Run by check_libraries.sh.
#include <cstdio>
#include <random>
#include <vector>

#include "kernels/kernels.h"

int main() {
  const merganser::ElementwiseKernels& k = merganser::kernels_portable()->elementwise;
  constexpr int64_t kCount = 30011;
  uint64_t hash = 0xcbf29ce484222325u;
  const auto add = [&](const void* data, size_t bytes) {
    for (size_t i = 0; i < bytes; ++i) hash = (hash ^ static_cast<const unsigned char*>(data)[i]) * 0x100000001b3u;
  };
  std::vector<uint64_t> in[3];
  std::mt19937_64 generator(1);
  for (auto& each : in) {
    each.resize(kCount);
    for (uint64_t& word : each) word = generator();
  }
  for (int from = 0; from < 4; ++from) {
    for (int to = 0; to < 4; ++to) {
      std::vector<uint64_t> out(kCount, 0);
      const int64_t overflowed = k.convert[from][to](in[0].data(), out.data(), kCount);
      add(out.data(), kCount * 8);
      add(&overflowed, sizeof overflowed);
    }
    std::vector<uint64_t> out(kCount, 0);
    const void* arrays[] = {in[0].data(), in[1].data(), in[2].data()};
    const double weights[] = {0.3, -1.7, 1e-3};
    k.sum_line[from](arrays, weights, 3, out.data(), kCount, false);
    add(out.data(), kCount * 8);
    const int64_t found = k.count_nonfinite[from](in[0].data(), kCount);
    add(&found, sizeof found);
  }
  std::printf("%016llx\n", static_cast<unsigned long long>(hash));
}
