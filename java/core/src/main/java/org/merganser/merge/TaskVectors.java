// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.internal.Names;
import org.merganser.internal.kernel.Block;
import org.merganser.internal.kernel.Kernels;
import org.merganser.internal.kernel.MergeKernels.Mix;
import org.merganser.internal.kernel.MergeKernels.Task;
import org.merganser.io.TensorInfo;
import org.merganser.linalg.Tensor;
import org.merganser.merge.Merger.Needs;
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

  /** Refuses a density that keeps nothing of a tensor with elements. */
  static void requireKept(String id, String name, TensorInfo info, double density) {
    if (info.size() > 0 && (long) (density * info.size()) == 0) {
      throw new IllegalArgumentException(
          id
              + ": density "
              + density
              + " keeps none of the "
              + info.size()
              + " elements of "
              + Names.quote(name)
              + "; take a larger one, or 1 for that tensor");
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
}
