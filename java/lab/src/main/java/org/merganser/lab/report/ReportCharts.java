// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.report;

import java.awt.Color;
import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.merganser.lab.experiment.CcaMergeResult;

/** The pictures of the experiment of CCA Merge, by file name. */
final class ReportCharts {
  private static final Color CANONICAL = Color.BLACK;
  private static final Color REGULARISED = new Color(0x999999);

  private ReportCharts() {}

  /** Accuracy and loss on the lines between models; none when no lines were followed. */
  static Map<String, Picture> paths(CcaMergeResult result) throws IOException {
    Map<String, Picture> pictures = new LinkedHashMap<>();
    if (result.paths().isEmpty()) {
      return pictures;
    }
    LineChart accuracy =
        new LineChart("Accuracy between the models", "lambda", "test accuracy (%)");
    LineChart loss = new LineChart("Loss between the models", "lambda", "test loss (nats)").from(0);
    for (int m = 0; m < result.paths().size(); m++) {
      CcaMergeResult.Path path = result.paths().get(m);
      List<Double> percent = path.accuracies().stream().map(a -> 100 * a).toList();
      accuracy.line(path.method(), m, path.lambdas(), percent);
      loss.line(path.method(), m, path.lambdas(), path.losses());
    }
    pictures.put(
        "path-accuracy.png",
        new Picture(
            accuracy.limits(0, 100).png(),
            "Test accuracy of models on the line between model 0 and the aligned model 1"));
    pictures.put(
        "path-loss.png",
        new Picture(
            loss.png(), "Test loss of models on the line between model 0 and the aligned model 1"));
    return pictures;
  }

  /** One picture for each space. */
  static Map<String, Picture> spectra(CcaMergeResult result) throws IOException {
    Map<String, Picture> pictures = new LinkedHashMap<>();
    for (Map.Entry<String, CcaMergeResult.Spectra> item : result.spectra().entrySet()) {
      CcaMergeResult.Spectra spectra = item.getValue();
      List<Double> ranks = LineChart.ranks(spectra.regularised().size());
      LineChart chart = new LineChart("Space " + item.getKey(), "rank", "correlation");
      int m = 0;
      double least = 0;
      for (Map.Entry<String, List<Double>> method : spectra.matched().entrySet()) {
        chart.line(method.getKey(), m++, ranks, method.getValue());
        least = Math.min(least, method.getValue().get(ranks.size() - 1));
      }
      if (!spectra.canonical().isEmpty()) {
        chart.dashed("canonical", CANONICAL, ranks, spectra.canonical());
      }
      chart.dashed("canonical, gamma", REGULARISED, ranks, spectra.regularised());
      pictures.put(
          Picture.fileName("spectrum-", item.getKey(), pictures.keySet()),
          new Picture(
              chart.limits(least < -0.05 ? Math.floor(10 * least) / 10 : 0, 1).png(),
              "Sorted correlations of features in space " + item.getKey()));
    }
    return pictures;
  }
}
