// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.merganser.compute.Progress;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.io.Safetensors;
import org.merganser.lab.report.Json;
import org.merganser.linalg.Tensor;
import org.merganser.method.Settings;

/**
 * The experiment at the scale of seconds: every setting, going on, its figures, what it refuses.
 */
class UndertrainingExperimentTest {
  private static final List<String> METHODS =
      List.of("linear", "task-arithmetic", "ties", "ties+weights");

  private static final List<String> ROUTERS =
      List.of(
          "arrow",
          "arrow+trained",
          "mean-activation",
          "mean-activation+trained",
          "random",
          "random+trained");

  @TempDir static Path shared;

  /** What a run that nothing interrupts writes, once it is known. */
  private static String undisturbed;

  @TempDir Path folder;

  private static UndertrainingExperiment.Options options(Map<String, String> more) {
    Map<String, String> small =
        Map.ofEntries(
            Map.entry("train", "60"),
            Map.entry("held-out", "30"),
            Map.entry("test", "40"),
            Map.entry("base-steps", "4"),
            Map.entry("steps", "2:5"),
            Map.entry("batch", "8"),
            Map.entry("rank", "2"),
            Map.entry("moe-steps", "2"),
            Map.entry("hidden", "12:10"),
            Map.entry(
                "methods", "linear,task-arithmetic:lambda=0.3,ties:density=0.5,lambda=0.5/1"));
    Map<String, String> all = new HashMap<>(small);
    all.putAll(more);
    all.values().removeIf(String::isEmpty);
    return Settings.of(UndertrainingExperiment.Options.defaults()).parse("", all);
  }

  private static ExperimentResult run(Map<String, String> more, Progress progress)
      throws IOException {
    try (Workspace ws = Workspace.builder().threads(2).progress(progress).open()) {
      UndertrainingExperiment experiment = new UndertrainingExperiment(options(more));
      ExperimentResult result = experiment.run(ws);
      if (experiment.runs().out().isPresent()) {
        experiment.write(result);
      }
      return result;
    }
  }

  private static ExperimentResult run(Map<String, String> more) throws IOException {
    return run(more, (stage, step, of) -> {});
  }

  @ParameterizedTest
  @CsvSource({
    "synthetic, '', mlp, 12:10, 0:0.2, 6",
    "fashion-mnist-subset, rotations, mlp, 12:10, 0.2, 4",
    "fashion-mnist-subset, classes, cnn, '', 0, 5",
    "fashion-mnist-subset, corruptions, vit, '', 0.2, 5"
  })
  void everySettingHasExpertsOfEveryLength(
      String data, String tasks, String network, String hidden, String noise, int count)
      throws IOException {
    ExperimentResult result =
        run(
            Map.of(
                "data", data, "tasks", tasks, "network", network, "hidden", hidden, "noise",
                noise));
    List<String> expected = new ArrayList<>();
    for (String wrong : noise.split(":")) {
      expected.add("noise-" + Double.parseDouble(wrong) + "-base");
      for (String form : List.of("full", "lora", "moe")) {
        for (String length : List.of("2", "5", "stopped")) {
          String id = "noise-" + Double.parseDouble(wrong) + "-" + form + "-" + length;
          expected.add(id);
          (form.equals("moe") ? ROUTERS : METHODS)
              .forEach(method -> expected.add(id + "+" + method));
        }
      }
    }
    assertThat(result.rows()).extracting(ExperimentResult.Row::method).isEqualTo(expected);
    assertThat(result.rows()).allSatisfy(row -> assertThat(row.accuracy()).isBetween(0.0, 1.0));
    for (ExpertCurves curves : curves(result)) {
      ExpertPoint last = curves.last(0);
      assertThat(last.experts().test()).hasSize(count);
      assertThat(last.experts().deciles()).hasSize(10);
      assertThat(last.experts().memorised()).hasSize(curves.noise() == 0 ? 0 : count);
      assertThat(last.distance()).hasSize(count).allSatisfy(d -> assertThat(d).isPositive());
      assertThat(last.steps()).containsOnly(5L);
      for (ExpertPoint.Merged merged : last.merged().values()) {
        assertThat(merged.forgotten()).allSatisfy(part -> assertThat(part).isBetween(0.0, 1.0));
      }
    }
  }

  /** Of experts and of difficulty as much as of what they begin with. */
  @Test
  void expertsTakeBatchesOfTheSizeAsked() {
    UndertrainingExperiment.Options usual = UndertrainingExperiment.Options.defaults();
    assertThat(ExpertRuns.steps(usual, 1e-3, 4, "head").batchSize()).isEqualTo(64);
    assertThat(ExpertRuns.steps(options(Map.of()), 1e-3, 4, "head").batchSize()).isEqualTo(8);
  }

  /** Unless asked, experts that ended early were trained. */
  @Test
  void theBaseIsALengthOnlyWhereAsked() throws IOException {
    Map<String, String> rising =
        Map.of("experts", "full", "noise", "1", "lr", "1", "eval-every", "1", "methods", "linear");
    assertThat(curves(run(rising)).get(0).stopped().get(0).steps())
        .allSatisfy(steps -> assertThat(steps).isPositive());
    Map<String, String> asked = new HashMap<>(rising);
    asked.put("stop-at-base", "true");
    assertThat(curves(run(asked)).get(0).stopped().get(0).steps()).contains(0L);
  }

  private static List<ExpertCurves> curves(ExperimentResult result) {
    List<Findings> seeds = new ArrayList<>();
    for (Object data : result.section("found")) {
      @SuppressWarnings("unchecked")
      Map<String, Object> map = Json.convert(data, Map.class);
      seeds.add(new Findings(result.training()));
      seeds.get(seeds.size() - 1).data().putAll(map);
    }
    return ExpertCurves.of(seeds, ExpertMethods.of(options(Map.of()).methods(), 2, 0));
  }

  private static String bytes(Path out) throws IOException {
    return Files.readString(out.resolve("results.json")).replaceAll("(?s)\"seconds\".*", "");
  }

  private static String undisturbed() throws IOException {
    if (undisturbed == null) {
      run(Map.of("seeds", "2", "noise", "0.2", "out", shared.toString()));
      undisturbed = bytes(shared);
    }
    return undisturbed;
  }

  /** Interrupted in each stage, after so many reports of it. */
  @ParameterizedTest
  @CsvSource({"full, 40", "lora, 40", "merge, 8", "merge moe, 1", "difficulty, 8"})
  void aRunGoesOnToTheSameBytes(String where, int reports) throws IOException {
    Map<String, String> broken =
        Map.of(
            "seeds",
            "2",
            "noise",
            "0.2",
            "out",
            folder.resolve("broken").toString(),
            "cache",
            folder.resolve("models").toString());
    int[] left = {reports};
    Progress stop =
        (stage, step, of) -> {
          if (stage.contains(where) && --left[0] < 0) {
            throw new IllegalStateException("interrupted");
          }
        };
    assertThatThrownBy(() -> run(broken, stop)).hasStackTraceContaining("interrupted");
    assertThat(folder.resolve("broken/results.json")).doesNotExist();
    ExperimentResult result = run(broken);
    assertThat(bytes(folder.resolve("broken"))).isEqualTo(undisturbed());
    assertThat(result.training().cached()).isPositive();
    assertThat(folder.resolve("broken/unfinished")).doesNotExist();
    assertThat(folder.resolve("broken/report.html")).exists();
  }

  /** Every table follows from what results.json says was found, seed by seed. */
  @Test
  @SuppressWarnings("unchecked")
  void tablesFollowFromResultsJson() throws IOException {
    Path out = folder.resolve("out");
    ExperimentResult result = run(Map.of("seeds", "3", "out", out.toString()));
    Map<String, Object> json = Json.read(out.resolve("results.json"), Map.class);
    List<Map<String, Object>> found = (List<Map<String, Object>>) json.get("found");
    List<Double> stopped = new ArrayList<>();
    List<Double> longest = new ArrayList<>();
    for (Map<String, Object> seed : found) {
      Map<String, Object> lora = (Map<String, Object>) at(seed, "curves", "0.2", "lora");
      stopped.add(mean((List<Double>) at(lora, "stopped", "merged", "ties", "scores", "test")));
      longest.add(mean((List<Double>) at(lora, "5", "merged", "ties", "scores", "test")));
    }
    assertThat(result.row("noise-0.2-lora-stopped+ties").accuracy())
        .isCloseTo(mean(stopped), within(1e-12));
    ExperimentResult.Difference difference =
        result.difference("noise-0.2-lora-stopped+ties", "noise-0.2-lora-5+ties");
    assertThat(difference.mean()).isCloseTo(mean(stopped) - mean(longest), within(1e-12));
    List<Map<String, Object>> table = (List<Map<String, Object>>) json.get("curves-noise-0.2-lora");
    List<Double> base = new ArrayList<>();
    found.forEach(seed -> base.add(mean((List<Double>) at(seed, "base", "0.2", "test"))));
    assertThat((Double) at(table.get(0), "accuracy", "mean")).isCloseTo(mean(base), within(1e-12));
    assertThat(result.row("noise-0.2-base").accuracy()).isCloseTo(mean(base), within(1e-12));
    Map<String, Object> cell = ((List<Map<String, Object>>) table.get(3).get("merged")).get(2);
    assertThat((Double) at(cell, "accuracy", "mean")).isCloseTo(mean(stopped), within(1e-12));
    assertThat(UndertrainingClaims.of(curves(result)).size())
        .isEqualTo(((List<Object>) json.get("claims")).size());
  }

  @SuppressWarnings("unchecked")
  private static Object at(Object json, String... path) {
    Object at = json;
    for (String name : path) {
      at = ((Map<String, Object>) at).get(name);
    }
    return at;
  }

  private static double mean(List<Double> values) {
    return values.stream().mapToDouble(v -> v).average().orElseThrow();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "held-out|0|held-out is 0: lambda, and when to stop, are chosen on held-out examples of"
            + " every task; give at least 1",
        "steps|0:4|steps must be at least 1, not 0",
        "steps|4:2|steps must be numbers of steps in increasing order, each once, at least one,"
            + " not [4, 2]",
        "methods|linear,nonsense|no merger 'nonsense'; there are linear, ",
        "methods|np-merge|methods: np-merge needs an objective, 2 models or more; tasks with last"
            + " layers of their own have no loss of one model in common",
        "methods|slerp|methods: slerp needs 2 models; here are 6 experts and their base",
        "methods|linear:weights=1:2|2 weights for 6 models",
        "methods|linear,emr:task=9|emr: task 9 of 6 models, counted from 0",
        "noise|1.5|noise must be in [0, 1], not 1.5",
        "experts|full:moe|experts: moe mixes the experts of lora; name both, lora,moe",
        "top-k|7|top-k must be at most 6, the number of experts, not 7",
        "network|cnn|--hidden: network cnn does not use it; drop it",
        "tasks|rotations|--tasks: data synthetic has tasks of its own; drop it",
        "keep|kept|--keep: this experiment keeps no models there; trained experts are in --cache;"
            + " drop it",
        "data|/nowhere|data folder /nowhere does not exist"
      })
  void settingsThatDoNotFitAreRefused(String name, String value, String message) {
    assertThatThrownBy(() -> run(Map.of(name, value))).hasMessageStartingWith(message);
  }

  /** Full experts come first, and take long. */
  @Test
  void aRankThatIsTooLargeIsSaidBeforeAnyTraining() {
    List<String> stages = new ArrayList<>();
    assertThatThrownBy(() -> run(Map.of("rank", "11"), (stage, step, of) -> stages.add(stage)))
        .hasMessageStartingWith("adapters of rank 11 for 'fc2' of 10 x 12");
    assertThat(stages).isEmpty();
  }

  /** What training is stopped by is what is measured: of pairs of classes, among the two. */
  @Test
  void stoppingLooksAtWhatIsMeasured() throws IOException {
    Path models = folder.resolve("models");
    ExperimentResult result =
        run(
            Map.of(
                "data",
                "fashion-mnist-subset",
                "tasks",
                "classes",
                "noise",
                "0",
                "experts",
                "full",
                "methods",
                "linear",
                "cache",
                models.toString()));
    ExpertPoint stopped = curves(result).get(0).stopped().get(0);
    List<Double> best = new ArrayList<>();
    try (Workspace ws = Workspace.builder().threads(1).open();
        Stream<Path> files = Files.list(models)) {
      for (Path file : files.toList()) {
        try (Checkpoint expert = Safetensors.open(file)) {
          if (expert.tensors().containsKey("heldOut")) {
            best.add(most(expert.read("heldOut", ws)));
          }
        }
      }
    }
    assertThat(best).containsExactlyInAnyOrderElementsOf(stopped.experts().heldOut());
  }

  /** The greatest second column. */
  private static double most(Tensor evaluations) {
    double[] all = evaluations.toDoubleArray();
    return IntStream.range(0, all.length / 2).mapToDouble(i -> all[2 * i + 1]).max().orElseThrow();
  }

  @Test
  void whatNothingIsKnownOfIsNotWeighed() {
    assertThatThrownBy(
            () ->
                run(
                    Map.of(
                        "data",
                        "fashion-mnist-subset",
                        "network",
                        "cnn",
                        "hidden",
                        "",
                        "methods",
                        "linear,regmean")))
        .hasMessage(
            "methods: regmean weighs by what linear layers read; but for the last there is none in"
                + " this network that reads features as they are; leave it out");
  }

  @Test
  void imagesNeedNoVectors() {
    assertThatThrownBy(() -> run(Map.of("network", "cnn", "hidden", "")))
        .hasMessage(
            "network cnn reads images, synthetic tasks are vectors; use mlp, or other --data");
  }
}
