// SPDX-License-Identifier: Apache-2.0
package org.merganser.cka;

import java.util.Arrays;
import java.util.function.IntToDoubleFunction;
import java.util.stream.IntStream;
import org.merganser.compute.Workspace;
import org.merganser.linalg.Gram;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;

/**
 * CKA without each sample in turn, for all samples at once. With {@code a = n/(n-1)} and centred
 * Grams
 *
 * <pre>{@code <K, L> without i = <K, L> - 2 a sum_j K_ij L_ij + a^2 K_ii L_ii}</pre>
 *
 * <p>and with U-centred Grams, whose rows sum to 0, the unbiased one is a multiple of {@code <U, V>
 * - 2 (n-2)/(n-3) sum_j U_ij V_ij}. The kernel has a fixed bandwidth. NaN where nothing varies on a
 * side without the sample.
 */
final class LeaveOneOut {
  /** Of a sum, a difference that is smaller has lost too many digits, and is summed anew. */
  private static final double CANCELLED = 1e-6;

  private LeaveOneOut() {}

  static double[] biased(GramPair pair, Workspace ws) {
    int n = pair.samples();
    double a = n / (n - 1.0);
    GramPair.Products sums = pair.centred;
    GramPair.Products rest =
        new GramPair.Products(
            without(sums.kl(), 2 * a, a * a, pair.diagonalK, pair.diagonalL),
            without(sums.kk(), 2 * a, a * a, pair.diagonalK, pair.diagonalK),
            without(sums.ll(), 2 * a, a * a, pair.diagonalL, pair.diagonalL));
    return values(rest, sums, i -> anew(pair, i, false, ws));
  }

  /**
   * Of at least 5 samples.
   *
   * @param sums of the pair U-centred
   */
  static double[] debiased(GramPair pair, GramPair.Products sums, Workspace ws) {
    int n = pair.samples();
    double b = 2 * (n - 2.0) / (n - 3.0);
    double[] none = new double[n];
    GramPair.Products rest =
        new GramPair.Products(
            without(sums.kl(), b, 0, none, none),
            without(sums.kk(), b, 0, none, none),
            without(sums.ll(), b, 0, none, none));
    return values(rest, sums, i -> anew(pair, i, true, ws));
  }

  private static double[] without(double[] rows, double b, double c, double[] d, double[] e) {
    double all = Translation.sum(rows);
    double[] rest = new double[rows.length];
    Arrays.setAll(rest, i -> all - b * rows[i] + c * d[i] * e[i]);
    return rest;
  }

  private static double[] values(
      GramPair.Products rest, GramPair.Products all, IntToDoubleFunction anew) {
    double leastK = CANCELLED * Translation.sum(all.kk());
    double leastL = CANCELLED * Translation.sum(all.ll());
    double[] values = new double[rest.kl().length];
    Arrays.setAll(
        values,
        i ->
            rest.kk()[i] > leastK && rest.ll()[i] > leastL
                ? Translation.ratio(rest.kl()[i], rest.kk()[i], rest.ll()[i])
                : anew.applyAsDouble(i));
    return values;
  }

  /** From the Grams of the others: few samples, for each has nearly the whole sum. */
  private static double anew(GramPair pair, int i, boolean unbiased, Workspace ws) {
    ws.cancellation().check();
    int[] others = IntStream.range(0, pair.samples()).filter(j -> j != i).toArray();
    try (Matrix k = among(pair.k, others, unbiased, ws);
        Matrix l = among(pair.l, others, unbiased, ws)) {
      GramPair.Products products = GramPair.Products.of(k, l, ws);
      boolean defined =
          varies(products.kk(), pair.diagonalK, i) && varies(products.ll(), pair.diagonalL, i);
      return defined ? products.cka() : Double.NaN;
    }
  }

  /** Whether what is left is more than the rounding of what was centred. */
  private static boolean varies(double[] squares, double[] diagonal, int i) {
    double trace = Translation.sum(diagonal) - diagonal[i];
    double rounding = diagonal.length * Math.ulp(1.0) * trace;
    return Translation.sum(squares) > rounding * rounding;
  }

  private static Matrix among(Matrix gram, int[] some, boolean unbiased, Workspace ws) {
    try (Matrix rows = Samples.rows(gram, some, ws);
        Matrix turned = LinAlg.transpose(rows, ws)) {
      Matrix part = Samples.rows(turned, some, ws);
      if (unbiased) {
        Gram.uCentre(part, ws);
      } else {
        Gram.centre(part, ws);
      }
      return part;
    }
  }
}
