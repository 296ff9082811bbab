// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.report;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.Function;
import java.util.stream.IntStream;

/**
 * A part of a result: rows, and how they are looked at. {@code results.json} has the rows as they
 * are; pages and terminals have the columns, pages also text and charts, which are added one by
 * one.
 *
 * @param id its field in {@code results.json}
 * @param title over it on a page; empty for what no page shows
 * @param about what it is about
 * @param <R> of rows: what {@link Json} writes
 */
public record Section<R>(
    String id, String title, String about, List<R> rows, List<Column> columns, List<Chart> charts) {

  /** Without columns and charts, which are added. */
  public Section(String id, String title, String about, List<R> rows) {
    this(id, title, about, rows, new ArrayList<>(), new ArrayList<>());
  }

  /**
   * A column of a table.
   *
   * @param width least number of characters on a terminal; 0: it is not shown there
   * @param number whether it stands at the right
   */
  public record Column(String heading, int width, boolean number, List<String> cells) {
    /** Characters on a terminal. */
    int room() {
      return IntStream.range(-1, cells.size())
          .map(row -> cell(row).length())
          .reduce(width, Math::max);
    }

    /** Of a row, or the heading for row -1. */
    String cell(int row) {
      return row < 0 ? heading : cells.get(row);
    }
  }

  /** Rows for {@code results.json} only. */
  public static <R> Section<R> data(String id, List<R> rows) {
    return new Section<>(id, "", "", rows);
  }

  /** Adds a column of text; width 0 is for pages only. */
  public Section<R> text(String heading, int width, Function<R, String> text) {
    columns.add(new Column(heading, width, false, rows.stream().map(text).toList()));
    return this;
  }

  /** Adds a column that stands at the right; width 0 is for pages only. */
  public Section<R> number(String heading, int width, Function<R, String> text) {
    columns.add(new Column(heading, width, true, rows.stream().map(text).toList()));
    return this;
  }

  /** The same of numbers, as {@link String#format} writes them. */
  public Section<R> number(String heading, int width, String format, Function<R, Double> value) {
    return number(heading, width, row -> format(format, value.apply(row)));
  }

  public Section<R> chart(Chart chart) {
    charts.add(chart);
    return this;
  }

  /** Of a number, in every locale the same. */
  public static String format(String format, Object... values) {
    return String.format(Locale.ROOT, format, values);
  }
}
