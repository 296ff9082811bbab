// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import java.io.IOException;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.internal.kernel.Block;
import org.merganser.internal.kernel.Kernels;
import org.merganser.internal.kernel.MagnitudeRanks;
import org.merganser.internal.kernel.MergeKernels.FormulaSum;
import org.merganser.internal.kernel.MergeKernels.Threshold;
import org.merganser.io.TensorInfo;
import org.merganser.linalg.Tensor;
import org.merganser.merge.TensorMerger.Demand;
import org.merganser.merge.TensorMerger.Group;
import org.merganser.merge.TensorMerger.TileFunction;

/**
 * Numbers, none of them negative, that a method makes of the elements of a tensor, by rank. Of
 * equal ones that of lowest index counts as larger. Computed anew in every pass, as F32 (F64 for
 * F64).
 */
record RankedElements(Group group, TileFunction function, Workspace ws) {
  private interface Part {
    void add(long first, Tensor values);
  }

  /**
   * What ranking takes, and the pass that merges.
   *
   * @param others passes for statistics beside it
   * @param arrays that the function makes of a tile, as wide as what it gives
   */
  static Demand demand(TensorInfo info, int ranks, int others, int arrays) {
    int passes = MagnitudeRanks.passes(info.dtype() == DType.F64, info.size());
    DType wide = TaskVectors.wide(info.dtype());
    long values = wide.bytes(Math.min(info.size(), TensorGroup.TILE));
    long held = ranks * MagnitudeRanks.BYTES + (1 + arrays) * values;
    return new Demand(1 + others + passes, held);
  }

  private void each(Part use) throws IOException {
    DType wide = TaskVectors.wide(group.info().dtype());
    group.tiles(
        tile -> {
          long[] size = {tile.models().get(0).size()};
          try (Tensor values = Tensor.allocate(wide, size, ws)) {
            function.merge(tile, values, ws);
            use.add(tile.first(), values);
          }
        },
        ws);
  }

  /** How many are above 0. One pass. */
  long positive() throws IOException {
    double[] count = new double[1];
    each(
        (first, values) -> {
          Block[] in = {Block.of(values)};
          int dtype = values.dtype().code();
          count[0] +=
              Kernels.of(ws)
                  .merge()
                  .formulaSums(
                      FormulaSum.ACTIVE, dtype, 0, values.size(), null, in, new double[3], null)[1];
        });
    return (long) count[0];
  }

  /**
   * What selects the largest ones.
   *
   * @param ranks how many, each from 1 to the size
   */
  Threshold[] largest(long... ranks) throws IOException {
    boolean wide = group.info().dtype() == DType.F64;
    long[][] one = {ranks};
    try (MagnitudeRanks all = new MagnitudeRanks(Kernels.of(ws), wide, group.info().size(), one)) {
      while (all.wantsPass()) {
        each(
            (first, values) ->
                all.add(0, first, values.dtype().code(), values.size(), Block.of(values), null));
        all.endPass();
      }
      return all.of(0);
    }
  }
}
