// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.report;

import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;

/** {@code results.json}: two runs of the same command differ in {@code seconds} only. */
public final class ResultsJson {
  private ResultsJson() {}

  /** Writes the file, complete or not at all. */
  public static void write(Report report, Path path) throws IOException {
    Map<String, Object> all = new LinkedHashMap<>(report.facts());
    for (Section section : report.sections()) {
      if (!section.id().isEmpty()) {
        all.put(section.id(), section.rows());
      }
    }
    all.putAll(report.made());
    Map<String, Object> seconds = new LinkedHashMap<>();
    report
        .seconds()
        .forEach((stage, taken) -> seconds.put(stage, Math.round(taken * 1000) / 1000.0));
    all.put("seconds", seconds);
    Json.write(all, path);
  }
}
