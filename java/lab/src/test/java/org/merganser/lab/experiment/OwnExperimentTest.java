// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.merganser.compute.Workspace;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.lab.report.Section;
import org.merganser.merge.LinearMerger;
import org.merganser.merge.MergeProblem;
import org.merganser.method.Setting;
import org.merganser.method.Settings;
import org.merganser.model.Architecture;

/** An experiment is its settings, its rows and its sections. */
class OwnExperimentTest {
  /** Models averaged with several weights. */
  private static final class Weights extends NetworkExperiment {
    /** Settings. */
    public record Options(
        ExperimentOptions common,
        @Setting(value = "weights of the first model", min = 0, max = 1) List<Double> weights) {}

    private final Options options;

    Weights(Options options) {
      super("weights", options, options.common());
      this.options = options;
    }

    @Override
    String title() {
      return "Weights";
    }

    @Override
    void run(Pair pair) throws IOException {
      for (double weight : options.weights()) {
        String id = "weight-" + weight;
        pair.take(new Row(id, "weighted", List.of(new Row.Way("", () -> mean(pair, weight)))))
            .close();
        pair.findings().map("weights").put(id, weight);
      }
      List<Row.Way> all =
          options.weights().stream()
              .map(weight -> new Row.Way("weight=" + weight, () -> mean(pair, weight)))
              .toList();
      pair.take(new Row("best", "the best of them", all)).close();
    }

    private static MemoryCheckpoint mean(Pair pair, double weight) throws IOException {
      MergeProblem problem = MergeProblem.of(pair.models());
      return MemoryCheckpoint.copyOf(
          LinearMerger.weights(weight, 1 - weight).merge(problem, pair.ws()), pair.ws());
    }

    @Override
    List<Map.Entry<String, String>> comparisons(Architecture architecture, Findings first) {
      return List.of(Map.entry("best", "base"));
    }

    @Override
    List<Section<?>> sections(List<Findings> pairs) {
      List<Map.Entry<String, Object>> rows = List.copyOf(pairs.get(0).map("weights").entrySet());
      return List.of(
          new Section<>("weights", "Weights", "", rows)
              .number("weight", 1, row -> row.getValue().toString()));
    }
  }

  @Test
  void rowsAreMadeEvaluatedAndChosen() throws IOException {
    Weights.Options options =
        Settings.of(new Weights.Options(ExperimentOptions.defaults(), List.of(0.0, 0.25, 1.0)))
            .parse("", Map.of("data", "blobs", "hidden", "8", "epochs", "3", "train", "200"));
    try (Workspace ws = Workspace.builder().threads(2).open()) {
      ExperimentResult result = new Weights(options).run(ws);
      assertThat(result.rows())
          .extracting(ExperimentResult.Row::method)
          .containsExactly(
              "base", "best-base", "ensemble", "weight-0.0", "weight-0.25", "weight-1.0", "best");
      // All or nothing of a model is that model.
      double models = result.row("weight-0.0").accuracy() + result.row("weight-1.0").accuracy();
      assertThat(models / 2).isEqualTo(result.row("base").accuracy());
      // What is best on samples for choices is taken, and told.
      String told = Views.chosen(result).get(0).get("best");
      String taken = told.replace("weight=", "weight-");
      assertThat(result.row("best").accuracy()).isEqualTo(result.row(taken).accuracy());
      for (ExperimentResult.Row row : result.rows().subList(3, 6)) {
        assertThat(row.selection()).isLessThanOrEqualTo(result.row("best").selection());
      }
      assertThat(result.report().tables()).contains("best - base").endsWith("1.0\n");
    }
  }
}
