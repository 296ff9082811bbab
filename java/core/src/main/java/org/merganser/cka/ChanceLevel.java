// SPDX-License-Identifier: Apache-2.0
package org.merganser.cka;

import org.merganser.compute.Workspace;

/**
 * The mean of biased CKA over all orders of the samples of Y, without drawing any. For samples of
 * one row it is {@code tr K tr L / ((n-1) |K| |L|) = sqrt(dPR(X) dPR(Y)) / (n-1)}. Of m samples of
 * s rows, whose rows stay together, with {@code K_bc} [s x s] the block of samples b and c, {@code
 * D = sum_b K_bb} and {@code A = sum_bc K_bc}, and D', A' of L,
 *
 * <pre>{@code (<D, D'> / m + <A - D, A' - D'> / (m (m-1))) / (|K| |L|)}</pre>
 *
 * <p>for a block on the diagonal comes to every other one as often, and one beside it too.
 */
final class ChanceLevel implements GramRowPairs.Visitor {
  private final Blocks blocks;
  private final double[][] diagonal;
  private final double[][] all;

  private ChanceLevel(Blocks blocks) {
    int entries = Math.multiplyExact(blocks.positions(), blocks.positions());
    this.blocks = blocks;
    this.diagonal = new double[2][entries];
    this.all = new double[2][entries];
  }

  static double of(GramPair pair, Workspace ws) {
    double norms = pair.normK() * pair.normL();
    int m = pair.samples();
    if (pair.blocks.positions() == 1) {
      return pair.traceK() / pair.normK() * (pair.traceL() / pair.normL()) / (m - 1);
    }
    ChanceLevel sums = new ChanceLevel(pair.blocks);
    GramRowPairs.each(pair.k, pair.l, ws, sums);
    double same = 0;
    double other = 0;
    for (int e = 0; e < sums.all[0].length; e++) {
      same += sums.diagonal[0][e] * sums.diagonal[1][e];
      other += (sums.all[0][e] - sums.diagonal[0][e]) * (sums.all[1][e] - sums.diagonal[1][e]);
    }
    return (same / m + other / ((double) m * (m - 1))) / norms;
  }

  @Override
  public void visit(int first, double[] k, double[] l) {
    int n = blocks.rows();
    int s = blocks.positions();
    for (int row = 0; row < k.length / n; row++) {
      int sample = (first + row) / s;
      int at = (first + row) % s * s;
      for (int j = 0; j < n; j++) {
        int entry = at + j % s;
        all[0][entry] += k[row * n + j];
        all[1][entry] += l[row * n + j];
        if (j / s == sample) {
          diagonal[0][entry] += k[row * n + j];
          diagonal[1][entry] += l[row * n + j];
        }
      }
    }
  }
}
