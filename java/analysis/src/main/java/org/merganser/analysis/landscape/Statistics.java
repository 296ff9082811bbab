// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.landscape;

/** What becomes of the running statistics of batch normalisations away from the minimum. */
public enum Statistics {
  /** Those of the minimum, wherever the parameters are. */
  KEPT,
  /** Taken anew from training data at the point ({@link org.merganser.repair.BatchNormReset}). */
  RECALIBRATED
}
