// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.geometry;

import org.merganser.linalg.Matrix;

/**
 * Walks between some of many points. Point i belongs to the nearest landmark; {@code C_mj} are the
 * affinities of j to all points of landmark m. Steps go from landmarks to points and back, {@code P
 * = (D1^-1 C) (D2^-1 C^T)}, which is the walk over the kernel {@code C D2^-1 C^T}, D2 the sums of
 * the columns of C.
 *
 * @param kernel of the landmarks [M x M]
 * @param shares of the landmarks in each point [N x M], rows sum to 1
 */
record Landmarks(Matrix kernel, Matrix shares) implements AutoCloseable {

  /**
   * @param distances in an order that is random: the first points are the landmarks
   */
  static Landmarks of(Matrix distances, AlphaDecay affinities, int count) {
    int n = Math.toIntExact(distances.rows());
    double[][] c = new double[n][count];
    for (int i = 0; i < n; i++) {
      double[] row = distances.row(i);
      // A landmark is its own, also where another lies at the same place.
      int nearest = i < count ? i : 0;
      for (int m = 0; m < count; m++) {
        nearest = row[m] < row[nearest] ? m : nearest;
      }
      double[] own = affinities.row(i, row);
      for (int j = 0; j < n; j++) {
        c[j][nearest] += own[j];
      }
    }
    Matrix kernel = Diffusion.zeros(count, count);
    Matrix shares = Matrix.allocate(n, count);
    double[][] sum = new double[count][count];
    for (int j = 0; j < n; j++) {
      double all = 0;
      for (double each : c[j]) {
        all += each;
      }
      for (int a = 0; a < count; a++) {
        if (c[j][a] != 0) {
          for (int b = 0; b <= a; b++) {
            sum[a][b] += c[j][a] * c[j][b] / all;
          }
        }
      }
      for (int m = 0; m < count; m++) {
        c[j][m] /= all;
      }
      shares.setRow(j, c[j]);
    }
    for (int a = 0; a < count; a++) {
      for (int b = 0; b <= a; b++) {
        kernel.set(a, b, sum[a][b]);
        kernel.set(b, a, sum[a][b]);
      }
    }
    return new Landmarks(kernel, shares);
  }

  /** Points between those of the landmarks. */
  double[][] extend(double[][] landmarks) {
    int n = Math.toIntExact(shares.rows());
    double[][] points = new double[n][landmarks[0].length];
    for (int i = 0; i < n; i++) {
      double[] row = shares.row(i);
      for (int m = 0; m < row.length; m++) {
        for (int k = 0; k < points[i].length; k++) {
          points[i][k] += row[m] * landmarks[m][k];
        }
      }
    }
    return points;
  }

  @Override
  public void close() {
    kernel.close();
    shares.close();
  }
}
