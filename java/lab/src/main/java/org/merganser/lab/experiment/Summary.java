// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.merganser.model.Evaluation;
import org.merganser.plan.Interpolation;

/** Means and deviations over models and pairs. */
final class Summary {
  /** Of a model with stale running statistics: there is nothing to evaluate. */
  static final Evaluation REFUSED = new Evaluation(Double.NaN, Double.NaN);

  private Summary() {}

  static Evaluation mean(List<Evaluation> evaluations) {
    return new Evaluation(
        evaluations.stream().mapToDouble(Evaluation::accuracy).average().orElseThrow(),
        evaluations.stream().mapToDouble(Evaluation::loss).average().orElseThrow());
  }

  /** Whether the first is better: more accurate or, of equals, of less loss. */
  static boolean isBetter(Evaluation a, Evaluation b) {
    return a.accuracy() > b.accuracy() || a.accuracy() == b.accuracy() && a.loss() < b.loss();
  }

  /** Index of the best; of equals the first. */
  static int best(List<Evaluation> evaluations) {
    int best = 0;
    for (int i = 1; i < evaluations.size(); i++) {
      best = isBetter(evaluations.get(i), evaluations.get(best)) ? i : best;
    }
    return best;
  }

  /**
   * One row for each method.
   *
   * @param selection the same on the samples that choices are made on; may lack methods
   */
  static List<ExperimentResult.Row> rows(
      List<Map<String, Evaluation>> pairs, List<Map<String, Evaluation>> selection) {
    List<ExperimentResult.Row> rows = new ArrayList<>();
    for (String id : pairs.get(0).keySet()) {
      List<Evaluation> values = pairs.stream().map(pair -> pair.get(id)).toList();
      Evaluation mean = mean(values);
      double selected =
          selection.stream()
              .mapToDouble(pair -> pair.getOrDefault(id, REFUSED).accuracy())
              .average()
              .orElse(Double.NaN);
      rows.add(
          new ExperimentResult.Row(
              id, mean.accuracy(), deviation(values, mean), mean.loss(), selected));
    }
    return rows;
  }

  static List<Map<String, Double>> accuracies(List<Map<String, Evaluation>> pairs) {
    List<Map<String, Double>> all = new ArrayList<>();
    for (Map<String, Evaluation> pair : pairs) {
      Map<String, Double> accuracies = new LinkedHashMap<>();
      pair.forEach((id, evaluation) -> accuracies.put(id, evaluation.accuracy()));
      all.add(accuracies);
    }
    return all;
  }

  /** Means of the paths of one method, point by point. */
  static CcaMergeResult.Path path(String method, List<Interpolation> pairs) {
    List<Double> accuracies = new ArrayList<>();
    List<Double> losses = new ArrayList<>();
    List<Double> lambdas = Arrays.stream(pairs.get(0).lambdas()).boxed().toList();
    for (int i = 0; i < lambdas.size(); i++) {
      int point = i;
      Evaluation mean =
          mean(pairs.stream().map(pair -> pair.points().get(point).evaluation()).toList());
      accuracies.add(mean.accuracy());
      losses.add(mean.loss());
    }
    return new CcaMergeResult.Path(
        method,
        lambdas,
        accuracies,
        losses,
        pairs.stream().mapToDouble(p -> p.accuracyBarrier().height()).average().orElseThrow(),
        pairs.stream().mapToDouble(p -> p.lossBarrier().height()).average().orElseThrow());
  }

  private static double deviation(List<Evaluation> values, Evaluation mean) {
    return deviation(values.stream().mapToDouble(Evaluation::accuracy).toArray(), mean.accuracy());
  }

  static double mean(double[] values) {
    return Arrays.stream(values).average().orElseThrow();
  }

  /** Sample standard deviation (division by n - 1); 0 for one value. */
  static double deviation(double[] values) {
    return deviation(values, mean(values));
  }

  private static double deviation(double[] values, double mean) {
    if (values.length < 2) {
      return 0;
    }
    double sum = Arrays.stream(values).map(v -> (v - mean) * (v - mean)).sum();
    return Math.sqrt(sum / (values.length - 1));
  }

  /** What one method did in each pair. */
  static NpMergeResult.SamplePoint point(List<Evaluation> pairs) {
    Evaluation mean = mean(pairs);
    return new NpMergeResult.SamplePoint(
        mean.accuracy(),
        deviation(pairs, mean),
        mean.loss(),
        pairs.stream().map(Evaluation::accuracy).toList(),
        pairs.stream().map(Evaluation::loss).toList());
  }
}
