// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.internal.kernel.Block;
import org.merganser.internal.kernel.Kernels;
import org.merganser.internal.kernel.MagnitudeRanks;
import org.merganser.internal.kernel.MergeKernels.Mix;
import org.merganser.internal.kernel.MergeKernels.Task;
import org.merganser.io.TensorInfo;
import org.merganser.linalg.Tensor;
import org.merganser.merge.TensorMerger.Group;
import org.merganser.merge.TensorMerger.Statistic;
import org.merganser.merge.TensorMerger.Tile;

/** Norms of task vectors, before and after some of their elements are dropped. */
final class KeptNorms {
  /** A norm of a vector of magnitudes, tile by tile. */
  enum Norm {
    L1,
    L2,
    LINF
  }

  private static final Task[] MAGNITUDE = {Task.weighted(1), Task.weighted(-1)};
  private static final Mix ELECTED = new Mix(true, false, 1);

  /** Below it a norm says nothing, as in mergekit. */
  private static final double NO_NORM = 1e-7;

  /** Which elements of task vectors are kept. */
  @FunctionalInterface
  interface Drop {
    /** The kept elements of a difference, 0 for others, which the caller closes. */
    Tensor of(int model, Tile tile, Workspace ws);
  }

  /** A pass over the tiles of a group. */
  @FunctionalInterface
  interface Pass {
    void over(Statistic statistic, Workspace ws) throws IOException;
  }

  private final Norm norm;
  private final Drop drop;
  private final double[] before;
  private final double[] after;

  private KeptNorms(Norm norm, Drop drop, int models) {
    this.norm = norm;
    this.drop = drop;
    this.before = new double[models];
    this.after = new double[models];
  }

  /**
   * Bytes that {@link #ratios} holds at once, of tiles of a type that differences are formed in:
   * ones, a difference, what is kept of it, and two that these are made of.
   *
   * @param tile elements of a tile
   */
  static long held(TensorInfo info, long tile) {
    return 5 * TaskVectors.wide(info.dtype()).bytes(Math.min(info.size(), tile));
  }

  /**
   * What each task vector must be multiplied by to have the norm it had, 1 where either norm is
   * below 1e-7. One pass.
   *
   * @param pass of the group, over what {@code drop} needs
   */
  static double[] ratios(Group group, Pass pass, Norm norm, Drop drop, Workspace ws)
      throws IOException {
    KeptNorms norms = new KeptNorms(norm, drop, group.models());
    pass.over(tile -> norms.add(tile, ws), ws);
    double[] ratios = new double[group.models()];
    for (int k = 0; k < ratios.length; k++) {
      double all = norms.total(norms.before[k]);
      double kept = norms.total(norms.after[k]);
      ratios[k] = all < NO_NORM || kept < NO_NORM ? 1 : all / kept;
    }
    return ratios;
  }

  private double total(double sum) {
    return norm == Norm.L2 ? Math.sqrt(sum) : sum;
  }

  private void add(Tile tile, Workspace ws) {
    long n = tile.base().orElseThrow().size();
    if (n == 0) {
      return;
    }
    try (Tensor one = ones(TaskVectors.wide(tile.base().orElseThrow().dtype()), n, ws)) {
      for (int k = 0; k < before.length; k++) {
        try (Tensor all = TaskVectors.difference(tile, k, ws);
            Tensor kept = drop.of(k, tile, ws)) {
          before[k] = with(before[k], tile.first(), all, one, ws);
          after[k] = with(after[k], tile.first(), kept, one, ws);
        }
      }
    }
  }

  private static Tensor ones(DType dtype, long n, Workspace ws) {
    double[] ones = new double[Math.toIntExact(n)];
    Arrays.fill(ones, 1);
    try (Tensor wide = Tensor.of(ones, n);
        Tensor here = wide.on(ws)) {
      return here.to(dtype, ws);
    }
  }

  /** Turns the elements into magnitudes. */
  private double with(double sum, long first, Tensor vector, Tensor one, Workspace ws) {
    // Of d and -d, whose sum is 0 and so elects +, the one that is positive.
    TaskVectors.mix(first, List.of(vector, vector), MAGNITUDE, ELECTED, vector, ws);
    Kernels kernels = Kernels.of(ws);
    int dtype = vector.dtype().code();
    long n = vector.size();
    Block part = Block.of(vector);
    return switch (norm) {
      case L1 -> sum + kernels.merge().dotProducts(dtype, n, part, Block.of(one))[0];
      case L2 -> sum + kernels.merge().dotProducts(dtype, n, part, part)[0];
      case LINF -> Math.max(sum, MagnitudeRanks.of(kernels, dtype, n, part, null, 1).value());
    };
  }
}
