// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.analysis.geometry.GramMatrix;
import org.merganser.analysis.geometry.Phate;
import org.merganser.analysis.landscape.SampleStore;
import org.merganser.compute.DType;
import org.merganser.compute.Progress;
import org.merganser.compute.Workspace;
import org.merganser.lab.data.IdxFolder;
import org.merganser.lab.experiment.Landscape.Samples;
import org.merganser.lab.experiment.Landscape.Valleys;
import org.merganser.lab.report.Json;
import org.merganser.linalg.Matrix;
import org.merganser.method.Settings;

/** The experiment at the scale of seconds: what it finds, going on, what it refuses. */
class LandscapeExperimentTest {
  @TempDir static Path images;
  @TempDir Path folder;

  /** Three classes, few test images: each sample is evaluated on all of them. */
  @BeforeAll
  static void write() throws IOException {
    IdxFolder.write(images.resolve("squares"), 80, 40, 12);
  }

  private static LandscapeExperiment.Options options(Map<String, String> more) {
    Map<String, String> all =
        new HashMap<>(
            Map.ofEntries(
                Map.entry("data", images.resolve("squares").toString()),
                Map.entry("seeds", "2"),
                Map.entry("train", "80"),
                Map.entry("hidden", "6:5"),
                Map.entry("base-epochs", "3"),
                Map.entry("batch", "16"),
                Map.entry("directions", "2"),
                Map.entry("steps", "0.5:1"),
                Map.entry("epochs", "3"),
                Map.entry("knn", "2"),
                Map.entry("k", "3")));
    all.putAll(more);
    all.values().removeIf(String::isEmpty);
    return Settings.of(LandscapeExperiment.Options.defaults()).parse("", all);
  }

  private static ExperimentResult run(Map<String, String> more, int threads, Progress progress)
      throws IOException {
    try (Workspace ws = Workspace.builder().threads(threads).progress(progress).open()) {
      LandscapeExperiment experiment = new LandscapeExperiment(options(more));
      ExperimentResult result = experiment.run(ws);
      if (experiment.runs().out().isPresent()) {
        experiment.write(result);
      }
      return result;
    }
  }

  private static ExperimentResult run(Map<String, String> more) throws IOException {
    return run(more, 2, (stage, step, of) -> {});
  }

  private static String bytes(Path out) throws IOException {
    return Files.readString(out.resolve("results.json")).replaceAll("(?s)\"seconds\".*", "");
  }

  private static LandscapeFound found(ExperimentResult result, List<LandscapeMinimum> minima) {
    List<Findings> seeds =
        result.section("found").stream()
            .map(
                seed -> {
                  Findings findings = new Findings(result.training());
                  findings.data().put("landscapes", byId(seed));
                  return findings;
                })
            .toList();
    return new LandscapeFound(
        minima, LandscapeFound.of(options(Map.of("minima", ids(minima))), seeds).seeds());
  }

  private static String ids(List<LandscapeMinimum> minima) {
    return String.join(":", minima.stream().map(LandscapeMinimum::id).toList());
  }

  @SuppressWarnings("unchecked")
  private static Map<String, Object> byId(Object seed) {
    return Json.convert(seed, Map.class);
  }

  @ParameterizedTest
  @CsvSource({"mlp, 6:5, ''", "cnn, '', 2"})
  void everyMinimumHasItsLandscape(String network, String hidden, String channels)
      throws IOException {
    ExperimentResult result =
        run(Map.of("network", network, "hidden", hidden, "channels", channels));
    List<LandscapeMinimum> minima = List.of(LandscapeMinimum.values());
    assertThat(result.rows())
        .extracting(ExperimentResult.Row::method)
        .containsExactly("wd-aug", "wd", "none", "labels-50", "labels-100");
    assertThat(result.training()).isEqualTo(new ExperimentResult.Training(10, 0));
    assertThat(result.parameters())
        .isEqualTo(
            network.equals("mlp")
                ? 144 * 6 + 6 * 5 + 5 * 3
                : 20 + (4 * 2 * 9 + 4) + (8 * 4 * 9 + 8) + (8 * 3 + 3));
    LandscapeFound found = found(result, minima);
    for (LandscapeMinimum minimum : minima) {
      assertThat(result.row(minimum.id()).accuracy())
          .isCloseTo(Summary.mean(found.each(minimum, l -> l.test().accuracy())), within(1e-12));
      found.of(minimum).forEach(LandscapeExperimentTest::check);
    }
    // Test labels are drawn as those of training: right ones stay right.
    for (LandscapeMinimum minimum : minima) {
      for (Landscape landscape : found.of(minimum)) {
        if (minimum.random() == 0) {
          assertThat(landscape.drawn()).isEqualTo(landscape.test());
        } else {
          assertThat(landscape.drawn().loss()).isNotEqualTo(landscape.test().loss());
        }
      }
    }
    // The minima begin at the same weights, but are not the same.
    assertThat(found.first(LandscapeMinimum.WD).test())
        .isNotEqualTo(found.first(LandscapeMinimum.NONE).test());
    assertThat(result.section("claims")).hasSize(16 + 8 + 32);
    assertThat(result.section("ranks")).hasSize(4 * 2 * 2 * 2);
    assertThat(result.section("persistence")).hasSize(2 * 2 * 5);
    assertThat(result.section("otherSamples")).hasSize(3 * 2 * 2 * 5);
    assertThat(result.section("wasserstein")).hasSize(2 * 2 * 5);
    assertThat(result.report().tables()).contains("labels-100", "two seeds", "over minima");
  }

  private static void check(Landscape landscape) {
    Samples samples = landscape.samples();
    assertThat(samples.epoch()).containsExactly(0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2);
    assertThat(samples.alpha()).startsWith(.5, .5, .5, 1.0, 1.0, 1.0, .5);
    assertThat(samples.direction().get(6)).isEqualTo(samples.direction().get(0) + 1);
    assertThat(samples.testLoss()).hasSize(12).allMatch(loss -> loss > 0);
    assertThat(samples.x()).hasSize(12);
    assertThat(samples.pcaY()).hasSize(12);
    assertThat(landscape.phate().entropy()).hasSize(100);
    assertThat(landscape.pca().shares()).hasSize(6).isSortedAccordingTo((a, b) -> b.compareTo(a));
    assertThat(landscape.probes().testLines()).hasSize(2).allMatch(line -> line.size() == 6);
    assertThat(landscape.probes().trainPlane()).hasSize(3).allMatch(line -> line.size() == 3);
    // The middle of the plane is the minimum.
    assertThat(landscape.probes().testPlane().get(1).get(1)).isEqualTo(landscape.test().loss());
    assertThat(landscape.probes().trainPlane().get(1).get(1)).isEqualTo(landscape.train().loss());
    assertThat(landscape.valleys()).hasSize(16);
    for (Valleys valleys : landscape.valleys()) {
      double total = valleys.pairs().stream().mapToDouble(p -> p.get(1) - p.get(0)).sum();
      assertThat(valleys.total()).isCloseTo(total, within(1e-12));
      assertThat(valleys.diagram(true).totalPersistence(1))
          .isCloseTo(valleys.total(true), within(1e-9));
      int vertices = valleys.samples().equals("plane") ? 9 : 12;
      assertThat(valleys.edges()).isBetween(vertices * 3 / 2, vertices * 3);
      boolean own = valleys.samples().equals("retrained");
      assertThat(valleys.births())
          .hasSize(own ? valleys.edges() - vertices + valleys.components() : 0);
    }
    Valleys test = landscape.valleys(LandscapeSampling.RETRAINED, "nearest", "test");
    assertThat(test.highest())
        .isEqualTo(samples.testLoss().stream().mapToDouble(v -> v).max().orElseThrow());
  }

  /** Interrupted in each stage, after so many reports of it. */
  @ParameterizedTest
  @CsvSource({
    "train none, 1",
    "jump and retrain, 5",
    "jump and retrain, 19",
    "losses, 3",
    "products, 0",
    "products, 4"
  })
  void aRunGoesOnToTheSameBytes(String where, int reports) throws IOException {
    Map<String, String> few = Map.of("minima", "wd-aug:none");
    Map<String, String> whole = new HashMap<>(few);
    whole.put("out", folder.resolve("whole").toString());
    run(whole, 1, (stage, step, of) -> {});
    Map<String, String> broken = new HashMap<>(few);
    Path out = folder.resolve("broken");
    broken.put("out", out.toString());
    broken.put("cache", folder.resolve("models").toString());
    int[] left = {reports};
    Progress stop =
        (stage, step, of) -> {
          if (stage.startsWith(where) && --left[0] < 0) {
            throw new IllegalStateException("interrupted");
          }
        };
    Path foreign = Files.createDirectories(out.resolve("samples/wd-aug-0")).resolve("notes.md");
    Files.writeString(foreign, "of the user");
    assertThatThrownBy(() -> run(broken, 2, stop)).hasStackTraceContaining("interrupted");
    assertThat(out.resolve("results.json")).doesNotExist();
    ExperimentResult result = run(broken);
    assertThat(bytes(out)).isEqualTo(bytes(folder.resolve("whole")));
    assertThat(result.training().cached()).isPositive();
    assertThat(out.resolve("unfinished")).doesNotExist();
    // Samples are gone, what somebody else put there is not.
    try (Stream<Path> rest = Files.walk(out.resolve("samples"))) {
      assertThat(rest.filter(Files::isRegularFile)).containsExactly(foreign);
    }
    assertThat(folder.resolve("whole/samples")).doesNotExist();
    assertThat(out.resolve("report.html")).exists();
  }

  /**
   * Samples that were interrupted are gone on from; those of all that is written are not needed.
   */
  @Test
  void samplesAreKeptWhenAskedFor() throws IOException {
    Path out = folder.resolve("out");
    Map<String, String> kept =
        Map.of(
            "minima",
            "wd",
            "seeds",
            "1",
            "keep-samples",
            "true",
            "out",
            out.toString(),
            "keep",
            folder.resolve("kept").toString());
    ExperimentResult result = run(kept);
    Landscape landscape = found(result, List.of(LandscapeMinimum.WD)).first(LandscapeMinimum.WD);
    try (SampleStore store = SampleStore.open(out.resolve("samples/wd-0"))) {
      assertThat(store.samples()).isEqualTo(12);
      assertThat(store.width()).isEqualTo(result.parameters());
      assertThat(LandscapeProbes.list(store.column("test-loss")))
          .isEqualTo(landscape.samples().testLoss());
      Phate phate =
          new Phate(Phate.Options.defaults().with("knn", 2).with("metric", Phate.Metric.COSINE));
      try (Workspace ws = Workspace.builder().threads(1).open();
          GramMatrix products = GramMatrix.centred(store, DType.F64, ws);
          Matrix cosines = products.cosine()) {
        Phate.Result wanted = phate.fit(cosines, ws);
        assertThat(landscape.phate().stress()).isEqualTo(wanted.stress());
        for (int i = 0; i < 12; i++) {
          assertThat(landscape.samples().x().get(i))
              .isEqualTo(LandscapeTopology.rounded(wanted.points()[i][0]));
        }
      }
    }
    assertThat(folder.resolve("kept/pair-0/wd.safetensors")).exists();
    // One minimum ranks nothing, and there is no other to compare it with.
    assertThat(result.section("ranks")).isEmpty();
    assertThat(result.section("claims")).isEmpty();
  }

  /** Without a folder for results samples are where nobody finds them: they go, failed or not. */
  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void withoutAFolderNothingIsLeft(boolean fails) throws IOException {
    Path samples = Files.createDirectory(folder.resolve("samples"));
    Progress stop =
        (stage, step, of) -> {
          if (stage.startsWith("products")) {
            assertThat(samples.resolve("wd-0/samples.txt")).exists();
            if (fails) {
              throw new IllegalStateException("interrupted");
            }
          }
        };
    LandscapeExperiment experiment =
        new LandscapeExperiment(
            options(Map.of("minima", "wd", "seeds", "1", "keep-samples", "true")));
    try (Workspace ws = Workspace.builder().threads(1).progress(stop).open()) {
      Runner runner = new Runner(experiment, ws);
      Groups groups = experiment.groups(samples);
      if (fails) {
        assertThatThrownBy(() -> runner.run(groups)).hasStackTraceContaining("interrupted");
      } else {
        runner.run(groups);
      }
    }
    assertThat(samples).doesNotExist();
  }

  /** The part of the page that moves has every network and sample. */
  @Test
  void thePageShowsEverySample() throws IOException {
    Path out = folder.resolve("out");
    run(Map.of("minima", "wd:none:labels-100", "out", out.toString()));
    String page = Files.readString(out.resolve("report.html"));
    assertThat(page).doesNotContainPattern("(src|href)\\s*=\\s*[\"']?(https?:|//|file:)");
    int from = page.indexOf("const networks = ") + "const networks = ".length();
    String json = page.substring(from, page.indexOf(";\n", from));
    Network[] networks =
        Json.read(Files.writeString(folder.resolve("networks.json"), json), Network[].class);
    assertThat(networks)
        .extracting(Network::name)
        .containsExactly(
            "wd, seed 0",
            "none, seed 0",
            "labels-100, seed 0",
            "wd, seed 1",
            "none, seed 1",
            "labels-100, seed 1");
    for (Network network : networks) {
      assertThat(network.epoch()).hasSize(12);
      assertThat(network.PHATE()).hasSize(2).allMatch(axis -> axis.size() == 12);
      assertThat(network.PCA().get(0)).allMatch(at -> Math.abs(at) <= .5);
      assertThat(network.test()).allMatch(loss -> loss > 0);
    }
    // Of the first seed every sample is a circle, with a rim where it is a jumped point.
    for (String file : List.of("phate-loss.svg", "phate-direction.svg", "pca-loss.svg")) {
      String picture = Files.readString(out.resolve(file));
      int legend = file.contains("direction") ? 2 : 0;
      assertThat(picture.split("<circle", -1)).as(file).hasSize(1 + 3 * 12 + legend);
      assertThat(picture.split("<circle[^>]* stroke=\"black\"", -1)).as(file).hasSize(1 + 3 * 4);
    }
    for (String file :
        List.of(
            "samples.html",
            "phate-loss.svg",
            "phate-direction.svg",
            "pca-loss.svg",
            "entropy.svg",
            "fans.svg",
            "persistence-gap.svg",
            "diagrams-nearest.svg",
            "diagrams-farthest.svg",
            "lines.svg",
            "planes.svg")) {
      assertThat(out.resolve(file)).as(file).exists();
    }
  }

  private record Network(
      String name,
      List<Integer> direction,
      List<Double> alpha,
      List<Integer> epoch,
      List<Double> train,
      List<Double> test,
      List<List<Double>> PHATE,
      List<List<Double>> PCA) {}

  @Test
  void theDefaultDataAreTheEmbeddedImages() throws IOException {
    ExperimentResult result =
        run(Map.of("data", "", "seeds", "1", "minima", "wd-aug", "epochs", "2", "k", "2"));
    assertThat(result.data().name()).isEqualTo("fashion-mnist-subset");
    assertThat(result.data().test()).isEqualTo(2000);
    assertThat(result.parameters()).isEqualTo(784 * 6 + 6 * 5 + 5 * 10);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "minima||minima must be ways of training, each once, at least one, not []",
        "minima|wd:wd|minima must be ways of training, each once, at least one, not [wd, wd]",
        "minima|best|minima must be one of wd-aug, wd, none, labels-50, labels-100, not 'best'",
        "steps|1:0.5|steps must be lengths of jumps in increasing order, each once, at least one,"
            + " not [1.0, 0.5]",
        "steps|0:1|steps must be finite and greater than 0, not 0.0",
        "directions|1|directions must be at least 2, not 1",
        "epochs|1|epochs must be at least 2, not 1",
        "held-out|1|held-out must be in [0, 1), not 1",
        "weight-decay|0|weight-decay must be finite and greater than 0, not 0.0",
        "k|9|2 directions x 2 steps x 3 epochs give 12 samples, and 9 on lines or the plane; k 9"
            + " and knn 2 need 10: set epochs higher, or these lower",
        "knn|8|2 directions x 2 steps x 3 epochs give 12 samples, and 9 on lines or the plane; k 3"
            + " and knn 8 need 10: set epochs higher, or these lower",
        "network|cnn|--hidden: network cnn does not use it; drop it",
        "channels|4|--channels: network mlp does not use it; drop it",
        "data|/nowhere|data folder /nowhere does not exist"
      })
  void settingsThatDoNotFitAreRefused(String name, String value, String message) {
    Map<String, String> more = Map.of(name, value == null ? "" : value);
    assertThatThrownBy(
            () -> {
              if (value == null) {
                LandscapeExperiment.Options none =
                    Settings.with(options(Map.of()), name, List.of());
                new LandscapeExperiment(none);
              }
              run(more);
            })
        .hasMessageStartingWith(message);
  }

  /** Samples of other settings are not taken for those of this run. */
  @Test
  void samplesOfSomethingElseAreRefused() throws IOException {
    Path out = folder.resolve("out");
    Map<String, String> kept =
        Map.of("minima", "wd", "seeds", "1", "keep-samples", "true", "out", out.toString());
    run(kept);
    Map<String, String> other = new HashMap<>(kept);
    other.put("lr", "0.01");
    assertThatThrownBy(() -> run(other)).hasMessageContaining("samples of something else");
  }
}
