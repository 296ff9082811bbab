// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.merganser.lab.report.Section;
import org.merganser.model.Evaluation;

/**
 * What was found about one group of models: evaluations by row, and data of the experiment. Values
 * are what {@code Json} knows, so that a run that goes on reads what an interrupted one found.
 */
final class Findings {
  /** Of a model with stale running statistics: there is nothing to evaluate. */
  static final Evaluation REFUSED = new Evaluation(Double.NaN, Double.NaN);

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

  private final Map<String, Found> rows = new LinkedHashMap<>();
  private final Map<String, Object> data = new LinkedHashMap<>();
  private ExperimentResult.Training training = new ExperimentResult.Training(0, 0);

  Map<String, Found> rows() {
    return rows;
  }

  Found row(String id) {
    return rows.get(id);
  }

  ExperimentResult.Training training() {
    return training;
  }

  void trained(ExperimentResult.Training done) {
    training = done;
  }

  /** Data of the experiment under a name, made when it is not there. */
  @SuppressWarnings("unchecked")
  Map<String, Object> map(String... path) {
    Map<String, Object> at = data;
    for (String name : path) {
      at = (Map<String, Object>) at.computeIfAbsent(name, n -> new LinkedHashMap<>());
    }
    return at;
  }

  /** A list of numbers, as it was put into a map of data. */
  @SuppressWarnings("unchecked")
  static <T> List<T> list(Map<String, Object> map, String name) {
    return (List<T>) map.get(name);
  }

  @SuppressWarnings("unchecked")
  static Map<String, Object> entries(Object value) {
    return (Map<String, Object>) value;
  }

  /** As it is kept. */
  Map<String, Object> tree() {
    Map<String, Object> found = new LinkedHashMap<>();
    rows.forEach(
        (id, row) ->
            found.put(
                id,
                Section.row(
                    "meaning", row.meaning(),
                    "accuracy", row.test().accuracy(),
                    "loss", row.test().loss(),
                    "selectionAccuracy", row.selection().accuracy(),
                    "selectionLoss", row.selection().loss(),
                    "chosen", row.chosen())));
    return Map.of("rows", found, "data", data);
  }

  /** What {@link #tree} gave; its models count as there before. */
  static Findings of(Map<String, Object> tree, int models) {
    Findings findings = new Findings();
    entries(tree.get("rows"))
        .forEach(
            (id, value) -> {
              Map<String, Object> row = entries(value);
              findings.rows.put(
                  id,
                  new Found(
                      row.get("meaning").toString(),
                      evaluation(row, "accuracy", "loss"),
                      evaluation(row, "selectionAccuracy", "selectionLoss"),
                      row.get("chosen").toString()));
            });
    findings.data.putAll(entries(tree.get("data")));
    findings.training = new ExperimentResult.Training(0, models);
    return findings;
  }

  private static Evaluation evaluation(Map<String, Object> row, String accuracy, String loss) {
    return row.containsKey(accuracy)
        ? new Evaluation((double) row.get(accuracy), (double) row.get(loss))
        : REFUSED;
  }
}
