// SPDX-License-Identifier: Apache-2.0
package org.merganser.repair;

import java.util.Arrays;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.io.TensorInfo;
import org.merganser.linalg.Tensor;

/** Rows of a tensor times a number each, where only some of them are at hand. */
final class ScaledRows {
  private ScaledRows() {}

  /** The block of a view that scales the rows of a tensor. */
  static long block(Checkpoint source, String name) {
    return Math.max(source.block(name), row(source.info(name)));
  }

  /**
   * Scales whole rows in place.
   *
   * @param from the first of their elements
   * @param scales of all rows
   */
  static void scale(TensorInfo info, long from, double[] scales, Tensor rows, Workspace ws) {
    long row = row(info);
    int first = Math.toIntExact(from / row);
    int count = Math.toIntExact(rows.size() / row);
    double[] own = Arrays.copyOfRange(scales, first, first + count);
    try (Tensor matrix = rows.reshape(count, row);
        Tensor scaled = matrix.scaledRows(own, ws)) {
      matrix.copyFrom(scaled, ws);
    }
  }

  private static long row(TensorInfo info) {
    return info.rank() == 0 || info.size() == 0 ? 1 : info.size() / info.dim(0);
  }
}
