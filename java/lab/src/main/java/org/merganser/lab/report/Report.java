// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.report;

import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.merganser.internal.io.TextFile;
import org.merganser.lab.report.Section.Column;

/**
 * A result as it is written: as a page, as {@code results.json}, and on a terminal.
 *
 * @param title of the page
 * @param text what was done, in a paragraph
 * @param facts fields of {@code results.json} before the sections
 * @param made fields after them: what it was made with
 * @param seconds wall time of each stage, the last field
 * @param pages files beside the page, by name
 */
public record Report(
    String title,
    String text,
    Map<String, Object> facts,
    List<Section<?>> sections,
    Map<String, Object> made,
    Map<String, Double> seconds,
    Map<String, String> pages) {

  /** Without other pages. */
  public Report(
      String title,
      String text,
      Map<String, Object> facts,
      List<Section<?>> sections,
      Map<String, Object> made,
      Map<String, Double> seconds) {
    this(title, text, facts, sections, made, seconds, Map.of());
  }

  /** Writes {@code results.json}, {@code report.html}, its pictures and pages, each file whole. */
  public void write(Path folder) throws IOException {
    Json.write(json(), folder.resolve("results.json"));
    HtmlReport.write(this, folder);
    for (Map.Entry<String, String> page : pages.entrySet()) {
      TextFile.write(folder.resolve(page.getKey()), page.getValue());
    }
  }

  /** {@code results.json}: two runs of the same command differ in {@code seconds} only. */
  public Map<String, Object> json() {
    Map<String, Object> all = new LinkedHashMap<>(facts);
    for (Section<?> section : sections) {
      if (all.put(section.id(), section.rows()) != null) {
        throw new IllegalStateException("two fields of results.json are '" + section.id() + "'");
      }
    }
    all.putAll(made);
    Map<String, Object> rounded = new LinkedHashMap<>();
    seconds.forEach((stage, taken) -> rounded.put(stage, Math.round(taken * 1000) / 1000.0));
    all.put("seconds", rounded);
    return all;
  }

  /** For a terminal: the tables that have columns for it, an empty line between them. */
  public String tables() {
    return sections.stream()
        .map(section -> section.columns().stream().filter(column -> column.width() > 0).toList())
        .filter(columns -> !columns.isEmpty())
        .map(Report::table)
        .collect(Collectors.joining("\n"));
  }

  private static String table(List<Column> columns) {
    StringBuilder text = new StringBuilder();
    for (int row = -1; row < columns.get(0).cells().size(); row++) {
      StringBuilder line = new StringBuilder();
      for (Column column : columns) {
        String cell = column.cell(row).strip();
        String gap = " ".repeat(column.room() - cell.length());
        // Numbers have room at their left, text after them needs some.
        line.append(line.isEmpty() ? "" : column.number() ? " " : "  ")
            .append(column.number() ? gap + cell : cell + gap);
      }
      text.append(line.toString().stripTrailing()).append('\n');
    }
    return text.toString();
  }
}
