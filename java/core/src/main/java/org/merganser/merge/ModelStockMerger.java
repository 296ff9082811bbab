// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.merganser.compute.Workspace;
import org.merganser.internal.Opened;
import org.merganser.internal.kernel.MergeKernels.Mix;
import org.merganser.internal.kernel.MergeKernels.Task;
import org.merganser.io.TensorInfo;
import org.merganser.linalg.Tensor;
import org.merganser.method.Setting;
import org.merganser.method.Settings;

/**
 * The mean of n models drawn to their base, the more the less their task vectors {@code d_k =
 * theta_k - b} have in common: with {@code c} the mean of {@code cos(d_i, d_j)} over all pairs
 *
 * <pre>
 *   t = n c / (1 + (n - 1) c)
 *   theta = b + t sum_k d_k / n
 * </pre>
 *
 * <p>by tensor, or by row (a vector is one). {@code t} is held to 0 to 1 unless told otherwise:
 * where task vectors point away from each other, {@code c <= 0}, the result is the base. A task
 * vector of 0 counts as at a right angle to all (mergekit: short ones, too, which it takes back to
 * the base). Differences in F32 (F64 for F64), dot products in F64, rounded once. Two passes, one
 * by row.
 *
 * <p>Source: Jang et al. 2024, "Model Stock: all we need is just a few fine-tuned models".
 */
public final class ModelStockMerger extends TensorMerger {
  /** What is averaged over pairs. */
  public enum Average {
    COSINES,
    ANGLES
  }

  /** Settings. */
  public record Options(
      @Setting("whether rows have a t of their own, or tensors") boolean filterWise,
      @Setting("what is averaged over pairs: cosines as in mergekit, or angles as in FusionBench")
          Average average,
      @Setting("whether t is held to 0 to 1; mergekit does not") boolean clamp) {
    public Options {
      Settings.check(Options.class, filterWise, average, clamp);
    }

    /** By tensor, cosines, t held to 0 to 1. */
    public static Options defaults() {
      return new Options(false, Average.COSINES, true);
    }

    public Options withFilterWise(boolean value) {
      return new Options(value, average, clamp);
    }

    public Options withAverage(Average value) {
      return new Options(filterWise, value, clamp);
    }

    public Options withClamp(boolean value) {
      return new Options(filterWise, average, value);
    }
  }

  private final Options options;

  private ModelStockMerger(Options options) {
    this.options = options;
  }

  public static ModelStockMerger of(Options options) {
    return new ModelStockMerger(options);
  }

  @Override
  public String id() {
    return "model-stock";
  }

  @Override
  public String summary() {
    return "the mean of models, drawn to their base by the angles between their differences to it";
  }

  @Override
  public Options options() {
    return options;
  }

  @Override
  public Needs needs() {
    return TaskVectors.needs(2);
  }

  @Override
  protected Access access(TensorInfo info) {
    return options.filterWise() ? Access.ROWS : Access.ELEMENTS;
  }

  @Override
  protected Demand demand(TensorInfo info, int models) {
    return Demand.passes(options.filterWise() ? 1 : 2);
  }

  @Override
  protected TileFunction prepare(Group group, Workspace ws) throws IOException {
    return options.filterWise() ? this::mergeRows : merge(group.models(), Gram.of(group, true, ws));
  }

  private void mergeRows(Tile tile, Tensor out, Workspace ws) {
    for (long row = 0; row < out.dim(0); row++) {
      try (Opened opened = new Opened()) {
        long at = row;
        List<Tensor> models =
            tile.models().stream().map(model -> opened.add(model.rows(at, at + 1))).toList();
        Tensor base = opened.add(tile.base().orElseThrow().rows(at, at + 1));
        Tensor into = opened.add(out.rows(at, at + 1));
        Tile one = new Tile(tile.first() + row * base.size(), models, Optional.of(base));
        merge(models.size(), Gram.of(models, one.base(), ws)).merge(one, into, ws);
      }
    }
  }

  private TileFunction merge(int models, Gram gram) {
    Task[] tasks = new Task[models];
    Arrays.fill(tasks, Task.weighted(ratio(gram) / models));
    return TaskVectors.merge(tasks, new Mix(false, false, 1));
  }

  private double ratio(Gram gram) {
    int models = gram.size();
    boolean angles = options.average() == Average.ANGLES;
    double sum = 0;
    for (int i = 0; i < models; i++) {
      for (int j = i + 1; j < models; j++) {
        sum += angles ? StrictMath.acos(gram.cosine(i, j)) : gram.cosine(i, j);
      }
    }
    double average = sum / (models * (models - 1) / 2.0);
    double cosine = angles ? StrictMath.cos(average) : average;
    double ratio = models * cosine / (1 + (models - 1) * cosine);
    if (options.clamp()) {
      return cosine <= 0 ? 0 : Math.min(1, ratio);
    }
    if (!Double.isFinite(ratio)) {
      throw new IllegalArgumentException(
          id() + ": the differences to the base cancel, so t is " + ratio + "; take clamp=true");
    }
    return ratio;
  }

  @Override
  public String toString() {
    return id();
  }
}
