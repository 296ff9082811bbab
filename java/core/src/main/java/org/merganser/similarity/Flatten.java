// SPDX-License-Identifier: Apache-2.0
package org.merganser.similarity;

import java.util.Arrays;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.ShapeException;
import org.merganser.internal.Opened;
import org.merganser.internal.kernel.Block;
import org.merganser.internal.kernel.Kernels;
import org.merganser.internal.kernel.MatrixBlock;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;

/**
 * How activations with positions, [n x C x H x W] or [n x T x d], become rows of features. It
 * changes what is compared and so the number, which is why results carry it.
 */
public enum Flatten {
  /** A row for each sample with the features of all positions. */
  SAMPLE,
  /**
   * A row for each position of each sample with its features: both sides need as many positions,
   * and the rows of a sample are not independent.
   */
  SPATIAL,
  /** A row for each sample with its features averaged over positions. */
  POOL;

  /**
   * The rows, F64 where the activations are, else F32. A new matrix, or a view of {@code t}.
   *
   * @param t with samples first
   * @param featureAxis that of the features, negative from the last; axes between it and that of
   *     the samples, and behind it, are positions
   * @throws ShapeException when there is no such axis
   */
  public Matrix rows(Tensor t, int featureAxis, Workspace ws) {
    int axis = featureAxis < 0 ? t.rank() + featureAxis : featureAxis;
    if (t.rank() < 1 || t.rank() > 1 && (axis < 1 || axis >= t.rank())) {
      throw new ShapeException("activations " + t + " have no features on axis " + featureAxis);
    }
    long n = t.dim(0);
    if (t.rank() <= 2 || this == SAMPLE) {
      return Matrix.of(real(t.reshape(n, n == 0 ? 0 : t.size() / n), ws));
    }
    long before = Tensor.size(Arrays.copyOfRange(t.shape(), 1, axis));
    long after = Tensor.size(Arrays.copyOfRange(t.shape(), axis + 1, t.rank()));
    if (before > 1 && after > 1) {
      throw new ShapeException(
          "activations " + t + " have positions on both sides of the features on axis " + axis);
    }
    long features = t.dim(axis);
    try (Opened opened = new Opened()) {
      if (after == 1) {
        Tensor places = real(t.reshape(n * before, features), ws);
        return this == SPATIAL ? Matrix.of(places) : meanOfRows(opened.add(places), n, before, ws);
      }
      Tensor flat = opened.add(real(t.reshape(n, before, features, after), ws));
      return this == SPATIAL
          ? transposed(flat, n, features, after, ws)
          : meanOfColumns(flat, n, features, after, ws);
    }
  }

  private static Tensor real(Tensor t, Workspace ws) {
    return t.dtype() == DType.F64 || t.dtype() == DType.F32 ? t : t.to(DType.F32, ws);
  }

  /** Samples [features x positions], each transposed. */
  private static Matrix transposed(
      Tensor flat, long n, long features, long positions, Workspace ws) {
    try (Opened opened = new Opened()) {
      Tensor rows =
          opened.add(Tensor.allocate(flat.dtype(), new long[] {n * positions, features}, ws));
      int code = flat.dtype().code();
      for (long s = 0; s < n; s++) {
        try (Tensor from = flat.rows(s, s + 1);
            Tensor to = rows.rows(s * positions, (s + 1) * positions)) {
          Kernels.of(ws)
              .linAlg()
              .transpose(
                  new MatrixBlock(code, features, positions, Block.of(from)),
                  new MatrixBlock(code, positions, features, Block.of(to)));
        }
      }
      opened.release();
      return Matrix.of(rows);
    }
  }

  /** [n features x positions] times a column of 1 / positions. */
  private static Matrix meanOfColumns(
      Tensor flat, long n, long features, long positions, Workspace ws) {
    try (Matrix weights = mean(positions);
        Tensor wide = flat.dtype() == DType.F64 ? null : flat.to(DType.F64, ws)) {
      Tensor all = (wide == null ? flat : wide).reshape(n * features, positions);
      return Matrix.of(
          LinAlg.multiply(Matrix.of(all), weights, ws).asTensor().reshape(n, features));
    }
  }

  /** For each sample, a row of 1 / positions times [positions x features]. */
  private static Matrix meanOfRows(Tensor rows, long n, long positions, Workspace ws) {
    long features = rows.dim(1);
    try (Opened opened = new Opened();
        Matrix weights = mean(positions);
        Tensor wide = rows.dtype() == DType.F64 ? null : rows.to(DType.F64, ws)) {
      Tensor all = wide == null ? rows : wide;
      Tensor means = opened.add(Tensor.allocate(DType.F64, new long[] {n, features}, ws));
      int code = DType.F64.code();
      for (long s = 0; s < n; s++) {
        try (Tensor from = all.rows(s * positions, (s + 1) * positions);
            Tensor to = means.rows(s, s + 1)) {
          Kernels.of(ws)
              .linAlg()
              .gemm(
                  1,
                  new MatrixBlock(code, positions, 1, Block.of(weights.asTensor())),
                  true,
                  new MatrixBlock(code, positions, features, Block.of(from)),
                  false,
                  0,
                  new MatrixBlock(code, 1, features, Block.of(to)));
        }
      }
      opened.release();
      return Matrix.of(means);
    }
  }

  private static Matrix mean(long positions) {
    double[] weights = new double[Math.toIntExact(positions)];
    Arrays.fill(weights, 1.0 / positions);
    return Matrix.of(Tensor.of(weights, positions, 1));
  }
}
