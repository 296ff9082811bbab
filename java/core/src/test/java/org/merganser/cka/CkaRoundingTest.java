// SPDX-License-Identifier: Apache-2.0
package org.merganser.cka;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.merganser.testing.Work.WS;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.error.NumericalException;
import org.merganser.internal.Seeds;
import org.merganser.linalg.Matrix;
import org.merganser.similarity.SimilarityMeasure.Estimator;
import org.merganser.testing.Close;
import org.merganser.testing.Oracle;

/** What rounding leaves of nothing is no value, and size alone changes none. */
class CkaRoundingTest {
  private static final int N = 60;

  @TempDir Path folder;

  /** Few samples reach a unit: halves without them are constant, and say nothing of the value. */
  @Test
  void halvesWithoutAnActiveSampleHaveNoValue() {
    try (Matrix x = Matrix.of(sparse());
        Matrix y = Matrix.of(near(sparse()));
        Matrix cx = Samples.centred("X", x, WS);
        Matrix cy = Samples.centred("Y", y, WS);
        GramPair pair = GramPair.of(CkaKernel.LINEAR, cx, cy, WS)) {
      double[][] counts = new double[4][N];
      for (int active = 0; active <= 3; active++) {
        Arrays.fill(counts[active], 0, active, 1);
        Arrays.fill(counts[active], 3, 3 + N / 2 - active, 1);
      }
      Resampling.Values values = Resampling.of(pair, N / 2, counts, WS);
      assertThat(values.biased()[0]).isNaN();
      assertThat(values.debiased()[0]).isNaN();
      // One active sample is nothing to the unbiased estimator.
      assertThat(values.debiased()[1]).isNaN();
      for (int active = 1; active <= 3; active++) {
        int[] out = left(counts[active]);
        assertThat(values.biased()[active])
            .isCloseTo(
                Naive.cka(Naive.without(sparse(), out), Naive.without(near(sparse()), out)),
                within(1e-9));
      }
    }
    assertThatThrownBy(
            () -> {
              try (Matrix x = Matrix.of(sparse());
                  Matrix y = Matrix.of(near(sparse()))) {
                CkaReliability.of(x, y)
                    .biasedOnly()
                    .interval(CkaReliability.Interval.HALF_SAMPLING, 0.95)
                    .run(WS);
              }
            })
        .isInstanceOf(NumericalException.class)
        .hasMessageMatching("in 1[0-9][0-9] of 1000 replicates one side is constant.*");
  }

  private static int[] left(double[] counts) {
    return java.util.stream.IntStream.range(0, N).filter(i -> counts[i] == 0).toArray();
  }

  private static double[][] sparse() {
    double[][] x = Oracle.map(Oracle.gaussian(N, 8, 1), Math::abs);
    for (int i = 3; i < N; i++) {
      Arrays.fill(x[i], 0);
    }
    return x;
  }

  private static double[][] near(double[][] x) {
    double[][] noise = Oracle.gaussian(N, 8, 2);
    double[][] y = Oracle.map(x, each -> each);
    for (int i = 0; i < N; i++) {
      for (int j = 0; j < 8; j++) {
        y[i][j] += 0.05 * noise[i][j];
      }
    }
    return y;
  }

  /** Fourth powers of these sizes are numbers, products of two of them are not. */
  @ParameterizedTest
  @ValueSource(doubles = {1e40, 1e-40, 1e60, 1e-60})
  void sizeChangesNothing(double scale) {
    double[][] x = Oracle.gaussian(30, 5, 1);
    double[][] y = Oracle.multiply(x, Oracle.gaussian(5, 4, 2));
    for (CkaReliability.Interval interval : CkaReliability.Interval.values()) {
      ReliabilityReport one = report(x, y, 1, interval);
      ReliabilityReport far = report(x, y, scale, interval);
      assertThat(far.biased().value()).isCloseTo(one.biased().value(), within(1e-12));
      assertThat(far.biased().low()).isCloseTo(one.biased().low(), within(1e-10));
      assertThat(far.debiased().get().value())
          .isCloseTo(one.debiased().get().value(), within(1e-12));
      assertThat(far.debiased().get().high()).isCloseTo(one.debiased().get().high(), within(1e-10));
      assertThat(far.significance()).isEqualTo(one.significance());
      assertThat(far.chance()).isCloseTo(one.chance(), within(1e-12));
      for (int i = 0; i < x.length; i++) {
        assertThat(far.points().get(i).influence())
            .isCloseTo(one.points().get(i).influence(), within(1e-11));
      }
      for (int i = 0; i < one.removals().size(); i++) {
        assertThat(far.removals().get(i).value())
            .isCloseTo(one.removals().get(i).value(), within(1e-11));
      }
      for (int i = 0; i < one.translations().size(); i++) {
        assertThat(far.translations().get(i).limit())
            .isCloseTo(one.translations().get(i).limit(), within(1e-11));
        for (int k = 0; k < one.translations().get(i).curve().size(); k++) {
          assertThat(far.translations().get(i).curve().get(k).value())
              .isCloseTo(one.translations().get(i).curve().get(k).value(), within(1e-11));
        }
      }
    }
  }

  @ParameterizedTest
  @ValueSource(doubles = {1e40, 1e-40})
  void gradientsGoWithTheInverseOfSize(double scale) {
    double[][] x = Oracle.gaussian(30, 5, 1);
    double[][] y = Oracle.multiply(x, Oracle.gaussian(5, 4, 2));
    try (Matrix x1 = Matrix.of(x);
        Matrix y1 = Matrix.of(y);
        Matrix x2 = Matrix.of(Oracle.map(x, each -> each * scale));
        Matrix y2 = Matrix.of(Oracle.map(y, each -> each * scale));
        Matrix found1 = CkaSensitivity.gradient(x1, y1, Estimator.BIASED, WS);
        Matrix found2 = CkaSensitivity.gradient(x2, y2, Estimator.BIASED, WS);
        Matrix g1 = found1.toHost(WS);
        Matrix g2 = found2.toHost(WS)) {
      for (int i = 0; i < x.length; i++) {
        double[] row = Arrays.stream(g2.row(i)).map(each -> each * scale).toArray();
        Close.absolute("row " + i, row, g1.row(i), 1e-12);
      }
    }
  }

  /** One sample far out makes the sums of the others differences of large numbers. */
  @ParameterizedTest
  @ValueSource(doubles = {1e3, 1e4, 1e5})
  void oneSampleFarOut(double far) {
    double[][] x = Oracle.gaussian(40, 6, 1);
    double[][] y = Oracle.multiply(x, Oracle.gaussian(6, 4, 2));
    for (int j = 0; j < 6; j++) {
      x[7][j] *= far;
    }
    ReliabilityReport report = report(x, y, 1, CkaReliability.Interval.JACKKNIFE);
    double without = Naive.cka(Naive.without(x, 7), Naive.without(y, 7));
    double debiased = Naive.debiased(Naive.without(x, 7), Naive.without(y, 7));
    ReliabilityReport.Point point = report.points().get(7);
    assertThat(report.biased().value() - point.influence()).isCloseTo(without, within(1e-4));
    assertThat(report.debiased().get().value() - point.debiasedInfluence())
        .isCloseTo(debiased, within(1e-4));
    assertThat(point.outlier()).isTrue();
    // It goes first, and what is removed after it is removed from what is left.
    int[] gone = new int[report.removals().size()];
    for (int step = 0; step < gone.length; step++) {
      gone[step] = report.removals().get(step).index();
      int[] out = Arrays.copyOf(gone, step + 1);
      assertThat(report.removals().get(step).value())
          .isCloseTo(Naive.cka(Naive.without(x, out), Naive.without(y, out)), within(1e-4));
    }
    assertThat(gone).hasSize(4).doesNotHaveDuplicates();
    assertThat(gone[0]).isEqualTo(7);
  }

  /** Without it there is nothing to compare: it has no influence, the report says so. */
  @Test
  void oneSampleThatIsAllThereIs() throws Exception {
    double[][] x = {{1, 1}, {1, 1}, {1, 1}, {1, 1}, {5, 2}, {1, 1}};
    double[][] y = Oracle.gaussian(6, 2, 1);
    try (Matrix left = Matrix.of(x);
        Matrix right = Matrix.of(y)) {
      ReliabilityReport report = CkaReliability.of(left, right).biasedOnly().run(WS);
      assertThat(report.biased().value()).isCloseTo(Naive.cka(x, y), within(1e-12));
      for (ReliabilityReport.Point point : report.points()) {
        assertThat(Double.isNaN(point.influence())).isEqualTo(point.index() == 4);
      }
      assertThat(report.biased().low()).isNaN();
      assertThat(report.biased().undefined()).isEqualTo(1);
      assertThat(report.toText())
          .contains("95% not defined jackknife")
          .contains("WARNING ONE_SAMPLE")
          .contains("without #4 nothing varies on one side, and CKA is not defined")
          .doesNotContain("NaN");
      Path picture = folder.resolve("report.svg");
      report.toSvg(picture);
      assertThat(Files.readString(picture)).doesNotContain("NaN").contains("#4");
    }
  }

  /** Of 2000 samples one moves; those on which changes are tried do not have it. */
  @Test
  void whatCannotBeCheckedDoesNotHold() throws Exception {
    double[][] x = new double[2000][2];
    double[][] y = Oracle.gaussian(2000, 2, 1);
    int[] tried = Seeds.order(2000, WS.seed(), "cka changed samples");
    x[tried[1000]] = new double[] {1, 2};
    x[tried[1001]] = new double[] {2, 1};
    x[tried[1002]] = new double[] {-1, 1};
    for (double[][] sides : new double[][][] {x, y}) {
      try (Matrix left = Matrix.of(sides);
          Matrix right = Matrix.of(sides == x ? y : x)) {
        ReliabilityReport report = CkaReliability.of(left, right).permutations(19).run(WS);
        assertThat(report.checks()).hasSize(8);
        for (ReliabilityReport.Check check : report.checks()) {
          assertThat(check.undefined()).as(check.name()).isTrue();
          assertThat(check.holds()).as(check.name()).isEqualTo(!check.invariant());
        }
        Path json = folder.resolve("report.json");
        report.toJson(json);
        assertThat(Files.readString(json)).contains("\"holds\" : null");
      }
    }
  }

  /** RBF CKA of all cells is the same: there is no order that could be another one. */
  @Test
  void noOrderIsNoDisagreement() {
    double[][] x = Oracle.gaussian(12, 3, 1);
    Map<String, Matrix> same = new LinkedHashMap<>();
    for (String name : List.of("a", "b", "c")) {
      same.put(name, Matrix.of(x));
    }
    assertThat(CkaReliability.grid(Map.of("x", same.get("a")), same, 19, WS).warnings()).isEmpty();
  }

  @Test
  void theTextHasWhatWasAskedFor() {
    double[][] x = Oracle.gaussian(60, 5, 1);
    try (Matrix left = Matrix.of(x);
        Matrix right = Matrix.of(x)) {
      String text =
          CkaReliability.of(left, right)
              .interval(CkaReliability.Interval.JACKKNIFE, 0.995)
              .moving(new int[] {0, 1}, new double[] {1, 0, 0, 0, 0}, 0.5, 5, 20)
              .permutations(99_999)
              .run(WS)
              .toText();
      assertThat(text)
          .contains("(c=0.5)", "(c=5)", "(c=20)", " 99.5% [")
          .contains("p = 1.0e-05 (99999 permutations)");
    }
  }

  private static ReliabilityReport report(
      double[][] x, double[][] y, double scale, CkaReliability.Interval interval) {
    try (Matrix left = Matrix.of(Oracle.map(x, each -> each * scale));
        Matrix right = Matrix.of(Oracle.map(y, each -> each * scale))) {
      return CkaReliability.of(left, right).interval(interval, 0.95).replicates(100).run(WS);
    }
  }
}
