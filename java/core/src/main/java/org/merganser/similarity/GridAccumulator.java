// SPDX-License-Identifier: Apache-2.0
package org.merganser.similarity;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.error.NumericalException;
import org.merganser.error.ShapeException;
import org.merganser.internal.Opened;
import org.merganser.linalg.Matrix;
import org.merganser.model.PairedActivations;
import org.merganser.model.PairedActivations.Batch;
import org.merganser.similarity.SimilarityGrid.Options;

/**
 * Compares every layer of A with every layer of B in one pass over paired activations, by a {@link
 * Plan}: a sink for {@link PairedActivations}. What several have summed of other samples, in other
 * processes, can be saved and merged in any order.
 *
 * <p>It owns its sums, which {@link #close} frees. Serves one thread at a time.
 */
public final class GridAccumulator implements PairedActivations.Sink, AutoCloseable {
  /**
   * One layer of a network.
   *
   * @param model number in the batches
   * @param tap whose activations are compared
   * @param featureAxis of the activations, negative from the last
   */
  public record Layer(int model, String tap, int featureAxis) {
    /** Features on the first axis behind that of the samples. */
    public static Layer of(int model, String tap) {
      return new Layer(model, tap, 1);
    }

    /** Layers of one model. */
    public static List<Layer> of(int model, List<String> taps) {
      return taps.stream().map(tap -> of(model, tap)).toList();
    }
  }

  private final List<Layer> layersA;
  private final List<Layer> layersB;
  private final Options options;
  private final long expected;
  private final Workspace ws;
  private final LayerRows rows;
  private GridSums sums;

  /**
   * @param samples that will come, which {@link Plan.Kind#FULL} needs to know, or -1
   */
  public GridAccumulator(
      List<Layer> layersA, List<Layer> layersB, long samples, Options options, Workspace ws) {
    this.layersA = List.copyOf(layersA);
    this.layersB = List.copyOf(layersB);
    this.expected = samples;
    this.options = options;
    this.ws = ws;
    this.rows = new LayerRows(options, ws);
    requireLayers("A", layersA);
    requireLayers("B", layersB);
  }

  /** Goes on with sums as saved, which it takes. */
  GridAccumulator resumed(GridSums saved, long dropped, int positions) {
    sums = saved;
    rows.resumed(dropped, positions);
    return this;
  }

  static void requireLayers(String side, List<Layer> layers) {
    if (layers.isEmpty()) {
      throw new IllegalArgumentException("no layers of " + side + " to compare");
    }
    if (layers.stream().distinct().count() < layers.size()) {
      throw new IllegalArgumentException("layers of " + side + " are there twice: " + layers);
    }
  }

  /** What to ask a source for. */
  public Set<String> taps() {
    return taps(layersA, layersB);
  }

  static Set<String> taps(List<Layer> layersA, List<Layer> layersB) {
    Set<String> taps = new LinkedHashSet<>();
    layersA.forEach(layer -> taps.add(layer.tap()));
    layersB.forEach(layer -> taps.add(layer.tap()));
    return taps;
  }

  /**
   * Takes in a batch.
   *
   * @throws NumericalException for what is not finite, naming layer, sample and feature
   * @throws ShapeException when a layer has other rows than the rest
   */
  @Override
  public void accept(Batch batch) {
    try (Opened opened = new Opened()) {
      List<Matrix> all = rows.of(batch, layers(), opened);
      if (all.get(0).rows() > 0) {
        add(all, layersA.equals(layersB));
      }
    }
  }

  /** Each once. */
  private List<Layer> layers() {
    List<Layer> layers = new ArrayList<>(layersA);
    if (!layersA.equals(layersB)) {
      layers.addAll(layersB);
    }
    return layers;
  }

  /** What would be summed if this were the first batch. */
  Plan plan(Batch first) {
    try (Opened opened = new Opened()) {
      return plan(rows.of(first, layers(), opened));
    }
  }

  private void add(List<Matrix> all, boolean same) {
    if (sums == null) {
      sums =
          GridSums.of(
              plan(all), all, layersA.size(), same, expectedRows(), options.precision(), ws);
    }
    sums.add(all);
  }

  private Plan plan(List<Matrix> all) {
    if (options.plan() != null) {
      return options.plan();
    }
    int a = layersA.size();
    int b = layersB.size();
    long[] widthsA = all.subList(0, a).stream().mapToLong(Matrix::columns).toArray();
    long[] widthsB =
        all.subList(all.size() - b, all.size()).stream().mapToLong(Matrix::columns).toArray();
    return Plan.choose(expectedRows(), widthsA, widthsB, options.budget());
  }

  /** As many positions for each sample as there were, or -1. */
  private long expectedRows() {
    return expected < 0 ? -1 : expected * rows.positions();
  }

  /** Whatever this has seen; no samples may come any more. */
  GridSums finished() {
    if (sums == null) {
      throw new IllegalStateException("no samples were compared");
    }
    sums.finish();
    return sums;
  }

  /**
   * Takes in what another one has summed of other samples, which is no use afterwards.
   *
   * @throws IncompatibleModelsException when layers, their features, plans, precision or flattening
   *     differ
   * @throws IllegalArgumentException for {@link Plan.Kind#FULL}, which needs all samples at once
   */
  public void merge(GridAccumulator other) {
    List<String> problems = new ArrayList<>();
    compare("layers of A", layersA, other.layersA, problems);
    compare("layers of B", layersB, other.layersB, problems);
    compare("flattening", options.flatten(), other.options.flatten(), problems);
    if (sums != null && other.sums != null) {
      compare("plan", sums.plan().kind(), other.sums.plan().kind(), problems);
      compare("batch", sums.plan().batch(), other.sums.plan().batch(), problems);
      compare("remainder", sums.plan().remainder(), other.sums.plan().remainder(), problems);
      compare("kernel", sums.plan().kernel(), other.sums.plan().kernel(), problems);
      compare("features", sums.widths(), other.sums.widths(), problems);
      if (sums.plan().kind() != Plan.Kind.FEATURE) {
        compare("precision", options.precision(), other.options.precision(), problems);
      }
    }
    if (problems.isEmpty() && sums != null && other.sums != null) {
      String difference = sums.difference(other.sums);
      if (!difference.isEmpty()) {
        problems.add(difference);
      }
    }
    if (!problems.isEmpty()) {
      throw new IncompatibleModelsException("sums of similarity do not fit", problems);
    }
    rows.addDropped(other.rows.dropped());
    if (other.sums == null) {
      return;
    }
    if (sums == null) {
      sums = other.sums;
      other.sums = null;
      return;
    }
    sums.merge(other.sums);
  }

  private static void compare(String what, Object mine, Object other, List<String> problems) {
    if (!mine.equals(other)) {
      problems.add(what + ": " + mine + " and " + other);
    }
  }

  /**
   * The grid of a measure.
   *
   * @throws IllegalArgumentException for a measure that does not come of these sums, saying why
   */
  public SimilarityGrid grid(SimilarityMeasure measure) {
    return GridValues.of(measure, this);
  }

  /**
   * All that is known of a layer whose Gram matrix was kept ({@link Plan.Kind#FULL}).
   *
   * @param gram linear, centred, [n x n], the caller's
   * @param precision of its products, F64 or F32
   * @param features of the layer
   * @param positions rows of a sample; 0 where not all had as many
   * @param along centred rows times a random direction of length 1, from the seed of the Workspace
   *     that summed: where a report moves samples
   */
  public record FullGram(
      Matrix gram, DType precision, long features, int positions, List<Double> along)
      implements AutoCloseable {
    @Override
    public void close() {
      gram.close();
    }
  }

  /**
   * The Gram matrix of a layer, from its half that was kept or saved.
   *
   * @param side X for layers of A, Y for those of B
   * @param layer its number there
   * @throws IllegalArgumentException for another plan, and where there is no such layer
   */
  public FullGram fullGram(SimilarityMeasure.Side side, int layer) {
    if (!(finished() instanceof GridSums.Full full)) {
      throw new IllegalArgumentException(
          "Gram matrices of all samples are kept by Plan.full(), not by " + sums.plan());
    }
    List<Layer> layers = side == SimilarityMeasure.Side.X ? layersA : layersB;
    if (layer < 0 || layer >= layers.size()) {
      throw new IllegalArgumentException(
          "there is no layer %d of %s, which has %d"
              .formatted(layer, side == SimilarityMeasure.Side.X ? "A" : "B", layers.size()));
    }
    GramRows kept = side == SimilarityMeasure.Side.X ? full.leftRows() : full.rightRows();
    return new FullGram(
        kept.centred(layer, ws),
        options.precision(),
        kept.widths()[layer],
        rows.positions(),
        Arrays.stream(kept.along().row(layer)).boxed().toList());
  }

  /** Writes the sums as a safetensors file; samples that wait for a batch to be full end here. */
  public void save(Path path) throws IOException {
    SumsFile.save(this, path, ws);
  }

  /** Sums as saved, to be merged or read. */
  public static GridAccumulator load(Path path, Workspace ws) throws IOException {
    return SumsFile.load(path, ws);
  }

  List<Layer> layersA() {
    return layersA;
  }

  List<Layer> layersB() {
    return layersB;
  }

  Options options() {
    return options;
  }

  /** Rows of a sample. */
  int positions() {
    return rows.positions();
  }

  /** Samples that were not finite. */
  long dropped() {
    return rows.dropped();
  }

  Workspace workspace() {
    return ws;
  }

  @Override
  public void close() {
    if (sums != null) {
      sums.close();
    }
  }
}
