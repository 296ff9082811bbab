// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.landscape;

import org.merganser.error.ShapeException;

/** Sums of vectors of parameters. */
final class Vectors {
  private Vectors() {}

  static double dot(double[] a, double[] b) {
    double sum = 0;
    for (int i = 0; i < a.length; i++) {
      sum += a[i] * b[i];
    }
    return sum;
  }

  static double length(double[] v) {
    return Math.sqrt(dot(v, v));
  }

  /** {@code start + a d + b e}; where a factor is 0 nothing is added, so zeros keep their signs. */
  static double[] moved(double[] start, double a, double[] d, double b, double[] e) {
    if (d.length != start.length || e.length != start.length) {
      throw new ShapeException(
          "directions of %d and %d numbers from a point of %d"
              .formatted(d.length, e.length, start.length));
    }
    double[] point = start.clone();
    for (int i = 0; i < point.length; i++) {
      if (a != 0) {
        point[i] += a * d[i];
      }
      if (b != 0) {
        point[i] += b * e[i];
      }
    }
    return point;
  }
}
