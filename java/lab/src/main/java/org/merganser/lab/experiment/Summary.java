// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.function.Function;
import java.util.stream.IntStream;
import org.apache.commons.statistics.distribution.TDistribution;
import org.merganser.model.Evaluation;

/** Means, deviations and differences over models and groups of them. */
final class Summary {
  private static final double UPPER = 0.975;

  private Summary() {}

  static Evaluation average(List<Evaluation> evaluations) {
    return new Evaluation(
        mean(evaluations.stream().map(Evaluation::accuracy).toList()),
        mean(evaluations.stream().map(Evaluation::loss).toList()));
  }

  static double mean(List<Double> values) {
    return values.stream().mapToDouble(v -> v).average().orElseThrow();
  }

  /** The middle one, or the mean of both. */
  static double median(List<Double> values) {
    List<Double> sorted = values.stream().sorted().toList();
    int n = sorted.size();
    return (sorted.get((n - 1) / 2) + sorted.get(n / 2)) / 2;
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

  /** Mean of lists of one length, entry by entry; empty for none. */
  static List<Double> means(List<List<Double>> lists) {
    return entries(lists, Summary::mean);
  }

  /** Deviations of lists of one length, entry by entry. */
  static List<Double> deviations(List<List<Double>> lists) {
    return entries(lists, Summary::deviation);
  }

  private static List<Double> entries(
      List<List<Double>> lists, Function<List<Double>, Double> number) {
    return IntStream.range(0, lists.isEmpty() ? 0 : lists.get(0).size())
        .mapToObj(i -> number.apply(lists.stream().map(list -> list.get(i)).toList()))
        .toList();
  }

  /** One row for each method. */
  static List<ExperimentResult.Row> rows(List<Findings> pairs) {
    List<ExperimentResult.Row> rows = new ArrayList<>();
    for (Map.Entry<String, Findings.Found> row : pairs.get(0).rows().entrySet()) {
      String id = row.getKey();
      List<Findings.Found> found = pairs.stream().map(pair -> pair.row(id)).toList();
      Evaluation test = average(found.stream().map(Findings.Found::test).toList());
      Evaluation selection = average(found.stream().map(Findings.Found::selection).toList());
      double sd = deviation(found.stream().map(f -> f.test().accuracy()).toList());
      rows.add(
          new ExperimentResult.Row(
              id,
              row.getValue().meaning(),
              test.accuracy(),
              row.getValue().isRefused() ? Double.NaN : sd,
              test.loss(),
              selection.accuracy()));
    }
    return rows;
  }

  /** Accuracies of every pair by row, less those refused. */
  static List<Map<String, Double>> accuracies(List<Findings> pairs) {
    List<Map<String, Double>> all = new ArrayList<>();
    for (Findings pair : pairs) {
      Map<String, Double> accuracies = new LinkedHashMap<>();
      pair.rows().forEach((id, found) -> accuracies.put(id, found.test().accuracy()));
      accuracies.values().removeIf(accuracy -> accuracy.isNaN());
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
    double mean = mean(values);
    OptionalDouble half = halfWidth(values);
    Double low = half.isPresent() ? (Double) (mean - half.getAsDouble()) : null;
    Double high = half.isPresent() ? (Double) (mean + half.getAsDouble()) : null;
    return List.of(new ExperimentResult.Difference(method, than, mean, low, high, values));
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
}
