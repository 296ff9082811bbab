// SPDX-License-Identifier: Apache-2.0
package org.merganser.similarity;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.similarity.GridAccumulator.Layer;
import org.merganser.similarity.SimilarityGrid.Cell;
import org.merganser.similarity.SimilarityMeasure.Estimator;

/** Cells of a grid from what was summed. */
final class GridValues {
  private static final String BIASED = "cka-linear";
  private static final String DEBIASED = "cka-linear-debiased";
  private static final String MINIBATCH = "cka-minibatch";

  private GridValues() {}

  static boolean isLinearCka(SimilarityMeasure measure) {
    return isLinearCka(measure.id());
  }

  static boolean isLinearCka(String id) {
    return id.equals(BIASED) || id.equals(DEBIASED);
  }

  static Estimator estimator(SimilarityMeasure measure) {
    return measure.id().equals(DEBIASED) || measure.id().equals(MINIBATCH)
        ? Estimator.DEBIASED
        : Estimator.BIASED;
  }

  static void requireStreaming(SimilarityMeasure measure) {
    problem(measure)
        .ifPresent(
            why -> {
              throw new IllegalArgumentException(why);
            });
  }

  private static Optional<String> problem(SimilarityMeasure measure) {
    Set<String> streamed = SumsMeasures.ids();
    if (measure instanceof MinibatchCka) {
      return Optional.empty();
    }
    if (!isLinearCka(measure) && !streamed.contains(measure.id())) {
      return Optional.of(
          measure.id()
              + " needs all samples at once; compare layers in memory (SimilarityGrid.compute), or"
              + " take one of "
              + BIASED
              + ", "
              + DEBIASED
              + " and "
              + streamed);
    }
    // What sums give is the fit of all samples at once.
    if (measure instanceof LinearRegressionR2 regression
        && !regression.options().equals(LinearRegressionR2.Options.defaults())) {
      return Optional.of(
          measure.id()
              + " with folds or a penalty needs all samples at once; compare layers in memory"
              + " (SimilarityGrid.compute)");
    }
    return Optional.empty();
  }

  /** Why a measure does not come of sums of a plan; empty when it does. */
  static Optional<String> problem(SimilarityMeasure measure, Plan plan) {
    Optional<String> ever = problem(measure);
    if (ever.isPresent()) {
      return ever;
    }
    if (measure instanceof MinibatchCka minibatch) {
      return plan.gives(minibatch.options())
          ? Optional.empty()
          : Optional.of(
              measure.id()
                  + " comes of batches as its settings have them (Plan.minibatch(options)), not of "
                  + plan);
    }
    if (!isLinearCka(measure) && plan.kind() != Plan.Kind.FEATURE) {
      return Optional.of(
          measure.id() + " comes of products of features (Plan.feature()), not of " + plan);
    }
    if (!plan.kernel().equals(Kernel.linear())) {
      return Optional.of(
          measure.id() + " is of linear kernels, not of " + plan.kernel() + "; take " + MINIBATCH);
    }
    if (measure.id().equals(BIASED) && plan.kind() == Plan.Kind.MINIBATCH) {
      return Optional.of(
          BIASED
              + " of batches depends on their size; take "
              + DEBIASED
              + ", whose terms are averaged without bias, or another plan");
    }
    return Optional.empty();
  }

  static SimilarityGrid of(SimilarityMeasure measure, GridAccumulator from) {
    requireStreaming(measure);
    GridSums sums = from.finished();
    Plan.Kind kind = sums.plan().kind();
    problem(measure, sums.plan())
        .ifPresent(
            why -> {
              throw new IllegalArgumentException(why);
            });
    requireSamples(measure, sums.samples());
    List<List<Cell>> cells =
        switch (kind) {
          case FEATURE -> features(measure, from, (GridSums.Features) sums);
          case FULL -> full(measure, from, (GridSums.Full) sums);
          case MINIBATCH -> batches(from, (GridSums.Minibatches) sums);
        };
    return new SimilarityGrid(
        measure.id(),
        estimator(measure),
        kind.name().toLowerCase(Locale.ROOT),
        names(from.layersA()),
        names(from.layersB()),
        cells,
        sums.samples(),
        from.dropped() + sums.leftOver(),
        sums.plan().batch(),
        from.options().flatten(),
        List.of());
  }

  private static void requireSamples(SimilarityMeasure measure, long samples) {
    if (samples < measure.minimumSamples()) {
      throw new IllegalArgumentException(
          measure.id()
              + " needs at least "
              + measure.minimumSamples()
              + " samples, or one full batch; there were "
              + samples);
    }
  }

  private static List<String> names(List<Layer> layers) {
    return layers.stream().map(Layer::tap).toList();
  }

  private static List<List<Cell>> features(
      SimilarityMeasure measure, GridAccumulator from, GridSums.Features sums) {
    Workspace ws = from.workspace();
    FeatureSums features = sums.sums();
    double[] squaresA = ownSquares(features.left(), ws);
    double[] squaresB = ownSquares(features.right(), ws);
    List<List<Cell>> cells = new ArrayList<>();
    for (int i = 0; i < squaresA.length; i++) {
      List<Cell> row = new ArrayList<>();
      cells.add(row);
      for (int j = 0; j < squaresB.length; j++) {
        LayerSums x = features.left().get(i);
        LayerSums y = features.right().get(j);
        PairSums pair = features.pair(i, j);
        LinearSums linear =
            new LinearSums(
                x.samples(),
                pair.squaredNorm(ws),
                squaresA[i],
                squaresB[j],
                pair.normProducts(),
                x.own().normProducts(),
                y.own().normProducts(),
                x.sumOfNorms(),
                y.sumOfNorms(),
                DType.F64);
        String reason = constant(from, i, x.isConstant(), j, y.isConstant());
        row.add(
            !reason.isEmpty()
                ? Cell.undefined(reason)
                : isLinearCka(measure)
                    ? cell(measure, linear)
                    : other(SumsMeasures.value(measure, x, y, pair, ws)));
      }
    }
    return cells;
  }

  private static double[] ownSquares(List<LayerSums> layers, Workspace ws) {
    return layers.stream().mapToDouble(layer -> layer.own().squaredNorm(ws)).toArray();
  }

  private static Cell other(double value) {
    return Cell.of(value, Double.NaN, Double.NaN, Double.NaN);
  }

  private static Cell cell(SimilarityMeasure measure, LinearSums sums) {
    double biased = sums.biased();
    double debiased = sums.n() < MinibatchSums.LEAST ? Double.NaN : sums.debiased();
    double value = measure.id().equals(BIASED) ? biased : debiased;
    if (Double.isNaN(value)) {
      return Cell.undefined(
          "nothing is left of a Gram matrix without the diagonal: one sample differs from all"
              + " others, which are equal");
    }
    return Cell.of(value, biased, debiased, sums.chance());
  }

  private static List<List<Cell>> full(
      SimilarityMeasure measure, GridAccumulator from, GridSums.Full sums) {
    Workspace ws = from.workspace();
    GramRows left = sums.leftRows();
    GramRows right = sums.rightRows();
    double n = left.norms().columns();
    double[][] r = left.norms().toArray();
    double[][] t = right.norms().toArray();
    double[][] products = left.unbiased(right, ws);
    double[] ownA = left.unbiased(ws);
    double[] ownB = right.unbiased(ws);
    List<List<Cell>> cells = new ArrayList<>();
    for (int i = 0; i < r.length; i++) {
      List<Cell> row = new ArrayList<>();
      cells.add(row);
      for (int j = 0; j < t.length; j++) {
        double sumX = Arrays.stream(r[i]).sum();
        double sumY = Arrays.stream(t[j]).sum();
        double rt = dot(r[i], t[j]);
        double rr = dot(r[i], r[i]);
        double tt = dot(t[j], t[j]);
        LinearSums linear =
            new LinearSums(
                n,
                centred(n, products[i][j], rt, sumX, sumY),
                centred(n, ownA[i], rr, sumX, sumX),
                centred(n, ownB[j], tt, sumY, sumY),
                rt,
                rr,
                tt,
                sumX,
                sumY,
                from.options().precision());
        String reason = constant(from, i, sumX == 0, j, sumY == 0);
        row.add(reason.isEmpty() ? cell(measure, linear) : Cell.undefined(reason));
      }
    }
    return cells;
  }

  /** {@code <K, L>} of centred Gram matrices from {@code n (n - 3)} times the unbiased HSIC. */
  private static double centred(double n, double unbiased, double rt, double r, double t) {
    return unbiased + n / (n - 2) * rt - r * t / ((n - 1) * (n - 2));
  }

  private static double dot(double[] x, double[] y) {
    double sum = 0;
    for (int i = 0; i < x.length; i++) {
      sum += x[i] * y[i];
    }
    return sum;
  }

  private static List<List<Cell>> batches(GridAccumulator from, GridSums.Minibatches sums) {
    MinibatchSums found = sums.sums();
    List<List<Cell>> cells = new ArrayList<>();
    for (int i = 0; i < found.ownA().length; i++) {
      List<Cell> row = new ArrayList<>();
      cells.add(row);
      for (int j = 0; j < found.ownB().length; j++) {
        double own = found.ownA()[i];
        double other = found.ownB()[j];
        String reason = constant(from, i, found.isNothingA(i), j, found.isNothingB(j));
        if (!reason.isEmpty() && found.kernels().kernel() instanceof Kernel.Rbf) {
          reason +=
              "; for a Gaussian kernel also where half of the pairs of its first batch are equal";
        }
        double value = found.cross()[i][j] / (Math.sqrt(own) * Math.sqrt(other));
        value = Math.max(-1, Math.min(1, value));
        row.add(
            reason.isEmpty()
                ? Cell.of(value, Double.NaN, value, Double.NaN)
                : Cell.undefined(reason));
      }
    }
    return cells;
  }

  /** Why a side has no value, or empty. */
  private static String constant(
      GridAccumulator from, int i, boolean constantA, int j, boolean constantB) {
    return constantA
        ? constant("A", from.layersA().get(i))
        : constantB ? constant("B", from.layersB().get(j)) : "";
  }

  private static String constant(String side, Layer layer) {
    return "'%s' of %s is the same for all samples, or differs in one alone"
        .formatted(layer.tap(), side);
  }
}
