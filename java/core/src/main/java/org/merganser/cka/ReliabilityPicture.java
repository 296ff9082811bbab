// SPDX-License-Identifier: Apache-2.0
package org.merganser.cka;

import static org.merganser.cka.ReliabilityText.format;

import java.util.Comparator;
import java.util.DoubleSummaryStatistics;
import java.util.List;
import org.merganser.cka.ReliabilityReport.Point;
import org.merganser.cka.ReliabilityReport.Translated;
import org.merganser.cka.ReliabilityReport.Value;

/** A report as SVG: values with intervals beside chance, translations, influences. */
final class ReliabilityPicture {
  private static final int WIDTH = 900;
  private static final int HEIGHT = 560;
  private static final int MOST_CURVES = 10;

  /** Distinguishable with colour-blind eyes too (after Wong 2011). */
  private static final String[] COLOURS = {
    "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#8c6d00", "#5b3a8c",
    "#7f7f7f", "#000000"
  };

  private final ReliabilityReport report;
  private final StringBuilder svg = new StringBuilder();

  private ReliabilityPicture(ReliabilityReport report) {
    this.report = report;
  }

  static String of(ReliabilityReport report) {
    return new ReliabilityPicture(report).drawn();
  }

  /** A rectangle and what its edges stand for. */
  private record Panel(
      double left,
      double top,
      double width,
      double height,
      double x0,
      double x1,
      double y0,
      double y1) {
    double x(double value) {
      return left + width * (value - x0) / (x1 - x0);
    }

    double y(double value) {
      return top + height * (y1 - value) / (y1 - y0);
    }
  }

  private String drawn() {
    svg.append(
        format(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\""
                + " font-family=\"sans-serif\" font-size=\"13\">\n"
                + "<rect width=\"%d\" height=\"%d\" fill=\"white\"/>\n",
            WIDTH, HEIGHT, WIDTH, HEIGHT));
    text(
        40,
        26,
        "start",
        format(
            "CKA reliability, n = %d, %s kernel, %s",
            report.setup().samples(),
            report.setup().kernel(),
            ReliabilityText.p(report.significance().p())));
    values();
    translations();
    influences();
    return svg.append("</svg>\n").toString();
  }

  private void values() {
    double low = report.debiased().map(Value::low).filter(v -> v < 0).orElse(0.0);
    double from = Math.floor(low * 5) / 5;
    Panel panel = new Panel(100, 60, 280, 150, from, 1, 0, 3);
    for (double tick = from; tick < 1.01; tick += 0.2) {
      line(panel.x(tick), panel.y(0), panel.x(tick), panel.y(3), "#ddd", "");
      text(panel.x(tick), panel.y(0) + 18, "middle", format("%.1f", tick));
    }
    double chance = panel.x(report.chance());
    line(chance, panel.y(0), chance, panel.y(3), "#d55e00", " stroke-dasharray=\"5 4\"");
    text(chance, panel.y(3) - 6, "middle", format("chance %.3f", report.chance()));
    interval(panel, 2, "biased", report.biased());
    report.debiased().ifPresent(value -> interval(panel, 1, "debiased", value));
  }

  private void interval(Panel panel, double row, String name, Value value) {
    text(panel.left() - 8, panel.y(row) + 5, "end", name);
    String wide = " stroke-width=\"3\"";
    if (!Double.isNaN(value.low())) {
      double at = panel.y(row);
      line(panel.x(value.low()), at, panel.x(value.high()), at, "#0072b2", wide);
    }
    svg.append(
        format(
            "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"6\" fill=\"#0072b2\"/>\n",
            panel.x(value.value()), panel.y(row)));
    text(panel.x(value.value()), panel.y(row) - 11, "middle", format("%.4f", value.value()));
  }

  private void translations() {
    List<Translated> curves =
        report.translations().stream()
            .filter(curve -> curve.curve().stream().anyMatch(at -> at.distance() > 0))
            .sorted(Comparator.comparingDouble(curve -> curve.half() / curve.radius()))
            .limit(MOST_CURVES)
            .toList();
    if (curves.isEmpty()) {
      return;
    }
    DoubleSummaryStatistics magnitudes = magnitudes(curves);
    double from = Math.floor(magnitudes.getMin());
    double to = Math.max(from + 1, Math.ceil(magnitudes.getMax()));
    Panel panel = new Panel(480, 60, 240, 150, from, to, 0, 1);
    for (double tick = 0; tick < 1.01; tick += 0.25) {
      line(panel.left(), panel.y(tick), panel.x(to), panel.y(tick), "#ddd", "");
      text(panel.left() - 6, panel.y(tick) + 4, "end", format("%.2f", tick));
    }
    for (double tick = from; tick <= to; tick++) {
      text(panel.x(tick), panel.y(0) + 18, "middle", format("%s", Math.pow(10, tick)));
    }
    text(
        panel.left(),
        panel.y(1) - 10,
        "start",
        "CKA with itself, a subset moved by c"
            + (curves.get(0).unit() == 1 ? "" : " sizes of the cloud"));
    for (int k = 0; k < curves.size(); k++) {
      curve(panel, curves.get(k), COLOURS[k]);
      text(panel.x(to) + 34, panel.top() + 8 + 16 * k, "start", curves.get(k).name(), COLOURS[k]);
    }
  }

  private static DoubleSummaryStatistics magnitudes(List<Translated> curves) {
    return curves.stream()
        .flatMap(curve -> curve.curve().stream())
        .mapToDouble(Translated.At::distance)
        .filter(distance -> distance > 0)
        .map(Math::log10)
        .summaryStatistics();
  }

  private void curve(Panel panel, Translated curve, String colour) {
    StringBuilder points = new StringBuilder();
    for (Translated.At at : curve.curve()) {
      if (at.distance() > 0) {
        points.append(
            format("%.1f,%.1f ", panel.x(Math.log10(at.distance())), panel.y(at.value())));
      }
    }
    svg.append(
        format(
            "<polyline points=\"%s\" fill=\"none\" stroke=\"%s\" stroke-width=\"2\"/>\n",
            points.toString().strip(), colour));
    double end = panel.left() + panel.width();
    double limit = panel.y(curve.limit());
    line(end + 6, limit, end + 26, limit, colour, " stroke-width=\"3\"");
  }

  private void influences() {
    List<Point> points = report.points();
    double most =
        points.stream()
            .mapToDouble(point -> Math.abs(point.influence()))
            .filter(Double::isFinite)
            .max()
            .orElse(0);
    double reach = Math.max(most, 1e-6);
    Panel panel = new Panel(100, 300, 760, 200, -1, points.size(), -reach, reach);
    text(panel.left(), 284, "start", "influence of each sample: CKA minus CKA without it");
    line(panel.left(), panel.y(0), panel.x(points.size()), panel.y(0), "#999", "");
    text(panel.left() - 8, panel.y(reach) + 5, "end", format("%+.3f", reach));
    text(panel.left() - 8, panel.y(-reach) + 5, "end", format("%+.3f", -reach));
    StringBuilder stems = new StringBuilder();
    StringBuilder far = new StringBuilder();
    for (int i = 0; i < points.size(); i++) {
      Point point = points.get(i);
      double influence = Double.isNaN(point.influence()) ? 0 : point.influence();
      (point.outlier() ? far : stems)
          .append(format("M%.1f %.1fV%.1f", panel.x(i), panel.y(0), panel.y(influence)));
      if (point.outlier()) {
        double beside = panel.y(influence) + (influence > 0 ? -4 : 14);
        text(panel.x(i), beside, "middle", "#" + point.index());
      }
    }
    double wide = Math.max(0.5, Math.min(6, panel.width() / (2.0 * points.size())));
    path(stems, "#0072b2", wide);
    path(far, "#d55e00", Math.max(2, wide));
    text(panel.left(), panel.y(-reach) + 30, "start", "samples in their order; outliers named");
  }

  private void path(StringBuilder stems, String colour, double width) {
    if (!stems.isEmpty()) {
      svg.append(
          format("<path d=\"%s\" stroke=\"%s\" stroke-width=\"%.1f\"/>\n", stems, colour, width));
    }
  }

  private void line(double x1, double y1, double x2, double y2, String colour, String more) {
    svg.append(
        format(
            "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\"%s/>\n",
            x1, y1, x2, y2, colour, more));
  }

  private void text(double x, double y, String anchor, String text) {
    text(x, y, anchor, text, "#222");
  }

  private void text(double x, double y, String anchor, String text, String colour) {
    String safe = text.replace("&", "&amp;").replace("<", "&lt;");
    svg.append(
        format(
            "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" fill=\"%s\">%s</text>\n",
            x, y, anchor, colour, safe));
  }
}
