// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.geometry;

import org.merganser.compute.Workspace;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.LinAlg.SymmetricEigen;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;

/**
 * The largest eigenvalues of a symmetric matrix and their vectors, whose largest components are
 * positive.
 *
 * @param values in descending order
 * @param vectors of length 1, one each
 */
record TopEigen(double[] values, double[][] vectors) {
  /** Up to this size all are found at once. */
  private static final int SMALL = 300;

  private static final int CHECKED = 20;
  private static final double ENOUGH = 1e-13;

  /** What lies beyond the size of the matrix is 0. */
  static TopEigen of(Matrix symmetric, int count, Workspace ws) {
    int n = Math.toIntExact(symmetric.rows());
    double[] values = new double[count];
    double[][] vectors = new double[count][n];
    if (n <= SMALL || 4L * count > n) {
      try (SymmetricEigen all = LinAlg.symmetricEigen(symmetric, ws)) {
        for (int k = 0; k < Math.min(count, n); k++) {
          values[k] = all.values()[n - 1 - k];
          vectors[k] = all.vectors().row(n - 1 - k);
        }
      }
    } else {
      lanczos(symmetric, values, vectors, ws);
    }
    for (double[] vector : vectors) {
      orient(vector);
    }
    return new TopEigen(values, vectors);
  }

  private static void lanczos(Matrix symmetric, double[] values, double[][] vectors, Workspace ws) {
    int n = Math.toIntExact(symmetric.rows());
    int count = values.length;
    try (Matrix there = symmetric.on(ws)) {
      Lanczos process =
          Lanczos.of(
              v -> times(there, v, ws),
              n,
              n,
              n,
              (so, steps) ->
                  steps % CHECKED == 0 && steps > count + CHECKED && converged(so, count, ws));
      try (SymmetricEigen ritz = process.ritz(ws)) {
        int m = ritz.values().length;
        for (int k = 0; k < count; k++) {
          values[k] = ritz.values()[m - 1 - k];
          double[] share = ritz.vectors().row(m - 1 - k);
          for (int s = 0; s < m; s++) {
            double[] q = process.basis().get(s);
            for (int i = 0; i < n; i++) {
              vectors[k][i] += share[s] * q[i];
            }
          }
        }
      }
    }
  }

  /** What is left of the next vector, as the last component of each Ritz vector has it. */
  private static boolean converged(Lanczos process, int count, Workspace ws) {
    try (SymmetricEigen ritz = process.ritz(ws)) {
      int m = ritz.values().length;
      double largest = Math.max(Math.abs(ritz.values()[0]), Math.abs(ritz.values()[m - 1]));
      for (int k = 0; k < count; k++) {
        double last = ritz.vectors().get(m - 1 - k, m - 1);
        if (!(Math.abs(last) * process.left() <= ENOUGH * largest)) {
          return false;
        }
      }
      return true;
    }
  }

  private static double[] times(Matrix matrix, double[] v, Workspace ws) {
    try (Matrix row = Matrix.of(Tensor.of(v, 1, v.length));
        Matrix product = LinAlg.multiplyTransposed(row, matrix, ws);
        Matrix host = product.toHost(ws)) {
      return host.row(0);
    }
  }

  /** Of equal ones the first. */
  static void orient(double[] vector) {
    int largest = 0;
    for (int i = 1; i < vector.length; i++) {
      if (Math.abs(vector[i]) > Math.abs(vector[largest])) {
        largest = i;
      }
    }
    if (vector.length > 0 && vector[largest] < 0) {
      Lanczos.scale(vector, -1);
    }
  }

  /** Vectors times the roots of their values, where these are positive: [n][count]. */
  double[][] scaled() {
    int n = vectors.length == 0 ? 0 : vectors[0].length;
    double[][] scores = new double[n][values.length];
    for (int k = 0; k < values.length; k++) {
      double root = Math.sqrt(Math.max(0, values[k]));
      for (int i = 0; i < n; i++) {
        scores[i][k] = root * vectors[k][i];
      }
    }
    return scores;
  }
}
