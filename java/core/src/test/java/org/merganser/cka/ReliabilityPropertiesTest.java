// SPDX-License-Identifier: Apache-2.0
package org.merganser.cka;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.merganser.cka.Reports.report;
import static org.merganser.cka.Reports.with;
import static org.merganser.testing.Work.WS;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import org.merganser.cka.ReliabilityReport.Check;
import org.merganser.cka.ReliabilityReport.Removal;
import org.merganser.cka.ReliabilityReport.Significance;
import org.merganser.compute.DType;
import org.merganser.linalg.Gram;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Svd;
import org.merganser.linalg.Tensor;
import org.merganser.testing.Cases;
import org.merganser.testing.Close;
import org.merganser.testing.Draw;
import org.merganser.testing.Oracle;

/** The formulas of a report beside what they stand for. */
class ReliabilityPropertiesTest {

  @Cases(30)
  void leavingOneOutIsDeletion(Draw draw) {
    double[][] x = Oracle.gaussian(draw.integer(6, 16), draw.integer(2, 20), draw.seed());
    double[][] y = Oracle.gaussian(x.length, draw.integer(2, 20), draw.seed());
    with(
        x,
        y,
        CkaKernel.LINEAR,
        pair -> {
          double[] biased = LeaveOneOut.biased(pair, WS);
          double[] debiased = LeaveOneOut.debiased(pair, pair.debiased(WS), WS);
          for (int i = 0; i < x.length; i++) {
            double[][] left = Naive.without(x, i);
            double[][] right = Naive.without(y, i);
            assertThat(biased[i]).isCloseTo(Naive.cka(left, right), within(1e-10));
            assertThat(debiased[i]).isCloseTo(Naive.debiased(left, right), within(1e-8));
          }
          return null;
        });
  }

  /** With the bandwidth of all samples. */
  @Cases(10)
  void leavingOneOutOfAnotherKernelIsDeletionToo(Draw draw) {
    double[][] x = Oracle.gaussian(draw.integer(6, 14), draw.integer(1, 8), draw.seed());
    double[][] y = Oracle.gaussian(x.length, draw.integer(1, 8), draw.seed());
    double t = draw.of(0.5, 1.0);
    double gammaX = 1 / (2 * t * t * Naive.median(Naive.distances(x)));
    double gammaY = 1 / (2 * t * t * Naive.median(Naive.distances(y)));
    with(
        x,
        y,
        new CkaKernel(t),
        pair -> {
          double[] biased = LeaveOneOut.biased(pair, WS);
          double[] debiased = LeaveOneOut.debiased(pair, pair.debiased(WS), WS);
          for (int i = 0; i < x.length; i++) {
            double[][] k = Naive.rbf(Naive.without(x, i), gammaX);
            double[][] l = Naive.rbf(Naive.without(y, i), gammaY);
            assertThat(biased[i]).isCloseTo(Naive.ckaOfGrams(k, l), within(1e-10));
            assertThat(debiased[i]).isCloseTo(Naive.debiasedOfGrams(k, l), within(1e-8));
          }
          return null;
        });
  }

  @Cases(10)
  void chanceIsTheMeanOverAllOrders(Draw draw) {
    double[][] x = Oracle.gaussian(draw.integer(3, 6), draw.integer(1, 8), draw.seed());
    double[][] y = Oracle.gaussian(x.length, draw.integer(1, 8), draw.seed());
    List<double[][]> orders = orders(y);
    double sum = orders.stream().mapToDouble(order -> Naive.cka(x, order)).sum();
    ReliabilityReport report = report(x, y, CkaReliability::biasedOnly);
    assertThat(report.chance()).isCloseTo(sum / orders.size(), within(1e-12));
    double value = Naive.cka(x, y);
    long atLeast = orders.stream().filter(o -> Naive.cka(x, o) >= value - 1e-11).count();
    assertThat(report.significance()).isEqualTo(new Significance(atLeast, orders.size(), true));
  }

  @Cases(20)
  void replicatesAreResampledSamples(Draw draw) {
    int n = draw.integer(8, 16);
    double[][] x = Oracle.gaussian(n, draw.integer(2, 12), draw.seed());
    double[][] y = Oracle.gaussian(n, draw.integer(2, 12), draw.seed());
    SplittableRandom random = draw.random();
    int size = draw.of(n, n / 2 + 1);
    double[][] counts = new double[5][n];
    for (double[] w : counts) {
      for (int i = 0; i < size; i++) {
        w[size == n ? random.nextInt(n) : i]++;
      }
    }
    Resampling.Values values =
        with(x, y, CkaKernel.LINEAR, pair -> Resampling.of(pair, size, counts, WS));
    for (int r = 0; r < counts.length; r++) {
      int[] chosen = chosen(counts[r]);
      double[][] k = picked(Naive.centre(Naive.linear(x)), chosen);
      double[][] l = picked(Naive.centre(Naive.linear(y)), chosen);
      assertThat(values.biased()[r]).isCloseTo(Naive.ckaOfGrams(k, l), within(1e-10));
      for (int i = 0; i < chosen.length; i++) {
        for (int j = 0; j < chosen.length; j++) {
          // Copies of a sample make no pair.
          k[i][j] = chosen[i] == chosen[j] ? 0 : k[i][j];
          l[i][j] = chosen[i] == chosen[j] ? 0 : l[i][j];
        }
      }
      double debiased = Naive.debiasedOfGrams(k, l);
      assertThat(Double.isNaN(debiased) || Math.abs(debiased) > 1).isFalse();
      assertThat(values.debiased()[r]).isCloseTo(debiased, within(1e-8));
    }
  }

  @Cases(10)
  void removalTakesTheMostInfluentialOfWhatIsLeft(Draw draw) {
    double[][] x = Oracle.gaussian(draw.integer(12, 20), draw.integer(2, 12), draw.seed());
    double[][] y = Oracle.gaussian(x.length, draw.integer(2, 12), draw.seed());
    List<Removal> removals = with(x, y, CkaKernel.LINEAR, pair -> GreedyRemoval.of(pair, 4, WS));
    List<Integer> gone = new ArrayList<>();
    for (Removal removal : removals) {
      double now = without(x, y, gone, -1);
      int most = -1;
      for (int i = 0; i < x.length; i++) {
        boolean more =
            !gone.contains(i)
                && (most < 0
                    || Math.abs(now - without(x, y, gone, i))
                        > Math.abs(now - without(x, y, gone, most)));
        most = more ? i : most;
      }
      assertThat(removal.index()).isEqualTo(most);
      assertThat(removal.value()).isCloseTo(without(x, y, gone, most), within(1e-10));
      gone.add(most);
    }
    assertThat(removals).hasSize(4);
  }

  @Cases(10)
  void onlySamplesOfAGroupChangePlaces(Draw draw) {
    double[][] x = Oracle.gaussian(6, 3, draw.seed());
    double[][] y = Oracle.gaussian(6, 2, draw.seed());
    int[] groups = {1, 1, 5, 5, 5, 1};
    double value = Naive.cka(x, y) - 1e-11;
    long atLeast = 0;
    long all = 0;
    for (double[][] order : orders(y)) {
      boolean within = true;
      for (int i = 0; i < 6; i++) {
        within &= groups[Arrays.asList(y).indexOf(order[i])] == groups[i];
      }
      all += within ? 1 : 0;
      atLeast += within && Naive.cka(x, order) >= value ? 1 : 0;
    }
    assertThat(all).isEqualTo(36);
    assertThat(report(x, y, asked -> asked.exchangingWithin(groups)).significance())
        .isEqualTo(new Significance(atLeast, all, true));
  }

  @Cases(10)
  void featuresAndGramsSeeTheSameOrders(Draw draw) {
    double[][] x = Oracle.gaussian(draw.integer(5, 40), draw.integer(1, 6), draw.seed());
    double[][] y = Oracle.gaussian(x.length, draw.integer(1, 6), draw.seed());
    int[][] orders = new int[37][];
    Arrays.setAll(orders, k -> Oracle.permutation(x.length, k));
    double[][] products =
        with(
            x,
            y,
            CkaKernel.LINEAR,
            pair -> {
              try (Matrix left = Matrix.of(x);
                  Matrix right = Matrix.of(y);
                  Matrix centredX = Gram.centredColumns(left, WS);
                  Matrix centredY = Gram.centredColumns(right, WS);
                  PermutedFeatures features = PermutedFeatures.of(centredX, centredY, WS)) {
                int[] flat = Arrays.stream(orders).flatMapToInt(Arrays::stream).toArray();
                return new double[][] {
                  features.products(orders), Gram.permutedProducts(pair.k, pair.l, flat, WS)
                };
              }
            });
    Close.relative("products", products[0], products[1], 1e-12);
  }

  @Cases(10)
  void theFirstDirectionHasItsShare(Draw draw) {
    double[][] x = Oracle.gaussian(draw.integer(8, 40), draw.integer(1, 30), draw.seed());
    ReliabilityReport.SideSetup side = report(x, x, asked -> asked).setup().x();
    try (Matrix samples = Matrix.of(x);
        Matrix centred = Gram.centredColumns(samples, WS);
        Svd svd = Svd.of(centred, WS)) {
      double[] squares = Arrays.stream(svd.singularValues()).map(s -> s * s).toArray();
      assertThat(side.topShare())
          .isCloseTo(squares[0] / Arrays.stream(squares).sum(), within(1e-3));
    }
  }

  @Cases(10)
  void someChangesDoNothingAndOthersDo(Draw draw) {
    double[][] x = Oracle.gaussian(draw.integer(30, 60), draw.integer(5, 80), draw.seed());
    double[][] y = Oracle.multiply(x, Oracle.gaussian(x[0].length, 8, draw.seed()));
    for (Check check : report(x, y, asked -> asked).checks()) {
      assertThat(check.holds()).as(check.toString()).isTrue();
      if (check.invariant()) {
        assertThat(check.change()).as(check.name()).isLessThan(1e-10);
      } else {
        assertThat(check.change()).as(check.name()).isGreaterThan(1e-4);
      }
    }
  }

  /** A mean that is far from 0, and single precision, change nothing that is printed. */
  @Cases(5)
  void singlePrecisionWithAnOffset(Draw draw) {
    double scale = draw.of(1e-4, 1.0, 1e4);
    double[][] x =
        Oracle.map(Oracle.gaussian(60, 7, draw.seed()), each -> (float) (scale * (each + 1000)));
    double[][] y = Oracle.multiply(x, Oracle.gaussian(7, 3, draw.seed()));
    ReliabilityReport wide = report(x, y, asked -> asked);
    ReliabilityReport narrow;
    try (Matrix left = Matrix.of(x);
        Matrix right = Matrix.of(y);
        Tensor singleX = left.asTensor().to(DType.F32, WS);
        Tensor singleY = right.asTensor().to(DType.F32, WS)) {
      narrow = CkaReliability.of(Matrix.of(singleX), Matrix.of(singleY)).run(WS);
    }
    // Y is rounded where its offset is: to 1e-4 of its deviations.
    assertThat(narrow.biased().value()).isCloseTo(wide.biased().value(), within(1e-5));
    assertThat(narrow.debiased().orElseThrow().value())
        .isCloseTo(wide.debiased().orElseThrow().value(), within(1e-5));
    assertThat(narrow.checks()).allMatch(Check::holds);
  }

  private static double without(double[][] x, double[][] y, List<Integer> gone, int i) {
    int[] dropped = new int[gone.size() + 1];
    for (int k = 0; k < gone.size(); k++) {
      dropped[k] = gone.get(k);
    }
    dropped[gone.size()] = i;
    return Naive.cka(Naive.without(x, dropped), Naive.without(y, dropped));
  }

  private static int[] chosen(double[] counts) {
    List<Integer> all = new ArrayList<>();
    for (int i = 0; i < counts.length; i++) {
      for (int c = 0; c < counts[i]; c++) {
        all.add(i);
      }
    }
    return all.stream().mapToInt(Integer::intValue).toArray();
  }

  private static double[][] picked(double[][] k, int[] rows) {
    double[][] result = new double[rows.length][rows.length];
    for (int i = 0; i < rows.length; i++) {
      for (int j = 0; j < rows.length; j++) {
        result[i][j] = k[rows[i]][rows[j]];
      }
    }
    return result;
  }

  /** The rows in every order. */
  private static List<double[][]> orders(double[][] y) {
    List<double[][]> orders = new ArrayList<>();
    extend(y.clone(), 0, orders);
    return orders;
  }

  private static void extend(double[][] y, int at, List<double[][]> orders) {
    if (at == y.length) {
      orders.add(y.clone());
      return;
    }
    for (int k = at; k < y.length; k++) {
      double[] kept = y[at];
      y[at] = y[k];
      y[k] = kept;
      extend(y, at + 1, orders);
      y[k] = y[at];
      y[at] = kept;
    }
  }
}
