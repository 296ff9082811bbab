// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.merganser.model.Evaluation;

class PairedDifferencesTest {
  private static Findings pair(double a, double b) {
    Findings findings = new Findings(new ExperimentResult.Training(0, 0));
    Evaluation none = Findings.REFUSED;
    findings.rows().put("a", new Findings.Found("", new Evaluation(a, 1), none, ""));
    findings.rows().put("b", new Findings.Found("", new Evaluation(b, 2), none, ""));
    return findings;
  }

  /**
   * Differences 1/16, 3/16, 2/16: mean 2/16, sd 1/16; t of 2 degrees of freedom is 4.302653 in
   * every table, so the half width is 4.302653 / (16 sqrt 3).
   */
  @Test
  void threePairsByHand() {
    ExperimentResult.Difference d =
        Summary.difference(
                "a", "b", List.of(pair(0.5625, 0.5), pair(0.6875, 0.5), pair(0.875, 0.75)))
            .get(0);
    assertThat(d.method()).isEqualTo("a");
    assertThat(d.than()).isEqualTo("b");
    assertThat(d.pairs()).containsExactly(0.0625, 0.1875, 0.125);
    assertThat(d.mean()).isEqualTo(0.125);
    double half = 4.302653 / (16 * Math.sqrt(3));
    assertThat(d.high()).isCloseTo(0.125 + half, within(1e-7));
    assertThat(d.low()).isCloseTo(0.125 - half, within(1e-7));
  }

  /** Quantiles of tables: 12.7062 (1), 2.7764 (4), 2.2622 (9), 2.0452 (29). */
  @Test
  void quantilesOfStudentsDistribution() {
    Map<Integer, Double> table = Map.of(2, 12.7062, 5, 2.7764, 10, 2.2622, 30, 2.0452);
    table.forEach(
        (n, t) -> {
          // n values of mean 0, half of them 1 and half -1 (and a 0 when n is odd).
          List<Double> values =
              java.util.stream.IntStream.range(0, n)
                  .mapToObj(i -> n % 2 == 1 && i == n - 1 ? 0.0 : i % 2 == 0 ? 1.0 : -1.0)
                  .toList();
          double sd = Math.sqrt((n - n % 2) / (n - 1.0));
          assertThat(Summary.halfWidth(values).getAsDouble())
              .as("%d values", n)
              .isCloseTo(t * sd / Math.sqrt(n), within(1e-4 * t));
        });
  }

  @Test
  void equalDifferencesHaveNoWidth() {
    assertThat(Summary.halfWidth(List.of(0.25, 0.25, 0.25)).getAsDouble()).isZero();
  }

  @Test
  void onePairHasNoInterval() {
    ExperimentResult.Difference d = Summary.difference("a", "b", List.of(pair(0.75, 0.5))).get(0);
    assertThat(d.mean()).isEqualTo(0.25);
    assertThat(d.low()).isNull();
    assertThat(d.high()).isNull();
  }
}
