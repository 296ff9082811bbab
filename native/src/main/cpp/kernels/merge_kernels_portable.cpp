// SPDX-License-Identifier: Apache-2.0
// The loops of merge_kernels.inc for the level "portable"; the compiler flags are set in CMakeLists.txt.
#define MG_LEVEL portable
#define MG_KERNELS merge_kernels_portable
#define MG_LANES 2
#include "kernels/merge_kernels.inc"
