// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.recurrent;

import org.merganser.error.ShapeException;

/** How alike two divisions of the same samples are, from the counts of what they share. */
final class Partition {
  private final long[][] shared;
  private final long[] first;
  private final long[] second;
  private final long samples;

  /**
   * @param a a number from 0 for each sample
   * @param b likewise
   */
  Partition(int[] a, int[] b) {
    if (a.length != b.length || a.length == 0) {
      throw new ShapeException(
          "divisions of " + a.length + " and " + b.length + " samples cannot be compared");
    }
    int parts = 1;
    for (int i = 0; i < a.length; i++) {
      parts = Math.max(parts, Math.max(a[i], b[i]) + 1);
    }
    shared = new long[parts][parts];
    first = new long[parts];
    second = new long[parts];
    samples = a.length;
    for (int i = 0; i < a.length; i++) {
      shared[a[i]][b[i]]++;
      first[a[i]]++;
      second[b[i]]++;
    }
  }

  /**
   * Adjusted Rand index: pairs that are together in both, less what chance gives, over the most
   * that could be (Hubert and Arabie 1985). 1 for the same divisions, 0 on average for independent
   * ones.
   */
  double adjustedRandIndex() {
    double together = 0;
    double inFirst = 0;
    double inSecond = 0;
    for (int i = 0; i < first.length; i++) {
      inFirst += pairs(first[i]);
      inSecond += pairs(second[i]);
      for (long count : shared[i]) {
        together += pairs(count);
      }
    }
    double all = pairs(samples);
    double expected = all == 0 ? 0 : inFirst * inSecond / all;
    double most = (inFirst + inSecond) / 2;
    return most == expected ? 1 : (together - expected) / (most - expected);
  }

  /** Mutual information over the mean of both entropies; 1 for two divisions into one part. */
  double normalisedInformation() {
    double information = 0;
    for (int i = 0; i < first.length; i++) {
      for (int j = 0; j < second.length; j++) {
        if (shared[i][j] > 0) {
          double ratio = (double) shared[i][j] * samples / ((double) first[i] * second[j]);
          information += (double) shared[i][j] / samples * Math.log(ratio);
        }
      }
    }
    double mean = (entropy(first) + entropy(second)) / 2;
    return mean == 0 ? 1 : Math.max(0, information / mean);
  }

  private double entropy(long[] counts) {
    double sum = 0;
    for (long count : counts) {
      if (count > 0) {
        sum -= (double) count / samples * Math.log((double) count / samples);
      }
    }
    return sum;
  }

  private static double pairs(long n) {
    return n * (n - 1.0) / 2;
  }
}
