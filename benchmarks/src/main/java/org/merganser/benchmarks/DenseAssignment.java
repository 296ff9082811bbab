// SPDX-License-Identifier: Apache-2.0
package org.merganser.benchmarks;

import java.util.Arrays;

/**
 * The peer: shortest augmenting paths over the whole matrix, row after row from zero duals, in
 * plain scalar code. The algorithm of most published solvers (scipy's {@code linear_sum_assignment}
 * among them), written from its description in Crouse 2016.
 */
final class DenseAssignment {
  private DenseAssignment() {}

  /** Column of each row of least sum. */
  static int[] solve(double[] cost, int n) {
    double[] u = new double[n];
    double[] v = new double[n];
    double[] shortest = new double[n];
    int[] path = new int[n];
    int[] columnOf = new int[n];
    int[] rowOf = new int[n];
    int[] remaining = new int[n];
    boolean[] scannedRows = new boolean[n];
    boolean[] scannedColumns = new boolean[n];
    Arrays.fill(columnOf, -1);
    Arrays.fill(rowOf, -1);
    for (int start = 0; start < n; start++) {
      Arrays.fill(shortest, Double.POSITIVE_INFINITY);
      Arrays.fill(scannedRows, false);
      Arrays.fill(scannedColumns, false);
      int left = n;
      for (int k = 0; k < n; k++) {
        remaining[k] = n - 1 - k;
      }
      double least = 0;
      int row = start;
      int sink = -1;
      while (sink < 0) {
        scannedRows[row] = true;
        int best = relax(cost, row, n, least - u[row], v, rowOf, remaining, left, shortest, path);
        int column = remaining[best];
        least = shortest[column];
        if (rowOf[column] < 0) {
          sink = column;
        } else {
          row = rowOf[column];
        }
        scannedColumns[column] = true;
        remaining[best] = remaining[--left];
      }
      u[start] += least;
      for (int i = 0; i < n; i++) {
        if (scannedRows[i] && i != start) {
          u[i] += least - shortest[columnOf[i]];
        }
      }
      for (int j = 0; j < n; j++) {
        if (scannedColumns[j]) {
          v[j] -= least - shortest[j];
        }
      }
      for (int column = sink; ; ) {
        int i = path[column];
        rowOf[column] = i;
        int before = columnOf[i];
        columnOf[i] = column;
        if (i == start) {
          break;
        }
        column = before;
      }
    }
    return columnOf;
  }

  /** Relaxes the columns not scanned yet; the position of the nearest one, a free one if tied. */
  private static int relax(
      double[] cost,
      int row,
      int n,
      double offset,
      double[] v,
      int[] rowOf,
      int[] remaining,
      int left,
      double[] shortest,
      int[] path) {
    int base = row * n;
    int best = -1;
    double lowest = Double.POSITIVE_INFINITY;
    for (int k = 0; k < left; k++) {
      int column = remaining[k];
      double reduced = offset + cost[base + column] - v[column];
      double known = shortest[column];
      if (reduced < known) {
        path[column] = row;
        shortest[column] = reduced;
        known = reduced;
      }
      if (known < lowest || known == lowest && rowOf[column] < 0) {
        lowest = known;
        best = k;
      }
    }
    return best;
  }
}
