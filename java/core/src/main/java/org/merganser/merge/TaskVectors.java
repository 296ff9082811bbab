// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import org.merganser.internal.kernel.Block;
import org.merganser.internal.kernel.Kernels;
import org.merganser.internal.kernel.MergeKernels.Mix;
import org.merganser.internal.kernel.MergeKernels.Task;
import org.merganser.merge.Merger.Needs;
import org.merganser.merge.TensorMerger.TileFunction;

/** Differences of models to their base, made into one. */
final class TaskVectors {
  /** A base, and as many models as the kernel takes. */
  static final Needs NEEDS = new Needs(false, true, 1, 32);

  private TaskVectors() {}

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
}
