// SPDX-License-Identifier: Apache-2.0
package org.merganser.cka;

import static org.merganser.cka.ReliabilityText.format;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import org.merganser.cka.ReliabilityReport.Opinion;
import org.merganser.cka.ReliabilityReport.Point;
import org.merganser.cka.ReliabilityReport.SideSetup;
import org.merganser.cka.ReliabilityReport.Translated;
import org.merganser.cka.ReliabilityReport.Warning;
import org.merganser.similarity.CanonicalCorrelation;

/** What makes a value doubtful, with its numbers and what to do. */
final class ReliabilityWarnings {
  private static final double LARGE_GAP = 0.1;
  private static final double INSIGNIFICANT = 0.05;
  private static final double FEW_DIMENSIONS = 3;
  private static final double ONE_DIRECTION = 0.5;
  private static final double SATURATED = 0.5;
  private static final int NAMED = 3;

  private final ReliabilityReport report;
  private final List<Warning> warnings = new ArrayList<>();

  private ReliabilityWarnings(ReliabilityReport report) {
    this.report = report;
  }

  /** The report with its warnings. */
  static ReliabilityReport added(ReliabilityReport report) {
    ReliabilityWarnings found = new ReliabilityWarnings(report);
    found.smallSample();
    found.atChance();
    found.outliers();
    found.decisive();
    found.lowDimension();
    found.fragile();
    found.saturated();
    return new ReliabilityReport(
        report.setup(),
        report.biased(),
        report.debiased(),
        report.chance(),
        report.adjusted(),
        report.significance(),
        report.points(),
        report.removals(),
        report.translations(),
        report.checks(),
        report.opinions(),
        found.warnings);
  }

  private void smallSample() {
    if (report.setup().positions() > 1) {
      smallSampleOfBlocks();
      return;
    }
    if (report.debiased().isEmpty()) {
      return;
    }
    double gap = report.biased().value() - report.debiased().get().value();
    if (gap > LARGE_GAP) {
      add(
          "SMALL_SAMPLE",
          format("biased - debiased = %.3f > %.1f", gap, LARGE_GAP),
          Map.of("gap", gap),
          "use the debiased value or more samples");
    }
  }

  /**
   * Rows of one sample are alike on both sides; the debiased value pairs them too, and stays as
   * high as the biased one. The chance level has them together.
   */
  private void smallSampleOfBlocks() {
    double gap = report.biased().value() - report.adjusted();
    if (gap > LARGE_GAP) {
      add(
          "SMALL_SAMPLE",
          format(
              "biased - adjusted = %.3f > %.1f: chance level %.3f of %d samples of %d rows",
              gap,
              LARGE_GAP,
              report.chance(),
              report.setup().samples(),
              report.setup().positions()),
          Map.of("gap", gap, "chance", report.chance()),
          "take more samples, or pool the rows of each; the debiased value pairs rows of one sample"
              + " and does not help");
    }
  }

  private void atChance() {
    double p = report.significance().p();
    if (p > INSIGNIFICANT) {
      add(
          "AT_CHANCE",
          format("p = %.4f > %.2f", p, INSIGNIFICANT),
          Map.of("p", p),
          "samples in another order give as much; do not take the value for similarity");
    }
  }

  private void outliers() {
    List<Point> flagged =
        report.points().stream()
            .filter(point -> point.outlier() && !Double.isNaN(point.influence()))
            .sorted(Comparator.comparingDouble(point -> -Math.abs(point.influence())))
            .toList();
    if (!flagged.isEmpty()) {
      String named =
          flagged.stream()
              .limit(NAMED)
              .map(point -> format("#%d %+.4f", point.index(), point.influence()))
              .collect(Collectors.joining(", "));
      add(
          "OUTLIERS",
          format(
              "%d of %d samples move the value far more than the others (%s%s)",
              flagged.size(), report.points().size(), named, flagged.size() > NAMED ? ", ..." : ""),
          Map.of("count", (double) flagged.size(), "largest", flagged.get(0).influence()),
          "look at them, and at the value without them");
    }
  }

  /** Without one of these nothing is left to compare. */
  private void decisive() {
    boolean debiased = report.debiased().isPresent();
    List<Point> found =
        report.points().stream()
            .filter(
                point ->
                    Double.isNaN(point.influence())
                        || debiased && Double.isNaN(point.debiasedInfluence()))
            .toList();
    if (!found.isEmpty()) {
      String named =
          found.stream()
              .limit(NAMED)
              .map(point -> "#" + point.index())
              .collect(Collectors.joining(", "));
      boolean biased = found.stream().anyMatch(point -> Double.isNaN(point.influence()));
      add(
          "ONE_SAMPLE",
          format(
              "without %s%s nothing varies on one side, and %sCKA is not defined",
              found.size() == 1 ? named : "one of " + named,
              found.size() > NAMED ? ", ..." : "",
              biased ? "" : "debiased "),
          Map.of("count", (double) found.size()),
          "leave it out, or give more samples");
    }
  }

  private void lowDimension() {
    if (!lowDimension("X", report.setup().x())) {
      lowDimension("Y", report.setup().y());
    }
  }

  /** One side is enough to doubt the value; the head of the report has the numbers of both. */
  private boolean lowDimension(String name, SideSetup side) {
    boolean few = side.dimension() < FEW_DIMENSIONS;
    if (few || side.topShare() > ONE_DIRECTION) {
      add(
          "LOW_DIMENSION",
          few
              ? format("dPR(%s) = %.2f < %.0f", name, side.dimension(), FEW_DIMENSIONS)
              : format(
                  "one direction has %.1f%% of the variance of %s", 100 * side.topShare(), name),
          Map.of("dimension", side.dimension(), "share", side.topShare()),
          "a few directions decide the value");
      return true;
    }
    return false;
  }

  private void fragile() {
    Optional<Translated> first =
        report.translations().stream()
            .filter(Translated::fragile)
            .min(Comparator.comparingDouble(curve -> curve.half() / curve.radius()));
    if (first.isPresent()) {
      Translated curve = first.get();
      long count = report.translations().stream().filter(Translated::fragile).count();
      add(
          "FRAGILE",
          format(
              "%s: halfway to its limit at %.2f of the size of the cloud%s",
              curve.name(),
              curve.half() / curve.radius(),
              count > 1 ? ", and " + (count - 1) + " more" : ""),
          Map.of("half", curve.half(), "radius", curve.radius(), "count", (double) count),
          "a small shift of these samples takes the value halfway to its limit; do not take a low"
              + " one for another function");
    }
  }

  private void saturated() {
    if (!report.setup().kernel().equals(CkaKernel.LINEAR.toString())
        && report.chance() > SATURATED) {
      add(
          "RBF_SATURATED",
          format("chance level = %.3f > %.1f", report.chance(), SATURATED),
          Map.of("chance", report.chance()),
          "the kernel sees each sample alone; take a larger t, or the linear kernel");
    }
    report.opinions().stream()
        .filter(opinion -> opinion.id().equals(CanonicalCorrelation.mean().id()))
        .filter(opinion -> forced(opinion) > 0)
        .forEach(
            opinion ->
                add(
                    "CCA_SATURATED",
                    format(
                        "%.0f correlations are 1 whatever %d samples are",
                        forced(opinion), opinion.samples()),
                    Map.of("forced", forced(opinion)),
                    "CCA is not informative; it needs more samples than both ranks together"));
  }

  private static double forced(Opinion opinion) {
    return opinion.details().getOrDefault("forced", 0.0);
  }

  private void add(String code, String sentence, Map<String, Double> numbers, String remedy) {
    warnings.add(new Warning(code, sentence, numbers, remedy));
  }
}
