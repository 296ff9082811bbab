// SPDX-License-Identifier: Apache-2.0
package org.merganser.similarity;

import java.util.Arrays;
import org.merganser.compute.Workspace;
import org.merganser.internal.Opened;
import org.merganser.internal.kernel.Block;
import org.merganser.internal.kernel.MatrixBlock;
import org.merganser.linalg.Gram;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;

/**
 * One batch of one layer, less its own means, and what merging it with what came before needs.
 *
 * @param rows [m x p], F64, centred
 * @param mean of the batch
 * @param norms squared norms of the rows
 * @param shift what the mean of all moves to from that of the batch
 * @param along [m], the products of the rows with {@code shift}
 */
record CentredBatch(Matrix rows, double[] mean, double[] norms, double[] shift, double[] along)
    implements AutoCloseable {

  static CentredBatch of(Matrix x, LayerSums before, Workspace ws) {
    try (Opened opened = new Opened()) {
      Matrix rows = opened.add(Gram.centredColumns(x, ws));
      double[] mean = mean(x, rows, ws);
      double[] shift = new double[mean.length];
      double share = (double) before.samples() / (before.samples() + x.rows());
      for (int f = 0; f < mean.length; f++) {
        shift[f] = before.samples() == 0 ? 0 : share * (before.mean()[f] - mean[f]);
      }
      double[] norms = LinAlg.rowProducts(rows, rows, ws);
      double[] along = new double[norms.length];
      if (before.samples() > 0) {
        try (Matrix column = column(shift);
            Matrix products = LinAlg.multiply(rows, column, ws)) {
          along = vector(products, ws);
        }
      }
      opened.release();
      return new CentredBatch(rows, mean, norms, shift, along);
    }
  }

  long samples() {
    return rows.rows();
  }

  double sumOfNorms() {
    return Arrays.stream(norms).sum();
  }

  /** What was taken away. */
  static double[] mean(Matrix x, Matrix centred, Workspace ws) {
    double[] mean = first(x, ws);
    double[] left = first(centred, ws);
    for (int f = 0; f < mean.length; f++) {
      mean[f] -= left[f];
    }
    return mean;
  }

  private static double[] first(Matrix x, Workspace ws) {
    try (Tensor row = x.asTensor().rows(0, 1);
        Tensor host = row.toHost(ws)) {
      return host.toDoubleArray();
    }
  }

  /** A new column. */
  static Matrix column(double[] values) {
    return Matrix.of(Tensor.of(values, values.length, 1));
  }

  /** The elements, wherever they lie. */
  static double[] vector(Matrix x, Workspace ws) {
    try (Matrix host = x.toHost(ws)) {
      return host.asTensor().toDoubleArray();
    }
  }

  static MatrixBlock block(Matrix x) {
    return new MatrixBlock(x.dtype().code(), x.rows(), x.columns(), Block.of(x.asTensor()));
  }

  @Override
  public void close() {
    rows.close();
  }
}
