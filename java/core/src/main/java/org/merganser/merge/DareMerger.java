// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import java.io.IOException;
import java.util.List;
import org.merganser.compute.Workspace;
import org.merganser.internal.Seeds;
import org.merganser.internal.kernel.MergeKernels.Mix;
import org.merganser.internal.kernel.MergeKernels.Task;
import org.merganser.io.TensorInfo;
import org.merganser.linalg.Tensor;
import org.merganser.merge.KeptNorms.Norm;
import org.merganser.method.Setting;
import org.merganser.method.Settings;

/**
 * Drop and rescale: of each task vector {@code d_k = theta_k - b} every element is kept with
 * probability {@code density}, and what is kept is multiplied by {@code r_k} to make up for the
 * rest; with {@code u_k = w_k r_k d_k}
 *
 * <pre>
 *   linear   theta = b + lambda sum_k u_k
 *   ties     theta = b + lambda sum_A u_k     over the models A of the elected sign
 * </pre>
 *
 * <p>as in {@link TiesMerger}; when normalised divided by {@code sum_k w_k}, or of A. In F32 (F64
 * for F64), rounded once. One pass, two when a norm is kept.
 *
 * <p>Elements are drawn by their index in the tensor, so results do not depend on how it is read:
 * Philox4x32-10 with the seed XOR FNV-1a of the tensor's name as key, and index and number of the
 * model as counter. Tensors that are renamed, and models in another order, are drawn anew.
 *
 * <p>Source: Yu et al. 2024, "Language models are super Mario"; norms as in mergekit, whose random
 * numbers are others and whose rescaling is {@link Rescale#L1}.
 */
public final class DareMerger extends TensorMerger {
  /** By what the elements that are kept are multiplied. */
  public enum Rescale {
    /** 1 / density: the mean over seeds is the task vector. As published. */
    INV_DENSITY,
    /** What the sum of magnitudes was by what it is; 1 where either is below 1e-7. */
    L1,
    /** The same of lengths. */
    L2,
    /** The same of largest magnitudes. */
    LINF,
    /** 1. */
    NONE
  }

  /** Settings. */
  public record Options(
      @Setting(value = "one for each model; none for equal ones that sum to 1", varies = true)
          List<Double> weights,
      @Setting(
              value = "probability that an element is kept, one for each model or one for all",
              above = 0,
              max = 1,
              varies = true)
          List<Double> density,
      @Setting(value = "times the merged task vector", varies = true) double lambda,
      @Setting("whether the sum is divided by the weights") boolean normalise,
      @Setting("what makes up for elements that are dropped") Rescale rescale,
      @Setting("of the elements that are drawn") long seed) {
    public Options {
      weights = List.copyOf(weights);
      density = List.copyOf(density);
      Settings.check(Options.class, weights, density, lambda, normalise, rescale, seed);
      if (density.isEmpty()) {
        throw new IllegalArgumentException(
            "density must be one for all, or one for each model, not none");
      }
    }

    /** Equal weights, nothing dropped, lambda 1, not normalised. */
    public static Options defaults() {
      return new Options(List.of(), List.of(1.0), 1, false, Rescale.INV_DENSITY, 0);
    }

    public Options withWeights(List<Double> values) {
      return new Options(values, density, lambda, normalise, rescale, seed);
    }

    public Options withDensity(List<Double> values) {
      return new Options(weights, values, lambda, normalise, rescale, seed);
    }

    public Options withLambda(double value) {
      return new Options(weights, density, value, normalise, rescale, seed);
    }

    public Options withNormalise(boolean value) {
      return new Options(weights, density, lambda, value, rescale, seed);
    }

    public Options withRescale(Rescale value) {
      return new Options(weights, density, lambda, normalise, value, seed);
    }

    public Options withSeed(long value) {
      return new Options(weights, density, lambda, normalise, rescale, value);
    }

    private double densityOf(int model) {
      return density.get(density.size() == 1 ? 0 : model);
    }
  }

  private final boolean elect;
  private final Options options;

  private DareMerger(boolean elect, Options options) {
    this.elect = elect;
    this.options = options;
  }

  /** {@code dare-linear}: what is kept is summed. */
  public static DareMerger linear(Options options) {
    return new DareMerger(false, options);
  }

  /** {@code dare-ties}: what is kept and has the elected sign is summed. */
  public static DareMerger ties(Options options) {
    return new DareMerger(true, options);
  }

  @Override
  public String id() {
    return elect ? "dare-ties" : "dare-linear";
  }

  @Override
  public String summary() {
    return "differences to a base, random elements kept, "
        + (elect ? "those of the elected sign summed" : "summed");
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
  }

  @Override
  protected Demand demand(TensorInfo info, int models) {
    boolean norms = options.rescale() != Rescale.INV_DENSITY && options.rescale() != Rescale.NONE;
    boolean drops = options.density().stream().anyMatch(density -> density < 1);
    return norms && drops ? new Demand(2, KeptNorms.held(info, TensorGroup.TILE)) : Demand.ONE_PASS;
  }

  @Override
  protected TileFunction prepare(Group group, Workspace ws) throws IOException {
    int models = group.models();
    Task[] tasks = new Task[models];
    for (int k = 0; k < models; k++) {
      tasks[k] = kept(group.name(), k);
    }
    double[] scales = scales(group, tasks, ws);
    double[] weights = Weights.of(options.weights(), models, 1.0 / models);
    for (int k = 0; k < models; k++) {
      tasks[k] = tasks[k].weighing(weights[k]).scaled(scales[k]);
    }
    return TaskVectors.merge(tasks, new Mix(elect, options.normalise(), options.lambda()));
  }

  private Task kept(String tensor, int model) {
    double density = options.densityOf(model);
    if (density == 1) {
      return Task.weighted(1);
    }
    long key = options.seed() ^ Seeds.hash(tensor);
    return Task.random(1, 1, key, model, (long) (density * 0x1p32));
  }

  private double[] scales(Group group, Task[] kept, Workspace ws) throws IOException {
    double[] scales = new double[kept.length];
    for (int k = 0; k < kept.length; k++) {
      boolean inverse = options.rescale() == Rescale.INV_DENSITY;
      scales[k] = inverse ? 1 / options.densityOf(k) : 1;
    }
    boolean dropped = options.density().stream().anyMatch(density -> density < 1);
    return switch (options.rescale()) {
      case INV_DENSITY, NONE -> scales;
      case L1 -> dropped ? norms(group, Norm.L1, kept, ws) : scales;
      case L2 -> dropped ? norms(group, Norm.L2, kept, ws) : scales;
      case LINF -> dropped ? norms(group, Norm.LINF, kept, ws) : scales;
    };
  }

  private static double[] norms(Group group, Norm norm, Task[] kept, Workspace ws)
      throws IOException {
    Mix plain = new Mix(false, false, 1);
    KeptNorms.Drop drop =
        (model, tile, w) -> {
          Tensor part = TaskVectors.difference(tile, model, w);
          Task[] task = {kept[model]};
          TaskVectors.mix(tile.first(), List.of(part), task, plain, part, w);
          return part;
        };
    return KeptNorms.ratios(group, group::tiles, norm, drop, ws);
  }

  @Override
  public String toString() {
    return id() + " with weights " + options.weights() + ", lambda " + options.lambda();
  }
}
