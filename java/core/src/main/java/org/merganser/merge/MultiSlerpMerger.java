// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import org.merganser.compute.Workspace;
import org.merganser.internal.Names;
import org.merganser.internal.kernel.Block;
import org.merganser.internal.kernel.Kernels;
import org.merganser.internal.kernel.MergeKernels.Mix;
import org.merganser.internal.kernel.MergeKernels.Task;
import org.merganser.io.TensorInfo;
import org.merganser.method.Setting;
import org.merganser.method.Settings;

/**
 * The weighted mean direction of any number of models, tensor by tensor as vectors, at the weighted
 * mean of their lengths:
 *
 * <pre>
 *   m = sum_k w_k theta_k / (|theta_k| + 1e-8)
 *   theta = m / |m| sum_k w_k |theta_k|
 * </pre>
 *
 * <p>or of their differences to a base, which is added. mergekit goes on along the mean of the
 * vectors projected to the tangent space at {@code m}, which is 0 for any vectors. Equal vectors
 * are given back. Where {@code |m| < 1e-8}, two models are summed with their weights and more are
 * refused: they have no mean direction. Dot products in F64, sums as in {@link LinearMerger} and
 * {@link TaskArithmeticMerger}, rounded once. Two passes.
 *
 * <p>Source: the method {@code multislerp} of mergekit.
 */
public final class MultiSlerpMerger extends TensorMerger {
  private static final double EPSILON = 1e-8;

  /** Settings. */
  public record Options(
      @Setting(value = "one for each model; none for equal ones", varies = true)
          List<Double> weights,
      @Setting("whether weights are divided by their sum") boolean normalise,
      @Setting("whether differences to a base are merged, and added to it") boolean taskVectors) {
    public Options {
      weights = List.copyOf(weights);
      Settings.check(Options.class, weights, normalise, taskVectors);
      if (normalise) {
        Weights.requireSum(weights);
      }
    }

    /** Equal weights, no base. */
    public static Options defaults() {
      return new Options(List.of(), true, false);
    }

    public Options withWeights(List<Double> values) {
      return new Options(values, normalise, taskVectors);
    }

    public Options withNormalise(boolean value) {
      return new Options(weights, value, taskVectors);
    }

    public Options withTaskVectors(boolean value) {
      return new Options(weights, normalise, value);
    }
  }

  private final Options options;

  private MultiSlerpMerger(Options options) {
    this.options = options;
  }

  public static MultiSlerpMerger of(Options options) {
    return new MultiSlerpMerger(options);
  }

  @Override
  public String id() {
    return "multi-slerp";
  }

  @Override
  public String summary() {
    return "the mean direction of tensors at the mean of their lengths";
  }

  @Override
  public Options options() {
    return options;
  }

  @Override
  public Needs needs() {
    return options.taskVectors() ? TaskVectors.NEEDS : Needs.MODELS;
  }

  @Override
  protected void check(String name, TensorInfo info, int models) {
    Weights.require("weights", options.weights(), models);
  }

  @Override
  public List<Double> shares(int models) {
    return Weights.list(weights(models));
  }

  @Override
  protected boolean keepsEqual() {
    double sum = options.weights().stream().mapToDouble(Double::doubleValue).sum();
    return options.weights().isEmpty() || options.normalise() || Math.abs(sum - 1) <= 1e-9;
  }

  @Override
  protected Demand demand(TensorInfo info, int models) {
    return Demand.passes(2);
  }

  @Override
  protected TileFunction prepare(Group group, Workspace ws) throws IOException {
    Gram gram = Gram.of(group, options.taskVectors(), ws);
    double[] weights = weights(group.models());
    boolean equal = gram.areEqual() && Arrays.stream(weights).sum() > 0;
    double[] factors = equal ? weights : factors(gram, weights, group.name());
    if (!Arrays.stream(factors).allMatch(Double::isFinite)) {
      throw new IllegalArgumentException(
          id()
              + ": the weights of "
              + Names.quote(group.name())
              + " are "
              + Arrays.toString(factors)
              + "; its lengths differ too much");
    }
    if (options.taskVectors()) {
      Task[] tasks = Arrays.stream(factors).mapToObj(Task::weighted).toArray(Task[]::new);
      return TaskVectors.merge(tasks, new Mix(false, false, 1));
    }
    return (tile, out, w) ->
        Kernels.of(w)
            .merge()
            .weightedSum(out.dtype().code(), out.size(), tile.blocks(), factors, Block.of(out));
  }

  private double[] weights(int models) {
    double[] weights = Weights.of(options.weights(), models, 1.0 / models);
    if (options.normalise() && !options.weights().isEmpty()) {
      double sum = Arrays.stream(weights).sum();
      return Arrays.stream(weights).map(weight -> weight / sum).toArray();
    }
    return weights;
  }

  private double[] factors(Gram gram, double[] weights, String name) {
    double epsilon = EPSILON * gram.unit();
    double[] directions = new double[weights.length];
    double length = 0;
    for (int k = 0; k < weights.length; k++) {
      directions[k] = weights[k] * (gram.length(k) / (gram.length(k) + epsilon));
      length += weights[k] * gram.length(k);
    }
    double mean = gram.lengthOfSum(directions);
    if (mean < EPSILON) {
      if (weights.length == 2) {
        return weights;
      }
      throw new IllegalArgumentException(
          id()
              + ": the "
              + weights.length
              + " tensors "
              + Names.quote(name)
              + " have no mean direction, their unit vectors sum to one of length "
              + mean
              + "; take linear for it");
    }
    double[] factors = new double[weights.length];
    for (int k = 0; k < weights.length; k++) {
      factors[k] = weights[k] * (length / (gram.length(k) + epsilon)) / mean;
    }
    return factors;
  }

  @Override
  public String toString() {
    return id() + " with weights " + options.weights();
  }
}
