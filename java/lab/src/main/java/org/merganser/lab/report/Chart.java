// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.report;

import java.awt.BasicStroke;
import java.awt.Color;
import java.awt.Font;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.DoubleStream;
import org.knowm.xchart.BitmapEncoder;
import org.knowm.xchart.CategoryChart;
import org.knowm.xchart.HeatMapChart;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYSeries;
import org.knowm.xchart.style.AxesChartStyler;
import org.knowm.xchart.style.CategoryStyler;
import org.knowm.xchart.style.HeatMapStyler;
import org.knowm.xchart.style.Styler;
import org.knowm.xchart.style.XYStyler;
import org.knowm.xchart.style.markers.SeriesMarkers;

/** A picture: lines or bars over one axis, or a map. */
public class Chart {
  /** More names than this do not fit side by side. */
  private static final int FLAT_LABELS = 8;

  private static final int SHORT_LABEL = 18;

  /** Columns of a map with values in its cells. */
  private static final int MOST_PRINTED = 24;

  /** From 0 to 1; distinguishable with colour-blind eyes and in grey. */
  private static final Color[] VIRIDIS = {
    new Color(68, 1, 84),
    new Color(59, 82, 139),
    new Color(33, 145, 140),
    new Color(94, 201, 98),
    new Color(253, 231, 37)
  };

  /** Of pixels, of shapes, or a part of the page itself. */
  enum Form {
    PNG("image/png"),
    SVG("image/svg+xml"),
    HTML("text/html");

    private final String type;

    Form(String type) {
      this.type = type;
    }

    /** Its media type. */
    String type() {
      return type;
    }

    /** Of file names. */
    String ending() {
      return "." + name().toLowerCase(Locale.ROOT);
    }
  }

  private interface Drawing {
    byte[] bytes() throws IOException;
  }

  private final String file;
  private final String text;
  private final Form form;
  private final Drawing drawing;

  private Chart(String file, String text, Form form, Drawing drawing) {
    this.file = file;
    this.text = text;
    this.form = form;
    this.drawing = drawing;
  }

  private Chart(String file, String text, org.knowm.xchart.internal.chartpart.Chart<?, ?> drawn) {
    this(
        file,
        text,
        Form.PNG,
        () -> BitmapEncoder.getBitmapBytes(drawn, BitmapEncoder.BitmapFormat.PNG));
  }

  /**
   * A picture drawn elsewhere.
   *
   * @param file its name, without ending
   * @param text what it shows, in words
   * @param svg itself
   */
  public static Chart svg(String file, String text, String svg) {
    return new Chart(file, text, Form.SVG, () -> svg.getBytes(StandardCharsets.UTF_8));
  }

  /**
   * A part of the page that moves: elements, and a script after them which finds its element as
   * {@code document.currentScript.previousElementSibling}. It must need nothing else.
   *
   * @param file its name, without ending
   * @param text what it shows, in words
   * @param html trusted: nothing in it is escaped
   */
  public static Chart html(String file, String text, String html) {
    return new Chart(file, text, Form.HTML, () -> html.getBytes(StandardCharsets.UTF_8));
  }

  /**
   * Bars of percentages.
   *
   * @param file name of its picture, without ending
   * @param text what it shows, in words
   * @param y title of the axis
   * @param deviations whiskers; empty for none
   */
  public static Chart bars(
      String file,
      String text,
      String y,
      List<String> names,
      List<Double> values,
      List<Double> deviations) {
    int longest = names.stream().mapToInt(String::length).max().orElse(0);
    // Names stand aslant and take height from the bars.
    int height = 420 + (names.size() > FLAT_LABELS ? 6 * Math.max(0, longest - SHORT_LABEL) : 0);
    CategoryChart drawn = new CategoryChart(1000, height);
    drawn.setYAxisTitle(y);
    CategoryStyler styler = drawn.getStyler();
    style(styler, 0.0, 100.0);
    styler.setLegendVisible(false);
    styler.setAvailableSpaceFill(0.7);
    styler.setLabelsVisible(true);
    styler.setLabelsPosition(0.5);
    Font small = new Font(Font.SANS_SERIF, Font.PLAIN, 12);
    styler.setAxisTickLabelsFont(small);
    styler.setLabelsFont(small);
    styler.setDecimalPattern("0.0");
    styler.setSeriesColors(new Color[] {new Color(0x2f6f8f)});
    if (names.size() > FLAT_LABELS) {
      styler.setXAxisLabelRotation(45);
    }
    drawn.addSeries(file, names, values, deviations.isEmpty() ? null : deviations);
    return new Chart(file, text, drawn);
  }

  /**
   * A map of values in [0, 1], the first row at the bottom; what is outside gets the colour of the
   * nearer end.
   *
   * @param file name of its picture, without ending
   * @param text what it shows, in words
   * @param title over it
   * @param values [rows x columns], all finite
   */
  public static Chart heatMap(
      String file,
      String text,
      String title,
      List<String> rows,
      List<String> columns,
      double[][] values) {
    HeatMapChart drawn =
        new HeatMapChart(
            180 + 46 * columns.size(), 130 + 40 * rows.size(), Styler.ChartTheme.XChart);
    drawn.setTitle(title);
    HeatMapStyler styler = drawn.getStyler();
    style(styler, null, null);
    styler.setMin(0);
    styler.setMax(1);
    styler.setRangeColors(VIRIDIS);
    styler.setPlotContentSize(1);
    styler.setLegendPosition(Styler.LegendPosition.OutsideE);
    styler.setLegendFont(new Font(Font.SANS_SERIF, Font.PLAIN, 11));
    styler.setChartTitleFont(new Font(Font.SANS_SERIF, Font.BOLD, 14));
    styler.setShowValue(columns.size() <= MOST_PRINTED);
    styler.setHeatMapValueDecimalPattern("0.00");
    styler.setValueFont(new Font(Font.SANS_SERIF, Font.PLAIN, 11));
    List<Number[]> cells = new ArrayList<>();
    for (int row = 0; row < values.length; row++) {
      for (int column = 0; column < values[row].length; column++) {
        double shown = Math.max(0, Math.min(1, values[row][column]));
        cells.add(new Number[] {column, row, shown});
      }
    }
    drawn.addSeries(file, columns, rows, cells);
    return new Chart(file, text, drawn);
  }

  private static void style(AxesChartStyler styler, Double low, Double high) {
    styler.setChartBackgroundColor(Color.WHITE);
    styler.setPlotBorderVisible(false);
    styler.setPlotGridVerticalLinesVisible(false);
    styler.setYAxisMin(low);
    styler.setYAxisMax(high);
  }

  /** Name of its picture, without ending. */
  String file() {
    return file;
  }

  /** What it shows, in words. */
  String text() {
    return text;
  }

  Form form() {
    return form;
  }

  /** The picture as a file. */
  byte[] bytes() throws IOException {
    return drawing.bytes();
  }

  /** {@code from, from + 1, ...}, n of them. */
  public static List<Double> places(double from, int n) {
    return DoubleStream.iterate(from, at -> at + 1).limit(n).boxed().toList();
  }

  /** Fractions in percent. */
  public static List<Double> percent(List<Double> fractions) {
    return fractions.stream().map(fraction -> 100 * fraction).toList();
  }

  /** Lines, added one by one. */
  public static final class Lines extends Chart {
    /** Distinguishable with colour-blind eyes too (after Wong 2011). */
    private static final int[] COLOURS = {
      0x7f7f7f, 0xe69f00, 0x0072b2, 0x009e73, 0xcc79a7, 0x56b4e9, 0xd55e00, 0x8c6d00, 0x5b3a8c, 0
    };

    /** Of dashed lines. */
    private static final int[] OTHERS = {0, 0x999999, 0xd9a441, 0x6fa8d0, 0x6cc2a5};

    private static final int MARKED_POINTS = 25;

    private final XYChart drawn;

    /**
     * @param file name of its picture, without ending
     * @param text what it shows, in words
     * @param title over it
     * @param x title of the axis
     * @param y title of the axis
     */
    public Lines(String file, String text, String title, String x, String y) {
      this(file, text, new XYChart(820, 400));
      drawn.setTitle(title);
      drawn.setXAxisTitle(x);
      drawn.setYAxisTitle(y);
    }

    private Lines(String file, String text, XYChart drawn) {
      super(file, text, drawn);
      this.drawn = drawn;
      Font plain = new Font(Font.SANS_SERIF, Font.PLAIN, 14);
      XYStyler styler = drawn.getStyler();
      style(styler, null, null);
      styler.setLegendPosition(Styler.LegendPosition.OutsideE);
      styler.setLegendBorderColor(Color.WHITE);
      styler.setLegendFont(plain);
      styler.setAxisTitleFont(plain);
      styler.setAxisTickLabelsFont(plain);
      styler.setXAxisMaxLabelCount(11);
      styler.setChartTitleFont(new Font(Font.SANS_SERIF, Font.BOLD, 15));
    }

    /**
     * Adds a line.
     *
     * @param colour index of its colour, the same for a method in every picture; negative for
     *     dashed lines, which belong to no method
     */
    public Lines line(String name, int colour, List<Double> at, List<Double> values) {
      boolean dashed = colour < 0;
      XYSeries line = drawn.addSeries(name, at, values);
      line.setLineColor(colour(colour));
      line.setMarkerColor(colour(colour));
      line.setLineStyle(
          dashed
              ? new BasicStroke(
                  1.8f, BasicStroke.CAP_BUTT, BasicStroke.JOIN_ROUND, 1, new float[] {6, 4}, 0)
              : new BasicStroke(2.2f));
      line.setMarker(
          dashed || at.size() > MARKED_POINTS ? SeriesMarkers.NONE : SeriesMarkers.CIRCLE);
      return this;
    }

    private static Color colour(int index) {
      return new Color(
          index < 0 ? OTHERS[(-1 - index) % OTHERS.length] : COLOURS[index % COLOURS.length]);
    }

    /**
     * Adds a point apart from a line, in its colour, which the legend does not name.
     *
     * @param name another than that of any line
     */
    public Lines point(String name, int colour, double at, double value) {
      XYSeries point = drawn.addSeries(name, List.of(at), List.of(value));
      point.setMarkerColor(colour(colour));
      point.setMarker(SeriesMarkers.DIAMOND);
      point.setShowInLegend(false);
      return this;
    }

    /** How many lines and points there are. */
    public int size() {
      return drawn.getSeriesMap().size();
    }

    /**
     * Names of the places 0, 1, ... of the axis of x. All values of x must be such places, each
     * first met in this order: for others XChart looks for ticks of different names for ever.
     */
    public Lines named(List<String> places) {
      drawn
          .getStyler()
          .setxAxisTickLabelsFormattingFunction(
              x -> {
                long at = Math.round(x);
                boolean known = Math.abs(x - at) < 1e-6 && at >= 0 && at < places.size();
                return known ? places.get((int) at) : "";
              });
      return this;
    }

    /**
     * Ends of the axis of y.
     *
     * @param to null for where the values end
     */
    public Lines limits(double from, Double to) {
      style(drawn.getStyler(), from, to);
      return this;
    }
  }
}
