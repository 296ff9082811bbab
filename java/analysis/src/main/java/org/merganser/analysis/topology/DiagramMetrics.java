// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.topology;

import java.util.Arrays;
import java.util.List;
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
   * {@code (min sum cost^p)^(1/p)} over matchings, p at least 1. Exact, by an assignment of (n + m)
   * x (n + m) costs: 500 points each are 8 MB.
   */
  public static double wasserstein(Diagram a, Diagram b, double p, Workspace ws) {
    requireSameDegree(a, b);
    if (!(p >= 1 && p < Double.POSITIVE_INFINITY)) {
      throw new IllegalArgumentException(
          "p is " + p + ", must be 1 or more and finite; see bottleneck for infinity");
    }
    double sum = 0;
    for (double death : INFINITIES) {
      double[] x = births(a, death);
      double[] y = births(b, death);
      if (x.length != y.length) {
        return Double.POSITIVE_INFINITY;
      }
      // In order: no other matching of numbers is cheaper for p >= 1.
      for (int k = 0; k < x.length; k++) {
        sum += Math.pow(Math.abs(x[k] - y[k]), p);
      }
    }
    List<Point> x = finite(a);
    List<Point> y = finite(b);
    if (!x.isEmpty() || !y.isEmpty()) {
      try (Matrix costs = costs(x, y, p)) {
        // The sum of rounded entries may be below 0 by nothing.
        sum += Math.max(0, Assignment.minimise(costs, ws).value());
      }
    }
    return Math.pow(sum, 1 / p);
  }

  /** Points of a and m places on the diagonal, by points of b and n such places. */
  private static Matrix costs(List<Point> a, List<Point> b, double p) {
    int n = a.size();
    int m = b.size();
    Matrix costs = Matrix.zeros(n + m, n + m);
    double[] row = new double[n + m];
    for (int i = 0; i < n; i++) {
      for (int j = 0; j < m; j++) {
        row[j] = Math.pow(cost(a.get(i), b.get(j)), p);
      }
      Arrays.fill(row, m, n + m, Math.pow(toDiagonal(a.get(i)), p));
      costs.setRow(i, row);
    }
    Arrays.fill(row, 0);
    for (int j = 0; j < m; j++) {
      row[j] = Math.pow(toDiagonal(b.get(j)), p);
    }
    for (int i = n; i < n + m; i++) {
      costs.setRow(i, row);
    }
    return costs;
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
