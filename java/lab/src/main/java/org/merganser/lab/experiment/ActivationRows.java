// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.merganser.model.Evaluation;

/** Rows of {@link AdaptiveActivationExperiment} in one seed, of all starts of a mode. */
final class ActivationRows {
  private ActivationRows() {}

  /**
   * Adds the typical start, the median over all, and the one that is best on validation data (of
   * equal accuracies that of the least loss). A run that diverged counts as a guess.
   */
  static void add(SequenceTask task, ShapeLearning mode, Findings found) {
    List<Evaluation> tests = new ArrayList<>();
    List<Evaluation> validations = new ArrayList<>();
    List<String> starts = List.copyOf(found.map("runs", task.id(), mode.id()).keySet());
    int best = 0;
    for (String start : starts) {
      Map<String, Object> run = found.map("runs", task.id(), mode.id(), start);
      tests.add(AdaptiveActivationTables.last(run));
      validations.add(AdaptiveActivationTables.validation(run));
      int at = tests.size() - 1;
      best = isBetter(validations.get(at), validations.get(best)) ? at : best;
    }
    String id = AdaptiveActivationTables.row(task, mode);
    String typical = "median over " + tests.size() + " starts";
    found.rows().put(id, new Findings.Found(typical, median(tests), median(validations), ""));
    found
        .rows()
        .put(
            id + AdaptiveActivationTables.BEST,
            new Findings.Found(
                "the start that is best on validation data",
                tests.get(best),
                validations.get(best),
                starts.get(best)));
  }

  private static boolean isBetter(Evaluation one, Evaluation than) {
    return one.accuracy() > than.accuracy()
        || one.accuracy() == than.accuracy() && one.loss() < than.loss();
  }

  private static Evaluation median(List<Evaluation> evaluations) {
    return new Evaluation(
        Summary.median(evaluations.stream().map(Evaluation::accuracy).toList()),
        Summary.median(evaluations.stream().map(Evaluation::loss).toList()));
  }
}
