// SPDX-License-Identifier: Apache-2.0
package org.merganser.cka;

import java.util.Arrays;
import org.merganser.compute.Workspace;
import org.merganser.linalg.Matrix;

/**
 * The sums over two Grams K, L whose rows sum to 0 that say what is left of {@code <K, L>} without
 * the rows of each sample in turn: with J its rows, R the others, {@code k_i = sum_(j in J) K_ij}
 *
 * <pre>{@code
 * rows   = sum_(i in J) sum_j K_ij L_ij     within = sum_(i, j in J) K_ij L_ij
 * across = sum_(i in R) k_i l_i             block  = sum_(i, j in J) K_ij
 * }</pre>
 *
 * <p>since the rows of K among R sum to {@code -k_i}. One pass over both Grams; of samples of one
 * row they are in the products already.
 *
 * @param blockK of K
 * @param blockL of L
 */
record LeftOut(Terms kl, Terms kk, Terms ll, double[] blockK, double[] blockL) {
  /** Of two of the Grams, for each sample. */
  record Terms(double total, double[] rows, double[] within, double[] across) {
    /**
     * The product of what is left, centred anew.
     *
     * @param first divisor of {@code -2 across}
     * @param second of the product of the blocks
     */
    private double[] rest(double[] blockA, double[] blockB, double first, double second) {
      double[] rest = new double[rows.length];
      Arrays.setAll(
          rest,
          b ->
              total
                  - 2 * rows[b]
                  + within[b]
                  - 2 / first * across[b]
                  + blockA[b] * blockB[b] / second);
      return rest;
    }
  }

  /**
   * @param diagonalK of K
   * @param sums of the products of K and L
   */
  static LeftOut of(
      Matrix k,
      Matrix l,
      double[] diagonalK,
      double[] diagonalL,
      GramPair.Products sums,
      Blocks blocks,
      Workspace ws) {
    if (blocks.positions() == 1) {
      return new LeftOut(
          single(sums.kl(), diagonalK, diagonalL),
          single(sums.kk(), diagonalK, diagonalK),
          single(sums.ll(), diagonalL, diagonalL),
          diagonalK,
          diagonalL);
    }
    Sweep sweep = new Sweep(blocks);
    GramRowPairs.each(k, l, ws, sweep);
    return new LeftOut(
        sweep.terms(0, sums.kl()),
        sweep.terms(1, sums.kk()),
        sweep.terms(2, sums.ll()),
        sweep.blockK,
        sweep.blockL);
  }

  private static Terms single(double[] rows, double[] ownA, double[] ownB) {
    double[] within = new double[rows.length];
    double[] across = new double[rows.length];
    for (int i = 0; i < rows.length; i++) {
      within[i] = ownA[i] * ownB[i];
      across[i] = rows[i] - within[i];
    }
    return new Terms(Translation.sum(rows), rows, within, across);
  }

  /**
   * Products {@code <K, L>}, {@code <K, K>}, {@code <L, L>} without each sample.
   *
   * @param unbiased whether the Grams are U-centred, and so is what is left
   */
  double[][] rest(Blocks blocks, boolean unbiased) {
    double n = blocks.rows() - blocks.positions();
    double first = unbiased ? n - 2 : n;
    double second = unbiased ? (n - 1) * (n - 2) : n * n;
    return new double[][] {
      kl.rest(blockK, blockL, first, second),
      kk.rest(blockK, blockK, first, second),
      ll.rest(blockL, blockL, first, second)
    };
  }

  /** The pass over the Grams. */
  private static final class Sweep implements GramRowPairs.Visitor {
    private final Blocks blocks;
    private final double[][] within;
    private final double[][] across;
    private final double[] blockK;
    private final double[] blockL;

    Sweep(Blocks blocks) {
      this.blocks = blocks;
      this.within = new double[3][blocks.samples()];
      this.across = new double[3][blocks.samples()];
      this.blockK = new double[blocks.samples()];
      this.blockL = new double[blocks.samples()];
    }

    @Override
    public void visit(int first, double[] k, double[] l) {
      int n = blocks.rows();
      int size = blocks.positions();
      for (int row = 0; row < k.length / n; row++) {
        int own = (first + row) / size;
        for (int b = 0; b < blocks.samples(); b++) {
          int from = row * n + b * size;
          if (b == own) {
            inside(b, k, l, from, from + size);
          } else {
            double sumK = sum(k, from, from + size);
            double sumL = sum(l, from, from + size);
            across[0][b] += sumK * sumL;
            across[1][b] += sumK * sumK;
            across[2][b] += sumL * sumL;
          }
        }
      }
    }

    private void inside(int b, double[] k, double[] l, int from, int to) {
      for (int at = from; at < to; at++) {
        within[0][b] += k[at] * l[at];
        within[1][b] += k[at] * k[at];
        within[2][b] += l[at] * l[at];
      }
      blockK[b] += sum(k, from, to);
      blockL[b] += sum(l, from, to);
    }

    private static double sum(double[] values, int from, int to) {
      double sum = 0;
      for (int at = from; at < to; at++) {
        sum += values[at];
      }
      return sum;
    }

    Terms terms(int which, double[] ofRows) {
      return new Terms(Translation.sum(ofRows), blocks.sums(ofRows), within[which], across[which]);
    }
  }
}
