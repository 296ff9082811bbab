// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import java.io.IOException;
import java.util.List;
import java.util.Optional;
import org.merganser.compute.Workspace;
import org.merganser.internal.Opened;
import org.merganser.internal.kernel.Block;
import org.merganser.internal.kernel.Kernels;
import org.merganser.internal.kernel.MergeKernels.Formula;
import org.merganser.internal.kernel.MergeKernels.FormulaSum;
import org.merganser.internal.kernel.MergeKernels.Threshold;
import org.merganser.linalg.Tensor;
import org.merganser.merge.TensorMerger.Group;
import org.merganser.merge.TensorMerger.Tile;
import org.merganser.merge.TensorMerger.TileFunction;

/** Methods whose arithmetic is a formula of the kernels. */
final class Formulas {
  private Formulas() {}

  /**
   * The parameters of a formula.
   *
   * @param each one for each model
   */
  static double[] parameters(double first, double second, double[] each) {
    double[] parameters = new double[2 + each.length];
    parameters[0] = first;
    parameters[1] = second;
    System.arraycopy(each, 0, parameters, 2, each.length);
    return parameters;
  }

  static TileFunction merge(Formula formula, double[] parameters) {
    return merge(formula, parameters, null);
  }

  /**
   * @param selected null for all
   */
  static TileFunction merge(Formula formula, double[] parameters, Threshold selected) {
    return (tile, out, ws) ->
        Kernels.of(ws)
            .merge()
            .formula(
                formula,
                out.dtype().code(),
                tile.first(),
                out.size(),
                Block.of(tile.base().orElseThrow()),
                tile.blocks(),
                parameters,
                selected,
                Block.of(out));
  }

  /** The same of arrays of a wide type, into one. */
  static TileFunction widened(Formula formula, double[] parameters) {
    TileFunction merge = merge(formula, parameters);
    return (tile, out, ws) -> {
      try (Opened opened = new Opened()) {
        List<Tensor> models =
            tile.models().stream().map(each -> opened.add(each.to(out.dtype(), ws))).toList();
        Tensor base = opened.add(tile.base().orElseThrow().to(out.dtype(), ws));
        merge.merge(new Tile(tile.first(), models, Optional.of(base)), out, ws);
      }
    };
  }

  /**
   * Over a tensor, the values of a model after those of the one before. One pass.
   *
   * @param selected null for all
   */
  static double[] sums(
      Group group, FormulaSum sum, double[] parameters, Threshold selected, Workspace ws)
      throws IOException {
    double[][] total = new double[1][];
    group.tiles(
        tile -> {
          double[] part =
              Kernels.of(ws)
                  .merge()
                  .formulaSums(
                      sum,
                      group.info().dtype().code(),
                      tile.first(),
                      tile.models().get(0).size(),
                      Block.of(tile.base().orElseThrow()),
                      tile.blocks(),
                      parameters,
                      selected);
          for (int i = 0; total[0] != null && i < part.length; i++) {
            part[i] += total[0][i];
          }
          total[0] = part;
        },
        ws);
    return total[0];
  }
}
