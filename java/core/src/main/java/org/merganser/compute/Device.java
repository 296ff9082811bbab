// SPDX-License-Identifier: Apache-2.0
package org.merganser.compute;

import org.merganser.internal.kernel.Codes;

/** Where {@link Memory} lies. */
public enum Device {
  HOST(Codes.ON_HOST),
  CUDA(Codes.ON_CUDA);

  private final int code;

  Device(int code) {
    this.code = code;
  }

  /** Code of the native ABI. */
  int code() {
    return code;
  }
}
