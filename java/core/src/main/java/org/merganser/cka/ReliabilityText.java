// SPDX-License-Identifier: Apache-2.0
package org.merganser.cka;

import java.math.BigDecimal;
import java.math.MathContext;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;
import org.merganser.cka.ReliabilityReport.Opinion;
import org.merganser.cka.ReliabilityReport.Point;
import org.merganser.cka.ReliabilityReport.Setup;
import org.merganser.cka.ReliabilityReport.Translated;
import org.merganser.cka.ReliabilityReport.Value;

/** A report in lines. */
final class ReliabilityText {
  /** Points, and curves, that are shown. */
  private static final int SHOWN_POINTS = 3;

  private static final int SHOWN_CURVES = 10;

  /** Where the second half of a line begins. */
  private static final int HALF = 56;

  private ReliabilityText() {}

  static String of(ReliabilityReport report) {
    StringBuilder text = new StringBuilder(head(report.setup()));
    text.append(
        half(line("biased", value(report.biased(), true)))
            + format("chance level %.4f   adjusted %.4f%n", report.chance(), report.adjusted()));
    String second =
        report.debiased().map(v -> line("debiased", value(v, false))).orElse(line("order", ""));
    text.append(half(second) + significance(report) + "\n");
    text.append(half(line("influence", influences(report.points()))) + outliers(report) + "\n");
    List<Translated> curves = curves(report);
    curves.forEach(curve -> text.append(line("translate", curve(curve)) + "\n"));
    if (curves.size() < report.translations().size()) {
      int more = report.translations().size() - curves.size();
      text.append(line("", "... and " + more + " that fall later") + "\n");
    }
    if (!report.opinions().isEmpty()) {
      text.append(line("others", opinions(report.opinions())) + "\n");
    }
    report.checks().stream()
        .filter(check -> !check.holds() && !check.undefined())
        .forEach(
            check ->
                text.append(
                    line("check", check.name() + format(" changes it by %.2g", check.change()))
                        + "\n"));
    report
        .warnings()
        .forEach(
            w ->
                text.append(
                    format("  WARNING %-13s %s: %s%n", w.code(), w.sentence(), w.remedy())));
    return text.toString().replace(System.lineSeparator(), "\n");
  }

  private static String head(Setup setup) {
    return format(
        "CKA reliability   n=%d%s%s  X %dx%d (dPR %.2f)  Y %dx%d (dPR %.2f)   %s kernel%n",
        setup.samples(),
        setup.positions() == 1 ? "" : " samples of " + setup.positions() + " rows",
        setup.given() > setup.samples()
            ? " (drawn from " + setup.given() + ", seed " + setup.seed() + ")"
            : "",
        setup.rows(),
        setup.x().features(),
        setup.x().dimension(),
        setup.rows(),
        setup.y().features(),
        setup.y().dimension(),
        setup.kernel());
  }

  private static String line(String name, String text) {
    return String.format("  %-12s", name) + text;
  }

  private static String half(String line) {
    return line.length() < HALF ? line + " ".repeat(HALF - line.length()) : line + "   ";
  }

  /** How an interval was found stands beside the first one. */
  private static String value(Value value, boolean named) {
    String level = decimal(100 * value.level()) + "%";
    String interval =
        Double.isNaN(value.low())
            ? "not defined"
            : format("[%.3f, %.3f]", value.low(), value.high());
    return format("%.4f   %s ", value.value(), level)
        + interval
        + (named ? " " + value.interval() : "");
  }

  private static String significance(ReliabilityReport report) {
    var found = report.significance();
    return format(
        "%s (%s)",
        p(found.p()),
        found.exact()
            ? "exact, " + found.atLeast() + "/" + found.orders()
            : found.orders() - 1 + " permutations");
  }

  /** Digits where there are some. */
  static String p(double value) {
    return value < 1e-4 ? format("p = %.1e", value) : format("p = %.4f", value);
  }

  /** Without zeros at the end. */
  private static String decimal(double value) {
    return new BigDecimal(value).round(new MathContext(6)).stripTrailingZeros().toPlainString();
  }

  private static String influences(List<Point> points) {
    return points.stream()
        .filter(point -> !Double.isNaN(point.influence()))
        .sorted(Comparator.comparingDouble(point -> -Math.abs(point.influence())))
        .limit(SHOWN_POINTS)
        .map(point -> format("#%d %+.4f", point.index(), point.influence()))
        .collect(Collectors.joining("   "));
  }

  private static String outliers(ReliabilityReport report) {
    long flagged = report.points().stream().filter(Point::outlier).count();
    return flagged == 0
        ? "no outlier flagged"
        : flagged + (flagged == 1 ? " outlier flagged" : " outliers flagged");
  }

  /** Those that fall first, in their order. */
  private static List<Translated> curves(ReliabilityReport report) {
    List<Translated> shown =
        report.translations().stream()
            .sorted(Comparator.comparingDouble(curve -> curve.half() / curve.radius()))
            .limit(SHOWN_CURVES)
            .toList();
    return report.translations().stream().filter(shown::contains).toList();
  }

  private static String curve(Translated curve) {
    String unit = curve.unit() == 1 ? "" : "r";
    return curve.name()
        + ": "
        + curve.curve().stream()
            .filter(at -> curve.unit() == 1 || isPowerOfTen(at.distance()))
            .map(at -> format("%.4f (c=%s%s)", at.value(), decimal(at.distance()), unit))
            .collect(Collectors.joining(" "))
        + format(" -> %.4f", curve.limit());
  }

  /** Of the distances in sizes of the cloud, which nobody asked for, some are enough. */
  private static boolean isPowerOfTen(double distance) {
    if (distance < 1) {
      return false;
    }
    double power = Math.log10(distance);
    return Math.abs(power - Math.rint(power)) < 1e-9;
  }

  private static String opinions(List<Opinion> opinions) {
    return opinions.stream()
        .map(
            each ->
                each.name()
                    + (Double.isNaN(each.value()) ? " -" : format(" %.3f", each.value()))
                    + (each.note().isEmpty() ? "" : " (" + each.note() + ")"))
        .collect(Collectors.joining("  "));
  }

  static String format(String format, Object... values) {
    return String.format(Locale.ROOT, format, values);
  }
}
