// SPDX-License-Identifier: Apache-2.0
// The functions of device code that are no part of C: correctly rounded where CUDA's are. The fast approximations
// (__expf and their like) are left out on purpose: no result may depend on them.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

namespace standin {
template <typename To, typename From>
To same_bits(From from) {
  static_assert(sizeof(To) == sizeof(From), "types of one size");
  To to;
  std::memcpy(&to, &from, sizeof to);
  return to;
}
// The conversions of a GPU saturate, and NaN becomes 0 (the smallest value for 64 bits).
template <typename To, typename From>
To saturated(From x) {
  constexpr bool is_signed = static_cast<To>(-1) < 0;
  constexpr int bits = 8 * sizeof(To) - is_signed;
  const To most = static_cast<To>(~uint64_t{0} >> (64 - bits)), least = is_signed ? static_cast<To>(-most - 1) : 0;
  if (x != x) return sizeof(To) == 8 ? static_cast<To>(uint64_t{1} << 63) : To{0};
  if (x >= std::ldexp(From{1}, bits)) return most;
  if (x <= static_cast<From>(least)) return least;
  return static_cast<To>(x);
}
}  // namespace standin

inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fsub_rn(float a, float b) { return a - b; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
inline float __fsqrt_rn(float a) { return sqrtf(a); }
inline float __frcp_rn(float a) { return 1 / a; }
inline double __dadd_rn(double a, double b) { return a + b; }
inline double __dsub_rn(double a, double b) { return a - b; }
inline double __dmul_rn(double a, double b) { return a * b; }
inline double __ddiv_rn(double a, double b) { return a / b; }
inline double __fma_rn(double a, double b, double c) { return ::fma(a, b, c); }
inline double __dsqrt_rn(double a) { return ::sqrt(a); }
inline double __drcp_rn(double a) { return 1 / a; }
inline float rsqrtf(float a) { return static_cast<float>(1 / ::sqrt(static_cast<double>(a))); }
inline double rsqrt(double a) { return 1 / ::sqrt(a); }
inline float __saturatef(float a) { return a > 0 ? (a < 1 ? a : 1.0f) : 0.0f; }

inline int __float_as_int(float x) { return standin::same_bits<int>(x); }
inline unsigned int __float_as_uint(float x) { return standin::same_bits<unsigned int>(x); }
inline float __int_as_float(int x) { return standin::same_bits<float>(x); }
inline float __uint_as_float(unsigned int x) { return standin::same_bits<float>(x); }
inline long long __double_as_longlong(double x) { return standin::same_bits<long long>(x); }
inline double __longlong_as_double(long long x) { return standin::same_bits<double>(x); }
inline int __double2hiint(double x) { return static_cast<int>(__double_as_longlong(x) >> 32); }
inline int __double2loint(double x) { return static_cast<int>(__double_as_longlong(x)); }
inline double __hiloint2double(int high, int low) {
  return standin::same_bits<double>(static_cast<uint64_t>(static_cast<unsigned int>(high)) << 32 |
                                    static_cast<unsigned int>(low));
}

inline float __double2float_rn(double x) { return static_cast<float>(x); }
inline float __int2float_rn(int x) { return static_cast<float>(x); }
inline float __uint2float_rn(unsigned int x) { return static_cast<float>(x); }
inline float __ll2float_rn(long long x) { return static_cast<float>(x); }
inline float __ull2float_rn(unsigned long long x) { return static_cast<float>(x); }
inline double __int2double_rn(int x) { return x; }
inline double __uint2double_rn(unsigned int x) { return x; }
inline double __ll2double_rn(long long x) { return static_cast<double>(x); }
inline double __ull2double_rn(unsigned long long x) { return static_cast<double>(x); }
inline int __float2int_rn(float x) { return standin::saturated<int>(nearbyintf(x)); }
inline int __float2int_rz(float x) { return standin::saturated<int>(truncf(x)); }
inline int __float2int_rd(float x) { return standin::saturated<int>(floorf(x)); }
inline unsigned int __float2uint_rn(float x) { return standin::saturated<unsigned int>(nearbyintf(x)); }
inline unsigned int __float2uint_rz(float x) { return standin::saturated<unsigned int>(truncf(x)); }
inline int __double2int_rn(double x) { return standin::saturated<int>(::nearbyint(x)); }
inline int __double2int_rz(double x) { return standin::saturated<int>(::trunc(x)); }
inline int __double2int_rd(double x) { return standin::saturated<int>(::floor(x)); }
inline unsigned int __double2uint_rz(double x) { return standin::saturated<unsigned int>(::trunc(x)); }
inline long long __double2ll_rn(double x) { return standin::saturated<long long>(::nearbyint(x)); }
inline long long __double2ll_rz(double x) { return standin::saturated<long long>(::trunc(x)); }
inline unsigned long long __double2ull_rz(double x) { return standin::saturated<unsigned long long>(::trunc(x)); }

inline int __popc(unsigned int x) { return __builtin_popcount(x); }
inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
inline int __clz(int x) { return x == 0 ? 32 : __builtin_clz(static_cast<unsigned int>(x)); }
inline int __clzll(long long x) { return x == 0 ? 64 : __builtin_clzll(static_cast<unsigned long long>(x)); }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __ffsll(long long x) { return __builtin_ffsll(x); }
inline unsigned int __umulhi(unsigned int a, unsigned int b) {
  return static_cast<unsigned int>(static_cast<uint64_t>(a) * b >> 32);
}
inline int __mulhi(int a, int b) { return static_cast<int>(static_cast<int64_t>(a) * b >> 32); }
inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
  return static_cast<unsigned long long>(static_cast<unsigned __int128>(a) * b >> 64);
}
inline unsigned int __brev(unsigned int x) {
  unsigned int result = 0;
  for (int i = 0; i < 32; ++i) result |= (x >> i & 1u) << (31 - i);
  return result;
}
inline unsigned int __funnelshift_l(unsigned int low, unsigned int high, unsigned int shift) {
  return static_cast<unsigned int>(((static_cast<uint64_t>(high) << 32 | low) << (shift & 31)) >> 32);
}
inline unsigned int __funnelshift_r(unsigned int low, unsigned int high, unsigned int shift) {
  return static_cast<unsigned int>((static_cast<uint64_t>(high) << 32 | low) >> (shift & 31));
}

#define MG_STANDIN_LOAD(name) \
  template <typename T>       \
  T name(const T* at) {       \
    return *at;               \
  }
MG_STANDIN_LOAD(__ldg)
MG_STANDIN_LOAD(__ldcs)
MG_STANDIN_LOAD(__ldcg)
MG_STANDIN_LOAD(__ldca)
MG_STANDIN_LOAD(__ldlu)
MG_STANDIN_LOAD(__ldcv)
#undef MG_STANDIN_LOAD
#define MG_STANDIN_STORE(name)   \
  template <typename T>          \
  void name(T* at, T value) {    \
    *at = value;                 \
  }
MG_STANDIN_STORE(__stcs)
MG_STANDIN_STORE(__stcg)
MG_STANDIN_STORE(__stwb)
MG_STANDIN_STORE(__stwt)
#undef MG_STANDIN_STORE

#define MG_STANDIN_MINMAX(T)                          \
  inline T min(T a, T b) { return b < a ? b : a; }    \
  inline T max(T a, T b) { return a < b ? b : a; }
MG_STANDIN_MINMAX(int)
MG_STANDIN_MINMAX(unsigned int)
MG_STANDIN_MINMAX(long)
MG_STANDIN_MINMAX(unsigned long)
MG_STANDIN_MINMAX(long long)
MG_STANDIN_MINMAX(unsigned long long)
#undef MG_STANDIN_MINMAX
inline float min(float a, float b) { return fminf(a, b); }
inline float max(float a, float b) { return fmaxf(a, b); }
inline double min(double a, double b) { return fmin(a, b); }
inline double max(double a, double b) { return fmax(a, b); }
