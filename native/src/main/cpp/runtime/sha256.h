// SPDX-License-Identifier: Apache-2.0
// SHA-256 (FIPS 180-4).
#pragma once

#include <cstdint>

namespace merganser {

// Takes in a part of a message; see mg_sha256.
void sha256(const void* in, int64_t bytes, int64_t before, bool last, uint8_t* state);

}  // namespace merganser
