// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.merganser.compute.Workspace;
import org.merganser.error.ShapeException;
import org.merganser.internal.Seeds;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;
import org.merganser.torch.layers.Activation;
import org.merganser.torch.layers.Flatten;
import org.merganser.torch.layers.Linear;
import org.merganser.torch.layers.Sequential;
import org.merganser.torch.training.Optimizer;
import org.merganser.torch.training.Schedule;
import org.merganser.torch.training.Trainer;

class AugmentationTest {
  private static final int SAMPLES = 7;
  private static final int CHANNELS = 3;
  private static final int HEIGHT = 5;
  private static final int WIDTH = 6;

  private static Examples images() {
    float[] values = new float[SAMPLES * CHANNELS * HEIGHT * WIDTH];
    for (int i = 0; i < values.length; i++) {
      // No zeros: those are the border.
      values[i] = i + 1;
    }
    int[] labels = {0, 1, 0, 1, 0, 1, 0};
    return new Examples(Tensor.of(values, SAMPLES, CHANNELS, HEIGHT, WIDTH), labels, 2);
  }

  private static float[] augmented(Examples data, Augmentation how, int batch, long seed) {
    float[] all = new float[(int) data.inputs().size()];
    int at = 0;
    for (Iterator<Tensor> it = data.batches(batch, how).open(seed); it.hasNext(); ) {
      float[] values = it.next().toFloatArray();
      System.arraycopy(values, 0, all, at, values.length);
      at += values.length;
    }
    assertThat(at).isEqualTo(all.length);
    return all;
  }

  /** Mirror, then shift, one pixel after the other. */
  private static float[] oracle(float[] x, Augmentation how, long seed, long epoch) {
    float[] result = new float[x.length];
    for (int s = 0; s < SAMPLES; s++) {
      SplittableRandom random = Seeds.stream(seed, "augment/" + epoch + "/" + s);
      boolean mirrored = how.flip() && random.nextBoolean();
      int down = random.nextInt(2 * how.padding() + 1) - how.padding();
      int right = random.nextInt(2 * how.padding() + 1) - how.padding();
      for (int c = 0; c < CHANNELS; c++) {
        int plane = (s * CHANNELS + c) * HEIGHT * WIDTH;
        for (int row = 0; row < HEIGHT; row++) {
          for (int column = 0; column < WIDTH; column++) {
            int r = row + down;
            int q = column + right;
            boolean inside = r >= 0 && r < HEIGHT && q >= 0 && q < WIDTH;
            int from = mirrored ? WIDTH - 1 - q : q;
            result[plane + row * WIDTH + column] = inside ? x[plane + r * WIDTH + from] : 0;
          }
        }
      }
    }
    return result;
  }

  @ParameterizedTest
  @CsvSource({"true, 2", "false, 3", "true, 0", "true, 9"})
  void isTheOracle(boolean flip, int padding) {
    Augmentation how = new Augmentation(flip, padding);
    try (Examples data = images()) {
      float[] plain = data.inputs().toFloatArray();
      for (long seed = 0; seed < 5; seed++) {
        float[] found = augmented(data, how, 3, seed);
        assertThat(found).isEqualTo(oracle(plain, how, seed, 0));
        assertThat(found).isNotEqualTo(plain);
      }
      assertThat(data.inputs().toFloatArray()).isEqualTo(plain);
    }
  }

  @Test
  void whatHappensToASampleDoesNotDependOnItsBatch() {
    try (Examples data = images()) {
      float[] wanted = augmented(data, Augmentation.flipAndCrop(), 7, 11);
      for (int batch : new int[] {1, 2, 100}) {
        assertThat(augmented(data, Augmentation.flipAndCrop(), batch, 11)).isEqualTo(wanted);
      }
      assertThat(augmented(data, Augmentation.flipAndCrop(), 7, 12)).isNotEqualTo(wanted);
    }
  }

  /** Every shift and both orientations come up, about equally often. */
  @Test
  void drawsAreUniform() {
    int count = 3600;
    float[] values = new float[count * 9];
    for (int i = 0; i < count; i++) {
      // One bright pixel left of the centre of 3 x 3.
      values[i * 9 + 3] = 1;
    }
    int[] found = new int[9];
    try (Examples data = new Examples(Tensor.of(values, count, 1, 3, 3), new int[count], 1)) {
      Iterator<Tensor> batches = data.batches(count, new Augmentation(true, 1)).open(3);
      float[] changed = batches.next().toFloatArray();
      for (int i = 0; i < changed.length; i++) {
        found[i % 9] += changed[i] == 1 ? 1 : 0;
      }
      assertThat(batches.hasNext()).isFalse();
    }
    // Rows alike. A shift moves the pixel out to the left, or the mirrored one to the right, once
    // in
    // three; it reaches the middle column from both sides.
    for (int row = 0; row < 3; row++) {
      assertThat(found[row * 3]).isBetween(150, 250);
      assertThat(found[row * 3 + 1]).isBetween(340, 460);
      assertThat(found[row * 3 + 2]).isBetween(150, 250);
    }
  }

  @Test
  void aBatchIsClosedWhenTheNextIsAsked() {
    try (Examples data = images()) {
      Iterator<Tensor> batches = data.batches(4, Augmentation.flipAndCrop()).open(0);
      Tensor first = batches.next();
      batches.next();
      assertThatThrownBy(() -> first.get(0)).isInstanceOf(IllegalStateException.class);
    }
  }

  @Test
  void noneLeavesTheBatchesAlone() {
    try (Examples data = images()) {
      assertThat(augmented(data, Augmentation.NONE, 2, 5)).isEqualTo(data.inputs().toFloatArray());
    }
  }

  @Test
  void vectorsAreRefused() {
    try (Examples data = Oracle.clusters(1, 20, 6, 3);
        Workspace ws = Workspace.builder().threads(1).open()) {
      String message =
          "only images [channels, height, width] can be flipped and cropped, samples here are [6];"
              + " train without augmentation";
      assertThatThrownBy(() -> data.batches(4, Augmentation.flipAndCrop()))
          .isInstanceOf(ShapeException.class)
          .hasMessage(message);
      TorchNetwork network = TorchNetwork.mlp(6, 4, 1, 3, Activation.RELU);
      try (MemoryCheckpoint initial = network.initialise(0)) {
        assertThatThrownBy(
                () ->
                    Trainer.train(
                        network, initial, data, options(1, Augmentation.flipAndCrop()), ws))
            .isInstanceOf(ShapeException.class)
            .hasMessage(message);
      }
    }
    assertThatThrownBy(() -> new Augmentation(true, -1))
        .hasMessage("padding must be at least 0, not -1");
  }

  private static Trainer.Options options(int epochs, Augmentation augmentation) {
    return new Trainer.Options(
        new Optimizer.Sgd(0.01, 0, 0),
        new Schedule(0, Schedule.Decay.CONSTANT),
        epochs,
        SAMPLES,
        Double.POSITIVE_INFINITY,
        1,
        augmentation);
  }

  /** Full batches in order: training on an augmented epoch is training on the oracle's images. */
  @Test
  void theTrainerAugmentsByEpochAndSample() throws IOException {
    TorchNetwork network =
        TorchNetwork.of(
            Sequential.of(new Flatten(), new Linear("fc", CHANNELS * HEIGHT * WIDTH, 2)),
            CHANNELS,
            HEIGHT,
            WIDTH);
    Augmentation how = new Augmentation(true, 2);
    try (Workspace ws = Workspace.builder().threads(1).seed(21).open();
        Examples data = images();
        MemoryCheckpoint initial = network.initialise(4)) {
      float[] small = data.inputs().toFloatArray();
      for (int i = 0; i < small.length; i++) {
        small[i] /= 1000;
      }
      long[] shape = data.inputs().shape();
      try (Examples scaled = new Examples(Tensor.of(small, shape), data.labels(), 2);
          Examples first =
              new Examples(Tensor.of(oracle(small, how, 21, 0), shape), data.labels(), 2);
          MemoryCheckpoint wanted =
              Trainer.train(network, initial, first, options(1, Augmentation.NONE), ws);
          MemoryCheckpoint found = Trainer.train(network, initial, scaled, options(1, how), ws);
          MemoryCheckpoint plain =
              Trainer.train(network, initial, scaled, options(1, Augmentation.NONE), ws)) {
        assertThat(found.tensor("fc.weight").sameBytes(wanted.tensor("fc.weight"))).isTrue();
        assertThat(found.tensor("fc.weight").sameBytes(plain.tensor("fc.weight"))).isFalse();
        try (MemoryCheckpoint again = Trainer.train(network, initial, scaled, options(2, how), ws);
            MemoryCheckpoint twice =
                Trainer.train(network, initial, first, options(2, Augmentation.NONE), ws)) {
          assertThat(again.tensor("fc.weight").sameBytes(twice.tensor("fc.weight"))).isFalse();
        }
      }
    }
  }

  @Test
  void samplesCanBeSelected() {
    try (Examples data = images();
        Examples some = data.select(5, 0, 5)) {
      assertThat(some.inputs().shape()).containsExactly(3, CHANNELS, HEIGHT, WIDTH);
      assertThat(some.labels()).containsExactly(1, 0, 1);
      assertThat(some.classes()).isEqualTo(2);
      int size = CHANNELS * HEIGHT * WIDTH;
      float[] all = data.inputs().toFloatArray();
      float[] found = some.inputs().toFloatArray();
      List<float[]> wanted = new ArrayList<>();
      for (int sample : new int[] {5, 0, 5}) {
        wanted.add(Arrays.copyOfRange(all, sample * size, (sample + 1) * size));
      }
      for (int i = 0; i < 3; i++) {
        assertThat(Arrays.copyOfRange(found, i * size, (i + 1) * size)).isEqualTo(wanted.get(i));
      }
      assertThatThrownBy(() -> data.select(7))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessage("there is no sample 7; they are 0..6");
    }
  }
}
