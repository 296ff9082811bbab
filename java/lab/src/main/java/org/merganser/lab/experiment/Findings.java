// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.merganser.lab.report.Json;
import org.merganser.model.Evaluation;

/**
 * What was found about one group of models, kept as JSON, so that a run that goes on reads what an
 * interrupted one found.
 *
 * @param training how its models came about
 * @param rows evaluations by row
 * @param data of the experiment: records, lists and numbers in maps of maps
 */
record Findings(
    ExperimentResult.Training training, Map<String, Found> rows, Map<String, Object> data) {
  /** Of a model with stale running statistics: there is nothing to evaluate. */
  static final Evaluation REFUSED = new Evaluation(Double.NaN, Double.NaN);

  Findings(ExperimentResult.Training training) {
    this(training, new LinkedHashMap<>(), new LinkedHashMap<>());
  }

  /**
   * A row.
   *
   * @param meaning what it is, in words
   * @param test on test data
   * @param selection on the samples that choices are made on
   * @param chosen the settings taken, of several; else empty
   */
  record Found(String meaning, Evaluation test, Evaluation selection, String chosen) {
    boolean isRefused() {
      return Double.isNaN(test.accuracy());
    }
  }

  Found row(String id) {
    return rows.get(id);
  }

  /** A map of data under some names, made when it is not there. */
  @SuppressWarnings("unchecked")
  Map<String, Object> map(String... path) {
    Map<String, Object> at = data;
    for (String name : path) {
      at = (Map<String, Object>) at.computeIfAbsent(name, n -> new LinkedHashMap<>());
    }
    return at;
  }

  /** What all pairs have there. */
  static <T> List<T> all(List<Findings> pairs, Class<T> type, String... path) {
    String[] folder = Arrays.copyOf(path, path.length - 1);
    return pairs.stream()
        .map(pair -> Json.convert(pair.map(folder).get(path[path.length - 1]), type))
        .toList();
  }
}
