// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.internal.Names;
import org.merganser.internal.Opened;
import org.merganser.internal.Seeds;
import org.merganser.internal.kernel.Block;
import org.merganser.internal.kernel.Kernels;
import org.merganser.internal.kernel.MergeKernels.Mix;
import org.merganser.internal.kernel.MergeKernels.RankedDrop;
import org.merganser.internal.kernel.MergeKernels.Task;
import org.merganser.io.TensorInfo;
import org.merganser.linalg.Tensor;
import org.merganser.merge.DareMerger.Rescale;
import org.merganser.merge.KeptNorms.Norm;
import org.merganser.method.Setting;
import org.merganser.method.Settings;

/**
 * Drop by magnitude and rescale: within each row of a task vector {@code d_k = theta_k - b} the
 * element whose magnitude has rank r of L, 1 for the smallest, of equal ones the last, is kept with
 * probability
 *
 * <pre>
 *   p = density - epsilon + (r - 1) / (L - 1) 2 epsilon     density where L is 1
 * </pre>
 *
 * <p>so large ones are kept more often than small ones, and what is kept is multiplied by r_k to
 * make up for the rest, as {@link DareMerger} does; 1 / p with {@link Rescale#INV_DENSITY}. Then
 *
 * <pre>
 *   linear   theta = b + lambda sum_k w_k r_k d_k
 *   ties     theta = b + lambda sum_A w_k r_k d_k     over the models A of the elected sign
 * </pre>
 *
 * <p>as in {@link TiesMerger}; when normalised divided by {@code sum_k w_k}, or of A. A row is one
 * entry of the first dimension with all others; a vector is one. With density 1 nothing is dropped.
 * In F32 (F64 for F64), rounded once. One pass, two when a norm is kept; a row of each model in
 * memory.
 *
 * <p>Elements are drawn as {@link DareMerger} draws them.
 *
 * <p>Source: Deep et al. 2024, "DELLA-Merging"; norms as in mergekit, whose random numbers are
 * others, which ranks more than two dimensions along the second, and whose rescaling is {@link
 * Rescale#L1}.
 */
public final class DellaMerger extends TensorMerger {
  /** Settings. */
  public record Options(
      @Setting(value = "one for each model; none for equal ones that sum to 1", varies = true)
          List<Double> weights,
      @Setting(
              value = "mean probability that an element is kept, one for each model or one for all",
              above = 0,
              max = 1,
              varies = true)
          List<Double> density,
      @Setting(
              value = "by how much the largest are above it and the smallest below",
              min = 0,
              below = 0.5,
              varies = true)
          double epsilon,
      @Setting(value = "times the merged task vector", varies = true) double lambda,
      @Setting("whether the sum is divided by the weights") boolean normalise,
      @Setting("what makes up for elements that are dropped") Rescale rescale,
      @Setting("of the elements that are drawn") long seed) {
    public Options {
      weights = List.copyOf(weights);
      density = List.copyOf(density);
      Settings.check(Options.class, weights, density, epsilon, lambda, normalise, rescale, seed);
      if (density.isEmpty()) {
        throw new IllegalArgumentException(
            "density must be one for all, or one for each model, not none");
      }
    }

    /** Equal weights, nothing dropped, epsilon 0.15, lambda 1, normalised. */
    public static Options defaults() {
      return new Options(List.of(), List.of(1.0), 0.15, 1, true, Rescale.INV_DENSITY, 0);
    }

    public Options withWeights(List<Double> values) {
      return new Options(values, density, epsilon, lambda, normalise, rescale, seed);
    }

    public Options withDensity(List<Double> values) {
      return new Options(weights, values, epsilon, lambda, normalise, rescale, seed);
    }

    public Options withEpsilon(double value) {
      return new Options(weights, density, value, lambda, normalise, rescale, seed);
    }

    public Options withLambda(double value) {
      return new Options(weights, density, epsilon, value, normalise, rescale, seed);
    }

    public Options withNormalise(boolean value) {
      return new Options(weights, density, epsilon, lambda, value, rescale, seed);
    }

    public Options withRescale(Rescale value) {
      return new Options(weights, density, epsilon, lambda, normalise, value, seed);
    }

    public Options withSeed(long value) {
      return new Options(weights, density, epsilon, lambda, normalise, rescale, value);
    }

    private double densityOf(int model) {
      return density.get(density.size() == 1 ? 0 : model);
    }
  }

  /** Bytes for each element of a row that is sorted, as F32: twice of it, its word, its limit. */
  private static final long SORTED = 28;

  private final boolean elect;
  private final Options options;

  private DellaMerger(boolean elect, Options options) {
    this.elect = elect;
    this.options = options;
  }

  /** {@code della-linear}: what is kept is summed. */
  public static DellaMerger linear(Options options) {
    return new DellaMerger(false, options);
  }

  /** {@code della}: what is kept and has the elected sign is summed. */
  public static DellaMerger ties(Options options) {
    return new DellaMerger(true, options);
  }

  @Override
  public String id() {
    return elect ? "della" : "della-linear";
  }

  @Override
  public String summary() {
    return "differences to a base, random elements kept, mostly large ones, "
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
  protected Access access(TensorInfo info) {
    return drops() ? Access.ROWS : Access.ELEMENTS;
  }

  private boolean drops() {
    return options.density().stream().anyMatch(density -> density < 1);
  }

  @Override
  protected void check(String name, TensorInfo info, int models) {
    Weights.require("weights", options.weights(), models);
    if (options.density().size() > 1) {
      Weights.require("densities", options.density(), models);
    }
    for (double density : options.density()) {
      if (density < 1 && (density - options.epsilon() <= 0 || density + options.epsilon() >= 1)) {
        throw new IllegalArgumentException(
            id()
                + ": density "
                + density
                + " less and plus epsilon "
                + options.epsilon()
                + " must be in (0, 1) for "
                + Names.quote(name)
                + "; take a smaller epsilon");
      }
    }
  }

  @Override
  protected Demand demand(TensorInfo info, int models) {
    boolean norms = options.rescale() != Rescale.INV_DENSITY && options.rescale() != Rescale.NONE;
    if (!drops()) {
      return Demand.ONE_PASS;
    }
    DType wide = TaskVectors.wide(info.dtype());
    long row = TensorGroup.row(info);
    // To merge: what is kept of each model, base and result, of the rows of a tile.
    long merged =
        (models + 3) * wide.bytes(Math.min(info.size(), Math.max(row, TensorGroup.CACHED)));
    long tile = Math.max(1, TensorGroup.TILE / row) * row;
    return new Demand(
        norms ? 2 : 1,
        SORTED * row * wide.bits() / 32 + Math.max(merged, norms ? KeptNorms.held(info, tile) : 0));
  }

  @Override
  protected TileFunction prepare(Group group, Workspace ws) throws IOException {
    int models = group.models();
    long row = TensorGroup.row(group.info());
    double[] weights = Weights.of(options.weights(), models, 1.0 / models);
    double[] scales = scales(group, row, ws);
    long key = options.seed() ^ Seeds.hash(group.name());
    Task[] tasks = new Task[models];
    for (int k = 0; k < models; k++) {
      tasks[k] = Task.weighted(weights[k]).scaled(scales[k]);
    }
    Mix mix = new Mix(elect, options.normalise(), options.lambda());
    return (tile, out, w) -> {
      try (Opened opened = new Opened()) {
        List<Tensor> kept = new ArrayList<>();
        for (int k = 0; k < models; k++) {
          kept.add(opened.add(kept(k, key, row, tile, w)));
        }
        TaskVectors.merge(tile, kept, tasks, mix, out, w);
      }
    };
  }

  private Tensor kept(int model, long key, long row, Tile tile, Workspace ws) {
    double density = options.densityOf(model);
    if (density == 1) {
      return TaskVectors.difference(tile, model, ws);
    }
    Tensor base = tile.base().orElseThrow();
    boolean inverse = options.rescale() == Rescale.INV_DENSITY;
    RankedDrop drop = new RankedDrop(density, options.epsilon(), key, model, inverse);
    Tensor kept = Tensor.allocate(TaskVectors.wide(base.dtype()), base.shape(), ws);
    try (Opened opened = new Opened()) {
      opened.add(kept);
      Kernels.of(ws)
          .merge()
          .rankedDrop(
              base.dtype().code(),
              base.size() / row,
              row,
              tile.first(),
              Block.of(tile.models().get(model)),
              Block.of(base),
              drop,
              Block.of(kept));
      opened.release();
    }
    return kept;
  }

  private double[] scales(Group group, long row, Workspace ws) throws IOException {
    Norm norm =
        switch (options.rescale()) {
          case INV_DENSITY, NONE -> null;
          case L1 -> Norm.L1;
          case L2 -> Norm.L2;
          case LINF -> Norm.LINF;
        };
    if (!drops() || norm == null) {
      return Weights.of(List.of(), group.models(), 1);
    }
    long key = options.seed() ^ Seeds.hash(group.name());
    return KeptNorms.ratios(
        group, group::rows, norm, (k, tile, w) -> kept(k, key, row, tile, w), ws);
  }

  @Override
  public String toString() {
    return id() + " with weights " + options.weights() + ", lambda " + options.lambda();
  }
}
