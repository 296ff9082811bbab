// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.report;

import com.fasterxml.jackson.core.JsonGenerator;
import java.io.IOException;
import java.util.Map;
import org.merganser.lab.experiment.CcaMergeResult;
import org.merganser.lab.experiment.ExperimentResult;
import org.merganser.lab.experiment.NpMergeResult;

/** What one experiment adds to the reports that all have. */
interface ReportContent {
  static ReportContent of(ExperimentResult result) {
    return result instanceof NpMergeResult np
        ? new NpMergeContent(np)
        : new CcaMergeContent((CcaMergeResult) result);
  }

  String title();

  String heading();

  /** More about how it was done, after what is common. */
  String sentence();

  /** What a row is; empty when unknown. */
  String meaning(String method);

  /** By file name; the accuracies come before. */
  Map<String, Picture> pictures() throws IOException;

  /** Sections of the page, HTML. */
  String sections(Map<String, Picture> pictures);

  /** What stands under the table of a terminal. */
  String text();

  /** Settings of its own, after what is common. */
  void writeSettings(JsonGenerator g) throws IOException;

  /** Results of its own. */
  void writeResults(JsonGenerator g) throws IOException;
}
