// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.landscape;

import java.io.IOException;
import org.merganser.analysis.geometry.GramMatrix;
import org.merganser.analysis.geometry.SampleRows;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.LinAlg.SymmetricEigen;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;

/**
 * The plane through the last sample along the two first principal components of all, and where the
 * samples are projected on it. The loss on the plane at a projection is not the loss of the sample:
 * {@code residuals} say how far they are apart.
 *
 * <pre>
 *   x_ik = &lt;theta_i - theta_last, a_k&gt;,   residual_i = |theta_i - theta_last - x_i1 a_1 - x_i2 a_2|
 * </pre>
 *
 * <p>From the products of the samples; they are read twice, some columns at a time.
 *
 * @param coordinates [N][2]
 * @param residuals distance of each sample from the plane
 * @param axes a_1 and a_2, of length 1 and orthogonal, P numbers each
 * @param explained part of the variance along each
 */
public record TrajectoryPlane(
    double[][] coordinates, double[] residuals, double[][] axes, double[] explained) {
  private static final int AXES = 2;
  private static final long BLOCK = 24L << 20;

  /**
   * @param samples 3 or more, not on one line
   * @throws NumericalException when they lie on a line or are all the same, or are not finite
   */
  public static TrajectoryPlane of(SampleRows samples, Workspace ws) throws IOException {
    if (samples.samples() < 3) {
      throw new IllegalArgumentException(
          "a plane through a trajectory needs 3 samples, not " + samples.samples());
    }
    // Centred, so that a trajectory far from 0 keeps its digits.
    try (GramMatrix gram = GramMatrix.centred(samples, DType.F64, ws)) {
      double[][] h = fromLast(gram.products());
      double[][] shares = new double[AXES][];
      double[] explained = new double[AXES];
      components(h, shares, explained, ws);
      int n = h.length;
      double[][] coordinates = new double[n][AXES];
      double[] residuals = new double[n];
      for (int i = 0; i < n; i++) {
        double left = h[i][i];
        for (int k = 0; k < AXES; k++) {
          coordinates[i][k] = Vectors.dot(h[i], shares[k]);
          left -= coordinates[i][k] * coordinates[i][k];
        }
        residuals[i] = Math.sqrt(Math.max(0, left));
      }
      return new TrajectoryPlane(coordinates, residuals, axes(samples, shares, ws), explained);
    }
  }

  /** Products of the differences from the last sample. */
  private static double[][] fromLast(Matrix products) {
    int n = Math.toIntExact(products.rows());
    double[][] h = new double[n][n];
    for (int i = 0; i < n; i++) {
      for (int j = 0; j < n; j++) {
        h[i][j] =
            products.get(i, j)
                - products.get(i, n - 1)
                - products.get(n - 1, j)
                + products.get(n - 1, n - 1);
      }
    }
    return h;
  }

  /** Shares of the samples in each axis, {@code u / sqrt(lambda)}; they sum to 0. */
  private static void components(
      double[][] h, double[][] shares, double[] explained, Workspace ws) {
    int n = h.length;
    double[] means = new double[n];
    double all = 0;
    for (int i = 0; i < n; i++) {
      for (int j = 0; j < n; j++) {
        means[i] += h[i][j] / n;
      }
      all += means[i] / n;
    }
    double total = 0;
    try (Matrix centred = Matrix.zeros(n, n)) {
      for (int i = 0; i < n; i++) {
        for (int j = 0; j < n; j++) {
          centred.set(i, j, h[i][j] - means[i] - means[j] + all);
        }
        total += centred.get(i, i);
      }
      try (SymmetricEigen eigen = LinAlg.symmetricEigen(centred, ws)) {
        for (int k = 0; k < AXES; k++) {
          double lambda = eigen.values()[n - 1 - k];
          if (!(lambda > 1e-12 * total)) {
            throw new NumericalException(
                "the samples lie on a line: variance %s along their component %d, %s of all"
                    .formatted(lambda, k + 1, total));
          }
          explained[k] = lambda / total;
          shares[k] = eigen.vectors().row(n - 1 - k);
          double sum = 0;
          for (double share : shares[k]) {
            sum += share;
          }
          // Not to lean on rounding: the vector is orthogonal to that of ones.
          double sign = shares[k][0] < sum / n ? -1 : 1;
          for (int i = 0; i < n; i++) {
            shares[k][i] = sign * (shares[k][i] - sum / n) / Math.sqrt(lambda);
          }
        }
      }
    }
  }

  private static double[][] axes(SampleRows samples, double[][] shares, Workspace ws)
      throws IOException {
    int width = Math.toIntExact(samples.width());
    int n = Math.toIntExact(samples.samples());
    double[][] axes = new double[AXES][width];
    int step = (int) Math.max(64, BLOCK / samples.dtype().bytes(n));
    for (int from = 0; from < width; from += step) {
      int to = Math.min(width, from + step);
      try (Matrix block = Matrix.of(Tensor.allocate(samples.dtype(), n, to - from))) {
        samples.read(from, to, block, ws);
        double[] last = block.row(n - 1);
        for (int i = 0; i < n; i++) {
          double[] row = block.row(i);
          for (int k = 0; k < AXES; k++) {
            for (int c = from; c < to; c++) {
              axes[k][c] += shares[k][i] * (row[c - from] - last[c - from]);
            }
          }
        }
      }
    }
    return axes;
  }
}
