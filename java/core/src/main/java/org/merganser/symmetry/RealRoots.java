// SPDX-License-Identifier: Apache-2.0
package org.merganser.symmetry;

import java.util.Arrays;

/** Real roots of polynomials of a low degree. */
final class RealRoots {
  private static final int BISECTIONS = 200;

  private RealRoots() {}

  /**
   * Roots of {@code sum_k c[k] x^k} between two numbers, increasing, and the points where it turns,
   * which a double root cannot be told from. Between two turning points (the roots of the
   * derivative) it is monotone, so that bisection finds what there is.
   */
  static double[] between(double low, double high, double... c) {
    double[] turns = c.length > 2 ? between(low, high, derivative(c)) : new double[0];
    double[] found = new double[2 * turns.length + 1];
    int count = 0;
    double left = low;
    for (int k = 0; k <= turns.length; k++) {
      double right = k < turns.length ? turns[k] : high;
      double atLeft = at(left, c);
      double atRight = at(right, c);
      if (atLeft < 0 != atRight < 0) {
        found[count++] = bisect(left, right, atLeft < 0, c);
      }
      if (k < turns.length) {
        found[count++] = right;
      }
      left = right;
    }
    return Arrays.copyOf(found, count);
  }

  private static double bisect(double left, double right, boolean rises, double[] c) {
    for (int k = 0; k < BISECTIONS; k++) {
      double middle = (left + right) / 2;
      if (middle == left || middle == right) {
        break;
      }
      if (at(middle, c) < 0 == rises) {
        left = middle;
      } else {
        right = middle;
      }
    }
    return Math.abs(at(left, c)) <= Math.abs(at(right, c)) ? left : right;
  }

  private static double at(double x, double[] c) {
    double sum = 0;
    for (int k = c.length - 1; k >= 0; k--) {
      sum = sum * x + c[k];
    }
    return sum;
  }

  private static double[] derivative(double[] c) {
    double[] d = new double[c.length - 1];
    for (int k = 0; k < d.length; k++) {
      d[k] = (k + 1) * c[k + 1];
    }
    return d;
  }
}
