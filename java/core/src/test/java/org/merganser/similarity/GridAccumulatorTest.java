// SPDX-License-Identifier: Apache-2.0
package org.merganser.similarity;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.merganser.testing.Work.WS;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.FormatException;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.error.NumericalException;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.io.Safetensors;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;
import org.merganser.model.PairedActivations.Batch;
import org.merganser.similarity.GridAccumulator.Layer;
import org.merganser.similarity.SimilarityGrid.Options;
import org.merganser.stats.NonFinite;
import org.merganser.testing.Oracle;

/** Sums over batches against measures of all samples at once. */
class GridAccumulatorTest {
  private static final double[][] X = {
    {0, 3, 6}, {7, 0, 4}, {3, 3, 3}, {10, 8, 1}, {6, 4, 2}, {2, 9, 5}, {9, 1, 0}, {5, 6, 10}
  };
  private static final double[][] Y = {
    {3, 1}, {8, 2}, {4, 7}, {9, 5}, {6, 6}, {1, 8}, {7, 0}, {2, 3}
  };
  static final List<Layer> A = Layer.of(0, List.of("first", "second"));
  static final List<Layer> B = Layer.of(1, List.of("one", "two", "three"));

  /**
   * Layers of two networks with something in common, far from 0, the first samples unlike the rest.
   */
  static Map<String, double[][]> layers(int n, List<Layer> layers, long seed) {
    double[][] common = Oracle.gaussian(n, 4, 99);
    Map<String, double[][]> found = new LinkedHashMap<>();
    int width = 3;
    for (Layer layer : layers) {
      double[][] x = Oracle.gaussian(n, width, seed + width);
      for (int s = 0; s < n; s++) {
        for (int f = 0; f < width; f++) {
          x[s][f] += common[s][f % 4] + 50 + (s < n / 5 ? 7 : 0);
        }
      }
      found.put(layer.tap(), x);
      width += 2;
    }
    return found;
  }

  static Batch batch(Map<String, double[][]> a, Map<String, double[][]> b, int from, int to) {
    return new Batch(from, to - from, List.of(rows(a, from, to), rows(b, from, to)));
  }

  private static Map<String, Tensor> rows(Map<String, double[][]> layers, int from, int to) {
    Map<String, Tensor> rows = new LinkedHashMap<>();
    layers.forEach(
        (name, x) -> {
          double[][] part = Arrays.copyOfRange(x, from, to);
          rows.put(name, Matrix.of(part).asTensor());
        });
    return rows;
  }

  private static SimilarityMeasure[] measures() {
    return new SimilarityMeasure[] {LinearCka.biased(), LinearCka.debiased()};
  }

  private static void compare(
      SimilarityGrid grid,
      SimilarityMeasure measure,
      Map<String, double[][]> a,
      Map<String, double[][]> b) {
    for (int i = 0; i < A.size(); i++) {
      for (int j = 0; j < B.size(); j++) {
        Matrix x = Matrix.of(a.get(A.get(i).tap()));
        Matrix y = Matrix.of(b.get(B.get(j).tap()));
        assertThat(grid.value(i, j))
            .as(measure.id() + " " + i + ", " + j)
            .isCloseTo(measure.between(x, y, WS).value(), within(1e-10));
      }
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 3, 17, 64, 200})
  void featureSumsAreThoseOfAllSamplesAtOnce(int size) {
    int n = 200;
    Map<String, double[][]> a = layers(n, A, 1);
    Map<String, double[][]> b = layers(n, B, 2);
    Options options = Options.defaults().withPlan(Plan.feature());
    try (GridAccumulator sums = new GridAccumulator(A, B, -1, options, WS)) {
      for (int from = 0; from < n; from += size) {
        sums.accept(batch(a, b, from, Math.min(n, from + size)));
      }
      for (SimilarityMeasure measure : measures()) {
        compare(sums.grid(measure), measure, a, b);
      }
      for (SimilarityMeasure measure :
          List.of(
              CanonicalCorrelation.mean(),
              CanonicalCorrelation.squares(),
              LinearRegressionR2.of(LinearRegressionR2.Options.defaults()),
              Procrustes.distance(),
              Procrustes.angular(),
              Procrustes.permutation(new Procrustes.Options(Procrustes.Form.NORMALISED)),
              MatchedFeatures.correlation())) {
        compare(sums.grid(measure), measure, a, b);
      }
      assertThat(sums.grid(LinearCka.biased()).samples()).isEqualTo(n);
    }
  }

  @Test
  void gramMatricesOfAllSamplesGiveTheSame() {
    int n = 60;
    Map<String, double[][]> a = layers(n, A, 1);
    Map<String, double[][]> b = layers(n, B, 2);
    Options options = Options.defaults().withPlan(Plan.full());
    try (GridAccumulator sums = new GridAccumulator(A, B, n, options, WS)) {
      for (int from = 0; from < n; from += 7) {
        sums.accept(batch(a, b, from, Math.min(n, from + 7)));
      }
      for (SimilarityMeasure measure : measures()) {
        SimilarityGrid grid = sums.grid(measure);
        compare(grid, measure, a, b);
        assertThat(grid.cell(0, 0).chance()).isBetween(0.01, 1.0);
      }
    }
  }

  @Test
  void sumsOfPartsMergeInAnyOrderAndOfAnyNumberOfThreads() throws IOException {
    int n = 150;
    Map<String, double[][]> a = layers(n, A, 1);
    Map<String, double[][]> b = layers(n, B, 2);
    int[][] parts = {{0, 20}, {20, 21}, {21, 90}, {90, 150}};
    int[][] orders = {{0, 1, 2, 3}, {3, 1, 0, 2}, {2, 0, 3, 1}};
    Options options = Options.defaults().withPlan(Plan.feature());
    try (Workspace eight = Workspace.builder().threads(8).open()) {
      for (Workspace ws : List.of(WS, eight)) {
        for (int[] order : orders) {
          try (GridAccumulator whole = new GridAccumulator(A, B, -1, options, ws)) {
            for (int k : order) {
              try (GridAccumulator part = new GridAccumulator(A, B, -1, options, ws)) {
                part.accept(batch(a, b, parts[k][0], parts[k][1]));
                whole.merge(part);
              }
            }
            for (SimilarityMeasure measure : measures()) {
              compare(whole.grid(measure), measure, a, b);
            }
            SimilarityMeasure matched = MatchedFeatures.correlation();
            compare(whole.grid(matched), matched, a, b);
          }
        }
      }
    }
  }

  /** A feature that does not vary is matched with nothing, whichever side is wider. */
  @Test
  void constantFeaturesAreNotMatched() {
    Map<String, double[][]> a = layers(60, A, 1);
    Map<String, double[][]> b = layers(60, B, 2);
    for (int s = 0; s < 60; s++) {
      a.get("second")[s][1] = 0.1;
      b.get("one")[s][0] = 7;
    }
    SimilarityMeasure matched = MatchedFeatures.correlation();
    Options options = Options.defaults().withPlan(Plan.feature());
    try (GridAccumulator sums = new GridAccumulator(A, B, -1, options, WS)) {
      sums.accept(batch(a, b, 0, 13));
      sums.accept(batch(a, b, 13, 60));
      compare(sums.grid(matched), matched, a, b);
    }
  }

  @Test
  void savedSumsGoOn(@TempDir Path folder) throws IOException {
    int n = 90;
    Map<String, double[][]> a = layers(n, A, 1);
    Map<String, double[][]> b = layers(n, B, 2);
    for (Plan plan : List.of(Plan.feature(), Plan.minibatch(8))) {
      Options options = Options.defaults().withPlan(plan);
      Path file = folder.resolve(plan.kind() + ".mgsums");
      try (GridAccumulator first = new GridAccumulator(A, B, -1, options, WS);
          GridAccumulator second = new GridAccumulator(A, B, -1, options, WS);
          GridAccumulator whole = new GridAccumulator(A, B, -1, options, WS)) {
        first.accept(batch(a, b, 0, 40));
        first.save(file);
        second.accept(batch(a, b, 40, n));
        whole.accept(batch(a, b, 0, n));
        try (GridAccumulator loaded = GridAccumulator.load(file, WS)) {
          loaded.merge(second);
          SimilarityGrid found = loaded.grid(LinearCka.debiased());
          SimilarityGrid expected = whole.grid(LinearCka.debiased());
          for (int i = 0; i < A.size(); i++) {
            for (int j = 0; j < B.size(); j++) {
              assertThat(found.value(i, j)).isCloseTo(expected.value(i, j), within(1e-10));
            }
          }
          assertThat(found.samples()).isEqualTo(expected.samples());
          assertThat(found.dropped()).isEqualTo(expected.dropped());
        }
      }
    }
  }

  @ParameterizedTest
  @ValueSource(doubles = {0, 2, 8193, 100_000, 4_294_967_316.0, 9_007_199_254_740_992.0})
  void savedGramsOfAnImpossibleNumberOfSamplesAreRefused(double samples, @TempDir Path folder)
      throws IOException {
    Path file = folder.resolve("grams.mgsums");
    Options options = Options.defaults().withPlan(Plan.full());
    try (GridAccumulator sums = new GridAccumulator(A, B, 20, options, WS)) {
      sums.accept(batch(layers(20, A, 1), layers(20, B, 2), 0, 20));
      sums.save(file);
    }
    Path damaged = folder.resolve("damaged.mgsums");
    try (Checkpoint whole = Safetensors.open(file)) {
      MemoryCheckpoint copy = MemoryCheckpoint.copyOf(whole, WS);
      copy.tensor("counts").set(0, samples);
      Safetensors.write(copy, whole.metadata(), damaged, WS);
    }
    assertThatThrownBy(() -> GridAccumulator.load(damaged, WS))
        .isInstanceOf(FormatException.class)
        .hasMessage(
            "%s: 'counts' holds %.0f samples; Gram matrices are kept of 3 to 8192"
                .formatted(damaged, samples));
  }

  @Test
  void minibatchesOfExampleC() {
    Map<String, Tensor> x = Map.of("x", Matrix.of(X).asTensor());
    Map<String, Tensor> y = Map.of("y", Matrix.of(Y).asTensor());
    Options options = Options.defaults().withPlan(Plan.minibatch(4));
    for (DType precision : List.of(DType.F64, DType.F32)) {
      try (GridAccumulator sums =
          new GridAccumulator(
              Layer.of(0, List.of("x")),
              Layer.of(1, List.of("y")),
              -1,
              options.withPrecision(precision),
              WS)) {
        sums.accept(new Batch(0, 8, List.of(x, y)));
        SimilarityGrid grid = sums.grid(LinearCka.debiased());
        assertThat(grid.value(0, 0))
            .isCloseTo(0.6641869358, within(precision == DType.F64 ? 1e-10 : 1e-5));
        assertThat(grid.batch()).isEqualTo(4);
      }
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 5, 16, 32, 100})
  void minibatchesDoNotDependOnHowSamplesCome(int size) {
    int n = 100;
    Map<String, double[][]> a = layers(n, A, 1);
    Map<String, double[][]> b = layers(n, B, 2);
    Options options = Options.defaults().withPlan(Plan.minibatch(16));
    List<SimilarityGrid> grids = new ArrayList<>();
    for (int step : new int[] {n, size}) {
      try (GridAccumulator sums = new GridAccumulator(A, B, -1, options, WS)) {
        for (int from = 0; from < n; from += step) {
          sums.accept(batch(a, b, from, Math.min(n, from + step)));
        }
        grids.add(sums.grid(LinearCka.debiased()));
      }
    }
    assertThat(grids.get(0).values()).isDeepEqualTo(grids.get(1).values());
    assertThat(grids.get(1).dropped()).isEqualTo(4);
    assertThat(grids.get(1).samples()).isEqualTo(96);
  }

  @Test
  void aSelfMapIsThatOfEqualLayers() {
    Map<String, double[][]> a = layers(64, A, 1);
    for (Plan plan : List.of(Plan.feature(), Plan.full(), Plan.minibatch(16))) {
      Options options = Options.defaults().withPlan(plan);
      try (GridAccumulator self = new GridAccumulator(A, A, 64, options, WS);
          GridAccumulator other =
              new GridAccumulator(A, Layer.of(1, List.of("first", "second")), 64, options, WS)) {
        self.accept(batch(a, a, 0, 64));
        other.accept(batch(a, a, 0, 64));
        double[][] values = self.grid(LinearCka.debiased()).values();
        double[][] twice = other.grid(LinearCka.debiased()).values();
        for (int i = 0; i < 2; i++) {
          assertThat(values[i][i]).isCloseTo(1, within(1e-12));
          assertThat(values[i]).containsExactly(twice[i], within(1e-12));
        }
      }
    }
  }

  @Test
  void whatHasNoValueSaysWhy() {
    Map<String, double[][]> a = layers(32, A, 1);
    Map<String, double[][]> b = layers(32, B, 2);
    for (double[] row : a.get("second")) {
      Arrays.fill(row, 1.7);
    }
    for (Plan plan : List.of(Plan.feature(), Plan.full(), Plan.minibatch(16))) {
      try (GridAccumulator sums =
          new GridAccumulator(A, B, 32, Options.defaults().withPlan(plan), WS)) {
        sums.accept(batch(a, b, 0, 16));
        sums.accept(batch(a, b, 16, 32));
        SimilarityGrid grid = sums.grid(LinearCka.debiased());
        assertThat(grid.value(0, 1)).isBetween(0.1, 1.0);
        assertThat(grid.value(1, 1)).isNaN();
        assertThat(grid.cell(1, 1).reason())
            .isEqualTo("'second' of A is the same for all samples, or differs in one alone");
      }
    }
  }

  @Test
  void samplesThatAreNotFiniteAreRefusedOrDroppedOnBothSides() {
    Map<String, double[][]> a = layers(40, A, 1);
    Map<String, double[][]> b = layers(40, B, 2);
    a.get("second")[17][1] = Double.NaN;
    b.get("two")[3][0] = Double.POSITIVE_INFINITY;
    Options options = Options.defaults().withPlan(Plan.feature());
    try (GridAccumulator sums = new GridAccumulator(A, B, -1, options, WS)) {
      sums.accept(batch(a, b, 4, 10));
      assertThatThrownBy(() -> sums.accept(batch(a, b, 10, 40)))
          .isInstanceOf(NumericalException.class)
          .hasMessage(
              "activations of 'second' of model 0: element 1 of sample 17 is NaN; correct it, or"
                  + " drop such samples on both sides (NonFinite.SKIP_SAMPLE)");
    }
    try (GridAccumulator sums =
        new GridAccumulator(A, B, -1, options.withNonFinite(NonFinite.SKIP_SAMPLE), WS)) {
      sums.accept(batch(a, b, 0, 40));
      SimilarityGrid grid = sums.grid(LinearCka.biased());
      assertThat(grid.dropped()).isEqualTo(2);
      Matrix x = Matrix.of(a.get("second"));
      Matrix y = Matrix.of(b.get("two"));
      assertThat(grid.value(1, 1))
          .isCloseTo(
              LinearCka.biased().between(without(x, 3, 17), without(y, 3, 17), WS).value(),
              within(1e-10));
    }
  }

  private static Matrix without(Matrix x, int... rows) {
    List<double[]> kept = new ArrayList<>();
    for (int i = 0; i < x.rows(); i++) {
      int row = i;
      if (Arrays.stream(rows).noneMatch(each -> each == row)) {
        kept.add(x.row(i));
      }
    }
    return Matrix.of(kept.toArray(new double[0][]));
  }

  @Test
  void whatDoesNotFitIsRefused() {
    Options options = Options.defaults().withPlan(Plan.feature());
    try (GridAccumulator first = new GridAccumulator(A, B, -1, options, WS);
        GridAccumulator second = new GridAccumulator(B, A, -1, options, WS)) {
      assertThatThrownBy(() -> first.merge(second))
          .isInstanceOf(IncompatibleModelsException.class)
          .hasMessageContaining("layers of A: [");
      assertThatThrownBy(() -> first.grid(LinearCka.biased()))
          .isInstanceOf(IllegalStateException.class)
          .hasMessage("no samples were compared");
    }
    assertThatThrownBy(() -> new GridAccumulator(A, List.of(), -1, options, WS))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("no layers of B to compare");
    assertThatThrownBy(() -> Plan.minibatch(3))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("batches of 3 samples have no unbiased estimate; take 4 or more, better 32");
    try (GridAccumulator sums =
        new GridAccumulator(A, B, -1, options.withPlan(Plan.minibatch(64)), WS)) {
      Map<String, double[][]> a = layers(40, A, 1);
      Map<String, double[][]> b = layers(40, B, 2);
      sums.accept(batch(a, b, 0, 40));
      assertThatThrownBy(() -> sums.grid(LinearCka.biased()))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("depends on their size; take cka-linear-debiased");
      assertThatThrownBy(() -> sums.grid(LinearCka.debiased()))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessage(
              "cka-linear-debiased needs at least 4 samples, or one full batch; there were 0");
    }
  }

  @Test
  void plansAreChosenByWhatFits() {
    long[] narrow = {64, 128};
    long[] wide = {100_000, 200_000};
    assertThat(Plan.choose(-1, narrow, narrow, 1 << 20).kind()).isEqualTo(Plan.Kind.FEATURE);
    assertThat(Plan.choose(500, wide, wide, 4L << 30).kind()).isEqualTo(Plan.Kind.FULL);
    assertThat(Plan.choose(-1, wide, wide, 4L << 30))
        .isEqualTo(new Plan(Plan.Kind.MINIBATCH, 256, 4L * 256 * 256 * 4));
    assertThat(Plan.choose(-1, wide, wide, 300_000).batch()).isEqualTo(128);
    assertThatThrownBy(() -> Plan.choose(-1, wide, wide, 1000))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage(
            "a budget of 1000 bytes holds no comparison of 2 with 2 layers: batches of 32 samples"
                + " need 16384");
  }

  @Test
  void layersInMemoryAreComparedTheCheaperWayThatFits() {
    long[] narrow = {64, 128};
    long[] wide = {10_000, 20_000};
    long budget = 1 << 24;
    assertThat(Plan.inMemory(1000, narrow, narrow, budget)).contains(Plan.feature());
    assertThat(Plan.inMemory(100, narrow, narrow, budget)).contains(Plan.full());
    assertThat(Plan.inMemory(100, wide, wide, budget)).contains(Plan.full());
    assertThat(Plan.inMemory(2000, wide, wide, budget)).isEmpty();
    assertThat(Plan.inMemory(9000, narrow, narrow, budget)).contains(Plan.feature());
  }
}
