// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.geometry;

import java.util.Arrays;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.error.ShapeException;
import org.merganser.internal.Opened;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.LinAlg.SymmetricEigen;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Svd;
import org.merganser.linalg.Tensor;

/**
 * The random walk over a symmetric kernel K of n points, {@code P = D^-1 K}, D the sums of its
 * rows. Its conjugate {@code A = D^-1/2 K D^-1/2 = V Lambda V^T} is symmetric, so that one
 * decomposition gives every power: {@code P^t = D^-1/2 V Lambda^t V^T D^1/2}.
 */
public final class Diffusion implements AutoCloseable {
  /** Of powers of eigenvalues that change nothing in F64. */
  private static final double NOTHING = 1e-18;

  /**
   * Entries of {@code P^t} below {@code (1 + t / 16)} times this are 0. Where no walk leads,
   * products of eigenvectors leave only their rounding, some 1e-17, and that of eigenvalues of 1,
   * which grows with t: it would say which of points that are equally far off is the farthest.
   */
  private static final double ROUNDING = 1e-14;

  /** Added to each share of the entropy by the authors. */
  private static final double SHARE = Math.ulp(1.0);

  private final Matrix kernel;
  private final double[] degrees;
  private final SymmetricEigen eigen;

  private Diffusion(Matrix kernel, double[] degrees, SymmetricEigen eigen) {
    this.kernel = kernel;
    this.degrees = degrees;
    this.eigen = eigen;
  }

  /**
   * @param kernel symmetric, at least 0, no row 0, on the host; not to be closed before this
   */
  static Diffusion of(Matrix kernel, Workspace ws) {
    int n = Math.toIntExact(kernel.rows());
    double[] degrees = new double[n];
    for (int i = 0; i < n; i++) {
      for (double each : kernel.row(i)) {
        degrees[i] += each;
      }
    }
    double[] roots = roots(degrees);
    try (Matrix conjugate = Matrix.allocate(n, n)) {
      rows(
          kernel,
          conjugate,
          ws,
          (i, row) -> {
            for (int j = 0; j < n; j++) {
              row[j] /= roots[i] * roots[j];
            }
          });
      return new Diffusion(kernel, degrees, LinAlg.symmetricEigen(conjugate, ws));
    }
  }

  private static double[] roots(double... values) {
    return Arrays.stream(values).map(Math::sqrt).toArray();
  }

  /** What becomes of a row. */
  private interface RowMap {
    void of(int i, double[] row);
  }

  /** Rows of one matrix, changed, to those of another or of itself. */
  private static void rows(Matrix from, Matrix to, Workspace ws, RowMap map) {
    Rows.each(
        Math.toIntExact(from.rows()),
        ws,
        (begin, end) -> {
          for (int i = begin; i < end; i++) {
            double[] row = from.row(i);
            map.of(i, row);
            to.setRow(i, row);
          }
        });
  }

  /** Refuses what is no kernel. */
  static void require(Matrix kernel) {
    if (kernel.columns() != kernel.rows() || kernel.rows() < 2) {
      throw new ShapeException("affinities of 2 points or more are square, not a " + kernel);
    }
    for (int i = 0; i < kernel.rows(); i++) {
      double[] row = kernel.row(i);
      double degree = 0;
      for (int j = 0; j < row.length; j++) {
        degree += row[j];
        if (!(row[j] >= 0) || Double.isInfinite(row[j])) {
          throw new NumericalException(
              "the affinity of points %d and %d is %s".formatted(i, j, row[j]));
        }
        double back = j < i ? kernel.get(j, i) : row[j];
        if (Math.abs(row[j] - back) > AlphaDecay.SYMMETRY * (row[j] + back)) {
          throw new NumericalException(
              "affinities are not symmetric: %s of points %d and %d, %s of %d and %d"
                  .formatted(row[j], i, j, back, j, i));
        }
      }
      if (!(degree > 0) || Double.isInfinite(degree)) {
        throw new NumericalException("point " + i + " has affinities of " + degree + " in all");
      }
    }
  }

  /** Eigenvalues of P, ascending. */
  public double[] eigenvalues() {
    return eigen.values();
  }

  /** Singular values of P, in descending order: a decomposition of its own. */
  public double[] singularValues(Workspace ws) {
    try (Matrix p = operator();
        Svd svd = Svd.of(p, ws)) {
      return svd.singularValues();
    }
  }

  /** Sums of the rows of the kernel. */
  public double[] degrees() {
    return degrees.clone();
  }

  /** P, whose rows sum to 1. A new matrix on the host. */
  public Matrix operator() {
    int n = degrees.length;
    Matrix p = Matrix.allocate(n, n);
    for (int i = 0; i < n; i++) {
      double[] row = kernel.row(i);
      for (int j = 0; j < n; j++) {
        row[j] /= degrees[i];
      }
      p.setRow(i, row);
    }
    return p;
  }

  /**
   * P^t, for t of at least 1. A new matrix on the host, entries at least 0, those that are below
   * rounding 0.
   */
  public Matrix power(int t, Workspace ws) {
    if (t < 1) {
      throw new IllegalArgumentException("t must be at least 1, not " + t);
    }
    int n = degrees.length;
    double[] values = eigen.values();
    int kept = 0;
    for (double value : values) {
      kept += weight(value, t) > NOTHING ? 1 : 0;
    }
    try (Opened opened = new Opened()) {
      Matrix left = opened.add(Matrix.allocate(kept, n));
      Matrix right = opened.add(Matrix.allocate(kept, n));
      int at = 0;
      for (int k = 0; k < n; k++) {
        if (weight(values[k], t) > NOTHING) {
          double[] v = eigen.vectors().row(k);
          left.setRow(at, v);
          Lanczos.scale(v, StrictMath.pow(values[k], t));
          right.setRow(at++, v);
        }
      }
      try (Matrix there = opened.add(left.on(ws));
          Matrix others = opened.add(right.on(ws));
          Matrix product = LinAlg.transposeMultiply(there, others, ws)) {
        Matrix power = product.toHost(ws);
        double[] roots = roots(degrees);
        double least = ROUNDING * (1 + t / 16.0);
        rows(
            power,
            power,
            ws,
            (i, row) -> {
              for (int j = 0; j < n; j++) {
                double entry = row[j] * roots[j] / roots[i];
                row[j] = entry < least ? 0 : entry;
              }
            });
        return power;
      }
    }
  }

  private static double weight(double value, int t) {
    return StrictMath.pow(Math.abs(value), t);
  }

  /** Groups of points that no walk connects. */
  public int components() {
    int n = degrees.length;
    boolean[] seen = new boolean[n];
    int[] stack = new int[n];
    int components = 0;
    for (int start = 0; start < n; start++) {
      if (!seen[start]) {
        components++;
        int size = 0;
        stack[size++] = start;
        seen[start] = true;
        while (size > 0) {
          double[] row = kernel.row(stack[--size]);
          for (int j = 0; j < n; j++) {
            if (row[j] > 0 && !seen[j]) {
              seen[j] = true;
              stack[size++] = j;
            }
          }
        }
      }
    }
    return components;
  }

  /**
   * The von Neumann entropy of each power: {@code H(t) = -sum p ln p}, {@code p = |s|^t / sum
   * |s|^t} and the rounding unit of F64, which the authors add.
   *
   * @param spectrum eigenvalues or singular values s
   * @return of exponents 1 to {@code most}
   */
  public static double[] entropy(double[] spectrum, int most) {
    double[] entropy = new double[most];
    double[] power = new double[spectrum.length];
    Arrays.fill(power, 1);
    for (int t = 0; t < most; t++) {
      double sum = 0;
      for (int k = 0; k < power.length; k++) {
        power[k] *= Math.abs(spectrum[k]);
        sum += power[k];
      }
      for (double each : power) {
        double p = each / sum + SHARE;
        entropy[t] -= p * StrictMath.log(p);
      }
    }
    return entropy;
  }

  /**
   * The index at which two straight lines, one through the values up to it and one through those
   * from it on, miss the least in sums of magnitudes. The authors take it for t, though the
   * exponent there is one more.
   */
  public static int knee(double[] values) {
    int n = values.length;
    if (n < 3) {
      throw new IllegalArgumentException("a knee needs 3 values, not " + n);
    }
    int best = 1;
    double least = Double.POSITIVE_INFINITY;
    for (int b = 1; b < n - 1; b++) {
      double error = residuals(values, 0, b) + residuals(values, b, n - 1);
      if (error < least) {
        least = error;
        best = b;
      }
    }
    return best;
  }

  /** Of the line of least squares through the values from one index to another. */
  private static double residuals(double[] values, int from, int to) {
    int n = to - from + 1;
    double x = 0;
    double y = 0;
    for (int i = from; i <= to; i++) {
      x += i;
      y += values[i];
    }
    x /= n;
    y /= n;
    double xx = 0;
    double xy = 0;
    for (int i = from; i <= to; i++) {
      xx += (i - x) * (i - x);
      xy += (i - x) * (values[i] - y);
    }
    double slope = xy / xx;
    double sum = 0;
    for (int i = from; i <= to; i++) {
      sum += Math.abs(values[i] - y - slope * (i - x));
    }
    return sum;
  }

  @Override
  public void close() {
    eigen.close();
  }

  /** Zeros of F64 on the host. */
  static Matrix zeros(int rows, int columns) {
    return Matrix.of(Tensor.zeros(DType.F64, rows, columns));
  }
}
