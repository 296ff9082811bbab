// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.merganser.lab.report.Chart;
import org.merganser.lab.report.Section;

/** What the experiment of CCA Merge shows: lines between models, and correlations of features. */
final class CcaMergeCharts {
  static final String PATHS = "paths";

  /** Colours of lines that are no method's. */
  private static final int BLACK = -1;

  private static final int GREY = -2;

  private CcaMergeCharts() {}

  /** A line between two models, evaluated at some points. */
  record Path(
      String method,
      List<Double> lambdas,
      List<Double> accuracies,
      List<Double> losses,
      double accuracyBarrier,
      double lossBarrier) {
    static Path mean(List<Path> of) {
      return new Path(
          of.get(0).method,
          of.get(0).lambdas,
          Summary.means(of.stream().map(Path::accuracies).toList()),
          Summary.means(of.stream().map(Path::losses).toList()),
          Summary.mean(of.stream().map(Path::accuracyBarrier).toList()),
          Summary.mean(of.stream().map(Path::lossBarrier).toList()));
    }
  }

  /** Means over pairs. */
  static Section<Path> paths(List<Findings> pairs) {
    List<Path> rows =
        pairs.get(0).map(PATHS).keySet().stream()
            .map(aligner -> Path.mean(Findings.all(pairs, Path.class, PATHS, aligner)))
            .toList();
    Chart.Lines accuracy = path("accuracy", "test accuracy (%)").limits(0.0, 100.0);
    Chart.Lines loss = path("loss", "test loss (nats)").limits(0.0, null);
    for (Path row : rows) {
      accuracy.line(row.method, accuracy.size(), row.lambdas, Chart.percent(row.accuracies));
      loss.line(row.method, loss.size(), row.lambdas, row.losses);
    }
    String about =
        "Models (1-\u03bb) \u03b8\u2080 + \u03bb \u03b8\u2081, model 1 aligned to model 0. Maps that do not"
            + " keep the function have two half-lines: up to \u03bb = 0.5 in the features of model 0,"
            + " beyond in those of"
            + " model 1. The barrier is how far the curve gets on the bad side of the straight line"
            + " between its ends (mean of the barriers of the pairs).";
    return new Section<>(PATHS, "Between the models", about, rows)
        .text("method", 0, Path::method)
        .number("accuracy barrier", 0, "%.2f points", row -> 100 * row.accuracyBarrier)
        .number("loss barrier", 0, "%.3f", Path::lossBarrier)
        .chart(accuracy)
        .chart(loss);
  }

  private static Chart.Lines path(String what, String y) {
    return new Chart.Lines(
        "path-" + what,
        "Test " + what + " of models on the line between model 0 and the aligned model 1",
        what.substring(0, 1).toUpperCase(Locale.ROOT) + what.substring(1) + " between the models",
        "lambda",
        y);
  }

  /** Correlations of features in one space, each list sorted; canonical ones may be missing. */
  record Spectrum(
      String space,
      List<Double> canonical,
      List<Double> regularised,
      Map<String, List<Double>> matched) {
    static Spectrum mean(List<Spectrum> of) {
      Map<String, List<Double>> matched = new LinkedHashMap<>(of.get(0).matched);
      matched.replaceAll(
          (a, own) -> Summary.means(of.stream().map(s -> s.matched.get(a)).toList()));
      return new Spectrum(
          of.get(0).space,
          Summary.means(of.stream().map(Spectrum::canonical).toList()),
          Summary.means(of.stream().map(Spectrum::regularised).toList()),
          matched);
    }
  }

  /** Means over models and pairs, rank by rank. */
  static Section<Spectrum> spectra(List<Findings> pairs) {
    List<Spectrum> rows =
        pairs.get(0).map(Spectra.SPECTRA).keySet().stream()
            .map(id -> Spectrum.mean(Findings.all(pairs, Spectrum.class, Spectra.SPECTRA, id)))
            .toList();
    String about =
        "Correlation of each feature of the reference with its aligned counterpart, sorted; means"
            + " over models and pairs, rank by rank. Dashed: canonical correlations, of directions"
            + " that are uncorrelated with each other, without regulariser and with gamma; no linear"
            + " map gives a feature more than the first of them.";
    Section<Spectrum> section =
        new Section<>(Spectra.SPECTRA, "How well features correspond", about, rows);
    rows.forEach(row -> section.chart(spectrum(row)));
    return section;
  }

  private static Chart spectrum(Spectrum row) {
    List<Double> ranks = Chart.places(1, row.regularised.size());
    Chart.Lines chart =
        new Chart.Lines(
            "spectrum-" + row.space,
            "Sorted correlations of features in space " + row.space,
            "Space " + row.space,
            "rank",
            "correlation");
    double least = 0;
    for (Map.Entry<String, List<Double>> method : row.matched.entrySet()) {
      chart.line(method.getKey(), chart.size(), ranks, method.getValue());
      least = Math.min(least, method.getValue().get(ranks.size() - 1));
    }
    if (!row.canonical.isEmpty()) {
      chart.line("canonical", BLACK, ranks, row.canonical);
    }
    return chart
        .line("canonical, gamma", GREY, ranks, row.regularised)
        .limits(least < -0.05 ? Math.floor(10 * least) / 10 : 0.0, 1.0);
  }
}
