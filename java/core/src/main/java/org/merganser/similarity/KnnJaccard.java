// SPDX-License-Identifier: Apache-2.0
package org.merganser.similarity;

import java.util.Arrays;
import org.merganser.compute.Workspace;
import org.merganser.method.Setting;
import org.merganser.method.Settings;

/**
 * Whether samples have the same neighbours on both sides: with A_i and B_i the k samples nearest to
 * sample i by Euclidean distance, itself left out and equal distances to the lower index, the mean
 * of {@code |A_i n B_i| / |A_i u B_i|}.
 *
 * <p>Sees what lies close together, and little of what lies far away: one outlier does not move it.
 * At chance it is about {@code k / (2(n-1) - k)}. Cost {@code n^2 (p + q)}.
 *
 * <p>Source: Wang et al. 2020, "Towards understanding the instability of network embedding";
 * Hryniowski and Wong 2020 for networks.
 */
public final class KnnJaccard extends PairedMeasure {
  /** Settings. */
  public record Options(@Setting(value = "neighbours of each sample", min = 1) int k) {
    public Options {
      Settings.check(Options.class, k);
    }

    /** 10 neighbours. */
    public static Options defaults() {
      return new Options(10);
    }

    public Options withK(int value) {
      return new Options(value);
    }
  }

  private final Options options;

  private KnnJaccard(Options options) {
    this.options = options;
  }

  public static KnnJaccard of(Options options) {
    return new KnnJaccard(options);
  }

  /** With k neighbours. */
  public static KnnJaccard k(int k) {
    return new KnnJaccard(new Options(k));
  }

  @Override
  public String id() {
    return "knn-jaccard";
  }

  @Override
  public String summary() {
    return "shared part of the nearest neighbours of each sample";
  }

  @Override
  public Options options() {
    return options;
  }

  /** Each sample has k others. */
  @Override
  public int minimumSamples() {
    return options.k() + 1;
  }

  @Override
  Finding compare(Pair pair, Workspace ws) {
    int[][] ofX = neighbours(pair.x(), ws);
    int[][] ofY = neighbours(pair.y(), ws);
    double sum = 0;
    for (int i = 0; i < ofX.length; i++) {
      int shared = shared(ofX[i], ofY[i]);
      sum += (double) shared / (2 * options.k() - shared);
    }
    double n = pair.samples();
    return Finding.of(sum / n, Route.GRAM)
        .detail("chance", options.k() / (2 * (n - 1) - options.k()));
  }

  private int[][] neighbours(Sample side, Workspace ws) {
    int[][] nearest = new int[Math.toIntExact(side.rows())][];
    Distances.squared(side, (i, distances) -> nearest[i] = nearest(i, distances), ws);
    return nearest;
  }

  /** Kept sorted by distance; who comes later goes behind its equals. */
  private int[] nearest(int self, double[] distances) {
    int[] nearest = new int[options.k()];
    int count = 0;
    for (int j = 0; j < distances.length; j++) {
      boolean full = count == nearest.length;
      if (j == self || full && distances[j] >= distances[nearest[count - 1]]) {
        continue;
      }
      int at = full ? count - 1 : count++;
      while (at > 0 && distances[nearest[at - 1]] > distances[j]) {
        nearest[at] = nearest[at - 1];
        at--;
      }
      nearest[at] = j;
    }
    Arrays.sort(nearest);
    return nearest;
  }

  /** Of sorted arrays. */
  private static int shared(int[] a, int[] b) {
    int count = 0;
    for (int i = 0, j = 0; i < a.length && j < b.length; ) {
      if (a[i] == b[j]) {
        count++;
        i++;
        j++;
      } else if (a[i] < b[j]) {
        i++;
      } else {
        j++;
      }
    }
    return count;
  }
}
