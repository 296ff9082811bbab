// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.experts;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.merganser.torch.experts.ExpertTrainingTest.CONVOLUTIONAL;
import static org.merganser.torch.experts.ExpertTrainingTest.images;

import java.io.IOException;
import java.util.List;
import java.util.Optional;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.merganser.compute.Workspace;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.error.ShapeException;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.model.EarlyStopping;
import org.merganser.torch.Examples;
import org.merganser.torch.Oracle;
import org.merganser.torch.experts.ExpertTraining.Task;

/** What is refused, and in which words; before any step is made. */
class ExpertOptionsTest {
  private static final ExpertOptions OPTIONS = ExpertOptions.adam(1e-3, 8);

  private static void assertRefused(ThrowingCallable call, String message) {
    assertThatThrownBy(call).isInstanceOf(IllegalArgumentException.class).hasMessage(message);
  }

  @Test
  void stepsAreCheckedWhenTheyAreSet() {
    assertRefused(
        () -> ExpertOptions.adam(1e-3, 0),
        "steps, batch size and clip norm must be positive, not 0, 64 and Infinity");
    assertRefused(
        () -> OPTIONS.withKept(0, 4), "kept steps must be from 1 to 8, in order, not [0, 4]");
    assertRefused(
        () -> OPTIONS.withKept(4, 2), "kept steps must be from 1 to 8, in order, not [4, 2]");
    assertRefused(
        () -> OPTIONS.withKept(4, 4), "kept steps must be from 1 to 8, in order, not [4, 4]");
    assertRefused(
        () -> OPTIONS.withWatched(9), "watched steps must be from 0 to 8, in order, not [9]");
    assertRefused(
        () -> OPTIONS.withKept(),
        "nothing is kept: name steps after which experts are, or a policy of stopping");
    assertRefused(
        () -> OPTIONS.withBatchSize(0),
        "steps, batch size and clip norm must be positive, not 8, 0 and Infinity");
    assertThat(OPTIONS.withBatchSize(8))
        .isEqualTo(OPTIONS.withBatchSize(16).withBatchSize(8))
        .satisfies(options -> assertThat(options.batchSize()).isEqualTo(8));
    assertThat(OPTIONS.withStopping(EarlyStopping.Policy.plateau(8)).withKept().kept()).isEmpty();
    assertThat(ExpertOptions.doubling(4, 2048))
        .containsExactly(4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048);
    assertThat(ExpertOptions.doubling(3, 11)).containsExactly(3, 6);
    assertRefused(
        () -> ExpertOptions.doubling(0, 5), "a grid of steps begins at 1 or more, not at 0");
  }

  @Test
  void adaptersAreCheckedWhenTheyAreSet() {
    assertRefused(
        () -> LoraOptions.all(0, 1),
        "the rank of adapters must be at least 1 and their alpha finite, not 0 and 1.0");
    assertRefused(
        () -> LoraOptions.all(1, Double.NaN),
        "the rank of adapters must be at least 1 and their alpha finite, not 1 and NaN");
    assertRefused(
        () -> LoraOptions.of(1, 1),
        "adapters need layers that they are for; name some, or .* for all");
    assertRefused(
        () -> LoraOptions.of(1, 1, "fc("),
        "no regular expression for layers: 'fc(': Unclosed group");
  }

  private static void assertRefused(ExpertOptions options, String message) throws IOException {
    try (Workspace ws = Workspace.builder().threads(1).open();
        Examples data = images(1, 10);
        MemoryCheckpoint base = CONVOLUTIONAL.initialise(1)) {
      assertRefused(
          () ->
              new ExpertTraining(CONVOLUTIONAL, base, options, Optional.empty(), ws)
                  .train(List.of(new Task("images", data, data, 1)), "experts"),
          message);
    }
  }

  @Test
  void whatDoesNotFitTheNetworkIsRefused() throws IOException {
    assertRefused(
        OPTIONS.withFrozen("head"),
        "frozen 'head': the network has neither a parameter nor a layer of that name; there are"
            + " bn1, conv1, conv2, fc");
    assertRefused(
        OPTIONS.withFrozen("conv1", "bn1", "conv2", "fc"),
        "frozen are all parameters of the network, [conv1, bn1, conv2, fc]; nothing is left to"
            + " train");
    assertRefused(
        OPTIONS.withLora(LoraOptions.of(2, 2, "fc", "bn1")),
        "adapters for 'bn1': no linear layer, convolution or attention of that name; there are conv1, conv2,"
            + " fc");
    assertRefused(
        OPTIONS.withLora(LoraOptions.of(2, 2, "conv1", "fc")).withFrozen("conv1", "fc.weight"),
        "adapters for [conv1, fc]: all of these layers are frozen; nothing is left to train");
    assertRefused(
        OPTIONS.withLora(LoraOptions.all(5, 2)),
        "adapters of rank 5 for 'fc' of 3 x 6, whose rank is at most 3; lower it, or leave the"
            + " layer out");
  }

  @Test
  void tasksAreChecked() throws IOException {
    try (Workspace ws = Workspace.builder().threads(1).open();
        Examples data = images(1, 10);
        Examples vectors = Oracle.clusters(1, 10, 6, 3);
        MemoryCheckpoint base = CONVOLUTIONAL.initialise(1);
        MemoryCheckpoint other = ExpertTrainingTest.MLP.initialise(1)) {
      assertRefused(
          () -> new Task("images", data, null, 1),
          "task 'images' has no held-out data, by which experts are scored and stopped; give some"
              + " samples that training does not see");
      ExpertTraining training =
          new ExpertTraining(CONVOLUTIONAL, base, OPTIONS, Optional.empty(), ws);
      assertThatThrownBy(
              () -> training.train(List.of(new Task("images", data, vectors, 1)), "experts"))
          .isInstanceOf(ShapeException.class)
          .hasMessageContaining("the network reads F32 [samples, 2, 7, 7]");
      int label = data.label(0);
      List<Integer> others = List.of((label + 1) % 3, (label + 2) % 3);
      Task few = new Task("images", data, data, Optional.empty(), others, 1);
      assertRefused(
          () -> training.train(List.of(few), "experts"),
          "sample 0 of the training data of task 'images' is of class %d, the classes of the task"
                  .formatted(label)
              + " are "
              + others
              + "; name all of them");
      assertThatThrownBy(
              () ->
                  new ExpertTraining(CONVOLUTIONAL, other, OPTIONS, Optional.empty(), ws)
                      .train(List.of(new Task("images", data, data, 1)), "experts"))
          .isInstanceOf(IncompatibleModelsException.class)
          .hasMessageContaining("the base of the experts does not fit the network");
    }
  }
}
