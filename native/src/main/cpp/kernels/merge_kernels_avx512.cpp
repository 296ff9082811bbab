// SPDX-License-Identifier: Apache-2.0
// The loops of merge_kernels.inc for the level "avx512"; the compiler flags are set in CMakeLists.txt.
#define MG_LEVEL avx512
#define MG_KERNELS merge_kernels_avx512
#define MG_LANES 8
#include "kernels/merge_kernels.inc"
