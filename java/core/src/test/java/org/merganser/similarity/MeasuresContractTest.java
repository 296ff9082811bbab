// SPDX-License-Identifier: Apache-2.0
package org.merganser.similarity;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.merganser.testing.Work.WS;

import java.util.Arrays;
import java.util.HashSet;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.error.ShapeException;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;
import org.merganser.plan.Catalogue;
import org.merganser.similarity.MeasureTraits.Sides;
import org.merganser.similarity.SimilarityMeasure.Route;
import org.merganser.similarity.SimilarityMeasure.Trait;
import org.merganser.stats.NonFinite;
import org.merganser.testing.Close;
import org.merganser.testing.Oracle;

/** What every measure of the catalogue promises; a new one is tested by its line there. */
class MeasuresContractTest {
  static Stream<String> measures() {
    return Catalogue.measures().variants().stream();
  }

  private static SimilarityMeasure measure(String text) {
    return Catalogue.measures().method(text);
  }

  /** Invariances and traits are those declared, and no more. */
  @ParameterizedTest
  @MethodSource("measures")
  void itsTraitsAreThoseOfItsValues(String text) {
    MeasureTraits.check(measure(text));
  }

  @ParameterizedTest
  @MethodSource("measures")
  void valuesLieInTheRange(String text) {
    SimilarityMeasure measure = measure(text);
    for (Sides sides : MeasureTraits.SHAPES) {
      double value = MeasureTraits.of(measure, sides);
      assertThat(value).isBetween(measure.least(), measure.greatest());
      double[][] noise = Oracle.gaussian(sides.x().length, 13, 77);
      assertThat(MeasureTraits.of(measure, sides.x(), noise))
          .isBetween(measure.least(), measure.greatest());
      double[][] opposite = Oracle.scale(sides.x(), -1);
      assertThat(MeasureTraits.of(measure, sides.x(), opposite))
          .isBetween(measure.least(), measure.greatest());
    }
  }

  /** {@code d(a, c) <= d(a, b) + d(b, c)}. */
  @ParameterizedTest
  @MethodSource("measures")
  void metricsObeyTheTriangleInequality(String text) {
    SimilarityMeasure measure = measure(text);
    if (!measure.traits().contains(Trait.METRIC)) {
      return;
    }
    for (int seed = 0; seed < 40; seed++) {
      int n = 4 + seed % 9;
      double[][] a = Oracle.gaussian(n, 5, 3000 + seed);
      double[][] b = Oracle.scale(Oracle.gaussian(n, 5, 4000 + seed), 0.5 + seed % 3);
      double[][] c = Oracle.multiply(a, Oracle.gaussian(5, 5, 5000 + seed));
      for (double[][][] triple : new double[][][][] {{a, b, c}, {b, c, a}, {c, a, b}}) {
        double direct = MeasureTraits.of(measure, triple[0], triple[2]);
        double around =
            MeasureTraits.of(measure, triple[0], triple[1])
                + MeasureTraits.of(measure, triple[1], triple[2]);
        assertThat(direct).as(text + " " + seed).isLessThanOrEqualTo(around + 1e-9);
      }
    }
  }

  /** An offset of 1e3 costs few digits, F32 numbers none beyond their own. */
  @ParameterizedTest
  @MethodSource("measures")
  void offsetsAndNarrowNumbersDoNotMatter(String text) {
    SimilarityMeasure measure = measure(text);
    boolean shifts =
        measure
            .invariances(SimilarityMeasure.Side.X)
            .contains(SimilarityMeasure.Invariance.TRANSLATION);
    for (Sides sides : MeasureTraits.SHAPES) {
      double offset = shifts ? 1e3 : 0;
      double[][] x = Oracle.map(sides.x(), v -> v + offset);
      double[][] y = Oracle.map(sides.y(), v -> v - offset);
      double plain = MeasureTraits.of(measure, sides);
      double size = Math.max(1, Math.abs(plain));
      assertThat(MeasureTraits.of(measure, x, y)).isCloseTo(plain, within(1e-8 * size));
      try (Matrix narrowX = narrow(x);
          Matrix narrowY = narrow(y);
          Matrix sameX = wide(narrowX);
          Matrix sameY = wide(narrowY)) {
        double narrow = measure.between(narrowX, narrowY, WS).value();
        double wide = measure.between(sameX, sameY, WS).value();
        assertThat(narrow).isCloseTo(wide, within(1e-12 * size));
        // Features deviate by about 0.1, and F32 has steps of 6e-5 at 1e3: some neighbours change.
        assertThat(narrow).isCloseTo(plain, within((shifts ? 5e-3 : 1e-5) * size));
      }
    }
  }

  /** In units from 1e-4 to 1e4, which change the value only of measures that have a unit. */
  @ParameterizedTest
  @MethodSource("measures")
  void unitsDoNotMatterWhereTheyShouldNot(String text) {
    SimilarityMeasure measure = measure(text);
    boolean unitless =
        measure
            .invariances(SimilarityMeasure.Side.X)
            .contains(SimilarityMeasure.Invariance.ISOTROPIC_SCALE);
    Sides sides = MeasureTraits.SHAPES.get(0);
    double plain = MeasureTraits.of(measure, sides);
    for (double unit : new double[] {1e-30, 1e-4, 1e4, 1e30}) {
      if (unitless) {
        assertThat(MeasureTraits.of(measure, Oracle.scale(sides.x(), unit), sides.y()))
            .as("in units of " + unit)
            .isCloseTo(plain, within(1e-9));
      }
    }
  }

  @ParameterizedTest
  @MethodSource("measures")
  void theLeastNumberOfSamplesIsEnough(String text) {
    SimilarityMeasure measure = measure(text);
    int least = measure.minimumSamples();
    Sides sides = MeasureTraits.sides(least, 30, 20, 11);
    assertThat(MeasureTraits.of(measure, sides)).isFinite();
    if (least > 2) {
      double[][] x = Arrays.copyOf(sides.x(), least - 1);
      double[][] y = Arrays.copyOf(sides.y(), least - 1);
      assertThatThrownBy(() -> MeasureTraits.of(measure, x, y))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessage(measure.id() + " needs at least " + least + " samples, not " + (least - 1));
    }
  }

  @ParameterizedTest
  @MethodSource("measures")
  void samplesThatAreNotFiniteAreNamedOrDroppedOnBothSides(String text) {
    SimilarityMeasure measure = measure(text);
    Sides sides = MeasureTraits.sides(60, 12, 14, 21);
    double[][] x = Oracle.map(sides.x(), v -> v);
    double[][] y = Oracle.map(sides.y(), v -> v);
    x[7][3] = Double.NaN;
    y[7][1] = Double.POSITIVE_INFINITY;
    y[20][13] = Double.NEGATIVE_INFINITY;
    for (DType dtype : new DType[] {DType.F64, DType.F32}) {
      try (Matrix left = of(dtype, x);
          Matrix right = of(dtype, y);
          Matrix keptLeft = of(dtype, without(x, 7, 20));
          Matrix keptRight = of(dtype, without(y, 7, 20))) {
        assertThatThrownBy(() -> measure.between(left, right, WS))
            .isInstanceOf(NumericalException.class)
            .hasMessage(
                "X[7, 3] is NaN; correct it, or drop such samples on both sides"
                    + " (NonFinite.SKIP_SAMPLE)");
        assertThatThrownBy(() -> measure.between(keptLeft, right, WS))
            .isInstanceOf(ShapeException.class);
        Similarity found = measure.between(left, right, NonFinite.SKIP_SAMPLE, WS);
        assertThat(found.dropped()).isEqualTo(2);
        assertThat(found.samples()).isEqualTo(58);
        assertThat(found.value())
            .isCloseTo(measure.between(keptLeft, keptRight, WS).value(), within(1e-12));
      }
    }
  }

  /** 0 or 1 would be an answer: there is none. */
  @ParameterizedTest
  @MethodSource("measures")
  void aConstantSideHasNoValue(String text) {
    SimilarityMeasure measure = measure(text);
    double[][] x = MeasureTraits.sides(40, 12, 12, 31).x();
    double[] row = x[0];
    double[][] constant = new double[40][];
    Arrays.fill(constant, row);
    assertThatThrownBy(() -> MeasureTraits.of(measure, x, constant))
        .isInstanceOf(NumericalException.class)
        .hasMessage(
            "Y is constant: all 40 samples have the same 12 features, so how alike it is to"
                + " anything is undefined");
    assertThatThrownBy(() -> MeasureTraits.of(measure, constant, x))
        .isInstanceOf(NumericalException.class)
        .hasMessageStartingWith("X is constant: ");
  }

  @ParameterizedTest
  @MethodSource("measures")
  void samplesArePaired(String text) {
    SimilarityMeasure measure = measure(text);
    try (Matrix x = Matrix.of(Golden.A.x);
        Matrix y = Matrix.of(Golden.B.y);
        Matrix one = Matrix.of(new double[][] {{1, 2}});
        Matrix none = Matrix.zeros(4, 0)) {
      assertThatThrownBy(() -> measure.between(x, y, WS))
          .isInstanceOf(ShapeException.class)
          .hasMessage(
              "X is a 4 x 2 F64 matrix and Y a 5 x 3 F64 matrix: their rows are the same samples,"
                  + " so there must be as many");
      assertThatThrownBy(() -> measure.between(one, one, WS))
          .isInstanceOf(ShapeException.class)
          .hasMessage(
              "X is a 1 x 2 F64 matrix and Y a 1 x 2 F64 matrix: at least 2 samples can be"
                  + " compared");
      assertThatThrownBy(() -> measure.between(x, none, WS))
          .isInstanceOf(ShapeException.class)
          .hasMessage("Y is a 4 x 0 F64 matrix: no features");
    }
  }

  /** Constant features are allowed, counted, and change nothing that ignores a shift. */
  @ParameterizedTest
  @MethodSource("measures")
  void constantFeaturesAreCounted(String text) {
    SimilarityMeasure measure = measure(text);
    Sides sides = MeasureTraits.sides(60, 12, 14, 41);
    double[][] wider =
        Arrays.stream(sides.x())
            .map(
                row -> {
                  double[] longer = Arrays.copyOf(row, 14);
                  longer[12] = 1e6 / 3;
                  longer[13] = -0.1;
                  return longer;
                })
            .toArray(double[][]::new);
    try (Matrix x = Matrix.of(wider);
        Matrix y = Matrix.of(sides.y())) {
      Similarity found = measure.between(x, y, WS);
      assertThat(found.details()).containsEntry("constant-columns-x", 2.0);
      assertThat(found.details()).doesNotContainKey("constant-columns-y");
      if (measure
          .invariances(SimilarityMeasure.Side.X)
          .contains(SimilarityMeasure.Invariance.TRANSLATION)) {
        assertThat(found.value()).isCloseTo(MeasureTraits.of(measure, sides), within(1e-8));
      }
    }
  }

  @ParameterizedTest
  @MethodSource("measures")
  void resultsSayHowTheyCame(String text) {
    SimilarityMeasure measure = measure(text);
    Sides sides = MeasureTraits.SHAPES.get(0);
    try (Matrix x = Matrix.of(sides.x());
        Matrix y = Matrix.of(sides.y());
        Matrix deviceX = x.on(WS);
        Matrix deviceY = y.on(WS)) {
      Similarity found = measure.between(x, y, WS);
      assertThat(found.measure()).isEqualTo(measure.id());
      assertThat(found.kind()).isEqualTo(measure.kind());
      assertThat(found.route()).isNotEqualTo(Route.AUTO);
      assertThat(found.samples()).isEqualTo(280);
      assertThat(found.dropped()).isZero();
      assertThat(found.toString()).startsWith(measure.id() + " ").contains("280 samples");
      // Wherever they lie, and once more.
      assertThat(measure.between(deviceX, deviceY, WS)).isEqualTo(found);
      Close.absolute("x", x, sides.x(), 0);
      Close.absolute("y", y, sides.y(), 0);
    }
  }

  @ParameterizedTest
  @MethodSource("measures")
  void valuesDoNotDependOnThreads(String text) {
    SimilarityMeasure measure = measure(text);
    Set<Double> seen = new HashSet<>();
    for (int threads : new int[] {1, 2, 8}) {
      try (Workspace ws = Workspace.builder().threads(threads).open();
          Matrix x = Matrix.of(MeasureTraits.SHAPES.get(0).x());
          Matrix y = Matrix.of(MeasureTraits.SHAPES.get(0).y())) {
        seen.add(measure.between(x, y, ws).value());
      }
    }
    assertThat(seen).as("with 1, 2 and 8 threads").hasSize(1);
  }

  @ParameterizedTest
  @MethodSource("measures")
  void itExplainsItself(String text) {
    SimilarityMeasure measure = measure(text);
    assertThat(measure.explain())
        .startsWith(measure.id() + ": " + measure.summary() + ".\n")
        .endsWith("At least " + measure.minimumSamples() + " samples.");
    for (SimilarityMeasure.Invariance kept : measure.invariances(SimilarityMeasure.Side.X)) {
      assertThat(measure.explain()).contains(kept.toString());
    }
  }

  private static Matrix of(DType dtype, double[][] rows) {
    return dtype == DType.F64 ? Matrix.of(rows) : narrow(rows);
  }

  private static Matrix narrow(double[][] rows) {
    try (Matrix wide = Matrix.of(rows);
        Tensor there = wide.asTensor().to(DType.F32, WS)) {
      return Matrix.of(there.toHost(WS));
    }
  }

  private static Matrix wide(Matrix narrow) {
    return Matrix.of(narrow.asTensor().to(DType.F64, WS));
  }

  private static double[][] without(double[][] rows, int first, int second) {
    return Stream.iterate(0, i -> i < rows.length, i -> i + 1)
        .filter(i -> i != first && i != second)
        .map(i -> rows[i])
        .toArray(double[][]::new);
  }
}
