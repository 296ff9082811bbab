// SPDX-License-Identifier: Apache-2.0
// The loops of kernels.inc for the level "avx512"; the compiler flags are set in CMakeLists.txt.
#define MG_LEVEL avx512
#define MG_KERNELS kernels_avx512
#define MG_LANES 8
#include "kernels/kernels.inc"
