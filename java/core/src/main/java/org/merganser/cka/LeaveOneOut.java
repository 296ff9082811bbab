// SPDX-License-Identifier: Apache-2.0
package org.merganser.cka;

import java.util.Arrays;
import org.merganser.error.NumericalException;

/**
 * CKA without each sample in turn, for all samples at once. With {@code a = n/(n-1)} and centred
 * Grams
 *
 * <pre>{@code <K, L> without i = <K, L> - 2 a sum_j K_ij L_ij + a^2 K_ii L_ii}</pre>
 *
 * <p>and with U-centred Grams, whose rows sum to 0, the unbiased one is a multiple of {@code <U, V>
 * - 2 (n-2)/(n-3) sum_j U_ij V_ij}. The kernel has a fixed bandwidth.
 */
final class LeaveOneOut {
  private LeaveOneOut() {}

  static double[] biased(GramPair pair) {
    int n = pair.samples();
    double a = n / (n - 1.0);
    GramPair.Products sums = pair.centred;
    double[] kl = without(sums.kl(), 2 * a, a * a, pair.diagonalK, pair.diagonalL);
    double[] kk = without(sums.kk(), 2 * a, a * a, pair.diagonalK, pair.diagonalK);
    double[] ll = without(sums.ll(), 2 * a, a * a, pair.diagonalL, pair.diagonalL);
    return values(kl, kk, ll, sums);
  }

  /** Of at least 5 samples. */
  static double[] debiased(GramPair.Products sums) {
    int n = sums.kl().length;
    double b = 2 * (n - 2.0) / (n - 3.0);
    double[] none = new double[n];
    return values(
        without(sums.kl(), b, 0, none, none),
        without(sums.kk(), b, 0, none, none),
        without(sums.ll(), b, 0, none, none),
        sums);
  }

  private static double[] without(double[] rows, double b, double c, double[] d, double[] e) {
    double all = Translation.sum(rows);
    double[] rest = new double[rows.length];
    Arrays.setAll(rest, i -> all - b * rows[i] + c * d[i] * e[i]);
    return rest;
  }

  private static double[] values(double[] kl, double[] kk, double[] ll, GramPair.Products before) {
    double[] values = new double[kl.length];
    for (int i = 0; i < values.length; i++) {
      require("X", i, kk[i], before.kk());
      require("Y", i, ll[i], before.ll());
      values[i] = Translation.ratio(kl[i], kk[i], ll[i]);
    }
    return values;
  }

  private static void require(String name, int i, double rest, double[] before) {
    double rounding = 16 * before.length * Math.ulp(1.0);
    if (!(rest > rounding * Translation.sum(before))) {
      throw new NumericalException(
          "without sample %d nothing varies in %s, and CKA is not defined: one sample decides it;"
                  .formatted(i, name)
              + " leave it out or give more samples");
    }
  }
}
