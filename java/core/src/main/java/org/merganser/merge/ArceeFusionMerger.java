// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import java.io.IOException;
import java.util.Arrays;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.internal.Opened;
import org.merganser.internal.kernel.Block;
import org.merganser.internal.kernel.Kernels;
import org.merganser.internal.kernel.MergeKernels.Formula;
import org.merganser.internal.kernel.MergeKernels.Threshold;
import org.merganser.io.TensorInfo;
import org.merganser.linalg.Tensor;

/**
 * The elements of a model that matter most over its base's others: with {@code p} and {@code q} the
 * softmax of a row of the model and of the base (rows of the last dimension; a vector is one), plus
 * 1e-8,
 *
 * <pre>
 *   score = |x - b| D,   D = sum over the row of p ln(p / q)
 *   theta = x   where score >= median + 1.5 (third - first quartile) of the tensor's scores, else b
 * </pre>
 *
 * <p>Quartiles are those of index {@code trunc(q (n - 1))} of the n scores in order. They are exact
 * here; mergekit draws a million elements of larger tensors, anew each time. {@code D} in F64
 * (mergekit: in F32, where rounding is a part of it for rows that hardly differ), scores in F32
 * (F64 for F64). Rows are compared in memory, one tensor at a time; then passes for the ranks.
 *
 * <p>Source: mergekit's {@code arcee_fusion}.
 */
public final class ArceeFusionMerger extends TensorMerger {
  @Override
  public String id() {
    return "arcee-fusion";
  }

  @Override
  public String summary() {
    return "a model where it matters most, by the divergence of its rows from its base's";
  }

  @Override
  public Needs needs() {
    return TaskVectors.ONE;
  }

  @Override
  protected Demand demand(TensorInfo info, int models) {
    Demand ranking = RankedElements.demand(info, 3, 1, 0);
    return new Demand(ranking.passes(), 8 * info.size() / columns(info) + ranking.held());
  }

  @Override
  protected TileFunction prepare(Group group, Workspace ws) throws IOException {
    TensorInfo info = group.info();
    if (info.size() == 0) {
      return (tile, out, w) -> {};
    }
    long cols = columns(info);
    double[] divergences = new double[Math.toIntExact(info.size() / cols)];
    group.rows(tile -> addDivergences(tile, cols, divergences, ws), ws);
    TileFunction score = (tile, out, w) -> score(tile, divergences, cols, out, w);
    double least = threshold(new RankedElements(group, score, ws));
    Threshold threshold = new Threshold(least, Long.MAX_VALUE);
    return (tile, out, w) -> merge(tile, score, threshold, out, w);
  }

  /** Elements of a row, along the last dimension. */
  private static long columns(TensorInfo info) {
    return info.rank() == 0 || info.size() == 0 ? 1 : info.dims()[info.rank() - 1];
  }

  private static void addDivergences(Tile tile, long cols, double[] all, Workspace ws) {
    Tensor model = tile.models().get(0);
    double[] part =
        Kernels.of(ws)
            .merge()
            .rowDivergences(
                model.dtype().code(),
                model.size() / cols,
                cols,
                Block.of(model),
                Block.of(tile.base().orElseThrow()));
    System.arraycopy(part, 0, all, Math.toIntExact(tile.first() / cols), part.length);
  }

  private static double threshold(RankedElements scores) throws IOException {
    long n = scores.group().info().size();
    long[] ranks = new long[3];
    for (int quartile = 1; quartile <= 3; quartile++) {
      ranks[quartile - 1] = n - (long) (.25 * quartile * (n - 1));
    }
    Threshold[] found = scores.largest(ranks);
    double threshold = found[1].value() + 1.5 * (found[2].value() - found[0].value());
    return scores.group().info().dtype() == DType.F64 ? threshold : (float) threshold;
  }

  private static void score(Tile tile, double[] divergences, long cols, Tensor out, Workspace ws) {
    int row = (int) (tile.first() / cols);
    int end = (int) ((tile.first() + out.size() - 1) / cols) + 1;
    Tensor model = tile.models().get(0);
    Kernels.of(ws)
        .merge()
        .fusionScores(
            model.dtype().code(),
            tile.first() % cols,
            out.size(),
            cols,
            Block.of(model),
            Block.of(tile.base().orElseThrow()),
            Arrays.copyOfRange(divergences, row, end),
            Block.of(out));
  }

  private static void merge(
      Tile tile, TileFunction score, Threshold threshold, Tensor out, Workspace ws) {
    DType wide = TaskVectors.wide(out.dtype());
    try (Opened opened = new Opened()) {
      Tensor scores = opened.add(Tensor.allocate(wide, out.shape(), ws));
      score.merge(tile, scores, ws);
      Tensor model = opened.add(tile.models().get(0).to(wide, ws));
      Tensor base = opened.add(tile.base().orElseThrow().to(wide, ws));
      Block[] both = {Block.of(model), Block.of(scores)};
      Kernels.of(ws)
          .merge()
          .formula(
              Formula.WHERE,
              wide.code(),
              tile.first(),
              out.size(),
              Block.of(base),
              both,
              new double[4],
              threshold,
              Block.of(model));
      out.convertFrom(model, ws);
    }
  }
}
