// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.report;

import java.awt.BasicStroke;
import java.awt.Color;
import java.awt.Font;
import java.io.IOException;
import java.util.List;
import org.knowm.xchart.BitmapEncoder;
import org.knowm.xchart.CategoryChart;
import org.knowm.xchart.CategoryChartBuilder;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;
import org.knowm.xchart.XYSeries;
import org.knowm.xchart.style.AxesChartStyler;
import org.knowm.xchart.style.Styler;
import org.knowm.xchart.style.markers.SeriesMarkers;

/** Pictures of charts. */
final class ChartImage {
  /** Distinguishable with colour-blind eyes too (after Wong 2011). */
  private static final Color[] COLOURS = {
    new Color(0x7f7f7f),
    new Color(0xe69f00),
    new Color(0x0072b2),
    new Color(0x009e73),
    new Color(0xcc79a7),
    new Color(0x56b4e9),
    new Color(0xd55e00),
    new Color(0x8c6d00),
    new Color(0x5b3a8c),
    new Color(0x000000)
  };

  /** Of dashed lines. */
  private static final Color[] OTHERS = {
    Color.BLACK, new Color(0x999999), new Color(0xd9a441), new Color(0x6fa8d0), new Color(0x6cc2a5)
  };

  private static final Color BAR = new Color(0x2f6f8f);

  /** More names than this do not fit side by side. */
  private static final int FLAT_LABELS = 8;

  private static final int SHORT_LABEL = 18;
  private static final int MARKED_POINTS = 25;

  private ChartImage() {}

  static byte[] png(Chart chart) throws IOException {
    BitmapEncoder.BitmapFormat format = BitmapEncoder.BitmapFormat.PNG;
    return chart.x.isEmpty()
        ? BitmapEncoder.getBitmapBytes(bars(chart), format)
        : BitmapEncoder.getBitmapBytes(lines(chart), format);
  }

  private static void style(Chart chart, AxesChartStyler styler) {
    styler.setChartBackgroundColor(Color.WHITE);
    styler.setPlotBorderVisible(false);
    styler.setPlotGridVerticalLinesVisible(false);
    styler.setYAxisMin(chart.low);
    styler.setYAxisMax(chart.high);
  }

  private static CategoryChart bars(Chart chart) {
    List<String> names = chart.names;
    int longest = names.stream().mapToInt(String::length).max().orElse(0);
    // Names stand aslant and take height from the bars.
    int height = 420 + (names.size() > FLAT_LABELS ? 6 * Math.max(0, longest - SHORT_LABEL) : 0);
    CategoryChart drawn =
        new CategoryChartBuilder().width(1000).height(height).yAxisTitle(chart.y).build();
    style(chart, drawn.getStyler());
    drawn.getStyler().setLegendVisible(false);
    drawn.getStyler().setAvailableSpaceFill(0.7);
    drawn.getStyler().setLabelsVisible(true);
    drawn.getStyler().setLabelsPosition(0.5);
    drawn.getStyler().setAxisTickLabelsFont(new Font(Font.SANS_SERIF, Font.PLAIN, 12));
    drawn.getStyler().setLabelsFont(new Font(Font.SANS_SERIF, Font.PLAIN, 12));
    drawn.getStyler().setDecimalPattern("0.0");
    drawn.getStyler().setSeriesColors(new Color[] {BAR});
    if (names.size() > FLAT_LABELS) {
      drawn.getStyler().setXAxisLabelRotation(45);
    }
    for (Chart.Series series : chart.series) {
      if (series.deviations().isEmpty()) {
        drawn.addSeries(series.name(), names, series.y());
      } else {
        drawn.addSeries(series.name(), names, series.y(), series.deviations());
      }
    }
    return drawn;
  }

  private static XYChart lines(Chart chart) {
    XYChart drawn =
        new XYChartBuilder()
            .width(820)
            .height(400)
            .title(chart.title)
            .xAxisTitle(chart.x)
            .yAxisTitle(chart.y)
            .build();
    Font plain = new Font(Font.SANS_SERIF, Font.PLAIN, 14);
    style(chart, drawn.getStyler());
    drawn.getStyler().setLegendPosition(Styler.LegendPosition.OutsideE);
    drawn.getStyler().setLegendBorderColor(Color.WHITE);
    drawn.getStyler().setLegendFont(plain);
    drawn.getStyler().setAxisTitleFont(plain);
    drawn.getStyler().setAxisTickLabelsFont(plain);
    drawn.getStyler().setXAxisMaxLabelCount(11);
    drawn.getStyler().setChartTitleFont(new Font(Font.SANS_SERIF, Font.BOLD, 15));
    if (!chart.names.isEmpty()) {
      drawn.getStyler().setxAxisTickLabelsFormattingFunction(x -> name(chart.names, x));
    }
    chart.series.forEach(series -> line(drawn, series));
    return drawn;
  }

  /** Of a place that is a whole number, or none. */
  private static String name(List<String> names, double x) {
    long at = Math.round(x);
    return Math.abs(x - at) < 1e-6 && at >= 0 && at < names.size() ? names.get((int) at) : "";
  }

  private static void line(XYChart drawn, Chart.Series series) {
    XYSeries line = drawn.addSeries(series.name(), series.x(), series.y());
    boolean dashed = series.colour() < 0;
    Color colour =
        dashed
            ? OTHERS[(-1 - series.colour()) % OTHERS.length]
            : COLOURS[series.colour() % COLOURS.length];
    line.setLineColor(colour);
    line.setMarkerColor(colour);
    line.setLineStyle(
        dashed
            ? new BasicStroke(
                1.8f, BasicStroke.CAP_BUTT, BasicStroke.JOIN_ROUND, 1, new float[] {6, 4}, 0)
            : new BasicStroke(2.2f));
    line.setMarker(
        dashed || series.x().size() > MARKED_POINTS ? SeriesMarkers.NONE : SeriesMarkers.CIRCLE);
  }
}
