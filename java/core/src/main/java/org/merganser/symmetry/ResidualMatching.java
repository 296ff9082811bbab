// SPDX-License-Identifier: Apache-2.0
package org.merganser.symmetry;

import java.util.Arrays;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Polar;

/**
 * The map R of the residual stream of the source into that of the target that maximises {@code
 * trace(R^T N)}, N = sum of {@code T^T S} over everything whose rows (once transposed, where it
 * writes) lie in the stream: an orthogonal one by the polar factor, or a signed permutation by
 * assignment.
 */
final class ResidualMatching {
  private ResidualMatching() {}

  /**
   * R, d x d on the host.
   *
   * @param means whether R must map the vector of ones to itself or its negative, since norms
   *     centre: with C = I - 1 1^T / d it is the factor of {@code C N C}, and the sign of {@code
   *     1^T N 1} on the ones
   */
  static Matrix orthogonal(Matrix n, boolean means, Workspace ws) {
    try (Matrix products = means ? withoutMeans(n) : n.copy();
        Polar polar = Polar.factorOnly(products, DType.F64, ws)) {
      return polar.factor().toHost(ws);
    }
  }

  private static Matrix withoutMeans(Matrix n) {
    int d = Math.toIntExact(n.rows());
    double[][] values = n.toArray();
    double[] rows = new double[d];
    double[] columns = new double[d];
    double all = 0;
    double square = 0;
    for (int i = 0; i < d; i++) {
      for (int j = 0; j < d; j++) {
        rows[i] += values[i][j] / d;
        columns[j] += values[i][j] / d;
        all += values[i][j] / d;
        square += values[i][j] * values[i][j];
      }
    }
    // On the ones alone any value of the sign that is wanted does; this one keeps the condition.
    double ones = Math.copySign(Math.sqrt(square / d), all);
    for (int i = 0; i < d; i++) {
      for (int j = 0; j < d; j++) {
        values[i][j] += all / d - rows[i] - columns[j] + ones / d;
      }
    }
    return Matrix.of(values);
  }

  /**
   * A signed permutation.
   *
   * @param signs of the target's features
   * @param value what it reaches
   */
  record Signed(int[] features, int[] signs, double value) {}

  /**
   * Features of the source by those of the target.
   *
   * @param n on the host
   * @param gains products of gains, which have no sign to change: [d x d], rows of the target; what
   *     is added to magnitudes; null for none
   * @param signed whether signs are free; else all are equal, since norms centre
   */
  static Signed permutation(Matrix n, Matrix gains, boolean signed, Workspace ws) {
    if (signed) {
      return permutation(n, gains, 0, ws);
    }
    Signed kept = permutation(n, gains, 1, ws);
    Signed turned = permutation(n, gains, -1, ws);
    return turned.value() > kept.value() ? turned : kept;
  }

  /**
   * @param sign of all features; 0 where each has its own
   */
  private static Signed permutation(Matrix n, Matrix gains, int sign, Workspace ws) {
    int d = Math.toIntExact(n.rows());
    double[] products = new double[d];
    double[] sums = new double[d];
    Rows rows = Rows.of(n);
    Rows others = gains == null ? null : Rows.of(gains);
    try (Matrix c = Matrix.allocate(d, d)) {
      for (int i = 0; i < d; i++) {
        rows.read(i, products);
        if (others != null) {
          others.read(i, sums);
        } else {
          Arrays.fill(sums, 0);
        }
        for (int j = 0; j < d; j++) {
          sums[j] += sign == 0 ? Math.abs(products[j]) : sign * products[j];
        }
        Rows.write(c, i, sums);
      }
      int[] features = Matchings.best(c, null, ws).assignment().columns();
      int[] signs = new int[d];
      double value = 0;
      for (int i = 0; i < d; i++) {
        double product = n.get(i, features[i]);
        signs[i] = sign == 0 ? product < 0 ? -1 : 1 : sign;
        value += signs[i] * product + (gains == null ? 0 : gains.get(i, features[i]));
      }
      return new Signed(features, signs, value);
    }
  }
}
