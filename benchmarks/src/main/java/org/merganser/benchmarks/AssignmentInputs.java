// SPDX-License-Identifier: Apache-2.0
package org.merganser.benchmarks;

import java.util.SplittableRandom;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;

/**
 * Cost matrices [n x n] in F32 that strain different phases of an assignment solver. {@code
 * benchmarks/peers/peers.py} draws the same kinds with numpy.
 */
final class AssignmentInputs {
  private static final int SAMPLES = 512;

  private AssignmentInputs() {}

  /** One input by name; {@code planted-S} and so on are negated correlations. */
  static Matrix of(String name, int n, Workspace ws) {
    SplittableRandom random = new SplittableRandom(n);
    Matrix cost =
        switch (name) {
          case "uniform" -> fill(n, (i, j) -> random.nextDouble());
          // Signal over noise 1 (the planted match is plain), 0.25 and 0.1 (it is lost in places).
          case "planted-1" -> correlation(n, SAMPLES, 1, random, ws);
          case "planted-0.25" -> correlation(n, SAMPLES, 0.25, random, ws);
          case "planted-0.1" -> correlation(n, SAMPLES, 0.1, random, ws);
          case "correlation" -> correlation(n, SAMPLES, 0, random, ws);
          case "low-rank" -> correlation(n, 16, 0.3, random, ws);
          case "ties" -> fill(n, (i, j) -> random.nextInt(10));
          case "euclidean" -> euclidean(n, random);
          case "dead-blocks" -> deadBlocks(n, random, ws);
          case "rank-one" -> rankOne(n, random);
          default -> throw new IllegalArgumentException("no input " + name);
        };
    return Matrix.of(cost.asTensor().to(DType.F32, ws));
  }

  private interface Element {
    double at(int i, int j);
  }

  private static Matrix fill(int n, Element element) {
    Matrix matrix = Matrix.allocate(n, n);
    for (int i = 0; i < n; i++) {
      for (int j = 0; j < n; j++) {
        matrix.set(i, j, element.at(i, j));
      }
    }
    return matrix;
  }

  /** Negated Pearson correlations of x with y = signal P x + noise over some samples. */
  private static Matrix correlation(
      int n, int samples, double signal, SplittableRandom random, Workspace ws) {
    double[][] x = new double[n][samples];
    double[][] y = new double[n][samples];
    int[] permutation = permutation(n, random);
    for (int i = 0; i < n; i++) {
      for (int s = 0; s < samples; s++) {
        x[i][s] = random.nextGaussian();
      }
    }
    for (int i = 0; i < n; i++) {
      for (int s = 0; s < samples; s++) {
        y[i][s] = signal * x[permutation[i]][s] + random.nextGaussian();
      }
    }
    standardise(x, -1);
    standardise(y, 1);
    try (Matrix a = Matrix.of(x);
        Matrix b = Matrix.of(y)) {
      return LinAlg.multiplyTransposed(a, b, ws);
    }
  }

  private static void standardise(double[][] rows, double norm) {
    for (double[] row : rows) {
      double mean = 0;
      for (double value : row) {
        mean += value / row.length;
      }
      double squares = 0;
      for (int s = 0; s < row.length; s++) {
        row[s] -= mean;
        squares += row[s] * row[s];
      }
      for (int s = 0; s < row.length; s++) {
        row[s] *= norm / Math.sqrt(squares);
      }
    }
  }

  private static Matrix euclidean(int n, SplittableRandom random) {
    double[] x = random.doubles(4L * n).toArray();
    return fill(n, (i, j) -> Math.hypot(x[4 * i] - x[4 * j + 2], x[4 * i + 1] - x[4 * j + 3]));
  }

  private static Matrix deadBlocks(int n, SplittableRandom random, Workspace ws) {
    Matrix cost = correlation(n, SAMPLES, 0.1, random, ws);
    int[] rows = permutation(n, random);
    int[] columns = permutation(n, random);
    for (int d = 0; d < n / 5; d++) {
      for (int k = 0; k < n; k++) {
        cost.set(rows[d], k, 0);
        cost.set(k, columns[d], 0);
      }
    }
    return cost;
  }

  private static Matrix rankOne(int n, SplittableRandom random) {
    double[] a = random.doubles(n).toArray();
    double[] b = random.doubles(n).toArray();
    return fill(n, (i, j) -> a[i] * b[j]);
  }

  private static int[] permutation(int n, SplittableRandom random) {
    int[] result = new int[n];
    for (int i = 0; i < n; i++) {
      int j = random.nextInt(i + 1);
      result[i] = result[j];
      result[j] = i;
    }
    return result;
  }
}
