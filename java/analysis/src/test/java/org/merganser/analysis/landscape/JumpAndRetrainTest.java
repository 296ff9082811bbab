// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.landscape;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.merganser.analysis.landscape.JumpAndRetrain.Config;
import org.merganser.analysis.landscape.JumpAndRetrain.Losses;
import org.merganser.compute.Cancellation;
import org.merganser.compute.Workspace;
import org.merganser.error.CancelledException;
import org.merganser.error.FormatException;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.error.NumericalException;
import org.merganser.error.ShapeException;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.model.Evaluation;
import org.merganser.plan.Doctor;
import org.merganser.repair.BatchNormReset;
import org.merganser.torch.Augmentation;
import org.merganser.torch.Examples;
import org.merganser.torch.TorchNetwork;
import org.merganser.torch.internal.session.Samples;

class JumpAndRetrainTest {
  private static final TorchNetwork MLP = Minima.mlp();
  private static final TorchNetwork CNN = Minima.convolutional();
  private static Examples train;
  private static Examples test;
  private static Examples images;
  private static MemoryCheckpoint minimum;
  private static MemoryCheckpoint imageMinimum;

  @TempDir Path folder;

  @BeforeAll
  static void trainThem() throws IOException {
    train = Minima.data(MLP, 1, 300);
    test = Minima.data(MLP, 2, 100);
    images = Minima.data(CNN, 1, 150);
    minimum = Minima.trained(MLP, train);
    imageMinimum = Minima.trained(CNN, images);
  }

  @AfterAll
  static void close() {
    train.close();
    test.close();
    images.close();
    minimum.close();
    imageMinimum.close();
  }

  private static Config config() {
    return Config.published(1e-4, Augmentation.NONE)
        .withJumps(List.of(0L, 3L), List.of(0.0, 1.0), 2);
  }

  private static JumpAndRetrain task(Config config) {
    return new JumpAndRetrain(MLP, minimum, train, test, config);
  }

  private static JumpAndRetrain imageTask(Config config) {
    return new JumpAndRetrain(CNN, imageMinimum, images, images, config);
  }

  private static void sample(JumpAndRetrain task, Path into, int threads) throws IOException {
    try (Workspace ws = Minima.workspace(threads)) {
      task.run(into, ws).close();
    }
  }

  private static Map<String, String> bytes(Path folder) throws IOException {
    Map<String, String> bytes = new HashMap<>();
    try (Stream<Path> files = Files.list(folder)) {
      for (Path file : files.toList()) {
        bytes.put(
            file.getFileName().toString(),
            new String(Files.readAllBytes(file), StandardCharsets.ISO_8859_1));
      }
    }
    return bytes;
  }

  @Test
  void aJumpOfZeroIsTheMinimum() throws IOException {
    try (Workspace ws = Minima.workspace(2);
        SampleStore store = task(config()).run(folder, ws)) {
      Losses own = task(config()).losses(ws);
      assertThat(store.samples()).isEqualTo(12);
      assertThat(store.column("alpha")).startsWith(0, 0, 0, 1, 1, 1);
      assertThat(store.column("epoch")).startsWith(0, 1, 2, 0, 1, 2);
      assertThat(store.row(0)).containsOnly(0f);
      assertThat(store.column("train-loss")[0]).isEqualTo(own.train().loss());
      assertThat(store.column("held-out-loss")[0]).isEqualTo(own.heldOut().loss());
      assertThat(store.column("test-loss")[0]).isEqualTo(own.test().loss());
      assertThat(store.column("test-accuracy")[0]).isEqualTo(own.test().accuracy());
      assertThat(own.test()).isEqualTo(Evaluation.of(MLP, minimum, test, ws));
      assertThat(store.column("distance")[0]).isZero();
      assertThat(store.column("cosine")[0]).isNaN();
      assertThat(store.column("cosine")[3]).isCloseTo(1, within(1e-6));
    }
  }

  @Test
  void trainingAgainDescendsAndBiasesDoNotJump() throws IOException {
    try (Workspace ws = Minima.workspace(1);
        SampleStore store = task(config()).run(folder, ws)) {
      ParamLayout layout = ParamLayout.of(MLP);
      ParamLayout.Part bias = layout.tensors().get(1);
      assertThat(bias.name()).isEqualTo("fc1.bias");
      float[] jumped = store.row(3);
      float[] after = store.row(5);
      boolean moved = false;
      for (int i = bias.offset(); i < bias.offset() + bias.size(); i++) {
        assertThat(jumped[i]).isZero();
        moved |= after[i] != 0;
      }
      assertThat(moved).isTrue();
      double[] loss = store.column("train-loss");
      assertThat(loss[3]).isGreaterThan(loss[0]);
      assertThat(loss[5]).isLessThan(loss[3]);
      // What the table says is the loss of what the rows hold.
      double[] theta = layout.read(minimum, ws);
      for (int i = 0; i < theta.length; i++) {
        theta[i] += after[i];
      }
      assertThat(new NetworkLoss(MLP, minimum, test).at(theta, ws))
          .isCloseTo(store.column("test-loss")[5], within(1e-5));
    }
  }

  @Test
  void samplesDoNotDependOnThreads() throws IOException {
    sample(task(config()), folder.resolve("one"), 1);
    for (int threads : new int[] {2, 8}) {
      Path own = folder.resolve("threads" + threads);
      sample(task(config()), own, threads);
      assertThat(bytes(own)).isEqualTo(bytes(folder.resolve("one")));
    }
  }

  /** Cancelled after some steps of a later trajectory. */
  @Test
  void interruptedSamplingGoesOnToTheSameBytes() throws IOException {
    sample(imageTask(config()), folder.resolve("whole"), 1);
    Path halves = folder.resolve("halves");
    Cancellation cancellation = new Cancellation();
    try (Workspace ws =
        Workspace.builder()
            .threads(1)
            .cancellation(cancellation)
            .progress(
                (stage, done, total) -> {
                  if (stage.equals("jump and retrain") && done == 5) {
                    cancellation.cancel();
                  }
                })
            .open()) {
      assertThatThrownBy(() -> imageTask(config()).run(halves, ws))
          .isInstanceOf(CancelledException.class);
    }
    assertThat(bytes(halves)).hasSize(5);
    Map<String, String> before = bytes(halves);
    sample(imageTask(config()), halves, 2);
    assertThat(bytes(halves))
        .isEqualTo(bytes(folder.resolve("whole")))
        .containsAllEntriesOf(before);
  }

  /** Jumps too short to change a bit differ by the order of batches alone. */
  @Test
  void theSeedOrdersBatchesAndTheStepDoesNot() throws IOException {
    Config nowhere =
        Config.published(0, Augmentation.NONE).withJumps(List.of(0L, 1L), List.of(0.0, 1e-300), 1);
    try (Workspace ws = Minima.workspace(1);
        SampleStore store = task(nowhere).run(folder, ws)) {
      assertThat(store.row(3)).isEqualTo(store.row(1)).isNotEqualTo(store.row(5));
      assertThat(store.row(4)).containsOnly(0f);
    }
  }

  @Test
  void anEpochIsSavedInParts() throws IOException {
    // 270 samples seen, 3 batches: saved after 2 and 3 of them.
    Config twice =
        Config.published(0, Augmentation.NONE)
            .withJumps(List.of(1L), List.of(0.5), 2)
            .withSavesPerEpoch(2);
    try (Workspace ws = Minima.workspace(1);
        SampleStore store = task(twice).run(folder, ws)) {
      assertThat(store.column("step")).containsExactly(0, 2, 3, 5, 6);
      assertThat(store.column("epoch")).containsExactly(0, 2.0 / 3, 1, 5.0 / 3, 2);
    }
  }

  @Test
  void statisticsAreKeptOrTakenAnew() throws IOException {
    Config fresh = config().withStatistics(Statistics.RECALIBRATED);
    try (Workspace ws = Minima.workspace(1);
        SampleStore kept = imageTask(config()).run(folder.resolve("kept"), ws);
        SampleStore anew = imageTask(fresh).run(folder.resolve("anew"), ws)) {
      Losses own = imageTask(config()).losses(ws);
      assertThat(kept.column("train-loss")[0]).isEqualTo(own.train().loss());
      assertThat(anew.row(3)).isEqualTo(kept.row(3));
      // Those of what training sees, not of what is held out.
      Samples.Split parts = Samples.split(images, 0.1, 4);
      try (Examples seen = images.select(parts.train().range(0, parts.train().size()));
          MemoryCheckpoint reset =
              new BatchNormReset().apply(imageMinimum, CNN, seen.batches(128), ws)) {
        assertThat(anew.column("train-loss")[0])
            .isEqualTo(Evaluation.of(CNN, reset, seen, ws).loss())
            .isNotEqualTo(own.train().loss());
      }
      assertThat(anew.column("train-loss")[3]).isNotEqualTo(kept.column("train-loss")[3]);
    }
    assertThatThrownBy(() -> sample(task(fresh), folder.resolve("none"), 1))
        .isInstanceOf(IncompatibleModelsException.class)
        .hasMessageContaining("batch normalisation");
  }

  @Test
  void augmentationIsThatOfImages() throws IOException {
    Config flips =
        Config.published(0, new Augmentation(true, 1)).withJumps(List.of(1L), List.of(0.5), 1);
    assertThatThrownBy(() -> sample(task(flips), folder, 1)).isInstanceOf(ShapeException.class);
    sample(imageTask(flips), folder, 1);
    sample(
        imageTask(Config.published(0, Augmentation.NONE).withJumps(List.of(1L), List.of(0.5), 1)),
        folder.resolve("plain"),
        1);
    try (SampleStore augmented = SampleStore.open(folder);
        SampleStore plain = SampleStore.open(folder.resolve("plain"))) {
      assertThat(augmented.row(0)).isEqualTo(plain.row(0));
      assertThat(augmented.row(1)).isNotEqualTo(plain.row(1));
    }
  }

  @Test
  void otherSettingsAreAnotherFolder() throws IOException {
    sample(task(config()), folder, 1);
    Config other = config().withSavesPerEpoch(3);
    assertThatThrownBy(() -> sample(task(other), folder, 1))
        .isInstanceOf(FormatException.class)
        .hasMessageContaining("samples of something else");
  }

  /** Their last digits differ, so that a table would be of two machines. */
  @Test
  void samplesOfAnotherMachineAreAnotherFolder() throws IOException {
    ParamLayout layout = ParamLayout.of(MLP);
    try (Workspace ws = Minima.workspace(1)) {
      SamplePlan avx2 = task(config()).plan(layout, "CPU avx2", ws);
      for (String machine : List.of("CPU avx512", "CUDA avx2")) {
        SamplePlan other = task(config()).plan(layout, machine, ws);
        assertThat(other.differs(avx2))
            .isEqualTo("'machine CPU avx2' there, 'machine %s' now".formatted(machine));
      }
      String own = "\nmachine " + ws.backend() + " " + Doctor.isa() + "\n";
      task(config()).run(folder, ws).close();
      assertThat(Files.readString(folder.resolve("samples.txt"))).contains(own);
    }
  }

  @Test
  void badInputIsToldBeforeAnythingIsDone() throws IOException {
    try (Workspace ws = Minima.workspace(1);
        MemoryCheckpoint broken = MemoryCheckpoint.copyOf(minimum, ws)) {
      broken.tensor("fc2.weight").set(4, Double.NaN);
      JumpAndRetrain task = new JumpAndRetrain(MLP, broken, train, test, config());
      assertThatThrownBy(() -> task.run(folder, ws))
          .isInstanceOf(NumericalException.class)
          .hasMessageContaining("'fc2.weight' is NaN at index 4");
      JumpAndRetrain misfit = new JumpAndRetrain(CNN, minimum, images, images, config());
      assertThatThrownBy(() -> misfit.run(folder, ws))
          .isInstanceOf(IncompatibleModelsException.class)
          .hasMessageContaining("the minimum does not fit the network");
    }
    assertThat(bytes(folder)).isEmpty();
    Config good = config();
    assertThatThrownBy(() -> good.withJumps(List.of(1L), List.of(), 1))
        .hasMessageContaining("one or more steps");
    assertThatThrownBy(() -> good.withJumps(List.of(1L, 1L), List.of(1.0), 1))
        .hasMessageContaining("each different");
    assertThatThrownBy(() -> good.withJumps(List.of(1L), List.of(Double.NaN), 1))
        .hasMessageContaining("not NaN");
    assertThatThrownBy(() -> good.withJumps(List.of(1L), List.of(1.0), 0))
        .hasMessageContaining("epochs");
  }
}
