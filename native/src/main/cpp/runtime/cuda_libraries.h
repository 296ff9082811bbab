// SPDX-License-Identifier: Apache-2.0
// cuBLAS and cuSOLVER, opened at the first use and never linked: a machine without them runs everything else.
#pragma once

#include <cstdint>

namespace merganser {

enum CudaLibrary { kCublas = 0, kCusolver = 1 };

// A function of the library (a CudaLibrary), or NULL with the reason in last_error().
void* cuda_symbol(int32_t library, const char* name) noexcept;

// One line per library: where it was found, or what was tried.
const char* cuda_libraries();

}  // namespace merganser
