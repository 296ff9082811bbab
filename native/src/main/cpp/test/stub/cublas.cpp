// SPDX-License-Identifier: Apache-2.0
// Stands for libcublas.so.13 in the test of the search.
extern "C" int cublasGetProperty(int type, int* value) {
  *value = type == 0 ? 13 : type;
  return 0;
}
