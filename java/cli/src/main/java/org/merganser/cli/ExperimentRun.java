// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.Optional;
import org.merganser.compute.Workspace;
import org.merganser.lab.experiment.Experiment;
import org.merganser.lab.experiment.ExperimentOptions;
import org.merganser.lab.experiment.ExperimentResult;

/** Runs an experiment, prints its table and writes its report. */
abstract class ExperimentRun extends Computation {
  private static final String RESULTS = "results.json";

  /** An experiment whose options have folders for results and models. */
  abstract Experiment experiment();

  @Override
  final void run(PrintWriter print) throws IOException {
    Experiment experiment = experiment();
    ExperimentOptions options = experiment.options();
    Path out = options.out().orElseThrow();
    Deque<Path> made = new ArrayDeque<>();
    ExperimentResult result;
    String replaced = Files.exists(out.resolve(RESULTS)) ? " (replaced)" : "";
    try {
      // Before any work: a run must not end on a folder that cannot be written.
      for (Optional<Path> folder : List.of(options.out(), options.cache(), options.keep())) {
        if (folder.isPresent()) {
          make(folder.get().toAbsolutePath(), made);
        }
      }
      try (Workspace ws = open(options.seed())) {
        result = experiment.run(ws);
      }
      progress.close();
      // Before it is written: a full disk does not take it away.
      print.printf("%n%s%n", result.report().tables());
      print.flush();
      experiment.write(result);
    } finally {
      removeEmpty(made);
    }
    print.printf(
        "models   %s (%d trained, %d there before)%n",
        options.cache().orElseThrow(), result.training().trained(), result.training().cached());
    print.println("results  " + out.resolve(RESULTS) + replaced);
    print.println("report   " + out.resolve("report.html") + replaced);
  }

  /**
   * @param made gets the folders that were not there, inner ones first
   */
  private static void make(Path folder, Deque<Path> made) throws IOException {
    if (!Files.isDirectory(folder)) {
      make(folder.getParent(), made);
      Files.createDirectory(folder);
      made.push(folder);
    }
  }

  /** Nothing is left of a run that failed before it found anything worth keeping. */
  private static void removeEmpty(Deque<Path> made) throws IOException {
    for (Path folder : made) {
      try {
        Files.deleteIfExists(folder);
      } catch (DirectoryNotEmptyException e) {
        // Such as models already trained.
      }
    }
  }
}
