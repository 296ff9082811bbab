// SPDX-License-Identifier: Apache-2.0
package org.merganser.symmetry;

/**
 * Phase and ratio of one rotary pair at once. Keys are multiplied by {@code r exp(i phi)}, queries
 * by {@code exp(i phi) / r}; for each r the best phase is {@code arg(r cK + cQ / r)}, which leaves
 *
 * <pre>
 * f(r) = r^2 |K|^2 + |Q|^2 / r^2 - 2 |r cK + cQ / r|
 * </pre>
 *
 * <p>to be made least over r. In units in which |K| = |Q| = 1 and with x = r^2 its stationary
 * points are roots of {@code (x^2 - 1)^2 (A x^2 + 2 D x + B) - x (A x^2 - B)^2}, A = |cK|^2, B =
 * |cQ|^2, D = Re(cK conj(cQ)); the best of them is polished by Newton's steps, since squaring makes
 * double roots of single ones.
 */
final class RotaryScale {
  private static final int POLISH = 8;

  private final double a;
  private final double b;
  private final double d;

  private RotaryScale(double a, double b, double d) {
    this.a = a;
    this.b = b;
    this.d = d;
  }

  /**
   * The best ratio r; 1 where keys or queries are 0.
   *
   * @param keys |K|^2 of the pair
   * @param queries |Q|^2 of the pair, of all heads of the group
   */
  static double best(
      double keys, double queries, double keyRe, double keyIm, double queryRe, double queryIm) {
    if (keys == 0 || queries == 0) {
      return 1;
    }
    double balance = Math.sqrt(queries / keys);
    double k = Math.sqrt(balance / (keys * queries));
    double q = Math.sqrt(1 / (balance * keys * queries));
    double kr = keyRe * k;
    double ki = keyIm * k;
    double qr = queryRe * q;
    double qi = queryIm * q;
    RotaryScale unit = new RotaryScale(kr * kr + ki * ki, qr * qr + qi * qi, kr * qr + ki * qi);
    double low = PairedScale.LEAST * PairedScale.LEAST / balance;
    double high = PairedScale.MOST * PairedScale.MOST / balance;
    return Math.sqrt(unit.bestSquare(low, high, 1 / balance) * balance);
  }

  /** f of x = r^2. */
  private double loss(double x) {
    return x + 1 / x - 2 * Math.sqrt(Math.max(0, a * x + b / x + 2 * d));
  }

  /**
   * @param start taken where nothing is better
   */
  private double bestSquare(double low, double high, double start) {
    double[] roots =
        RealRoots.between(
            low, high, b, 2 * d - b * b, a - 2 * b, 2 * a * b - 4 * d, b - 2 * a, 2 * d - a * a, a);
    double best = start;
    double least = loss(best);
    for (int n = 0; n < roots.length + 2; n++) {
      double x = n < roots.length ? roots[n] : n == roots.length ? low : high;
      double loss = loss(x);
      if (loss < least) {
        least = loss;
        best = x;
      }
    }
    return polished(best, low, high);
  }

  /** Newton's steps for the derivative by t = log x. */
  private double polished(double x, double low, double high) {
    for (int step = 0; step < POLISH; step++) {
      double product = a * x + b / x + 2 * d;
      if (!(product > 0)) {
        break;
      }
      double root = Math.sqrt(product);
      double slope = a * x - b / x;
      double first = x - 1 / x - slope / root;
      double second = x + 1 / x - (a * x + b / x) / root + slope * slope / (2 * product * root);
      double next = x * StrictMath.exp(-first / second);
      boolean near = second > 0 && Math.abs(next - x) <= 1e-3 * x;
      if (!near || next < low || next > high || next == x) {
        break;
      }
      x = next;
    }
    return x;
  }
}
