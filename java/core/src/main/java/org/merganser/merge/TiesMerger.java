// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.internal.Names;
import org.merganser.internal.kernel.MergeKernels.Mix;
import org.merganser.internal.kernel.MergeKernels.Task;
import org.merganser.internal.kernel.MergeKernels.Threshold;
import org.merganser.io.TensorInfo;
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
 * <p>without the quotient when not normalised. In F32 (F64 for F64), rounded once. Magnitudes are
 * selected exactly, tile by tile for all models at once: two passes (four of F64), a part of
 * another where of equal ones some are kept, and one that merges.
 *
 * <p>Fails where nothing would be kept, as mergekit does.
 *
 * <p>Source: Yadav et al. 2023, "TIES-Merging"; by tensor and with weights as in mergekit. The
 * paper trims the whole model at once ({@link Scope#MODEL}: all tensors in the order of their
 * names, one vector), and its code keeps one element more and all that are equal to it ({@link
 * Trim#AT_LEAST}). Where the sum is exactly 0 it elects the sign of most of the model, not +.
 */
public final class TiesMerger extends TensorMerger {
  /** Of what a share is kept. */
  public enum Scope {
    TENSOR,
    /** All tensors that are merged; their statistics are taken when the first of them is read. */
    MODEL
  }

  /** How many are kept. */
  public enum Trim {
    /** {@code trunc(density n)}. */
    EXACT,
    /** All at least as large as the next one. As published. */
    AT_LEAST
  }

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
      @Setting("whether the sum is divided by the weights that agree") boolean normalise,
      @Setting("of what the share is kept: each tensor, or the model as published") Scope scope,
      @Setting("whether exactly the share is kept, or as published one more and all its equals")
          Trim trim) {
    public Options {
      weights = List.copyOf(weights);
      density = List.copyOf(density);
      Settings.check(Options.class, weights, density, lambda, normalise, scope, trim);
      if (density.isEmpty()) {
        throw new IllegalArgumentException(
            "density must be one for all, or one for each model, not none");
      }
    }

    /** Weights 1, nothing trimmed, lambda 1, normalised; by tensor, exactly. */
    public static Options defaults() {
      return new Options(List.of(), List.of(1.0), 1, true, Scope.TENSOR, Trim.EXACT);
    }

    public Options withWeights(List<Double> values) {
      return new Options(values, density, lambda, normalise, scope, trim);
    }

    public Options withDensity(List<Double> values) {
      return new Options(weights, values, lambda, normalise, scope, trim);
    }

    public Options withLambda(double value) {
      return new Options(weights, density, value, normalise, scope, trim);
    }

    public Options withNormalise(boolean value) {
      return new Options(weights, density, lambda, value, scope, trim);
    }

    public Options withScope(Scope value) {
      return new Options(weights, density, lambda, normalise, value, trim);
    }

    public Options withTrim(Trim value) {
      return new Options(weights, density, lambda, normalise, scope, value);
    }

    private double densityOf(int model) {
      return density.get(density.size() == 1 ? 0 : model);
    }
  }

  private final Options options;

  /** Of each tensor and model, where they are those of the whole model. */
  private final Map<String, List<Optional<Threshold>>> ofModel;

  private TiesMerger(Options options, Map<String, List<Optional<Threshold>>> ofModel) {
    this.options = options;
    this.ofModel = ofModel;
  }

  public static TiesMerger of(Options options) {
    return new TiesMerger(options, Map.of());
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
    for (int k = 0; k < models && options.scope() == Scope.TENSOR; k++) {
      TaskVectors.requireKept(id(), Names.quote(name), info.size(), options.densityOf(k));
    }
  }

  @Override
  protected Demand demand(TensorInfo info, int models) {
    boolean trims = options.density().stream().anyMatch(density -> density < 1);
    return Selection.demand(info, trims ? models : 0, isOverModel());
  }

  @Override
  protected boolean isOverModel() {
    return options.scope() == Scope.MODEL;
  }

  @Override
  protected TensorMerger overModel(List<Group> groups, Workspace ws) throws IOException {
    DType wide = TaskVectors.wide(groups.get(0).info().dtype());
    for (Group group : groups) {
      if (TaskVectors.wide(group.info().dtype()) != wide) {
        throw new IllegalArgumentException(
            id()
                + ": "
                + Names.quote(group.name())
                + " is "
                + group.info().dtype()
                + ", "
                + Names.quote(groups.get(0).name())
                + " "
                + groups.get(0).info().dtype()
                + "; magnitudes of a whole model are compared in one precision: convert the models"
                + " (--dtype, in a recipe dtype; Checkpoint.as), or take scope=tensor");
      }
    }
    long n = groups.stream().mapToLong(group -> group.info().size()).sum();
    for (int k = 0; k < groups.get(0).models(); k++) {
      TaskVectors.requireKept(id(), "the model", n, options.densityOf(k));
    }
    List<Optional<Threshold>> all = thresholds(groups, ws);
    Map<String, List<Optional<Threshold>>> each = new HashMap<>();
    long first = 0;
    for (Group group : groups) {
      long begin = first;
      each.put(
          group.name(),
          all.stream()
              .map(one -> one.map(t -> new Threshold(t.value(), Math.max(-1, t.last() - begin))))
              .toList());
      first += group.info().size();
    }
    return new TiesMerger(options, each);
  }

  @Override
  protected TileFunction prepare(Group group, Workspace ws) throws IOException {
    double[] weights = Weights.of(options.weights(), group.models(), 1);
    List<Optional<Threshold>> thresholds =
        options.scope() == Scope.MODEL ? ofModel.get(group.name()) : thresholds(List.of(group), ws);
    Task[] tasks = new Task[weights.length];
    for (int k = 0; k < tasks.length; k++) {
      double weight = weights[k];
      tasks[k] =
          thresholds.get(k).map(t -> Task.magnitude(weight, t)).orElse(Task.weighted(weight));
    }
    return TaskVectors.merge(tasks, new Mix(true, options.normalise(), options.lambda()));
  }

  /** Of each model; none where all is kept. */
  private List<Optional<Threshold>> thresholds(List<Group> groups, Workspace ws)
      throws IOException {
    long n = groups.stream().mapToLong(group -> group.info().size()).sum();
    boolean exact = options.trim() == Trim.EXACT;
    long[][] ranks = new long[groups.get(0).models()][0];
    for (int k = 0; k < ranks.length && n > 0; k++) {
      long kept = (long) (options.densityOf(k) * n) + (exact ? 0 : 1);
      ranks[k] = options.densityOf(k) == 1 || kept >= n ? new long[0] : new long[] {kept};
    }
    List<Optional<Threshold>> found = new ArrayList<>();
    for (Threshold[] each : Selection.of(groups, ranks, ws)) {
      Optional<Threshold> one = Arrays.stream(each).findFirst();
      found.add(exact ? one : one.map(t -> new Threshold(t.value(), Long.MAX_VALUE / 2)));
    }
    return found;
  }

  @Override
  public String toString() {
    return id() + " with weights " + options.weights() + ", lambda " + options.lambda();
  }
}
