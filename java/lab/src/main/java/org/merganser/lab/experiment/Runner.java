// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.merganser.compute.Workspace;
import org.merganser.lab.experiment.ExperimentResult.Training;
import org.merganser.lab.report.Report;
import org.merganser.plan.Doctor;
import org.merganser.torch.TorchNatives;

/**
 * One run of an experiment: its groups one after the other, each from what an interrupted run found
 * of it, and the result of all.
 *
 * @param journal where findings are kept until results are written
 * @param watch wall time of each stage
 */
record Runner(Experiment experiment, Journal journal, Stopwatch watch, Workspace ws) {
  Runner(Experiment experiment, Workspace ws) {
    this(experiment, experiment.journal(ws), new Stopwatch(), ws);
  }

  /**
   * @param all closed at the end, whatever happens
   */
  ExperimentResult run(Groups all) throws IOException {
    try (all) {
      all.open(this);
      List<Findings> found = new ArrayList<>();
      for (int index = 0; index < experiment.runs().seeds(); index++) {
        found.add(all.find(index, this));
      }
      return result(all.told(found, this), found);
    }
  }

  /** Seed of what is drawn for a group. */
  long seed(int index) {
    return experiment.seed(index);
  }

  ExperimentResult result(Told told, List<Findings> found) {
    Map<String, Object> facts = new LinkedHashMap<>();
    facts.put("experiment", experiment.id());
    facts.put("seed", experiment.runs().seed());
    facts.put("seeds", experiment.runs().seeds());
    facts.putAll(told.facts());
    // At the end, unless told before something else.
    facts.putIfAbsent("settings", experiment.facts());
    Report report =
        new Report(
            experiment.title() + ": " + told.data().name(),
            told.text(),
            facts,
            told.sections(),
            made(),
            watch.seconds(),
            told.pages());
    return new ExperimentResult(
        told.data(),
        told.parameters(),
        told.rows(),
        told.accuracies().orElseGet(() -> Summary.accuracies(found)),
        told.differences(),
        found.stream().map(Findings::training).reduce(Training.NONE, Training::plus),
        report);
  }

  /** What a result was made with. */
  private Map<String, Object> made() {
    Map<String, Object> versions = new LinkedHashMap<>(Doctor.versions());
    versions.put("torch", TorchNatives.version());
    Map<String, Object> made = new LinkedHashMap<>();
    made.put("backend", ws.backend().name().toLowerCase(Locale.ROOT));
    made.put("isa", Doctor.isa());
    made.put("versions", versions);
    return made;
  }
}
