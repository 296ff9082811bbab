// SPDX-License-Identifier: Apache-2.0
package org.merganser.benchmarks;

import java.util.SplittableRandom;
import org.merganser.compute.Workspace;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;

/**
 * Covariances of two sets of n features: y is a mixture of x and noise, so that canonical
 * correlations spread over (0, 1).
 */
record Correlated(Matrix sxx, Matrix syy, Matrix sxy) {

  static Correlated of(int n, long seed, Workspace ws) {
    SplittableRandom random = new SplittableRandom(seed);
    long samples = 4L * n;
    Matrix x = gaussian(samples, n, random);
    try (Matrix mixing = gaussian(n, n, random);
        Matrix mixed = LinAlg.multiply(x, mixing, ws);
        Matrix y = gaussian(samples, n, random)) {
      for (long i = 0; i < samples; i++) {
        for (long j = 0; j < n; j++) {
          y.set(i, j, y.get(i, j) * Math.sqrt(n) * 0.5 + mixed.get(i, j));
        }
      }
      return new Correlated(
          covariance(x, x, samples, ws),
          covariance(y, y, samples, ws),
          covariance(x, y, samples, ws));
    } finally {
      x.close();
    }
  }

  static Matrix gaussian(long rows, long columns, SplittableRandom random) {
    Matrix matrix = Matrix.allocate(rows, columns);
    for (long i = 0; i < rows; i++) {
      for (long j = 0; j < columns; j++) {
        matrix.set(i, j, random.nextGaussian());
      }
    }
    return matrix;
  }

  /** {@code max |a - b| / max |b|}. */
  static double distance(Matrix a, Matrix b) {
    double worst = 0;
    double largest = 0;
    for (long i = 0; i < b.rows(); i++) {
      for (long j = 0; j < b.columns(); j++) {
        double off = Math.abs(a.get(i, j) - b.get(i, j));
        worst = off <= worst ? worst : off;
        largest = Math.max(largest, Math.abs(b.get(i, j)));
      }
    }
    return worst / largest;
  }

  private static Matrix covariance(Matrix a, Matrix b, long samples, Workspace ws) {
    Matrix sum = LinAlg.transposeMultiply(a, b, ws);
    for (long i = 0; i < sum.rows(); i++) {
      for (long j = 0; j < sum.columns(); j++) {
        sum.set(i, j, sum.get(i, j) / samples);
      }
    }
    return sum;
  }
}
