// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.geometry;

import java.util.Arrays;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.error.ShapeException;
import org.merganser.linalg.Matrix;

/**
 * The kernel of PHATE: {@code K_ij = exp(-(D_ij / e_i)^decay)} with e_i the distance of point i to
 * its knn-th neighbour, 0 below 1e-4, made symmetric by the mean of K and K^T.
 *
 * @param bandwidth e, at least the rounding unit of F64
 * @param reach of D_ij / e_i, from where on affinities are 0 whatever rounding does
 * @param duplicates pairs of points at distance 0
 */
record AlphaDecay(double[] bandwidth, double decay, double reach, long duplicates) {
  private static final double THRESHOLD = 1e-4;

  /** Of two entries that should be equal, of their sum. */
  static final double SYMMETRY = 1e-12;

  /** Refuses what is no matrix of distances of enough points. */
  static void require(Matrix distances, int knn) {
    int n = Math.toIntExact(distances.rows());
    if (distances.columns() != n) {
      throw new ShapeException("distances of points are square, not a " + distances);
    }
    if (n < knn + 2) {
      throw new IllegalArgumentException(
          "%d points have not %d neighbours each and one beyond; give %d points or a smaller knn"
              .formatted(n, knn, knn + 2));
    }
    for (int i = 0; i < n; i++) {
      double[] row = distances.row(i);
      for (int j = 0; j < n; j++) {
        double d = row[j];
        if (!(d >= 0) || Double.isInfinite(d)) {
          throw new NumericalException("the distance of points %d and %d is %s".formatted(i, j, d));
        }
        double back = j < i ? distances.get(j, i) : d;
        if (Math.abs(d - back) > SYMMETRY * (d + back)) {
          throw new NumericalException(
              "distances are not symmetric: %s of points %d and %d, %s of %d and %d"
                  .formatted(d, i, j, back, j, i));
        }
      }
      if (row[i] != 0) {
        throw new NumericalException(
            "the distance of point %d to itself is %s".formatted(i, row[i]));
      }
    }
  }

  static AlphaDecay of(Matrix distances, int knn, double decay) {
    int n = Math.toIntExact(distances.rows());
    double[] bandwidth = new double[n];
    long duplicates = 0;
    for (int i = 0; i < n; i++) {
      double[] row = distances.row(i);
      for (int j = 0; j < i; j++) {
        duplicates += row[j] == 0 ? 1 : 0;
      }
      row[i] = Double.POSITIVE_INFINITY;
      bandwidth[i] = Math.max(nearest(row, knn), Math.ulp(1.0));
    }
    double reach = StrictMath.pow(-StrictMath.log(THRESHOLD), 1 / decay) * (1 + 1e-9);
    return new AlphaDecay(bandwidth, decay, reach, duplicates);
  }

  /** The k-th smallest. */
  private static double nearest(double[] values, int k) {
    double[] smallest = new double[k];
    Arrays.fill(smallest, Double.POSITIVE_INFINITY);
    for (double value : values) {
      int place = k;
      for (; place > 0 && value < smallest[place - 1]; place--) {
        if (place < k) {
          smallest[place] = smallest[place - 1];
        }
      }
      if (place < k) {
        smallest[place] = value;
      }
    }
    return smallest[k - 1];
  }

  /** Affinities of a point, whose distances these are. */
  double[] row(int point, double... distances) {
    double[] row = distances.clone();
    for (int j = 0; j < row.length; j++) {
      row[j] =
          j == point
              ? 1
              : (affinity(distances[j], bandwidth[point]) + affinity(distances[j], bandwidth[j]))
                  / 2;
    }
    return row;
  }

  private double affinity(double distance, double scale) {
    double ratio = distance / scale;
    if (ratio > reach) {
      return 0;
    }
    double affinity = StrictMath.exp(-StrictMath.pow(ratio, decay));
    return affinity < THRESHOLD ? 0 : affinity;
  }

  /** Of the same points in another order. */
  AlphaDecay withBandwidth(double... other) {
    return new AlphaDecay(other, decay, reach, duplicates);
  }

  /** Of all points, on the host. */
  Matrix kernel(Matrix distances, Workspace ws) {
    int n = bandwidth.length;
    Matrix kernel = Matrix.allocate(n, n);
    Rows.each(
        n,
        ws,
        (from, to) -> {
          for (int i = from; i < to; i++) {
            kernel.setRow(i, row(i, distances.row(i)));
          }
        });
    return kernel;
  }
}
