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

  /** Permutations that go into one product. */
  private static final int TOGETHER = 16;

  private final Matrix x;
  private final double[] y;
  private final int width;
  private final Workspace ws;

  private PermutedFeatures(Matrix x, Matrix y, Workspace ws) {
    this.x = LinAlg.transpose(x, ws);
    this.width = Math.toIntExact(y.columns());
    this.ws = ws;
    try (Matrix here = y.toHost(ws)) {
      this.y = here.asTensor().toDoubleArray();
    }
  }

  static boolean pays(Matrix x, Matrix y) {
    return (double) x.columns() * y.columns() <= FASTER * (double) x.rows();
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
    for (int from = 0; from < products.length; from += TOGETHER) {
      ws.cancellation().check();
      int to = Math.min(from + TOGETHER, products.length);
      try (Tensor ordered = ordered(permutations, from, to);
          Matrix product = LinAlg.multiply(x, Matrix.of(ordered), ws);
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

  /** Y in several orders side by side. */
  private Tensor ordered(int[][] permutations, int from, int to) {
    int n = y.length / width;
    int row = (to - from) * width;
    double[] values = new double[n * row];
    for (int i = 0; i < n; i++) {
      for (int k = from; k < to; k++) {
        int at = i * row + (k - from) * width;
        System.arraycopy(y, permutations[k][i] * width, values, at, width);
      }
    }
    return Tensor.of(values, n, row);
  }

  @Override
  public void close() {
    x.close();
  }
}
