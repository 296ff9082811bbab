// SPDX-License-Identifier: Apache-2.0
package org.merganser.cka;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.merganser.cka.Reports.report;
import static org.merganser.cka.Reports.with;
import static org.merganser.testing.Work.WS;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.merganser.cka.CkaReliability.Interval;
import org.merganser.cka.ReliabilityReport.Point;
import org.merganser.cka.ReliabilityReport.Removal;
import org.merganser.cka.ReliabilityReport.Significance;
import org.merganser.error.ShapeException;
import org.merganser.internal.Directions;
import org.merganser.linalg.Matrix;
import org.merganser.similarity.Flatten;
import org.merganser.similarity.SimilarityGrid;
import org.merganser.testing.Cases;
import org.merganser.testing.Close;
import org.merganser.testing.Draw;
import org.merganser.testing.Oracle;

/** Samples of several rows, one for each position, beside loops over their rows. */
class ReliabilityBlocksTest {

  @Cases(20)
  void leavingASampleOutIsDeletingItsRows(Draw draw) {
    int m = draw.integer(5, 9);
    int s = draw.integer(2, 5);
    double[][] x = spatial(m, s, draw.integer(2, 12), draw.seed());
    double[][] y = spatial(m, s, draw.integer(2, 12), draw.seed());
    double t = draw.of(Double.NaN, 0.8);
    double[][] k = gram(x, t);
    double[][] l = gram(y, t);
    with(
        x,
        y,
        s,
        new CkaKernel(t),
        pair -> {
          double[] biased = LeaveOneOut.biased(pair, WS);
          double[] debiased = LeaveOneOut.debiased(pair, pair.debiased(WS), WS);
          for (int i = 0; i < m; i++) {
            int[] rest = others(m, s, i);
            double[][] left = picked(k, rest);
            double[][] right = picked(l, rest);
            assertThat(biased[i]).isCloseTo(Naive.ckaOfGrams(left, right), within(1e-10));
            assertThat(debiased[i]).isCloseTo(Naive.debiasedOfGrams(left, right), within(1e-8));
          }
          assertThat(biased).hasSize(m);
          return null;
        });
  }

  @Cases(10)
  void samplesChangePlacesWithTheirRows(Draw draw) {
    int m = draw.integer(3, 5);
    int s = draw.integer(2, 4);
    double[][] x = spatial(m, s, draw.integer(1, 6), draw.seed());
    double[][] y = spatial(m, s, draw.integer(1, 6), draw.seed());
    List<int[]> orders = orders(m);
    double[] values =
        orders.stream().mapToDouble(order -> Naive.cka(x, ordered(y, order, s))).toArray();
    double value = Naive.cka(x, y);
    long atLeast = Arrays.stream(values).filter(each -> each >= value - 1e-11).count();
    ReliabilityReport report = report(x, y, s, CkaReliability::biasedOnly);
    assertThat(report.significance()).isEqualTo(new Significance(atLeast, orders.size(), true));
    assertThat(report.chance())
        .isCloseTo(DoubleStream.of(values).average().orElseThrow(), within(1e-12));
  }

  @Cases(10)
  void replicatesHaveSamplesWithAllTheirRows(Draw draw) {
    int m = 6;
    int s = draw.integer(2, 4);
    double[][] x = spatial(m, s, draw.integer(2, 8), draw.seed());
    double[][] y = spatial(m, s, draw.integer(2, 8), draw.seed());
    double[][] counts = {{1, 0, 2, 1, 0, 2}, {0, 3, 0, 1, 1, 1}};
    with(
        x,
        y,
        s,
        CkaKernel.LINEAR,
        pair -> {
          double[][] spread =
              Arrays.stream(counts).map(pair.blocks::spread).toArray(double[][]::new);
          Resampling.Values values = Resampling.of(pair, m * s, spread, WS);
          for (int r = 0; r < counts.length; r++) {
            int[] rows = chosen(counts[r], s);
            double[][] k = picked(Naive.linear(x), rows);
            double[][] l = picked(Naive.linear(y), rows);
            assertThat(values.biased()[r]).isCloseTo(Naive.ckaOfGrams(k, l), within(1e-10));
          }
          double[] halves = new double[20];
          int found = 0;
          for (int set = 0; set < 1 << m; set++) {
            if (Integer.bitCount(set) == 3) {
              int inside = set;
              int[] rows = rows(IntStream.range(0, m).filter(i -> (inside >> i & 1) == 1), s);
              halves[found++] = Naive.cka(rowsOf(x, rows), rowsOf(y, rows));
            }
          }
          for (double half : Resampling.halves(pair, 40, WS).biased()) {
            assertThat(Arrays.stream(halves).anyMatch(each -> Math.abs(each - half) < 1e-10))
                .isTrue();
          }
          return null;
        });
  }

  @Cases(5)
  void removalTakesTheMostInfluentialSampleOfWhatIsLeft(Draw draw) {
    int m = draw.integer(8, 10);
    int s = 3;
    double[][] x = spatial(m, s, draw.integer(2, 8), draw.seed());
    double[][] y = spatial(m, s, draw.integer(2, 8), draw.seed());
    List<Removal> removals = with(x, y, s, CkaKernel.LINEAR, pair -> GreedyRemoval.of(pair, 3, WS));
    List<Integer> left = new ArrayList<>(IntStream.range(0, m).boxed().toList());
    for (Removal removal : removals) {
      double now = among(x, y, left, -1, s);
      int most = left.get(0);
      for (int i : left) {
        boolean more =
            Math.abs(now - among(x, y, left, i, s)) > Math.abs(now - among(x, y, left, most, s));
        most = more ? i : most;
      }
      assertThat(removal.index()).isEqualTo(most);
      assertThat(removal.value()).isCloseTo(among(x, y, left, most, s), within(1e-10));
      left.remove((Integer) most);
    }
    assertThat(removals).hasSize(3);
  }

  @Test
  void aReportIsOfSamples() {
    int m = 12;
    int s = 4;
    double[][] x = spatial(m, s, 6, 1);
    double[][] y = Oracle.multiply(x, Oracle.gaussian(6, 3, 2));
    int[] labels = IntStream.range(0, m).map(i -> i % 3).toArray();
    ReliabilityReport report = report(x, y, s, asked -> asked.labels(labels).permutations(99));
    assertThat(report.toText())
        .startsWith("CKA reliability   n=12 samples of 4 rows  X 48x6 (dPR ")
        .contains(" Y 48x3 (dPR ");
    assertThat(report.points()).hasSize(m);
    assertThat(report.points().stream().mapToDouble(Point::leverage).sum())
        .isCloseTo(1, within(1e-12));
    double[][] k = Naive.centre(Naive.linear(x));
    double[] without = new double[m];
    for (Point point : report.points()) {
      int i = point.index();
      double[][] inside = new double[m * s][1];
      IntStream.range(i * s, (i + 1) * s).forEach(row -> inside[row][0] = 1);
      assertThat(point.atInfinity())
          .isCloseTo(Naive.ckaOfGrams(k, Naive.linear(inside)), within(1e-10));
      int[] rest = others(m, s, i);
      without[i] = Naive.cka(rowsOf(x, rest), rowsOf(y, rest));
      assertThat(point.influence()).isCloseTo(Naive.cka(x, y) - without[i], within(1e-10));
    }
    assertThat(report.biased().value() - report.biased().low())
        .isCloseTo(1.959963984540054 * Intervals.standardError(without), within(1e-10));
    var moved = report.translations().get(1);
    int[] rows = rows(IntStream.range(0, m).filter(i -> labels[i] == 1), s);
    double[] v = Directions.moved(6, WS.seed());
    for (var at : moved.curve()) {
      double[][] far = Naive.moved(x, rows, v, at.distance() * moved.unit());
      assertThat(at.value()).isCloseTo(Naive.cka(x, far), within(1e-9));
    }
    assertThat(moved.samples()).isEqualTo(4);
  }

  /**
   * Rows of a sample that are alike, and no relation between the sides: rows in any order say that
   * there is one, samples do not.
   */
  @Test
  void rowsThatAreAlikeAreNoEvidence() {
    int ofRows = 0;
    int ofSamples = 0;
    for (int run = 0; run < 100; run++) {
      double[][] x = spatial(12, 5, 3, 1000 + run);
      double[][] y = spatial(12, 5, 3, 5000 + run);
      ofRows += p(x, y, 1) <= 0.05 ? 1 : 0;
      ofSamples += p(x, y, 5) <= 0.05 ? 1 : 0;
    }
    // Of 100 with probability 0.05: above 12 once in a thousand times.
    assertThat(ofSamples).isBetween(0, 12);
    assertThat(ofRows).isGreaterThan(60);
  }

  private static double p(double[][] x, double[][] y, int s) {
    return with(x, y, s, CkaKernel.LINEAR, pair -> PermutationTest.of(pair, 99, null, WS).p());
  }

  @Test
  void gridsOfSamplesOfSeveralRows() {
    double[][] x = spatial(9, 3, 4, 11);
    double[][] y = spatial(9, 3, 5, 12);
    ReliabilityReport report = report(x, y, 3, asked -> asked);
    try (Matrix left = Matrix.of(x);
        Matrix right = Matrix.of(y)) {
      var layers =
          new SimilarityGrid.Layers(Map.of("a", left), Map.of("b", right), 0, Flatten.SPATIAL, 3);
      SimilarityGrid.Cell cell = CkaReliability.grid(layers, 999, WS).values().cell(0, 0);
      double most =
          report.points().stream().mapToDouble(p -> Math.abs(p.influence())).max().orElseThrow();
      Close.absolute(
          "cell",
          new double[] {
            cell.biased(), cell.debiased(), cell.chance(), Math.abs(cell.topInfluence())
          },
          new double[] {
            report.biased().value(), report.debiased().orElseThrow().value(), report.chance(), most
          },
          1e-12);
      assertThat(cell.p()).isEqualTo(report.significance().p());
      assertThat(Math.abs(report.points().get((int) cell.topInfluenceIndex()).influence()))
          .isEqualTo(most, within(1e-12));
    }
  }

  @Test
  void wholeSamplesAreDrawn() {
    double[][] x = spatial(20, 3, 4, 3);
    double[][] y = spatial(20, 3, 4, 4);
    ReliabilityReport report =
        report(x, y, 3, asked -> asked.atMost(32).interval(Interval.BOOTSTRAP, 0.9));
    assertThat(report.setup().samples()).isEqualTo(10);
    assertThat(report.setup().given()).isEqualTo(20);
    int[] drawn = report.points().stream().mapToInt(Point::index).toArray();
    int[] rows = rows(IntStream.of(drawn), 3);
    assertThat(report.biased().value())
        .isCloseTo(Naive.cka(rowsOf(x, rows), rowsOf(y, rows)), within(1e-12));
    assertThat(report.toText()).contains("n=10 samples of 3 rows (drawn from 20, seed ");
  }

  @Test
  void whatIsRefused() {
    double[][] x = spatial(8, 3, 2, 1);
    assertThatThrownBy(() -> report(x, x, 5, asked -> asked))
        .isInstanceOf(ShapeException.class)
        .hasMessage("24 rows are not samples of 5 positions each");
    assertThatThrownBy(() -> report(x, x, 8, asked -> asked))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage(
            "a report with debiased CKA needs at least 5 samples, and there are 3; ask for"
                + " biasedOnly()");
    assertThatThrownBy(() -> report(x, x, 3, asked -> asked.atMost(14)))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage(
            "of samples of 3 rows 14 rows hold 4, and a report needs 5; allow more (atMost), or"
                + " take the mean over positions");
    assertThatThrownBy(() -> report(x, x, 3, asked -> asked.labels(new int[24])))
        .isInstanceOf(ShapeException.class)
        .hasMessage("24 labels for 8 samples");
  }

  /** Rows of one sample are alike, which the debiased value takes for similarity too. */
  @Test
  void fewSamplesOfManyRowsAreASmallSample() {
    double[][] x = spatial(8, 30, 40, 1);
    double[][] y = spatial(8, 30, 40, 2);
    ReliabilityReport few = report(x, y, 30, asked -> asked.permutations(99));
    assertThat(few.biased().value() - few.debiased().orElseThrow().value()).isLessThan(0.1);
    assertThat(few.warnings())
        .filteredOn(warning -> warning.code().equals("SMALL_SAMPLE"))
        .singleElement()
        .satisfies(
            warning -> {
              assertThat(warning.numbers())
                  .containsEntry("gap", few.biased().value() - few.adjusted())
                  .containsEntry("chance", few.chance());
              assertThat(warning.sentence()).endsWith("of 8 samples of 30 rows");
              assertThat(warning.remedy()).startsWith("take more samples, or pool the rows");
            });
    ReliabilityReport many =
        report(spatial(300, 2, 3, 1), spatial(300, 2, 3, 2), 2, asked -> asked.permutations(99));
    assertThat(many.warnings()).noneMatch(warning -> warning.code().equals("SMALL_SAMPLE"));
  }

  /** Rows of a sample share most of what they are. */
  private static double[][] spatial(int samples, int positions, int features, long seed) {
    double[][] shared = Oracle.gaussian(samples, features, seed);
    double[][] x = Oracle.gaussian(samples * positions, features, seed + 1);
    for (int i = 0; i < x.length; i++) {
      for (int j = 0; j < features; j++) {
        x[i][j] = 0.5 * x[i][j] + shared[i / positions][j];
      }
    }
    return x;
  }

  private static double[][] gram(double[][] x, double t) {
    return Double.isNaN(t)
        ? Naive.linear(x)
        : Naive.rbf(x, 1 / (2 * t * t * Naive.median(Naive.distances(x))));
  }

  private static double among(double[][] x, double[][] y, List<Integer> left, int without, int s) {
    int[] rows = rows(left.stream().mapToInt(i -> i).filter(i -> i != without), s);
    return Naive.cka(rowsOf(x, rows), rowsOf(y, rows));
  }

  private static int[] others(int samples, int s, int without) {
    return rows(IntStream.range(0, samples).filter(i -> i != without), s);
  }

  private static int[] rows(IntStream samples, int s) {
    return samples.flatMap(i -> IntStream.range(i * s, (i + 1) * s)).toArray();
  }

  private static int[] chosen(double[] counts, int s) {
    return rows(
        IntStream.range(0, counts.length)
            .flatMap(i -> IntStream.range(0, (int) counts[i]).map(c -> i)),
        s);
  }

  private static double[][] rowsOf(double[][] x, int[] rows) {
    return Arrays.stream(rows).mapToObj(i -> x[i]).toArray(double[][]::new);
  }

  private static double[][] ordered(double[][] y, int[] order, int s) {
    return rowsOf(y, rows(IntStream.of(order), s));
  }

  private static double[][] picked(double[][] k, int[] rows) {
    return Arrays.stream(rows)
        .mapToObj(i -> Arrays.stream(rows).mapToDouble(j -> k[i][j]).toArray())
        .toArray(double[][]::new);
  }

  private static List<int[]> orders(int m) {
    if (m == 0) {
      return List.of(new int[0]);
    }
    List<int[]> all = new ArrayList<>();
    for (int[] shorter : orders(m - 1)) {
      for (int at = 0; at < m; at++) {
        int place = at;
        all.add(
            IntStream.range(0, m)
                .map(i -> i == place ? m - 1 : shorter[i < place ? i : i - 1])
                .toArray());
      }
    }
    return all;
  }
}
