// SPDX-License-Identifier: Apache-2.0
package org.merganser.cka;

import org.merganser.compute.Workspace;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;

/**
 * {@code |X^T P Y|^2} for permutations P of the samples of Y: what {@code sum K_ij L_p(i)p(j)} is
 * with linear kernels, at n p q operations instead of n^2.
 */
final class PermutedFeatures implements AutoCloseable {
  /** Products of features run as fast as this many elements of a Gram that are looked up. */
  private static final long FASTER = 4;

  /** Permutations that go into one product, of as many numbers. */
  private static final int TOGETHER = 16;

  private static final long NUMBERS = 1 << 22;

  /** Of the side that is put in order, here. */
  private static final long MOST_NUMBERS = 1 << 27;

  /** The wider side, transposed. */
  private final Matrix fixed;

  /** The narrower side, row after row. */
  private final double[] moved;

  private final int width;

  /** Whether it is X that is moved, by the permutations of Y the other way round. */
  private final boolean inverse;

  private final Workspace ws;

  private PermutedFeatures(Matrix x, Matrix y, Workspace ws) {
    this.inverse = x.columns() < y.columns();
    Matrix narrow = inverse ? x : y;
    this.width = Math.toIntExact(narrow.columns());
    this.ws = ws;
    try (Matrix here = narrow.toHost(ws)) {
      this.moved = here.asTensor().toDoubleArray();
    }
    this.fixed = LinAlg.transpose(inverse ? y : x, ws);
  }

  static boolean pays(Matrix x, Matrix y) {
    long narrow = Math.min(x.columns(), y.columns());
    return (double) x.columns() * y.columns() <= FASTER * (double) x.rows()
        && (double) x.rows() * narrow <= MOST_NUMBERS;
  }

  /** Of centred samples. */
  static PermutedFeatures of(Matrix x, Matrix y, Workspace ws) {
    return new PermutedFeatures(x, y, ws);
  }

  /**
   * @param permutations each of all samples
   */
  double[] products(int[][] permutations) {
    double[] products = new double[permutations.length];
    int together = (int) Math.max(1, Math.min(TOGETHER, NUMBERS / moved.length));
    for (int from = 0; from < products.length; from += together) {
      ws.cancellation().check();
      int to = Math.min(from + together, products.length);
      try (Tensor ordered = ordered(permutations, from, to);
          Matrix product = LinAlg.multiply(fixed, Matrix.of(ordered), ws);
          Matrix turned = LinAlg.transpose(product, ws)) {
        double[] squares = LinAlg.rowProducts(turned, turned, ws);
        for (int k = from; k < to; k++) {
          for (int j = 0; j < width; j++) {
            products[k] += squares[(k - from) * width + j];
          }
        }
      }
    }
    return products;
  }

  /** The narrower side in several orders side by side. */
  private Tensor ordered(int[][] permutations, int from, int to) {
    int n = moved.length / width;
    int row = (to - from) * width;
    double[] values = new double[n * row];
    for (int i = 0; i < n; i++) {
      for (int k = from; k < to; k++) {
        int order = permutations[k][i];
        int source = inverse ? i : order;
        int target = inverse ? order : i;
        int at = target * row + (k - from) * width;
        System.arraycopy(moved, source * width, values, at, width);
      }
    }
    return Tensor.of(values, n, row);
  }

  @Override
  public void close() {
    fixed.close();
  }
}
