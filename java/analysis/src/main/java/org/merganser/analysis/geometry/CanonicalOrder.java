// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.geometry;

import java.util.Arrays;
import org.merganser.compute.Workspace;
import org.merganser.linalg.Matrix;

/**
 * An order of n points that follows from a symmetric matrix of them (distances, affinities,
 * products) and not from how they come: what is computed in it, and put back, has the same bits
 * whatever the order of the points.
 *
 * <p>Each point has a key, a hash of the set of its entries. While keys are equal, entries are
 * hashed once more with the keys of the points that they are of (colour refinement, Weisfeiler and
 * Leman 1968); where that tells no more of them apart, one that comes first is set apart from those
 * like it. Points of which any two may change places, such as those at one place, keep the order in
 * which they come. Where points look alike to refinement and yet have no symmetry that takes one to
 * the other, as in some strongly regular graphs, the order may depend on which of them comes first.
 *
 * @param order the points, in that order
 */
record CanonicalOrder(int[] order) {
  /**
   * @param symmetric on the host
   * @param seed another one is another order
   */
  static CanonicalOrder of(Matrix symmetric, long seed, Workspace ws) {
    int n = Math.toIntExact(symmetric.rows());
    long[] keys = new long[n];
    for (int i = 0; i < n; i++) {
      for (double each : symmetric.row(i)) {
        long bits = Double.doubleToLongBits(each) * 0x9e3779b97f4a7c15L;
        keys[i] += (bits ^ bits >>> 29) * 0xbf58476d1ce4e5b9L ^ bits >>> 32;
      }
      // Odd, so that different hashes stay so.
      keys[i] *= 2 * seed * 0x9e3779b97f4a7c15L + 1;
    }
    int[] order = sorted(keys);
    for (int tied = tied(symmetric, keys, order); tied >= 0; ) {
      ws.cancellation().check();
      long[] finer = refined(symmetric, ws, keys);
      if (kinds(finer) > kinds(keys)) {
        keys = finer;
      } else {
        keys[tied] = Hashes.mix(keys[tied]);
      }
      order = sorted(keys);
      tied = tied(symmetric, keys, order);
    }
    return new CanonicalOrder(order);
  }

  /** Of equal keys as they come. */
  private static int[] sorted(long... keys) {
    Integer[] order = new Integer[keys.length];
    Arrays.setAll(order, i -> i);
    Arrays.sort(order, (a, b) -> Long.compare(keys[a], keys[b]));
    return Arrays.stream(order).mapToInt(each -> each).toArray();
  }

  private static long kinds(long... keys) {
    return Arrays.stream(keys).distinct().count();
  }

  /** The first of points of one key that cannot change places, or -1. */
  private static int tied(Matrix symmetric, long[] keys, int... order) {
    int first = 0;
    for (int k = 1; k < order.length; k++) {
      if (keys[order[k]] != keys[order[first]]) {
        first = k;
      } else if (!alike(symmetric, order[first], order[k])) {
        return order[first];
      }
    }
    return -1;
  }

  /** Whether the matrix stays the same when two points change places. */
  private static boolean alike(Matrix symmetric, int a, int b) {
    double[] one = symmetric.row(a);
    double[] other = symmetric.row(b);
    swap(other, a, b);
    boolean same = Arrays.equals(one, other);
    for (int k = 0; same && k < one.length; k++) {
      same = k == a || k == b || Double.compare(symmetric.get(k, a), symmetric.get(k, b)) == 0;
    }
    return same;
  }

  private static void swap(double[] values, int a, int b) {
    double value = values[a];
    values[a] = values[b];
    values[b] = value;
  }

  private static long[] refined(Matrix symmetric, Workspace ws, long... keys) {
    long[] mixed = Arrays.stream(keys).map(Hashes::mix).toArray();
    long[] finer = mixed.clone();
    Rows.each(
        keys.length,
        ws,
        (from, to) -> {
          for (int i = from; i < to; i++) {
            double[] row = symmetric.row(i);
            for (int j = 0; j < row.length; j++) {
              finer[i] += Hashes.mix(mixed[j] ^ Double.doubleToLongBits(row[j]));
            }
          }
        });
    return finer;
  }

  /** A new matrix on the host, its rows and columns in this order. */
  Matrix apply(Matrix matrix, Workspace ws) {
    int n = order.length;
    Matrix sorted = Matrix.allocate(n, n);
    Rows.each(
        n,
        ws,
        (from, to) -> {
          double[] moved = new double[n];
          for (int i = from; i < to; i++) {
            double[] row = matrix.row(order[i]);
            for (int j = 0; j < n; j++) {
              moved[j] = row[order[j]];
            }
            sorted.setRow(i, moved);
          }
        });
    return sorted;
  }

  /** Rows of points in this order, as the points came. */
  double[][] restored(double[][] rows) {
    double[][] placed = new double[order.length][];
    for (int i = 0; i < order.length; i++) {
      placed[order[i]] = rows[i];
    }
    return placed;
  }

  /** Rows and columns likewise. */
  double[][] restoredBoth(double[][] rows) {
    double[][] placed = restored(rows);
    for (int i = 0; i < placed.length; i++) {
      placed[i] = restored(placed[i]);
    }
    return placed;
  }

  double[] restored(double... values) {
    double[] placed = new double[order.length];
    for (int i = 0; i < order.length; i++) {
      placed[order[i]] = values[i];
    }
    return placed;
  }
}
