// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.merganser.lab.experiment.ExperimentResult.Difference;
import org.merganser.lab.experiment.ExperimentResult.Row;
import org.merganser.lab.report.Section;

/**
 * What an experiment tells of all its groups: {@link Runner} adds what every experiment tells.
 *
 * @param parameters of a model
 * @param text what was done, in a paragraph
 * @param rows means over groups
 * @param accuracies of each group by row; those of the rows of its findings where empty
 * @param facts fields of {@code results.json} before the sections
 * @param pages files beside the page, by name
 */
record Told(
    ExperimentResult.Data data,
    long parameters,
    String text,
    List<Row> rows,
    List<Difference> differences,
    List<Section<?>> sections,
    Optional<List<Map<String, Double>>> accuracies,
    Map<String, Object> facts,
    Map<String, String> pages) {

  /** Data and parameters are the facts; accuracies are those of findings; no other pages. */
  Told(
      ExperimentResult.Data data,
      long parameters,
      String text,
      List<Row> rows,
      List<Difference> differences,
      List<Section<?>> sections) {
    this(
        data,
        parameters,
        text,
        rows,
        differences,
        sections,
        Optional.empty(),
        facts(data, parameters),
        Map.of());
  }

  private static Map<String, Object> facts(ExperimentResult.Data data, long parameters) {
    Map<String, Object> facts = new LinkedHashMap<>();
    facts.put("data", data);
    facts.put("parameters", parameters);
    return facts;
  }

  Told withAccuracies(List<Map<String, Double>> of) {
    return new Told(
        data, parameters, text, rows, differences, sections, Optional.of(of), facts, pages);
  }

  /** Others, in their order. */
  Told withFacts(Map<String, Object> others) {
    return new Told(data, parameters, text, rows, differences, sections, accuracies, others, pages);
  }

  Told withPage(String name, String page) {
    return new Told(
        data, parameters, text, rows, differences, sections, accuracies, facts, Map.of(name, page));
  }
}
