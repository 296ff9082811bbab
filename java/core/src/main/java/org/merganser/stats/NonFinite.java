// SPDX-License-Identifier: Apache-2.0
package org.merganser.stats;

import org.merganser.internal.kernel.Codes;

/** What to do with NaN and infinite activations. They are never replaced. */
public enum NonFinite {
  /** Stop, naming model, sample and feature. */
  FAIL(Codes.FAIL),
  /** Drop the sample for all models and count it. */
  SKIP_SAMPLE(Codes.SKIP_SAMPLE);

  private final int code;

  NonFinite(int code) {
    this.code = code;
  }

  /** Code of the native ABI. */
  int code() {
    return code;
  }
}
