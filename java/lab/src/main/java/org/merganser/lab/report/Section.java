// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.report;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.Function;
import java.util.stream.Stream;

/**
 * A part of a result: rows, and how they are looked at. {@code results.json} has the rows as they
 * are; pages and terminals have the columns, pages also text and charts, which are added one by
 * one.
 *
 * @param <R> of rows: what {@link Json} writes
 */
public final class Section<R> {
  private final String id;
  private final String title;
  private final String about;
  private final List<R> rows;
  private final List<Column> columns = new ArrayList<>();
  private final List<Chart> charts = new ArrayList<>();

  /**
   * @param id its field in {@code results.json}
   * @param title over it on a page; empty for what no page shows
   * @param about what it is about
   */
  public Section(String id, String title, String about, List<R> rows) {
    this.id = id;
    this.title = title;
    this.about = about;
    this.rows = rows;
  }

  /**
   * A column of a table.
   *
   * @param width least number of characters on a terminal; 0: it is not shown there
   * @param number whether it stands at the right
   */
  record Column(String heading, int width, boolean number, List<String> cells) {
    /** Characters on a terminal. */
    int room() {
      return Stream.concat(Stream.of(heading), cells.stream())
          .mapToInt(String::length)
          .reduce(width, Math::max);
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

  public String id() {
    return id;
  }

  public List<R> rows() {
    return rows;
  }

  String title() {
    return title;
  }

  String about() {
    return about;
  }

  List<Column> columns() {
    return columns;
  }

  List<Chart> charts() {
    return charts;
  }

  /** Of a number, in every locale the same. */
  public static String format(String format, Object... values) {
    return String.format(Locale.ROOT, format, values);
  }
}
