// SPDX-License-Identifier: Apache-2.0
package org.merganser.cka;

import java.util.Arrays;
import java.util.SplittableRandom;
import org.merganser.compute.Workspace;
import org.merganser.internal.Opened;
import org.merganser.internal.Seeds;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;

/**
 * CKA of many weighted samples at once. With counts w of m samples in all
 *
 * <pre>{@code
 * biased    <K, L>_w = w'(K∘L)w - 2/m sum_i w_i (Kw)_i (Lw)_i + (w'Kw)(w'Lw) / m^2
 * unbiased  the form of Song et al. of K, L without diagonals: copies of a sample make no pair
 * }</pre>
 *
 * <p>so that five products of matrices serve all replicates. Samples are drawn with all their rows:
 * copies of a row make no pair, different rows of one sample do, as in the value itself.
 */
final class Resampling {
  /** Replicates that are formed together. */
  private static final int TOGETHER = 128;

  private final GramPair pair;
  private final int size;
  private final int replicates;
  private final double[][] biased;
  private final double[][] debiased;
  private final double[][] uncentred;

  /** Products of KL, KK, LL, each of all replicates. */
  private Resampling(GramPair pair, int size, int replicates) {
    this.pair = pair;
    this.size = size;
    this.replicates = replicates;
    this.biased = new double[3][replicates];
    this.debiased = new double[3][replicates];
    this.uncentred = new double[3][replicates];
  }

  /**
   * Values of all replicates, NaN where one has a constant side.
   *
   * @param biased CKA
   * @param debiased CKA
   */
  record Values(double[] biased, double[] debiased) {}

  /** Half of the samples, each once. */
  static Values halves(GramPair pair, int replicates, Workspace ws) {
    int n = pair.samples();
    SplittableRandom random = Seeds.stream(ws.seed(), "cka half sampling");
    double[][] counts = new double[replicates][];
    for (int r = 0; r < replicates; r++) {
      double[] w = new double[n];
      // Selection sampling: n/2 of n, each subset as likely.
      int left = n / 2;
      for (int i = 0; i < n; i++) {
        if (random.nextInt(n - i) < left) {
          w[i] = 1;
          left--;
        }
      }
      counts[r] = pair.blocks.spread(w);
    }
    return of(pair, n / 2 * pair.blocks.positions(), counts, ws);
  }

  /** As many samples as there are, with replacement. */
  static Values bootstrap(GramPair pair, int replicates, Workspace ws) {
    int n = pair.samples();
    SplittableRandom random = Seeds.stream(ws.seed(), "cka bootstrap");
    double[][] counts = new double[replicates][];
    for (int r = 0; r < replicates; r++) {
      double[] w = new double[n];
      for (int i = 0; i < n; i++) {
        w[random.nextInt(n)]++;
      }
      counts[r] = pair.blocks.spread(w);
    }
    return of(pair, pair.rows(), counts, ws);
  }

  /**
   * @param size what the counts of each replicate sum to
   * @param counts of rows
   */
  static Values of(GramPair pair, int size, double[][] counts, Workspace ws) {
    Resampling work = new Resampling(pair, size, counts.length);
    work.add(0, pair.k, pair.l, counts, ws);
    work.add(1, pair.k, pair.k, counts, ws);
    work.add(2, pair.l, pair.l, counts, ws);
    for (int from = 0; from < counts.length; from += TOGETHER) {
      ws.cancellation().check();
      work.correct(from, Arrays.copyOfRange(counts, from, work.end(from)), ws);
    }
    return new Values(work.ratios(work.biased), work.ratios(work.debiased));
  }

  private int end(int from) {
    return Math.min(from + TOGETHER, replicates);
  }

  /** {@code w'(A∘B)w}. */
  private void add(int which, Matrix a, Matrix b, double[][] counts, Workspace ws) {
    try (Matrix product = elementwise(a, b, ws)) {
      for (int from = 0; from < replicates; from += TOGETHER) {
        ws.cancellation().check();
        try (Matrix w = Matrix.of(Arrays.copyOfRange(counts, from, end(from)));
            Matrix wp = LinAlg.multiply(w, product, ws)) {
          double[] values = LinAlg.rowProducts(w, wp, ws);
          System.arraycopy(values, 0, biased[which], from, values.length);
        }
      }
    }
    debiased[which] = biased[which].clone();
    uncentred[which] = biased[which].clone();
  }

  /** What centring takes away. */
  private void correct(int from, double[][] counts, Workspace ws) {
    double[] kw = times(pair.k, counts, ws);
    double[] lw = times(pair.l, counts, ws);
    int n = pair.rows();
    for (int r = 0; r < counts.length; r++) {
      Sums all = new Sums();
      Sums off = new Sums();
      double[] diagonals = new double[3];
      for (int i = 0; i < n; i++) {
        double w = counts[r][i];
        double k = kw[r * n + i];
        double l = lw[r * n + i];
        double ownK = pair.diagonalK[i];
        double ownL = pair.diagonalL[i];
        all.add(w, k, l);
        off.add(w, k - w * ownK, l - w * ownL);
        diagonals[0] += w * w * ownK * ownL;
        diagonals[1] += w * w * ownK * ownK;
        diagonals[2] += w * w * ownL * ownL;
      }
      double m = size;
      for (int which = 0; which < 3; which++) {
        biased[which][from + r] += all.totals(which) / (m * m) - 2 / m * all.rows(which);
        debiased[which][from + r] +=
            off.totals(which) / ((m - 1) * (m - 2))
                - 2 / (m - 2) * off.rows(which)
                - diagonals[which];
      }
    }
  }

  /** Sums over rows. */
  private static final class Sums {
    private double k;
    private double l;
    private final double[] rows = new double[3];

    void add(double w, double rowK, double rowL) {
      k += w * rowK;
      l += w * rowL;
      rows[0] += w * rowK * rowL;
      rows[1] += w * rowK * rowK;
      rows[2] += w * rowL * rowL;
    }

    double rows(int which) {
      return rows[which];
    }

    double totals(int which) {
      return (which == 2 ? l : k) * (which == 1 ? k : l);
    }
  }

  private static double[] times(Matrix a, double[][] counts, Workspace ws) {
    try (Matrix w = Matrix.of(counts);
        Matrix product = LinAlg.multiply(w, a, ws);
        Matrix here = product.toHost(ws)) {
      return here.asTensor().toDoubleArray();
    }
  }

  /** NaN where what centring leaves of a side is rounding. */
  private double[] ratios(double[][] products) {
    double rounding = 16 * pair.rows() * Math.ulp(1.0);
    double[] values = new double[replicates];
    for (int r = 0; r < values.length; r++) {
      boolean defined = true;
      for (int side = 1; side <= 2; side++) {
        defined &= products[side][r] > rounding * uncentred[side][r];
      }
      values[r] =
          defined ? Translation.ratio(products[0][r], products[1][r], products[2][r]) : Double.NaN;
    }
    return values;
  }

  /** {@code A∘B}, in rows. */
  private static Matrix elementwise(Matrix a, Matrix b, Workspace ws) {
    try (Opened opened = new Opened()) {
      Matrix product = opened.add(Matrix.allocate(a.rows(), a.columns(), ws));
      GramRowPairs.each(
          a,
          b,
          ws,
          (first, values, factors) -> {
            for (int i = 0; i < values.length; i++) {
              values[i] *= factors[i];
            }
            long count = values.length / a.columns();
            try (Tensor rows = Tensor.of(values, count, a.columns());
                Tensor to = product.asTensor().rows(first, first + count)) {
              to.copyFrom(rows, ws);
            }
          });
      opened.release();
      return product;
    }
  }
}
