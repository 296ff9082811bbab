// SPDX-License-Identifier: Apache-2.0
// What routines of Gram matrices on the device share. Everything is in the order of the context's stream.
#pragma once

#include <cstdint>

#include "cuda/plugin.h"

namespace merganser {
namespace cuda {

// out = in less the means of its columns; see mg_centre_columns.
void centre_on(State&, const char* routine, int32_t from, int32_t to, int64_t rows, int64_t cols, const void* in,
               int64_t ldin, void* out, int64_t ldout);

// A symmetric k, centred; see mg_centre_gram.
void centre_gram_on(State&, const char* routine, int32_t centring, int64_t n, const double* k, double* out);

}  // namespace cuda
}  // namespace merganser
