// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import java.io.IOException;
import org.merganser.compute.Workspace;
import org.merganser.internal.kernel.Block;
import org.merganser.internal.kernel.Kernels;
import org.merganser.internal.kernel.MergeKernels.FormulaSum;
import org.merganser.internal.kernel.MergeKernels.Threshold;
import org.merganser.linalg.Tensor;
import org.merganser.merge.TensorMerger.Group;
import org.merganser.merge.TensorMerger.TileFunction;

/**
 * Numbers, none of them negative, that a method makes of the elements of a tensor, by rank. Of
 * equal ones that of lowest index counts as larger. In memory as a whole, as F32 (F64 for F64).
 */
final class RankedElements implements AutoCloseable {
  private final Tensor values;
  private final Workspace ws;

  private RankedElements(Tensor values, Workspace ws) {
    this.values = values;
    this.ws = ws;
  }

  /**
   * @param function what makes them of tiles, into a wide type
   */
  static RankedElements of(Group group, TileFunction function, Workspace ws) throws IOException {
    long[] size = {group.info().size()};
    Tensor values = Tensor.allocate(TaskVectors.wide(group.info().dtype()), size, ws);
    try {
      group.tiles(
          tile -> {
            long end = tile.first() + tile.models().get(0).size();
            try (Tensor part = values.rows(tile.first(), end)) {
              function.merge(tile, part, ws);
            }
          },
          ws);
      return new RankedElements(values, ws);
    } catch (IOException | RuntimeException | Error e) {
      values.close();
      throw e;
    }
  }

  long size() {
    return values.size();
  }

  /** How many are above 0. */
  long positive() {
    Block[] in = {Block.of(values)};
    double[] counts =
        Kernels.of(ws)
            .merge()
            .formulaSums(
                FormulaSum.ACTIVE,
                values.dtype().code(),
                0,
                values.size(),
                null,
                in,
                new double[3],
                null);
    return (long) counts[1];
  }

  /** What selects the largest {@code rank}, from 1 to the size. */
  Threshold largest(long rank) {
    return Kernels.of(ws)
        .merge()
        .kthMagnitude(values.dtype().code(), values.size(), Block.of(values), null, rank);
  }

  /** That of an index in ascending order. */
  double ascending(long index) {
    return largest(size() - index).value();
  }

  @Override
  public void close() {
    values.close();
  }
}
