// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.report;

import java.util.Locale;
import org.merganser.lab.experiment.CcaMergeResult;

/** The result as a table for a terminal. */
public final class TextTable {
  private TextTable() {}

  /** One line a method: accuracy in percent, deviation over pairs, loss. */
  public static String of(CcaMergeResult result) {
    StringBuilder text = new StringBuilder();
    text.append(
        String.format(Locale.ROOT, "%-18s %9s %7s %8s%n", "method", "accuracy", "sd", "loss"));
    for (CcaMergeResult.Row row : result.rows()) {
      text.append(
          String.format(
              Locale.ROOT,
              "%-18s %8.2f%% %7s %8.3f%n",
              row.method(),
              100 * row.accuracy(),
              result.options().pairs() == 1
                  ? "-"
                  : String.format(Locale.ROOT, "%.2f", 100 * row.accuracySd()),
              row.loss()));
    }
    return text.toString();
  }
}
