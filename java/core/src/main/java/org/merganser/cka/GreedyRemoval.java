// SPDX-License-Identifier: Apache-2.0
package org.merganser.cka;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;
import org.merganser.cka.ReliabilityReport.Removal;
import org.merganser.compute.Workspace;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;

/**
 * CKA without the most influential sample, then without the most influential of the rest, and so
 * on. Grams are centred anew over what is left by vectors alone: with counts w of m samples and
 * {@code a = w'Kw / (2 m^2) - Kw/m}, it is {@code K_ij + a_i + a_j}.
 */
final class GreedyRemoval {
  private final GramPair pair;
  private final double[] w;
  private final Side k;
  private final Side l;
  private final double[][] rows;
  private int left;

  /** Whether the sample that went last was nearly all there was, so that sums are to be anew. */
  private boolean cancelled;

  /** One Gram and what its rows sum to over what is left. */
  private static final class Side {
    private final Matrix gram;
    private final double[] diagonal;
    private final double[] sums;
    private final double[] shift;

    Side(Matrix gram, double[] diagonal, double[] sums) {
      this.gram = gram;
      this.diagonal = diagonal;
      this.sums = sums;
      this.shift = new double[sums.length];
    }

    void centre(double[] w, int m) {
      double total = Translation.dot(w, sums) / (2.0 * m * m);
      Arrays.setAll(shift, i -> total - sums[i] / m);
    }

    double[] row(int i, Workspace ws) {
      try (Tensor row = gram.asTensor().rows(i, i + 1).toHost(ws)) {
        return row.toDoubleArray();
      }
    }

    double own(int i) {
      return diagonal[i] + 2 * shift[i];
    }
  }

  private GreedyRemoval(GramPair pair, Workspace ws) {
    int n = pair.samples();
    this.pair = pair;
    this.left = n;
    this.w = new double[n];
    Arrays.fill(w, 1);
    this.k = new Side(pair.k, pair.diagonalK, Vectors.times(pair.k, w, ws));
    this.l = new Side(pair.l, pair.diagonalL, Vectors.times(pair.l, w, ws));
    GramPair.Products sums = pair.centred;
    this.rows = new double[][] {sums.kl().clone(), sums.kk().clone(), sums.ll().clone()};
  }

  /** Steps end early where nothing would vary any more. */
  static List<Removal> of(GramPair pair, int steps, Workspace ws) {
    return pair.blocks.positions() == 1 ? ofRows(pair, steps, ws) : ofBlocks(pair, steps, ws);
  }

  /** Samples of several rows: each step has Grams of its own. */
  private static List<Removal> ofBlocks(GramPair all, int steps, Workspace ws) {
    List<Removal> removed = new ArrayList<>();
    int[] names = IntStream.range(0, all.samples()).toArray();
    GramPair pair = all;
    try {
      for (int step = 0; step < steps; step++) {
        double[] without = LeaveOneOut.biased(pair, ws);
        double now = pair.centred.cka();
        int most =
            IntStream.range(0, without.length)
                .filter(i -> !Double.isNaN(without[i]))
                .boxed()
                .max(Comparator.comparingDouble(i -> Math.abs(now - without[i])))
                .orElse(-1);
        if (most < 0) {
          break;
        }
        removed.add(new Removal(names[most], without[most]));
        int[] kept = IntStream.range(0, names.length).filter(i -> i != most).toArray();
        GramPair rest = pair.among(kept, ws);
        if (pair != all) {
          pair.close();
        }
        pair = rest;
        int[] before = names;
        names = Arrays.stream(kept).map(i -> before[i]).toArray();
      }
      return removed;
    } finally {
      if (pair != all) {
        pair.close();
      }
    }
  }

  private static List<Removal> ofRows(GramPair pair, int steps, Workspace ws) {
    GreedyRemoval removal = new GreedyRemoval(pair, ws);
    int[] names = IntStream.range(0, pair.samples()).toArray();
    List<Removal> removed = new ArrayList<>();
    GramPair own = null;
    try {
      for (int step = 0; step < steps; step++) {
        Removal next = removal.step(ws);
        if (next == null) {
          break;
        }
        removed.add(new Removal(names[next.index()], next.value()));
        if (removal.cancelled) {
          int[] kept = removal.kept(-1);
          GramPair rest = removal.pair.among(kept, ws);
          if (own != null) {
            own.close();
          }
          own = rest;
          int[] before = names;
          names = Arrays.stream(kept).map(i -> before[i]).toArray();
          removal = new GreedyRemoval(own, ws);
        }
      }
      return removed;
    } finally {
      if (own != null) {
        own.close();
      }
    }
  }

  /** What is left, but for one. */
  private int[] kept(int without) {
    return IntStream.range(0, w.length).filter(i -> w[i] != 0 && i != without).toArray();
  }

  private Removal step(Workspace ws) {
    k.centre(w, left);
    l.centre(w, left);
    double[] wa = weighted(k.shift);
    double[] wb = weighted(l.shift);
    double[][] ofK = Vectors.times(k.gram, new double[][] {wa, wb}, ws);
    double[][] ofL = Vectors.times(l.gram, new double[][] {wa, wb}, ws);
    double[] kl = products(rows[0], k, l, ofK[1], ofL[0]);
    double[] kk = products(rows[1], k, k, ofK[0], ofK[0]);
    double[] ll = products(rows[2], l, l, ofL[1], ofL[1]);
    double totalKl = Translation.dot(w, kl);
    double totalKk = Translation.dot(w, kk);
    double totalLl = Translation.dot(w, ll);
    double now = ratio(totalKl, totalKk, totalLl);
    if (Double.isNaN(now)) {
      return null;
    }
    int most = -1;
    double value = Double.NaN;
    for (int i = 0; i < w.length; i++) {
      if (w[i] == 0) {
        continue;
      }
      double restK = without(totalKk, kk[i], k.own(i) * k.own(i));
      double restL = without(totalLl, ll[i], l.own(i) * l.own(i));
      boolean lost =
          !(restK > LeaveOneOut.CANCELLED * totalKk && restL > LeaveOneOut.CANCELLED * totalLl);
      double without =
          lost
              ? LeaveOneOut.anew(pair, kept(i), false, ws)
              : ratio(without(totalKl, kl[i], k.own(i) * l.own(i)), restK, restL);
      if (!Double.isNaN(without) && (most < 0 || Math.abs(now - without) > Math.abs(now - value))) {
        most = i;
        value = without;
        cancelled = lost;
      }
    }
    if (most < 0) {
      return null;
    }
    drop(most, ws);
    return new Removal(most, value);
  }

  private void drop(int i, Workspace ws) {
    double[] rowK = k.row(i, ws);
    double[] rowL = l.row(i, ws);
    for (int j = 0; j < w.length; j++) {
      k.sums[j] -= rowK[j];
      l.sums[j] -= rowL[j];
      rows[0][j] -= rowK[j] * rowL[j];
      rows[1][j] -= rowK[j] * rowK[j];
      rows[2][j] -= rowL[j] * rowL[j];
    }
    w[i] = 0;
    left--;
  }

  /**
   * Sums of rows of {@code A∘B} centred over what is left.
   *
   * @param ab A times the weighted shift of B
   * @param ba B times that of A
   */
  private double[] products(double[] uncentred, Side a, Side b, double[] ab, double[] ba) {
    double shiftB = Translation.dot(w, b.shift);
    double both = 0;
    for (int j = 0; j < w.length; j++) {
      both += w[j] * a.shift[j] * b.shift[j];
    }
    double[] sums = new double[w.length];
    for (int i = 0; i < w.length; i++) {
      sums[i] = uncentred[i] + ab[i] + ba[i] + a.shift[i] * (b.sums[i] + shiftB) + both;
    }
    return sums;
  }

  private double without(double total, double row, double own) {
    double factor = left / (left - 1.0);
    return total - 2 * factor * row + factor * factor * own;
  }

  private double ratio(double kl, double kk, double ll) {
    double rounding = 16 * w.length * Math.ulp(1.0);
    boolean defined =
        kk > rounding * Translation.sum(pair.centred.kk())
            && ll > rounding * Translation.sum(pair.centred.ll());
    return defined ? Translation.ratio(kl, kk, ll) : Double.NaN;
  }

  private double[] weighted(double[] shift) {
    double[] product = new double[w.length];
    Arrays.setAll(product, j -> w[j] * shift[j]);
    return product;
  }
}
