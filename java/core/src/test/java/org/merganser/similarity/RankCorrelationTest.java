// SPDX-License-Identifier: Apache-2.0
package org.merganser.similarity;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.internal.RankCorrelation;
import org.merganser.testing.RunsOnce;

/** Rank correlations against their definitions, which take all pairs. */
@RunsOnce("computes in Java")
class RankCorrelationTest {
  @ParameterizedTest
  @ValueSource(ints = {2, 3, 7, 64, 301})
  void areTheirDefinitions(int n) {
    for (int levels : new int[] {2, 5, 1 << 20}) {
      SplittableRandom random = new SplittableRandom(n * 31L + levels);
      double[] a = random.ints(n, 0, levels).mapToDouble(v -> v - 3).toArray();
      double[] b = random.ints(n, 0, levels).mapToDouble(v -> v).toArray();
      a[0] = levels;
      b[1] = -1;
      assertThat(RankCorrelation.kendall(a, b)).isCloseTo(tau(a, b), within(1e-14));
      assertThat(RankCorrelation.spearman(a, b))
          .isCloseTo(RankCorrelation.pearson(ranks(a), ranks(b)), within(1e-14));
    }
  }

  @Test
  void ofTheSameOrderAndTheOpposite() {
    double[] a = {1, 2, 4, 8, 16};
    double[] b = {-5, -4, 0, 1, 1e9};
    double[] c = Arrays.stream(b).map(v -> -v).toArray();
    assertThat(RankCorrelation.kendall(a, b)).isEqualTo(1);
    assertThat(RankCorrelation.spearman(a, b)).isCloseTo(1, within(1e-15));
    assertThat(RankCorrelation.kendall(a, c)).isEqualTo(-1);
    assertThat(RankCorrelation.spearman(a, c)).isCloseTo(-1, within(1e-15));
    // Of tau-a: a tie is neither.
    assertThat(RankCorrelation.kendall(new double[] {1, 1, 2}, new double[] {1, 2, 3}))
        .isCloseTo(2.0 / 3, within(1e-15));
  }

  private static double tau(double[] a, double[] b) {
    double sum = 0;
    for (int i = 0; i < a.length; i++) {
      for (int j = i + 1; j < a.length; j++) {
        sum += Math.signum(a[i] - a[j]) * Math.signum(b[i] - b[j]);
      }
    }
    return sum / (a.length * (a.length - 1.0) / 2);
  }

  private static double[] ranks(double[] a) {
    double[] ranks = new double[a.length];
    for (int i = 0; i < a.length; i++) {
      for (double other : a) {
        ranks[i] += other < a[i] ? 1 : other == a[i] ? 0.5 : 0;
      }
    }
    return ranks;
  }
}
