// SPDX-License-Identifier: Apache-2.0
package org.merganser.similarity;

import org.merganser.compute.Workspace;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;

/**
 * Squared Euclidean distances between samples for what ranks them: equal ones stay equal. Before
 * the products each feature is shifted by its mean, rounded to a power of 2 near its deviation:
 * data on a grid, as counts, signs and narrow floats are, stay on it, and their products are exact.
 */
final class Distances {
  private static final double EPS = Math.ulp(1.0);

  private Distances() {}

  /** Takes the distances of sample i to all, itself included; valid until it returns. */
  interface Rows {
    void take(int i, double[] squared);
  }

  /** Calls back for every sample, in order. */
  static void squared(Sample side, Rows rows, Workspace ws) {
    try (Matrix shifted = side.raw(ws)) {
      Sample.shift(shifted, shifts(side, ws), ws);
      try (Matrix products = LinAlg.multiplyTransposed(shifted, shifted, ws);
          Matrix host = products.toHost(ws)) {
        int n = Math.toIntExact(host.rows());
        double[] norms = new double[n];
        for (int i = 0; i < n; i++) {
          norms[i] = host.get(i, i);
        }
        for (int i = 0; i < n; i++) {
          double[] row = row(host, i);
          for (int j = 0; j < n; j++) {
            double sum = norms[i] + norms[j];
            double distance = sum - 2 * row[j];
            row[j] = distance > 8 * EPS * sum ? distance : 0;
          }
          rows.take(i, row);
        }
      }
    }
  }

  private static double[] shifts(Sample side, Workspace ws) {
    double[] shifts = side.means();
    double[] squares = side.columnNorms(ws);
    for (int j = 0; j < shifts.length; j++) {
      double deviation = Math.sqrt(squares[j] / side.rows());
      double grid = Math.scalb(1.0, Math.getExponent(deviation));
      shifts[j] = deviation > 0 ? grid * Math.rint(shifts[j] / grid) : shifts[j];
    }
    return shifts;
  }

  /** One row of a matrix on the host. */
  static double[] row(Matrix host, int i) {
    try (Tensor row = host.asTensor().rows(i, i + 1)) {
      return row.toDoubleArray();
    }
  }

  /** Number of pairs {@code i < j} of samples. */
  static int pairs(int samples) {
    long pairs = samples * (samples - 1L) / 2;
    if (pairs > Integer.MAX_VALUE - 8) {
      throw new IllegalArgumentException(
          samples + " samples have " + pairs + " pairs, more than an array holds; take fewer");
    }
    return (int) pairs;
  }
}
