// SPDX-License-Identifier: Apache-2.0
// The instruction-set level, chosen once per process.
#pragma once

#include <cstdint>

#include "kernels/kernels.h"

namespace merganser {

// Throws MG_INVALID_ARGUMENT when MERGANSER_ISA asks for an unknown level or one that this CPU lacks.
int32_t isa_level();
const char* isa_name(int32_t level);

// The loops compiled for isa_level().
const Kernels& kernels();

}  // namespace merganser
