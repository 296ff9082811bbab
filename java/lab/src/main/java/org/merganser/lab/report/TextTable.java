// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.report;

import java.util.List;
import java.util.stream.Collectors;
import org.merganser.lab.report.Section.Column;

/** The tables of a result for a terminal. */
public final class TextTable {
  private TextTable() {}

  /** Those that have columns for it, an empty line between them. */
  public static String of(Report report) {
    return report.sections().stream()
        .filter(section -> section.columns().stream().anyMatch(Column::isBrief))
        .map(TextTable::table)
        .collect(Collectors.joining("\n"));
  }

  private static String table(Section section) {
    List<Column> columns = section.columns().stream().filter(Column::isBrief).toList();
    int[] widths = columns.stream().mapToInt(c -> width(c, section)).toArray();
    StringBuilder text = new StringBuilder();
    for (int row = -1; row < section.rows().size(); row++) {
      StringBuilder line = new StringBuilder();
      for (int c = 0; c < widths.length; c++) {
        Column column = columns.get(c);
        String cell =
            row < 0 ? column.heading() : column.text().apply(section.rows().get(row)).strip();
        String gap = " ".repeat(widths[c] - cell.length());
        // Numbers have room at their left, text after them needs some.
        line.append(c == 0 ? "" : column.number() ? " " : "  ")
            .append(column.number() ? gap + cell : cell + gap);
      }
      text.append(line.toString().stripTrailing()).append('\n');
    }
    return text.toString();
  }

  private static int width(Column column, Section section) {
    int longest =
        section.rows().stream().mapToInt(row -> column.text().apply(row).length()).max().orElse(0);
    return Math.max(column.width(), Math.max(longest, column.heading().length()));
  }
}
