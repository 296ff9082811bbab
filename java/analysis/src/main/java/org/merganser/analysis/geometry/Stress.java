// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.geometry;

import org.merganser.linalg.Matrix;

/** How far the distances of points are from those that were asked for. */
final class Stress {
  private Stress() {}

  /** {@code sum over i < j of (|y_i - y_j| - E_ij)^2}. */
  static double raw(double[][] points, Matrix distances) {
    double sum = 0;
    for (int i = 0; i < points.length; i++) {
      double[] row = distances.row(i);
      double own = 0;
      for (int j = 0; j < i; j++) {
        double off = distance(points[i], points[j]) - row[j];
        own += off * off;
      }
      sum += own;
    }
    return sum;
  }

  /** {@code sum over i < j of E_ij^2}. */
  static double scale(Matrix distances) {
    double sum = 0;
    for (int i = 0; i < distances.rows(); i++) {
      double[] row = distances.row(i);
      double own = 0;
      for (int j = 0; j < i; j++) {
        own += row[j] * row[j];
      }
      sum += own;
    }
    return sum;
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
