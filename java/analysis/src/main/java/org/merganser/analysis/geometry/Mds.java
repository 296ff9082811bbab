// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.geometry;

import org.merganser.compute.Workspace;
import org.merganser.internal.Opened;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Polar;

/**
 * Multidimensional scaling: points in few dimensions whose distances are near those of a matrix E
 * [N x N], symmetric.
 *
 * <p>All begin with the classical solution, {@code Y = V sqrt(lambda)} of {@code -1/2 J E^2 J}. SGD
 * (Zheng, Pawar and Goodman 2019) pulls at pairs of points, SMACOF (de Leeuw 1977) moves all points
 * at once. The result is turned and reflected to the classical solution, not scaled, and of each
 * axis the largest coordinate is positive.
 */
public final class Mds {
  /** How points are moved from the classical solution. */
  public enum Solver {
    /** Not at all. */
    CLASSICAL,
    /** Pairs of points, in an order that depends on the seed alone. */
    SGD,
    /** All at once, until the stress falls by less than 1e-6 of it, or 3000 times. */
    SMACOF
  }

  /**
   * Points and how well they fit.
   *
   * @param points [N][dimensions], centred
   * @param stress {@code sum over i < j of (|y_i - y_j| - E_ij)^2}
   * @param relative the root of its ratio to {@code sum E_ij^2}
   */
  public record Result(double[][] points, double stress, double relative) {}

  private Mds() {}

  /**
   * @param distances [N x N], symmetric, at least 0, on the host
   */
  public static Result of(
      Matrix distances, int dimensions, Solver solver, long seed, Workspace ws) {
    double[][] wanted = distances.toArray();
    double[][] start = classical(wanted, dimensions, ws);
    double[][] points =
        switch (solver) {
          case CLASSICAL -> transposed(transposed(start));
          case SGD -> Sgd.of(wanted, start, seed, ws);
          case SMACOF -> Smacof.of(wanted, start, Smacof.MOST, ws);
        };
    centre(points);
    if (solver != Solver.CLASSICAL) {
      turn(points, start, ws);
    }
    orient(points);
    double stress = Stress.raw(points, wanted);
    double scale = Stress.scale(wanted);
    return new Result(points, stress, scale > 0 ? Math.sqrt(stress / scale) : 0);
  }

  static double[][] classical(double[][] wanted, int dimensions, Workspace ws) {
    int n = wanted.length;
    double[] means = new double[n];
    double all = 0;
    for (int i = 0; i < n; i++) {
      means[i] = Lanczos.dot(wanted[i], wanted[i]) / n;
      all += means[i] / n;
    }
    double mean = all;
    try (Matrix b = Matrix.allocate(n, n)) {
      Rows.each(
          n,
          ws,
          (from, to) -> {
            double[] row = new double[n];
            for (int i = from; i < to; i++) {
              for (int j = 0; j < n; j++) {
                double square = wanted[i][j] * wanted[i][j];
                row[j] = -0.5 * (square - means[i] - means[j] + mean);
              }
              b.setRow(i, row);
            }
          });
      return TopEigen.of(b, dimensions, ws).scaled();
    }
  }

  /** A new array. */
  static double[][] transposed(double[][] x) {
    double[][] transposed = new double[x[0].length][x.length];
    for (int i = 0; i < x.length; i++) {
      for (int k = 0; k < transposed.length; k++) {
        transposed[k][i] = x[i][k];
      }
    }
    return transposed;
  }

  static void centre(double[][] points) {
    for (int k = 0; k < points[0].length; k++) {
      double mean = 0;
      for (double[] point : points) {
        mean += point[k];
      }
      mean /= points.length;
      for (double[] point : points) {
        point[k] -= mean;
      }
    }
  }

  /** By the orthogonal matrix that brings them nearest to others. */
  private static void turn(double[][] points, double[][] to, Workspace ws) {
    int d = points[0].length;
    try (Opened opened = new Opened()) {
      Matrix products = opened.add(Matrix.zeros(d, d));
      for (int a = 0; a < d; a++) {
        for (int b = 0; b < d; b++) {
          double sum = 0;
          for (int i = 0; i < points.length; i++) {
            sum += points[i][a] * to[i][b];
          }
          products.set(a, b, sum);
        }
      }
      if (Lanczos.length(products.asTensor().toDoubleArray()) == 0) {
        return;
      }
      Polar polar = opened.add(Polar.of(products, ws));
      Matrix turn = opened.add(polar.factor().toHost(ws));
      for (double[] point : points) {
        double[] before = point.clone();
        for (int b = 0; b < d; b++) {
          point[b] = 0;
          for (int a = 0; a < d; a++) {
            point[b] += before[a] * turn.get(a, b);
          }
        }
      }
    }
  }

  private static void orient(double[][] points) {
    for (int k = 0; k < points[0].length; k++) {
      double largest = 0;
      for (double[] point : points) {
        largest = Math.abs(point[k]) > Math.abs(largest) ? point[k] : largest;
      }
      if (largest < 0) {
        for (double[] point : points) {
          point[k] = -point[k];
        }
      }
    }
  }
}
