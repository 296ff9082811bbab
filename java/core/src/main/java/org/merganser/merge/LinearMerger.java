// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import java.util.List;
import org.merganser.compute.Workspace;
import org.merganser.internal.kernel.Block;
import org.merganser.internal.kernel.Kernels;
import org.merganser.io.TensorInfo;
import org.merganser.method.Setting;
import org.merganser.method.Settings;

/**
 * The weighted mean of parameters: {@code theta = sum_k w_k theta_k}, the weights as given or
 * divided by their sum.
 *
 * <p>Summed in the order of the models, F32 in F64 and 16-bit types in F32 (in F64 where that is
 * not finite), and rounded once, so equal F32, F16 or BF16 models with weights that sum to 1 give
 * themselves back (F64: two do, subnormals among them, more up to rounding). Tensors of types
 * Merganser does not compute in must be equal and are copied, as are equal ones with infinities
 * (masks); counters are copied from the reference. One pass.
 *
 * <p>Source: Wortsman et al. 2022, "Model soups".
 */
public final class LinearMerger extends TensorMerger {
  /** What to do with NaN and infinite weights. */
  public enum NonFiniteWeights {
    FAIL,
    PROPAGATE
  }

  /** Whether weights are divided by their sum. */
  public enum Normalise {
    SUM_TO_ONE,
    AS_GIVEN
  }

  /** Settings. */
  public record Options(
      @Setting(value = "one for each model; none for equal ones", varies = true)
          List<Double> weights,
      @Setting("whether weights are divided by their sum") Normalise normalise,
      @Setting("what becomes of NaN and infinite parameters") NonFiniteWeights nonFinite) {
    public Options {
      weights = List.copyOf(weights);
      Settings.check(Options.class, weights, normalise, nonFinite);
      double sum = weights.stream().mapToDouble(Double::doubleValue).sum();
      if (!Double.isFinite(sum)
          || !weights.isEmpty()
              && normalise == Normalise.SUM_TO_ONE
              && Math.abs(sum) < SMALLEST_SUM) {
        throw new IllegalArgumentException(
            "weights " + weights + " sum to " + sum + ", which cannot be normalised");
      }
    }

    /** Equal weights; fail on non-finite parameters. */
    public static Options defaults() {
      return new Options(List.of(), Normalise.SUM_TO_ONE, NonFiniteWeights.FAIL);
    }

    public Options withWeights(List<Double> values) {
      return new Options(values, normalise, nonFinite);
    }

    public Options withNormalise(Normalise value) {
      return new Options(weights, value, nonFinite);
    }

    public Options withNonFinite(NonFiniteWeights value) {
      return new Options(weights, normalise, value);
    }
  }

  /** Below it the quotient would be noise. */
  private static final double SMALLEST_SUM = 1e-8;

  private final Options options;

  private LinearMerger(Options options) {
    this.options = options;
  }

  /** Equal weights. */
  public static LinearMerger uniform() {
    return new LinearMerger(Options.defaults());
  }

  /** Weights, divided by their sum. */
  public static LinearMerger weights(double... weights) {
    return new LinearMerger(Options.defaults().withWeights(Weights.list(weights)));
  }

  public static LinearMerger of(Options options) {
    return new LinearMerger(options);
  }

  @Override
  public String id() {
    return "linear";
  }

  @Override
  public String summary() {
    return "weighted mean of parameters";
  }

  @Override
  public Options options() {
    return options;
  }

  @Override
  public List<Double> shares(int models) {
    return Weights.list(weights(models));
  }

  @Override
  protected void check(String name, TensorInfo info, int models) {
    Weights.require("weights", options.weights(), models);
  }

  @Override
  protected boolean keepsEqual() {
    double sum = options.weights().stream().mapToDouble(Double::doubleValue).sum();
    return options.weights().isEmpty()
        || options.normalise() == Normalise.SUM_TO_ONE
        || Math.abs(sum - 1) <= 1e-9;
  }

  @Override
  protected boolean propagates() {
    return options.nonFinite() == NonFiniteWeights.PROPAGATE;
  }

  @Override
  protected boolean carriesNonFinite() {
    return true;
  }

  @Override
  protected TileFunction prepare(Group group, Workspace ws) {
    double[] weights = weights(group.models());
    return (tile, out, w) ->
        Kernels.of(w)
            .merge()
            .weightedSum(out.dtype().code(), out.size(), tile.blocks(), weights, Block.of(out));
  }

  private double[] weights(int models) {
    double[] weights = Weights.of(options.weights(), models, 1.0 / models);
    if (!options.weights().isEmpty() && options.normalise() == Normalise.SUM_TO_ONE) {
      double sum = options.weights().stream().mapToDouble(Double::doubleValue).sum();
      for (int k = 0; k < models; k++) {
        weights[k] /= sum;
      }
    }
    return weights;
  }

  @Override
  public String toString() {
    return options.weights().isEmpty() ? "the mean" : "the sum with weights " + options.weights();
  }
}
