// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.merganser.compute.Cancellation;
import org.merganser.compute.Workspace;
import org.merganser.error.CancelledException;
import org.merganser.io.Checkpoint;
import org.merganser.io.Safetensors;
import org.merganser.lab.Json;
import org.merganser.lab.data.Blobs;
import org.merganser.lab.data.DataSet;
import org.merganser.lab.report.ResultsJson;
import org.merganser.linalg.Tensor;
import org.merganser.merge.NpMerger;
import org.merganser.model.EarlyStopping.HeldOut;
import org.merganser.model.Evaluation;
import org.merganser.torch.TorchNetwork;
import org.merganser.torch.layers.Activation;
import org.merganser.torch.networks.Norm;

class NpMergeExperimentTest {
  private static final int HIDDEN = 16;
  private static final int TRAIN = 600;
  private static final int PAIRS = 3;
  private static final long SEED = 11;
  private static final List<String> ALIGNERS = List.of("identity", "permutation", "cca");
  private static final TorchNetwork NETWORK = TorchNetwork.mlp(64, HIDDEN, 2, 10, Activation.RELU);

  @TempDir static Path temp;

  private static NpMergeResult result;

  private static NpMergeOptions.Builder options() {
    return NpMergeOptions.builder(ExperimentSettings.BLOBS)
        .hidden(HIDDEN)
        .pairs(PAIRS)
        .seed(SEED)
        .train(TRAIN)
        .samples(List.of(64, 128))
        .cache(temp.resolve("models"));
  }

  private static NpMergeResult run(NpMergeOptions options, int threads) throws IOException {
    try (Workspace ws = Workspace.builder().threads(threads).open()) {
      return NpMergeExperiment.run(options, ws);
    }
  }

  @BeforeAll
  static void runOnce() throws IOException {
    result = run(options().keep(temp.resolve("kept")).build(), 2);
    ResultsJson.write(result, temp.resolve("results.json"));
  }

  private static List<String> methods(NpMergeResult of) {
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
      NpMergeResult.Difference gain =
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
    for (NpMergeResult.Difference d : result.differences()) {
      double sum = 0;
      for (int pair = 0; pair < PAIRS; pair++) {
        Map<String, Double> rows = result.pairs().get(pair);
        assertThat(d.pairs().get(pair)).isEqualTo(rows.get(d.method()) - rows.get(d.than()));
        sum += d.pairs().get(pair);
      }
      assertThat(d.mean()).isCloseTo(sum / PAIRS, within(1e-12));
      assertThat(d.halfWidth()).isPresent();
    }
  }

  @Test
  void curvesBeginAtTheAverageAndKeepTheLeast() {
    assertThat(result.curves()).hasSize(2 * ALIGNERS.size());
    Map<String, Double> starts = new LinkedHashMap<>();
    for (NpMergeResult.Curve curve : result.curves()) {
      assertThat(curve.runs()).hasSize(PAIRS);
      for (NpMergeResult.LearningRun run : curve.runs()) {
        double least = run.heldOut().stream().mapToDouble(HeldOut::loss).min().orElseThrow();
        assertThat(run.heldOut().get(0).step()).isZero();
        assertThat(run.heldOut())
            .anyMatch(each -> each.step() == run.bestStep() && each.loss() == least);
        assertThat(run.losses()).hasSizeBetween(10, 200);
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
    assertThat(result.coefficients().keySet())
        .containsExactly(
            "fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias", "fc3.weight", "fc3.bias");
    result
        .coefficients()
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
    NpMergeResult.Samples samples = result.samples().orElseThrow();
    assertThat(samples.aligner()).isEqualTo("permutation");
    assertThat(samples.counts()).containsExactly(64, 128);
    assertThat(samples.points().keySet())
        .containsExactly("average", "np-merge", "np-merge-all-steps", "finetuned-average");
    for (NpMergeResult.SamplePoint average : samples.points().get("average")) {
      assertThat(average.accuracy()).isEqualTo(result.row("average+permutation").accuracy());
      assertThat(average.accuracySd()).isEqualTo(result.row("average+permutation").accuracySd());
      assertThat(average.loss()).isEqualTo(result.row("average+permutation").loss());
      assertThat(average.pairs()).hasSize(PAIRS);
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
    ResultsJson.write(run(options().build(), 1), json);
    Map<String, Object> found = new LinkedHashMap<>(Json.read(json));
    Map<String, Object> wanted = new LinkedHashMap<>(Json.read(temp.resolve("results.json")));
    assertThat(((Map<?, ?>) found.remove("seconds")).keySet())
        .isEqualTo(((Map<?, ?>) wanted.remove("seconds")).keySet());
    assertThat(found).isEqualTo(wanted);
  }

  @Test
  void resultsSayWhatRan() throws IOException {
    Map<String, Object> found = Json.read(temp.resolve("results.json"));
    assertThat(found.keySet())
        .containsExactly(
            "experiment",
            "seed",
            "seeds",
            "models",
            "epochs",
            "training",
            "gamma",
            "split",
            "augmentation",
            "data",
            "model",
            "npMerge",
            "rows",
            "pairs",
            "differences",
            "curves",
            "coefficients",
            "samples",
            "backend",
            "isa",
            "versions",
            "seconds");
    assertThat(found).containsEntry("experiment", "np-merge").containsEntry("seeds", 3L);
    Map<?, ?> np = (Map<?, ?>) found.get("npMerge");
    assertThat(np.get("form")).isEqualTo("sigmoid");
    assertThat(np.get("granularity")).isEqualTo("parameter");
    assertThat(np.get("steps")).isEqualTo(200L);
    assertThat(np.get("batch")).isEqualTo(128L);
    assertThat(np.get("heldOut")).isEqualTo(0.1);
    assertThat(np.get("train")).isEqualTo((long) TRAIN);
    assertThat(np.get("optimizer").toString()).contains("0.05");
    assertThat(np.get("fineTuning").toString()).contains("0.001");
    Map<?, ?> difference = (Map<?, ?>) ((List<?>) found.get("differences")).get(0);
    assertThat(difference.keySet())
        .isEqualTo(java.util.Set.of("method", "than", "mean", "low", "high", "pairs"));
    double half =
        result.difference("np-merge+identity", "average+identity").halfWidth().getAsDouble();
    assertThat((double) difference.get("high") - (double) difference.get("low"))
        .isCloseTo(2 * half, within(1e-12));
    Map<?, ?> samples = (Map<?, ?>) found.get("samples");
    assertThat((List<?>) samples.get("points")).hasSize(2 * 4);
    assertThat(((Map<?, ?>) found.get("seconds")).keySet())
        .isEqualTo(
            java.util.Set.of(
                "data",
                "train",
                "evaluate",
                "statistics",
                "align",
                "merge",
                "np-merge",
                "fine-tuning",
                "samples"));
  }

  /** One after the other with alignment to what has been merged, and jointly. */
  @Test
  void threeModels() throws IOException {
    Path keep = temp.resolve("three");
    NpMergeResult three =
        run(
            options()
                .models(3)
                .pairs(1)
                .aligners(List.of("permutation", "identity"))
                .np(NpMerger.Options.defaults().withSteps(60))
                .samples(List.of())
                .keep(keep)
                .build(),
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
    assertThat(three.samples()).isEmpty();
    assertThat(three.difference("np-merge-joint+permutation", "np-merge+permutation").halfWidth())
        .isEmpty();
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
    ResultsJson.write(three, json);
    Map<?, ?> difference = (Map<?, ?>) ((List<?>) Json.read(json).get("differences")).get(0);
    assertThat(difference.keySet()).isEqualTo(java.util.Set.of("method", "than", "mean", "pairs"));
  }

  /** Averages of networks with batch normalisation are reset, and nothing is refused. */
  @Test
  void batchNormalisation() throws IOException {
    NpMergeOptions options =
        NpMergeOptions.builder(ExperimentSettings.EMBEDDED)
            .network(new NetworkChoice(NetworkChoice.Kind.RESNET20, 1, 1, 0.25, Norm.BATCH))
            .train(200)
            .epochs(1)
            .statistics(100)
            .np(NpMerger.Options.defaults().withSteps(4).withEvalEvery(2))
            .batch(50)
            .build();
    NpMergeResult images = run(options, 2);
    assertThat(images.rows()).hasSize(12).noneMatch(ExperimentResult.Row::isRefused);
    assertThat(images.samples()).isEmpty();
    assertThat(images.curves().get(0).heldOut()).hasSize(3);
    assertThat(images.seconds()).containsKey("repair");
  }

  /** The other forms and granularities run, without held-out data. */
  @Test
  void otherForms() throws IOException {
    NpMerger.Options np =
        NpMerger.Options.defaults()
            .withForm(NpMerger.Form.SOFTMAX)
            .withGranularity(NpMerger.Granularity.ROW)
            .withSteps(20);
    NpMergeResult rows =
        run(
            options().pairs(1).np(np).heldOut(0).npTrain(100).aligners(List.of("identity")).build(),
            2);
    assertThat(rows.curves()).allMatch(curve -> curve.heldOut().isEmpty());
    assertThat(rows.curves()).allMatch(curve -> curve.batchLoss().size() == 20);
    List<Long> counts = rows.coefficients().get("fc1.weight").get("np-merge+identity");
    assertThat(counts.stream().mapToLong(Long::longValue).sum()).isEqualTo(HIDDEN);
    assertThat(rows.samples().orElseThrow().aligner()).isEqualTo("identity");
    // One sample set, no stopping in either.
    assertThat(rows.samples().orElseThrow().points().get("np-merge"))
        .isEqualTo(rows.samples().orElseThrow().points().get("np-merge-all-steps"));
  }

  @Test
  void cancellationKeepsTrainedModels() throws IOException {
    Cancellation cancellation = new Cancellation();
    Path cache = temp.resolve("cancelled");
    NpMergeOptions options = options().pairs(1).epochs(1).cache(cache).build();
    try (Workspace ws =
        Workspace.builder()
            .threads(2)
            .cancellation(cancellation)
            .progress(
                (stage, done, total) -> {
                  if (stage.equals("np-merge pair 1/1") && done > 5) {
                    cancellation.cancel();
                  }
                })
            .open()) {
      assertThatThrownBy(() -> NpMergeExperiment.run(options, ws))
          .isInstanceOf(CancelledException.class);
    }
    try (Stream<Path> files = Files.list(cache)) {
      assertThat(files).hasSize(2);
    }
  }

  @Test
  void refusesSettingsThatMakeNoSense() {
    assertRefused(options().batch(0), "batch must be at least 1, not 0");
    assertRefused(options().heldOut(1), "the held-out part must be in [0, 1), not 1.0");
    assertRefused(options().heldOut(Double.NaN), "the held-out part must be in [0, 1), not NaN");
    assertRefused(options().npTrain(1), "np-train must be at least 2, not 1");
    assertRefused(options().samples(List.of(128, 0)), "samples must be at least 2, not 0");
    assertRefused(options().models(9), "models must be at most 8 to be merged jointly, not 9");
    assertRefused(
        options().aligners(List.of("cca", "cca")),
        "an aligner is there twice in [cca, cca]; name each once");
    assertRefused(options().pairs(0), "seeds must be at least 1, not 0");
    for (NpMergeOptions.Builder more :
        List.of(options().npTrain(TRAIN + 1), options().samples(List.of(64, TRAIN + 1)))) {
      try (Workspace ws = Workspace.builder().threads(1).open()) {
        assertThatThrownBy(() -> NpMergeExperiment.run(more.build(), ws))
            .isInstanceOf(IllegalArgumentException.class)
            .hasMessageMatching(
                "(np-train|samples) must be at most 600, the number of training samples used, not"
                    + " 601; train says how many are used");
      }
    }
  }

  private static void assertRefused(NpMergeOptions.Builder options, String message) {
    assertThatThrownBy(options::build)
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage(message);
  }
}
