// SPDX-License-Identifier: Apache-2.0
// dim3 and the vector types, with the alignment that CUDA gives them.
#pragma once

#include <cstdint>

struct dim3 {
  unsigned int x, y, z;
  constexpr dim3(unsigned int x = 1, unsigned int y = 1, unsigned int z = 1) : x(x), y(y), z(z) {}
};

#define MG_STANDIN_VECTORS(T, name, two, four)                                             \
  struct alignas(two) name##2 { T x, y; };                                                 \
  struct name##3 { T x, y, z; };                                                           \
  struct alignas(four) name##4 { T x, y, z, w; };                                          \
  inline name##2 make_##name##2(T x, T y) { return {x, y}; }                               \
  inline name##3 make_##name##3(T x, T y, T z) { return {x, y, z}; }                       \
  inline name##4 make_##name##4(T x, T y, T z, T w) { return {x, y, z, w}; }
MG_STANDIN_VECTORS(signed char, char, 2, 4)
MG_STANDIN_VECTORS(unsigned char, uchar, 2, 4)
MG_STANDIN_VECTORS(short, short, 4, 8)
MG_STANDIN_VECTORS(unsigned short, ushort, 4, 8)
MG_STANDIN_VECTORS(int, int, 8, 16)
MG_STANDIN_VECTORS(unsigned int, uint, 8, 16)
MG_STANDIN_VECTORS(long long, longlong, 16, 16)
MG_STANDIN_VECTORS(unsigned long long, ulonglong, 16, 16)
MG_STANDIN_VECTORS(float, float, 8, 16)
MG_STANDIN_VECTORS(double, double, 16, 16)
#undef MG_STANDIN_VECTORS
