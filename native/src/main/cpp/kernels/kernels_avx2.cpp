// SPDX-License-Identifier: Apache-2.0
// The loops of kernels.inc for the level "avx2"; the compiler flags are set in CMakeLists.txt.
#define MG_LEVEL avx2
#define MG_KERNELS kernels_avx2
#define MG_LANES 4
#include "kernels/kernels.inc"
