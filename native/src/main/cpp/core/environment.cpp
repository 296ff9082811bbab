// SPDX-License-Identifier: Apache-2.0
// Environment variables that another native library reads when it is loaded.
#include <stdlib.h>

#include "core/error.h"
#include "merganser.h"

int32_t mg_environment_default(const char* name, const char* value) {
  return merganser::guard([&] {
    MG_REQUIRE(name && *name && value, "a name and a value are needed");
    MG_REQUIRE(setenv(name, value, 0) == 0, "cannot set %s", name);
  });
}
