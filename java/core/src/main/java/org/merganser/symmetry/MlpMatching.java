// SPDX-License-Identifier: Apache-2.0
package org.merganser.symmetry;

import org.merganser.compute.Workspace;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;

/**
 * Which hidden unit of the source becomes which of the target. With the rows of the gate, the rows
 * of the up projection and the columns of the down projection
 *
 * <pre>
 * X = Gt Gs^T      Y = Ut Us^T + Dt Ds^T      C = X + |Y| or X + Y
 * </pre>
 *
 * <p>and the assignment that maximises the sum of C is the nearest permutation; the sign of a unit,
 * where it is free, is that of Y. The similarities are formed in the type of the weights, stripe by
 * stripe, so that one m x m matrix is all that is held.
 */
final class MlpMatching {
  /** Rows of C at once. */
  private static final int STRIPE = 512;

  /**
   * What was found.
   *
   * @param units of the source, for each of the target
   * @param duals to start a similar problem from
   * @param ties units of the target that fit another unit of the source just as well
   */
  record Found(int[] units, double[] duals, int ties) {}

  private MlpMatching() {}

  /**
   * @param gate the target's and the source's [m x d]; null without a gate
   * @param up likewise
   * @param down likewise, transposed
   * @param signed whether a unit may change its sign
   * @param start duals; null for none
   */
  static Found match(
      Matrix[] gate, Matrix[] up, Matrix[] down, boolean signed, double[] start, Workspace ws) {
    long m = up[0].rows();
    try (Matrix c = zeros(up[0], m, m);
        Matrix y = signed ? zeros(up[0], Math.min(m, STRIPE), m) : zeros(up[0], 0, m)) {
      for (long from = 0; from < m; from += STRIPE) {
        long to = Math.min(m, from + STRIPE);
        try (Matrix stripe = rows(c, from, to);
            Matrix part = signed ? rows(y, 0, to - from) : rows(c, from, to)) {
          if (gate != null) {
            add(gate, from, to, stripe, ws);
          }
          if (signed) {
            clear(part);
          }
          add(up, from, to, part, ws);
          add(down, from, to, part, ws);
          if (signed) {
            addMagnitudes(part, stripe);
          }
        }
      }
      return solve(c, start, ws);
    }
  }

  /** Of similarities on the host, whose diagonal is raised. */
  static Found solve(Matrix c, double[] start, Workspace ws) {
    Matchings.Found best = Matchings.best(c, start, ws);
    int[] units = best.assignment().columns();
    return new Found(units, best.assignment().v(), ties(c, units, 2 * best.raised()));
  }

  private static int ties(Matrix c, int[] units, double raised) {
    Rows rows = Rows.of(c);
    double[] row = new double[rows.width()];
    int ties = 0;
    for (int i = 0; i < units.length; i++) {
      rows.read(i, row);
      double slack = 1e-6 * Math.abs(row[units[i]]) + raised;
      boolean tie = false;
      for (int j = 0; j < row.length && !tie; j++) {
        tie = j != units[i] && Math.abs(row[j] - row[units[i]]) <= slack;
      }
      ties += tie ? 1 : 0;
    }
    return ties;
  }

  private static void add(Matrix[] pair, long from, long to, Matrix into, Workspace ws) {
    try (Matrix target = rows(pair[0], from, to)) {
      LinAlg.addProduct(1, target, pair[1], into, ws);
    }
  }

  private static void addMagnitudes(Matrix y, Matrix c) {
    Rows magnitudes = Rows.of(y);
    Rows sums = Rows.of(c);
    double[] a = new double[sums.width()];
    double[] b = new double[sums.width()];
    for (int i = 0; i < sums.count(); i++) {
      magnitudes.read(i, a);
      sums.read(i, b);
      for (int j = 0; j < b.length; j++) {
        b[j] += Math.abs(a[j]);
      }
      Rows.write(c, i, b);
    }
  }

  private static void clear(Matrix matrix) {
    matrix.asTensor().memory().clear();
  }

  private static Matrix rows(Matrix matrix, long from, long to) {
    return Matrix.of(matrix.asTensor().rows(from, to));
  }

  private static Matrix zeros(Matrix like, long rows, long columns) {
    return Matrix.of(Tensor.zeros(like.dtype(), rows, columns));
  }
}
