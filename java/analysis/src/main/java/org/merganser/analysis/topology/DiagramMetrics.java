// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.topology;

import java.util.Arrays;
import java.util.List;
import java.util.function.DoubleUnaryOperator;
import org.merganser.analysis.topology.Diagram.Point;
import org.merganser.compute.Workspace;
import org.merganser.linalg.Assignment;
import org.merganser.linalg.Matrix;

/**
 * Distances of persistence diagrams. Points are matched one to one with points of the other
 * diagram, at the larger difference of births and deaths, or with the diagonal, at half of their
 * lifetime. Essential points are matched with essential ones alone, at the difference of births:
 * where their numbers differ, the distance is infinite.
 */
public final class DiagramMetrics {
  private static final double[] INFINITIES = {Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY};

  private DiagramMetrics() {}

  /**
   * The largest cost of a pair, for the matching where that is least. Exact: it is one of the
   * costs, found by bisection with a matching (Hopcroft and Karp) each. For n and m points, sorts n
   * m costs.
   */
  public static double bottleneck(Diagram a, Diagram b) {
    requireSameDegree(a, b);
    double essential = 0;
    for (double death : INFINITIES) {
      double[] x = births(a, death);
      double[] y = births(b, death);
      if (x.length != y.length) {
        return Double.POSITIVE_INFINITY;
      }
      for (int k = 0; k < x.length; k++) {
        essential = Math.max(essential, Math.abs(x[k] - y[k]));
      }
    }
    return Math.max(essential, Bottleneck.of(finite(a), finite(b)));
  }

  /**
   * {@code (min sum cost^p)^(1/p)} over matchings, p at least 1. Exact, by an assignment of n x (n
   * + m) costs, n <= m: 500 points each are 4 MB.
   */
  public static double wasserstein(Diagram a, Diagram b, double p, Workspace ws) {
    requireSameDegree(a, b);
    if (!(p >= 1 && p < Double.POSITIVE_INFINITY)) {
      throw new IllegalArgumentException(
          "p is " + p + ", must be 1 or more and finite; see bottleneck for infinity");
    }
    // Some pair costs as much in any matching: powers of it may be out of range, of shares not.
    double scale = bottleneck(a, b);
    if (scale == 0 || Double.isInfinite(scale)) {
      return scale;
    }
    // No matching that is best takes a cost beyond, since one takes at most 1 for each point.
    double most = a.size() + b.size() + 1.0;
    DoubleUnaryOperator power = cost -> Math.min(most, Math.pow(cost / scale, p));
    double sum = 0;
    for (double death : INFINITIES) {
      double[] x = births(a, death);
      double[] y = births(b, death);
      // In order: no other matching of numbers is cheaper for p >= 1.
      for (int k = 0; k < x.length; k++) {
        sum += power.applyAsDouble(Math.abs(x[k] - y[k]));
      }
    }
    List<Point> x = finite(a);
    List<Point> y = finite(b);
    sum += x.size() <= y.size() ? matched(x, y, power, ws) : matched(y, x, power, ws);
    return scale * Math.pow(sum, 1 / p);
  }

  /**
   * The least sum over matchings. Where every point of b begins on the diagonal, matching b_j with
   * a_i adds cost - diagonal_j, and leaving a_i alone its own place on the diagonal: an assignment
   * of the n points of a. A pair that costs more than both on the diagonal is in no optimum.
   */
  private static double matched(
      List<Point> a, List<Point> b, DoubleUnaryOperator power, Workspace ws) {
    int n = a.size();
    int m = b.size();
    double[] alone = b.stream().mapToDouble(y -> power.applyAsDouble(toDiagonal(y))).toArray();
    double[] own = a.stream().mapToDouble(x -> power.applyAsDouble(toDiagonal(x))).toArray();
    double sum = 0;
    boolean[] taken = new boolean[m];
    try (Matrix costs = Matrix.allocate(n, m + n)) {
      double[] row = new double[m + n];
      for (int i = 0; i < n; i++) {
        Arrays.fill(row, Double.POSITIVE_INFINITY);
        for (int j = 0; j < m; j++) {
          double change = power.applyAsDouble(cost(a.get(i), b.get(j))) - alone[j];
          if (change <= own[i]) {
            row[j] = change;
          }
        }
        row[m + i] = own[i];
        costs.setRow(i, row);
      }
      int[] columns = n == 0 ? new int[0] : Assignment.minimise(costs, ws).columns();
      for (int i = 0; i < n; i++) {
        boolean pair = columns[i] < m;
        sum += pair ? power.applyAsDouble(cost(a.get(i), b.get(columns[i]))) : own[i];
        if (pair) {
          taken[columns[i]] = true;
        }
      }
    }
    for (int j = 0; j < m; j++) {
      sum += taken[j] ? 0 : alone[j];
    }
    return sum;
  }

  static double cost(Point x, Point y) {
    return Math.max(Math.abs(x.birth() - y.birth()), Math.abs(x.death() - y.death()));
  }

  static double toDiagonal(Point x) {
    return x.lifetime() / 2;
  }

  private static List<Point> finite(Diagram d) {
    return d.points().stream().filter(point -> !point.essential()).toList();
  }

  private static void requireSameDegree(Diagram a, Diagram b) {
    if (a.degree() != b.degree()) {
      throw new IllegalArgumentException(
          "a diagram of degree " + a.degree() + " and one of degree " + b.degree());
    }
  }

  /** Births of essential points that die at one of the two infinities, sorted as the points are. */
  private static double[] births(Diagram d, double death) {
    return d.points().stream().filter(p -> p.death() == death).mapToDouble(Point::birth).toArray();
  }
}
