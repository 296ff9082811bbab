// SPDX-License-Identifier: Apache-2.0
package org.merganser.similarity;

import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
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
 * @param warnings why cells may mislead, one for each code, of the first cell that has it
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
    List<Similarity.Warning> warnings) {

  public SimilarityGrid {
    namesA = List.copyOf(namesA);
    namesB = List.copyOf(namesB);
    cells = cells.stream().map(List::copyOf).toList();
    warnings = List.copyOf(warnings);
  }

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

  /**
   * Where activations of both sides come from, which it owns.
   *
   * @param layersA whose models are numbers in the batches
   * @param layersB of the other side
   * @param samples that will come, or -1
   */
  public record Source(
      PairedActivations activations, List<Layer> layersA, List<Layer> layersB, long samples)
      implements AutoCloseable {
    public Source {
      layersA = List.copyOf(layersA);
      layersB = List.copyOf(layersB);
    }

    /** With the features of all layers on another axis, negative from the last. */
    public Source withFeatureAxis(int axis) {
      return new Source(activations, on(axis, layersA), on(axis, layersB), samples);
    }

    private static List<Layer> on(int axis, List<Layer> layers) {
      return layers.stream().map(each -> new Layer(each.model(), each.tap(), axis)).toList();
    }

    /** For a pass over the activations. */
    public GridAccumulator accumulator(Options options, Workspace ws) {
      return new GridAccumulator(layersA, layersB, samples, options, ws);
    }

    @Override
    public void close() {
      activations.close();
    }
  }

  /**
   * Layers in memory, which it owns.
   *
   * @param a [n x p] each, by name
   * @param b of the other network, the same samples in the same order
   * @param dropped samples that are not among the n
   * @param flatten how they became rows
   * @param positions rows of each sample: 1 but for {@link Flatten#SPATIAL}
   */
  public record Layers(
      Map<String, Matrix> a, Map<String, Matrix> b, long dropped, Flatten flatten, int positions)
      implements AutoCloseable {
    public Layers {
      if (a.isEmpty() || b.isEmpty()) {
        throw new IllegalArgumentException("no layers to compare");
      }
    }

    /** Of samples of one row, all of them. */
    public static Layers of(Map<String, Matrix> a, Map<String, Matrix> b) {
      return new Layers(a, b, 0, Flatten.SAMPLE, 1);
    }

    @Override
    public void close() {
      a.values().forEach(Matrix::close);
      b.values().forEach(Matrix::close);
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
    return compute(measure, Layers.of(layersA, layersB), ws);
  }

  /** The same of layers that were gathered. */
  public static SimilarityGrid compute(SimilarityMeasure measure, Layers layers, Workspace ws) {
    long samples = layers.a().values().iterator().next().rows();
    Optional<Plan> plan =
        GridValues.isLinearCka(measure)
            ? Plan.inMemory(
                samples, widths(layers.a()), widths(layers.b()), Options.defaults().budget())
            : Optional.empty();
    SimilarityGrid found =
        plan.isPresent()
            ? ofSums(measure, layers.a(), layers.b(), plan.get(), ws)
            : GridPairs.of(measure, layers, ws);
    return new SimilarityGrid(
        found.measure,
        found.estimator,
        found.route,
        found.namesA,
        found.namesB,
        found.cells,
        found.samples,
        layers.dropped(),
        found.batch,
        layers.flatten(),
        found.warnings);
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
   * @throws IllegalArgumentException for a measure that needs all samples in memory, saying so
   */
  public static SimilarityGrid stream(
      SimilarityMeasure measure, Source source, Options options, Workspace ws) throws IOException {
    GridValues.requireStreaming(measure);
    Options how =
        measure instanceof MinibatchCka minibatch && options.plan() == null
            ? options.withPlan(Plan.minibatch(minibatch.options()))
            : options;
    try (GridAccumulator sums = source.accumulator(how, ws)) {
      source.activations().each(sums.taps(), sums, ws);
      return sums.grid(measure);
    }
  }

  /**
   * All rows of the layers of a source, for measures that need all samples at once.
   *
   * @param source whose number of samples is known
   * @throws IllegalArgumentException when they do not fit into the budget
   */
  public static Layers gather(Source source, Options options, Workspace ws) throws IOException {
    List<Layer> a = source.layersA();
    List<Layer> b = source.layersB();
    try (GatheredRows rows = new GatheredRows(a, b, source.samples(), options, ws)) {
      GridAccumulator.requireLayers("A", a);
      GridAccumulator.requireLayers("B", b);
      source.activations().each(GridAccumulator.taps(a, b), rows, ws);
      return rows.layers();
    }
  }

  /**
   * What {@link #stream} would sum, from the widths of the first batch.
   *
   * @throws IllegalArgumentException when nothing fits into the budget
   */
  public static Plan plan(Source source, Options options, Workspace ws) throws IOException {
    try (GridAccumulator sums = source.accumulator(options, ws);
        PairedActivations.Pass pass = source.activations().open(sums.taps())) {
      if (!pass.hasNext()) {
        throw new IllegalArgumentException("no samples to compare");
      }
      return sums.plan(pass.next());
    }
  }

  /** Whether {@link #stream} gives a measure, by sums of a plan. */
  public static boolean streams(SimilarityMeasure measure, Plan plan) {
    return GridValues.problem(measure, plan).isEmpty();
  }

  /**
   * A source of layers that another program wrote: {@code A/LAYER.npy} as model 0 and {@code
   * B/LAYER.npy} as model 1, samples first, the same in all files. A and B may also be one such
   * file. Layers are in the order of their names: numbers in them count as numbers.
   *
   * @throws org.merganser.error.IncompatibleModelsException when their numbers of samples differ
   */
  public static Source files(Path a, Path b, Workspace ws) throws IOException {
    NpyFolders files = NpyFolders.open(List.of(a, b), ws);
    return new Source(files, files.layers(0), files.layers(1), files.samples());
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
