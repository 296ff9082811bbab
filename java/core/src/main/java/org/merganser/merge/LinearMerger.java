// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.merganser.compute.Workspace;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.error.NumericalException;
import org.merganser.internal.Names;
import org.merganser.internal.kernel.Block;
import org.merganser.internal.kernel.Kernels;
import org.merganser.io.Checkpoint;
import org.merganser.io.TensorInfo;
import org.merganser.linalg.Tensor;
import org.merganser.method.Setting;

/**
 * The weighted mean of parameters: {@code theta = sum_k w_k theta_k}, the weights as given or
 * divided by their sum.
 *
 * <p>Summed in the order of the models, F32 in F64 and 16-bit types in F32 (in F64 where that is
 * not finite), and rounded once, so equal F32, F16 or BF16 models with weights that sum to 1 give
 * themselves back (F64: two do, subnormals among them, more up to rounding). Tensors of types
 * Merganser does not compute in must be equal and are copied, as are equal ones with infinities
 * (masks); counters are copied from the reference. Memory: one tensor of each model.
 *
 * <p>Source: Wortsman et al. 2022, "Model soups".
 */
public final class LinearMerger implements Merger {
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
    List<Double> list = Arrays.stream(weights).boxed().toList();
    return new LinearMerger(new Options(list, Normalise.SUM_TO_ONE, NonFiniteWeights.FAIL));
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
  public Checkpoint merge(MergeProblem problem, Workspace ws) {
    return new Merged(problem, weights(problem.models().size()), options.nonFinite());
  }

  private double[] weights(int models) {
    double[] weights = new double[models];
    if (options.weights().isEmpty()) {
      Arrays.fill(weights, 1.0 / models);
      return weights;
    }
    if (options.weights().size() != models) {
      throw new IllegalArgumentException(
          options.weights().size() + " weights for " + models + " models");
    }
    double sum = options.weights().stream().mapToDouble(Double::doubleValue).sum();
    for (int k = 0; k < models; k++) {
      double weight = options.weights().get(k);
      weights[k] = options.normalise() == Normalise.SUM_TO_ONE ? weight / sum : weight;
    }
    return weights;
  }

  private record Merged(MergeProblem problem, double[] weights, NonFiniteWeights nonFinite)
      implements Checkpoint {

    @Override
    public Map<String, TensorInfo> tensors() {
      return problem.models().get(0).tensors();
    }

    @Override
    public Set<String> stale() {
      Set<String> stale = new LinkedHashSet<>();
      problem.models().forEach(model -> stale.addAll(model.stale()));
      return stale;
    }

    @Override
    public void read(String name, Tensor into, Workspace ws) throws IOException {
      TensorInfo info = info(name);
      into.require("target of " + Names.quote(name), info.dtype(), info.dims());
      if (problem.counters().contains(name)) {
        problem.models().get(0).read(name, into, ws);
      } else if (!info.dtype().isArithmetic()) {
        copyIfEqual(name, into, ws);
      } else {
        average(name, into, ws);
      }
    }

    private void average(String name, Tensor into, Workspace ws) throws IOException {
      List<Tensor> parts = new ArrayList<>();
      try {
        for (Checkpoint model : problem.models()) {
          Tensor part = model.readOn(name, ws);
          parts.add(part);
          if (nonFinite == NonFiniteWeights.FAIL && !isFinite(part, ws)) {
            if (!copyMask(name, into, ws)) {
              refuse(name, part, parts.size() - 1, ws);
            }
            return;
          }
        }
        Block[] blocks = parts.stream().map(Block::of).toArray(Block[]::new);
        Kernels.of(ws)
            .merge()
            .weightedSum(into.dtype().code(), into.size(), blocks, weights, Block.of(into));
        requireRange(name, into, ws);
      } finally {
        parts.forEach(Tensor::close);
      }
    }

    /** A mean lies between finite values and is finite; weights below 0 or above 1 lead beyond. */
    private void requireRange(String name, Tensor sum, Workspace ws) {
      if (nonFinite == NonFiniteWeights.FAIL
          && Arrays.stream(weights).map(Math::abs).sum() > 1 + 1e-9
          && !isFinite(sum, ws)) {
        throw new NumericalException(
            Names.quote(name)
                + " "
                + sum
                + ": "
                + nonFinite(sum, ws)[0]
                + " values of the sum with weights "
                + Arrays.toString(weights)
                + " are beyond the range of "
                + sum.dtype()
                + "; take weights nearer to the mean, or a wider type (--dtype, Checkpoint.as)");
      }
    }

    private static boolean isFinite(Tensor part, Workspace ws) {
      return nonFinite(part, ws)[0] == 0;
    }

    /** Number of non-finite values and index of the first. */
    private static long[] nonFinite(Tensor part, Workspace ws) {
      return Kernels.of(ws).tensors().nonFinite(part.dtype().code(), part.size(), Block.of(part));
    }

    private static void refuse(String name, Tensor part, int model, Workspace ws) {
      long[] found = nonFinite(part, ws);
      throw new NumericalException(
          "model "
              + model
              + ": "
              + Names.quote(name)
              + " "
              + part
              + " holds "
              + found[0]
              + " non-finite values, the first at index "
              + found[1]
              + " ("
              + value(part, found[1], ws)
              + ")"
              + "; repair the model, leave the tensor out (--ignore, Checkpoint.where), or merge in"
              + " Java with NonFiniteWeights.PROPAGATE");
    }

    private static double value(Tensor tensor, long index, Workspace ws) {
      try (Tensor flat = tensor.reshape(tensor.size());
          Tensor one = flat.rows(index, index + 1).toHost(ws)) {
        return one.get(0);
      }
    }

    /**
     * A buffer such as a causal mask holds infinities on purpose. When all models have the same
     * bytes, these are their mean; NaN and what differs stays an error.
     *
     * @return whether it is such a buffer
     */
    private boolean copyMask(String name, Tensor into, Workspace ws) throws IOException {
      if (Math.abs(Arrays.stream(weights).sum() - 1) > 1e-9) {
        return false;
      }
      try (Tensor first = problem.models().get(0).read(name, ws)) {
        for (long i = 0; i < first.size(); i++) {
          if (Double.isNaN(first.get(i))) {
            return false;
          }
        }
        if (differing(name, first, ws) > 0) {
          return false;
        }
        into.copyFrom(first, ws);
        return true;
      }
    }

    private void copyIfEqual(String name, Tensor into, Workspace ws) throws IOException {
      int other;
      try (Tensor first = problem.models().get(0).read(name, ws)) {
        other = differing(name, first, ws);
        into.copyFrom(first, ws);
      }
      if (other > 0) {
        throw new IncompatibleModelsException(
            "the models cannot be merged",
            List.of(
                Names.quote(name)
                    + " "
                    + into
                    + " differs between model 0 and model "
                    + other
                    + " and cannot be averaged; "
                    + (info(name).dtype().name().matches("F\\d.*|C64")
                        ? "convert the models to BF16 or F32 first"
                        : "name it under \"counters\" in a builder file (--architecture) to take"
                            + " model 0's, or leave it out (--ignore)")));
      }
    }

    /** The first model that has other bytes than the reference, or 0. */
    private int differing(String name, Tensor first, Workspace ws) throws IOException {
      for (int k = 1; k < problem.models().size(); k++) {
        try (Tensor other = problem.models().get(k).read(name, ws)) {
          if (!other.sameBytes(first)) {
            return k;
          }
        }
      }
      return 0;
    }
  }
}
