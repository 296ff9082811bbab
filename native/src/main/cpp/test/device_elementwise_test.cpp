// SPDX-License-Identifier: Apache-2.0
// Elementwise routines on a device against the CPU, beyond the list: more models than travel with a launch, every
// upper half of an F32.
#include <memory>

#include "test/listed_tools.h"

using namespace check;

TEST(fake_weighted_sums_of_many_models) {
  if (!device_on_host()) return;
  Context device(1, MG_BACKEND_CUDA), cpu;
  const int64_t n = 1003;
  for (int32_t dtype : {MG_F64, MG_F32, MG_F16, MG_BF16}) {
    for (int32_t models : {64, 65, 70}) {
      const Vector weights = gaussian(models, 2);
      std::vector<char> results[2];
      for (mg_context* context : {static_cast<mg_context*>(device), static_cast<mg_context*>(cpu)}) {
        std::vector<std::unique_ptr<Array>> arrays;
        std::vector<const void*> in;
        for (int32_t k = 0; k < models; ++k) {
          arrays.push_back(std::make_unique<Array>(context, n * size_of(dtype), 0));
          arrays.back()->write(random_elements({dtype, n, 0, Scale::BITS}, n, static_cast<uint64_t>(k + 1)));
          in.push_back(arrays.back()->data());
        }
        const Array out(context, n * size_of(dtype), 0);
        CHECK_OK(mg_weighted_sum(context, dtype, n, models, in.data(), weights.data(), out.data()));
        results[context == static_cast<mg_context*>(device) ? 0 : 1] = out.read();
      }
      CHECK(results[0] == results[1]);
    }
  }
}

// All patterns of the upper 16 bits, with lower bits around the ties of both short types.
TEST(fake_converts_every_float) {
  if (!device_on_host()) return;
  Context device(1, MG_BACKEND_CUDA), cpu;
  std::vector<char> bits;
  for (uint32_t high = 0; high < 65536; high += kSanitized ? 7 : 1) {
    for (uint32_t low : {0u, 1u, 0x7fffu, 0x8000u, 0x8001u, 0xffffu, 0x1000u, 0x0fffu}) {
      const uint32_t word = high << 16 | low;
      append(bits, &word, 1);
    }
  }
  const int64_t count = static_cast<int64_t>(bits.size()) / 4;
  for (int32_t to : {MG_F64, MG_F16, MG_BF16}) {
    std::vector<char> results[2];
    int64_t overflowed[2] = {-1, -2};
    for (mg_context* context : {static_cast<mg_context*>(device), static_cast<mg_context*>(cpu)}) {
      const size_t which = context == static_cast<mg_context*>(device) ? 0 : 1;
      Array in(context, count * 4, 0);
      const Array out(context, count * size_of(to), 0);
      in.write(bits);
      CHECK_OK(mg_convert(context, MG_F32, to, count, in.data(), out.data(), &overflowed[which]));
      results[which] = out.read();
    }
    CHECK(results[0] == results[1] && overflowed[0] == overflowed[1]);
  }
}
