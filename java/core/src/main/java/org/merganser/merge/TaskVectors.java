// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import java.util.List;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.internal.Opened;
import org.merganser.internal.kernel.Block;
import org.merganser.internal.kernel.Kernels;
import org.merganser.internal.kernel.MergeKernels.Mix;
import org.merganser.internal.kernel.MergeKernels.Task;
import org.merganser.linalg.Tensor;
import org.merganser.merge.Merger.Needs;
import org.merganser.merge.TensorMerger.Tile;
import org.merganser.merge.TensorMerger.TileFunction;

/** Differences of models to their base, made into one. */
final class TaskVectors {
  /** A base, and as many models as the kernel takes. */
  static final Needs NEEDS = needs(1);

  /** A base and one model. */
  static final Needs ONE = new Needs(false, true, 1, 1);

  private static final double[] DIFFERENCE = {1, -1};

  private TaskVectors() {}

  /** A base, at least some models, and as many as the kernel takes. */
  static Needs needs(int fewest) {
    return new Needs(false, true, fewest, 32);
  }

  /**
   * @param tasks of each model
   */
  static TileFunction merge(Task[] tasks, Mix mix) {
    return (tile, out, ws) ->
        Kernels.of(ws)
            .merge()
            .taskMerge(
                out.dtype().code(),
                tile.first(),
                out.size(),
                Block.of(tile.base().orElseThrow()),
                tile.blocks(),
                tasks,
                mix,
                Block.of(out));
  }

  /** Refuses a density that keeps nothing of what has elements. */
  static void requireKept(String id, String what, long size, double density) {
    if (size > 0 && (long) (density * size) == 0) {
      throw new IllegalArgumentException(
          id
              + ": density "
              + density
              + " keeps none of the "
              + size
              + " elements of "
              + what
              + "; take a larger one, or 1 for "
              + (what.startsWith("'") ? "that tensor" : "all"));
    }
  }

  /** The type in which differences are formed. */
  static DType wide(DType dtype) {
    return dtype == DType.F64 ? DType.F64 : DType.F32;
  }

  /** {@code out = model - base}, all of a wide type, rounded once as in the kernel. */
  static void difference(Tensor model, Tensor base, Tensor out, Workspace ws) {
    Block[] both = {Block.of(model), Block.of(base)};
    Kernels.of(ws)
        .merge()
        .weightedSum(out.dtype().code(), out.size(), both, DIFFERENCE, Block.of(out));
  }

  /**
   * The difference of a part of a model to the base's, in their wide type; the caller closes it.
   */
  static Tensor difference(Tile tile, int model, Workspace ws) {
    Tensor part = tile.models().get(model);
    Tensor origin = tile.base().orElseThrow();
    try (Opened opened = new Opened();
        Tensor base = origin.to(wide(origin.dtype()), ws)) {
      Tensor delta = opened.add(part.to(base.dtype(), ws));
      difference(delta, base, delta, ws);
      opened.release();
      return delta;
    }
  }

  /** What is kept of vectors by some tasks, summed: {@code out = lambda mix(tasks of in)}. */
  static void mix(long first, List<Tensor> in, Task[] tasks, Mix mix, Tensor out, Workspace ws) {
    try (Tensor zeros = Tensor.zeros(out.dtype(), out.shape());
        Tensor zero = zeros.on(ws)) {
      // An element less 0 is itself, and one added to 0: no rounding.
      Block[] blocks = in.stream().map(Block::of).toArray(Block[]::new);
      Kernels.of(ws)
          .merge()
          .taskMerge(
              out.dtype().code(),
              first,
              out.size(),
              Block.of(zero),
              blocks,
              tasks,
              mix,
              Block.of(out));
    }
  }

  /** {@code out = base + lambda mix(tasks of in)}, of differences that were formed before. */
  static void merge(Tile tile, List<Tensor> in, Task[] tasks, Mix mix, Tensor out, Workspace ws) {
    DType wide = wide(out.dtype());
    try (Opened opened = new Opened()) {
      Tensor base = opened.add(tile.base().orElseThrow().to(wide, ws));
      Tensor mixed = opened.add(Tensor.allocate(wide, out.shape(), ws));
      mix(tile.first(), in, tasks, mix, mixed, ws);
      Block[] both = {Block.of(base), Block.of(mixed)};
      Kernels.of(ws)
          .merge()
          .weightedSum(wide.code(), out.size(), both, new double[] {1, 1}, Block.of(mixed));
      out.convertFrom(mixed, ws);
    }
  }
}
