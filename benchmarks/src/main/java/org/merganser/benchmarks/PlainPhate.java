// SPDX-License-Identifier: Apache-2.0
package org.merganser.benchmarks;

import java.util.Arrays;
import org.merganser.compute.Workspace;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.LinAlg.SymmetricEigen;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Svd;

/**
 * The steps of PHATE one after the other, as a peer: singular values of P by a decomposition, P^t
 * by t - 1 products, distances of rows pair by pair, all eigenvectors for the classical solution,
 * and SMACOF by loops over pairs. Products and decompositions are the library's.
 */
final class PlainPhate {
  private static final int KNN = 5;
  private static final int DECAY = 40;
  private static final double THRESHOLD = 1e-4;
  private static final double FLOOR = 1e-7;
  private static final double ENOUGH = 1e-6;

  private PlainPhate() {}

  /**
   * @param points in the plane
   * @param stress root of the ratio of squared errors of distances to squared distances
   */
  record Found(double[][] points, double stress) {}

  /**
   * @param t steps of the walk, of which the decomposition would tell
   */
  static Found of(double[][] distances, int t, Workspace ws) {
    try (Matrix p = operator(distances);
        Svd spectrum = Svd.of(p, ws);
        Matrix power = power(p, t, ws)) {
      double[][] u = power.toArray();
      for (double[] row : u) {
        Arrays.setAll(row, j -> -Math.log(row[j] + FLOOR));
      }
      double[][] apart = between(u);
      double[][] points = classical(apart, ws);
      double stress = stress(points, apart);
      while (spectrum.singularValues().length > 0) {
        points = moved(points, apart);
        double now = stress(points, apart);
        if (stress - now <= ENOUGH * stress) {
          break;
        }
        stress = now;
      }
      double[][] origin = new double[points.length][2];
      return new Found(points, Math.sqrt(stress / stress(origin, apart)));
    }
  }

  private static Matrix operator(double[][] distances) {
    int n = distances.length;
    double[][] k = new double[n][n];
    double[] scale = new double[n];
    for (int i = 0; i < n; i++) {
      double[] sorted = distances[i].clone();
      Arrays.sort(sorted);
      scale[i] = sorted[KNN];
    }
    for (int i = 0; i < n; i++) {
      for (int j = 0; j < n; j++) {
        double affinity = Math.exp(-Math.pow(distances[i][j] / scale[i], DECAY));
        double half = affinity < THRESHOLD ? 0 : affinity / 2;
        k[i][j] += half;
        k[j][i] += half;
      }
    }
    for (double[] row : k) {
      double sum = Arrays.stream(row).sum();
      Arrays.setAll(row, j -> row[j] / sum);
    }
    return Matrix.of(k);
  }

  private static Matrix power(Matrix p, int t, Workspace ws) {
    Matrix power = p.copy();
    for (int step = 1; step < t; step++) {
      try (Matrix before = power) {
        power = LinAlg.multiply(before, p, ws);
      }
    }
    return power;
  }

  static double[][] between(double[][] x) {
    double[][] d = new double[x.length][x.length];
    for (int i = 0; i < x.length; i++) {
      for (int j = 0; j < x.length; j++) {
        double sum = 0;
        for (int k = 0; k < x[i].length; k++) {
          sum += (x[i][k] - x[j][k]) * (x[i][k] - x[j][k]);
        }
        d[i][j] = Math.sqrt(sum);
      }
    }
    return d;
  }

  private static double[][] classical(double[][] apart, Workspace ws) {
    int n = apart.length;
    double[][] b = new double[n][n];
    double[] means = new double[n];
    double all = 0;
    for (int i = 0; i < n; i++) {
      for (double each : apart[i]) {
        means[i] += each * each / n;
      }
      all += means[i] / n;
    }
    for (int i = 0; i < n; i++) {
      for (int j = 0; j < n; j++) {
        b[i][j] = -0.5 * (apart[i][j] * apart[i][j] - means[i] - means[j] + all);
      }
    }
    double[][] points = new double[n][2];
    try (Matrix matrix = Matrix.of(b);
        SymmetricEigen eigen = LinAlg.symmetricEigen(matrix, ws)) {
      for (int k = 0; k < 2; k++) {
        double root = Math.sqrt(eigen.values()[n - 1 - k]);
        double[] vector = eigen.vectors().row(n - 1L - k);
        for (int i = 0; i < n; i++) {
          points[i][k] = root * vector[i];
        }
      }
    }
    return points;
  }

  private static double[][] moved(double[][] points, double[][] apart) {
    int n = points.length;
    double[][] next = new double[n][2];
    double[][] far = between(points);
    for (int i = 0; i < n; i++) {
      double own = 0;
      for (int j = 0; j < n; j++) {
        double b = far[i][j] > 0 ? apart[i][j] / far[i][j] : 0;
        own += b;
        next[i][0] -= b * points[j][0];
        next[i][1] -= b * points[j][1];
      }
      next[i][0] = (next[i][0] + own * points[i][0]) / n;
      next[i][1] = (next[i][1] + own * points[i][1]) / n;
    }
    return next;
  }

  static double stress(double[][] points, double[][] apart) {
    double[][] far = between(points);
    double sum = 0;
    for (int i = 0; i < far.length; i++) {
      for (int j = 0; j < i; j++) {
        sum += (far[i][j] - apart[i][j]) * (far[i][j] - apart[i][j]);
      }
    }
    return sum;
  }
}
