// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.merganser.lab.report.Json;
import org.merganser.model.Evaluation;

/**
 * What was found about one group of models, kept as JSON, so that a run that goes on reads what an
 * interrupted one found.
 *
 * @param training how its models came about
 * @param rows evaluations by row
 * @param data of the experiment: records, lists and numbers in maps of maps
 * @param records the form of each record in a file ({@link RecordForms}), written there
 */
record Findings(
    ExperimentResult.Training training,
    Map<String, Found> rows,
    Map<String, Object> data,
    Map<String, String> records) {
  /** Of a model with stale running statistics: there is nothing to evaluate. */
  static final Evaluation REFUSED = new Evaluation(Double.NaN, Double.NaN);

  Findings(ExperimentResult.Training training) {
    this(training, new LinkedHashMap<>(), new LinkedHashMap<>(), new LinkedHashMap<>());
  }

  /**
   * Of a file.
   *
   * @return empty when it holds records of another form than they have now
   */
  static Optional<Findings> read(Path file) throws IOException {
    Map<?, ?> kept = Json.read(file, Map.class);
    return RecordForms.areThoseOfNow(kept.get("records"))
        ? Optional.of(Json.convert(kept, Findings.class))
        : Optional.empty();
  }

  void write(Path file) throws IOException {
    // What was read of a file is in maps: its records are those that were written there.
    records.putAll(RecordForms.of(List.of(data, this)));
    Json.write(this, file);
  }

  Findings with(ExperimentResult.Training counted) {
    return new Findings(counted, rows, data, records);
  }

  /** Found by an earlier run. */
  Findings before() {
    return with(training.before());
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
