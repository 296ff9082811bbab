// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.io.GgufLlama;
import org.merganser.io.Safetensors;
import org.merganser.lab.report.Json;
import org.merganser.method.Settings;

/** The experiment at the scale of seconds: its rows, what it plants, going on, what it refuses. */
class SkillTransferExperimentTest {
  private static final List<String> WAYS =
      List.of("naive", "weights", "activations", "weights+orthogonal", "activations+orthogonal");

  @TempDir Path folder;

  private static SkillTransferExperiment.Options options(Map<String, String> more) {
    Map<String, String> small =
        Map.ofEntries(
            Map.entry("hidden", "16"),
            Map.entry("layers", "1"),
            Map.entry("heads", "2"),
            Map.entry("key-value-heads", "1"),
            Map.entry("intermediate", "24"),
            Map.entry("length", "24"),
            Map.entry("batch", "8"),
            Map.entry("steps", "6"),
            Map.entry("continued-steps", "4"),
            Map.entry("skill-steps", "4"),
            Map.entry("questions", "20"),
            Map.entry("calibration", "16"));
    Map<String, String> all = new java.util.HashMap<>(small);
    all.putAll(more);
    return Settings.of(SkillTransferExperiment.Options.defaults()).parse("", all);
  }

  private static ExperimentResult run(Map<String, String> more) throws IOException {
    try (Workspace ws = Workspace.builder().threads(2).open()) {
      return new SkillTransferExperiment(options(more)).run(ws);
    }
  }

  @Test
  void everyTargetHasARowForEachWay() throws IOException {
    Path keep = folder.resolve("kept");
    ExperimentResult result = run(Map.of("seeds", "2", "keep", keep.toString()));
    List<String> expected =
        Stream.concat(
                Stream.of("base", "skill"),
                Stream.of("continued", "apart")
                    .flatMap(
                        target ->
                            Stream.concat(
                                Stream.of(target), WAYS.stream().map(way -> target + "+" + way))))
            .toList();
    assertThat(result.rows()).extracting(ExperimentResult.Row::method).isEqualTo(expected);
    assertThat(result.difference("apart+weights", "apart").pairs()).hasSize(2);
    assertThat(result.difference("continued+weights", "continued+naive").low()).isNotNull();
    assertThat(result.report().tables())
        .contains("continued+weights - continued+naive", "language loss", "random weights");
    for (String row : expected) {
      try (Checkpoint kept = Safetensors.open(keep.resolve("pair-1/" + row + ".safetensors"))) {
        assertThat(kept.tensors()).hasSize(12);
      }
    }
    Files.createDirectories(folder.resolve("out"));
    result.report().write(folder.resolve("out"));
    assertThat(folder.resolve("out/lambda-apart.png")).exists();
  }

  /** What is planted is found: the aligned transfer is exact, the naive one worse than none. */
  @Test
  void plantedTransfersAreExact() throws IOException {
    for (Findings seed : findings(Map.of())) {
      Map<String, Object> row = seed.map("planted", "random weights");
      double nothing = (Double) row.get("nothing");
      assertThat((Double) row.get("aligned")).isLessThan(1e-9);
      assertThat((Double) row.get("naive")).isGreaterThan(1.2 * nothing);
      assertThat((Double) row.get("after")).isLessThan(1e-12 * (Double) row.get("before"));
    }
  }

  /**
   * On real weights, which {@code -Dmerganser.minilm=JAR} and {@code -Dmerganser.gguf=PATH} name.
   */
  @ParameterizedTest
  @CsvSource({"encoder, merganser.minilm", "gguf, merganser.gguf"})
  void plantedTransfersAreExactOnRealWeights(String setting, String property) throws IOException {
    String file = System.getProperty(property, "");
    assumeTrue(!file.isEmpty(), "skipped: no -D" + property);
    for (Findings seed : findings(Map.of(setting, file))) {
      assertThat(seed.map("planted")).hasSize(2);
      for (String name : seed.map("planted").keySet()) {
        Map<String, Object> row = seed.map("planted", name);
        assertThat((Double) row.get("aligned")).as(name).isLessThan(1e-9);
        assertThat((Double) row.get("naive")).as(name).isGreaterThan((Double) row.get("nothing"));
      }
    }
  }

  @Test
  void aRunGoesOnAfterWhatIsThere() throws IOException {
    Map<String, String> to = Map.of("out", folder.resolve("out").toString());
    ExperimentResult first = run(to);
    assertThat(first.training()).isEqualTo(new ExperimentResult.Training(4, 0));
    ExperimentResult again = run(to);
    assertThat(again.training()).isEqualTo(new ExperimentResult.Training(0, 4));
    assertThat(again.rows()).isEqualTo(first.rows());
    assertThat(Files.exists(folder.resolve("out/unfinished"))).isTrue();
    new SkillTransferExperiment(options(to)).write(first);
    assertThat(folder.resolve("out/results.json")).exists();
  }

  /** Decoders are not trained again when what is planted did not come to its end. */
  @Test
  void whatWasTrainedIsKeptBeforeAnythingIsPlanted() throws IOException {
    Findings first = findings(Map.of()).get(0);
    Path file = journal().get(0);
    Findings trained = Json.read(file, Findings.class);
    trained.data().remove("planted");
    Json.write(trained, file);
    ExperimentResult again = run(Map.of("out", folder.resolve("found").toString()));
    assertThat(again.training()).isEqualTo(new ExperimentResult.Training(0, 4));
    assertThat(findings(Map.of()).get(0).map("planted")).isEqualTo(first.map("planted"));
  }

  /** A file that was changed is another one, whatever its name. */
  @Test
  void findingsBelongToTheBytesOfFiles() throws IOException {
    Path file = GgufLlama.write(folder.resolve("small.gguf"), 1);
    Map<String, String> with = Map.of("gguf", file.toString());
    Map<String, Object> row = findings(with).get(0).map("planted", "small.gguf");
    assertThat((Double) row.get("aligned")).isLessThan(1e-9);
    assertThat((Double) row.get("naive")).isGreaterThan((Double) row.get("nothing"));
    findings(with);
    assertThat(journal()).hasSize(1);
    GgufLlama.write(file, 2);
    findings(with);
    assertThat(journal()).hasSize(2);
  }

  @Test
  void settingsThatDoNotFitAreRefused() {
    assertThatThrownBy(() -> run(Map.of("skill", "addition", "questions", "40")))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("40 different questions are asked for of each part");
    assertThatThrownBy(() -> options(Map.of("questions", "10001")))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("questions must be in [10, 10000], not 10001");
    assertThatThrownBy(() -> new SkillTransferExperiment(options(Map.of("heads", "3"))))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("hidden must be a multiple of heads, not 16 and 3");
    assertThatThrownBy(() -> options(Map.of("questions", "1")))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("questions must be in [10, 10000], not 1");
  }

  private List<Findings> findings(Map<String, String> more) throws IOException {
    Map<String, String> all = new java.util.HashMap<>(more);
    all.put("out", folder.resolve("found").toString());
    run(all);
    List<Findings> found = new java.util.ArrayList<>();
    for (Path file : journal()) {
      found.add(Json.read(file, Findings.class));
    }
    return found;
  }

  private List<Path> journal() throws IOException {
    try (Stream<Path> files = Files.list(folder.resolve("found/unfinished"))) {
      return files.sorted().toList();
    }
  }
}
