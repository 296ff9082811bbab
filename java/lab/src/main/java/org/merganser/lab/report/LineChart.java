// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.report;

import java.awt.BasicStroke;
import java.awt.Color;
import java.awt.Font;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.knowm.xchart.BitmapEncoder;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;
import org.knowm.xchart.XYSeries;
import org.knowm.xchart.style.Styler;
import org.knowm.xchart.style.markers.SeriesMarkers;

/** Lines of several methods over one axis. A method has the same colour in every picture. */
final class LineChart {
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

  private final XYChart chart;

  LineChart(String title, String x, String y) {
    chart =
        new XYChartBuilder()
            .width(820)
            .height(400)
            .title(title)
            .xAxisTitle(x)
            .yAxisTitle(y)
            .build();
    Font plain = new Font(Font.SANS_SERIF, Font.PLAIN, 14);
    chart.getStyler().setChartBackgroundColor(Color.WHITE);
    chart.getStyler().setPlotBorderVisible(false);
    chart.getStyler().setPlotGridVerticalLinesVisible(false);
    chart.getStyler().setLegendPosition(Styler.LegendPosition.OutsideE);
    chart.getStyler().setLegendBorderColor(Color.WHITE);
    chart.getStyler().setLegendFont(plain);
    chart.getStyler().setAxisTitleFont(plain);
    chart.getStyler().setAxisTickLabelsFont(plain);
    chart.getStyler().setXAxisMaxLabelCount(11);
    chart.getStyler().setChartTitleFont(new Font(Font.SANS_SERIF, Font.BOLD, 15));
  }

  LineChart limits(double low, double high) {
    chart.getStyler().setYAxisMin(low);
    chart.getStyler().setYAxisMax(high);
    return this;
  }

  LineChart from(double low) {
    chart.getStyler().setYAxisMin(low);
    return this;
  }

  /** Limits of the axis of x. */
  LineChart across(double low, double high) {
    chart.getStyler().setXAxisMin(low);
    chart.getStyler().setXAxisMax(high);
    return this;
  }

  /** Names for 0, 1, ... on the axis of x. */
  LineChart named(List<String> names) {
    chart
        .getStyler()
        .setxAxisTickLabelsFormattingFunction(
            x -> {
              long at = Math.round(x);
              boolean isOne = Math.abs(x - at) < 1e-6 && at >= 0 && at < names.size();
              return isOne ? names.get((int) at) : "";
            });
    return this;
  }

  /**
   * @param colour index of the method
   */
  LineChart line(String name, int colour, List<Double> x, List<Double> y) {
    XYSeries series = chart.addSeries(name, x, y);
    series.setLineColor(COLOURS[colour % COLOURS.length]);
    series.setMarkerColor(COLOURS[colour % COLOURS.length]);
    series.setLineStyle(new BasicStroke(2.2f));
    series.setMarker(x.size() > 25 ? SeriesMarkers.NONE : SeriesMarkers.CIRCLE);
    return this;
  }

  LineChart dashed(String name, Color colour, List<Double> x, List<Double> y) {
    XYSeries series = chart.addSeries(name, x, y);
    series.setLineColor(colour);
    series.setLineStyle(
        new BasicStroke(
            1.8f, BasicStroke.CAP_BUTT, BasicStroke.JOIN_ROUND, 1, new float[] {6, 4}, 0));
    series.setMarker(SeriesMarkers.NONE);
    return this;
  }

  /** 1 to n. */
  static List<Double> ranks(int n) {
    List<Double> ranks = new ArrayList<>();
    for (int i = 1; i <= n; i++) {
      ranks.add((double) i);
    }
    return ranks;
  }

  byte[] png() throws IOException {
    return BitmapEncoder.getBitmapBytes(chart, BitmapEncoder.BitmapFormat.PNG);
  }
}
