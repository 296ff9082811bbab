// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.recurrent;

import java.util.stream.IntStream;
import org.merganser.compute.Workspace;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Svd;
import org.merganser.linalg.Tensor;

/**
 * Eigenvalues of the covariance of states, decreasing, and its first two axes.
 *
 * @param variances of all axes
 * @param axes [H x 2], a second of 0 where H is 1
 * @param mean of the states
 */
record PrincipalComponents(double[] variances, double[][] axes, double[] mean) {

  static PrincipalComponents of(Matrix states, Workspace ws) {
    int size = Math.toIntExact(states.columns());
    int[] all = IntStream.range(0, Math.toIntExact(states.rows())).toArray();
    double[] values = states.asTensor().toDoubleArray();
    double[] mean = ClassGeometry.mean(values, size, all);
    double[] covariance = ClassGeometry.covariance(values, size, all, mean, ws);
    try (Matrix c = Matrix.of(Tensor.of(covariance, size, size));
        Svd svd = Svd.of(c, ws)) {
      double[][] axes = new double[size][2];
      for (int j = 0; j < size; j++) {
        for (int k = 0; k < Math.min(2, size); k++) {
          axes[j][k] = svd.rightTransposed().get(k, j);
        }
      }
      return new PrincipalComponents(svd.singularValues(), axes, mean);
    }
  }

  /** {@code (sum l)^2 / sum l^2}; 0 without any variance. */
  double participationRatio() {
    double sum = 0;
    double squares = 0;
    for (double variance : variances) {
      sum += variance;
      squares += variance * variance;
    }
    return ClassGeometry.ratio(sum * sum, squares);
  }

  /** The least number of axes that have a share of the variance; 0 without any. */
  int count(double share) {
    double sum = 0;
    for (double variance : variances) {
      sum += variance;
    }
    double so = 0;
    int count = 0;
    while (sum > 0 && so < share * sum && count < variances.length) {
      so += variances[count++];
    }
    return count;
  }

  /** Coordinates of the first samples on the first two axes, [n x 2]. */
  double[][] plane(Matrix states, int n) {
    double[][] points = new double[n][2];
    for (int i = 0; i < n; i++) {
      double[] state = states.row(i);
      for (int j = 0; j < state.length; j++) {
        points[i][0] += (state[j] - mean[j]) * axes[j][0];
        points[i][1] += (state[j] - mean[j]) * axes[j][1];
      }
    }
    return points;
  }

  /**
   * Turns or mirrors points of a plane so that they come as near to those before as they can: axes
   * have no direction, and of equal variances no order.
   */
  static double[][] aligned(double[][] points, double[][] before) {
    // The orthogonal R that maximises tr(R^T M), M = sum p b^T, in closed form.
    double[][] m = new double[2][2];
    for (int i = 0; i < points.length; i++) {
      for (int r = 0; r < 2; r++) {
        for (int c = 0; c < 2; c++) {
          m[r][c] += points[i][r] * before[i][c];
        }
      }
    }
    double turned = Math.hypot(m[0][0] + m[1][1], m[0][1] - m[1][0]);
    double mirrored = Math.hypot(m[0][0] - m[1][1], m[0][1] + m[1][0]);
    boolean mirror = mirrored > turned;
    double length = mirror ? mirrored : turned;
    if (length == 0) {
      return points;
    }
    double cos = (mirror ? m[0][0] - m[1][1] : m[0][0] + m[1][1]) / length;
    double sin = (mirror ? m[0][1] + m[1][0] : m[0][1] - m[1][0]) / length;
    double sign = mirror ? -1 : 1;
    double[][] moved = new double[points.length][2];
    for (int i = 0; i < points.length; i++) {
      moved[i][0] = cos * points[i][0] - sign * sin * points[i][1];
      moved[i][1] = sin * points[i][0] + sign * cos * points[i][1];
    }
    return moved;
  }
}
