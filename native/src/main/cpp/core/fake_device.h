// SPDX-License-Identifier: Apache-2.0
// A device for tests on machines without a GPU, chosen instead of CUDA by MERGANSER_FAKE_DEVICE=1.
#pragma once

#include "core/table.h"

namespace merganser {

const Table* fake_table();

}  // namespace merganser
