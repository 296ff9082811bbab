// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.geometry;

import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.UnaryOperator;
import org.merganser.compute.Workspace;
import org.merganser.internal.Opened;
import org.merganser.internal.Seeds;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.LinAlg.SymmetricEigen;
import org.merganser.linalg.Matrix;

/**
 * The Lanczos process of a symmetric map A of n numbers, which is only applied: an orthonormal
 * basis Q of what {@code v, A v, A^2 v, ...} span, in which A is tridiagonal. Every vector is made
 * orthogonal to all before, twice, so that eigenvalues are not found again.
 *
 * @param basis Q, a vector each
 * @param diagonal of the tridiagonal matrix
 * @param beside it, one less
 * @param left length of what the next vector would have been: 0 where the basis spans all that A
 *     reaches
 */
public record Lanczos(List<double[]> basis, double[] diagonal, double[] beside, double left) {

  /**
   * @param steps vectors of the basis at most
   * @param seed of the first vector, which is random
   */
  public static Lanczos of(UnaryOperator<double[]> map, int n, int steps, long seed) {
    return of(map, n, steps, seed, (process, next) -> false);
  }

  /** Says after a step whether that is enough. */
  @FunctionalInterface
  public interface Enough {
    /**
     * @param process so far
     * @param steps vectors of its basis
     */
    boolean test(Lanczos process, int steps);
  }

  /** The same, ended before that where it is enough. */
  public static Lanczos of(
      UnaryOperator<double[]> map, int n, int steps, long seed, Enough enough) {
    if (n < 1 || steps < 1) {
      throw new IllegalArgumentException("a map of " + n + " numbers, " + steps + " steps");
    }
    SplittableRandom random = Seeds.stream(seed, "lanczos");
    double[] v = new double[n];
    for (int i = 0; i < n; i++) {
      v[i] = random.nextGaussian();
    }
    scale(v, 1 / length(v));
    List<double[]> basis = new ArrayList<>();
    List<Double> diagonal = new ArrayList<>();
    List<Double> beside = new ArrayList<>();
    double largest = 0;
    while (true) {
      basis.add(v);
      double[] w = map.apply(v.clone());
      diagonal.add(dot(v, w));
      largest = Math.max(largest, length(w));
      for (int pass = 0; pass < 2; pass++) {
        for (double[] q : basis) {
          subtract(w, dot(q, w), q);
        }
      }
      double left = length(w);
      boolean ended = !(left > 1e-14 * largest);
      Lanczos process = new Lanczos(basis, array(diagonal), array(beside), ended ? 0 : left);
      if (ended || basis.size() == Math.min(steps, n) || enough.test(process, basis.size())) {
        return process;
      }
      beside.add(left);
      scale(w, 1 / left);
      v = w;
    }
  }

  /** Eigenvalues of the tridiagonal matrix, ascending, and its eigenvectors as rows. */
  public SymmetricEigen ritz(Workspace ws) {
    int m = diagonal.length;
    try (Opened opened = new Opened()) {
      Matrix t = opened.add(Matrix.zeros(m, m));
      for (int i = 0; i < m; i++) {
        t.set(i, i, diagonal[i]);
        if (i > 0) {
          t.set(i, i - 1, beside[i - 1]);
          t.set(i - 1, i, beside[i - 1]);
        }
      }
      return LinAlg.symmetricEigen(t, ws);
    }
  }

  private static double[] array(List<Double> values) {
    return values.stream().mapToDouble(each -> each).toArray();
  }

  /** In four sums: one would wait for each addition. */
  static double dot(double[] a, double[] b) {
    double s0 = 0;
    double s1 = 0;
    double s2 = 0;
    double s3 = 0;
    int i = 0;
    for (; i + 3 < a.length; i += 4) {
      s0 += a[i] * b[i];
      s1 += a[i + 1] * b[i + 1];
      s2 += a[i + 2] * b[i + 2];
      s3 += a[i + 3] * b[i + 3];
    }
    for (; i < a.length; i++) {
      s0 += a[i] * b[i];
    }
    return s0 + s1 + (s2 + s3);
  }

  static double length(double[] v) {
    return Math.sqrt(dot(v, v));
  }

  static void scale(double[] v, double factor) {
    for (int i = 0; i < v.length; i++) {
      v[i] *= factor;
    }
  }

  private static void subtract(double[] w, double factor, double[] q) {
    for (int i = 0; i < w.length; i++) {
      w[i] -= factor * q[i];
    }
  }
}
