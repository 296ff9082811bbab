// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.merganser.lab.report.Chart;
import org.merganser.lab.report.Section;
import org.merganser.lab.report.Section.Column;

/** What the experiment of CCA Merge shows: lines between models, and correlations of features. */
final class CcaMergeCharts {
  private static final String METHOD = "method";

  /** Colours of lines that are no method's. */
  private static final int BLACK = -1;

  private static final int GREY = -2;

  private CcaMergeCharts() {}

  /** Means over pairs. */
  static Section paths(List<Findings> pairs) {
    Chart accuracy = path("accuracy", "accuracy", "test accuracy (%)").limits(0, 100.0);
    Chart loss = path("loss", "loss", "test loss (nats)").limits(0, null);
    List<Map<String, Object>> rows = new ArrayList<>();
    for (String aligner : pairs.get(0).map("paths").keySet()) {
      List<Map<String, Object>> found =
          pairs.stream().map(pair -> pair.map("paths", aligner)).toList();
      List<Double> lambdas = Findings.list(found.get(0), "lambdas");
      List<Double> accuracies = means(found, "accuracies");
      List<Double> losses = means(found, "losses");
      Map<String, Object> row =
          Section.row(
              METHOD, aligner, "lambdas", lambdas, "accuracies", accuracies, "losses", losses);
      for (String barrier : List.of("accuracyBarrier", "lossBarrier")) {
        row.put(
            barrier, Summary.mean(found.stream().map(pair -> (double) pair.get(barrier)).toList()));
      }
      accuracy.line(aligner, rows.size(), lambdas, Chart.percent(accuracies));
      loss.line(aligner, rows.size(), lambdas, losses);
      rows.add(row);
    }
    String text =
        "Models (1-\u03bb) \u03b8\u2080 + \u03bb \u03b8\u2081, model 1 aligned to model 0. Maps that do not"
            + " keep the function have two half-lines: up to \u03bb = 0.5 in the features of model 0,"
            + " beyond in those of"
            + " model 1. The barrier is how far the curve gets on the bad side of the straight line"
            + " between its ends (mean of the barriers of the pairs).";
    return new Section(
            "paths", "Between the models", text, rows, List.of(), List.of(accuracy, loss))
        .with(
            Column.text(METHOD, 0, row -> row.get(METHOD).toString()),
            Column.number(
                "accuracy barrier",
                0,
                row ->
                    ResultReport.format("%.2f points", 100 * (double) row.get("accuracyBarrier"))),
            Column.number(
                "loss barrier",
                0,
                row -> ResultReport.format("%.3f", (double) row.get("lossBarrier"))));
  }

  private static Chart path(String file, String what, String y) {
    return new Chart(
        "path-" + file,
        "Test " + what + " of models on the line between model 0 and the aligned model 1",
        what.substring(0, 1).toUpperCase(java.util.Locale.ROOT)
            + what.substring(1)
            + " between the models",
        "lambda",
        y);
  }

  private static List<Double> means(List<Map<String, Object>> pairs, String name) {
    return Summary.means(pairs.stream().map(p -> Findings.<Double>list(p, name)).toList());
  }

  /** Means over models and pairs, rank by rank. */
  static Section spectra(List<Findings> pairs) {
    List<Map<String, Object>> rows = new ArrayList<>();
    List<Chart> charts = new ArrayList<>();
    for (String space : pairs.get(0).map(Spectra.SPECTRA).keySet()) {
      List<Map<String, Object>> kinds =
          pairs.stream().map(pair -> pair.map(Spectra.SPECTRA, space)).toList();
      List<Map<String, Object>> found =
          pairs.stream().map(pair -> pair.map(Spectra.SPECTRA, space, Spectra.MATCHED)).toList();
      Map<String, List<Double>> matched = new LinkedHashMap<>();
      found.get(0).keySet().forEach(a -> matched.put(a, Spectra.mean(found, a)));
      Map<String, Object> row =
          Section.row(
              "space",
              space,
              Spectra.CANONICAL,
              Spectra.mean(kinds, Spectra.CANONICAL),
              Spectra.REGULARISED,
              Spectra.mean(kinds, Spectra.REGULARISED),
              Spectra.MATCHED,
              matched);
      rows.add(row);
      charts.add(spectrum(space, row, matched));
    }
    String text =
        "Correlation of each feature of the reference with its aligned counterpart, sorted; means"
            + " over models and pairs, rank by rank. Dashed: canonical correlations, of directions"
            + " that are uncorrelated with each other, without regulariser and with gamma; no linear"
            + " map gives a feature more than the first of them.";
    return new Section(
        Spectra.SPECTRA, "How well features correspond", text, rows, List.of(), charts);
  }

  private static Chart spectrum(
      String space, Map<String, Object> row, Map<String, List<Double>> matched) {
    List<Double> regularised = Findings.list(row, Spectra.REGULARISED);
    List<Double> canonical = Findings.list(row, Spectra.CANONICAL);
    List<Double> ranks = Chart.places(1, regularised.size());
    Chart chart =
        new Chart(
            "spectrum-" + space,
            "Sorted correlations of features in space " + space,
            "Space " + space,
            "rank",
            "correlation");
    double least = 0;
    for (Map.Entry<String, List<Double>> method : matched.entrySet()) {
      chart.line(method.getKey(), chart.lines(), ranks, method.getValue());
      least = Math.min(least, method.getValue().get(ranks.size() - 1));
    }
    if (!canonical.isEmpty()) {
      chart.line("canonical", BLACK, ranks, canonical);
    }
    return chart
        .line("canonical, gamma", GREY, ranks, regularised)
        .limits(least < -0.05 ? Math.floor(10 * least) / 10 : 0, 1.0);
  }
}
