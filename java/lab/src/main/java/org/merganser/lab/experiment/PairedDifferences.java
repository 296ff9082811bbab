// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import org.apache.commons.statistics.distribution.TDistribution;
import org.merganser.model.Evaluation;

/**
 * Differences between rows, pair by pair, with the interval in which their mean lies: {@code mean
 * +- t sd / sqrt(n)}, with the 0.975 quantile t of Student's distribution of n - 1 degrees of
 * freedom. It takes the differences for independent, which pairs without a common model are, and
 * normal.
 */
final class PairedDifferences {
  private static final double UPPER = 0.975;

  private PairedDifferences() {}

  static NpMergeResult.Difference of(
      String method, String than, List<Map<String, Evaluation>> pairs) {
    List<Double> values = new ArrayList<>();
    for (Map<String, Evaluation> pair : pairs) {
      values.add(pair.get(method).accuracy() - pair.get(than).accuracy());
    }
    double mean = Summary.mean(values.stream().mapToDouble(v -> v).toArray());
    return new NpMergeResult.Difference(method, than, values, mean, halfWidth(values));
  }

  /** Empty for fewer than two values. */
  static OptionalDouble halfWidth(List<Double> values) {
    int n = values.size();
    if (n < 2) {
      return OptionalDouble.empty();
    }
    double t = TDistribution.of(n - 1).inverseCumulativeProbability(UPPER);
    double sd = Summary.deviation(values.stream().mapToDouble(v -> v).toArray());
    return OptionalDouble.of(t * sd / Math.sqrt(n));
  }
}
