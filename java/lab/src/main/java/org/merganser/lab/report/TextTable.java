// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.report;

import java.util.Locale;
import org.merganser.lab.experiment.ExperimentResult;

/** The result as a table for a terminal. */
public final class TextTable {
  private TextTable() {}

  /**
   * One line a method: accuracy in percent, deviation over pairs, loss; or {@code refused}. Then
   * what the experiment adds.
   */
  public static String of(ExperimentResult result) {
    StringBuilder text = new StringBuilder();
    int width = 18;
    for (ExperimentResult.Row row : result.rows()) {
      width = Math.max(width, row.method().length());
    }
    String name = "%-" + width + "s ";
    text.append(
        String.format(Locale.ROOT, name + "%9s %7s %8s%n", "method", "accuracy", "sd", "loss"));
    for (ExperimentResult.Row row : result.rows()) {
      text.append(String.format(Locale.ROOT, name, row.method()));
      text.append(
          row.isRefused()
              ? String.format(Locale.ROOT, "%9s%n", "refused")
              : String.format(
                  Locale.ROOT,
                  "%8.2f%% %7s %8.3f%n",
                  100 * row.accuracy(),
                  result.settings().pairs() == 1
                      ? "-"
                      : String.format(Locale.ROOT, "%.2f", 100 * row.accuracySd()),
                  row.loss()));
    }
    return text.append(ReportContent.of(result).text()).toString();
  }
}
