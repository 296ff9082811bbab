// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.io.Safetensors;
import org.merganser.lab.report.Json;
import org.merganser.method.Settings;
import org.merganser.torch.recurrent.RecurrentUnit;
import org.merganser.torch.recurrent.RecurrentUnit.Gamma;
import org.merganser.torch.recurrent.RnnInit;
import org.merganser.torch.recurrent.RnnSession;
import org.merganser.torch.recurrent.VanillaRnn;

/** The experiment at the scale of seconds: what it compares, going on, what it refuses. */
class AdaptiveActivationExperimentTest {
  private static final String[] MODES = {"static", "homogeneous", "heterogeneous"};

  @TempDir Path folder;

  static AdaptiveActivationExperiment experiment(Map<String, String> more) {
    Map<String, String> all =
        new HashMap<>(
            Map.of(
                "hidden", "8",
                "train", "100",
                "epochs", "2",
                "batch", "50",
                "gains", "1:5",
                "saturations", "0:0.5",
                "copy-steps", "4",
                "copy-delay", "3",
                "transfer-epochs", "2",
                "transfer-steps", "2"));
    all.putAll(more);
    return new AdaptiveActivationExperiment(
        Settings.of(AdaptiveActivationExperiment.Options.defaults()).parse("", all));
  }

  static ExperimentResult run(Map<String, String> more) throws IOException {
    try (Workspace ws = Workspace.builder().threads(2).open()) {
      return experiment(more).run(ws);
    }
  }

  private List<Findings> findings(Map<String, String> more) throws IOException {
    Map<String, String> all = new HashMap<>(more);
    all.put("out", folder.resolve("found").toString());
    run(all);
    return journal(folder.resolve("found"));
  }

  /** What a run into a folder found, which has not written its results. */
  static List<Findings> journal(Path out) throws IOException {
    List<Findings> found = new ArrayList<>();
    try (Stream<Path> files = Files.list(out.resolve("unfinished"))) {
      for (Path file : files.sorted().toList()) {
        found.add(Json.read(file, Findings.class));
      }
    }
    return found;
  }

  @Test
  void everyTaskHasItsModesFromTheSameStarts() throws IOException {
    for (Findings seed : findings(Map.of("tasks", "rows:copy", "seeds", "2"))) {
      for (String task : List.of("rows", "copy")) {
        for (String start : List.of("n=1.0 s=0.0", "n=5.0 s=0.5")) {
          Map<String, Object> fixed = seed.map("runs", task, MODES[0], start);
          for (String mode : MODES) {
            Map<String, Object> run = seed.map("runs", task, mode, start);
            List<Double> n = AdaptiveActivationTables.list(run, "n");
            // Before the first step all are the same network.
            assertThat(AdaptiveActivationTables.list(run, "loss").get(0))
                .isEqualTo(AdaptiveActivationTables.list(fixed, "loss").get(0));
            assertThat(n.get(0)).isEqualTo(start.startsWith("n=1") ? 1 : 5);
            assertThat(n.get(n.size() - 1).equals(n.get(0))).isEqualTo(mode.equals(MODES[0]));
            assertThat((Double) run.get("spreadN") > 0).isEqualTo(mode.equals(MODES[2]));
          }
        }
      }
      assertThat((Double) seed.map("runs", "copy", MODES[1], "n=1.0 s=0.0").get("parameters"))
          .isEqualTo(8 + 64 + 8 + 2 + 9 * 8 + 9);
      assertThat(seed.row("rows-static-best").chosen()).startsWith("n=");
      List<Double> all = new ArrayList<>();
      for (String start : seed.map("runs", "rows", MODES[0]).keySet()) {
        all.add(
            AdaptiveActivationTables.last(seed.map("runs", "rows", MODES[0], start)).accuracy());
      }
      all.sort(null);
      assertThat(all).hasSize(4);
      assertThat(seed.row("rows-static").test().accuracy())
          .isCloseTo((all.get(1) + all.get(2)) / 2, within(1e-15));
    }
  }

  /** Late networks are those that keep n and s, until half of the steps are made. */
  @Test
  void shapesLearnedLateAreFixedBefore() throws IOException {
    Map<String, String> late =
        Map.of(
            "modes",
            "static:late",
            "gains",
            "5",
            "saturations",
            "0.5",
            "train",
            "200",
            "epochs",
            "4",
            "transfer-steps",
            "0");
    ExperimentResult result = run(late);
    assertThat(result.difference("rows-late", "rows-static").pairs()).hasSize(1);
    assertThat(result.rows())
        .extracting(ExperimentResult.Row::method)
        .containsExactly("rows-static", "rows-static-best", "rows-late", "rows-late-best");
    Findings seed = findings(late).get(0);
    Map<String, Object> fixed = seed.map("runs", "rows", "static", "n=5.0 s=0.5");
    Map<String, Object> run = seed.map("runs", "rows", "late", "n=5.0 s=0.5");
    for (String what : List.of("accuracy", "loss", "n", "s")) {
      List<Double> values = AdaptiveActivationTables.list(run, what);
      assertThat(values).hasSize(5);
      assertThat(values.subList(0, 3))
          .as(what)
          .isEqualTo(AdaptiveActivationTables.list(fixed, what).subList(0, 3));
    }
    assertThat(AdaptiveActivationTables.list(run, "n").get(3)).isNotEqualTo(5);
    assertThat((Double) run.get("spreadN")).isPositive();
  }

  /** Authors draw the input weights of this task otherwise than those of images. */
  @Test
  void copiesStartFromWeightsOfTheirOwn() throws IOException {
    Map<String, String> copy =
        new HashMap<>(Map.of("tasks", "copy", "gains", "5", "saturations", "0.5", "hidden", "8"));
    copy.put("keep", folder.resolve("kept").toString());
    Findings found = findings(copy).get(0);
    AdaptiveActivationExperiment experiment = experiment(copy);
    long seed = experiment.seed(0);
    VanillaRnn rnn =
        VanillaRnn.of(1, 8, 9, Gamma.of(RecurrentUnit.Mode.STATIC, 5, .5))
            .withInit(RnnInit.HENAFF, RnnInit.XAVIER);
    SequenceTask.Data data =
        SequenceTask.copy(3, ActivationSeed.copied(experiment.options()), seed);
    try (Workspace ws = Workspace.builder().threads(1).open();
        MemoryCheckpoint start = rnn.initialise(seed);
        RnnSession session = rnn.open(start, ws)) {
      Map<String, Object> run = found.map("runs", "copy", "static", "n=5.0 s=0.5");
      assertThat(AdaptiveActivationTables.list(run, "loss").get(0))
          .isEqualTo(session.score(data.test()).loss());
      // What starts are chosen on is told by the network at its end on validation data.
      Path kept = folder.resolve("kept/pair-0/copy_static_n=5.0_s=0.5.safetensors");
      try (Checkpoint model = Safetensors.open(kept);
          RnnSession trained = rnn.open(model, ws)) {
        double validation = trained.score(data.validation()).loss();
        assertThat(run.get("validationLoss")).isEqualTo(validation);
        assertThat(found.row("copy-static").selection().loss()).isEqualTo(validation);
        assertThat(found.row("copy-static-best").selection().loss()).isEqualTo(validation);
        assertThat(trained.score(data.test()).loss()).isNotEqualTo(validation);
      }
    }
  }

  @Test
  void theGridIsThatOfTheAuthors() {
    AdaptiveActivationExperiment.Options options = AdaptiveActivationExperiment.Options.defaults();
    assertThat(options.gains()).containsExactly(1., 2.5, 5., 7.5, 10., 12.5, 15., 17.5, 20.);
    assertThat(options.saturations()).containsExactly(0., .25, .5, .75, 1.);
  }

  @Test
  void aRunGoesOnToTheSameBytes() throws IOException {
    Map<String, String> to = Map.of("seeds", "2", "out", folder.resolve("out").toString());
    Files.createDirectories(folder.resolve("out"));
    ExperimentResult first = run(to);
    assertThat(first.training()).isEqualTo(new ExperimentResult.Training(2 * 13, 0));
    // As if it had been interrupted in the second seed.
    Path unfinished = folder.resolve("out/unfinished");
    try (Stream<Path> files = Files.list(unfinished)) {
      Files.delete(files.sorted().toList().get(1));
    }
    AdaptiveActivationExperiment resumed = experiment(to);
    ExperimentResult again;
    try (Workspace ws = Workspace.builder().threads(1).open()) {
      again = resumed.run(ws);
    }
    assertThat(again.training()).isEqualTo(new ExperimentResult.Training(13, 13));
    assertThat(again.report().json())
        .extractingByKey("scored")
        .hasToString("{rows=Scored[validation=1000, test=1000]}");
    assertThat(again.section("starts-rows")).hasSize(12);
    assertThat(again.section("gains")).hasSize(10);
    assertThat(again.section("claims")).hasSize(2);
    Claim claim = (Claim) again.section("claims").get(0);
    assertThat(claim.value().mean())
        .isCloseTo(again.difference("rows-homogeneous", "rows-static").mean(), within(1e-12));
    assertThat(claim.held()).isEqualTo(claim.value().low() > 0);
    assertThat(again.section("transfer")).hasSize(24);
    // Six pairs of ways to adapt, for each of six kinds of inputs.
    assertThat(again.section("transferDifferences")).hasSize(36);
    assertThat(again.report().tables()).contains("n, s of each unit - nothing", "beyond same");
    assertThat(again.report().json()).containsEntry("transferred", "rows");
    assertThat(again.report().tables()).isEqualTo(first.report().tables());
    Map<String, Object> wanted = first.report().json();
    Map<String, Object> found = again.report().json();
    wanted.remove("seconds");
    found.remove("seconds");
    Json.write(wanted, folder.resolve("wanted.json"));
    Json.write(found, folder.resolve("found.json"));
    assertThat(folder.resolve("found.json")).hasSameBinaryContentAs(folder.resolve("wanted.json"));
    resumed.write(again);
    assertThat(unfinished).doesNotExist();
    for (String file :
        List.of(
            "results.json",
            "rows-static.svg",
            "rows-homogeneous-arrows.svg",
            "rows-curves.png",
            "transfer-wave.png")) {
      assertThat(folder.resolve("out").resolve(file)).exists();
    }
  }

  @Test
  void aRunThatDivergesCountsAsAGuess() throws IOException {
    Map<String, String> wild =
        Map.of("lr", "1e35", "clip-norm", "1e30", "gains", "5", "saturations", "0", "epochs", "6");
    ExperimentResult result = run(wild);
    assertThat(result.row("rows-static").accuracy()).isEqualTo(.1);
    assertThat(result.row("rows-static").loss()).isCloseTo(Math.log(10), within(1e-12));
    assertThat(result.section("starts-rows").toString())
        .contains("diverged=1")
        .contains("endN=null");
    Path out = Files.createDirectories(folder.resolve("wild"));
    result.report().write(out);
    for (String picture : List.of("rows-static.svg", "rows-homogeneous-arrows.svg")) {
      String what = picture.contains("arrows") ? "left out" : "guesses";
      assertThat(out.resolve(picture)).content().contains("(1 of 1 runs diverged: " + what + ")");
    }
    assertThat(out.resolve("report.html"))
        .content()
        .contains("learn, rows (3 of 3 runs diverged: left out from there on)");
    assertThat(result.section("transfer")).isEmpty();
    assertThat(result.section("transferDiverged").toString())
        .containsPattern("seed 1: training diverged in step \\d+ of 4: ");
  }

  /** Who says blanks and then any of eight symbols, of the copy task. */
  @Test
  void aGuessIsThatOfTheTask() throws IOException {
    ExperimentResult result =
        run(
            Map.ofEntries(
                Map.entry("tasks", "copy"),
                Map.entry("lr", "1e35"),
                Map.entry("clip-norm", "1e30"),
                Map.entry("gains", "5"),
                Map.entry("saturations", "0"),
                Map.entry("transfer-steps", "0")));
    assertThat(result.section("starts-copy").toString()).contains("diverged=1");
    assertThat(result.row("copy-static").accuracy()).isEqualTo(1.0 / 8);
    assertThat(result.row("copy-static").loss()).isCloseTo(10 * Math.log(8) / 23, within(1e-12));
  }

  /** Saturated units bear any weights: the network is finite, until n and s move as far. */
  @Test
  void anAdaptationThatDivergesIsCounted() throws IOException {
    Map<String, String> wild =
        Map.ofEntries(
            Map.entry("lr", "1e35"),
            Map.entry("clip-norm", "1e30"),
            Map.entry("gains", "5"),
            Map.entry("saturations", "1"),
            Map.entry("transfer-saturation", "1"),
            Map.entry("train", "50"),
            Map.entry("epochs", "1"));
    ExperimentResult result = run(wild);
    String shared =
        result.section("transfer").stream()
            .map(Object::toString)
            .filter(row -> row.contains("halved") && row.contains("of all units"))
            .findFirst()
            .orElseThrow();
    assertThat(shared).contains("diverged=1").contains("last=Measured[mean=0.1,");
    Path out = Files.createDirectories(folder.resolve("wild"));
    result.report().write(out);
    assertThat(out.resolve("report.html"))
        .content()
        .containsPattern(
            "inputs that are halved \\([1-3] of 4 runs diverged: a line ends with its first\\)");
    assertThat(result.section("transfer").get(0).toString())
        .contains("adapts=nothing")
        .contains("diverged=0");
  }

  @Test
  void permutedPixelsAreReadOneByOne() throws IOException {
    Map<String, Object> run =
        findings(
                Map.of(
                    "tasks",
                    "pixels",
                    "gains",
                    "5",
                    "saturations",
                    "0.5",
                    "train",
                    "20",
                    "epochs",
                    "1",
                    "transfer-steps",
                    "0"))
            .get(0)
            .map("runs", "pixels", "homogeneous", "n=5.0 s=0.5");
    // U of one value a step.
    assertThat((Double) run.get("parameters")).isEqualTo(8 + 64 + 8 + 2 + 10 * 8 + 10);
  }

  /** Of a task that comes after another too. */
  @Test
  void imagesThatDoNotFitAreToldBeforeAnyTraining() {
    List<String> done = Collections.synchronizedList(new ArrayList<>());
    AdaptiveActivationExperiment experiment =
        experiment(Map.of("tasks", "copy:rows", "train", "6000"));
    try (Workspace ws =
        Workspace.builder().threads(2).progress((stage, step, of) -> done.add(stage)).open()) {
      assertThatThrownBy(() -> experiment.run(ws))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("set train to fewer");
    }
    assertThat(done).isEmpty();
  }

  @Test
  void settingsThatDoNotFitAreRefused() {
    assertThatThrownBy(() -> experiment(Map.of("gains", "5:1")))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("gains must increase, not [5.0, 1.0]");
    assertThatThrownBy(() -> experiment(Map.of("modes", "late:homogeneous")))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining(
            "modes must have static, which others are compared with, not only [HOMOGENEOUS, LATE]");
    assertThatThrownBy(() -> experiment(Map.of("gains", "0:1")))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("gains must be");
    assertThatThrownBy(() -> experiment(Map.of("constraint", "sigmoid")))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("no value of a sigmoid");
    Map<String, String> other =
        Map.of("constraint", "sigmoid", "saturations", "0.25", "transfer-saturation", "1");
    assertThatThrownBy(() -> experiment(other))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("no value of a sigmoid");
    assertThatThrownBy(() -> run(Map.of("train", "6000")))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("set train to fewer");
  }
}
