// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.geometry;

import org.merganser.compute.Workspace;
import org.merganser.linalg.Gram;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;

/**
 * What is compared of random walks that begin at two points: {@code -ln(P^t + 1e-7)} for gamma = 1,
 * P^t for -1, else {@code (P^t)^c / c} with {@code c = (1 - gamma) / 2}.
 */
final class Potential {
  private static final double FLOOR = 1e-7;

  /** Between this and 1 all potentials are nearly equal. */
  private static final double STEEPEST = 0.99;

  /** Errors of a product, of two roots and of their ratio. */
  private static final double ROUNDING = 8 * Math.ulp(1.0);

  private Potential() {}

  /** The gamma that is computed where one is asked for. */
  static double taken(double gamma) {
    return gamma < 1 && gamma > STEEPEST ? STEEPEST : gamma;
  }

  /** In place. */
  static Matrix of(Matrix power, double gamma, Workspace ws) {
    double steep = taken(gamma);
    if (steep != -1) {
      Rows.each(
          Math.toIntExact(power.rows()),
          ws,
          (from, to) -> {
            for (int i = from; i < to; i++) {
              double[] row = power.row(i);
              map(row, steep);
              power.setRow(i, row);
            }
          });
    }
    return power;
  }

  private static void map(double[] row, double gamma) {
    double c = (1 - gamma) / 2;
    for (int j = 0; j < row.length; j++) {
      row[j] =
          gamma == 1
              ? -StrictMath.log(row[j] + FLOOR)
              : (c == 0.5 ? Math.sqrt(row[j]) : StrictMath.pow(row[j], c)) / c;
    }
  }

  /** Of rows. A new matrix on the host. */
  static Matrix distances(Matrix potential, Phate.Metric metric, Workspace ws) {
    boolean euclidean = metric == Phate.Metric.EUCLIDEAN;
    try (Matrix found =
        euclidean
            ? Gram.squaredDistances(potential, ws)
            : LinAlg.multiplyTransposed(potential, potential, ws)) {
      Matrix distances = found.toHost(ws);
      int n = Math.toIntExact(distances.rows());
      double[] lengths = new double[n];
      for (int i = 0; i < n; i++) {
        lengths[i] = Math.sqrt(distances.get(i, i));
      }
      Rows.each(
          n,
          ws,
          (from, to) -> {
            for (int i = from; i < to; i++) {
              double[] row = distances.row(i);
              for (int j = 0; j < n; j++) {
                row[j] = euclidean ? Math.sqrt(row[j]) : cosine(row[j], lengths[i] * lengths[j]);
              }
              row[i] = 0;
              distances.setRow(i, row);
            }
          });
      return distances;
    }
  }

  /** {@code 1 - product / lengths}, in [0, 2]; 0 where it is rounding: of equal rows it is 0. */
  static double cosine(double product, double lengths) {
    double apart = 1 - product / lengths;
    return apart < ROUNDING ? 0 : Math.min(2, apart);
  }
}
