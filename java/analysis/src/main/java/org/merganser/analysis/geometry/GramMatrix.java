// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.geometry;

import java.io.IOException;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.error.ShapeException;
import org.merganser.internal.Opened;
import org.merganser.internal.kernel.Block;
import org.merganser.internal.kernel.Kernels;
import org.merganser.linalg.Gram;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;

/**
 * Products of N samples of P elements, {@code G_ij = <x_i, x_j>}, [N x N] in F64, from which
 * distances and principal components follow: what is left of samples that are too large to be held.
 * They are read once, some columns at a time; memory is N^2 and a block of columns, whatever P is,
 * and work N^2 P operations.
 *
 * <p>Centred products are those of {@code x_i - mean}, {@code J G J} with {@code J = I - 1 1^T /
 * N}. Centring goes column by column, before anything is multiplied, so that the difference of two
 * samples that lie close together far from 0 keeps its digits.
 */
public final class GramMatrix implements AutoCloseable {
  /** Bytes of a block of columns. */
  private static final long BLOCK = 24L << 20;

  private final Matrix products;
  private final boolean centred;

  private GramMatrix(Matrix products, boolean centred) {
    this.products = products;
    this.centred = centred;
  }

  /**
   * Centred products.
   *
   * @param precision of products within a block: F64, or F32 for half the time and errors of 1e-5
   *     of the squared norms, which is no precision for samples that lie near each other
   * @throws NumericalException for numbers that are not finite, naming a sample
   */
  public static GramMatrix centred(SampleRows rows, DType precision, Workspace ws)
      throws IOException {
    return stream(rows, true, precision, ws);
  }

  /** Products as they are, in F64. */
  public static GramMatrix raw(SampleRows rows, Workspace ws) throws IOException {
    return stream(rows, false, DType.F64, ws);
  }

  private static GramMatrix stream(SampleRows rows, boolean centred, DType precision, Workspace ws)
      throws IOException {
    long n = rows.samples();
    if (n < 2 || rows.width() < 1) {
      throw new ShapeException(
          "products need 2 samples of 1 element or more, not %d of %d".formatted(n, rows.width()));
    }
    try (Opened opened = new Opened()) {
      Matrix sum = opened.add(Matrix.of(Tensor.allocate(DType.F64, new long[] {n, n}, ws)));
      try (Matrix zeros = Matrix.zeros(n, n)) {
        sum.asTensor().copyFrom(zeros.asTensor(), ws);
      }
      long step = Math.max(64, BLOCK / rows.dtype().bytes(n) / 64 * 64);
      for (long from = 0; from < rows.width(); from += step) {
        ws.cancellation().check();
        long to = Math.min(rows.width(), from + step);
        try (Matrix block = Matrix.of(Tensor.allocate(rows.dtype(), n, to - from))) {
          rows.read(from, to, block, ws);
          requireFinite(block, from, ws);
          add(block, centred, precision, sum, ws);
        }
        ws.progress().report("products", to, rows.width());
      }
      Matrix host = sum.toHost(ws);
      for (long i = 0; i < n; i++) {
        if (!Double.isFinite(host.get(i, i))) {
          host.close();
          throw new NumericalException("squares of sample " + i + " are beyond the range of F64");
        }
      }
      return new GramMatrix(host, centred);
    }
  }

  private static void add(
      Matrix block, boolean centred, DType precision, Matrix sum, Workspace ws) {
    try (Matrix there = block.on(ws)) {
      if (centred) {
        try (Matrix part = Gram.linear(there, precision, ws)) {
          Block[] terms = {Block.of(sum.asTensor()), Block.of(part.asTensor())};
          Kernels.of(ws)
              .merge()
              .weightedSum(
                  DType.F64.code(),
                  sum.asTensor().size(),
                  terms,
                  new double[] {1, 1},
                  Block.of(sum.asTensor()));
        }
      } else {
        try (Tensor wide = there.asTensor().to(DType.F64, ws)) {
          Matrix x = Matrix.of(wide);
          LinAlg.addProduct(1, x, x, sum, ws);
        }
      }
    }
  }

  /** Refuses a block of columns from one on with numbers that are not finite, naming the first. */
  static void requireFinite(Matrix block, long from, Workspace ws) {
    Tensor tensor = block.asTensor();
    long[] found =
        Kernels.of(ws)
            .tensors()
            .nonFinite(tensor.dtype().code(), tensor.size(), Block.of(block.asTensor()));
    if (found[0] > 0) {
      long sample = found[1] / block.columns();
      long column = found[1] % block.columns();
      throw new NumericalException(
          "sample %d: element %d is %s, and %d others in columns %d to %d are not finite"
              .formatted(
                  sample,
                  from + column,
                  block.get(sample, column),
                  found[0] - 1,
                  from,
                  from + block.columns() - 1));
    }
  }

  /** Number of samples. */
  public int samples() {
    return Math.toIntExact(products.rows());
  }

  /** Whether they are of centred samples. */
  public boolean isCentred() {
    return centred;
  }

  /** The products, on the host; closed with this. */
  public Matrix products() {
    return products;
  }

  /** {@code |x_i - x_j| = sqrt(G_ii + G_jj - 2 G_ij)}, at least 0. A new matrix on the host. */
  public Matrix euclidean() {
    int n = samples();
    Matrix distances = Matrix.zeros(n, n);
    for (int i = 0; i < n; i++) {
      for (int j = 0; j < i; j++) {
        double square = products.get(i, i) + products.get(j, j) - 2 * products.get(i, j);
        put(distances, i, j, Math.sqrt(Math.max(0, square)));
      }
    }
    return distances;
  }

  /**
   * {@code 1 - G_ij / sqrt(G_ii G_jj)}, in [0, 2]. Of centred products it is the distance that
   * PHATE takes for its cosine. A new matrix on the host.
   *
   * @throws NumericalException for a sample of length 0, which has no direction
   */
  public Matrix cosine() {
    int n = samples();
    for (int i = 0; i < n; i++) {
      if (!(products.get(i, i) > 0)) {
        throw new NumericalException(
            "sample %d %s, so it has no angle to others; take Euclidean distances"
                .formatted(i, centred ? "is the mean of all" : "is 0"));
      }
    }
    Matrix distances = Matrix.zeros(n, n);
    for (int i = 0; i < n; i++) {
      for (int j = 0; j < i; j++) {
        double cosine =
            products.get(i, j) / (Math.sqrt(products.get(i, i)) * Math.sqrt(products.get(j, j)));
        put(distances, i, j, Math.min(2, Math.max(0, 1 - cosine)));
      }
    }
    return distances;
  }

  private static void put(Matrix matrix, int i, int j, double value) {
    matrix.set(i, j, value);
    matrix.set(j, i, value);
  }

  /**
   * Principal components of the samples: {@code V_r diag(sqrt(lambda_r))} of the largest
   * eigenvalues of the centred products.
   *
   * @param count r; components beyond the rank are 0
   * @return [N][r]
   */
  public double[][] components(int count, Workspace ws) {
    if (!centred) {
      throw new IllegalStateException("components are those of centred products");
    }
    return TopEigen.of(products, count, ws).scaled();
  }

  @Override
  public void close() {
    products.close();
  }
}
