// SPDX-License-Identifier: Apache-2.0
package org.merganser.compute;

import org.merganser.internal.kernel.Codes;

/** Which table of routines a {@link Workspace} runs. */
public enum Backend {
  CPU(Codes.CPU),
  CUDA(Codes.CUDA);

  private final int code;

  Backend(int code) {
    this.code = code;
  }

  /** Code of the native ABI. */
  int code() {
    return code;
  }
}
