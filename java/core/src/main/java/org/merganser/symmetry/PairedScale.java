// SPDX-License-Identifier: Apache-2.0
package org.merganser.symmetry;

/**
 * The factor s of X, with 1/s of Y, that brings both nearest to their targets: the least of
 *
 * <pre>
 * f(s) = s^2 |X|^2 - 2 s (X, Xt) + |Y|^2 / s^2 - 2 (Y, Yt) / s
 * </pre>
 *
 * <p>whose stationary points are the roots of {@code s^4 |X|^2 - s^3 (X, Xt) + s (Y, Yt) - |Y|^2}.
 * Factors stay within 1e-3 and 1e3; what is nothing is not scaled.
 */
final class PairedScale {
  static final double LEAST = 1e-3;
  static final double MOST = 1e3;

  private PairedScale() {}

  /**
   * @param x |X|^2
   * @param xt (X, Xt)
   * @param y |Y|^2
   * @param yt (Y, Yt)
   * @param signed whether s may be negative
   */
  static double best(double x, double xt, double y, double yt, boolean signed) {
    if (x == 0 || y == 0) {
      return 1;
    }
    double positive = bestPositive(x, xt, y, yt);
    if (!signed) {
      return positive;
    }
    double negative = -bestPositive(x, -xt, y, -yt);
    return loss(negative, x, xt, y, yt) < loss(positive, x, xt, y, yt) ? negative : positive;
  }

  static double loss(double s, double x, double xt, double y, double yt) {
    return s * s * x - 2 * s * xt + y / (s * s) - 2 * yt / s;
  }

  private static double bestPositive(double x, double xt, double y, double yt) {
    double best = 1;
    double least = loss(1, x, xt, y, yt);
    double[] roots = RealRoots.between(LEAST, MOST, -y, yt, 0, -xt, x);
    for (int k = 0; k < roots.length + 2; k++) {
      double s = k < roots.length ? roots[k] : k == roots.length ? LEAST : MOST;
      double loss = loss(s, x, xt, y, yt);
      if (loss < least) {
        least = loss;
        best = s;
      }
    }
    return best;
  }
}
