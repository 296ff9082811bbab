// SPDX-License-Identifier: Apache-2.0
package org.merganser.internal.kernel;

/** A contiguous row-major matrix of a type code. */
public record MatrixBlock(int dtype, long rows, long columns, Block block) {
  /** Distance of two rows; native code wants at least 1. */
  long ld() {
    return Math.max(1, columns);
  }
}
