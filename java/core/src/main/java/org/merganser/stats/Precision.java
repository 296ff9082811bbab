// SPDX-License-Identifier: Apache-2.0
package org.merganser.stats;

import org.merganser.internal.kernel.Codes;

/** Precision of the products inside a batch. */
public enum Precision {
  /** F32 products and accumulators; deviations of 1e-15 to 1e15. */
  F32(Codes.MOMENTS_F32),
  /**
   * F32 products, folded into F64 every 4096 samples at the latest. Deviations of 1e-33 to 1e33 of
   * the feature that varies most; where they are far from 1, products are formed in other units.
   */
  MIXED(Codes.MOMENTS_MIXED),
  /** F64 throughout; half the speed. */
  F64(Codes.MOMENTS_F64),
  /**
   * MIXED, on CUDA with three products of TF32 on tensor cores for each of F32: off by {@code 3 *
   * 2^-22} of the sum of absolute products more, and by three roundings of sums for one. On the CPU
   * MIXED itself.
   */
  TF32X3(Codes.MOMENTS_TF32X3),
  /** F64 for F64 activations, and for files with fewer samples than features; else MIXED. */
  AUTO(-1);

  private final int code;

  Precision(int code) {
    this.code = code;
  }

  /** Code of the native ABI; AUTO has none. */
  int code() {
    return code;
  }
}
