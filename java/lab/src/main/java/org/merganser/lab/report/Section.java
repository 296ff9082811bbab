// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.report;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/**
 * A part of a result: rows of named values, and how they are looked at. {@code results.json} has
 * the rows as they are; pages and terminals have the columns, pages also text and charts.
 *
 * @param id its field in {@code results.json}; empty for what is shown only
 * @param title over it on a page; empty for what no page shows
 * @param text what it is about
 * @param rows numbers, truth values, texts, lists and maps by name; a number that is not there is
 *     NaN
 */
public record Section(
    String id,
    String title,
    String text,
    List<Map<String, Object>> rows,
    List<Column> columns,
    List<Chart> charts) {

  public Section {
    columns = List.copyOf(columns);
    charts = List.copyOf(charts);
  }

  /** Values by name, in order; those that are null are left out. */
  public static Map<String, Object> row(Object... namesAndValues) {
    Map<String, Object> row = new LinkedHashMap<>();
    for (int i = 0; i < namesAndValues.length; i += 2) {
      if (namesAndValues[i + 1] != null) {
        row.put(namesAndValues[i].toString(), namesAndValues[i + 1]);
      }
    }
    return row;
  }

  /** Rows for {@code results.json} only. */
  public static Section data(String id, List<Map<String, Object>> rows) {
    return new Section(id, "", "", rows, List.of(), List.of());
  }

  /** The same with columns. */
  public Section with(Column... shown) {
    return new Section(id, title, text, rows, List.of(shown), charts);
  }

  /**
   * A column of a table.
   *
   * @param width least number of characters on a terminal; 0: it is not shown there
   * @param number whether it stands at the right
   * @param text what it says of a row
   */
  public record Column(
      String heading, int width, boolean number, Function<Map<String, Object>, String> text) {

    /** Text, on pages and terminals. */
    public static Column text(
        String heading, int width, Function<Map<String, Object>, String> text) {
      return new Column(heading, width, false, text);
    }

    /** Numbers, on pages and terminals. */
    public static Column number(
        String heading, int width, Function<Map<String, Object>, String> text) {
      return new Column(heading, width, true, text);
    }

    boolean isBrief() {
      return width > 0;
    }
  }
}
