// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import java.io.IOException;
import java.util.List;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.internal.kernel.Block;
import org.merganser.internal.kernel.Kernels;
import org.merganser.internal.kernel.MergeKernels;
import org.merganser.io.Checkpoint;
import org.merganser.io.TensorInfo;
import org.merganser.linalg.Tensor;

/**
 * How far two tensors are apart, taken as vectors a and b.
 *
 * @param distance {@code |a - b|}
 * @param lengthA {@code |a|}
 * @param lengthB {@code |b|}
 * @param cosine {@code a.b / (|a| |b|)}; NaN when one is 0
 */
public record Distances(double distance, double lengthA, double lengthB, double cosine) {
  private static final long TILE = 1 << 20;
  private static final double[] DIFFERENCE = {1, -1};

  /**
   * Reads the tensors of one name, tile by tile. Differences and sums in F64.
   *
   * @throws IncompatibleModelsException when one has none, or their shapes differ
   * @throws IllegalArgumentException when one has a type that is not computed in
   */
  public static Distances of(Checkpoint a, Checkpoint b, String name, Workspace ws)
      throws IOException {
    TensorInfo info = a.info(name);
    if (!info.shape().equals(b.info(name).shape())) {
      throw new IncompatibleModelsException(
          "tensors cannot be compared", List.of(name + " is " + info + " and " + b.info(name)));
    }
    Checkpoint wideA = a.where(name::equals).as(DType.F64);
    Checkpoint wideB = b.where(name::equals).as(DType.F64);
    double[] sums = new double[4];
    long tile = Math.max(a.tile(name, TILE), b.tile(name, TILE));
    for (long from = 0; from < info.size(); from += tile) {
      ws.cancellation().check();
      add(wideA, wideB, name, from, Math.min(info.size(), from + tile), sums, ws);
    }
    double lengthA = Math.sqrt(sums[1]);
    double lengthB = Math.sqrt(sums[2]);
    return new Distances(
        Math.sqrt(sums[3]),
        lengthA,
        lengthB,
        Math.max(-1, Math.min(1, sums[0] / lengthA / lengthB)));
  }

  /** Adds a.b, a.a, b.b and (a - b).(a - b) of a part. */
  private static void add(
      Checkpoint a, Checkpoint b, String name, long from, long to, double[] sums, Workspace ws)
      throws IOException {
    long size = to - from;
    int f64 = DType.F64.code();
    MergeKernels kernels = Kernels.of(ws).merge();
    try (Tensor x = Tensor.allocate(DType.F64, new long[] {size}, ws);
        Tensor y = Tensor.allocate(DType.F64, new long[] {size}, ws)) {
      a.readRange(name, from, to, x, ws);
      b.readRange(name, from, to, y, ws);
      double[] dots = kernels.dotProducts(f64, size, Block.of(x), Block.of(y));
      Block[] both = {Block.of(x), Block.of(y)};
      kernels.weightedSum(f64, size, both, DIFFERENCE, Block.of(x));
      sums[3] += kernels.dotProducts(f64, size, Block.of(x), Block.of(x))[1];
      for (int i = 0; i < dots.length; i++) {
        sums[i] += dots[i];
      }
    }
  }
}
