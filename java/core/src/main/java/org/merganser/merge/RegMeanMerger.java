// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.List;
import java.util.stream.IntStream;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.error.NumericalException;
import org.merganser.internal.Names;
import org.merganser.internal.Opened;
import org.merganser.internal.kernel.Block;
import org.merganser.internal.kernel.Kernels;
import org.merganser.io.Checkpoint;
import org.merganser.io.TensorInfo;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;
import org.merganser.method.Setting;
import org.merganser.method.Settings;
import org.merganser.model.Architecture;
import org.merganser.stats.Moments;

/**
 * Linear layers whose outputs are nearest to those of all models on their own data: the W that
 * minimises {@code sum_k |X_k W^T - X_k W_k^T|^2},
 *
 * <pre>
 *   W^T = (sum_k H_k)^-1 sum_k H_k W_k^T,   H_k = a G_k + (1 - a) diag G_k + r tr(G_k)/d I
 * </pre>
 *
 * <p>of weights [out x in] with {@code G_k = X_k^T X_k} [in x in] of their inputs ({@link
 * Importance#GRAM}; those of more samples count more), a the setting {@code off-diagonal} and r
 * {@code ridge}. The ridge is part of each model's term, so where no data are (fewer samples than
 * features are usual) W is the mean of the models, and equal models give themselves. Tensors
 * without importances (biases, normalisations, embeddings, convolutions) are averaged. Whole
 * matrices in F64, by a Cholesky factor; one rounding.
 *
 * <p>Source: Jin et al. 2023, "Dataless Knowledge Fusion by Merging Weights of Language Models";
 * 0.1 off the diagonal is FusionBench's default, the paper has 0.9 and 0.1, and 1 for the plain
 * solution.
 */
public final class RegMeanMerger extends TensorMerger {
  /** How much a Gram matrix may differ from its transpose, relative to itself. */
  private static final double ASYMMETRY = 1e-3;

  /** Settings. */
  public record Options(
      @Setting(
              value = "times the elements of Gram matrices off their diagonals",
              min = 0,
              max = 1,
              varies = true)
          double offDiagonal,
      @Setting(
              value = "added to their diagonals, relative to the mean of these",
              min = 0,
              varies = true)
          double ridge,
      @Setting(
              value = "whether weights are [in x out], as those of GPT-2, not [out x in]",
              varies = true)
          boolean transposed) {
    public Options {
      Settings.check(Options.class, offDiagonal, ridge, transposed);
    }

    /** 0.1 off the diagonal, ridge 1e-6, weights [out x in]. */
    public static Options defaults() {
      return new Options(0.1, 1e-6, false);
    }

    public Options withOffDiagonal(double value) {
      return new Options(value, ridge, transposed);
    }

    public Options withRidge(double value) {
      return new Options(offDiagonal, value, transposed);
    }

    public Options withTransposed(boolean value) {
      return new Options(offDiagonal, ridge, value);
    }
  }

  private final Options options;

  private RegMeanMerger(Options options) {
    this.options = options;
  }

  public static RegMeanMerger of(Options options) {
    return new RegMeanMerger(options);
  }

  /**
   * The Gram matrices of a model's linear layers, of the moments of the spaces that they read: a
   * view that computes {@code M2 + n mean mean^T} when it is read. A weight has one where its input
   * axis is a whole space. None has one that reads its space pooled or flattened (a space that
   * convolutions write or read, or of several entries a feature), and none that reads the inputs of
   * the network, unless they are a space of the architecture. Nor has one whose space several
   * layers write, or read beside a normalisation (a residual stream): moments are of one place in
   * it; a warning names these.
   *
   * @param moments with the block (k, k) of these spaces ({@link
   *     org.merganser.stats.StatisticsRequest.Part#OWN})
   * @param k the number of the model in them
   * @throws IncompatibleModelsException when no tensor has one
   */
  public static Checkpoint grams(
      Architecture architecture, Checkpoint model, Moments moments, int k) {
    return new GramMatrices(architecture, model, moments, k);
  }

  @Override
  public String id() {
    return "regmean";
  }

  @Override
  public String summary() {
    return "linear layers nearest to all models on what they read";
  }

  @Override
  public Options options() {
    return options;
  }

  @Override
  public Needs needs() {
    return new Needs(false, false, 1, Integer.MAX_VALUE, Importance.GRAM);
  }

  private long inputs(TensorInfo info) {
    return info.dim(options.transposed() ? 0 : 1);
  }

  @Override
  protected void check(Group group) {
    for (TensorInfo each : group.importances()) {
      TensorInfo info = group.info();
      boolean fits = info.rank() == 2 && each.rank() == 2 && each.dtype().isArithmetic();
      if (!fits || each.dim(0) != inputs(info) || each.dim(1) != inputs(info)) {
        String where = Names.quote(group.name()) + " is " + info + ", its importance " + each;
        throw new IncompatibleModelsException(
            "importances do not fit",
            List.of(
                where
                    + (info.rank() == 2
                        ? ", and not the Gram matrix of %d inputs (weights [in x out] take transposed=true)"
                            .formatted(inputs(info))
                        : "; Gram matrices are those of linear layers")));
      }
    }
  }

  @Override
  protected Access access(Group group) {
    return group.importances().isEmpty() ? Access.ELEMENTS : Access.WHOLE;
  }

  @Override
  protected Demand demand(Group group) {
    if (group.importances().isEmpty()) {
      return Demand.ONE_PASS;
    }
    long inputs = inputs(group.info());
    long stored = group.importances().stream().mapToLong(TensorInfo::bytes).max().orElse(0);
    return new Demand(1, 8 * (5 * inputs * inputs + 5 * group.info().size()) + stored);
  }

  @Override
  protected TileFunction prepare(Group group, Workspace ws) throws IOException {
    if (group.importances().isEmpty() || group.info().size() == 0) {
      return LinearMerger.uniform().prepare(group, ws);
    }
    return (tile, out, w) -> merge(group, tile, out, w);
  }

  private void merge(Group group, Tile tile, Tensor out, Workspace ws) {
    try (Opened opened = new Opened()) {
      Matrix first = opened.add(weights(tile.models().get(0), ws));
      Matrix sum = null;
      // sum_k (W_k - W_0) H_k: relative to the first, so that equal models give themselves.
      Matrix zeros = opened.add(Matrix.zeros(first.rows(), first.columns()));
      Matrix apart = opened.add(zeros.on(ws));
      for (int k = 0; k < group.models(); k++) {
        try (Matrix h = importance(group, k, ws)) {
          if (k > 0) {
            try (Matrix own = weights(tile.models().get(k), ws)) {
              sumUp(-1, first, own, own, ws);
              LinAlg.addProduct(1, own, h, apart, ws);
            }
          }
          if (sum == null) {
            sum = opened.add(Matrix.allocate(h.rows(), h.columns(), ws));
            sum.asTensor().copyFrom(h.asTensor(), ws);
          } else {
            sumUp(1, h, sum, sum, ws);
          }
        }
      }
      Matrix right = opened.add(LinAlg.transpose(apart, ws));
      Matrix solved = opened.add(solve(group.name(), sum, right, ws));
      Matrix moved = opened.add(LinAlg.transpose(solved, ws));
      sumUp(1, moved, first, first, ws);
      Matrix result = options.transposed() ? opened.add(LinAlg.transpose(first, ws)) : first;
      out.convertFrom(result.asTensor(), ws);
    }
  }

  /** {@code c = factor a + b}. */
  private static void sumUp(double factor, Matrix a, Matrix b, Matrix c, Workspace ws) {
    Block[] terms = {Block.of(a.asTensor()), Block.of(b.asTensor())};
    Kernels.of(ws)
        .merge()
        .weightedSum(
            DType.F64.code(),
            a.asTensor().size(),
            terms,
            new double[] {factor, 1},
            Block.of(c.asTensor()));
  }

  /** In F64, [out x in]; the caller closes it. */
  private Matrix weights(Tensor model, Workspace ws) {
    Matrix wide = Matrix.of(model.to(DType.F64, ws));
    if (!options.transposed()) {
      return wide;
    }
    try (wide) {
      return LinAlg.transpose(wide, ws);
    }
  }

  private Matrix solve(String name, Matrix sum, Matrix right, Workspace ws) {
    try {
      return LinAlg.solve(sum, right, ws);
    } catch (NumericalException e) {
      throw new NumericalException(
          "%s: %s: the inputs of all models leave directions of no variance, or are no X^T X; raise the ridge, now %s"
              .formatted(Names.quote(name), e.getMessage(), options.ridge()),
          e);
    }
  }

  /** {@code H_k}; the caller closes it. */
  private Matrix importance(Group group, int k, Workspace ws) {
    try (Matrix gram = Matrix.of(group.importance(k, ws))) {
      int n = Math.toIntExact(gram.rows());
      double[] diagonal = gram.entries(IntStream.range(0, n).toArray(), ws);
      requireSymmetric(group.name(), k, gram, ws);
      double trace = 0;
      for (double each : diagonal) {
        if (each < 0) {
          throw new NumericalException(
              "the importance of model %d: %s has %s on its diagonal, which X^T X cannot have"
                  .formatted(k, Names.quote(group.name()), each));
        }
        trace += each;
      }
      try (Matrix added = Matrix.zeros(n, n)) {
        for (int i = 0; i < n; i++) {
          added.set(i, i, (1 - options.offDiagonal()) * diagonal[i] + options.ridge() * trace / n);
        }
        Matrix sum = added.on(ws);
        sumUp(options.offDiagonal(), gram, sum, sum, ws);
        return sum;
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e); // MergedCheckpoint unwraps it
    }
  }

  private static void requireSymmetric(String name, int k, Matrix gram, Workspace ws) {
    try (Matrix apart = LinAlg.transpose(gram, ws)) {
      sumUp(-1, gram, apart, apart, ws);
      double difference = LinAlg.norm1(apart, ws);
      double size = LinAlg.norm1(gram, ws);
      if (!(difference <= ASYMMETRY * size)) {
        throw new NumericalException(
            "the importance of model %d: %s is not symmetric (columns of G - G^T sum to %.3g, of G to %.3g); give X^T X of its inputs"
                .formatted(k, Names.quote(name), difference, size));
      }
    }
  }

  @Override
  public String toString() {
    return "regression mean with " + options.offDiagonal() + " off the diagonal";
  }
}
