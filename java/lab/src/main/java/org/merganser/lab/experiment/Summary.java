// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import org.apache.commons.statistics.distribution.TDistribution;
import org.merganser.model.Evaluation;

/** Means, deviations and differences over models and groups of them. */
final class Summary {
  private static final double UPPER = 0.975;

  private Summary() {}

  static Evaluation average(List<Evaluation> evaluations) {
    return new Evaluation(
        evaluations.stream().mapToDouble(Evaluation::accuracy).average().orElseThrow(),
        evaluations.stream().mapToDouble(Evaluation::loss).average().orElseThrow());
  }

  static double mean(List<Double> values) {
    return values.stream().mapToDouble(v -> v).average().orElseThrow();
  }

  /** Mean of lists of one length, entry by entry. */
  static List<Double> means(List<List<Double>> lists) {
    List<Double> means = new ArrayList<>();
    for (int i = 0; i < lists.get(0).size(); i++) {
      int at = i;
      means.add(mean(lists.stream().map(list -> list.get(at)).toList()));
    }
    return means;
  }

  /** Deviations of lists of one length, entry by entry. */
  static List<Double> deviations(List<List<Double>> lists) {
    List<Double> deviations = new ArrayList<>();
    for (int i = 0; i < lists.get(0).size(); i++) {
      int at = i;
      deviations.add(deviation(lists.stream().map(list -> list.get(at)).toList()));
    }
    return deviations;
  }

  /** Sample standard deviation (division by n - 1); 0 for one value. */
  static double deviation(List<Double> values) {
    if (values.size() < 2) {
      return 0;
    }
    double mean = mean(values);
    double sum = values.stream().mapToDouble(v -> (v - mean) * (v - mean)).sum();
    return Math.sqrt(sum / (values.size() - 1));
  }

  /** One row for each method. */
  static List<ExperimentResult.Row> rows(List<Findings> pairs) {
    List<ExperimentResult.Row> rows = new ArrayList<>();
    for (Map.Entry<String, Findings.Found> row : pairs.get(0).rows().entrySet()) {
      List<Findings.Found> found = pairs.stream().map(pair -> pair.row(row.getKey())).toList();
      Evaluation test = average(found.stream().map(Findings.Found::test).toList());
      Evaluation selection = average(found.stream().map(Findings.Found::selection).toList());
      rows.add(
          new ExperimentResult.Row(
              row.getKey(),
              row.getValue().meaning(),
              test.accuracy(),
              deviation(found.stream().map(f -> f.test().accuracy()).toList()),
              test.loss(),
              selection.accuracy()));
    }
    return rows;
  }

  /** Accuracies of every pair by row. */
  static List<Map<String, Double>> accuracies(List<Findings> pairs) {
    List<Map<String, Double>> all = new ArrayList<>();
    for (Findings pair : pairs) {
      Map<String, Double> accuracies = new LinkedHashMap<>();
      pair.rows().forEach((id, found) -> accuracies.put(id, found.test().accuracy()));
      all.add(accuracies);
    }
    return all;
  }

  /** The difference of two rows, where both are there and were evaluated. */
  static List<ExperimentResult.Difference> difference(
      String method, String than, List<Findings> pairs) {
    for (String row : List.of(method, than)) {
      Findings.Found found = pairs.get(0).row(row);
      if (method.equals(than) || found == null || found.isRefused()) {
        return List.of();
      }
    }
    List<Double> values =
        pairs.stream()
            .map(p -> p.row(method).test().accuracy() - p.row(than).test().accuracy())
            .toList();
    return List.of(
        new ExperimentResult.Difference(method, than, values, mean(values), halfWidth(values)));
  }

  /**
   * Half of the interval in which the mean lies with 95 % confidence: {@code t sd / sqrt(n)}, with
   * the 0.975 quantile t of Student's distribution of n - 1 degrees of freedom. It takes the values
   * for independent, which those of groups without a common model are, and normal. Empty for fewer
   * than two values.
   */
  static OptionalDouble halfWidth(List<Double> values) {
    int n = values.size();
    if (n < 2) {
      return OptionalDouble.empty();
    }
    double t = TDistribution.of(n - 1).inverseCumulativeProbability(UPPER);
    return OptionalDouble.of(t * deviation(values) / Math.sqrt(n));
  }

  /** Boxed. */
  static List<Double> list(double[] values) {
    return Arrays.stream(values).boxed().toList();
  }
}
