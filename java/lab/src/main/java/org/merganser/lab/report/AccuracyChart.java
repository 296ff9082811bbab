// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.report;

import java.awt.Color;
import java.awt.Font;
import java.io.IOException;
import java.util.List;
import org.knowm.xchart.BitmapEncoder;
import org.knowm.xchart.CategoryChart;
import org.knowm.xchart.CategoryChartBuilder;
import org.merganser.lab.experiment.ExperimentResult;

/** Bars of accuracy with their deviation over pairs. */
final class AccuracyChart {
  private static final Color BAR = new Color(0x2f6f8f);

  /** More names than this do not fit side by side. */
  private static final int FLAT_LABELS = 8;

  private static final int SHORT_LABEL = 18;

  private AccuracyChart() {}

  static byte[] png(ExperimentResult result) throws IOException {
    List<ExperimentResult.Row> rows =
        result.rows().stream().filter(row -> !row.isRefused()).toList();
    int longest = rows.stream().mapToInt(row -> row.method().length()).max().orElse(0);
    // Names stand aslant and take height from the bars.
    int height = 420 + (rows.size() > FLAT_LABELS ? 6 * Math.max(0, longest - SHORT_LABEL) : 0);
    CategoryChart chart =
        new CategoryChartBuilder()
            .width(1000)
            .height(height)
            .yAxisTitle("test accuracy (%)")
            .build();
    chart.getStyler().setLegendVisible(false);
    chart.getStyler().setChartBackgroundColor(Color.WHITE);
    chart.getStyler().setPlotBorderVisible(false);
    chart.getStyler().setPlotGridVerticalLinesVisible(false);
    chart.getStyler().setYAxisMin(0.0);
    chart.getStyler().setYAxisMax(100.0);
    chart.getStyler().setAvailableSpaceFill(0.7);
    chart.getStyler().setLabelsVisible(true);
    chart.getStyler().setLabelsPosition(0.5);
    chart.getStyler().setAxisTickLabelsFont(new Font(Font.SANS_SERIF, Font.PLAIN, 12));
    chart.getStyler().setLabelsFont(new Font(Font.SANS_SERIF, Font.PLAIN, 12));
    chart.getStyler().setDecimalPattern("0.0");
    chart.getStyler().setSeriesColors(new Color[] {BAR});
    if (rows.size() > FLAT_LABELS) {
      chart.getStyler().setXAxisLabelRotation(45);
    }
    List<String> names = rows.stream().map(ExperimentResult.Row::method).toList();
    List<Double> values = rows.stream().map(row -> 100 * row.accuracy()).toList();
    if (result.settings().pairs() > 1) {
      chart.addSeries(
          "accuracy", names, values, rows.stream().map(row -> 100 * row.accuracySd()).toList());
    } else {
      chart.addSeries("accuracy", names, values);
    }
    return BitmapEncoder.getBitmapBytes(chart, BitmapEncoder.BitmapFormat.PNG);
  }
}
