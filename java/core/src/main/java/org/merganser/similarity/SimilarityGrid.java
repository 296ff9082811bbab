// SPDX-License-Identifier: Apache-2.0
package org.merganser.similarity;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.internal.io.TextFile;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;
import org.merganser.model.PairedActivations;
import org.merganser.similarity.GridAccumulator.Layer;
import org.merganser.stats.NonFinite;

/**
 * A measure of every layer of A with every layer of B. Every cell is computed: two networks give a
 * map that is not symmetric. A cell that has no value says why.
 *
 * @param measure its id
 * @param namesA of the rows
 * @param namesB of the columns
 * @param cells [A][B]
 * @param samples rows that went in
 * @param dropped samples that did not: not finite, or too few to fill a batch
 * @param batch rows of a batch whose estimates were averaged, or 0
 * @param route the sums that the values came of, such as {@code feature}; {@code pairs} for each
 *     pair by itself
 * @param warnings of measures that were asked pair by pair
 */
public record SimilarityGrid(
    String measure,
    SimilarityMeasure.Estimator estimator,
    String route,
    List<String> namesA,
    List<String> namesB,
    List<List<Cell>> cells,
    long samples,
    long dropped,
    int batch,
    Flatten flatten,
    List<CellWarning> warnings) {

  public SimilarityGrid {
    warnings = List.copyOf(warnings);
    namesA = List.copyOf(namesA);
    namesB = List.copyOf(namesB);
    cells = cells.stream().map(List::copyOf).toList();
  }

  /** Without warnings. */
  public SimilarityGrid(
      String measure,
      SimilarityMeasure.Estimator estimator,
      String route,
      List<String> namesA,
      List<String> namesB,
      List<List<Cell>> cells,
      long samples,
      long dropped,
      int batch,
      Flatten flatten) {
    this(
        measure, estimator, route, namesA, namesB, cells, samples, dropped, batch, flatten,
        List.of());
  }

  /**
   * Why the value of one cell may mislead.
   *
   * @param row i of the cell
   * @param column j
   */
  public record CellWarning(int row, int column, Similarity.Warning warning) {}

  /**
   * One pair of layers; NaN stands for numbers that were not computed.
   *
   * @param value of the measure
   * @param biased CKA, where the sums give it
   * @param debiased CKA
   * @param p probability of as large a value without any relation
   * @param chance mean of the biased value over all orders of the samples
   * @param topInfluenceIndex sample with the largest influence, or -1
   * @param topInfluence what it adds to the value
   * @param reason why there is no value, or empty
   */
  public record Cell(
      double value,
      double biased,
      double debiased,
      double p,
      double chance,
      long topInfluenceIndex,
      double topInfluence,
      String reason) {
    static Cell of(double value, double biased, double debiased, double chance) {
      return new Cell(value, biased, debiased, Double.NaN, chance, -1, Double.NaN, "");
    }

    static Cell undefined(String reason) {
      double none = Double.NaN;
      return new Cell(none, none, none, none, none, -1, none, reason);
    }
  }

  /**
   * How layers are compared as their activations come.
   *
   * @param plan null for {@link Plan#choose} at the first batch
   * @param budget bytes for what is kept, for {@link Plan#choose}
   * @param precision of products of Gram matrices, F64 or F32
   */
  public record Options(
      Flatten flatten, Plan plan, long budget, DType precision, NonFinite nonFinite) {
    /** Whole samples, 2 GiB, F64; what is not finite is refused. */
    public static Options defaults() {
      return new Options(Flatten.SAMPLE, null, 2L << 30, DType.F64, NonFinite.FAIL);
    }

    public Options withFlatten(Flatten value) {
      return new Options(value, plan, budget, precision, nonFinite);
    }

    public Options withPlan(Plan value) {
      return new Options(flatten, value, budget, precision, nonFinite);
    }

    public Options withBudget(long value) {
      return new Options(flatten, plan, value, precision, nonFinite);
    }

    public Options withPrecision(DType value) {
      return new Options(flatten, plan, budget, value, nonFinite);
    }

    public Options withNonFinite(NonFinite value) {
      return new Options(flatten, plan, budget, precision, value);
    }
  }

  /** The value of the measure in row i, column j. */
  public double value(int i, int j) {
    return cells.get(i).get(j).value();
  }

  /** The cell in row i, column j. */
  public Cell cell(int i, int j) {
    return cells.get(i).get(j);
  }

  /** The values, [A][B]. */
  public double[][] values() {
    return cells.stream()
        .map(row -> row.stream().mapToDouble(Cell::value).toArray())
        .toArray(double[][]::new);
  }

  /**
   * Of layers in memory, [n x p] each with the same samples in the same order, by name. Every
   * measure: each pair by itself, or, for CKA of linear kernels, Gram matrices or products of
   * features, whichever takes less, once for each layer, if these fit into 2 GiB.
   *
   * @throws IllegalArgumentException when there are no layers
   */
  public static SimilarityGrid compute(
      SimilarityMeasure measure,
      Map<String, Matrix> layersA,
      Map<String, Matrix> layersB,
      Workspace ws) {
    if (layersA.isEmpty() || layersB.isEmpty()) {
      throw new IllegalArgumentException("no layers to compare");
    }
    long samples = layersA.values().iterator().next().rows();
    Optional<Plan> plan =
        GridValues.isLinearCka(measure)
            ? Plan.inMemory(samples, widths(layersA), widths(layersB), Options.defaults().budget())
            : Optional.empty();
    if (plan.isPresent()) {
      return ofSums(measure, layersA, layersB, plan.get(), ws);
    }
    List<List<Cell>> cells = new ArrayList<>();
    List<CellWarning> warnings = new ArrayList<>();
    for (Matrix a : layersA.values()) {
      List<Cell> row = new ArrayList<>();
      cells.add(row);
      for (Matrix b : layersB.values()) {
        ws.cancellation().check();
        int i = cells.size() - 1;
        int j = row.size();
        row.add(
            between(measure, a, b, ws, warning -> warnings.add(new CellWarning(i, j, warning))));
      }
    }
    return new SimilarityGrid(
        measure.id(),
        GridValues.estimator(measure),
        "pairs",
        List.copyOf(layersA.keySet()),
        List.copyOf(layersB.keySet()),
        cells,
        samples,
        0,
        0,
        Flatten.SAMPLE,
        warnings);
  }

  private static Cell between(
      SimilarityMeasure measure,
      Matrix a,
      Matrix b,
      Workspace ws,
      Consumer<Similarity.Warning> warned) {
    try {
      double none = Double.NaN;
      Similarity found = measure.between(a, b, ws);
      found.warnings().forEach(warned);
      return Cell.of(found.value(), none, none, none);
    } catch (NumericalException e) {
      return Cell.undefined(e.getMessage());
    }
  }

  private static long[] widths(Map<String, Matrix> layers) {
    return layers.values().stream().mapToLong(Matrix::columns).toArray();
  }

  private static SimilarityGrid ofSums(
      SimilarityMeasure measure,
      Map<String, Matrix> layersA,
      Map<String, Matrix> layersB,
      Plan plan,
      Workspace ws) {
    long n = layersA.values().iterator().next().rows();
    Map<String, Tensor> model = new LinkedHashMap<>();
    layersA.forEach((name, x) -> model.put(name, x.asTensor()));
    Map<String, Tensor> other = new LinkedHashMap<>();
    layersB.forEach((name, x) -> other.put(name, x.asTensor()));
    try (GridAccumulator sums =
        new GridAccumulator(
            Layer.of(0, List.copyOf(layersA.keySet())),
            Layer.of(1, List.copyOf(layersB.keySet())),
            n,
            Options.defaults().withPlan(plan),
            ws)) {
      sums.accept(new PairedActivations.Batch(0, n, List.of(model, other)));
      return sums.grid(measure);
    }
  }

  /**
   * Of the activations of a source, in one pass.
   *
   * @param samples that will come, or -1
   * @throws IllegalArgumentException for a measure that needs all samples in memory, saying so
   */
  public static SimilarityGrid stream(
      SimilarityMeasure measure,
      PairedActivations source,
      List<Layer> layersA,
      List<Layer> layersB,
      long samples,
      Options options,
      Workspace ws)
      throws IOException {
    GridValues.requireStreaming(measure);
    try (GridAccumulator sums = new GridAccumulator(layersA, layersB, samples, options, ws)) {
      source.each(sums.taps(), sums, ws);
      return sums.grid(measure);
    }
  }

  /**
   * A source of layers that another program wrote: {@code A/LAYER.npy} as model 0 and {@code
   * B/LAYER.npy} as model 1, samples first, the same in all files.
   *
   * @throws org.merganser.error.IncompatibleModelsException when their numbers of samples differ
   */
  public static PairedActivations files(Path a, Path b, Workspace ws) throws IOException {
    return NpyFolders.open(List.of(a, b), ws);
  }

  /** The layers of such a source, in the order of their names: numbers in them count as numbers. */
  public static List<Layer> layers(PairedActivations files, int model) {
    return ((NpyFolders) files).layers(model);
  }

  /**
   * {@code layerA,layerB,biased,debiased,p,chance,topInfluenceIndex,topInfluence}, one row a cell,
   * with what was not computed left empty; measures other than CKA have {@code value} for {@code
   * biased,debiased}.
   */
  public void toCsv(Path path) throws IOException {
    TextFile.write(path, GridText.csv(this));
  }

  /** Everything. */
  public void toJson(Path path) throws IOException {
    TextFile.write(path, GridText.json(this));
  }

  /** A heat map. */
  public void toSvg(Path path) throws IOException {
    TextFile.write(path, svg());
  }

  /** The heat map as text. */
  public String svg() {
    return new GridSvg(this).text();
  }
}
