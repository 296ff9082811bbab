// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.geometry;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.internal.Opened;
import org.merganser.internal.kernel.Block;
import org.merganser.internal.kernel.Kernels;
import org.merganser.linalg.Gram;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;

/** The sums behind {@link GramMatrix}, block of columns after block of columns. */
final class GramProducts {
  /** Rows are multiplied in so many panels, each with the rows up to its end only. */
  private static final int PANELS = 8;

  private static final String WHAT = "products";

  private GramProducts() {}

  /** Of centred rows, [N x N] on the host. */
  static Matrix centred(SampleRows rows, DType precision, Workspace ws) throws IOException {
    int n = Math.toIntExact(rows.samples());
    SampleOrder order = SampleOrder.of(rows, ws);
    try (Matrix sum = zeros(n, n, ws)) {
      Block total = Block.of(sum.asTensor());
      ColumnBlocks.each(
          rows,
          order,
          WHAT,
          ws,
          (block, from) -> {
            try (Matrix part = Gram.linear(block, precision, ws)) {
              // A number that is not finite makes all of its column so, and these squares.
              if (!finite(part, ws)) {
                requireFinite(block, from, order.order(), ws);
              }
              Block[] terms = {total, Block.of(part.asTensor())};
              Kernels.of(ws)
                  .merge()
                  .weightedSum(DType.F64.code(), (long) n * n, terms, new double[] {1, 1}, total);
            }
          });
      try (Matrix found = sum.toHost(ws)) {
        return order.restored(found);
      }
    }
  }

  private static boolean finite(Matrix products, Workspace ws) {
    int n = Math.toIntExact(products.rows());
    for (double each : products.entries(IntStream.range(0, n).toArray(), ws)) {
      if (!Double.isFinite(each)) {
        return false;
      }
    }
    return true;
  }

  /**
   * Of rows and an origin as they are, [N x N] on the host: of each panel of rows with those up to
   * its end, since the others are the same.
   */
  static Matrix raw(SampleRows rows, double[] origin, Workspace ws) throws IOException {
    int n = Math.toIntExact(rows.samples());
    int panels = Math.min(PANELS, n);
    SampleOrder order = SampleOrder.of(rows, ws);
    try (Opened opened = new Opened()) {
      List<Matrix> sums = new ArrayList<>();
      for (int p = 0; p < panels; p++) {
        int end = end(n, panels, p);
        sums.add(opened.add(zeros(end - end(n, panels, p - 1), end, ws)));
      }
      ColumnBlocks.each(
          rows,
          order,
          WHAT,
          ws,
          (block, from) -> {
            try (Matrix x = wide(block, from, order, false, origin, ws)) {
              for (int p = 0; p < panels; p++) {
                int end = end(n, panels, p);
                try (Tensor own = x.asTensor().rows(end(n, panels, p - 1), end);
                    Tensor others = x.asTensor().rows(0, end)) {
                  LinAlg.addProduct(1, Matrix.of(own), Matrix.of(others), sums.get(p), ws);
                }
              }
            }
          });
      try (Matrix found = joined(sums, n, ws)) {
        return order.restored(found);
      }
    }
  }

  private static Matrix joined(List<Matrix> sums, int n, Workspace ws) {
    Matrix products = Matrix.allocate(n, n);
    int begin = 0;
    for (Matrix sum : sums) {
      try (Matrix panel = sum.toHost(ws)) {
        for (int i = 0; i < panel.rows(); i++) {
          for (int j = 0; j <= begin + i; j++) {
            GramMatrix.put(products, begin + i, j, panel.get(i, j));
          }
        }
        begin += Math.toIntExact(panel.rows());
      }
    }
    return products;
  }

  private static int end(int n, int panels, int panel) {
    return (int) ((panel + 1L) * n / panels);
  }

  /**
   * Of some rows with all, [k x N] on the host; centred about the mean of all or as they are.
   *
   * @param which their places in the order
   */
  static Matrix some(
      SampleRows rows,
      SampleOrder order,
      int[] which,
      boolean centred,
      double[] origin,
      Workspace ws)
      throws IOException {
    try (Matrix sum = zeros(which.length, Math.toIntExact(rows.samples()), ws)) {
      ColumnBlocks.each(
          rows,
          order,
          WHAT,
          ws,
          (block, from) -> {
            try (Matrix x = wide(block, from, order, centred, origin, ws);
                Matrix picked = Matrix.allocate(which.length, x.columns(), ws)) {
              for (int k = 0; k < which.length; k++) {
                try (Tensor row = x.asTensor().rows(which[k], which[k] + 1L);
                    Tensor place = picked.asTensor().rows(k, k + 1L)) {
                  place.copyFrom(row, ws);
                }
              }
              LinAlg.addProduct(1, picked, x, sum, ws);
            }
          });
      return sum.toHost(ws);
    }
  }

  /** In F64, centred by column, or plus the origin where there is one. */
  private static Matrix wide(
      Matrix block, long from, SampleOrder order, boolean centred, double[] origin, Workspace ws) {
    requireFinite(block, from, order.order(), ws);
    try (Opened opened = new Opened()) {
      Matrix x =
          opened.add(
              centred
                  ? Gram.centredColumns(block, ws)
                  : Matrix.of(block.asTensor().to(DType.F64, ws)));
      if (origin.length > 0) {
        shift(x, from, origin, ws);
      }
      opened.release();
      return x;
    }
  }

  private static void shift(Matrix x, long from, double[] origin, Workspace ws) {
    int columns = Math.toIntExact(x.columns());
    double[] ones = new double[Math.toIntExact(x.rows())];
    Arrays.fill(ones, 1);
    double[] part = Arrays.copyOfRange(origin, (int) from, (int) from + columns);
    try (Tensor one = Tensor.of(ones, ones.length, 1);
        Tensor own = Tensor.of(part, columns, 1)) {
      LinAlg.addProduct(1, Matrix.of(one), Matrix.of(own), x, ws);
    }
  }

  private static Matrix zeros(int rows, int columns, Workspace ws) {
    try (Matrix zeros = Matrix.zeros(rows, columns)) {
      return zeros.on(ws);
    }
  }

  /**
   * Refuses a block of columns from one on with numbers that are not finite, naming one.
   *
   * @param order of the samples in the block
   */
  static void requireFinite(Matrix block, long from, int[] order, Workspace ws) {
    Tensor tensor = block.asTensor();
    long[] found =
        Kernels.of(ws)
            .tensors()
            .nonFinite(tensor.dtype().code(), tensor.size(), Block.of(block.asTensor()));
    if (found[0] > 0) {
      long row = found[1] / block.columns();
      long column = found[1] % block.columns();
      throw new NumericalException(
          "sample %d: element %d is %s, and %d others in columns %d to %d are not finite"
              .formatted(
                  order[(int) row],
                  from + column,
                  block.get(row, column),
                  found[0] - 1,
                  from,
                  from + block.columns() - 1));
    }
  }
}
