// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.io.Safetensors;
import org.merganser.lab.data.Blobs;
import org.merganser.lab.data.DataSet;
import org.merganser.lab.report.Json;
import org.merganser.linalg.Tensor;
import org.merganser.model.Evaluation;
import org.merganser.torch.TorchNetwork;
import org.merganser.torch.layers.Activation;

class NpMergeExperimentTest {
  private static final int HIDDEN = 16;
  private static final int TRAIN = 600;
  private static final int PAIRS = 3;
  private static final long SEED = 11;
  private static final List<String> ALIGNERS = List.of("identity", "permutation", "cca");
  private static final TorchNetwork NETWORK = TorchNetwork.mlp(64, HIDDEN, 2, 10, Activation.RELU);

  @TempDir static Path temp;

  private static ExperimentResult result;

  private static NpMergeExperiment.Options options() {
    return options(temp.resolve("models"));
  }

  static NpMergeExperiment.Options options(Path cache) {
    return NpMergeExperiment.Options.defaults()
        .with("data", ExperimentOptions.BLOBS)
        .with("hidden", HIDDEN)
        .with("seeds", PAIRS)
        .with("seed", SEED)
        .with("train", TRAIN)
        .with("samples", List.of(64, 128))
        .with("cache", cache);
  }

  static ExperimentResult run(NpMergeExperiment.Options options, int threads) throws IOException {
    try (Workspace ws = Workspace.builder().threads(threads).open()) {
      return new NpMergeExperiment(options).run(ws);
    }
  }

  @BeforeAll
  static void runOnce() throws IOException {
    result = run(options().with("keep", temp.resolve("kept")), 2);
    Json.write(result.report().json(), temp.resolve("results.json"));
  }

  private static List<String> methods(ExperimentResult of) {
    return of.rows().stream().map(ExperimentResult.Row::method).toList();
  }

  @Test
  void hasOneRowForEachMethodInOrder() {
    assertThat(methods(result))
        .containsExactly(
            "base",
            "best-base",
            "ensemble",
            "average+identity",
            "average+permutation",
            "average+cca",
            "np-merge+identity",
            "np-merge+permutation",
            "np-merge+cca",
            "finetuned-average",
            "finetuned-average+identity",
            "finetuned-average+permutation");
  }

  @Test
  void learningBeatsAveraging() {
    for (String aligner : ALIGNERS) {
      ExperimentResult.Difference gain =
          result.difference("np-merge+" + aligner, "average+" + aligner);
      assertThat(gain.pairs()).as(aligner).hasSize(PAIRS).allMatch(d -> d > 0.02);
      assertThat(result.row("np-merge+" + aligner).loss())
          .isLessThan(result.row("average+" + aligner).loss());
    }
    assertThat(result.difference("np-merge+identity", "average+identity").mean())
        .isGreaterThan(0.2);
  }

  @Test
  void differencesAreThoseOfThePairs() {
    assertThat(result.differences()).hasSize(4 * ALIGNERS.size());
    assertThat(result.differences().stream().map(d -> d.method() + " " + d.than()))
        .contains(
            "np-merge+cca finetuned-average",
            "np-merge+identity finetuned-average+identity",
            "np-merge+permutation best-base",
            "np-merge+permutation ensemble");
    for (ExperimentResult.Difference d : result.differences()) {
      double sum = 0;
      for (int pair = 0; pair < PAIRS; pair++) {
        Map<String, Double> rows = result.pairs().get(pair);
        assertThat(d.pairs().get(pair)).isEqualTo(rows.get(d.method()) - rows.get(d.than()));
        sum += d.pairs().get(pair);
      }
      assertThat(d.mean()).isCloseTo(sum / PAIRS, within(1e-12));
      assertThat(d.high()).isGreaterThan(d.mean());
    }
  }

  @Test
  void curvesBeginAtTheAverageAndKeepTheLeast() {
    assertThat(Views.curves(result)).hasSize(2 * ALIGNERS.size());
    Map<String, Double> starts = new LinkedHashMap<>();
    for (NpMergeCharts.Curve curve : Views.curves(result)) {
      assertThat(curve.pairs()).hasSize(PAIRS);
      for (Learned.Run run : curve.pairs()) {
        double least = Collections.min(run.heldOut());
        assertThat(run.steps().get(0)).isZero();
        assertThat(run.heldOut().get(run.steps().indexOf(run.bestStep()))).isEqualTo(least);
        assertThat(run.batchLoss()).hasSizeBetween(10, 200);
      }
      String aligner =
          curve.method().equals("finetuned-average") ? "cca" : curve.method().split("\\+")[1];
      // NP Merge and fine-tuning begin with the same model and evaluate on the same samples.
      double start = starts.computeIfAbsent(aligner, a -> curve.heldOut().get(0));
      assertThat(curve.heldOut().get(0)).as(curve.method()).isCloseTo(start, within(1e-5));
    }
    assertThat(starts.keySet()).containsExactlyInAnyOrderElementsOf(ALIGNERS);
  }

  @Test
  void everyCoefficientIsCounted() {
    assertThat(Views.coefficients(result).keySet())
        .containsExactly(
            "fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias", "fc3.weight", "fc3.bias");
    Views.coefficients(result)
        .forEach(
            (tensor, methods) -> {
              assertThat(methods.keySet())
                  .containsExactly("np-merge+identity", "np-merge+permutation", "np-merge+cca");
              long size = NETWORK.parameters().get(tensor).size();
              methods
                  .values()
                  .forEach(
                      counts ->
                          assertThat(counts.stream().mapToLong(Long::longValue).sum())
                              .isEqualTo(PAIRS * size));
            });
  }

  @Test
  void theCurveOverSamplesStartsFromThePermutation() {
    Map<String, NpMergeCharts.Samples> samples = Views.samples(result);
    assertThat(samples.keySet())
        .containsExactly("average", "np-merge", "np-merge-all-steps", "finetuned-average");
    NpMergeCharts.Samples average = samples.get("average");
    assertThat(average.aligner()).isEqualTo("permutation");
    assertThat(average.samples()).containsExactly(64L, 128L);
    assertThat(average.pairs()).hasSize(PAIRS);
    ExperimentResult.Row row = result.row("average+permutation");
    for (int i = 0; i < 2; i++) {
      assertThat(average.accuracy().get(i)).isEqualTo(row.accuracy());
      assertThat(average.accuracySd().get(i)).isEqualTo(row.accuracySd());
      assertThat(average.loss().get(i)).isEqualTo(row.loss());
    }
  }

  /** Accuracies follow from the files that are kept; coefficients combine the models. */
  @Test
  void whatIsKeptGivesTheRows() throws IOException {
    List<String> wanted = new ArrayList<>(List.of("model-0", "model-1"));
    methods(result).stream().skip(3).forEach(id -> wanted.add("merged-" + id));
    ALIGNERS.forEach(id -> wanted.add("coefficients-np-merge+" + id));
    TreeSet<String> names = new TreeSet<>(List.of("stats.mgstats"));
    wanted.forEach(name -> names.add(name + ".safetensors"));
    Path pair = temp.resolve("kept").resolve("pair-1");
    try (Stream<Path> files = Files.list(pair)) {
      assertThat(files.map(f -> f.getFileName().toString()))
          .containsExactlyInAnyOrderElementsOf(names);
    }
    try (Workspace ws = Workspace.builder().threads(1).open();
        DataSet data = Blobs.draw(TRAIN, SEED + 1)) {
      for (String id : methods(result).subList(3, 12)) {
        try (Checkpoint merged = Safetensors.open(pair.resolve("merged-" + id + ".safetensors"))) {
          assertThat(Evaluation.of(NETWORK, merged, data.test(), ws).accuracy())
              .as(id)
              .isEqualTo(result.pairs().get(1).get(id));
        }
      }
      try (Checkpoint a = Safetensors.open(pair.resolve("model-0.safetensors"));
          Checkpoint b = Safetensors.open(pair.resolve("model-1.safetensors"));
          Checkpoint s =
              Safetensors.open(pair.resolve("coefficients-np-merge+identity.safetensors"));
          Checkpoint m = Safetensors.open(pair.resolve("merged-np-merge+identity.safetensors"));
          Tensor first = a.read("fc2.weight", ws);
          Tensor second = b.read("fc2.weight", ws);
          Tensor coefficient = s.read("fc2.weight", ws);
          Tensor merged = m.read("fc2.weight", ws)) {
        for (long i = 0; i < merged.size(); i++) {
          double value =
              coefficient.get(i) * first.get(i) + (1 - coefficient.get(i)) * second.get(i);
          assertThat(merged.get(i)).isCloseTo(value, within(1e-5));
        }
      }
    }
  }

  @Test
  void theSameResultsForAnyNumberOfThreads() throws IOException {
    Path json = temp.resolve("again.json");
    // From the cache now, one thread.
    Json.write(run(options(), 1).report().json(), json);
    Map<String, Object> found = new LinkedHashMap<>(Views.json(json));
    Map<String, Object> wanted = new LinkedHashMap<>(Views.json(temp.resolve("results.json")));
    assertThat(((Map<?, ?>) found.remove("seconds")).keySet())
        .isEqualTo(((Map<?, ?>) wanted.remove("seconds")).keySet());
    assertThat(found).isEqualTo(wanted);
  }

  @Test
  void resultsSayWhatRan() throws IOException {
    Map<String, Object> found = Views.json(temp.resolve("results.json"));
    assertThat(found.keySet())
        .containsExactly(
            "experiment",
            "seed",
            "seeds",
            "models",
            "epochs",
            "training",
            "split",
            "augmentation",
            "data",
            "model",
            "aligners",
            "settings",
            "rows",
            "pairs",
            "chosen",
            "differences",
            "curves",
            "coefficients",
            "samples",
            "backend",
            "isa",
            "versions",
            "seconds");
    assertThat(found).containsEntry("experiment", "np-merge").containsEntry("seeds", 3L);
    Map<?, ?> np = (Map<?, ?>) found.get("settings");
    assertThat(np.get("form")).isEqualTo("sigmoid");
    assertThat(np.get("granularity")).isEqualTo("parameter");
    assertThat(np.get("steps")).isEqualTo(200L);
    assertThat(np.get("batch")).isEqualTo(128L);
    assertThat(np.get("held-out")).isEqualTo(0.1);
    assertThat(np.get("learning-rate")).isEqualTo(0.05);
    Map<?, ?> difference = (Map<?, ?>) ((List<?>) found.get("differences")).get(0);
    assertThat(difference.keySet())
        .isEqualTo(java.util.Set.of("method", "than", "mean", "low", "high", "pairs"));
    List<Double> pairs = result.difference("np-merge+identity", "average+identity").pairs();
    assertThat((double) difference.get("high") - (double) difference.get("low"))
        .isCloseTo(2 * Summary.halfWidth(pairs).getAsDouble(), within(1e-12));
    assertThat((List<?>) found.get("samples")).hasSize(4);
    assertThat(((Map<?, ?>) found.get("seconds")).keySet())
        .isEqualTo(
            java.util.Set.of(
                "data",
                "train",
                "evaluate",
                "statistics",
                "align",
                "merge",
                "select",
                "np-merge",
                "fine-tuning",
                "samples"));
  }

  /** One after the other with alignment to what has been merged, and jointly. */
  @Test
  void threeModels() throws IOException {
    Path keep = temp.resolve("three");
    ExperimentResult three =
        run(
            options()
                .with("models", 3)
                .with("seeds", 1)
                .with("aligners", "permutation,identity")
                .with("steps", 60)
                .with("samples", List.of(0))
                .with("keep", keep),
            2);
    assertThat(methods(three))
        .containsExactly(
            "base",
            "best-base",
            "ensemble",
            "average+permutation",
            "average+identity",
            "np-merge+permutation",
            "np-merge+identity",
            "np-merge-joint+permutation",
            "np-merge-joint+identity",
            "finetuned-average",
            "finetuned-average+permutation");
    assertThat(three.section("samples")).isEmpty();
    assertThat(three.difference("np-merge-joint+permutation", "np-merge+permutation").low())
        .isNull();
    assertThat(three.difference("np-merge+identity", "finetuned-average").pairs()).hasSize(1);
    for (String method : List.of("np-merge+permutation", "np-merge-joint+permutation")) {
      assertThat(three.row(method).accuracy())
          .as(method)
          .isGreaterThan(three.row("average+permutation").accuracy());
    }
    assertThat(keep.resolve("pair-0"))
        .isDirectoryContaining("glob:**/coefficients-np-merge+permutation-round-1.safetensors")
        .isDirectoryContaining("glob:**/coefficients-np-merge-joint+identity.safetensors");
    Path json = temp.resolve("three.json");
    Json.write(three.report().json(), json);
    Map<?, ?> difference = (Map<?, ?>) ((List<?>) Views.json(json).get("differences")).get(0);
    assertThat(difference.keySet()).isEqualTo(java.util.Set.of("method", "than", "mean", "pairs"));
  }
}
