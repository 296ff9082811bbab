// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.merganser.compute.Backend;
import org.merganser.compute.Cancellation;
import org.merganser.compute.Workspace;
import org.merganser.error.CancelledException;
import org.merganser.error.ShapeException;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.io.Safetensors;
import org.merganser.lab.data.DataSet;
import org.merganser.lab.data.IdxFolder;
import org.merganser.lab.data.ImageFiles;
import org.merganser.lab.data.Split;
import org.merganser.linalg.Tensor;
import org.merganser.model.Evaluation;
import org.merganser.torch.Examples;
import org.merganser.torch.TorchNetwork;
import org.merganser.torch.layers.Activation;
import org.merganser.torch.training.Trainer;

/** Runs that go on where others stopped, and models that see different data. */
class CachedExperimentTest {
  private static final int EPOCHS = 3;

  @TempDir Path temp;

  private final Set<String> stages = new LinkedHashSet<>();

  private CcaMergeExperiment.Options options() throws IOException {
    Path folder = temp.resolve("tiny");
    if (!Files.exists(folder)) {
      IdxFolder.write(folder, 90, 30, 5);
    }
    return CcaMergeExperiment.Options.defaults()
        .with("repair", false)
        .with("data", folder.toString())
        .with("hidden", 8)
        .with("layers", 1)
        .with("epochs", EPOCHS)
        .with("points", 2)
        .with("cache", temp.resolve("models"));
  }

  private ExperimentResult run(CcaMergeExperiment.Options options) throws IOException {
    stages.clear();
    try (Workspace ws =
        Workspace.builder().threads(2).progress((s, done, total) -> stages.add(s)).open()) {
      return new CcaMergeExperiment(options).run(ws);
    }
  }

  private long models() throws IOException {
    try (Stream<Path> files = Files.list(temp.resolve("models"))) {
      return files.filter(f -> f.toString().endsWith(".safetensors")).count();
    }
  }

  @Test
  void aSecondRunTrainsNothing() throws IOException {
    ExperimentResult first = run(options().with("seeds", 2));
    assertThat(first.training()).isEqualTo(new ExperimentResult.Training(4, 0));
    assertThat(stages).contains("train pair 1/2", "train pair 2/2");
    assertThat(models()).isEqualTo(4);

    ExperimentResult second = run(options().with("seeds", 2));
    assertThat(second.training()).isEqualTo(new ExperimentResult.Training(0, 4));
    assertThat(stages).contains("models from cache").noneMatch(s -> s.startsWith("train"));
    assertThat(second.rows()).isEqualTo(first.rows());
    assertThat(second.pairs()).isEqualTo(first.pairs());
    assertThat(Views.spectra(second)).isEqualTo(Views.spectra(first));
  }

  @Test
  void onlyWhatIsNewIsTrained() throws IOException {
    run(options());
    ExperimentResult more = run(options().with("seeds", 2));
    assertThat(more.training()).isEqualTo(new ExperimentResult.Training(2, 2));
    // Another seed of the same settings: the models of the second pair.
    assertThat(run(options().with("seed", 2)).training())
        .isEqualTo(new ExperimentResult.Training(0, 2));
    // What only concerns the merge trains nothing.
    assertThat(run(options().with("gamma", 0.5)).training().trained()).isZero();
    assertThat(run(options().with("epochs", EPOCHS + 1)).training().trained()).isEqualTo(2);
    assertThat(run(options().with("train", 80)).training().trained()).isEqualTo(2);
    assertThat(models()).isEqualTo(4 + 2 + 2);
  }

  @Test
  void withoutAFolderNothingIsStored() throws IOException {
    CcaMergeExperiment.Options plain =
        CcaMergeExperiment.Options.defaults()
            .with("repair", false)
            .with("data", ExperimentOptions.BLOBS)
            .with("train", 50)
            .with("hidden", 4)
            .with("epochs", 1)
            .with("points", 0);
    assertThat(run(plain).training()).isEqualTo(new ExperimentResult.Training(2, 0));
    assertThat(run(plain).section("paths")).isEmpty();
    assertThat(temp.resolve("models")).doesNotExist();
  }

  /** One thread trains one model after the other; the run is cancelled within the second. */
  @Test
  void aCancelledRunLosesTheModelInTrainingOnly() throws IOException {
    Cancellation cancellation = new Cancellation();
    try (Workspace ws =
        Workspace.builder()
            .threads(1)
            .cancellation(cancellation)
            .progress(
                (stage, done, total) -> {
                  if (stage.startsWith("train") && done == EPOCHS + 1) {
                    cancellation.cancel();
                  }
                })
            .open()) {
      assertThatThrownBy(() -> new CcaMergeExperiment(options()).run(ws))
          .isInstanceOf(CancelledException.class);
    }
    assertThat(models()).isEqualTo(1);
    assertThat(temp.resolve("models")).isDirectoryNotContaining("glob:**.partial");
    ExperimentResult resumed = run(options());
    assertThat(resumed.training()).isEqualTo(new ExperimentResult.Training(1, 1));
    assertThat(resumed.rows())
        .isEqualTo(run(options().with("cache", temp.resolve("fresh"))).rows());
  }

  /** Of groups that were finished nothing is done again, not even a model is looked for. */
  @Test
  void aRunGoesOnAfterTheGroupsThatItFinished() throws IOException {
    Path out = Files.createDirectories(temp.resolve("out"));
    CcaMergeExperiment.Options options =
        options().with("seeds", 2).with("out", out).with("aligners", "cca:gamma=0.1/1");
    Cancellation cancellation = new Cancellation();
    try (Workspace ws =
        Workspace.builder()
            .threads(1)
            .cancellation(cancellation)
            .progress(
                (stage, done, total) -> {
                  if (stage.equals("train pair 2/2")) {
                    cancellation.cancel();
                  }
                })
            .open()) {
      assertThatThrownBy(() -> new CcaMergeExperiment(options).run(ws))
          .isInstanceOf(CancelledException.class);
    }
    assertThat(out.resolve("unfinished")).isDirectoryContaining("glob:**/pair-0-*.json");
    stages.clear();
    CcaMergeExperiment again =
        new CcaMergeExperiment(options.with("cache", temp.resolve("others")));
    ExperimentResult resumed;
    try (Workspace ws =
        Workspace.builder().threads(2).progress((s, done, total) -> stages.add(s)).open()) {
      resumed = again.run(ws);
    }
    assertThat(resumed.training()).isEqualTo(new ExperimentResult.Training(2, 2));
    assertThat(stages).contains("train pair 2/2").doesNotContain("train pair 1/2");
    // It is there until the results are.
    assertThat(out.resolve("unfinished")).isNotEmptyDirectory();
    again.write(resumed);
    assertThat(out).isDirectoryContaining("glob:**/results.json");
    assertThat(out.resolve("unfinished")).doesNotExist();

    ExperimentResult whole = run(options.with("cache", temp.resolve("fresh")));
    assertThat(whole.training()).isEqualTo(new ExperimentResult.Training(4, 0));
    assertThat(resumed.rows()).isEqualTo(whole.rows());
    for (int i = 0; i < whole.report().sections().size(); i++) {
      assertThat(resumed.report().sections().get(i).rows())
          .isEqualTo(whole.report().sections().get(i).rows());
    }
  }

  /** What was found with other settings, on other data, or by another backend, is of no use. */
  @Test
  void otherSettingsFindNothingThere() throws IOException {
    Path out = Files.createDirectories(temp.resolve("out"));
    Findings found = new Findings(new ExperimentResult.Training(2, 0));
    CcaMergeExperiment.Options options = options().with("out", out);
    try (DataSet data = ImageFiles.folder(temp.resolve("tiny"), 90)) {
      journal(options).write(0, Journal.digest(data), found);
      assertThat(journal(options.with("seeds", 3)).read(0, Journal.digest(data))).isPresent();
      assertThat(journal(options).on(Backend.CUDA).read(0, Journal.digest(data))).isEmpty();
      for (CcaMergeExperiment.Options other :
          List.of(options.with("epochs", 1), options.with("points", 3), options.with("seed", 1))) {
        assertThat(journal(other).read(0, Journal.digest(data))).isEmpty();
      }
      assertThat(journal(options).read(1, Journal.digest(data))).isEmpty();
    }
    try (DataSet less = ImageFiles.folder(temp.resolve("tiny"), 80)) {
      assertThat(journal(options().with("out", out)).read(0, Journal.digest(less))).isEmpty();
    }
  }

  private static Journal journal(CcaMergeExperiment.Options options) {
    return new Journal(new CcaMergeExperiment(options)).on(Backend.CPU);
  }

  /** Each model is what training on its part alone gives. */
  @ParameterizedTest
  @EnumSource
  void modelsSeeTheirPart(Split split) throws IOException {
    Path keep = temp.resolve("kept");
    ExperimentResult result =
        run(options().with("split", split).with("seed", 5).with("seeds", 2).with("keep", keep));
    assertThat(result.training().trained()).isEqualTo(4);
    TorchNetwork network = TorchNetwork.mlp(25, 8, 1, 3, Activation.RELU);
    for (int pair = 0; pair < 2; pair++) {
      try (DataSet data = ImageFiles.folder(temp.resolve("tiny"), 90)) {
        List<int[]> samples = split.samples(data.train().labels(), 3, 2, 5 + pair);
        for (int k = 0; k < 2; k++) {
          long seed = 5 + 2 * pair + k;
          Path path = keep.resolve("pair-" + pair).resolve("model-" + k + ".safetensors");
          try (Examples part = data.train().select(samples.get(k));
              Workspace ws = Workspace.builder().threads(1).seed(seed).open();
              MemoryCheckpoint initial = network.initialise(seed);
              MemoryCheckpoint trained =
                  Trainer.train(network, initial, part, Trainer.Options.adamW(EPOCHS), ws);
              Checkpoint kept = Safetensors.open(path)) {
            for (String name : kept.tensors().keySet()) {
              try (Tensor tensor = kept.read(name, ws)) {
                assertThat(tensor.sameBytes(trained.tensor(name))).as(name).isTrue();
              }
            }
          }
        }
      }
    }
  }

  /** Models that know different classes: their ensemble knows all of them. */
  @Test
  void theEnsembleOfDisjointModelsUsesTheirOwnClasses() throws IOException {
    Path keep = temp.resolve("kept");
    ExperimentResult result =
        run(options().with("split", Split.CLASSES).with("epochs", 60).with("keep", keep));
    TorchNetwork network = TorchNetwork.mlp(25, 8, 1, 3, Activation.RELU);
    List<int[]> classes = Split.classes(3, 2, 0);
    try (DataSet data = ImageFiles.folder(temp.resolve("tiny"), 90);
        Workspace ws = Workspace.builder().threads(1).open()) {
      Tensor[] logits = new Tensor[2];
      for (int k = 0; k < 2; k++) {
        try (Checkpoint model =
            Safetensors.open(keep.resolve("pair-0").resolve("model-" + k + ".safetensors"))) {
          logits[k] = Evaluation.logits(network, model, data.test(), ws);
        }
      }
      try (Tensor all = Evaluation.disjoint(List.of(logits), classes)) {
        Evaluation wanted = Evaluation.ofLogits(all, data.test());
        assertThat(result.row("ensemble").accuracy()).isEqualTo(wanted.accuracy());
        assertThat(result.row("ensemble").loss()).isCloseTo(wanted.loss(), within(1e-9));
        try (Tensor mean = Evaluation.mean(List.of(logits))) {
          assertThat(Evaluation.ofLogits(mean, data.test()).loss())
              .isNotCloseTo(wanted.loss(), within(1e-3));
        }
      }
    }
  }

  @Test
  void vectorsAreNotAugmented() throws IOException {
    CcaMergeExperiment.Options augmented = options().with("augment", true);
    assertThatThrownBy(() -> run(augmented))
        .isInstanceOf(ShapeException.class)
        .hasMessageStartingWith("only images [channels, height, width] can be flipped");
    assertThat(temp.resolve("models")).doesNotExist();
  }
}
