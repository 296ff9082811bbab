// SPDX-License-Identifier: Apache-2.0
package org.merganser.cka;

import java.util.Arrays;
import org.merganser.error.ShapeException;

/**
 * Samples in rows: each has as many side by side, one for each position.
 *
 * @param samples that change places, are drawn and are left out as a whole
 * @param positions rows of each
 */
record Blocks(int samples, int positions) {
  /**
   * @throws ShapeException unless the rows are those of some samples
   */
  static Blocks of(long rows, int positions) {
    if (positions < 1 || rows % positions != 0) {
      throw new ShapeException(
          "%d rows are not samples of %d positions each".formatted(rows, positions));
    }
    return new Blocks(Math.toIntExact(rows / positions), positions);
  }

  int rows() {
    return samples * positions;
  }

  Blocks withSamples(int count) {
    return new Blocks(count, positions);
  }

  /** The rows of some samples, or of all in an order, in theirs. */
  int[] rowsOf(int... some) {
    if (positions == 1) {
      return some;
    }
    int[] rows = new int[some.length * positions];
    Arrays.setAll(rows, i -> some[i / positions] * positions + i % positions);
    return rows;
  }

  /** For each row what its sample has. */
  double[] spread(double[] ofSamples) {
    if (positions == 1) {
      return ofSamples;
    }
    double[] ofRows = new double[rows()];
    Arrays.setAll(ofRows, i -> ofSamples[i / positions]);
    return ofRows;
  }

  /** For each sample the sum over its rows. */
  double[] sums(double[] ofRows) {
    if (positions == 1) {
      return ofRows;
    }
    double[] sums = new double[samples];
    for (int i = 0; i < ofRows.length; i++) {
      sums[i / positions] += ofRows[i];
    }
    return sums;
  }

  /** What rows are called. */
  String noun() {
    return positions == 1 ? "samples" : "rows";
  }
}
