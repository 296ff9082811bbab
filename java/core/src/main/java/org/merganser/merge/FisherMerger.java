// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.error.NumericalException;
import org.merganser.internal.Names;
import org.merganser.internal.Opened;
import org.merganser.internal.kernel.Block;
import org.merganser.internal.kernel.Kernels;
import org.merganser.internal.kernel.MergeKernels.Formula;
import org.merganser.io.TensorInfo;
import org.merganser.linalg.Tensor;
import org.merganser.method.Setting;
import org.merganser.method.Settings;

/**
 * The mean of parameters, each weighted by how much it matters to its model:
 *
 * <pre>
 *   theta = sum_k c_k (F_k + epsilon) theta_k / sum_k c_k (F_k + epsilon)
 * </pre>
 *
 * <p>with {@code F_k} the diagonal of the Fisher information of model k ({@link Importance#FISHER})
 * and {@code c_k} its weight; with {@code normalise}, {@code c_k = w_k / |F_k|}, the length over
 * all tensors, so that the scale of a diagonal (of its loss) does not count. Tensors without
 * importances, such as running statistics, are averaged by the weights. In F32 (F64 for F64), as
 * {@code theta_0 + sum_k c_k (F_k + epsilon) (theta_k - theta_0) / sum_k ...}, so that equal models
 * give themselves; where model 0 is far from the others and weighs nothing, an error of its size
 * times F32's is left. Rounded once. At most 16 models. One pass, two with {@code normalise}.
 *
 * <p>Source: Matena and Raffel 2022, "Merging Models with Fisher-Weighted Averaging"; normalisation
 * as in FusionBench, where it is the default.
 */
public final class FisherMerger extends TensorMerger {
  private static final int MOST_MODELS = 16;

  /** Settings. */
  public record Options(
      @Setting(value = "one for each model; none for equal ones", min = 0, varies = true)
          List<Double> weights,
      @Setting(value = "added to importances, so that some are above 0", above = 0, varies = true)
          double epsilon,
      @Setting("whether importances of each model are divided by their length over all tensors")
          boolean normalise) {
    public Options {
      weights = List.copyOf(weights);
      Settings.check(Options.class, weights, epsilon, normalise);
      Weights.requireSum(weights);
    }

    /** Equal weights, epsilon 1e-6, importances as they are. */
    public static Options defaults() {
      return new Options(List.of(), 1e-6, false);
    }

    public Options withWeights(List<Double> values) {
      return new Options(values, epsilon, normalise);
    }

    public Options withEpsilon(double value) {
      return new Options(weights, value, normalise);
    }

    public Options withNormalise(boolean value) {
      return new Options(weights, epsilon, value);
    }
  }

  private final Options options;

  /** Of each model, once they are known; 1 without {@code normalise}. */
  private final List<Double> lengths;

  private FisherMerger(Options options, List<Double> lengths) {
    this.options = options;
    this.lengths = lengths;
  }

  public static FisherMerger of(Options options) {
    return new FisherMerger(options, List.of());
  }

  @Override
  public String id() {
    return "fisher";
  }

  @Override
  public String summary() {
    return "mean of parameters weighted by their Fisher information";
  }

  @Override
  public Options options() {
    return options;
  }

  @Override
  public Needs needs() {
    return new Needs(false, false, 1, MOST_MODELS, Importance.FISHER);
  }

  /** The weights; how importances share them out differs from one parameter to the next. */
  @Override
  public List<Double> shares(int models) {
    double sum = options.weights().stream().mapToDouble(Double::doubleValue).sum();
    return options.weights().isEmpty()
        ? super.shares(models)
        : options.weights().stream().map(weight -> weight / sum).toList();
  }

  @Override
  protected void check(Group group) {
    Weights.require("weights", options.weights(), group.models());
    for (TensorInfo each : group.importances()) {
      if (!each.shape().equals(group.info().shape()) || !each.dtype().isArithmetic()) {
        throw new IncompatibleModelsException(
            "importances do not fit",
            List.of(
                "%s is %s in the models, its importance %s: Fisher diagonals have one number for each parameter"
                    .formatted(Names.quote(group.name()), group.info(), each)));
      }
    }
  }

  @Override
  protected Demand demand(TensorInfo info, int models) {
    return Demand.passes(options.normalise() ? 2 : 1);
  }

  @Override
  protected boolean isOverModel() {
    return options.normalise();
  }

  @Override
  protected TensorMerger overModel(List<Group> groups, Workspace ws) throws IOException {
    double[] squares = new double[groups.get(0).models()];
    for (Group group : groups) {
      if (group.importances().isEmpty()) {
        continue;
      }
      group.tiles(
          tile -> {
            for (int k = 0; k < squares.length; k++) {
              Tensor f = tile.importances().get(k);
              Block block = Block.of(f);
              squares[k] +=
                  Kernels.of(ws).merge().dotProducts(f.dtype().code(), f.size(), block, block)[0];
            }
          },
          ws);
    }
    List<Double> found = new ArrayList<>();
    for (int k = 0; k < squares.length; k++) {
      if (!(squares[k] > 0)) {
        throw new NumericalException(
            "importances of model " + k + " are all 0; leave out normalise, or measure them anew");
      }
      found.add(Math.sqrt(squares[k]));
    }
    return new FisherMerger(options, found);
  }

  @Override
  protected TileFunction prepare(Group group, Workspace ws) {
    int models = group.models();
    double[] weights = Weights.of(options.weights(), models, 1.0 / models);
    if (group.importances().isEmpty()) {
      return LinearMerger.weights(weights).prepare(group, ws);
    }
    double[] parameters = new double[2 + 2 * models];
    parameters[0] = options.epsilon();
    for (int k = 0; k < models; k++) {
      // Only their ratios count; near 1 they leave the range of F32 to the importances.
      double length = lengths.isEmpty() ? 1 : lengths.get(k) / lengths.get(0);
      parameters[3 + 2 * k] = weights[k] / length;
    }
    String name = group.name();
    return (tile, out, w) -> merge(name, tile, parameters, out, w);
  }

  private void merge(String name, Tile tile, double[] parameters, Tensor out, Workspace ws) {
    List<Tensor> importances = tile.importances();
    DType wide = importances.get(0).dtype();
    try (Opened opened = new Opened()) {
      Block[] pairs = new Block[2 * importances.size()];
      for (int k = 0; k < importances.size(); k++) {
        Tensor model = tile.models().get(k);
        Tensor x = model.dtype() == wide ? model : opened.add(model.to(wide, ws));
        pairs[2 * k] = Block.of(x);
        pairs[2 * k + 1] = Block.of(importances.get(k));
      }
      Tensor merged =
          out.dtype() == wide ? out : opened.add(Tensor.allocate(wide, out.shape(), ws));
      // Relative to the first model, so that equal ones give themselves back.
      Kernels.of(ws)
          .merge()
          .formula(
              Formula.WEIGHTED,
              wide.code(),
              tile.first(),
              out.size(),
              pairs[0],
              pairs,
              parameters,
              null,
              Block.of(merged));
      if (TensorGroup.nonFinite(merged, ws)[0] > 0) {
        requireSquares(name, importances, ws);
        requireSome(name, tile.first(), importances, ws);
      }
      if (merged != out) {
        out.convertFrom(merged, ws);
      }
    }
  }

  /** Where one is below 0 the result is NaN. */
  private static void requireSquares(String name, List<Tensor> importances, Workspace ws) {
    for (int k = 0; k < importances.size(); k++) {
      try (Tensor each = importances.get(k).toHost(ws)) {
        for (long i = 0; i < each.size(); i++) {
          if (each.get(i) < 0) {
            throw new NumericalException(
                "the importance of model %d: %s holds %s; Fisher diagonals are means of squares"
                    .formatted(k, Names.quote(name), each.get(i)));
          }
        }
      }
    }
  }

  /** Where nothing is known of any model and epsilon is lost, weights are 0 of 0. */
  private void requireSome(String name, long first, List<Tensor> importances, Workspace ws) {
    try (Opened opened = new Opened()) {
      List<Tensor> hosts = importances.stream().map(f -> opened.add(f.toHost(ws))).toList();
      DType wide = hosts.get(0).dtype();
      if (wide == DType.F64 || (float) options.epsilon() > 0) {
        return;
      }
      for (long i = 0; i < hosts.get(0).size(); i++) {
        long at = i;
        if (hosts.stream().allMatch(f -> f.get(at) == 0)) {
          throw new NumericalException(
              "%s: all importances are 0 at index %d, and epsilon %s is 0 in %s; take a larger one"
                  .formatted(Names.quote(name), first + i, options.epsilon(), wide));
        }
      }
    }
  }

  @Override
  public String toString() {
    return "the mean weighted by Fisher information";
  }
}
