// SPDX-License-Identifier: Apache-2.0
// The source of the CUDA kernels, run as loops on the host, against the routines of the CPU: the same bytes for random
// bits, all alignments, and counts that leave packs incomplete.
#include <cuda_runtime.h>

#include <utility>

#include "cuda/arena.cpp"
#include "cuda/blocks.cpp"
#include "cuda/convert.cu"
#include "cuda/nonfinite.cu"
#include "cuda/weighted_sum.cu"
#include "runtime/error.cpp"
#include "test/check.h"

namespace merganser {

void set_last_error(const char*) noexcept {}

namespace cuda {

void check(cudaError_t, const char*) {}
OnDevice::OnDevice() {}
OnDevice::~OnDevice() {}
State::State() {
  counters = new unsigned long long[2];
  blocks = 7;
}
State::~State() { delete[] counters; }
CopyRing::~CopyRing() {}
void synchronize(State&, const char*) {}

}  // namespace cuda
}  // namespace merganser

using namespace check;

namespace {

constexpr int64_t kCounts[] = {1, 7, 8, 1000, 1 << 14 | 5};

// Random bits shifted by `shift` bytes, so that all exponents, NaN and subnormals occur; memory aligned to 64 bytes.
struct Noise {
  Noise(int64_t bytes, uint64_t seed, int64_t shift) : memory(std::aligned_alloc(64, (bytes + 64 + 63) / 64 * 64)) {
    std::mt19937_64 generator(seed);
    for (int64_t i = 0; i + 8 <= bytes + 64; i += 8) {
      const uint64_t word = generator();
      std::memcpy(static_cast<char*>(memory) + i, &word, 8);
    }
    data = static_cast<char*>(memory) + shift;
  }
  Noise(Noise&& other) noexcept : memory(std::exchange(other.memory, nullptr)), data(other.data) {}
  ~Noise() { std::free(memory); }
  void* memory;
  char* data;
};

struct Device {
  merganser::cuda::State state;
  mg_context context;
  Device() { context.device_state = &state; }
  operator mg_context*() { return &context; }
};

int64_t size_of(int32_t type) { return type == MG_F64 ? 8 : type == MG_F32 ? 4 : 2; }

}  // namespace

TEST(cuda_source_weighted_sum) {
  Context cpu;
  Device device;
  for (int32_t type = MG_F64; type <= MG_BF16; ++type) {
    for (int64_t count : kCounts) {
      for (int64_t shift : {0, 8, 1}) {
        for (int32_t models : {1, 3, 70}) {
          const int64_t bytes = count * size_of(type);
          std::vector<Noise> in;
          std::vector<const void*> pointers;
          for (int32_t k = 0; k < models; ++k) {
            in.emplace_back(bytes, static_cast<uint64_t>(k + 1), k == 0 ? shift : 0);
            pointers.push_back(in.back().data);
          }
          const Vector weights = gaussian(models, 2);
          Noise expected(bytes, 99, shift), found(bytes, 99, shift);
          CHECK_OK(mg_weighted_sum(cpu, type, count, models, pointers.data(), weights.data(), expected.data));
          merganser::cuda::weighted_sum(device, type, count, models, pointers.data(), weights.data(), found.data);
          CHECK(std::memcmp(expected.memory, found.memory, bytes + 56) == 0);
        }
      }
    }
  }
}

TEST(cuda_source_convert) {
  Context cpu;
  Device device;
  for (int32_t from = MG_F64; from <= MG_BF16; ++from) {
    for (int32_t to = MG_F64; to <= MG_BF16; ++to) {
      for (int64_t count : kCounts) {
        for (int64_t shift : {0, 4, 3}) {
          const Noise in(count * size_of(from), 5, shift);
          const int64_t bytes = count * size_of(to);
          Noise expected(bytes, 6, 16 * shift), found(bytes, 6, 16 * shift);
          int64_t expected_overflow = -1, overflow = -2;
          CHECK_OK(mg_convert(cpu, from, to, count, in.data, expected.data, &expected_overflow));
          merganser::cuda::convert(device, from, to, count, in.data, found.data, &overflow);
          CHECK(std::memcmp(expected.memory, found.memory, bytes + 56) == 0);
          CHECK(overflow == expected_overflow);
        }
      }
    }
  }
}

TEST(cuda_source_convert_every_float) {
  // All patterns of the upper 16 bits, with lower bits around the ties of both short types.
  Context cpu;
  Device device;
  std::vector<uint32_t> bits;
  for (uint32_t high = 0; high < 65536; ++high) {
    for (uint32_t low : {0u, 1u, 0x7fffu, 0x8000u, 0x8001u, 0xffffu, 0x1000u, 0x0fffu})
      bits.push_back(high << 16 | low);
  }
  const int64_t count = static_cast<int64_t>(bits.size());
  for (int32_t to : {MG_F64, MG_F16, MG_BF16}) {
    std::vector<uint64_t> expected(bits.size()), found(bits.size());
    int64_t expected_overflow = -1, overflow = -2;
    CHECK_OK(mg_convert(cpu, MG_F32, to, count, bits.data(), expected.data(), &expected_overflow));
    merganser::cuda::convert(device, MG_F32, to, count, bits.data(), found.data(), &overflow);
    CHECK(expected == found && overflow == expected_overflow);
  }
}

TEST(cuda_source_nonfinite) {
  Context cpu;
  Device device;
  for (int32_t type = MG_F64; type <= MG_BF16; ++type) {
    for (int64_t count : kCounts) {
      for (int64_t shift : {0, 8, 1}) {
        Noise in(count * size_of(type), 7, shift);
        for (int pass = 0; pass < 2; ++pass) {
          int64_t expected[2] = {-5, -5}, found[2] = {-6, -6};
          CHECK_OK(mg_nonfinite_count(cpu, type, count, in.data, &expected[0], &expected[1]));
          merganser::cuda::nonfinite_count(device, type, count, in.data, &found[0], &found[1]);
          CHECK(expected[0] == found[0] && expected[1] == found[1]);
          std::memset(in.data, 0, count * size_of(type));  // then none
        }
      }
    }
  }
}
