// SPDX-License-Identifier: Apache-2.0
// The loops of merge_kernels.inc for the level "avx2"; the compiler flags are set in CMakeLists.txt.
#define MG_LEVEL avx2
#define MG_KERNELS merge_kernels_avx2
#define MG_LANES 4
#include "kernels/merge_kernels.inc"
