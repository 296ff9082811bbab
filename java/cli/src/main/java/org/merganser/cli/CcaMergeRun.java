// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import org.merganser.compute.Workspace;
import org.merganser.lab.experiment.CcaMergeExperiment;
import org.merganser.lab.experiment.CcaMergeOptions;
import org.merganser.lab.experiment.CcaMergeResult;
import org.merganser.lab.report.HtmlReport;
import org.merganser.lab.report.ResultsJson;
import org.merganser.lab.report.TextTable;

/** Runs the experiment, prints its table and writes its report. */
final class CcaMergeRun {
  private CcaMergeRun() {}

  static void run(CcaMergeOptions options, Path out, CommonOptions common, PrintWriter print)
      throws IOException {
    // Before any work: a run must not end on a folder that cannot be written.
    Outputs.makeFolder(out);
    if (options.keep().isPresent()) {
      Outputs.makeFolder(options.keep().get());
    }
    CcaMergeResult result;
    try (ConsoleProgress progress = new ConsoleProgress();
        Workspace ws = common.open(options.seed(), progress)) {
      result = CcaMergeExperiment.run(options, ws);
    }
    ResultsJson.write(result, out.resolve("results.json"));
    HtmlReport.write(result, out);
    print.println();
    print.print(TextTable.of(result));
    print.println();
    print.println("results  " + out.resolve("results.json"));
    print.println("report   " + out.resolve("report.html"));
    print.flush();
  }
}
