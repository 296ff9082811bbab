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
import org.merganser.torch.Augmentation;
import org.merganser.torch.Examples;
import org.merganser.torch.TorchNetwork;
import org.merganser.torch.layers.Activation;
import org.merganser.torch.training.Trainer;

/** Runs that go on where others stopped, and models that see different data. */
class CachedExperimentTest {
  private static final int EPOCHS = 3;

  @TempDir Path temp;

  private final Set<String> stages = new LinkedHashSet<>();

  private CcaMergeOptions.Builder options() throws IOException {
    Path folder = temp.resolve("tiny");
    if (!Files.exists(folder)) {
      IdxFolder.write(folder, 90, 30, 5);
    }
    return CcaMergeOptions.builder(folder.toString())
        .hidden(8)
        .layers(1)
        .epochs(EPOCHS)
        .points(2)
        .cache(temp.resolve("models"));
  }

  private CcaMergeResult run(CcaMergeOptions options) throws IOException {
    stages.clear();
    try (Workspace ws =
        Workspace.builder().threads(2).progress((s, done, total) -> stages.add(s)).open()) {
      return CcaMergeExperiment.run(options, ws);
    }
  }

  private long models() throws IOException {
    try (Stream<Path> files = Files.list(temp.resolve("models"))) {
      return files.filter(f -> f.toString().endsWith(".safetensors")).count();
    }
  }

  @Test
  void aSecondRunTrainsNothing() throws IOException {
    CcaMergeResult first = run(options().pairs(2).build());
    assertThat(first.training()).isEqualTo(new CcaMergeResult.Training(4, 0));
    assertThat(stages).contains("train pair 1/2", "train pair 2/2");
    assertThat(models()).isEqualTo(4);

    CcaMergeResult second = run(options().pairs(2).build());
    assertThat(second.training()).isEqualTo(new CcaMergeResult.Training(0, 4));
    assertThat(stages).contains("models from cache").noneMatch(s -> s.startsWith("train"));
    assertThat(second.rows()).isEqualTo(first.rows());
    assertThat(second.pairs()).isEqualTo(first.pairs());
    assertThat(second.spectra()).isEqualTo(first.spectra());
  }

  @Test
  void onlyWhatIsNewIsTrained() throws IOException {
    run(options().build());
    CcaMergeResult more = run(options().pairs(2).build());
    assertThat(more.training()).isEqualTo(new CcaMergeResult.Training(2, 2));
    // Another seed of the same settings: the models of the second pair.
    assertThat(run(options().seed(2).build()).training())
        .isEqualTo(new CcaMergeResult.Training(0, 2));
    // What only concerns the merge trains nothing.
    assertThat(run(options().gamma(0.5).build()).training().trained()).isZero();
    assertThat(run(options().epochs(EPOCHS + 1).build()).training().trained()).isEqualTo(2);
    assertThat(run(options().train(80).build()).training().trained()).isEqualTo(2);
    assertThat(models()).isEqualTo(4 + 2 + 2);
  }

  @Test
  void withoutAFolderNothingIsStored() throws IOException {
    CcaMergeOptions plain =
        CcaMergeOptions.builder(CcaMergeOptions.BLOBS)
            .train(50)
            .hidden(4)
            .epochs(1)
            .points(0)
            .build();
    assertThat(run(plain).training()).isEqualTo(new CcaMergeResult.Training(2, 0));
    assertThat(run(plain).paths()).isEmpty();
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
      assertThatThrownBy(() -> CcaMergeExperiment.run(options().build(), ws))
          .isInstanceOf(CancelledException.class);
    }
    assertThat(models()).isEqualTo(1);
    assertThat(temp.resolve("models")).isDirectoryNotContaining("glob:**.partial");
    CcaMergeResult resumed = run(options().build());
    assertThat(resumed.training()).isEqualTo(new CcaMergeResult.Training(1, 1));
    assertThat(resumed.rows())
        .isEqualTo(run(options().cache(temp.resolve("fresh")).build()).rows());
  }

  /** Each model is what training on its part alone gives. */
  @ParameterizedTest
  @EnumSource
  void modelsSeeTheirPart(Split split) throws IOException {
    Path keep = temp.resolve("kept");
    CcaMergeResult result = run(options().split(split).seed(5).pairs(2).keep(keep).build());
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
    CcaMergeResult result = run(options().split(Split.CLASSES).epochs(60).keep(keep).build());
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
      try (Tensor all = DisjointEnsemble.logits(List.of(logits), classes)) {
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
    CcaMergeOptions augmented = options().augmentation(Augmentation.flipAndCrop()).build();
    assertThatThrownBy(() -> run(augmented))
        .isInstanceOf(ShapeException.class)
        .hasMessageStartingWith("only images [channels, height, width] can be flipped");
    assertThat(temp.resolve("models")).doesNotExist();
  }
}
