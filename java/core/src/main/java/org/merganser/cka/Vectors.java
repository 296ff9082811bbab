// SPDX-License-Identifier: Apache-2.0
package org.merganser.cka;

import java.util.Arrays;
import org.merganser.compute.Workspace;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;

/** Products of matrices with a few vectors on the heap. */
final class Vectors {
  private Vectors() {}

  /** {@code A v}. */
  static double[] times(Matrix a, double[] v, Workspace ws) {
    return times(a, new double[][] {v}, ws)[0];
  }

  /** {@code A v} for each v, in one pass over A. */
  static double[][] times(Matrix a, double[][] vectors, Workspace ws) {
    try (Matrix rows = Matrix.of(vectors);
        Matrix products = LinAlg.multiplyTransposed(rows, a, ws);
        Matrix here = products.toHost(ws)) {
      double[] all = here.asTensor().toDoubleArray();
      int length = Math.toIntExact(a.rows());
      double[][] result = new double[vectors.length][length];
      for (int v = 0; v < result.length; v++) {
        System.arraycopy(all, v * length, result[v], 0, length);
      }
      return result;
    }
  }

  /** The sums of columns, {@code A^T 1}. */
  static double[] columnSums(Matrix a, Workspace ws) {
    double[] ones = new double[Math.toIntExact(a.rows())];
    Arrays.fill(ones, 1);
    try (Tensor column = Tensor.of(ones, 1, a.rows());
        Matrix sums = LinAlg.multiply(Matrix.of(column), a, ws);
        Matrix here = sums.toHost(ws)) {
      return here.asTensor().toDoubleArray();
    }
  }
}
