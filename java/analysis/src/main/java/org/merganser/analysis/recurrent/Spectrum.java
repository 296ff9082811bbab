// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.recurrent;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;
import org.merganser.compute.Workspace;
import org.merganser.error.ShapeException;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;

/**
 * Eigenvalues of a square matrix by decreasing modulus; of a conjugate pair the one with the
 * positive imaginary part first.
 */
public final class Spectrum {
  /** Matrices that are decomposed by one call. */
  private static final int AT_ONCE = 32;

  private final double[] real;
  private final double[] imaginary;

  private Spectrum(double[] real, double[] imaginary) {
    this.real = real;
    this.imaginary = imaginary;
  }

  /** Of one matrix on the host. */
  public static Spectrum of(Matrix a, Workspace ws) {
    return of(List.of(a.asTensor().toDoubleArray()), Math.toIntExact(a.rows()), ws).get(0);
  }

  /**
   * Of several, at the same time.
   *
   * @param matrices [n x n] each, row-major
   * @throws org.merganser.error.NumericalException where one is not finite, saying where
   */
  public static List<Spectrum> of(List<double[]> matrices, int n, Workspace ws) {
    List<Spectrum> all = new ArrayList<>();
    for (int from = 0; from < matrices.size(); from += AT_ONCE) {
      List<double[]> some = matrices.subList(from, Math.min(matrices.size(), from + AT_ONCE));
      double[] stacked = new double[some.size() * n * n];
      for (int k = 0; k < some.size(); k++) {
        if (some.get(k).length != n * n) {
          throw new ShapeException(some.get(k).length + " elements are no " + n + " x " + n);
        }
        System.arraycopy(some.get(k), 0, stacked, k * n * n, n * n);
      }
      try (Matrix matrix = Matrix.of(Tensor.of(stacked, (long) some.size() * n, n));
          Matrix real = Matrix.allocate(some.size(), n);
          Matrix imaginary = Matrix.allocate(some.size(), n)) {
        LinAlg.eigenvalues(matrix, real, imaginary, ws);
        for (int k = 0; k < some.size(); k++) {
          all.add(sorted(real.row(k), imaginary.row(k)));
        }
      }
    }
    return all;
  }

  private static Spectrum sorted(double[] re, double[] im) {
    int[] order =
        IntStream.range(0, re.length)
            .boxed()
            .sorted(
                Comparator.comparingDouble((Integer i) -> -Math.hypot(re[i], im[i]))
                    .thenComparingDouble(i -> -re[i])
                    .thenComparingDouble(i -> -im[i]))
            .mapToInt(i -> i)
            .toArray();
    return new Spectrum(
        IntStream.of(order).mapToDouble(i -> re[i]).toArray(),
        IntStream.of(order).mapToDouble(i -> im[i]).toArray());
  }

  /** A copy of the real parts. */
  public double[] real() {
    return real.clone();
  }

  /** A copy of the imaginary parts. */
  public double[] imaginary() {
    return imaginary.clone();
  }

  public int size() {
    return real.length;
  }

  public double modulus(int i) {
    return Math.hypot(real[i], imaginary[i]);
  }

  /** The largest modulus. */
  public double radius() {
    return modulus(0);
  }

  /** How many have a modulus of 1 or more. */
  public int unstable() {
    return (int) IntStream.range(0, size()).filter(i -> modulus(i) >= 1).count();
  }

  /** Steps of a turn, {@code 2 pi / |arg|}: 2 for a negative number, infinite for a positive. */
  public double period(int i) {
    return 2 * Math.PI / Math.abs(Math.atan2(imaginary[i], real[i]));
  }
}
