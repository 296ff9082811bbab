// SPDX-License-Identifier: Apache-2.0
package org.merganser.stats;

/** What to do with NaN and infinite activations. They are never replaced. */
public enum NonFinite {
  /** Stop, naming model, sample and feature. */
  FAIL,
  /** Drop the sample for all models and count it. */
  SKIP_SAMPLE
}
