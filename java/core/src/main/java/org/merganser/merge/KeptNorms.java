// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import java.io.IOException;
import java.util.Arrays;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.internal.Opened;
import org.merganser.internal.kernel.Block;
import org.merganser.internal.kernel.Kernels;
import org.merganser.internal.kernel.MergeKernels;
import org.merganser.internal.kernel.MergeKernels.Mix;
import org.merganser.internal.kernel.MergeKernels.Task;
import org.merganser.linalg.Tensor;
import org.merganser.merge.TensorMerger.Group;
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

  /** Below it a norm says nothing, as in mergekit. */
  private static final double NO_NORM = 1e-7;

  private final Norm norm;
  private final Task[] tasks;
  private final double[] before;
  private final double[] after;

  private KeptNorms(Norm norm, Task[] tasks) {
    this.norm = norm;
    this.tasks = tasks;
    this.before = new double[tasks.length];
    this.after = new double[tasks.length];
  }

  /**
   * What each task vector must be multiplied by to have the norm it had, 1 where either norm is
   * below 1e-7. One pass.
   *
   * @param tasks of each model, with weight and scale 1
   */
  static double[] ratios(Group group, Norm norm, Task[] tasks, Workspace ws) throws IOException {
    KeptNorms norms = new KeptNorms(norm, tasks);
    group.tiles(tile -> norms.add(tile, ws), ws);
    double[] ratios = new double[tasks.length];
    for (int k = 0; k < tasks.length; k++) {
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
    try (Opened opened = new Opened()) {
      Tensor base = opened.add(wide(tile.base().orElseThrow(), ws));
      long[] shape = {n};
      Tensor difference = opened.add(Tensor.allocate(base.dtype(), shape, ws));
      Tensor magnitude = opened.add(Tensor.allocate(base.dtype(), shape, ws));
      Tensor zero = opened.add(opened.add(Tensor.zeros(base.dtype(), shape)).on(ws));
      Tensor one = opened.add(ones(base.dtype(), n, ws));
      for (int k = 0; k < tasks.length; k++) {
        try (Tensor model = wide(tile.models().get(k), ws)) {
          TaskVectors.difference(model, base, difference, ws);
        }
        magnitude(tile.first(), difference, zero, MAGNITUDE, magnitude, ws);
        before[k] = with(before[k], magnitude, one, ws);
        magnitude(tile.first(), difference, zero, both(tasks[k]), magnitude, ws);
        after[k] = with(after[k], magnitude, one, ws);
      }
    }
  }

  /** Differences are formed in F32 or F64, as where they are merged. */
  private static Tensor wide(Tensor part, Workspace ws) {
    return part.to(TaskVectors.wide(part.dtype()), ws);
  }

  private static Tensor ones(DType dtype, long n, Workspace ws) {
    double[] ones = new double[Math.toIntExact(n)];
    Arrays.fill(ones, 1);
    try (Tensor wide = Tensor.of(ones, n);
        Tensor here = wide.on(ws)) {
      return here.to(dtype, ws);
    }
  }

  private static Task[] both(Task task) {
    return new Task[] {task.weighing(1), task.weighing(-1)};
  }

  /** Of d and -d, whose sum is 0 and so elects +, the one that is positive: |d|, or 0. */
  private static void magnitude(
      long first, Tensor d, Tensor zero, Task[] both, Tensor out, Workspace ws) {
    Block[] twice = {Block.of(d), Block.of(d)};
    Kernels.of(ws)
        .merge()
        .taskMerge(
            d.dtype().code(),
            first,
            d.size(),
            Block.of(zero),
            twice,
            both,
            new Mix(true, false, 1),
            Block.of(out));
  }

  private double with(double sum, Tensor magnitude, Tensor one, Workspace ws) {
    MergeKernels kernels = Kernels.of(ws).merge();
    int dtype = magnitude.dtype().code();
    long n = magnitude.size();
    Block part = Block.of(magnitude);
    return switch (norm) {
      case L1 -> sum + kernels.dotProducts(dtype, n, part, Block.of(one))[0];
      case L2 -> sum + kernels.dotProducts(dtype, n, part, part)[0];
      case LINF -> Math.max(sum, kernels.kthMagnitude(dtype, n, part, null, 1).value());
    };
  }
}
