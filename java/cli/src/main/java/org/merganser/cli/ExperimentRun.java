// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.merganser.compute.Workspace;
import org.merganser.lab.experiment.Experiment;
import org.merganser.lab.experiment.ExperimentOptions;
import org.merganser.lab.experiment.ExperimentResult;

/** Runs an experiment, prints its table and writes its report. */
final class ExperimentRun {
  private static final String RESULTS = "results.json";

  private ExperimentRun() {}

  /**
   * @param experiment whose options have folders for results and models
   */
  static void run(Experiment experiment, CommonOptions common, PrintWriter print)
      throws IOException {
    ExperimentOptions options = experiment.options();
    Path out = options.out().orElseThrow();
    List<Path> made = new ArrayList<>();
    ExperimentResult result;
    boolean replaced = Files.exists(out.resolve(RESULTS));
    try {
      // Before any work: a run must not end on a folder that cannot be written.
      for (Optional<Path> folder : List.of(options.out(), options.cache(), options.keep())) {
        if (folder.isPresent()) {
          Outputs.makeFolder(folder.get(), made);
        }
      }
      try (ConsoleProgress progress = new ConsoleProgress();
          Workspace ws = common.open(options.seed(), progress)) {
        result = experiment.run(ws);
      }
      // Before it is written: a full disk does not take it away.
      print.println();
      print.print(result.report().tables());
      print.println();
      print.flush();
      experiment.write(result);
    } finally {
      // Nothing is left of a run that failed before it found anything.
      Outputs.removeEmpty(made);
    }
    print.println(
        "models   "
            + options.cache().orElseThrow()
            + " ("
            + result.training().trained()
            + " trained, "
            + result.training().cached()
            + " there before)");
    print.println("results  " + out.resolve(RESULTS) + (replaced ? " (replaced)" : ""));
    print.println("report   " + out.resolve("report.html") + (replaced ? " (replaced)" : ""));
    print.flush();
  }
}
