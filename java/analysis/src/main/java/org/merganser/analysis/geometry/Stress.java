// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.geometry;

import java.util.Arrays;

/** How far the distances of points are from those that were asked for, E [N][N]. */
final class Stress {
  private Stress() {}

  /** {@code sum over i < j of (|y_i - y_j| - E_ij)^2}. */
  static double raw(double[][] points, double[][] wanted) {
    double[][] x = Mds.transposed(points);
    double[] far = new double[points.length];
    double sum = 0;
    for (int i = 0; i < points.length; i++) {
      distances(x, i, far);
      double own = 0;
      for (int j = 0; j < i; j++) {
        double off = far[j] - wanted[i][j];
        own += off * off;
      }
      sum += own;
    }
    return sum;
  }

  /** {@code sum over i < j of E_ij^2}. */
  static double scale(double[][] wanted) {
    double sum = 0;
    for (int i = 0; i < wanted.length; i++) {
      double own = 0;
      for (int j = 0; j < i; j++) {
        own += wanted[i][j] * wanted[i][j];
      }
      sum += own;
    }
    return sum;
  }

  /**
   * Of a point to all.
   *
   * @param x a coordinate of all points each: the processor takes several points at a time
   */
  static void distances(double[][] x, int point, double[] far) {
    Arrays.fill(far, 0);
    for (double[] coordinate : x) {
      double own = coordinate[point];
      for (int j = 0; j < far.length; j++) {
        double d = coordinate[j] - own;
        far[j] += d * d;
      }
    }
    for (int j = 0; j < far.length; j++) {
      far[j] = Math.sqrt(far[j]);
    }
  }

  static double distance(double[] a, double[] b) {
    double sum = 0;
    for (int k = 0; k < a.length; k++) {
      double d = a[k] - b[k];
      sum += d * d;
    }
    return Math.sqrt(sum);
  }
}
