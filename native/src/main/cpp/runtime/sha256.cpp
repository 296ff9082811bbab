// SPDX-License-Identifier: Apache-2.0
// SHA-256 of bytes in host memory: by the instructions of the CPU where it has them and MERGANSER_ISA is not portable,
// else in plain code. The JDK's is as quick (2.0 GB/s here) once it has been compiled by the second compiler of the JVM;
// until then a process of a second or two computes a good part of its digests, and others wait for that compiler.
#include "runtime/sha256.h"

#include <cstring>

#include "merganser.h"
#include "runtime/isa.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

namespace merganser {

namespace {

constexpr int64_t kBlock = 64;

alignas(16) constexpr uint32_t kRounds[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

constexpr uint32_t kStart[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

// Of whole blocks.
using Compress = void (*)(uint32_t* h, const uint8_t* in, int64_t blocks);

uint32_t load_big(const uint8_t* p) {
  return uint32_t{p[0]} << 24 | uint32_t{p[1]} << 16 | uint32_t{p[2]} << 8 | uint32_t{p[3]};
}

void store_big(uint8_t* p, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) p[i] = static_cast<uint8_t>(value >> 8 * (bytes - 1 - i));
}

uint32_t rotate(uint32_t x, int by) { return x >> by | x << (32 - by); }

void compress_portable(uint32_t* h, const uint8_t* in, int64_t blocks) {
  for (; blocks > 0; --blocks, in += kBlock) {
    uint32_t w[64];
    for (int i = 0; i < 16; ++i) w[i] = load_big(in + 4 * i);
    for (int i = 16; i < 64; ++i) {
      const uint32_t a = w[i - 15], b = w[i - 2];
      w[i] = w[i - 16] + w[i - 7] + (rotate(a, 7) ^ rotate(a, 18) ^ a >> 3) + (rotate(b, 17) ^ rotate(b, 19) ^ b >> 10);
    }
    // Turned by one each round: word k of the state is s[(k - i) mod 8].
    uint32_t s[8];
    std::memcpy(s, h, sizeof s);
#pragma GCC unroll 64
    for (int i = 0; i < 64; ++i) {
      const uint32_t a = s[-i & 7], b = s[(1 - i) & 7], c = s[(2 - i) & 7];
      const uint32_t e = s[(4 - i) & 7], f = s[(5 - i) & 7], g = s[(6 - i) & 7];
      const uint32_t first = s[(7 - i) & 7] + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + ((e & f) ^ (~e & g)) +
                             kRounds[i] + w[i];
      s[(3 - i) & 7] += first;
      s[(7 - i) & 7] = first + (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
    }
    for (int i = 0; i < 8; ++i) h[i] += s[i];
  }
}

#if defined(__x86_64__)
// Two registers hold a, b, e, f and c, d, g, h, as the instructions take them, the first word highest; four rounds a
// turn, whose words are w_t = w_(t-16) + s0(w_(t-15)) + w_(t-7) + s1(w_(t-2)), four at a time.
__attribute__((target("sha,sse4.1"))) void compress_sha(uint32_t* h, const uint8_t* in, int64_t blocks) {
  const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
  __m128i* const state = reinterpret_cast<__m128i*>(h);
  const __m128i* const rounds = reinterpret_cast<const __m128i*>(kRounds);
  const __m128i cdab = _mm_shuffle_epi32(_mm_loadu_si128(state), 0xb1);
  const __m128i efgh = _mm_shuffle_epi32(_mm_loadu_si128(state + 1), 0x1b);
  __m128i abef = _mm_alignr_epi8(cdab, efgh, 8);
  __m128i cdgh = _mm_blend_epi16(efgh, cdab, 0xf0);
  for (; blocks > 0; --blocks, in += kBlock) {
    const __m128i abef_before = abef, cdgh_before = cdgh;
    __m128i w[4];
    for (int i = 0; i < 4; ++i) {
      w[i] = _mm_shuffle_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(in) + i), big_endian);
    }
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) {
      __m128i &now = w[i % 4], &last = w[(i + 3) % 4];
      const __m128i sum = _mm_add_epi32(now, _mm_load_si128(rounds + i));
      cdgh = _mm_sha256rnds2_epu32(cdgh, abef, sum);
      abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(sum, 0x0e));
      const __m128i seventh = _mm_alignr_epi8(last, w[(i + 2) % 4], 4);
      now = _mm_sha256msg2_epu32(_mm_add_epi32(_mm_sha256msg1_epu32(now, w[(i + 1) % 4]), seventh), last);
    }
    abef = _mm_add_epi32(abef, abef_before);
    cdgh = _mm_add_epi32(cdgh, cdgh_before);
  }
  const __m128i feba = _mm_shuffle_epi32(abef, 0x1b), dchg = _mm_shuffle_epi32(cdgh, 0xb1);
  _mm_storeu_si128(state, _mm_blend_epi16(feba, dchg, 0xf0));
  _mm_storeu_si128(state + 1, _mm_alignr_epi8(dchg, feba, 8));
}

bool has_sha() {
  unsigned a, b, c, d;
  return __builtin_cpu_supports("sse4.1") && __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_SHA);
}
#endif

Compress choose() {
#if defined(__x86_64__)
  if (isa_level() != MG_ISA_PORTABLE && has_sha()) return &compress_sha;
#endif
  return &compress_portable;
}

}  // namespace

void sha256(const void* in, int64_t bytes, int64_t before, bool last, uint8_t* state) {
  static const Compress compress = choose();
  uint32_t h[8];
  std::memcpy(h, before == 0 ? static_cast<const void*>(kStart) : state, sizeof h);
  const uint8_t* from = static_cast<const uint8_t*>(in);
  const int64_t blocks = bytes / kBlock, rest = bytes % kBlock;
  compress(h, from, blocks);
  if (!last) {
    std::memcpy(state, h, sizeof h);
    return;
  }
  uint8_t end[2 * kBlock] = {};
  if (rest > 0) std::memcpy(end, from + blocks * kBlock, rest);
  end[rest] = 0x80;
  const int64_t padded = rest + 9 > kBlock ? 2 : 1;
  store_big(end + padded * kBlock - 8, static_cast<uint64_t>(before + bytes) << 3, 8);
  compress(h, end, padded);
  for (int i = 0; i < 8; ++i) store_big(state + 4 * i, h[i], 4);
}

}  // namespace merganser
