// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.util.List;
import java.util.stream.IntStream;
import org.merganser.lab.report.Chart;
import org.merganser.lab.report.Json;
import org.merganser.lab.report.Section;

/** What {@link CkaMapExperiment} shows. */
final class CkaMapCharts {
  private CkaMapCharts() {}

  /**
   * What became of one target.
   *
   * @param errorBefore mean absolute difference of map and target
   * @param far CKA of first and last layer afterwards
   * @param agreement part of the test samples that teacher and moved model say the same class of
   * @param dead layers of batches that were left out
   */
  record Moved(
      String target,
      Measured errorBefore,
      Measured errorAfter,
      Measured farBefore,
      Measured far,
      Measured agreement,
      Measured alpha,
      Measured dead) {
    static Moved of(String target, List<Findings> pairs) {
      return new Moved(
          target,
          of(pairs, target, "errorBefore"),
          of(pairs, target, "errorAfter"),
          of(pairs, target, "farBefore"),
          of(pairs, target, "farAfter"),
          of(pairs, target, "agreement"),
          of(pairs, target, "alpha"),
          of(pairs, target, "dead"));
    }

    private static Measured of(List<Findings> pairs, String target, String name) {
      return Measured.of(pairs, "targets", target, name);
    }
  }

  static Section<Moved> moved(List<Moved> rows, Findings first) {
    Section<Moved> section =
        new Section<>(
                "maps",
                "Maps",
                "Mean absolute difference between map and target on test samples (minibatch"
                    + " debiased CKA in eval mode), agreement with the teacher on all test samples."
                    + " Pictures are of the first group.",
                rows)
            .text("target", 10, Moved::target)
            .number("error before", 1, row -> row.errorBefore().text("%.3f"))
            .number("after", 1, row -> row.errorAfter().text("%.3f"))
            .number("first-last before", 1, row -> row.farBefore().text("%.2f"))
            .number("after ", 1, row -> row.far().text("%.2f"))
            .number("agreement", 1, row -> percent(row.agreement()))
            .number("alpha", 1, row -> row.alpha().text("%.0f"))
            .number("dead", 1, row -> row.dead().text("%.1f"));
    section.chart(map("map-before", "The map before", first.data().get("before")));
    for (Moved row : rows) {
      String id = row.target();
      section.chart(map("map-" + id, "Moved to " + id, first.map("targets", id).get("after")));
    }
    return section;
  }

  private static String percent(Measured part) {
    return Measured.of(Chart.percent(part.pairs())).text("%.1f");
  }

  private static Chart map(String file, String title, Object values) {
    double[][] map = Json.convert(values, double[][].class);
    List<String> layers = IntStream.rangeClosed(1, map.length).mapToObj(l -> "" + l).toList();
    return Chart.heatMap(file, title, title, layers, layers, map);
  }
}
