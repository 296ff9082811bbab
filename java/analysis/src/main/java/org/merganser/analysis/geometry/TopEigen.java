// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.geometry;

import java.util.function.UnaryOperator;
import org.merganser.compute.Workspace;
import org.merganser.internal.Threads;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.LinAlg.SymmetricEigen;
import org.merganser.linalg.Matrix;

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

  /** Steps are a part of the size at most: beyond it all eigenvalues at once cost less. */
  private static final int MOST = 4;

  private static final int CHECKED = 20;
  private static final double ENOUGH = 1e-13;
  private static final double SLACK = 1e-10;

  /** What lies beyond the size of the matrix is 0. */
  static TopEigen of(Matrix symmetric, int count, Workspace ws) {
    int n = Math.toIntExact(symmetric.rows());
    double[] values = new double[count];
    double[][] vectors = new double[count][n];
    if (n <= SMALL || MOST * count > n || !lanczos(symmetric, values, vectors, ws)) {
      try (SymmetricEigen all = LinAlg.symmetricEigen(symmetric, ws)) {
        for (int k = 0; k < Math.min(count, n); k++) {
          values[k] = all.values()[n - 1 - k];
          vectors[k] = all.vectors().row(n - 1 - k);
        }
      }
    }
    for (double[] vector : vectors) {
      orient(vector);
    }
    return new TopEigen(values, vectors);
  }

  /** False when these are not known to be all: of a low rank, equal ones, or too many steps. */
  private static boolean lanczos(
      Matrix symmetric, double[] values, double[][] vectors, Workspace ws) {
    int n = Math.toIntExact(symmetric.rows());
    int count = values.length;
    double[][] rows = symmetric.toArray();
    try (Threads threads = new Threads(ws.threads())) {
      Lanczos process = process(v -> times(rows, v, threads), n, count, n, ws);
      if (process.left() == 0 || !converged(process, count, ws)) {
        return false;
      }
      double lowest;
      double magnitude;
      try (SymmetricEigen ritz = process.ritz(ws)) {
        int m = ritz.values().length;
        lowest = ritz.values()[0];
        magnitude = Math.max(Math.abs(lowest), Math.abs(ritz.values()[m - 1]));
        for (int k = 0; k < count; k++) {
          values[k] = ritz.values()[m - 1 - k];
          vectors[k] = combined(process, ritz.vectors().row(m - 1 - k));
        }
      }
      // Of equal eigenvalues the process sees one: whatever is left must be smaller.
      double most = most(v -> rest(times(rows, v, threads), v, values, vectors, lowest), n, ws);
      return most <= values[count - 1] + SLACK * magnitude;
    }
  }

  private static Lanczos process(
      UnaryOperator<double[]> map, int n, int count, long seed, Workspace ws) {
    return Lanczos.of(
        map,
        n,
        Math.max(n / MOST, CHECKED),
        seed,
        (so, steps) -> steps % CHECKED == 0 && steps >= count && converged(so, count, ws));
  }

  /** The largest eigenvalue; infinity where it is not found. */
  private static double most(UnaryOperator<double[]> map, int n, Workspace ws) {
    Lanczos process = process(map, n, 1, n + 1, ws);
    if (!converged(process, 1, ws)) {
      return Double.POSITIVE_INFINITY;
    }
    try (SymmetricEigen ritz = process.ritz(ws)) {
      return ritz.values()[ritz.values().length - 1];
    }
  }

  /** The map, less what has been found, which is moved to the lowest eigenvalue. */
  private static double[] rest(
      double[] mapped, double[] v, double[] values, double[][] vectors, double lowest) {
    for (int k = 0; k < values.length; k++) {
      double share = (values[k] - lowest) * Lanczos.dot(vectors[k], v);
      for (int i = 0; i < v.length; i++) {
        mapped[i] -= share * vectors[k][i];
      }
    }
    return mapped;
  }

  private static double[] combined(Lanczos process, double... share) {
    double[] vector = new double[process.basis().get(0).length];
    for (int s = 0; s < share.length; s++) {
      double[] q = process.basis().get(s);
      for (int i = 0; i < vector.length; i++) {
        vector[i] += share[s] * q[i];
      }
    }
    return vector;
  }

  /** What is left of the next vector, as the last component of each Ritz vector has it. */
  private static boolean converged(Lanczos process, int count, Workspace ws) {
    try (SymmetricEigen ritz = process.ritz(ws)) {
      int m = ritz.values().length;
      double largest = Math.max(Math.abs(ritz.values()[0]), Math.abs(ritz.values()[m - 1]));
      for (int k = 0; k < count; k++) {
        if (k >= m
            || !(Math.abs(ritz.vectors().get(m - 1 - k, m - 1)) * process.left()
                <= ENOUGH * largest)) {
          return false;
        }
      }
      return true;
    }
  }

  private static double[] times(double[][] rows, double[] v, Threads threads) {
    double[] product = new double[v.length];
    Rows.each(
        v.length,
        threads,
        (from, to) -> {
          for (int i = from; i < to; i++) {
            product[i] = Lanczos.dot(rows[i], v);
          }
        });
    return product;
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
