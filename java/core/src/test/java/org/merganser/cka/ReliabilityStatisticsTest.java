// SPDX-License-Identifier: Apache-2.0
package org.merganser.cka;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.merganser.cka.Reports.report;
import static org.merganser.cka.Reports.with;
import static org.merganser.testing.Work.WS;

import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.merganser.similarity.Golden;
import org.merganser.testing.Close;
import org.merganser.testing.Oracle;

/** Whether p-values and intervals mean what they say, over many draws. */
class ReliabilityStatisticsTest {

  @Test
  void unrelatedNoiseIsAtChance() {
    double[][] x = Oracle.gaussian(100, 1000, 1);
    double[][] y = Oracle.gaussian(100, 1000, 2);
    ReliabilityReport report = report(x, y, asked -> asked);
    assertThat(report.biased().value()).isGreaterThan(0.9);
    assertThat(report.debiased().orElseThrow().value()).isBetween(-0.1, 0.1);
    assertThat(report.chance()).isCloseTo(0.9096, within(0.002));
    assertThat(report.warnings())
        .extracting(ReliabilityReport.Warning::code)
        .contains("SMALL_SAMPLE", "CCA_SATURATED");
  }

  @Test
  void aWideKernelIsTheLinearOne() {
    double value = report(Golden.C.x, Golden.C.y, asked -> asked.rbf(100)).biased().value();
    assertThat(value).isCloseTo(0.6403605, within(5e-8));
  }

  /** Of 200 pairs of unrelated activations; a p-value is one where it is uniform. */
  @Test
  void pValuesOfUnrelatedActivationsAreUniform() {
    double[] p = new double[200];
    for (int run = 0; run < p.length; run++) {
      double[][] x = Oracle.gaussian(24, 4, 1000 + run);
      double[][] y = Oracle.gaussian(24, 3, 5000 + run);
      p[run] = with(x, y, CkaKernel.LINEAR, pair -> PermutationTest.of(pair, 199, null, WS)).p();
    }
    Arrays.sort(p);
    double distance = 0;
    for (int k = 0; k < p.length; k++) {
      distance = Math.max(distance, Math.abs(p[k] - (k + 1.0) / p.length));
      distance = Math.max(distance, Math.abs(p[k] - (double) k / p.length));
    }
    // Kolmogorov and Smirnov at 1 % for 200 values, and half a step of 1/200.
    assertThat(distance).isLessThan(1.628 / Math.sqrt(200) + 0.0025);
  }

  /**
   * Whether the interval of the unbiased estimator holds the value of the population as often as it
   * says, for {@code Y = X W + 2 noise}: that is {@code |W|^2 / (sqrt(p) |W'W + 4 I|)}.
   */
  @Test
  void intervalsHoldTheValueOfThePopulation() {
    double[][] w = Oracle.gaussian(10, 6, 77);
    double[][] covariance = Oracle.multiply(Oracle.transpose(w), w);
    for (int j = 0; j < 6; j++) {
      covariance[j][j] += 4;
    }
    double population =
        Naive.inner(w, w) / (Math.sqrt(10) * Math.sqrt(Naive.inner(covariance, covariance)));
    int held = 0;
    for (int run = 0; run < 200; run++) {
      double[][] x = Oracle.gaussian(100, 10, 10_000 + run);
      double[][] y = Oracle.multiply(x, w);
      double[][] noise = Oracle.gaussian(100, 6, 20_000 + run);
      for (int i = 0; i < y.length; i++) {
        for (int j = 0; j < 6; j++) {
          y[i][j] += 2 * noise[i][j];
        }
      }
      ReliabilityReport.Value value =
          with(
              x,
              y,
              CkaKernel.LINEAR,
              pair -> {
                GramPair.Unbiased sums = pair.debiased(WS);
                return Intervals.jackknife(
                    sums.cka(), LeaveOneOut.debiased(pair, sums, WS), 0.95, -1);
              });
      held += value.low() <= population && population <= value.high() ? 1 : 0;
    }
    assertThat(held).isBetween(176, 198);
  }

  @Test
  void quantilesOfTheNormalDistribution() {
    Close.absolute(
        "quantiles",
        new double[] {
          Normal.quantile(0.5),
          Normal.quantile(0.975),
          Normal.quantile(0.025),
          Normal.quantile(0.9999),
          Normal.quantile(0.3)
        },
        new double[] {
          0, 1.959963984540054, -1.959963984540054, 3.719016485455709, -0.5244005127080409
        },
        1e-14);
  }
}
