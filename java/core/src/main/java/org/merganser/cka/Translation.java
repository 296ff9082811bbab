// SPDX-License-Identifier: Apache-2.0
package org.merganser.cka;

import org.merganser.error.NumericalException;

/**
 * CKA between a Gram A and {@code A + c P + c^2 Q}, for every c, from the six inner products of
 * these. P and Q come of adding {@code c v^T}, |v| = 1, to the samples of a subset: with indicator
 * s and projections a = X v, {@code P = s a^T + a s^T} and {@code Q = s s^T}, centred as A is.
 */
record Translation(double aa, double ap, double aq, double pp, double pq, double qq) {
  /** A sum of squares that is this small beside its terms is rounding. */
  private static final double NOTHING = 1e-13;

  /**
   * Of HSIC with the biased estimator.
   *
   * @param norm squared Frobenius norm of the centred Gram
   * @param s centred indicator
   * @param ks centred Gram times s
   * @param a centred projections
   */
  static Translation biased(double norm, double[] s, double[] ks, double[] a) {
    double q = dot(s, s);
    double gamma = dot(s, a);
    return new Translation(
        norm,
        2 * dot(a, ks),
        dot(s, ks),
        2 * (q * dot(a, a) + gamma * gamma),
        2 * q * gamma,
        q * q);
  }

  /**
   * Of the unbiased estimator. Inner products with U-centred Grams are those with Grams, and P and
   * Q have so few degrees of freedom that theirs follow from sums over samples.
   *
   * @param norm squared Frobenius norm of the U-centred Gram
   * @param inside which samples are moved
   * @param us U-centred Gram times their indicator
   * @param a centred projections
   */
  static Translation debiased(double norm, boolean[] inside, double[] us, double[] a) {
    int n = a.length;
    double r = 0;
    double sumInside = 0;
    double squaresInside = 0;
    double ap = 0;
    double aq = 0;
    for (int i = 0; i < n; i++) {
      ap += 2 * us[i] * a[i];
      if (inside[i]) {
        r++;
        sumInside += a[i];
        squaresInside += a[i] * a[i];
        aq += us[i];
      }
    }
    double sum = sum(a);
    double squares = dot(a, a);
    // Sums of rows of P and Q without their diagonals.
    double rowsPp = 0;
    double rowsPq = 0;
    double totalP = 0;
    for (int i = 0; i < n; i++) {
      double rowP = (inside[i] ? sum - a[i] : 0) + a[i] * (inside[i] ? r - 1 : r);
      totalP += rowP;
      rowsPp += rowP * rowP;
      rowsPq += inside[i] ? rowP * (r - 1) : 0;
    }
    double totalQ = r * (r - 1);
    double tracePp =
        2 * (r * squares - squaresInside) + 2 * (sumInside * sumInside - squaresInside);
    double tracePq = 2 * (r - 1) * sumInside;
    double pp = song(n, tracePp, totalP, totalP, rowsPp);
    return new Translation(
        norm,
        ap,
        aq,
        pp > NOTHING * tracePp ? pp : 0,
        song(n, tracePq, totalP, totalQ, rowsPq),
        single(r, n) ? 0 : song(n, totalQ, totalQ, totalQ, totalQ * (r - 1)));
  }

  /** One sample against all others: what distances between groups say is additive, so nothing. */
  private static boolean single(double r, int n) {
    return r == 1 || r == n - 1;
  }

  /** {@code <U(K), U(L)>} from {@code tr(KL)}, totals, and the product of row sums. */
  private static double song(int n, double trace, double totalK, double totalL, double rows) {
    return trace + totalK * totalL / ((n - 1.0) * (n - 2)) - 2 * rows / (n - 2);
  }

  double at(double c) {
    double product = aa + c * (ap + c * aq);
    double square = aa + c * (2 * ap + c * (pp + 2 * aq + c * (2 * pq + c * qq)));
    double size = Math.abs(c);
    double terms =
        aa
            + size * (2 * Math.abs(ap) + size * (pp + 2 * Math.abs(aq)))
            + size * size * size * (2 * Math.abs(pq) + size * qq);
    if (!(square > NOTHING * terms)) {
      throw new NumericalException(
          "moved by c = " + c + " all samples are the same point, and CKA is not defined");
    }
    return ratio(product, aa, square);
  }

  /** For c to infinity. */
  double limit() {
    if (qq > 0) {
      return ratio(aq, aa, qq);
    }
    // One sample: the term in c^2 is nothing to the unbiased estimator, that in c decides.
    if (!(pp > 0)) {
      throw new NumericalException(
          "the unbiased estimator sees nothing of this translation; move more than one sample");
    }
    return ratio(ap, aa, pp);
  }

  /**
   * CKA from inner products of Grams, without what rounding adds to the range. These are fourth
   * powers, whose products would leave the range of numbers.
   */
  static double ratio(double kl, double kk, double ll) {
    return Math.max(-1, Math.min(1, kl / Math.sqrt(kk) / Math.sqrt(ll)));
  }

  static double dot(double[] a, double[] b) {
    double sum = 0;
    for (int i = 0; i < a.length; i++) {
      sum += a[i] * b[i];
    }
    return sum;
  }

  static double sum(double[] a) {
    double sum = 0;
    for (double each : a) {
      sum += each;
    }
    return sum;
  }
}
