// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import java.io.IOException;
import java.util.List;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.internal.Opened;
import org.merganser.internal.kernel.Block;
import org.merganser.internal.kernel.Kernels;
import org.merganser.internal.kernel.MergeKernels.Mix;
import org.merganser.internal.kernel.MergeKernels.Task;
import org.merganser.io.TensorInfo;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;
import org.merganser.method.Setting;
import org.merganser.method.Settings;

/**
 * Two models interpolated along the arc between their vectors a and c, at {@code t = w_2 / (w_1 +
 * w_2)}, half way where the weights cancel:
 *
 * <pre>
 *   theta = sin((1-t) w) / sin w a + sin(t w) / sin w c,   w the angle between them
 * </pre>
 *
 * <p>linearly where {@code |sin w| < 1e-8}. The vectors are tensors, or parts of them: along the
 * last dimension, or along the first. With task vectors, a and c are the differences to a base, to
 * which the result is added. They keep their lengths; a vector of 0 is at a right angle to any
 * other. Dot products in F64, sums in F32 (F64 for F64), rounded once. Two passes over whole
 * tensors, one over rows; along the first dimension the tensor is held.
 *
 * <p>{@link SlerpMerger} takes t itself, and is linear from cosines of 0.9995 on. Source:
 * mergekit's method of that name; Shoemake 1985.
 */
public final class NuSlerpMerger extends TensorMerger {
  private static final double NO_WEIGHT = 1e-6;
  private static final double NO_ANGLE = 1e-8;

  /** Settings. */
  public record Options(
      @Setting(value = "one for each model; none for equal ones", varies = true)
          List<Double> weights,
      @Setting("whether tensors are one vector each") boolean flatten,
      @Setting("whether vectors run along the first dimension, else the last, unless flattened")
          boolean rowWise,
      @Setting("whether differences to a base are interpolated") boolean taskVectors) {
    public Options {
      weights = List.copyOf(weights);
      Settings.check(Options.class, weights, flatten, rowWise, taskVectors);
    }

    /** Half way between whole tensors. */
    public static Options defaults() {
      return new Options(List.of(), true, false, false);
    }

    public Options withWeights(List<Double> values) {
      return new Options(values, flatten, rowWise, taskVectors);
    }

    public Options withFlatten(boolean value) {
      return new Options(weights, value, rowWise, taskVectors);
    }

    public Options withRowWise(boolean value) {
      return new Options(weights, flatten, value, taskVectors);
    }

    public Options withTaskVectors(boolean value) {
      return new Options(weights, flatten, rowWise, value);
    }
  }

  private final Options options;

  private NuSlerpMerger(Options options) {
    this.options = options;
  }

  public static NuSlerpMerger of(Options options) {
    return new NuSlerpMerger(options);
  }

  @Override
  public String id() {
    return "nuslerp";
  }

  @Override
  public String summary() {
    return "two models interpolated along the arc between their tensors, or rows of them";
  }

  @Override
  public Options options() {
    return options;
  }

  @Override
  public Needs needs() {
    return new Needs(false, options.taskVectors(), 2, 2);
  }

  @Override
  public List<Double> shares(int models) {
    return List.of(1 - t(), t());
  }

  @Override
  protected void check(String name, TensorInfo info, int models) {
    Weights.require("weights", options.weights(), models);
  }

  private double t() {
    double[] weights = Weights.of(options.weights(), 2, 1);
    double sum = weights[0] + weights[1];
    return Math.abs(sum) < NO_WEIGHT ? 0.5 : weights[1] / sum;
  }

  private boolean alongFirst(TensorInfo info) {
    return options.rowWise() && info.rank() > 1;
  }

  @Override
  protected Access access(TensorInfo info) {
    return options.flatten() ? Access.ELEMENTS : alongFirst(info) ? Access.WHOLE : Access.ROWS;
  }

  @Override
  protected Demand demand(TensorInfo info, int models) {
    long wide = TaskVectors.wide(info.dtype()).bits() / 8;
    return options.flatten()
        ? Demand.passes(2)
        : new Demand(1, alongFirst(info) ? 7 * wide * info.size() : 0);
  }

  @Override
  protected TileFunction prepare(Group group, Workspace ws) throws IOException {
    if (options.flatten()) {
      return function(Gram.of(group, options.taskVectors(), ws));
    }
    return alongFirst(group.info()) ? this::mergeColumns : this::mergeRows;
  }

  private TileFunction function(Gram gram) {
    double t = t();
    double angle = StrictMath.acos(gram.cosine(0, 1));
    double sine = StrictMath.sin(angle);
    boolean straight = gram.areEqual() || Math.abs(sine) < NO_ANGLE;
    double[] weights = {
      straight ? 1 - t : StrictMath.sin((1 - t) * angle) / sine,
      straight ? t : StrictMath.sin(t * angle) / sine
    };
    if (options.taskVectors()) {
      Task[] tasks = {Task.weighted(weights[0]), Task.weighted(weights[1])};
      return TaskVectors.merge(tasks, new Mix(false, false, 1));
    }
    return (tile, out, ws) ->
        Kernels.of(ws)
            .merge()
            .weightedSum(out.dtype().code(), out.size(), tile.blocks(), weights, Block.of(out));
  }

  /** Vectors along the last dimension. */
  private void mergeRows(Tile tile, Tensor out, Workspace ws) {
    if (out.size() == 0) {
      return;
    }
    long length = out.dim(out.rank() - 1);
    try (Opened opened = new Opened()) {
      Tile rows = tile.map(part -> opened.add(part.reshape(part.size() / length, length)));
      Tensor into = opened.add(out.reshape(out.size() / length, length));
      for (long row = 0; row < into.dim(0); row++) {
        mergeRow(rows, row, into, ws);
      }
    }
  }

  private void mergeRow(Tile tile, long row, Tensor out, Workspace ws) {
    try (Opened opened = new Opened()) {
      Tile one = tile.map(part -> opened.add(part.rows(row, row + 1)));
      Tensor into = opened.add(out.rows(row, row + 1));
      function(Gram.of(one.models(), one.base(), ws)).merge(one, into, ws);
    }
  }

  /** Vectors along the first dimension, as rows of the transposed matrix. */
  private void mergeColumns(Tile tile, Tensor out, Workspace ws) {
    if (out.size() == 0) {
      return;
    }
    DType wide = TaskVectors.wide(out.dtype());
    long first = out.dim(0);
    try (Opened opened = new Opened()) {
      Tile turned =
          tile.map(
              part -> {
                try (Tensor converted = part.to(wide, ws);
                    Tensor matrix = converted.reshape(first, part.size() / first)) {
                  return opened.add(LinAlg.transpose(Matrix.of(matrix), ws)).asTensor();
                }
              });
      long[] shape = {out.size() / first, first};
      Tensor merged = opened.add(Tensor.allocate(wide, shape, ws));
      mergeRows(turned, merged, ws);
      Matrix back = opened.add(LinAlg.transpose(Matrix.of(merged), ws));
      out.convertFrom(opened.add(back.asTensor().reshape(out.shape())), ws);
    }
  }

  @Override
  public String toString() {
    return id() + " with weights " + options.weights();
  }
}
