// SPDX-License-Identifier: Apache-2.0
package org.merganser.stats;

/** Precision of the products inside a batch. */
public enum Precision {
  /** F32 products and accumulators. */
  F32,
  /** F32 products, folded into F64 every 4096 samples at the latest. */
  MIXED,
  /** F64 throughout; half the speed. */
  F64
}
