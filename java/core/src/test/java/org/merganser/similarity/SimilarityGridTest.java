// SPDX-License-Identifier: Apache-2.0
package org.merganser.similarity;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.merganser.testing.Work.WS;
import static org.merganser.testing.Work.array;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.merganser.compute.DType;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.error.NumericalException;
import org.merganser.error.ShapeException;
import org.merganser.io.Npy;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;
import org.merganser.similarity.GridAccumulator.Layer;
import org.merganser.similarity.SimilarityGrid.Cell;
import org.merganser.similarity.SimilarityGrid.Layers;
import org.merganser.similarity.SimilarityGrid.Options;
import org.merganser.similarity.SimilarityGrid.Source;
import org.merganser.stats.NonFinite;
import org.merganser.testing.Oracle;

/** Grids of layers in memory and in files, their forms, and how activations become rows. */
class SimilarityGridTest {
  private static final double[][] X = {
    {0, 3, 6}, {7, 0, 4}, {3, 3, 3}, {10, 8, 1}, {6, 4, 2}, {2, 9, 5}, {9, 1, 0}, {5, 6, 10}
  };
  private static final double[][] Y = {
    {3, 1}, {8, 2}, {4, 7}, {9, 5}, {6, 6}, {1, 8}, {7, 0}, {2, 3}
  };
  private static final double[][] BIASED = {
    {0.6403567760, 1, 0.6912113007}, {0.6253195732, 0.8862768072, 0.2779036529}
  };
  private static final double[][] DEBIASED = {
    {0.4850088392, 1, 0.6803215201}, {0.4451670305, 0.8838552918, 0.2584777016}
  };

  private static double[][] columns(double[][] x, int... kept) {
    return Oracle.columns(x, kept);
  }

  private static Map<String, Matrix> left() {
    Map<String, Matrix> layers = new LinkedHashMap<>();
    layers.put("X", Matrix.of(X));
    layers.put("X01", Matrix.of(columns(X, 0, 1)));
    return layers;
  }

  private static Map<String, Matrix> right() {
    Map<String, Matrix> layers = new LinkedHashMap<>();
    layers.put("Y", Matrix.of(Y));
    layers.put("X", Matrix.of(X));
    layers.put("X2", Matrix.of(columns(X, 2)));
    return layers;
  }

  @Test
  void theHeatMapOfExampleC() {
    SimilarityGrid biased = SimilarityGrid.compute(LinearCka.biased(), left(), right(), WS);
    SimilarityGrid debiased = SimilarityGrid.compute(LinearCka.debiased(), left(), right(), WS);
    for (int i = 0; i < 2; i++) {
      assertThat(biased.values()[i]).containsExactly(BIASED[i], within(1e-10));
      assertThat(debiased.values()[i]).containsExactly(DEBIASED[i], within(1e-10));
      for (int j = 0; j < 3; j++) {
        assertThat(biased.cell(i, j).debiased()).isCloseTo(DEBIASED[i][j], within(1e-10));
      }
    }
    assertThat(biased.cell(0, 0).chance()).isCloseTo(0.2973441559, within(1e-10));
    assertThat(biased.samples()).isEqualTo(8);
  }

  @Test
  void anyMeasureMakesAGrid() {
    SimilarityMeasure measure = Procrustes.normalised();
    Map<String, Matrix> layers = left();
    layers.put("constant", Matrix.zeros(8, 2));
    SimilarityGrid grid = SimilarityGrid.compute(measure, layers, right(), WS);
    assertThat(grid.value(0, 0)).isCloseTo(0.7365086538, within(1e-9));
    assertThat(grid.value(2, 1)).isNaN();
    assertThat(grid.cell(2, 1).reason()).contains("X is constant");
    assertThat(grid.route()).isEqualTo("pairs");
  }

  @Test
  void foldersOfFilesAreAGrid(@TempDir Path folder) throws IOException {
    Path a = Files.createDirectory(folder.resolve("a"));
    Path b = Files.createDirectory(folder.resolve("b"));
    Npy.write(Matrix.of(columns(X, 0, 1)).asTensor(), a.resolve("layer10.npy"));
    Npy.write(Matrix.of(X).asTensor(), a.resolve("layer2.npy"));
    int at = 0;
    for (Matrix layer : right().values()) {
      Npy.write(layer.asTensor(), b.resolve("out" + at++ + ".npy"));
    }
    try (Source source = SimilarityGrid.files(a, b, WS)) {
      assertThat(source.layersA()).extracting(Layer::tap).containsExactly("layer2", "layer10");
      for (Plan plan : List.of(Plan.feature(), Plan.full())) {
        SimilarityGrid grid =
            SimilarityGrid.stream(
                LinearCka.debiased(), source, Options.defaults().withPlan(plan), WS);
        for (int i = 0; i < 2; i++) {
          assertThat(grid.values()[i]).containsExactly(DEBIASED[i], within(1e-10));
        }
      }
      assertThatThrownBy(
              () -> SimilarityGrid.stream(Svcca.share(0.99), source, Options.defaults(), WS))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("svcca needs all samples at once; compare layers in memory");
    }
    Npy.write(Matrix.zeros(7, 2).asTensor(), b.resolve("out3.npy"));
    assertThatThrownBy(() -> SimilarityGrid.files(a, b, WS))
        .isInstanceOf(IncompatibleModelsException.class)
        .hasMessageContaining("the same samples must be in all files");
    Path none = Files.createDirectory(folder.resolve("none"));
    assertThatThrownBy(() -> SimilarityGrid.files(a, none, WS))
        .isInstanceOf(IOException.class)
        .hasMessageContaining("has no LAYER.npy");
  }

  /** For measures that need all samples: by what remains when broken ones are dropped. */
  @Test
  void rowsAreGathered(@TempDir Path folder) throws IOException {
    double[][] broken = Arrays.stream(X).map(double[]::clone).toArray(double[][]::new);
    broken[2][1] = Double.NaN;
    Npy.write(Matrix.of(broken).asTensor(), folder.resolve("x.npy"));
    Npy.write(Matrix.of(Y).asTensor(), folder.resolve("y.npy"));
    int[] kept = {0, 1, 3, 4, 5, 6, 7};
    Matrix x = Matrix.of(Arrays.stream(kept).mapToObj(i -> X[i]).toArray(double[][]::new));
    Matrix y = Matrix.of(Arrays.stream(kept).mapToObj(i -> Y[i]).toArray(double[][]::new));
    Options options = Options.defaults();
    try (Source source =
        SimilarityGrid.files(folder.resolve("x.npy"), folder.resolve("y.npy"), WS)) {
      assertThat(source.samples()).isEqualTo(8);
      assertThatThrownBy(() -> SimilarityGrid.gather(source, options, WS))
          .isInstanceOf(NumericalException.class)
          .hasMessageContaining("'x' of model 0: element 1 of sample 2 is NaN");
      assertThatThrownBy(
              () ->
                  SimilarityGrid.gather(
                      source, options.withNonFinite(NonFinite.SKIP_SAMPLE).withBudget(319), WS))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageStartingWith("8 rows of 2 layers take 320 bytes, the budget is 319;");
      try (Layers layers =
          SimilarityGrid.gather(source, options.withNonFinite(NonFinite.SKIP_SAMPLE), WS)) {
        assertThat(array(layers.a().get("x"))).isDeepEqualTo(array(x));
        assertThat(array(layers.b().get("y"))).isDeepEqualTo(array(y));
        SimilarityGrid grid = SimilarityGrid.compute(Procrustes.angular(), layers, WS);
        assertThat(grid.dropped()).isEqualTo(1);
        assertThat(grid.samples()).isEqualTo(7);
        assertThat(grid.value(0, 0)).isEqualTo(Procrustes.angular().between(x, y, WS).value());
      }
    }
  }

  @Test
  void whatMayMisleadIsToldOnce() {
    SimilarityGrid grid = SimilarityGrid.compute(CanonicalCorrelation.mean(), left(), wide(), WS);
    assertThat(grid.warnings()).hasSize(1);
    assertThat(grid.warnings().get(0).code()).isEqualTo("CCA_SATURATED");
    assertThat(grid.warnings().get(0).text()).startsWith("X, W: ").endsWith(" (and 1 more cells)");
  }

  private static Map<String, Matrix> wide() {
    double[][] wide = new double[8][7];
    for (int i = 0; i < 8; i++) {
      wide[i][i % 7] = i + 1;
    }
    return Map.of("W", Matrix.of(wide));
  }

  private static SimilarityGrid drawn() {
    Cell negative = new Cell(-0.25, 0.1, -0.25, 0.4, 0.3, 5, 0.02, "");
    Cell high = Cell.of(1, 0.9, 1, 0.2);
    return new SimilarityGrid(
        "cka-linear-debiased",
        SimilarityMeasure.Estimator.DEBIASED,
        "feature",
        List.of("first, a", "<b>"),
        List.of("c", "d"),
        List.of(
            List.of(negative, high),
            List.of(Cell.undefined("'<b>' is constant"), Cell.of(0.5, 0.6, 0.5, 0.2))),
        100,
        3,
        32,
        Flatten.POOL,
        List.of());
  }

  @Test
  void csvHasARowForEachCell(@TempDir Path folder) throws IOException {
    Path file = folder.resolve("grid.csv");
    drawn().toCsv(file);
    assertThat(Files.readString(file))
        .isEqualTo(
            "layerA,layerB,biased,debiased,p,chance,topInfluenceIndex,topInfluence\n"
                + "\"first, a\",c,0.1,-0.25,0.4,0.3,5,0.02\n"
                + "\"first, a\",d,0.9,1.0,,0.2,,\n"
                + "<b>,c,,,,,,\n"
                + "<b>,d,0.6,0.5,,0.2,,\n");
  }

  @Test
  void jsonHasEverythingThatWasComputed(@TempDir Path folder) throws IOException {
    Path file = folder.resolve("grid.json");
    drawn().toJson(file);
    String flat = Files.readString(file).replaceAll("\\s+", "");
    assertThat(flat)
        .contains("\"measure\":\"cka-linear-debiased\",\"estimator\":\"debiased\"")
        .contains("\"samples\":100,\"dropped\":3,\"batch\":32,\"flatten\":\"pool\"")
        .contains("\"value\":-0.25,\"biased\":0.1,\"debiased\":-0.25,\"p\":0.4,\"chance\":0.3")
        .contains("{\"reason\":\"'<b>'isconstant\"}")
        .doesNotContain("NaN");
  }

  @Test
  void theHeatMapShowsSignsReasonsAndDoubt() {
    String svg = drawn().svg();
    List<String> cells =
        svg.lines().filter(line -> line.contains("<title>")).collect(Collectors.toList());
    assertThat(cells).hasSize(4);
    // Row 0 is at the bottom.
    assertThat(y(cells.get(0))).isGreaterThan(y(cells.get(2)));
    assertThat(cells.get(0)).contains("#440154").contains("first, a, c: -0.2500");
    assertThat(cells.get(1)).contains("#fde725");
    assertThat(cells.get(2)).contains("#b0b0b0").contains("&lt;b&gt;, c: '&lt;b&gt;' is constant");
    assertThat(cells.get(3)).contains("#21918c");
    assertThat(svg.split("url\\(#negative\\)", -1)).hasSize(2);
    assertThat(svg.split("<circle", -1)).hasSize(2);
    assertThat(svg)
        .contains("cka-linear-debiased, debiased, n = 100, batches of 32, 3 dropped, pool")
        .contains(">-0.25</text>");
    assertThat(GridSvg.colour(0.125)).isEqualTo("#402a70");
  }

  private static int y(String rect) {
    return Integer.parseInt(rect.replaceAll(".* y=\"(\\d+)\".*", "$1"));
  }

  @Test
  void activationsBecomeRows() {
    double[] values = new double[2 * 3 * 4];
    Arrays.setAll(values, i -> i);
    for (DType dtype : List.of(DType.F64, DType.F32)) {
      Tensor t = Tensor.of(dtype, values, WS).reshape(2, 3, 2, 2);
      assertThat(array(Flatten.SAMPLE.rows(t, 1, WS))[1])
          .startsWith(12, 13)
          .endsWith(23)
          .hasSize(12);
      double[][] places = array(Flatten.SPATIAL.rows(t, 1, WS));
      assertThat(places).hasDimensions(8, 3);
      assertThat(places[0]).containsExactly(0, 4, 8);
      assertThat(places[5]).containsExactly(13, 17, 21);
      double[][] means = array(Flatten.POOL.rows(t, 1, WS));
      assertThat(means).isDeepEqualTo(new double[][] {{1.5, 5.5, 9.5}, {13.5, 17.5, 21.5}});
      Tensor tokens = Tensor.of(dtype, values, WS).reshape(2, 3, 4);
      assertThat(array(Flatten.SPATIAL.rows(tokens, -1, WS))[4]).containsExactly(16, 17, 18, 19);
      double[] mean = array(Flatten.POOL.rows(tokens, -1, WS))[1];
      assertThat(mean).containsExactly(new double[] {16, 17, 18, 19}, within(1e-12));
    }
    Tensor plain = Tensor.of(values, 6, 4);
    for (Flatten flatten : Flatten.values()) {
      assertThat(array(flatten.rows(plain, 1, WS))).hasDimensions(6, 4);
    }
    assertThatThrownBy(() -> Flatten.POOL.rows(plain, 2, WS))
        .isInstanceOf(ShapeException.class)
        .hasMessageContaining("have no features on axis 2");
  }
}
