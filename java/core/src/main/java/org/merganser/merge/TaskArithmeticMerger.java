// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import java.util.Arrays;
import java.util.List;
import org.merganser.compute.Workspace;
import org.merganser.internal.kernel.MergeKernels.Mix;
import org.merganser.internal.kernel.MergeKernels.Task;
import org.merganser.io.TensorInfo;
import org.merganser.method.Setting;
import org.merganser.method.Settings;

/**
 * Task vectors added to the base: {@code theta = b + lambda sum_k w_k (theta_k - b)}.
 *
 * <p>In F32 (F64 for F64), in the order of the models, rounded once. One pass. With weights that
 * sum to more than about 1.5, the sum overshoots for models that learned the same.
 *
 * <p>Source: Ilharco et al. 2023, "Editing models with task arithmetic".
 */
public final class TaskArithmeticMerger extends TensorMerger {
  /** Settings. */
  public record Options(
      @Setting(value = "one for each model; none for equal ones that sum to 1", varies = true)
          List<Double> weights,
      @Setting(value = "times the sum of the task vectors", varies = true) double lambda) {
    public Options {
      weights = List.copyOf(weights);
      Settings.check(Options.class, weights, lambda);
    }

    /** Equal weights, lambda 1. */
    public static Options defaults() {
      return new Options(List.of(), 1);
    }

    public Options withWeights(List<Double> values) {
      return new Options(values, lambda);
    }

    public Options withLambda(double value) {
      return new Options(weights, value);
    }
  }

  private final Options options;

  private TaskArithmeticMerger(Options options) {
    this.options = options;
  }

  public static TaskArithmeticMerger of(Options options) {
    return new TaskArithmeticMerger(options);
  }

  @Override
  public String id() {
    return "task-arithmetic";
  }

  @Override
  public String summary() {
    return "weighted sum of the differences to a base, added to it";
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
  }

  @Override
  protected boolean carriesNonFinite() {
    return true;
  }

  @Override
  protected TileFunction prepare(Group group, Workspace ws) {
    int models = group.models();
    Task[] tasks =
        Arrays.stream(Weights.of(options.weights(), models, 1.0 / models))
            .mapToObj(Task::weighted)
            .toArray(Task[]::new);
    return TaskVectors.merge(tasks, new Mix(false, false, options.lambda()));
  }

  @Override
  public String toString() {
    return id() + " with weights " + options.weights() + ", lambda " + options.lambda();
  }
}
