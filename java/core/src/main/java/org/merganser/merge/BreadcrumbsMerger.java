// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.merganser.compute.Workspace;
import org.merganser.internal.Names;
import org.merganser.internal.Opened;
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
 * for F64), rounded once. Magnitudes are selected exactly, in passes as there; then one that
 * merges.
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
      TaskVectors.requireKept(id(), Names.quote(name), info.size(), options.densityOf(k));
    }
  }

  @Override
  protected Demand demand(TensorInfo info, int models) {
    boolean drops = options.density().stream().anyMatch(density -> density < 1);
    return Selection.demand(info, drops ? 2 * models : 0, false);
  }

  @Override
  protected TileFunction prepare(Group group, Workspace ws) throws IOException {
    int models = group.models();
    double[] weights = Weights.of(options.weights(), models, 1.0 / models);
    long[][] ranks = new long[models][];
    Task[] tasks = new Task[models];
    for (int k = 0; k < models; k++) {
      tasks[k] = Task.weighted(weights[k]);
      ranks[k] = ranks(k, group.info().size());
    }
    List<Task[]> bands = new ArrayList<>();
    for (Threshold[] each : Selection.of(group, ranks, ws)) {
      bands.add(band(each));
    }
    Mix mix = new Mix(elect, options.normalise(), options.lambda());
    return (tile, out, w) -> merge(tile, bands, tasks, mix, out, w);
  }

  /** Of the smallest that is kept, and of the smallest that is dropped as large. */
  private long[] ranks(int model, long n) {
    long kept = (long) (options.densityOf(model) * n);
    long top = Math.min((long) (options.gammaOf(model) * n), n - kept);
    if (kept == n) {
      return new long[0];
    }
    return top == 0 ? new long[] {kept} : new long[] {kept + top, top};
  }

  /** The elements above the lower bound, less those above the upper one. */
  private static Task[] band(Threshold[] bounds) {
    return switch (bounds.length) {
      case 0 -> new Task[] {Task.weighted(1)};
      case 1 -> new Task[] {Task.magnitude(1, bounds[0])};
      default -> new Task[] {Task.magnitude(1, bounds[0]), Task.magnitude(-1, bounds[1])};
    };
  }

  private static void merge(
      Tile tile, List<Task[]> bands, Task[] tasks, Mix mix, Tensor out, Workspace ws) {
    Mix plain = new Mix(false, false, 1);
    try (Opened opened = new Opened()) {
      List<Tensor> kept = new ArrayList<>();
      for (int k = 0; k < tasks.length; k++) {
        Tensor part = opened.add(TaskVectors.difference(tile, k, ws));
        // An element less itself is 0: no rounding.
        List<Tensor> same = Collections.nCopies(bands.get(k).length, part);
        TaskVectors.mix(tile.first(), same, bands.get(k), plain, part, ws);
        kept.add(part);
      }
      TaskVectors.merge(tile, kept, tasks, mix, out, ws);
    }
  }

  @Override
  public String toString() {
    return id() + " with weights " + options.weights() + ", lambda " + options.lambda();
  }
}
