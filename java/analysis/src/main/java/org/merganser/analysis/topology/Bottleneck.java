// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.topology;

import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.merganser.analysis.topology.Diagram.Point;

/**
 * The least bound under which all points that are farther than it from the diagonal can be matched.
 * A matching of those of a and one of those of b, with whatever points of the other side, are
 * enough: there is then one that covers both (Mendelsohn and Dulmage 1958).
 */
final class Bottleneck {
  private final double[] toDiagonalOfA;
  private final double[] toDiagonalOfB;
  private final double[][] costs;

  private Bottleneck(List<Point> a, List<Point> b) {
    toDiagonalOfA = a.stream().mapToDouble(DiagramMetrics::toDiagonal).toArray();
    toDiagonalOfB = b.stream().mapToDouble(DiagramMetrics::toDiagonal).toArray();
    costs = new double[a.size()][b.size()];
    for (int i = 0; i < a.size(); i++) {
      for (int j = 0; j < b.size(); j++) {
        costs[i][j] = DiagramMetrics.cost(a.get(i), b.get(j));
      }
    }
  }

  static double of(List<Point> a, List<Point> b) {
    Bottleneck all = new Bottleneck(a, b);
    double[] candidates = all.candidates();
    int low = 0;
    int high = candidates.length - 1;
    while (low < high) {
      int middle = (low + high) >>> 1;
      if (all.within(candidates[middle])) {
        high = middle;
      } else {
        low = middle + 1;
      }
    }
    return candidates[low];
  }

  /** Sorted. The last one allows everything: all points may go to the diagonal. */
  private double[] candidates() {
    double[] all =
        new double[1 + costs.length * toDiagonalOfB.length + costs.length + toDiagonalOfB.length];
    int count = 1;
    for (double[] side : new double[][] {toDiagonalOfA, toDiagonalOfB}) {
      for (double each : side) {
        all[count++] = each;
      }
    }
    double most = Arrays.stream(all, 0, count).max().orElse(0);
    for (double[] row : costs) {
      for (double each : row) {
        if (each < most) {
          all[count++] = each;
        }
      }
    }
    Arrays.sort(all, 0, count);
    return Arrays.copyOf(all, count);
  }

  private boolean within(double bound) {
    return saturates(
            farther(toDiagonalOfA, bound), toDiagonalOfB.length, (i, j) -> costs[i][j] <= bound)
        && saturates(farther(toDiagonalOfB, bound), costs.length, (j, i) -> costs[i][j] <= bound);
  }

  private static int[] farther(double[] toDiagonal, double bound) {
    return IntStream.range(0, toDiagonal.length).filter(k -> toDiagonal[k] > bound).toArray();
  }

  private static boolean saturates(int[] left, int right, Edges edges) {
    return left.length <= right && new Matching(left, right, edges).saturates();
  }

  private interface Edges {
    boolean has(int left, int right);
  }

  /** Hopcroft and Karp: shortest augmenting paths, as many as are disjoint at a time. */
  private static final class Matching {
    private final int[] left;
    private final Edges edges;
    private final int[] ofRight;
    private final boolean[] taken;
    private final int[] layer;
    private final int[] next;
    private final int[] path;

    Matching(int[] left, int right, Edges edges) {
      this.left = left;
      this.edges = edges;
      ofRight = new int[right];
      Arrays.fill(ofRight, -1);
      taken = new boolean[left.length];
      layer = new int[left.length];
      next = new int[left.length];
      path = new int[left.length];
    }

    boolean saturates() {
      int matched = 0;
      while (matched < left.length) {
        if (!layers()) {
          return false;
        }
        Arrays.fill(next, 0);
        for (int i = 0; i < left.length; i++) {
          if (!taken[i] && augment(i)) {
            taken[i] = true;
            matched++;
          }
        }
      }
      return true;
    }

    /** Steps from a free vertex; false when none of the right ones that are reached is free. */
    private boolean layers() {
      int[] queue = path;
      int end = 0;
      for (int i = 0; i < left.length; i++) {
        layer[i] = taken[i] ? -1 : 0;
        if (!taken[i]) {
          queue[end++] = i;
        }
      }
      boolean free = false;
      for (int at = 0; at < end; at++) {
        int i = queue[at];
        for (int j = 0; j < ofRight.length; j++) {
          if (edges.has(left[i], j)) {
            int k = ofRight[j];
            free |= k < 0;
            if (k >= 0 && layer[k] < 0) {
              layer[k] = layer[i] + 1;
              queue[end++] = k;
            }
          }
        }
      }
      return free;
    }

    private boolean augment(int start) {
      int depth = 0;
      path[0] = start;
      while (depth >= 0) {
        int i = path[depth];
        int j = next[i];
        if (j == ofRight.length) {
          if (--depth >= 0) {
            next[path[depth]]++;
          }
        } else if (!edges.has(left[i], j)) {
          next[i]++;
        } else if (ofRight[j] < 0) {
          for (; depth >= 0; depth--) {
            ofRight[next[path[depth]]] = path[depth];
          }
          return true;
        } else if (layer[ofRight[j]] == layer[i] + 1) {
          path[++depth] = ofRight[j];
        } else {
          next[i]++;
        }
      }
      return false;
    }
  }
}
