// SPDX-License-Identifier: Apache-2.0
// Versions, instruction-set level, BLAS gate, contexts, memory, cancellation.
#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <thread>

#include "test/check.h"

using namespace check;

TEST(library_versions) {
  CHECK(mg_abi_version() == MG_ABI_VERSION);
  CHECK(std::strlen(mg_version()) > 0);
  CHECK(std::string(mg_blas_config()).find("OpenBLAS") == 0);
  CHECK(std::strlen(mg_blas_core()) > 0);
}

TEST(library_isa) {
  int32_t level = -1;
  CHECK_OK(mg_isa(&level));
  const char* asked = std::getenv("MERGANSER_ISA");
  if (asked) CHECK(std::string(mg_isa_name(level)) == asked);
  CHECK(std::string(mg_isa_name(99)) == "unknown");
  CHECK_FAILS(mg_isa(nullptr), MG_INVALID_ARGUMENT, "level is NULL");
}

TEST(library_environment_default) {
  CHECK_OK(mg_environment_default("MERGANSER_TEST_VARIABLE", "first"));
  CHECK_OK(mg_environment_default("MERGANSER_TEST_VARIABLE", "second"));
  CHECK(std::string(std::getenv("MERGANSER_TEST_VARIABLE")) == "first");
  CHECK_FAILS(mg_environment_default("", "x"), MG_INVALID_ARGUMENT, "a name and a value are needed");
}

std::string sha256(const std::string& message, int64_t part) {
  uint8_t state[32];
  int64_t before = 0;
  const int64_t size = static_cast<int64_t>(message.size());
  for (; size - before > part; before += part) {
    CHECK_OK(mg_sha256(message.data() + before, part, before, 0, state));
  }
  CHECK_OK(mg_sha256(message.data() + before, size - before, before, 1, state));
  std::string digits;
  for (const uint8_t byte : state) {
    digits += "0123456789abcdef"[byte >> 4];
    digits += "0123456789abcdef"[byte & 15];
  }
  return digits;
}

// The examples of NIST, and what sha256sum prints for i * 7 mod 251 around the ends of blocks.
TEST(library_sha256) {
  CHECK(sha256("", 64) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(sha256("abc", 64) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 64) ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  CHECK(sha256(std::string(1000000, 'a'), 6400) == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  const struct {
    int64_t size;
    const char* digest;
  } cases[] = {
      {55, "8af594de0e003fdee5c8bb088216c824349b4137070f559574f4a4bddd27b714"},
      {56, "db81bc2bfd43620591df192139062da77d4c376f1888ea3d2190bd07c8d901f9"},
      {63, "bd535b38bf0d0d1a09d370b7e34b2696cea3767801a45d5611a4aaa6954e8527"},
      {64, "292be91abe8c0909fe3d26575af5755eee74d23816dc68c3ba41765136967654"},
      {65, "ba65aedf7884642499a59ae124894611d986cf429e69f569488048af3a99e25a"},
      {119, "d367ab298e74477421127b0b448667c37c006c636f5738f081c39388756e5fad"},
      {120, "be7beb9c82089eb08da8fe6eb30c13b9d56869014e228a8c3eb0fdfe832efab2"},
      {128, "cb5311e1d7aa8e11d6af7081f3ffc3e4efa008c7483a1a791fe170bf37546ba7"},
      {200, "fcfa8eb2ae47de09df3e42e48371d9ea7446fb378097f8ef9bf743d9856f50b6"},
      {100003, "adb88f7b4c6997396951be8cdb7c8d21e6f6640578db1dd56f8361306bab51f0"},
  };
  for (const auto& each : cases) {
    std::string message;
    for (int64_t i = 0; i < each.size; ++i) message += static_cast<char>(i * 7 % 251);
    for (const int64_t part : {64, 128, 65536}) CHECK(sha256(message, part) == each.digest);
  }
}

TEST(library_sha256_arguments) {
  uint8_t state[32];
  CHECK_FAILS(mg_sha256(nullptr, 1, 0, 1, state), MG_INVALID_ARGUMENT, "a pointer is NULL");
  CHECK_FAILS(mg_sha256("a", 1, 0, 1, nullptr), MG_INVALID_ARGUMENT, "a pointer is NULL");
  CHECK_FAILS(mg_sha256("a", 1, 0, 0, state), MG_INVALID_ARGUMENT,
              "parts of 0 and 1 bytes: all but the last must be multiples of 64");
  CHECK_FAILS(mg_sha256("a", 1, 63, 1, state), MG_INVALID_ARGUMENT,
              "parts of 63 and 1 bytes: all but the last must be multiples of 64");
  CHECK_FAILS(mg_sha256("a", -1, 0, 1, state), MG_INVALID_ARGUMENT,
              "bytes and before must be >= 0, not -1 and 0");
}

TEST(library_gate_restores_the_count) {
  const int32_t before = mg_blas_threads();
  CHECK_OK(mg_blas_enter(before + 1));
  CHECK(mg_blas_threads() == before + 1);
  mg_blas_leave();
  CHECK(mg_blas_threads() == before);
  CHECK_FAILS(mg_blas_enter(0), MG_INVALID_ARGUMENT, "BLAS threads must be >= 1, not 0");
}

TEST(library_gate_separates_counts) {
  std::atomic<int> ones{0}, twos{0};
  std::atomic<bool> mixed{false};
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      const int32_t count = t % 2 + 1;
      for (int i = 0; i < 200; ++i) {
        if (mg_blas_enter(count) != MG_OK) mixed = true;
        ++(count == 1 ? ones : twos);
        if ((count == 1 ? twos : ones) != 0 || mg_blas_threads() != count) mixed = true;
        --(count == 1 ? ones : twos);
        mg_blas_leave();
      }
    });
  }
  for (auto& each : threads) each.join();
  CHECK(!mixed);
}

TEST(library_context_arguments) {
  mg_context* context = nullptr;
  CHECK_FAILS(mg_context_create(MG_BACKEND_CPU, 0, &context), MG_INVALID_ARGUMENT, "threads must be >= 1, not 0");
  CHECK_FAILS(mg_context_create(7, 1, &context), MG_INVALID_ARGUMENT, "unknown backend 7");
  CHECK(context == nullptr);
  mg_context_destroy(nullptr);
}

TEST(library_memory_is_counted) {
  Context context;
  const int64_t before = mg_allocated_bytes();
  void *p = nullptr, *q = nullptr;
  CHECK_OK(mg_alloc(context, 100, &p));
  CHECK_OK(mg_alloc(context, 0, &q));
  CHECK(q != nullptr && reinterpret_cast<uintptr_t>(p) % 64 == 0);
  CHECK(mg_allocated_bytes() == before + 100);
  double from = 3.5;
  CHECK_OK(mg_copy(context, p, MG_DEVICE_HOST, &from, MG_DEVICE_HOST, 8));
  CHECK(*static_cast<double*>(p) == 3.5);
  CHECK_FAILS(mg_copy(context, p, MG_DEVICE_CUDA, &from, MG_DEVICE_HOST, 8), MG_UNAVAILABLE,
              "a CPU context copies within host memory only");
  mg_free(context, p);
  mg_free(context, p);
  mg_free(context, q);
  mg_free(context, nullptr);
  CHECK(mg_allocated_bytes() == before);
  CHECK_FAILS(mg_alloc(context, -1, &p), MG_INVALID_ARGUMENT, "bytes must be >= 0, not -1");
  CHECK(mg_alloc(context, INT64_MAX / 2, &p) == MG_OUT_OF_MEMORY);
  CHECK(mg_alloc(context, INT64_MAX, &p) == MG_OUT_OF_MEMORY);
}

// Views take a buffer for each range that is read: its pages must not be fetched from the system each time.
TEST(library_memory_is_taken_again) {
#if !defined(__SANITIZE_ADDRESS__)
  Context context;
  for (const int64_t bytes : {int64_t{100000}, int64_t{3} << 20}) {
    void *first = nullptr, *second = nullptr, *third = nullptr;
    CHECK_OK(mg_alloc(context, bytes, &first));
    mg_free(context, first);
    CHECK_OK(mg_alloc(context, bytes, &second));
    CHECK(second == first);
    CHECK_OK(mg_alloc(context, bytes, &third));
    CHECK(third != second);
    mg_free(context, second);
    mg_free(context, third);
  }
#endif
}

// What is kept for the next request goes back where the system has no more.
TEST(library_memory_that_is_kept_is_given_back) {
#if !defined(MERGANSER_SANITIZED)
  constexpr int64_t kBlock = int64_t{8} << 20, kWanted = int64_t{40} << 20;
  Context context;
  mallopt(M_MMAP_THRESHOLD, 1 << 20);  // blocks of their own, so that what is free is known
  std::vector<void*> blocks(8);
  for (void*& each : blocks) CHECK_OK(mg_alloc(context, kBlock, &each));
  for (void* each : blocks) mg_free(context, each);
  malloc_trim(0);
  int64_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  CHECK(pages > 0);
  rlimit before;
  CHECK(getrlimit(RLIMIT_AS, &before) == 0);
  rlimit little = before;
  little.rlim_cur = static_cast<rlim_t>(pages * sysconf(_SC_PAGESIZE) + kBlock);
  CHECK(setrlimit(RLIMIT_AS, &little) == 0);
  std::vector<void*> plain;  // what the C library has left of earlier tests
  plain.reserve(100);
  do {
    plain.push_back(std::malloc(static_cast<size_t>(kWanted)));
  } while (plain.back() && plain.size() < plain.capacity());
  void *found = nullptr, *more = nullptr;
  const int32_t status = mg_alloc(context, kWanted, &found), refused = mg_alloc(context, 4 * kWanted, &more);
  CHECK(setrlimit(RLIMIT_AS, &before) == 0);
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  const bool exhausted = plain.back() == nullptr;
  for (void* each : plain) std::free(each);
  mg_free(context, found);
  CHECK(exhausted);
  CHECK(status == MG_OK);
  CHECK(refused == MG_OUT_OF_MEMORY);
#endif
}

TEST(library_huge_problems_run_out_of_memory) {
  Context context;
  double one = 1;
  const int64_t widths[] = {INT32_MAX};
  const int32_t zero[] = {0};
  mg_moments* moments = nullptr;
  CHECK(mg_moments_create(context, 1, widths, 1, zero, zero, MG_MOMENTS_F64, MG_NONFINITE_FAIL, &moments) ==
        MG_OUT_OF_MEMORY);
  CHECK_FAILS(mg_gemm(context, MG_F64, 0, 0, 1, 1, int64_t{1} << 31, 1, &one, int64_t{1} << 31, &one, 1, 0, &one, 1),
              MG_INVALID_ARGUMENT, "k = 2147483648 does not fit the 32-bit integers of BLAS");
}

TEST(library_cancellation) {
  Context context;
  double a = 2, b = 3, c = 0;
  mg_context_cancel(context, 1);
  CHECK_FAILS(mg_gemm(context, MG_F64, 0, 0, 1, 1, 1, 1, &a, 1, &b, 1, 0, &c, 1), MG_CANCELLED, "cancelled");
  mg_context_cancel(context, 0);
  CHECK_OK(mg_gemm(context, MG_F64, 0, 0, 1, 1, 1, 1, &a, 1, &b, 1, 0, &c, 1));
  CHECK(c == 6);
}

TEST(library_cancels_a_running_routine) {
  Context context;
  const int64_t n = 1500;
  const Vector a = gaussian(n * n, 1);
  Vector c(a.size());
  std::thread killer([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    mg_context_cancel(context, 1);
  });
  int32_t status = MG_OK;
  for (int i = 0; i < 1000 && status == MG_OK; ++i) {
    status = mg_gemm(context, MG_F64, 0, 0, n, n, n, 1, a.data(), n, a.data(), n, 0, c.data(), n);
  }
  killer.join();
  CHECK(status == MG_CANCELLED);
}

TEST(library_contexts_work_at_once) {
  const int64_t n = 300;
  const Vector a = gaussian(n * n, 2);
  Vector expected(a.size());
  Context one(1);
  CHECK_OK(mg_gemm(one, MG_F64, 0, 1, n, n, n, 1, a.data(), n, a.data(), n, 0, expected.data(), n));
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 6; ++t) {
    threads.emplace_back([&] {
      Context context(8);
      Vector c(a.size());
      for (int i = 0; i < 20; ++i) {
        if (mg_gemm(context, MG_F64, 0, 1, n, n, n, 1, a.data(), n, a.data(), n, 0, c.data(), n) != MG_OK) ++wrong;
        if (!same_bits(c, expected)) ++wrong;
      }
    });
  }
  for (auto& each : threads) each.join();
  CHECK(wrong == 0);
}
