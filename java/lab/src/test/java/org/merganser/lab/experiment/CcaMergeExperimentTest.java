// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.align.Aligner;
import org.merganser.align.AlignmentProblem;
import org.merganser.align.AlignmentSet;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.io.Safetensors;
import org.merganser.lab.data.Blobs;
import org.merganser.lab.data.DataSet;
import org.merganser.lab.report.Json;
import org.merganser.linalg.Tensor;
import org.merganser.merge.LinearMerger;
import org.merganser.merge.MergeProblem;
import org.merganser.model.Evaluation;
import org.merganser.plan.Catalogue;
import org.merganser.stats.Moments;
import org.merganser.torch.TorchNetwork;
import org.merganser.torch.layers.Activation;
import org.merganser.torch.training.Trainer;

class CcaMergeExperimentTest {
  private static final int HIDDEN = 16;
  private static final int EPOCHS = 40;
  private static final int TRAIN = 600;
  private static final long SEED = 11;
  private static final TorchNetwork NETWORK = TorchNetwork.mlp(64, HIDDEN, 2, 10, Activation.RELU);
  private static final String[] ROWS =
      Stream.concat(Stream.of("base", "best-base", "ensemble"), Catalogue.aligners().ids().stream())
          .toArray(String[]::new);

  @TempDir static Path temp;

  private static ExperimentResult result;

  static CcaMergeExperiment.Options options(int models, int pairs, int epochs, Path keep) {
    CcaMergeExperiment.Options builder =
        CcaMergeExperiment.Options.defaults()
            .with("repair", false)
            .with("data", ExperimentOptions.BLOBS)
            .with("hidden", HIDDEN)
            .with("models", models)
            .with("seeds", pairs)
            .with("seed", SEED)
            .with("epochs", epochs)
            .with("train", TRAIN);
    return keep == null ? builder : builder.with("keep", keep);
  }

  static ExperimentResult run(CcaMergeExperiment.Options options, int threads) throws IOException {
    try (Workspace ws = Workspace.builder().threads(threads).seed(options.common().seed()).open()) {
      return new CcaMergeExperiment(options).run(ws);
    }
  }

  @BeforeAll
  static void runOnce() throws IOException {
    result = run(options(2, 2, EPOCHS, temp.resolve("kept")), 2);
    Json.write(result.report().json(), temp.resolve("results.json"));
  }

  private static Path pair(int pair) {
    return temp.resolve("kept").resolve("pair-" + pair);
  }

  /** Bytes of every file, by path within the folder. */
  static Map<String, byte[]> files(Path folder) throws IOException {
    Map<String, byte[]> files = new TreeMap<>();
    try (Stream<Path> all = Files.walk(folder)) {
      for (Path path : all.filter(Files::isRegularFile).toList()) {
        files.put(folder.relativize(path).toString(), Files.readAllBytes(path));
      }
    }
    return files;
  }

  private static void assertSameFiles(Path folder, Path wanted) throws IOException {
    Map<String, byte[]> found = files(folder);
    Map<String, byte[]> expected = files(wanted);
    assertThat(found.keySet()).isEqualTo(expected.keySet());
    expected.forEach(
        (name, bytes) ->
            assertThat(Arrays.equals(found.get(name), bytes)).as("%s is the same", name).isTrue());
  }

  @Test
  void hasOneRowForEachMethodInOrder() {
    assertThat(result.rows()).extracting(ExperimentResult.Row::method).containsExactly(ROWS);
    for (ExperimentResult.Row row : result.rows()) {
      assertThat(row.accuracy()).isBetween(0.05, 1.0);
      assertThat(row.accuracySd()).isBetween(0.0, 0.5);
      assertThat(row.loss()).isPositive();
    }
  }

  @Test
  void ccaBeatsAveragingAsTheyAre() {
    double cca = result.row("cca").accuracy();
    assertThat(cca).isGreaterThan(result.row("identity").accuracy() + 0.1);
    assertThat(cca).isLessThan(result.row("best-base").accuracy() + 0.02);
    assertThat(result.row("permutation").accuracy())
        .isGreaterThan(result.row("identity").accuracy());
  }

  @Test
  void rowsAreMeansAndDeviationsOfThePairs() {
    assertThat(result.pairs()).hasSize(2);
    for (String id : ROWS) {
      double a = result.pairs().get(0).get(id);
      double b = result.pairs().get(1).get(id);
      assertThat(result.row(id).accuracy()).isCloseTo((a + b) / 2, within(1e-12));
      assertThat(result.row(id).accuracySd())
          .isCloseTo(Math.abs(a - b) / Math.sqrt(2), within(1e-12));
    }
  }

  /** The middle of a path is the merged model, its ends are the models. */
  @Test
  void pathsRunThroughTheMergedModels() throws IOException {
    assertThat(Views.paths(result))
        .extracting(CcaMergeCharts.Path::method)
        .containsExactlyElementsOf(Catalogue.aligners().ids());
    double[] ends = new double[2];
    try (Workspace ws = Workspace.builder().threads(1).open()) {
      for (int pair = 0; pair < 2; pair++) {
        for (int k = 0; k < 2; k++) {
          try (DataSet data = Blobs.draw(TRAIN, SEED + pair);
              Checkpoint model =
                  Safetensors.open(pair(pair).resolve("model-" + k + ".safetensors"))) {
            ends[k] += Evaluation.of(NETWORK, model, data.test(), ws).accuracy() / 2;
          }
        }
      }
    }
    for (CcaMergeCharts.Path path : Views.paths(result)) {
      assertThat(path.lambdas()).hasSize(11);
      assertThat(path.accuracies().get(0)).isCloseTo(ends[0], within(1e-9));
      // Permuted models add up in another order: a sample on the border may change sides.
      assertThat(path.accuracies().get(10)).isCloseTo(ends[1], within(1e-3));
      assertThat(path.accuracies().get(5))
          .as(path.method())
          .isCloseTo(result.row(path.method()).accuracy(), within(1e-9));
      assertThat(path.losses().get(5)).isCloseTo(result.row(path.method()).loss(), within(1e-6));
      double line = (ends[0] + ends[1]) / 2;
      assertThat(path.accuracyBarrier())
          .isGreaterThanOrEqualTo(line - path.accuracies().get(5) - 1e-3);
      assertThat(path.lossBarrier()).isGreaterThanOrEqualTo(0);
    }
    assertThat(Views.paths(result).get(0).accuracyBarrier()).isGreaterThan(0.2);
  }

  @Test
  void spectraDescribeEverySpace() throws IOException {
    assertThat(Views.spectra(result).keySet()).containsExactly("fc1", "fc2");
    Views.spectra(result)
        .forEach(
            (space, spectra) -> {
              List<List<Double>> all = new ArrayList<>(spectra.matched().values());
              all.add(spectra.canonical());
              all.add(spectra.regularised());
              for (List<Double> values : all) {
                assertThat(values).hasSize(HIDDEN);
                assertThat(values).isSortedAccordingTo(Comparator.reverseOrder());
                assertThat(values).allSatisfy(v -> assertThat(v).isBetween(-1.0, 1 + 1e-9));
              }
              assertThat(spectra.matched().keySet())
                  .containsExactlyElementsOf(Catalogue.aligners().ids());
              double cca = mean(spectra.matched().get("cca"));
              assertThat(cca).isGreaterThan(mean(spectra.matched().get("permutation")));
              assertThat(mean(spectra.matched().get("permutation")))
                  .isGreaterThan(mean(spectra.matched().get("identity")) + 0.2);
              assertThat(mean(spectra.canonical())).isGreaterThan(mean(spectra.regularised()));
            });
    // The numbers behind the score of the aligner, from the kept statistics.
    double wanted = 0;
    for (int pair = 0; pair < 2; pair++) {
      try (Workspace ws = Workspace.builder().threads(1).open();
          Moments moments = Moments.load(pair(pair).resolve("stats.mgstats"), ws)) {
        AlignmentProblem problem = AlignmentProblem.of(NETWORK.architecture(), moments);
        AlignmentSet found = Catalogue.aligner("permutation").align(problem, ws);
        wanted += found.of(1).spaces().get("fc2").score() / 2;
      }
    }
    assertThat(mean(Views.spectra(result).get("fc2").matched().get("permutation")))
        .isCloseTo(wanted, within(1e-12));
  }

  private static double mean(List<Double> values) {
    return values.stream().mapToDouble(Double::doubleValue).average().orElseThrow();
  }

  @Test
  void keepsModelsStatisticsAndMergedModels() throws IOException {
    List<String> wanted = new ArrayList<>();
    for (int pair = 0; pair < 2; pair++) {
      for (String id : Catalogue.aligners().ids()) {
        wanted.add("pair-" + pair + "/merged-" + id + ".safetensors");
      }
      wanted.add("pair-" + pair + "/model-0.safetensors");
      wanted.add("pair-" + pair + "/model-1.safetensors");
      wanted.add("pair-" + pair + "/stats.mgstats");
    }
    assertThat(files(temp.resolve("kept")).keySet()).containsExactlyInAnyOrderElementsOf(wanted);
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 8})
  void theSameBytesForAnyNumberOfThreads(int threads) throws IOException {
    Path again = temp.resolve("again-" + threads);
    ExperimentResult repeated = run(options(2, 2, EPOCHS, again), threads);
    assertSameFiles(again, temp.resolve("kept"));

    Path json = temp.resolve("again-" + threads + ".json");
    Json.write(repeated.report().json(), json);
    Map<String, Object> found = new LinkedHashMap<>(Views.json(json));
    Map<String, Object> wanted = new LinkedHashMap<>(Views.json(temp.resolve("results.json")));
    assertThat(((Map<?, ?>) found.remove("seconds")).keySet())
        .isEqualTo(((Map<?, ?>) wanted.remove("seconds")).keySet());
    assertThat(found).isEqualTo(wanted);
  }

  @Test
  void resultsSayWhatRan() throws IOException {
    Map<String, Object> found = Views.json(temp.resolve("results.json"));
    assertThat(found)
        .containsEntry("experiment", "cca-merge")
        .containsEntry("seed", SEED)
        .containsEntry(
            "data", Map.of("name", "blobs", "train", 600L, "validation", 2000L, "test", 4000L))
        .containsEntry(
            "model",
            Map.of("kind", "mlp", "hidden", 16L, "layers", 2L, "parameters", NETWORK.size()))
        .containsEntry("backend", "cpu");
    Map<?, ?> aligners = (Map<?, ?>) found.get("aligners");
    assertThat(List.copyOf(aligners.keySet())).isEqualTo(Catalogue.aligners().ids());
    assertThat(aligners.get("identity")).isEqualTo(List.of(Map.of()));
    assertThat(aligners.get("cca")).isEqualTo(List.of(Map.of("gamma", 1.0, "unit", "relative")));
    assertThat(found.get("isa")).isIn("portable", "avx2", "avx512");
    assertThat(((Map<?, ?>) found.get("versions")).keySet())
        .isEqualTo(java.util.Set.of("merganser", "native", "java", "blas", "torch"));
    Map<?, ?> seconds = (Map<?, ?>) found.get("seconds");
    assertThat(seconds.keySet())
        .isEqualTo(
            java.util.Set.of(
                "data",
                "train",
                "evaluate",
                "statistics",
                "spectra",
                "align",
                "merge",
                "select",
                "paths"));
    assertThat(seconds.values()).allSatisfy(s -> assertThat((double) s).isBetween(0.0, 600.0));
  }

  /** What is reported follows from what is kept: accuracy of models and merged models. */
  @Test
  void accuraciesCanBeRecomputedFromTheFiles() throws IOException {
    for (int pair = 0; pair < 2; pair++) {
      try (Workspace ws = Workspace.builder().threads(1).open();
          DataSet data = Blobs.draw(TRAIN, SEED + pair);
          Checkpoint first = Safetensors.open(pair(pair).resolve("model-0.safetensors"));
          Checkpoint second = Safetensors.open(pair(pair).resolve("model-1.safetensors"))) {
        Map<String, Double> reported = result.pairs().get(pair);
        for (String id : Catalogue.aligners().ids()) {
          Path path = pair(pair).resolve("merged-" + id + ".safetensors");
          try (Checkpoint merged = Safetensors.open(path)) {
            assertThat(Evaluation.of(NETWORK, merged, data.test(), ws).accuracy())
                .as(id)
                .isEqualTo(reported.get(id));
          }
        }
        double a = Evaluation.of(NETWORK, first, data.test(), ws).accuracy();
        double b = Evaluation.of(NETWORK, second, data.test(), ws).accuracy();
        assertThat(reported.get("base")).isCloseTo((a + b) / 2, within(1e-12));
        // Chosen on samples that neither test nor training data hold.
        double ofFirst =
            Evaluation.of(NETWORK, first, data.validation().orElseThrow(), ws).accuracy();
        double ofSecond =
            Evaluation.of(NETWORK, second, data.validation().orElseThrow(), ws).accuracy();
        assertThat(ofFirst).isNotEqualTo(ofSecond);
        assertThat(reported.get("best-base")).isEqualTo(ofFirst > ofSecond ? a : b);
        try (Tensor la = Evaluation.logits(NETWORK, first, data.test(), ws);
            Tensor lb = Evaluation.logits(NETWORK, second, data.test(), ws);
            Tensor mean = Evaluation.mean(List.of(la, lb))) {
          assertThat(reported.get("ensemble"))
              .isEqualTo(Evaluation.ofLogits(mean, data.test()).accuracy());
        }
      }
    }
  }

  /** Maps from the kept statistics, applied to the kept models, give the kept merged models. */
  @Test
  void mergedModelsCanBeRecomputedFromTheFiles() throws IOException {
    try (Workspace ws = Workspace.builder().threads(1).open();
        Moments moments = Moments.load(pair(1).resolve("stats.mgstats"), ws);
        Checkpoint first = Safetensors.open(pair(1).resolve("model-0.safetensors"));
        Checkpoint second = Safetensors.open(pair(1).resolve("model-1.safetensors"))) {
      assertThat(moments.space("fc1").samples()).isEqualTo(TRAIN);
      AlignmentProblem problem = AlignmentProblem.of(NETWORK.architecture(), moments);
      for (String id : Catalogue.aligners().ids()) {
        Aligner aligner = Catalogue.aligner(id);
        AlignmentSet found = aligner.align(problem, ws);
        Checkpoint merged =
            LinearMerger.uniform()
                .merge(MergeProblem.of(found.of(0).apply(first), found.of(1).apply(second)), ws);
        Path path = temp.resolve("recomputed-" + id + ".safetensors");
        Safetensors.write(merged, path, ws);
        assertThat(Files.mismatch(path, pair(1).resolve("merged-" + id + ".safetensors")))
            .as(id)
            .isEqualTo(-1);
      }
    }
  }

  /** Pair I has the models of seeds F+2I and F+2I+1, trained on the draw of seed F+I. */
  @Test
  void modelsCanBeTrainedAgainAlone() throws IOException {
    try (DataSet data = Blobs.draw(TRAIN, SEED + 1);
        Workspace ws = Workspace.builder().threads(1).seed(SEED + 3).open();
        MemoryCheckpoint initial = NETWORK.initialise(SEED + 3);
        MemoryCheckpoint trained =
            Trainer.train(NETWORK, initial, data.train(), Trainer.Options.adamW(EPOCHS), ws);
        Checkpoint kept = Safetensors.open(pair(1).resolve("model-1.safetensors"))) {
      for (String name : kept.tensors().keySet()) {
        try (Tensor tensor = kept.read(name, ws)) {
          assertThat(tensor.sameBytes(trained.tensor(name))).as(name).isTrue();
        }
      }
    }
  }

  @Test
  void mergesFiveModelsAtOnce() throws IOException {
    Path keep = temp.resolve("five");
    ExperimentResult five = run(options(5, 1, 5, keep), 2);
    assertThat(five.rows()).extracting(ExperimentResult.Row::method).containsExactly(ROWS);
    assertThat(five.rows()).allSatisfy(row -> assertThat(row.accuracySd()).isZero());
    assertThat(files(keep.resolve("pair-0")))
        .containsKey("model-4.safetensors")
        .hasSize(5 + Catalogue.aligners().ids().size() + 1);
    try (Workspace ws = Workspace.builder().threads(1).open();
        Moments moments = Moments.load(keep.resolve("pair-0").resolve("stats.mgstats"), ws)) {
      assertThat(moments.space("fc2").models()).isEqualTo(5);
    }
  }
}
