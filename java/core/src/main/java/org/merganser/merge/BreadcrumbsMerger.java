// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.internal.Opened;
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
 * Task vectors without their largest and their smallest elements: of the n elements of {@code d_k =
 * theta_k - b} in the order of their magnitudes, {@code trunc(gamma n)} largest are dropped, the
 * next {@code trunc(density n)} are kept, and the others are dropped; of equal ones that of lowest
 * index counts as larger. Where that is more than n, fewer of the largest are dropped; with density
 * 1 nothing is. Then
 *
 * <pre>
 *   linear   theta = b + lambda sum_k w_k d_k
 *   ties     theta = b + lambda sum_A w_k d_k     over the models A of the elected sign
 * </pre>
 *
 * <p>as in {@link TiesMerger}; when normalised divided by {@code sum_k w_k}, or of A. In F32 (F64
 * for F64), rounded once. Magnitudes are selected exactly, one model after the other, which takes
 * its whole tensor and the base's into memory; then one pass.
 *
 * <p>mergekit drops all of a tensor where {@code trunc(gamma n)} is 0; here none of its largest.
 *
 * <p>Source: Davari and Belilovsky 2023, "Model Breadcrumbs"; by tensor as in mergekit.
 */
public final class BreadcrumbsMerger extends TensorMerger {
  /** Settings. */
  public record Options(
      @Setting(value = "one for each model; none for equal ones that sum to 1", varies = true)
          List<Double> weights,
      @Setting(
              value = "share of the elements kept, one for each model or one for all",
              above = 0,
              max = 1,
              varies = true)
          List<Double> density,
      @Setting(
              value = "share of the elements dropped as the largest, likewise",
              min = 0,
              below = 1,
              varies = true)
          List<Double> gamma,
      @Setting(value = "times the merged task vector", varies = true) double lambda,
      @Setting("whether the sum is divided by the weights") boolean normalise) {
    public Options {
      weights = List.copyOf(weights);
      density = List.copyOf(density);
      gamma = List.copyOf(gamma);
      Settings.check(Options.class, weights, density, gamma, lambda, normalise);
      if (density.isEmpty() || gamma.isEmpty()) {
        throw new IllegalArgumentException(
            (density.isEmpty() ? "density" : "gamma")
                + " must be one for all, or one for each model, not none");
      }
    }

    /** Equal weights, density 1, gamma 0.01, lambda 1, not normalised. */
    public static Options defaults() {
      return new Options(List.of(), List.of(1.0), List.of(0.01), 1, false);
    }

    public Options withWeights(List<Double> values) {
      return new Options(values, density, gamma, lambda, normalise);
    }

    public Options withDensity(List<Double> values) {
      return new Options(weights, values, gamma, lambda, normalise);
    }

    public Options withGamma(List<Double> values) {
      return new Options(weights, density, values, lambda, normalise);
    }

    public Options withLambda(double value) {
      return new Options(weights, density, gamma, value, normalise);
    }

    public Options withNormalise(boolean value) {
      return new Options(weights, density, gamma, lambda, value);
    }

    private double densityOf(int model) {
      return density.get(density.size() == 1 ? 0 : model);
    }

    private double gammaOf(int model) {
      return gamma.get(gamma.size() == 1 ? 0 : model);
    }
  }

  private final boolean elect;
  private final Options options;

  private BreadcrumbsMerger(boolean elect, Options options) {
    this.elect = elect;
    this.options = options;
  }

  /** {@code breadcrumbs}: what is kept is summed. */
  public static BreadcrumbsMerger linear(Options options) {
    return new BreadcrumbsMerger(false, options);
  }

  /** {@code breadcrumbs-ties}: what is kept and has the elected sign is summed. */
  public static BreadcrumbsMerger ties(Options options) {
    return new BreadcrumbsMerger(true, options);
  }

  @Override
  public String id() {
    return elect ? "breadcrumbs-ties" : "breadcrumbs";
  }

  @Override
  public String summary() {
    return "differences to a base without their largest and smallest, "
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
    if (options.gamma().size() > 1) {
      Weights.require("gammas", options.gamma(), models);
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
    int models = group.models();
    double[] weights = Weights.of(options.weights(), models, 1.0 / models);
    Task[] tasks = new Task[models];
    List<Task[]> bands = new ArrayList<>();
    for (int k = 0; k < models; k++) {
      tasks[k] = Task.weighted(weights[k]);
      bands.add(band(group, k, ws));
    }
    Mix mix = new Mix(elect, options.normalise(), options.lambda());
    return (tile, out, w) -> merge(tile, bands, tasks, mix, out, w);
  }

  /** The elements above the lower bound, less those above the upper one. */
  private Task[] band(Group group, int model, Workspace ws) throws IOException {
    long n = group.info().size();
    long kept = (long) (options.densityOf(model) * n);
    long top = Math.min((long) (options.gammaOf(model) * n), n - kept);
    if (kept == n) {
      return new Task[] {Task.weighted(1)};
    }
    try (Tensor base = group.base(ws);
        Tensor own = group.model(model, ws)) {
      Task above = Task.magnitude(1, threshold(own, base, kept + top, ws));
      return top == 0
          ? new Task[] {above}
          : new Task[] {above, Task.magnitude(-1, threshold(own, base, top, ws))};
    }
  }

  private static Threshold threshold(Tensor own, Tensor base, long rank, Workspace ws) {
    return Kernels.of(ws)
        .merge()
        .kthMagnitude(own.dtype().code(), own.size(), Block.of(own), Block.of(base), rank);
  }

  private static void merge(
      Tile tile, List<Task[]> bands, Task[] tasks, Mix mix, Tensor out, Workspace ws) {
    DType wide = TaskVectors.wide(out.dtype());
    try (Opened opened = new Opened()) {
      Tensor base = opened.add(tile.base().orElseThrow().to(wide, ws));
      Tensor zero = opened.add(opened.add(Tensor.zeros(wide, out.shape())).on(ws));
      Block[] kept = new Block[tasks.length];
      for (int k = 0; k < kept.length; k++) {
        Tensor part = opened.add(tile.models().get(k).to(wide, ws));
        TaskVectors.difference(part, base, part, ws);
        Block[] same = bands.get(k).length == 1 ? blocks(part) : blocks(part, part);
        // An element less itself is 0, and one less 0 itself: no rounding.
        merge(tile.first(), zero, same, bands.get(k), new Mix(false, false, 1), part, ws);
        kept[k] = Block.of(part);
      }
      Tensor mixed = opened.add(Tensor.allocate(wide, out.shape(), ws));
      merge(tile.first(), zero, kept, tasks, mix, mixed, ws);
      Kernels.of(ws)
          .merge()
          .weightedSum(
              wide.code(), out.size(), blocks(base, mixed), new double[] {1, 1}, Block.of(mixed));
      out.convertFrom(mixed, ws);
    }
  }

  private static Block[] blocks(Tensor... tensors) {
    Block[] blocks = new Block[tensors.length];
    for (int i = 0; i < blocks.length; i++) {
      blocks[i] = Block.of(tensors[i]);
    }
    return blocks;
  }

  private static void merge(
      long first, Tensor zero, Block[] in, Task[] tasks, Mix mix, Tensor out, Workspace ws) {
    Kernels.of(ws)
        .merge()
        .taskMerge(
            out.dtype().code(), first, out.size(), Block.of(zero), in, tasks, mix, Block.of(out));
  }

  @Override
  public String toString() {
    return id() + " with weights " + options.weights() + ", lambda " + options.lambda();
  }
}
