// SPDX-License-Identifier: Apache-2.0
package org.merganser.cka;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.merganser.testing.Work.WS;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.cka.CkaReliability.Interval;
import org.merganser.cka.ReliabilityReport.Translated;
import org.merganser.cka.ReliabilityReport.Value;
import org.merganser.compute.DType;
import org.merganser.error.NumericalException;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;
import org.merganser.model.PairedActivations.Batch;
import org.merganser.similarity.Flatten;
import org.merganser.similarity.GridAccumulator;
import org.merganser.similarity.GridAccumulator.Layer;
import org.merganser.similarity.Plan;
import org.merganser.similarity.SimilarityGrid;
import org.merganser.testing.Cases;
import org.merganser.testing.Close;
import org.merganser.testing.Draw;
import org.merganser.testing.Oracle;

/** Reports of Gram matrices that were saved beside those of the activations. */
class SavedReliabilityTest {
  @TempDir Path folder;

  @Cases(12)
  void whatWasSavedGivesTheReportOfTheActivations(Draw draw) throws IOException {
    int positions = draw.of(1, 1, 3);
    int m = draw.integer(10, 24);
    double[][] x = Oracle.map(Oracle.gaussian(m * positions, 6, draw.seed()), each -> each + 3);
    double[][] y = related(x, draw.integer(3, 7), draw.seed());
    int[] labels = IntStream.range(0, m).map(i -> i % 3).toArray();
    Interval interval = draw.of(Interval.values());
    double t = draw.of(Double.NaN, Double.NaN, 0.7);
    int most = draw.of(8192, (m - 2) * positions);
    UnaryOperator<CkaReliability> settings =
        asked -> {
          CkaReliability all = asked.permutations(99).interval(interval, 0.9).replicates(50);
          return (Double.isNaN(t) ? all : all.rbf(t)).labels(labels).atMost(most);
        };
    ReliabilityReport expected = Reports.report(x, y, positions, settings::apply);
    try (GridAccumulator sums = saved(Map.of("x", x), Map.of("y", y), positions)) {
      same(settings.apply(CkaReliability.of(sums, 0, 0)).run(WS), expected);
    }
  }

  private static void same(ReliabilityReport found, ReliabilityReport expected) {
    Close.absolute("biased", numbers(found.biased()), numbers(expected.biased()), 1e-9);
    Close.absolute(
        "debiased",
        numbers(found.debiased().orElseThrow()),
        numbers(expected.debiased().orElseThrow()),
        1e-8);
    assertThat(found.chance()).isCloseTo(expected.chance(), within(1e-11));
    assertThat(found.significance()).isEqualTo(expected.significance());
    assertThat(found.setup().samples()).isEqualTo(expected.setup().samples());
    assertThat(found.setup().positions()).isEqualTo(expected.setup().positions());
    assertThat(found.setup().x().features()).isEqualTo(expected.setup().x().features());
    assertThat(found.setup().y().dimension())
        .isCloseTo(expected.setup().y().dimension(), within(1e-9));
    for (int i = 0; i < expected.points().size(); i++) {
      var point = found.points().get(i);
      var other = expected.points().get(i);
      assertThat(point.index()).isEqualTo(other.index());
      Close.absolute(
          "point",
          new double[] {
            point.influence(), point.debiasedInfluence(), point.leverage(), point.atInfinity()
          },
          new double[] {
            other.influence(), other.debiasedInfluence(), other.leverage(), other.atInfinity()
          },
          1e-8);
    }
    assertThat(found.removals())
        .extracting(ReliabilityReport.Removal::index)
        .isEqualTo(expected.removals().stream().map(each -> each.index()).toList());
    for (int c = 0; c < expected.translations().size(); c++) {
      Translated curve = found.translations().get(c);
      Translated other = expected.translations().get(c);
      assertThat(curve.name()).isEqualTo(other.name());
      Close.absolute("curve", numbers(curve), numbers(other), 1e-8);
    }
    for (int o = 0; o < expected.opinions().size(); o++) {
      var opinion = found.opinions().get(o);
      var other = expected.opinions().get(o);
      assertThat(opinion.name()).isEqualTo(other.name());
      assertThat(opinion.note()).isEqualTo(other.note());
      assertThat(opinion.value()).as(other.toString()).isCloseTo(other.value(), within(1e-6));
    }
    assertThat(found.opinions()).hasSameSizeAs(expected.opinions());
    assertThat(found.checks()).isEmpty();
    assertThat(found.warnings())
        .extracting(ReliabilityReport.Warning::code)
        .isEqualTo(expected.warnings().stream().map(each -> each.code()).toList());
  }

  /** What rounding adds to products in F32 is no direction, as few as the real ones are. */
  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3})
  void productsInSinglePrecisionHaveNoFurtherDirections(long seed) throws IOException {
    double[][] x = Oracle.map(Oracle.gaussian(60, 5, seed), each -> each + 3);
    double[][] y = related(x, 4, seed);
    ReliabilityReport expected = Reports.report(x, y, asked -> asked.permutations(19));
    try (GridAccumulator sums = saved(Map.of("x", x), Map.of("y", y), 1, DType.F32)) {
      ReliabilityReport found = CkaReliability.of(sums, 0, 0).permutations(19).run(WS);
      assertThat(found.opinions()).hasSameSizeAs(expected.opinions());
      for (int o = 0; o < expected.opinions().size(); o++) {
        var other = expected.opinions().get(o);
        assertThat(found.opinions().get(o).note()).isEqualTo(other.note());
        assertThat(found.opinions().get(o).value())
            .as(other.toString())
            .isCloseTo(other.value(), within(1e-3));
      }
    }
  }

  /** Of the samples that were drawn, as with activations. */
  @Test
  void whatVariesOnlyInSamplesThatWereNotDrawnIsConstant() throws IOException {
    double[][] x = Oracle.gaussian(20, 3, 1);
    int constant = 0;
    for (int i = 0; i < x.length; i++) {
      double[][] y = Oracle.map(Oracle.gaussian(20, 3, 2), each -> 0.3);
      y[i] = new double[] {3.7, 1e3, -0.1};
      y[(i + 7) % 20] = new double[] {0.7, 3, 77};
      String expected = outcome(CkaReliability.of(Matrix.of(x), Matrix.of(y)));
      for (DType precision : new DType[] {DType.F64, DType.F32}) {
        try (GridAccumulator sums = saved(Map.of("x", x), Map.of("y", y), 1, precision)) {
          assertThat(outcome(CkaReliability.of(sums, 0, 0))).isEqualTo(expected);
        }
      }
      constant += expected.startsWith("Y is constant: all 10 samples") ? 1 : 0;
    }
    assertThat(constant).isBetween(1, 19);
  }

  private static String outcome(CkaReliability asked) {
    try {
      asked.biasedOnly().permutations(19).atMost(10).run(WS);
      return "";
    } catch (NumericalException e) {
      return e.getMessage().replace("the same 3 features", "the same features");
    }
  }

  private static double[] numbers(Value value) {
    return new double[] {value.value(), value.low(), value.high()};
  }

  private static double[] numbers(Translated curve) {
    double[] values = curve.curve().stream().mapToDouble(Translated.At::value).toArray();
    double[] all = Arrays.copyOf(values, values.length + 2);
    all[values.length] = curve.limit();
    all[values.length + 1] = curve.half();
    return all;
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 4})
  void gridsToo(int positions) throws IOException {
    double[][] x = Oracle.gaussian(20 * positions, 5, 1);
    Map<String, double[][]> a = new LinkedHashMap<>();
    a.put("x", x);
    a.put("none", Oracle.map(x, each -> 1.5));
    Map<String, double[][]> b = new LinkedHashMap<>();
    b.put("y", related(x, 4, 2));
    b.put("z", Oracle.gaussian(x.length, 7, 3));
    ReliabilityReport.Grid expected;
    Flatten flatten = positions == 1 ? Flatten.SAMPLE : Flatten.SPATIAL;
    try (var layers = new SimilarityGrid.Layers(matrices(a), matrices(b), 0, flatten, positions)) {
      expected = CkaReliability.grid(layers, 99, WS);
    }
    try (GridAccumulator sums = saved(a, b, positions)) {
      ReliabilityReport.Grid found = CkaReliability.grid(sums, 99, WS);
      for (int j = 0; j < 2; j++) {
        var cell = found.values().cell(0, j);
        var other = expected.values().cell(0, j);
        Close.absolute(
            "cell",
            new double[] {
              cell.biased(), cell.debiased(), cell.p(), cell.chance(), cell.topInfluence()
            },
            new double[] {
              other.biased(), other.debiased(), other.p(), other.chance(), other.topInfluence()
            },
            1e-9);
        assertThat(cell.topInfluenceIndex()).isEqualTo(other.topInfluenceIndex());
        assertThat(found.values().cell(1, j).reason())
            .contains("layer 'none' is constant: all " + x.length + " samples");
      }
      assertThat(found.q()).isEqualTo(expected.q());
      assertThat(found.values().namesB()).containsExactly("y", "z");
      assertThat(found.values().flatten()).isEqualTo(flatten);
    }
  }

  @Test
  void whatGramsDoNotKnowIsRefused() throws IOException {
    double[][] x = Oracle.gaussian(12, 3, 1);
    try (GridAccumulator sums = saved(Map.of("x", x), Map.of("y", Oracle.map(x, e -> 2)), 1)) {
      assertThatThrownBy(() -> CkaReliability.of(sums, 0, 0).run(WS))
          .isInstanceOf(NumericalException.class)
          .hasMessage("Y is constant: all 12 samples have the same features, so CKA is undefined");
      assertThatThrownBy(() -> CkaReliability.of(sums, 1, 0))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessage("there is no layer 1 of A, which has 1");
      CkaReliability asked = CkaReliability.of(sums, 0, 0);
      assertThatThrownBy(() -> asked.readout(Matrix.zeros(2, 3)))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessage(
              "a readout is of features, which Gram matrices do not know; make the report from"
                  + " activations");
      assertThatThrownBy(() -> asked.moving(new int[] {1}, new double[] {1, 0, 0}, 1))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageStartingWith("a direction is of features");
    }
    try (GridAccumulator sums =
        sums(Map.of("x", x), Map.of("y", x), 1, Plan.feature(), DType.F64)) {
      assertThatThrownBy(() -> CkaReliability.of(sums, 0, 0))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageStartingWith("Gram matrices of all samples are kept by Plan.full(), not by ");
    }
  }

  /** Summed in batches, saved and loaded. */
  private GridAccumulator saved(Map<String, double[][]> a, Map<String, double[][]> b, int positions)
      throws IOException {
    return saved(a, b, positions, DType.F64);
  }

  private GridAccumulator saved(
      Map<String, double[][]> a, Map<String, double[][]> b, int positions, DType precision)
      throws IOException {
    Path file = folder.resolve("grams.mgsums");
    try (GridAccumulator sums = sums(a, b, positions, Plan.full(), precision)) {
      sums.save(file);
    }
    return GridAccumulator.load(file, WS);
  }

  private static GridAccumulator sums(
      Map<String, double[][]> a,
      Map<String, double[][]> b,
      int positions,
      Plan plan,
      DType precision) {
    int n = a.values().iterator().next().length / positions;
    SimilarityGrid.Options options =
        SimilarityGrid.Options.defaults()
            .withPlan(plan)
            .withPrecision(precision)
            .withFlatten(positions == 1 ? Flatten.SAMPLE : Flatten.SPATIAL);
    GridAccumulator sums =
        new GridAccumulator(layers(0, a, positions), layers(1, b, positions), n, options, WS);
    for (int from = 0; from < n; from += 7) {
      int to = Math.min(n, from + 7);
      sums.accept(
          new Batch(
              from,
              to - from,
              List.of(part(a, from, to, positions), part(b, from, to, positions))));
    }
    return sums;
  }

  private static List<Layer> layers(int model, Map<String, double[][]> all, int positions) {
    return all.keySet().stream()
        .map(tap -> new Layer(model, tap, positions == 1 ? 1 : -1))
        .toList();
  }

  /** [samples x features], or [samples x positions x features]. */
  private static Map<String, Tensor> part(
      Map<String, double[][]> all, int from, int to, int positions) {
    Map<String, Tensor> part = new LinkedHashMap<>();
    all.forEach(
        (name, x) -> {
          Tensor rows =
              Matrix.of(Arrays.copyOfRange(x, from * positions, to * positions)).asTensor();
          part.put(name, positions == 1 ? rows : rows.reshape(to - from, positions, x[0].length));
        });
    return part;
  }

  private static Map<String, Matrix> matrices(Map<String, double[][]> all) {
    Map<String, Matrix> matrices = new LinkedHashMap<>();
    all.forEach((name, x) -> matrices.put(name, Matrix.of(x)));
    return matrices;
  }

  private static double[][] related(double[][] x, int features, long seed) {
    double[][] y = Oracle.multiply(x, Oracle.gaussian(x[0].length, features, seed));
    double[][] noise = Oracle.gaussian(x.length, features, seed + 1);
    for (int i = 0; i < y.length; i++) {
      for (int j = 0; j < features; j++) {
        y[i][j] += noise[i][j];
      }
    }
    return y;
  }
}
