// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import java.io.IOException;
import java.util.List;
import java.util.Optional;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.internal.kernel.Block;
import org.merganser.internal.kernel.Kernels;
import org.merganser.internal.kernel.MagnitudeRanks;
import org.merganser.internal.kernel.MergeKernels.Threshold;
import org.merganser.io.TensorInfo;
import org.merganser.linalg.Tensor;
import org.merganser.merge.TensorMerger.Demand;
import org.merganser.merge.TensorMerger.Group;
import org.merganser.merge.TensorMerger.Statistic;
import org.merganser.merge.TensorMerger.Tile;

/**
 * Exact ranks among the magnitudes of task vectors, of all models in the same passes over tiles:
 * two, four of F64, and a part of another where of equal magnitudes only some are kept. What is one
 * tile is read once.
 */
final class Selection implements Statistic {
  private final MagnitudeRanks ranks;
  private final long size;
  private long offset;

  private Selection(MagnitudeRanks ranks, long size) {
    this.ranks = ranks;
    this.size = size;
  }

  /**
   * What selecting takes, and the pass that merges.
   *
   * @param ranks of all models
   * @param overModel whether the tensor is a part of what is selected from
   */
  static Demand demand(TensorInfo info, int ranks, boolean overModel) {
    if (ranks == 0 || info.size() == 0) {
      return Demand.ONE_PASS;
    }
    boolean isTile = info.size() <= TensorGroup.TILE && !overModel;
    int passes = isTile ? 1 : MagnitudeRanks.passes(info.dtype() == DType.F64, info.size());
    return new Demand(1 + passes, ranks * MagnitudeRanks.BYTES);
  }

  /** Of one tensor, for each model the thresholds of its ranks. */
  static Threshold[][] of(Group group, long[][] ranks, Workspace ws) throws IOException {
    return of(List.of(group), ranks, ws);
  }

  /**
   * Of tensors one after the other, as one vector.
   *
   * @param groups all of F64, or none
   * @param ranks of each model, 1 for its largest magnitude; none where none is wanted
   */
  static Threshold[][] of(List<Group> groups, long[][] ranks, Workspace ws) throws IOException {
    boolean wide = groups.get(0).info().dtype() == DType.F64;
    long size = groups.stream().mapToLong(group -> group.info().size()).sum();
    try (MagnitudeRanks all = new MagnitudeRanks(Kernels.of(ws), wide, size, ranks)) {
      Selection selection = new Selection(all, size);
      while (all.wantsPass()) {
        selection.pass(groups, ws);
      }
      Threshold[][] found = new Threshold[ranks.length][];
      for (int k = 0; k < ranks.length; k++) {
        found[k] = all.of(k);
      }
      return found;
    }
  }

  /** Of vectors in memory, all of F64 or none. */
  static Threshold[][] of(List<Tensor> models, Tensor base, long[][] ranks, Workspace ws) {
    boolean wide = base.dtype() == DType.F64;
    try (MagnitudeRanks all = new MagnitudeRanks(Kernels.of(ws), wide, base.size(), ranks)) {
      if (all.wantsPass()) {
        new Selection(all, base.size()).add(new Tile(0, models, Optional.of(base)));
      }
      Threshold[][] found = new Threshold[ranks.length][];
      for (int k = 0; k < ranks.length; k++) {
        found[k] = all.of(k);
      }
      return found;
    }
  }

  private void pass(List<Group> groups, Workspace ws) throws IOException {
    offset = 0;
    for (Group group : groups) {
      if (!enough()) {
        group.tiles(this, ws);
      }
      offset += group.info().size();
    }
    if (ranks.wantsPass()) {
      ranks.endPass();
    }
  }

  @Override
  public void add(Tile tile) {
    take(tile);
    boolean isAll = tile.base().orElseThrow().size() == size;
    while (isAll && ranks.wantsPass()) {
      ranks.endPass();
      if (ranks.wantsPass()) {
        take(tile);
      }
    }
  }

  private void take(Tile tile) {
    Tensor base = tile.base().orElseThrow();
    for (int k = 0; k < tile.models().size(); k++) {
      ranks.add(
          k,
          offset + tile.first(),
          base.dtype().code(),
          base.size(),
          Block.of(tile.models().get(k)),
          Block.of(base));
    }
  }

  @Override
  public boolean enough() {
    return ranks.hasEnough();
  }
}
