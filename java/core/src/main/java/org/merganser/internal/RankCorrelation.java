// SPDX-License-Identifier: Apache-2.0
package org.merganser.internal;

import java.util.Arrays;

/** Correlations of two lists of numbers, O(n log n) at most. NaN where one has no variance. */
public final class RankCorrelation {
  private RankCorrelation() {}

  /** Of Pearson. */
  public static double pearson(double[] a, double[] b) {
    double meanA = Arrays.stream(a).average().orElse(Double.NaN);
    double meanB = Arrays.stream(b).average().orElse(Double.NaN);
    double ab = 0;
    double aa = 0;
    double bb = 0;
    for (int i = 0; i < a.length; i++) {
      double da = a[i] - meanA;
      double db = b[i] - meanB;
      ab += da * db;
      aa += da * da;
      bb += db * db;
    }
    return bounded(ab / Math.sqrt(aa) / Math.sqrt(bb));
  }

  /** The cosine of the angle between them. */
  public static double cosine(double[] a, double[] b) {
    double ab = 0;
    double aa = 0;
    double bb = 0;
    for (int i = 0; i < a.length; i++) {
      ab += a[i] * b[i];
      aa += a[i] * a[i];
      bb += b[i] * b[i];
    }
    return bounded(ab / Math.sqrt(aa) / Math.sqrt(bb));
  }

  /** Of Spearman: Pearson's of ranks, equal numbers having the mean of theirs. */
  public static double spearman(double[] a, double[] b) {
    return pearson(ranks(a), ranks(b));
  }

  private static double[] ranks(double[] a) {
    double[] sorted = a.clone();
    Arrays.sort(sorted);
    double[] ranks = new double[a.length];
    for (int i = 0; i < a.length; i++) {
      int from = first(sorted, a[i], false);
      int to = first(sorted, a[i], true);
      ranks[i] = (from + to + 1) / 2.0;
    }
    return ranks;
  }

  /** The first place of a number that is not less, or greater. */
  private static int first(double[] sorted, double value, boolean greater) {
    int low = 0;
    int high = sorted.length;
    while (low < high) {
      int middle = (low + high) >>> 1;
      if (greater ? sorted[middle] <= value : sorted[middle] < value) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }

  /**
   * tau-a of Kendall: of all pairs of places the part that both order alike, less the part that
   * they order differently; pairs that tie on a side are neither. Counted by a merge sort (Knight
   * 1966).
   */
  public static double kendall(double[] a, double[] b) {
    int n = a.length;
    long[] both = new long[n];
    double[] sortedA = a.clone();
    double[] sortedB = b.clone();
    Arrays.sort(sortedA);
    Arrays.sort(sortedB);
    for (int i = 0; i < n; i++) {
      both[i] = (long) first(sortedA, a[i], false) << 32 | first(sortedB, b[i], false);
    }
    Arrays.sort(both);
    int[] second = new int[n];
    for (int i = 0; i < n; i++) {
      second[i] = (int) both[i];
    }
    double all = n * (n - 1.0) / 2;
    double tied = ties(sortedA) + ties(sortedB) - ties(both);
    double discordant = inversions(second, new int[n], 0, n);
    return (all - tied - 2 * discordant) / all;
  }

  /** Pairs of equal numbers. */
  private static double ties(double[] sorted) {
    double pairs = 0;
    int run = 0;
    for (int i = 1; i < sorted.length; i++) {
      run = sorted[i] == sorted[i - 1] ? run + 1 : 0;
      pairs += run;
    }
    return pairs;
  }

  private static double ties(long[] sorted) {
    double pairs = 0;
    int run = 0;
    for (int i = 1; i < sorted.length; i++) {
      run = sorted[i] == sorted[i - 1] ? run + 1 : 0;
      pairs += run;
    }
    return pairs;
  }

  /** Pairs in descending order; sorts. */
  private static double inversions(int[] values, int[] scratch, int from, int to) {
    if (to - from < 2) {
      return 0;
    }
    int middle = (from + to) >>> 1;
    double count =
        inversions(values, scratch, from, middle) + inversions(values, scratch, middle, to);
    int left = from;
    int right = middle;
    for (int at = from; at < to; at++) {
      if (right == to || left < middle && values[left] <= values[right]) {
        scratch[at] = values[left++];
      } else {
        count += middle - left;
        scratch[at] = values[right++];
      }
    }
    System.arraycopy(scratch, from, values, from, to - from);
    return count;
  }

  private static double bounded(double value) {
    return Math.max(-1, Math.min(1, value));
  }
}
