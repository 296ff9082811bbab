// SPDX-License-Identifier: Apache-2.0
// Centred columns on the CPU, by stripes that stay in the caches.
#pragma once

#include <cstdint>

namespace merganser {

constexpr int64_t kStripe = 128;  // columns

// A stripe of columns of `rows` x `ld` numbers of type `from`, from column `begin` on, centred into `out`, of type `to`.
// `out` may be the columns themselves.
void centre_stripe(int32_t from, int32_t to, int64_t rows, const void* in, int64_t ldin, int64_t begin, int64_t width,
                   void* out, int64_t ldout);

}  // namespace merganser
