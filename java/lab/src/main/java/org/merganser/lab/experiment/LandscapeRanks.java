// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.util.ArrayList;
import java.util.List;
import java.util.function.ToDoubleFunction;
import org.merganser.internal.RankCorrelation;

/**
 * How a number of landscapes ranks the test gaps of their minima: Spearman's correlation, seed by
 * seed over the minima, and over the networks of all seeds together.
 */
final class LandscapeRanks {
  /** Minima that a correlation needs. */
  static final int FEWEST = 3;

  /** Variance of the z of Spearman's correlation by that of 1/(n - 3) (Fieller et al. 1957). */
  private static final double FIELLER = 1.06;

  private static final double NORMAL = 1.959963984540054;

  /** From 1, of correlations that are 1 but for rounding: of ranks the next is 6 / (n^3 - n). */
  private static final double PERFECT = 1e-12;

  private LandscapeRanks() {}

  /**
   * A correlation of the networks of all seeds.
   *
   * @param networks how many
   * @param low end of the 95 % interval by Fisher's z, which takes networks for independent; those
   *     of one seed share initial weights. Null for three networks, and where rho is 1 or -1, of
   *     which z is infinite
   */
  record Pooled(double rho, Double low, Double high, int networks) {
    String text() {
      return low == null
          ? Measured.of(List.of(rho)).text("%.2f")
          : new Measured(rho, low, high, List.of(), null).text("%.2f");
    }
  }

  /** 0 where a side has one value only: it ranks nothing, and claims on it have no verdict. */
  static double spearman(List<Double> a, List<Double> b) {
    double rho =
        RankCorrelation.spearman(
            a.stream().mapToDouble(v -> v).toArray(), b.stream().mapToDouble(v -> v).toArray());
    return Double.isNaN(rho) ? 0 : rho;
  }

  /** Of each seed, over its minima. */
  static List<Double> bySeed(LandscapeFound found, ToDoubleFunction<Landscape> statistic) {
    return found.seeds().stream()
        .map(
            seed ->
                spearman(
                    seed.values().stream().mapToDouble(statistic).boxed().toList(),
                    seed.values().stream().mapToDouble(Landscape::gap).boxed().toList()))
        .toList();
  }

  /** Over the networks of some minima. */
  static Pooled pooled(
      LandscapeFound found, List<LandscapeMinimum> minima, ToDoubleFunction<Landscape> statistic) {
    List<Double> values = new ArrayList<>();
    List<Double> gaps = new ArrayList<>();
    for (LandscapeMinimum minimum : minima) {
      values.addAll(found.each(minimum, statistic));
      gaps.addAll(found.each(minimum, Landscape::gap));
    }
    return pooled(values, gaps);
  }

  static Pooled pooled(List<Double> values, List<Double> gaps) {
    double rho = spearman(values, gaps);
    int n = values.size();
    if (n <= 3 || Math.abs(rho) > 1 - PERFECT) {
      return new Pooled(rho, null, null, n);
    }
    double z = 0.5 * Math.log((1 + rho) / (1 - rho));
    double half = NORMAL * Math.sqrt(FIELLER / (n - 3));
    return new Pooled(rho, Math.tanh(z - half), Math.tanh(z + half), n);
  }
}
