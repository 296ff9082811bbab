// SPDX-License-Identifier: Apache-2.0
package org.merganser.similarity;

import java.util.List;
import java.util.Locale;
import org.merganser.similarity.SimilarityGrid.Cell;

/**
 * A grid as a heat map: the first row at the bottom, colours of a fixed scale from 0 to 1, negative
 * values hatched, cells without a value grey with the reason as a title, a dot where p is above
 * 0.05. Values are written for at most 24 layers a side.
 */
final class GridSvg {
  private static final int[][] COLOURS = {
    {68, 1, 84}, {59, 82, 139}, {33, 145, 140}, {94, 201, 98}, {253, 231, 37}
  };
  private static final int MOST_WRITTEN = 24;
  private static final double LARGE_P = 0.05;
  private static final int CHARACTER = 7;

  private final SimilarityGrid grid;
  private final int rows;
  private final int columns;
  private final int side;
  private final int left;
  private final int bottom;
  private final StringBuilder svg = new StringBuilder();

  GridSvg(SimilarityGrid grid) {
    this.grid = grid;
    this.rows = grid.namesA().size();
    this.columns = grid.namesB().size();
    this.side = Math.max(rows, columns) <= MOST_WRITTEN ? 36 : 12;
    this.left = 16 + CHARACTER * longest(grid.namesA());
    this.bottom = 16 + CHARACTER * longest(grid.namesB());
  }

  private static int longest(List<String> names) {
    return names.stream().mapToInt(String::length).max().orElse(0);
  }

  String text() {
    String caption = caption();
    int width = Math.max(left + side * columns + 90, 24 + CHARACTER * caption.length());
    int height = 12 + side * rows + bottom + 28;
    line(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\""
            + " font-family=\"sans-serif\" font-size=\"11\">",
        width, height, width, height);
    line(
        "<defs><pattern id=\"negative\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\">"
            + "<path d=\"M0 6L6 0\" stroke=\"white\" stroke-width=\"1.5\"/></pattern></defs>");
    for (int i = 0; i < rows; i++) {
      for (int j = 0; j < columns; j++) {
        cell(i, j);
      }
    }
    names();
    scale();
    line("<text x=\"12\" y=\"%d\">%s</text>", height - 10, escaped(caption));
    line("</svg>");
    return svg.toString();
  }

  private int x(int column) {
    return left + side * column;
  }

  private int y(int row) {
    return 12 + side * (rows - 1 - row);
  }

  private void cell(int i, int j) {
    Cell cell = grid.cell(i, j);
    String where = grid.namesA().get(i) + ", " + grid.namesB().get(j) + ": ";
    boolean known = !Double.isNaN(cell.value());
    String title = where + (known ? written(cell.value(), 4) : cell.reason());
    line(
        "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" fill=\"%s\"><title>%s</title></rect>",
        x(j), y(i), side, side, known ? colour(cell.value()) : "#b0b0b0", escaped(title));
    if (!known) {
      return;
    }
    if (cell.value() < 0) {
      line(
          "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" fill=\"url(#negative)\""
              + " pointer-events=\"none\"/>",
          x(j), y(i), side, side);
    }
    if (Math.max(rows, columns) <= MOST_WRITTEN) {
      line(
          "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\" fill=\"%s\" pointer-events=\"none\">%s"
              + "</text>",
          x(j) + side / 2,
          y(i) + side / 2 + 4,
          cell.value() > 0.6 ? "black" : "white",
          written(cell.value(), 2));
    }
    if (cell.p() > LARGE_P) {
      line(
          "<circle cx=\"%d\" cy=\"%d\" r=\"2\" fill=\"white\" pointer-events=\"none\"/>",
          x(j) + side - 5, y(i) + 5);
    }
  }

  private void names() {
    for (int i = 0; i < rows; i++) {
      line(
          "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text>",
          left - 6, y(i) + side / 2 + 4, escaped(grid.namesA().get(i)));
    }
    int top = 12 + side * rows;
    for (int j = 0; j < columns; j++) {
      int at = x(j) + side / 2 + 4;
      line(
          "<text x=\"%d\" y=\"%d\" text-anchor=\"end\" transform=\"rotate(-90 %d %d)\">%s</text>",
          at, top + 6, at, top + 6, escaped(grid.namesB().get(j)));
    }
  }

  /** Twenty steps from 0 to 1, from the bottom. */
  private void scale() {
    int steps = 20;
    int at = left + side * columns + 16;
    double step = (double) side * rows / steps;
    for (int k = 0; k < steps; k++) {
      line(
          "<rect x=\"%d\" y=\"%.2f\" width=\"14\" height=\"%.2f\" fill=\"%s\"/>",
          at, 12 + side * rows - step * (k + 1), step + 0.1, colour((k + 0.5) / steps));
    }
    line("<text x=\"%d\" y=\"%d\">1</text>", at + 18, 20);
    line("<text x=\"%d\" y=\"%d\">0</text>", at + 18, 12 + side * rows);
  }

  private String caption() {
    return String.format(
        Locale.ROOT,
        "%s, %s, n = %d%s%s, %s",
        grid.measure(),
        grid.estimator().name().toLowerCase(Locale.ROOT),
        grid.samples(),
        grid.batch() > 0 ? ", batches of " + grid.batch() : "",
        grid.dropped() > 0 ? ", " + grid.dropped() + " dropped" : "",
        grid.flatten().name().toLowerCase(Locale.ROOT));
  }

  /** Linear between the five colours; values beyond the scale take its ends. */
  static String colour(double value) {
    double at = Math.max(0, Math.min(1, value)) * (COLOURS.length - 1);
    int k = Math.min(COLOURS.length - 2, (int) at);
    int[] mixed = new int[3];
    for (int c = 0; c < mixed.length; c++) {
      mixed[c] = (int) Math.round(COLOURS[k][c] + (at - k) * (COLOURS[k + 1][c] - COLOURS[k][c]));
    }
    return String.format(Locale.ROOT, "#%02x%02x%02x", mixed[0], mixed[1], mixed[2]);
  }

  private static String written(double value, int digits) {
    return String.format(Locale.ROOT, "%." + digits + "f", value);
  }

  private static String escaped(String text) {
    return text.replace("&", "&amp;")
        .replace("<", "&lt;")
        .replace(">", "&gt;")
        .replace("\"", "&quot;");
  }

  private void line(String format, Object... values) {
    svg.append(String.format(Locale.ROOT, format, values)).append('\n');
  }
}
