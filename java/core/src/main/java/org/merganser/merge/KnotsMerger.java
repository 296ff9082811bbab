// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.merganser.compute.Workspace;
import org.merganser.internal.Opened;
import org.merganser.internal.kernel.MergeKernels.Mix;
import org.merganser.internal.kernel.MergeKernels.Task;
import org.merganser.internal.kernel.MergeKernels.Threshold;
import org.merganser.io.TensorInfo;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Svd;
import org.merganser.linalg.Tensor;
import org.merganser.lora.LoraAdapter;
import org.merganser.lora.LoraSum;
import org.merganser.method.Setting;
import org.merganser.method.Settings;

/**
 * Task vectors merged where they are aligned: in the right singular vectors of all of them side by
 * side,
 *
 * <pre>
 *   [d_1 | ... | d_n] = U S [V_1 | ... | V_n]^T
 *   theta = b + lambda U S V^T,   V merged of V_1 ... V_n as by TIES
 * </pre>
 *
 * <p>V by TIES: of each V_k the {@code trunc(density size)} elements of largest magnitude (at least
 * one) are kept, weighted, and those of the elected sign summed, divided by their weights when
 * normalised; without election and trimming it is the weighted mean, and theta the mean of the
 * models. Singular values up to {@code smallest} are dropped with their vectors, so made for
 * updates of low rank (LoRA): {@link #combine} merges these without forming them. Other tensors:
 * the mean. The whole matrices of all models, in F64.
 *
 * <p>Source: Stoica et al. 2025, "Model merging with SVD to tie the KnOTS".
 */
public final class KnotsMerger extends SpectralMerger {
  /** Settings. */
  public record Options(
      @Setting(value = "one for each model; none for 1 each", varies = true) List<Double> weights,
      @Setting(value = "share of the elements of V kept", above = 0, max = 1, varies = true)
          double density,
      @Setting(value = "times the merged task vector", varies = true) double lambda,
      @Setting("whether only elements of the elected sign are summed") boolean elect,
      @Setting("whether the sum is divided by its weights") boolean normalise,
      @Setting(value = "singular values up to it are dropped", min = 0) double smallest) {
    public Options {
      weights = List.copyOf(weights);
      Settings.check(Options.class, weights, density, lambda, elect, normalise, smallest);
    }

    /** As TIES, nothing trimmed, lambda 1, singular values above 1e-4. */
    public static Options defaults() {
      return new Options(List.of(), 1, 1, true, true, 1e-4);
    }

    public Options withWeights(List<Double> values) {
      return new Options(values, density, lambda, elect, normalise, smallest);
    }

    public Options withDensity(double value) {
      return new Options(weights, value, lambda, elect, normalise, smallest);
    }

    public Options withLambda(double value) {
      return new Options(weights, density, value, elect, normalise, smallest);
    }

    public Options withElect(boolean value) {
      return new Options(weights, density, lambda, value, normalise, smallest);
    }

    public Options withNormalise(boolean value) {
      return new Options(weights, density, lambda, elect, value, smallest);
    }

    public Options withSmallest(double value) {
      return new Options(weights, density, lambda, elect, normalise, value);
    }
  }

  private final Options options;

  private KnotsMerger(Options options) {
    this.options = options;
  }

  public static KnotsMerger of(Options options) {
    return new KnotsMerger(options);
  }

  @Override
  public String id() {
    return "knots";
  }

  @Override
  public String summary() {
    return "differences to a base merged as by TIES in their common singular vectors";
  }

  @Override
  public Options options() {
    return options;
  }

  /**
   * Adapters merged so, as one adapter: of the same difference to the model that they are for, but
   * from their factors, so that nothing of the size of a weight is decomposed. Of weights that are
   * stored transposed it is that of the weights as layers compute with them.
   *
   * @return borrows the adapters
   */
  public LoraSum combine(List<LoraAdapter> adapters) {
    Weights.require("weights", options.weights(), adapters.size());
    return LoraSum.aligned(
        adapters,
        (parts, ws) -> merged(parts.stream().map(Matrix::asTensor).toList(), ws),
        options.smallest(),
        options.lambda());
  }

  @Override
  long decomposed(TensorInfo info, int models) {
    return Math.min(info.dim(0), models * info.dim(1));
  }

  @Override
  double lambda() {
    return options.lambda();
  }

  @Override
  protected void check(String name, TensorInfo info, int models) {
    super.check(name, info, models);
    Weights.require("weights", options.weights(), models);
  }

  @Override
  Matrix merge(List<Matrix> differences, Workspace ws) {
    long rows = differences.get(0).rows();
    long columns = differences.get(0).columns();
    try (Matrix stacked = transposed(differences, ws);
        Svd svd = Svd.of(stacked, ws);
        Opened opened = new Opened()) {
      double[] values =
          Arrays.stream(svd.singularValues()).filter(s -> s > options.smallest()).toArray();
      int kept = values.length;
      if (kept == 0) {
        return zeros(rows, columns, ws);
      }
      Tensor left = opened.add(leading(svd.left(), kept, ws)).asTensor();
      List<Tensor> parts = new ArrayList<>();
      for (int k = 0; k < differences.size(); k++) {
        // Where a model is the base, rounding is nothing that takes part in elections.
        boolean none = LinAlg.norm1(differences.get(k), ws) == 0;
        parts.add(
            opened.add(
                none
                    ? zeros(columns, kept, ws).asTensor()
                    : left.rows(k * columns, (k + 1) * columns)));
      }
      Matrix v = opened.add(merged(parts, ws));
      Matrix vt = opened.add(LinAlg.transpose(v, ws));
      Tensor right = opened.add(svd.rightTransposed().asTensor().rows(0, kept));
      Tensor us = opened.add(right.scaledRows(values, ws));
      return LinAlg.transposeMultiply(Matrix.of(us), vt, ws);
    }
  }

  private static Matrix zeros(long rows, long columns, Workspace ws) {
    try (Matrix zeros = Matrix.zeros(rows, columns)) {
      return zeros.on(ws);
    }
  }

  /** The leading columns: those of singular values that are dropped say nothing. */
  private static Matrix leading(Matrix of, int columns, Workspace ws) {
    try (Matrix transposed = LinAlg.transpose(of, ws);
        Tensor part = transposed.asTensor().rows(0, columns)) {
      return LinAlg.transpose(Matrix.of(part), ws);
    }
  }

  /** The differences transposed, one below the other. */
  private static Matrix transposed(List<Matrix> differences, Workspace ws) {
    Matrix first = differences.get(0);
    long n = first.columns();
    try (Opened opened = new Opened()) {
      Matrix stacked = opened.add(Matrix.allocate(differences.size() * n, first.rows(), ws));
      for (int k = 0; k < differences.size(); k++) {
        try (Matrix one = LinAlg.transpose(differences.get(k), ws);
            Tensor place = stacked.asTensor().rows(k * n, (k + 1) * n)) {
          place.copyFrom(one.asTensor(), ws);
        }
      }
      opened.release();
      return stacked;
    }
  }

  private Matrix merged(List<Tensor> parts, Workspace ws) {
    Tensor first = parts.get(0);
    double[] weights = Weights.of(options.weights(), parts.size(), 1);
    try (Opened opened = new Opened();
        Matrix origin = zeros(first.dim(0), first.dim(1), ws)) {
      Matrix result = opened.add(Matrix.allocate(first.dim(0), first.dim(1), ws));
      TaskVectors.merge(
              tasks(parts, origin.asTensor(), weights, ws),
              new Mix(options.elect(), options.normalise(), 1))
          .merge(new Tile(0, parts, Optional.of(origin.asTensor())), result.asTensor(), ws);
      opened.release();
      return result;
    }
  }

  private Task[] tasks(List<Tensor> parts, Tensor origin, double[] weights, Workspace ws) {
    Task[] tasks = Arrays.stream(weights).mapToObj(Task::weighted).toArray(Task[]::new);
    if (options.density() == 1) {
      return tasks;
    }
    long[][] ranks = new long[tasks.length][];
    Arrays.fill(ranks, new long[] {Math.max(1, (long) (options.density() * origin.size()))});
    Threshold[][] thresholds = Selection.of(parts, origin, ranks, ws);
    for (int k = 0; k < tasks.length; k++) {
      tasks[k] = Task.magnitude(weights[k], thresholds[k][0]);
    }
    return tasks;
  }

  @Override
  public String toString() {
    return id() + " with weights " + options.weights() + ", lambda " + options.lambda();
  }
}
