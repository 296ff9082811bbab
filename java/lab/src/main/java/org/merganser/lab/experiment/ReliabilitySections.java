// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import org.merganser.cka.ReliabilityReport;
import org.merganser.cka.ReliabilityReport.Point;
import org.merganser.cka.ReliabilityReport.Translated;
import org.merganser.cka.ReliabilityReport.Value;
import org.merganser.lab.report.Chart;
import org.merganser.lab.report.Section;

/** What is said of a CKA value as parts of a page. */
public final class ReliabilitySections {
  private static final int MOST_POINTS = 10;
  private static final int MOST_LINES = 10;

  private ReliabilitySections() {}

  // Rows of results.json; what is not a number is left out of it.

  private record ValueRow(
      String estimator, double value, double low, double high, String interval) {}

  private record FactRow(String fact, double value, String meaning) {}

  private record WarningRow(String code, String finding, String remedy) {}

  private record CurveRow(
      String subset, int samples, List<Translated.At> curve, double limit, Double half) {}

  private record PointRow(
      int sample, double influence, Double debiased, double leverage, double atInfinity) {}

  private record OpinionRow(String measure, Double value, int samples, String note) {}

  private record CheckRow(String change, boolean invariant, Double by) {}

  /**
   * Sections of one pair.
   *
   * @param id before their fields in {@code results.json}
   * @param title before their titles; may be empty
   */
  public static List<Section<?>> of(String id, String title, ReliabilityReport report) {
    String name = title.isEmpty() ? "" : title + ": ";
    List<Section<?>> sections = new ArrayList<>();
    sections.add(values(id, name, report));
    sections.add(warnings(id, name, report));
    sections.add(facts(id, name, report));
    sections.add(translations(id, name, report));
    sections.add(points(id, name, report));
    sections.add(opinions(id, name, report));
    sections.add(checks(id, name, report));
    return sections;
  }

  private static Section<?> values(String id, String name, ReliabilityReport report) {
    List<ValueRow> rows = new ArrayList<>();
    rows.add(row("biased", report.biased()));
    report.debiased().ifPresent(value -> rows.add(row("debiased", value)));
    ReliabilityReport.Setup setup = report.setup();
    String about =
        Section.format(
            "%d samples%s%s, X of %d features and Y of %d, %s kernel. p = %.4f (%d of %d orders of"
                + " the samples give as much).",
            setup.samples(),
            setup.positions() == 1 ? "" : " of " + setup.positions() + " rows",
            setup.given() > setup.samples() ? " drawn from " + setup.given() : "",
            setup.x().features(),
            setup.y().features(),
            setup.kernel(),
            report.significance().p(),
            report.significance().atLeast(),
            report.significance().orders());
    return new Section<>(id + "-values", name + "CKA and its intervals", about, rows)
        .text("estimator", 10, ValueRow::estimator)
        .number("CKA", 8, "%.4f", ValueRow::value)
        .number("low", 8, "%.3f", ValueRow::low)
        .number("high", 8, "%.3f", ValueRow::high)
        .text("interval", 0, ValueRow::interval);
  }

  private static ValueRow row(String estimator, Value value) {
    String interval = Section.format("%.0f%% %s", 100 * value.level(), value.interval());
    return new ValueRow(estimator, value.value(), value.low(), value.high(), interval);
  }

  private static Section<?> warnings(String id, String name, ReliabilityReport report) {
    List<WarningRow> rows =
        report.warnings().stream()
            .map(warning -> new WarningRow(warning.code(), warning.sentence(), warning.remedy()))
            .toList();
    String about = rows.isEmpty() ? "Nothing speaks against the value." : "";
    return new Section<>(id + "-warnings", name + "What makes the value doubtful", about, rows)
        .text("code", 14, WarningRow::code)
        .text("finding", 20, WarningRow::finding)
        .text("what to do", 0, WarningRow::remedy);
  }

  private static Section<?> facts(String id, String name, ReliabilityReport report) {
    ReliabilityReport.Setup setup = report.setup();
    List<FactRow> rows =
        List.of(
            new FactRow("chance level", report.chance(), "mean over all orders of the samples"),
            new FactRow("adjusted", report.adjusted(), "0 at the chance level, 1 for equal"),
            new FactRow("p", report.significance().p(), "orders that give as much"),
            new FactRow("dimension of X", setup.x().dimension(), "participation ratio"),
            new FactRow("dimension of Y", setup.y().dimension(), "participation ratio"),
            new FactRow("first direction of X", setup.x().topShare(), "share of the variance"),
            new FactRow("first direction of Y", setup.y().topShare(), "share of the variance"));
    return new Section<>(id + "-facts", name + "Beside chance", "", rows)
        .text("number", 20, FactRow::fact)
        .number("value", 8, "%.4f", FactRow::value)
        .text("what it is", 0, FactRow::meaning);
  }

  private static Section<?> translations(String id, String name, ReliabilityReport report) {
    List<CurveRow> rows =
        report.translations().stream()
            .map(
                curve ->
                    new CurveRow(
                        curve.name(),
                        curve.samples(),
                        curve.curve(),
                        curve.limit(),
                        number(curve.half())))
            .toList();
    boolean sizes = report.translations().stream().anyMatch(curve -> curve.unit() != 1);
    String about =
        "CKA of X with itself when a subset is moved"
            + (sizes ? ", in sizes of the cloud of samples" : "")
            + (report.translations().stream().anyMatch(Translated::unseen)
                ? ", where the readout does not see it."
                : ".");
    Section<CurveRow> section =
        new Section<>(id + "-translations", name + "Moving a part of the samples", about, rows)
            .text("subset", 16, CurveRow::subset)
            .number("samples", 8, row -> String.valueOf(row.samples()))
            .number("halfway at", 10, row -> row.half() == null ? "never" : text(row.half()))
            .number("limit", 8, "%.4f", CurveRow::limit);
    Chart.Lines lines =
        new Chart.Lines(
            id + "-translations",
            "CKA of X with itself by the distance that a subset is moved",
            "CKA with itself",
            "log10 of the distance",
            "CKA");
    report.translations().stream()
        .sorted(Comparator.comparingDouble(curve -> curve.half() / curve.radius()))
        .limit(MOST_LINES)
        .forEach(curve -> line(lines, curve));
    return lines.size() == 0 ? section : section.chart(lines.limits(0, 1.0));
  }

  private static void line(Chart.Lines lines, Translated curve) {
    List<Translated.At> shown = curve.curve().stream().filter(at -> at.distance() > 0).toList();
    if (!shown.isEmpty()) {
      lines.line(
          curve.name(),
          lines.size(),
          shown.stream().map(at -> Math.log10(at.distance())).toList(),
          shown.stream().map(Translated.At::value).toList());
    }
  }

  private static Section<?> points(String id, String name, ReliabilityReport report) {
    List<PointRow> rows =
        report.points().stream()
            .sorted(Comparator.comparingDouble(point -> -Math.abs(point.influence())))
            .limit(MOST_POINTS)
            .map(
                point ->
                    new PointRow(
                        point.index(),
                        point.influence(),
                        number(point.debiasedInfluence()),
                        point.leverage(),
                        point.atInfinity()))
            .toList();
    long flagged = report.points().stream().filter(Point::outlier).count();
    String about =
        "CKA minus CKA without the sample, for those that move it most; "
            + (flagged == 0 ? "none is an outlier." : flagged + " are outliers.");
    return new Section<>(id + "-influences", name + "Samples that decide", about, rows)
        .number("sample", 8, row -> String.valueOf(row.sample()))
        .number("influence", 10, "%+.4f", PointRow::influence)
        .number("debiased", 10, row -> row.debiased() == null ? "" : text(row.debiased()))
        .number("leverage", 10, "%.4f", PointRow::leverage)
        .number("moved to infinity", 0, "%.4f", PointRow::atInfinity);
  }

  private static Section<?> opinions(String id, String name, ReliabilityReport report) {
    List<OpinionRow> rows =
        report.opinions().stream()
            .map(
                each ->
                    new OpinionRow(each.name(), number(each.value()), each.samples(), each.note()))
            .toList();
    return new Section<>(id + "-opinions", name + "Other measures", "", rows)
        .text("measure", 12, OpinionRow::measure)
        .number("value", 8, row -> row.value() == null ? "-" : text(row.value()))
        .number("samples", 0, row -> String.valueOf(row.samples()))
        .text("note", 0, OpinionRow::note);
  }

  private static Section<?> checks(String id, String name, ReliabilityReport report) {
    List<CheckRow> rows =
        report.checks().stream()
            .map(check -> new CheckRow(check.name(), check.invariant(), number(check.change())))
            .toList();
    return new Section<>(id + "-checks", name + "What changes of X do to the value", "", rows)
        .text("change", 0, CheckRow::change)
        .text("", 0, row -> row.invariant() ? "must do nothing" : "may change it")
        .number("by", 0, row -> row.by() == null ? "-" : Section.format("%.2g", row.by()));
  }

  private static Double number(double value) {
    return Double.isFinite(value) ? value : null;
  }

  private static String text(double value) {
    return String.format(Locale.ROOT, "%.4f", value);
  }
}
