// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.merganser.compute.Workspace;
import org.merganser.lab.data.DataSet.PixelScale;
import org.merganser.lab.report.Json;
import org.merganser.model.Evaluation;
import org.merganser.torch.TorchNetwork;
import org.merganser.torch.layers.Activation;

/** What every experiment reports, from findings made up. */
class ResultReportTest {
  private static final TorchNetwork NETWORK = TorchNetwork.mlp(4, 3, 1, 2, Activation.RELU);

  @TempDir Path folder;

  private static Findings pair(double permutation, double cca, String chosen) {
    Findings found = new Findings(new ExperimentResult.Training(1, 2));
    row(found, "base", 0.875, 0.5, "");
    row(found, "permutation", permutation, 0.625, "");
    row(found, "cca", cca, 0.75, chosen);
    found.rows().put("cca+x", new Findings.Found("", Findings.REFUSED, Findings.REFUSED, ""));
    return found;
  }

  private static void row(Findings found, String id, double accuracy, double loss, String chosen) {
    Evaluation test = new Evaluation(accuracy, loss);
    found.rows().put(id, new Findings.Found("what " + id + " is", test, test, chosen));
  }

  private static ExperimentResult result(
      Optional<PixelScale> pixels, CcaMergeExperiment.Options options, Findings... pairs) {
    ExperimentResult.Data data =
        new ExperimentResult.Data(
            "a < b",
            100,
            20,
            40,
            pixels.map(PixelScale::mean).orElse(null),
            pixels.map(PixelScale::sd).orElse(null));
    try (Workspace ws = Workspace.builder().threads(1).open()) {
      CcaMergeExperiment experiment = new CcaMergeExperiment(options);
      Runner runner = new Runner(experiment, ws);
      runner.watch().seconds().put("train", 1.5);
      List<Findings> found = List.of(pairs);
      return runner.result(new ResultReport(experiment, data, NETWORK, found).told(), found);
    }
  }

  private static CcaMergeExperiment.Options options() {
    return CcaMergeExperiment.Options.defaults()
        .with("data", "blobs")
        .with("hidden", 3)
        .with("layers", 1)
        .with("seeds", 2)
        .with("aligners", "permutation,cca:gamma=0.1/1")
        .with("points", 0);
  }

  private static ExperimentResult two() {
    return result(
        Optional.empty(), options(), pair(0.5, 0.75, "gamma=0.1"), pair(0.5, 0.625, "gamma=1"));
  }

  @Test
  void theTableShowsPercentAndDeviation() {
    assertThat(two().report().tables())
        .isEqualTo(
            """
            method              accuracy      sd     loss
            base                  87.50%    0.00    0.500
            permutation           50.00%    0.00    0.625
            cca                   68.75%    8.84    0.750
            cca+x                refused

            difference           points  95 % interval
            cca - permutation    +18.75  [-60.66, +98.16]
            """);
  }

  @Test
  void onePairHasNoDeviationAndNoInterval() throws IOException {
    ExperimentResult one =
        result(Optional.empty(), options().with("seeds", 1), pair(0.5, 0.75, "gamma=0.1"));
    assertThat(one.report().tables())
        .contains("base                  87.50%       -    0.500\n")
        .endsWith(
            """

            difference           points  95 % interval (none: one pair)
            cca - permutation    +25.00  -
            """);
    one.report().write(folder);
    assertThat(Files.readString(folder.resolve("report.html")))
        .contains("One pair: there is no interval.", "40 epochs. One group")
        .doesNotContain("Student t");
  }

  @Test
  void jsonHoldsEverythingAsItIs() throws IOException {
    Path path = folder.resolve("results.json");
    Json.write(two().report().json(), path);
    Map<String, Object> found = Views.json(path);
    assertThat(found)
        .containsEntry("experiment", "cca-merge")
        .containsEntry("seeds", 2L)
        .containsEntry(
            "data", Map.of("name", "a < b", "train", 100L, "validation", 20L, "test", 40L))
        .containsEntry(
            "model",
            Map.of("kind", "mlp", "hidden", 3L, "layers", 1L, "parameters", NETWORK.size()))
        .containsEntry(
            "aligners",
            Map.of(
                "permutation", List.of(Map.of("kind", "correlation")),
                "cca",
                    List.of(
                        Map.of("gamma", 0.1, "unit", "relative"),
                        Map.of("gamma", 1.0, "unit", "relative"))))
        .containsEntry("chosen", List.of(Map.of("cca", "gamma=0.1"), Map.of("cca", "gamma=1")));
    List<?> rows = (List<?>) found.get("rows");
    assertThat(rows).hasSize(4);
    assertThat(rows.get(3)).isEqualTo(Map.of("method", "cca+x", "refused", true));
    assertThat(rows.get(0))
        .isEqualTo(
            Map.of(
                "method",
                "base",
                "accuracy",
                0.875,
                "accuracySd",
                0.0,
                "loss",
                0.5,
                "selection",
                0.875));
    assertThat(found.get("pairs"))
        .isEqualTo(
            List.of(
                Map.of("base", 0.875, "permutation", 0.5, "cca", 0.75),
                Map.of("base", 0.875, "permutation", 0.5, "cca", 0.625)));
    Map<?, ?> difference = (Map<?, ?>) ((List<?>) found.get("differences")).get(0);
    assertThat(difference.get("mean")).isEqualTo(0.1875);
    assertThat(difference.get("pairs")).isEqualTo(List.of(0.25, 0.125));
    assertThat((double) difference.get("high") + (double) difference.get("low")).isEqualTo(0.375);
    Map<?, ?> settings = (Map<?, ?>) found.get("settings");
    assertThat(settings.get("aligners")).isEqualTo("permutation,cca:gamma=0.1/1");
    assertThat(settings.containsKey("epochs")).isFalse();
  }

  @Test
  void jsonHoldsTheScaleOfEachChannel() throws IOException {
    Path path = folder.resolve("results.json");
    PixelScale scale = new PixelScale(List.of(0.25, 0.5, 0.75), List.of(0.125, 1.0, 2.0));
    Json.write(
        result(Optional.of(scale), options(), pair(0.5, 0.5, ""), pair(0.5, 0.5, ""))
            .report()
            .json(),
        path);
    Map<?, ?> data = (Map<?, ?>) Views.json(path).get("data");
    assertThat(data.get("mean")).isEqualTo(List.of(0.25, 0.5, 0.75));
    assertThat(data.get("sd")).isEqualTo(List.of(0.125, 1.0, 2.0));
    Json.write(
        result(Optional.of(PixelScale.of(0.25, 2)), options(), pair(0.5, 0.5, "")).report().json(),
        path);
    assertThat(((Map<?, ?>) Views.json(path).get("data")).get("mean")).isEqualTo(0.25);
  }

  @Test
  void thePageSaysWhatWasDone() throws IOException {
    Findings[] pairs = {pair(0.5, 0.75, "gamma=1"), pair(0.5, 0.625, "gamma=0.1")};
    CcaMergeExperiment.Options options = options().with("split", "classes").with("seed", 7);
    result(Optional.empty(), options, pairs).report().write(folder);
    assertThat(Files.readString(folder.resolve("report.html")))
        .contains("Merging 2 networks into one: a &lt; b", "100 training and 40 test samples")
        .contains("40 epochs, each on classes of its own. Means over 2 groups", "first seed 7")
        .contains("2 models trained, 4 read from the cache", NETWORK.size() + " parameters")
        .contains(
            "Of several settings each group took those that were best on 20 samples that no model"
                + " was trained on")
        .contains("Student t over 2 pairs", "what cca is", "hidden=3, layers=1, models=2")
        .contains("backend=cpu");
  }

  @Test
  void rowsAndDifferencesAreFound() {
    assertThat(two().row("cca").accuracy()).isEqualTo(0.6875);
    assertThat(two().difference("cca", "permutation").pairs()).containsExactly(0.25, 0.125);
    assertThatThrownBy(() -> two().row("ties"))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("no row 'ties'");
  }

  /** Methods of one id are told apart by their settings. */
  @Test
  void namesOfRows() {
    List<String> names = new ArrayList<>();
    CcaMergeExperiment.Options options =
        options().with("aligners", "cca:gamma=0.1,cca:gamma=1,permutation");
    new CcaMergeExperiment(options).aligners().forEach(a -> names.add(a.name()));
    assertThat(names).containsExactly("cca:gamma=0.1", "cca:gamma=1", "permutation");
    assertThatThrownBy(() -> options().with("aligners", "cca,cca"))
        .hasMessage("a method is there twice in [cca, cca]; name each once");
    assertThatThrownBy(() -> options().with("aligners", ""))
        .hasMessageStartingWith("no aligner ''; there are");
  }

  /** A short option goes to whichever aligner has such a setting and does not set it. */
  @Test
  void gammaIsShortForASetting() {
    CcaMergeExperiment.Options options =
        options()
            .with("aligners", "permutation,cca:unit=absolute,cca:gamma=5")
            .with("gamma", List.of(0.5, 2));
    assertThat(options.align().aligned())
        .containsExactly("permutation", "cca:unit=absolute,gamma=0.5/2.0", "cca:gamma=5");
    assertThatThrownBy(() -> options().with("aligners", "permutation").with("gamma", 1))
        .hasMessage("--gamma: none of --aligners has a setting gamma; drop it");
  }
}
