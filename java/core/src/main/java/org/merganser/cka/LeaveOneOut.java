// SPDX-License-Identifier: Apache-2.0
package org.merganser.cka;

import java.util.Arrays;
import java.util.stream.IntStream;
import org.merganser.compute.Workspace;
import org.merganser.linalg.Gram;
import org.merganser.linalg.Matrix;

/**
 * CKA without each sample in turn, for all samples at once, from the sums of {@link LeftOut}. With
 * n' rows left,
 *
 * <pre>{@code
 * biased    <K, L> - 2 rows + within - 2/n' across + block(K) block(L) / n'^2
 * unbiased  <U, V> - 2 rows + within - 2/(n'-2) across + block(U) block(V) / ((n'-1) (n'-2))
 * }</pre>
 *
 * <p>which for samples of one row are {@code <K, L> - 2 a sum_j K_ij L_ij + a^2 K_ii L_ii}, {@code
 * a = n/(n-1)}, and {@code <U, V> - 2 (n-2)/(n-3) sum_j U_ij V_ij}. The kernel has a fixed
 * bandwidth. NaN where nothing varies on a side without the sample.
 */
final class LeaveOneOut {
  /** Of a sum, a difference that is smaller has lost too many digits, and is summed anew. */
  static final double CANCELLED = 1e-6;

  private LeaveOneOut() {}

  static double[] biased(GramPair pair, Workspace ws) {
    return values(pair, pair.leftOut(ws), false, ws);
  }

  /**
   * Of at least 5 samples.
   *
   * @param sums of the pair U-centred
   */
  static double[] debiased(GramPair pair, GramPair.Unbiased sums, Workspace ws) {
    return values(pair, sums.leftOut(), true, ws);
  }

  private static double[] values(GramPair pair, LeftOut sums, boolean unbiased, Workspace ws) {
    double leastK = CANCELLED * sums.kk().total();
    double leastL = CANCELLED * sums.ll().total();
    double[][] rest = sums.rest(pair.blocks, unbiased);
    double[] values = new double[pair.samples()];
    Arrays.setAll(
        values,
        i ->
            rest[1][i] > leastK && rest[2][i] > leastL
                ? Translation.ratio(rest[0][i], rest[1][i], rest[2][i])
                : anew(pair, others(pair, i), unbiased, ws));
    return values;
  }

  private static int[] others(GramPair pair, int i) {
    return IntStream.range(0, pair.samples()).filter(j -> j != i).toArray();
  }

  /** From the Grams of some samples; NaN where nothing varies on a side. */
  static double anew(GramPair pair, int[] some, boolean unbiased, Workspace ws) {
    ws.cancellation().check();
    int[] rows = pair.blocks.rowsOf(some);
    try (Matrix k = GramPair.among(pair.k, rows, ws);
        Matrix l = GramPair.among(pair.l, rows, ws)) {
      for (Matrix gram : new Matrix[] {k, l}) {
        if (unbiased) {
          Gram.uCentre(gram, ws);
        } else {
          Gram.centre(gram, ws);
        }
      }
      GramPair.Products products = GramPair.Products.of(k, l, ws);
      boolean defined =
          varies(products.kk(), pair.diagonalK, rows)
              && varies(products.ll(), pair.diagonalL, rows);
      return defined ? products.cka() : Double.NaN;
    }
  }

  /** Whether what is left is more than the rounding of what was centred. */
  private static boolean varies(double[] squares, double[] diagonal, int[] some) {
    double trace = Arrays.stream(some).mapToDouble(i -> diagonal[i]).sum();
    double rounding = diagonal.length * Math.ulp(1.0) * trace;
    return Translation.sum(squares) > rounding * rounding;
  }
}
