// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import java.io.IOException;
import java.util.List;
import org.merganser.compute.Workspace;
import org.merganser.internal.kernel.Block;
import org.merganser.internal.kernel.Kernels;
import org.merganser.internal.kernel.MergeKernels.Mix;
import org.merganser.internal.kernel.MergeKernels.Task;
import org.merganser.internal.kernel.MergeKernels.Threshold;
import org.merganser.io.TensorInfo;
import org.merganser.linalg.Tensor;
import org.merganser.method.Setting;
import org.merganser.method.Settings;

/**
 * Trim, elect sign, merge: of each task vector {@code d_k = theta_k - b} the {@code trunc(density
 * n)} elements of largest magnitude are kept (of equal ones those of lowest index), {@code u_k =
 * w_k d_k}; the sign of {@code sum_k u_k} is elected, 0 counting as +; then
 *
 * <pre>
 *   theta = b + lambda sum_A u_k / sum_A w_k     over the models A whose u_k has that sign
 * </pre>
 *
 * <p>without the quotient when not normalised. In F32 (F64 for F64), rounded once. The magnitudes
 * of a tensor are selected exactly, one model after the other, which takes its whole tensor and the
 * base's into memory; then one pass.
 *
 * <p>Fails where nothing of a tensor would be kept, as mergekit does.
 *
 * <p>Source: Yadav et al. 2023, "TIES-Merging"; by tensor and with weights as in mergekit, where
 * the paper trims the whole model at once.
 */
public final class TiesMerger extends TensorMerger {
  /** Settings. */
  public record Options(
      @Setting(value = "one for each model; none for 1 each", varies = true) List<Double> weights,
      @Setting(
              value = "share of the elements kept, one for each model or one for all",
              above = 0,
              max = 1,
              varies = true)
          List<Double> density,
      @Setting(value = "times the merged task vector", varies = true) double lambda,
      @Setting("whether the sum is divided by the weights that agree") boolean normalise) {
    public Options {
      weights = List.copyOf(weights);
      density = List.copyOf(density);
      Settings.check(Options.class, weights, density, lambda, normalise);
      if (density.isEmpty()) {
        throw new IllegalArgumentException(
            "density must be one for all, or one for each model, not none");
      }
    }

    /** Weights 1, nothing trimmed, lambda 1, normalised. */
    public static Options defaults() {
      return new Options(List.of(), List.of(1.0), 1, true);
    }

    public Options withWeights(List<Double> values) {
      return new Options(values, density, lambda, normalise);
    }

    public Options withDensity(List<Double> values) {
      return new Options(weights, values, lambda, normalise);
    }

    public Options withLambda(double value) {
      return new Options(weights, density, value, normalise);
    }

    public Options withNormalise(boolean value) {
      return new Options(weights, density, lambda, value);
    }

    private double densityOf(int model) {
      return density.get(density.size() == 1 ? 0 : model);
    }
  }

  private final Options options;

  private TiesMerger(Options options) {
    this.options = options;
  }

  public static TiesMerger of(Options options) {
    return new TiesMerger(options);
  }

  @Override
  public String id() {
    return "ties";
  }

  @Override
  public String summary() {
    return "differences to a base trimmed, those of the elected sign averaged";
  }

  @Override
  public Options options() {
    return options;
  }

  @Override
  public Needs needs() {
    return TaskVectors.NEEDS;
  }

  @Override
  protected void check(String name, TensorInfo info, int models) {
    Weights.require("weights", options.weights(), models);
    if (options.density().size() > 1) {
      Weights.require("densities", options.density(), models);
    }
    for (int k = 0; k < models; k++) {
      TaskVectors.requireKept(id(), name, info, options.densityOf(k));
    }
  }

  @Override
  protected Demand demand(TensorInfo info, int models) {
    return new Demand(2, 2 * info.bytes());
  }

  @Override
  protected TileFunction prepare(Group group, Workspace ws) throws IOException {
    double[] weights = Weights.of(options.weights(), group.models(), 1);
    Task[] tasks = new Task[weights.length];
    for (int k = 0; k < tasks.length; k++) {
      tasks[k] =
          options.densityOf(k) == 1 || group.info().size() == 0
              ? Task.weighted(weights[k])
              : Task.magnitude(weights[k], threshold(group, k, ws));
    }
    return TaskVectors.merge(tasks, new Mix(true, options.normalise(), options.lambda()));
  }

  private Threshold threshold(Group group, int model, Workspace ws) throws IOException {
    long n = group.info().size();
    long kept = (long) (options.densityOf(model) * n);
    try (Tensor base = group.base(ws);
        Tensor own = group.model(model, ws)) {
      return Kernels.of(ws)
          .merge()
          .kthMagnitude(own.dtype().code(), n, Block.of(own), Block.of(base), kept);
    }
  }

  @Override
  public String toString() {
    return id() + " with weights " + options.weights() + ", lambda " + options.lambda();
  }
}
