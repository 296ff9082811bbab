// SPDX-License-Identifier: Apache-2.0
package org.merganser.similarity;

import java.util.List;
import java.util.stream.IntStream;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.internal.Opened;
import org.merganser.linalg.Gram;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;

/**
 * The linear Gram matrices of layers over all samples, half of each: the upper triangle of the
 * U-centred matrix, and the squared norms of the centred samples. With both,
 *
 * <pre>
 *   n (n - 3) HSIC_u = 2 sum_{i&lt;j} U_ij V_ij
 *   (n - 1)^2 HSIC = n (n - 3) HSIC_u + n / (n - 2) sum r t - sum r sum t / ((n - 1)(n - 2))
 * </pre>
 *
 * @param triangles [layers x n (n - 1) / 2]
 * @param norms [layers x n]
 */
record GramRows(Matrix triangles, Matrix norms) implements AutoCloseable {

  static GramRows of(List<Matrix> layers, DType precision, Workspace ws) {
    long n = layers.get(0).rows();
    int count = layers.size();
    int[] diagonal = IntStream.range(0, Math.toIntExact(n)).toArray();
    try (Opened opened = new Opened()) {
      Matrix triangles = opened.add(Matrix.allocate(count, n * (n - 1) / 2, ws));
      double[][] norms = new double[count][];
      for (int l = 0; l < count; l++) {
        try (Matrix k = Gram.linear(layers.get(l), precision, ws);
            Matrix packed = Gram.packed(k, ws);
            Tensor row = triangles.asTensor().rows(l, l + 1)) {
          norms[l] = k.entries(diagonal, ws);
          row.copyFrom(packed.asTensor(), ws);
        }
      }
      opened.release();
      return new GramRows(triangles, Matrix.of(norms));
    }
  }

  /** {@code n (n - 3)} times the unbiased HSIC of each layer with each of the other. */
  double[][] unbiased(GramRows other, Workspace ws) {
    try (Matrix products = LinAlg.multiplyTransposed(triangles, other.triangles, ws);
        Matrix host = products.toHost(ws)) {
      double[][] found = host.toArray();
      for (double[] row : found) {
        for (int j = 0; j < row.length; j++) {
          row[j] *= 2;
        }
      }
      return found;
    }
  }

  /** {@code n (n - 3)} times the unbiased HSIC of each layer with itself. */
  double[] unbiased(Workspace ws) {
    double[] found = LinAlg.rowProducts(triangles, triangles, ws);
    for (int l = 0; l < found.length; l++) {
      found[l] *= 2;
    }
    return found;
  }

  @Override
  public void close() {
    triangles.close();
    norms.close();
  }
}
