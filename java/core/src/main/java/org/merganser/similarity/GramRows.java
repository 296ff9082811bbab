// SPDX-License-Identifier: Apache-2.0
package org.merganser.similarity;

import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.internal.Directions;
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
 *   K_ij = U_ij + m_i + m_j,  m_i = (sum r / (2 (n - 1)) - r_i) / (n - 2)
 * </pre>
 *
 * <p>the last since the rows of K sum to 0, so that those without the diagonal sum to {@code -r_i}.
 *
 * @param triangles [layers x n (n - 1) / 2]
 * @param norms [layers x n]
 * @param along [layers x n], the centred samples times the direction of {@link Directions#moved}
 * @param widths features of each layer
 */
record GramRows(Matrix triangles, Matrix norms, Matrix along, long[] widths)
    implements AutoCloseable {
  private static final int TOGETHER = 256;

  static GramRows of(List<Matrix> layers, DType precision, Workspace ws) {
    long n = layers.get(0).rows();
    int count = layers.size();
    int[] diagonal = IntStream.range(0, Math.toIntExact(n)).toArray();
    try (Opened opened = new Opened()) {
      Matrix triangles = opened.add(Matrix.allocate(count, n * (n - 1) / 2, ws));
      double[][] norms = new double[count][];
      double[][] along = new double[count][];
      for (int l = 0; l < count; l++) {
        try (Matrix k = Gram.linear(layers.get(l), precision, ws);
            Matrix packed = Gram.packed(k, ws);
            Tensor row = triangles.asTensor().rows(l, l + 1)) {
          norms[l] = k.entries(diagonal, ws);
          along[l] = projections(layers.get(l), ws);
          row.copyFrom(packed.asTensor(), ws);
        }
      }
      opened.release();
      long[] widths = layers.stream().mapToLong(Matrix::columns).toArray();
      return new GramRows(triangles, Matrix.of(norms), Matrix.of(along), widths);
    }
  }

  private static double[] projections(Matrix x, Workspace ws) {
    double[] v = Directions.moved(Math.toIntExact(x.columns()), ws.seed());
    try (Matrix centred = Gram.centredColumns(x, ws);
        Matrix direction = CentredBatch.column(v);
        Matrix products = LinAlg.multiply(centred, direction, ws)) {
      return CentredBatch.vector(products, ws);
    }
  }

  /** The centred Gram matrix of a layer, [n x n], new. */
  Matrix centred(int layer, Workspace ws) {
    double[] r = norms.row(layer);
    int n = r.length;
    double half = Arrays.stream(r).sum() / (2 * (n - 1.0));
    double[] m = Arrays.stream(r).map(each -> (half - each) / (n - 2)).toArray();
    try (Opened opened = new Opened();
        Tensor packed = triangles.asTensor().rows(layer, layer + 1);
        Tensor all = packed.reshape(packed.size());
        Matrix upper = Matrix.allocate(n, n, ws)) {
      for (int from = 0; from < n; from += TOGETHER) {
        ws.cancellation().check();
        int to = Math.min(n, from + TOGETHER);
        try (Tensor rows = Tensor.of(upper(all, from, to, r, m, ws), to - from, n);
            Tensor place = upper.asTensor().rows(from, to)) {
          place.copyFrom(rows, ws);
        }
      }
      try (Matrix lower = LinAlg.transpose(upper, ws)) {
        Matrix whole = opened.add(LinAlg.add(upper, lower, ws));
        // What rounding has left of the means.
        Gram.centre(whole, ws);
        opened.release();
        return whole;
      }
    }
  }

  /** Some rows of the upper triangle, with half of the diagonal. */
  private static double[] upper(
      Tensor packed, int from, int to, double[] r, double[] m, Workspace ws) {
    int n = r.length;
    double[] rows = new double[(to - from) * n];
    double[] triangle = new double[0];
    long first = begin(from, n);
    long end = begin(to, n);
    if (end > first) {
      try (Tensor part = packed.rows(first, end);
          Tensor here = part.toHost(ws)) {
        triangle = here.toDoubleArray();
      }
    }
    int next = 0;
    for (int i = from; i < to; i++) {
      int row = (i - from) * n;
      rows[row + i] = r[i] / 2;
      for (int j = i + 1; j < n; j++) {
        rows[row + j] = triangle[next++] + m[i] + m[j];
      }
    }
    return rows;
  }

  /** Where row i begins in the packed triangle. */
  private static long begin(long i, long n) {
    return i * (2 * n - i - 1) / 2;
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
    along.close();
  }
}
