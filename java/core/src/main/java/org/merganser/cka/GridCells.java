// SPDX-License-Identifier: Apache-2.0
package org.merganser.cka;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import java.util.function.IntFunction;
import org.merganser.cka.ReliabilityReport.Grid;
import org.merganser.cka.ReliabilityReport.Warning;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.error.ShapeException;
import org.merganser.internal.Opened;
import org.merganser.internal.RankCorrelation;
import org.merganser.linalg.Gram;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.merganser.similarity.Flatten;
import org.merganser.similarity.GridAccumulator;
import org.merganser.similarity.GridAccumulator.FullGram;
import org.merganser.similarity.LinearCka;
import org.merganser.similarity.SimilarityGrid;
import org.merganser.similarity.SimilarityGrid.Cell;
import org.merganser.similarity.SimilarityGrid.Layers;
import org.merganser.similarity.SimilarityMeasure;
import org.merganser.similarity.SimilarityMeasure.Side;

/** The cells of a grid, from one Gram a layer. */
final class GridCells {
  private static final double AGREEMENT = 0.5;
  private static final CkaKernel OTHER = new CkaKernel(0.5);

  private final int permutations;
  private final int positions;
  private final Workspace ws;

  private GridCells(int permutations, int positions, Workspace ws) {
    this.permutations = permutations;
    this.positions = positions;
    this.ws = ws;
  }

  static Grid grid(Map<String, Matrix> a, Map<String, Matrix> b, int permutations, Workspace ws) {
    requirePaired(a, b, 1);
    return grid(Layers.of(a, b), permutations, ws);
  }

  static Grid grid(Layers layers, int permutations, Workspace ws) {
    Map<String, Matrix> a = layers.a();
    Map<String, Matrix> b = layers.b();
    requirePaired(a, b, layers.positions());
    GridCells work = new GridCells(permutations, layers.positions(), ws);
    List<String> namesA = List.copyOf(a.keySet());
    List<String> namesB = List.copyOf(b.keySet());
    List<Found> found =
        work.of(
            a.size(),
            b.size(),
            i -> work.layer(namesA.get(i), a.get(namesA.get(i))),
            j -> work.layer(namesB.get(j), b.get(namesB.get(j))));
    long samples = a.values().iterator().next().rows();
    return grid(found, namesA, namesB, samples, layers.dropped(), layers.flatten());
  }

  /** Of Grams that were kept. */
  static Grid grid(GridAccumulator sums, int permutations, Workspace ws) {
    SimilarityGrid shape = sums.grid(LinearCka.biased());
    int positions;
    try (FullGram first = sums.fullGram(Side.X, 0)) {
      positions = Blocks.of(first.gram().rows(), first.positions()).positions();
    }
    requireSamples(shape.samples(), positions);
    GridCells work = new GridCells(permutations, positions, ws);
    List<String> namesA = shape.namesA();
    List<String> namesB = shape.namesB();
    List<Found> found =
        work.of(
            namesA.size(),
            namesB.size(),
            i -> work.layer(namesA.get(i), sums.fullGram(Side.X, i)),
            j -> work.layer(namesB.get(j), sums.fullGram(Side.Y, j)));
    return grid(found, namesA, namesB, shape.samples(), shape.dropped(), shape.flatten());
  }

  private static Grid grid(
      List<Found> found,
      List<String> namesA,
      List<String> namesB,
      long samples,
      long dropped,
      Flatten flatten) {
    double[] q = FalseDiscovery.rates(found.stream().mapToDouble(f -> f.cell().p()).toArray());
    int columns = namesB.size();
    List<List<Cell>> cells = new ArrayList<>();
    for (int i = 0; i < namesA.size(); i++) {
      List<Found> row = found.subList(i * columns, (i + 1) * columns);
      cells.add(row.stream().map(Found::cell).toList());
    }
    SimilarityGrid values =
        new SimilarityGrid(
            LinearCka.biased().id(),
            SimilarityMeasure.Estimator.BIASED,
            "gram",
            namesA,
            namesB,
            cells,
            samples,
            dropped,
            0,
            flatten,
            List.of());
    List<Double> rates = Arrays.stream(q).boxed().toList();
    return new Grid(values, rates, disagreement(found).stream().toList());
  }

  /**
   * @param other CKA with the other kernel
   */
  private record Found(Cell cell, double other) {}

  private static void requirePaired(Map<String, Matrix> a, Map<String, Matrix> b, int positions) {
    if (a.isEmpty() || b.isEmpty()) {
      throw new IllegalArgumentException(
          "%d layers beside %d: a grid needs one on each side".formatted(a.size(), b.size()));
    }
    long n = a.values().iterator().next().rows();
    for (Map<String, Matrix> side : List.of(a, b)) {
      side.forEach(
          (name, x) -> {
            if (x.rows() != n) {
              throw new ShapeException(
                  "layer '%s' has %d samples and others have %d: all need the same ones"
                      .formatted(name, x.rows(), n));
            }
          });
    }
    requireSamples(n, positions);
  }

  private static void requireSamples(long n, int positions) {
    if (n / positions < 5) {
      throw new IllegalArgumentException(
          Samples.tooFew("a grid with debiased CKA", 5, n / positions));
    }
  }

  /** Whether the other kernel orders the cells in another way. */
  private static Optional<Warning> disagreement(List<Found> found) {
    List<Found> defined = found.stream().filter(f -> f.cell().reason().isEmpty()).toList();
    if (defined.size() < 3) {
      return Optional.empty();
    }
    double rank =
        RankCorrelation.spearman(
            defined.stream().mapToDouble(f -> f.cell().value()).toArray(),
            defined.stream().mapToDouble(Found::other).toArray());
    // NaN where one of them is the same in all cells: there is no order to differ in.
    return Double.isNaN(rank) || rank >= AGREEMENT
        ? Optional.empty()
        : Optional.of(
            new Warning(
                "DISAGREEMENT",
                ReliabilityText.format(
                    "linear CKA and RBF CKA order the cells alike by %.2f < %.1f", rank, AGREEMENT),
                Map.of("spearman", rank),
                "what is similar depends on the measure; look at others before reading the map"));
  }

  private List<Found> of(int a, int b, IntFunction<Layer> ofA, IntFunction<Layer> ofB) {
    List<Found> cells = new ArrayList<>();
    try (Opened opened = new Opened()) {
      List<Layer> columns = new ArrayList<>();
      for (int j = 0; j < b; j++) {
        columns.add(opened.add(ofB.apply(j)));
      }
      for (int i = 0; i < a; i++) {
        try (Layer layer = ofA.apply(i)) {
          columns.forEach(column -> cells.add(cell(layer, column)));
        }
      }
    }
    return cells;
  }

  /**
   * @param k linear Gram, centred
   * @param u the same U-centred
   * @param rbf Gram of another kernel, centred
   * @param problem why there are none; empty where they are
   */
  private record Layer(Matrix k, Matrix u, Matrix rbf, String problem) implements AutoCloseable {
    @Override
    public void close() {
      if (problem.isEmpty()) {
        k.close();
        u.close();
        rbf.close();
      }
    }
  }

  private Layer layer(String name, Matrix x) {
    ws.cancellation().check();
    String quoted = quoted(name);
    try (Matrix centred = Samples.centred(quoted, x, ws);
        Matrix k = CkaKernel.LINEAR.centred(quoted, centred, ws)) {
      return layer(quoted, k, kernel -> kernel.centred(quoted, centred, ws));
    } catch (NumericalException e) {
      return new Layer(null, null, null, e.getMessage());
    }
  }

  private Layer layer(String name, FullGram kept) {
    ws.cancellation().check();
    String quoted = quoted(name);
    try (kept) {
      Samples.requireVarying(quoted, kept.gram(), ws);
      return layer(quoted, kept.gram(), kernel -> kernel.ofLinear(quoted, kept.gram(), ws));
    } catch (NumericalException e) {
      return new Layer(null, null, null, e.getMessage());
    }
  }

  private static String quoted(String name) {
    return "layer '" + name + "'";
  }

  private Layer layer(String quoted, Matrix linear, Function<CkaKernel, Matrix> other) {
    try (Opened opened = new Opened()) {
      Matrix k = opened.add(linear.on(ws));
      Matrix u = opened.add(linear.on(ws));
      Gram.uCentre(u, ws);
      double square = Translation.sum(LinAlg.rowProducts(u, u, ws));
      if (!Samples.isSeen(square, linear.trace(ws), linear.rows())) {
        throw Samples.unseen(quoted);
      }
      Matrix rbf = opened.add(other.apply(OTHER));
      opened.release();
      return new Layer(k, u, rbf, "");
    }
  }

  private Found cell(Layer a, Layer b) {
    if (!a.problem().isEmpty() || !b.problem().isEmpty()) {
      return undefined(a.problem().isEmpty() ? b.problem() : a.problem());
    }
    GramPair pair = GramPair.borrowed(a.k(), b.k(), positions, ws);
    double value = pair.centred.cka();
    double[] without = LeaveOneOut.biased(pair, ws);
    int top = 0;
    for (int i = 1; i < without.length; i++) {
      // NaN is most: the others have no value.
      top =
          Double.compare(Math.abs(value - without[i]), Math.abs(value - without[top])) > 0
              ? i
              : top;
    }
    Cell cell =
        new Cell(
            value,
            value,
            GramPair.Products.of(a.u(), b.u(), ws).cka(),
            PermutationTest.of(pair, permutations, null, ws).p(),
            ChanceLevel.of(pair, ws),
            top,
            value - without[top],
            "");
    return new Found(cell, GramPair.Products.of(a.rbf(), b.rbf(), ws).cka());
  }

  private static Found undefined(String reason) {
    double none = Double.NaN;
    return new Found(new Cell(none, none, none, none, none, -1, none, reason), none);
  }
}
