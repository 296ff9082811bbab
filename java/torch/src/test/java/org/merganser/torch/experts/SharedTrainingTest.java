// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.experts;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.compute.Workspace;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;
import org.merganser.model.Evaluation;
import org.merganser.torch.Examples;
import org.merganser.torch.Oracle;
import org.merganser.torch.TorchNetwork;
import org.merganser.torch.layers.Activation;
import org.merganser.torch.training.Optimizer;
import org.merganser.torch.training.Schedule;
import org.merganser.torch.training.Trainer;

class SharedTrainingTest {
  private static final TorchNetwork MLP = TorchNetwork.mlp(6, 12, 2, 3, Activation.RELU);
  private static final Optimizer ADAM = new Optimizer.AdamW(1e-2, 0);
  private static final int BATCH = 8;

  /** Labels are the largest of three features, from one of the six on. */
  private static Examples task(long seed, int from, int samples) {
    Tensor inputs = Oracle.normal(seed, samples, 6);
    int[] labels = new int[samples];
    for (int i = 0; i < samples; i++) {
      for (int c = 1; c < 3; c++) {
        boolean larger = inputs.get(6L * i + from + c) > inputs.get(6L * i + from + labels[i]);
        labels[i] = larger ? c : labels[i];
      }
    }
    return new Examples(inputs, labels, 3);
  }

  private static List<MemoryCheckpoint> train(
      long seed, int steps, List<String> own, Examples... tasks) throws IOException {
    try (Workspace ws = Workspace.builder().threads(1).seed(seed).open()) {
      return new SharedTraining(MLP, own, ADAM, steps, BATCH).train(List.of(tasks), ws);
    }
  }

  private static double[] values(MemoryCheckpoint model, String name) {
    return model.tensor(name).toDoubleArray();
  }

  private static void assertSame(MemoryCheckpoint a, MemoryCheckpoint b) {
    assertThat(a.tensors().keySet()).isEqualTo(b.tensors().keySet());
    a.tensors().keySet().forEach(n -> assertThat(values(a, n)).isEqualTo(values(b, n)));
  }

  @Test
  void tasksDifferInWhatTheyHaveForThemselvesOnly() throws IOException {
    List<MemoryCheckpoint> models =
        train(5, 20, List.of("fc3"), task(1, 0, 40), task(2, 3, 50), task(3, 1, 30));
    for (MemoryCheckpoint other : models.subList(1, 3)) {
      for (String name : MLP.parameters().keySet()) {
        boolean same = java.util.Arrays.equals(values(models.get(0), name), values(other, name));
        assertThat(same).as(name).isEqualTo(!name.startsWith("fc3."));
      }
    }
  }

  /** Both are learned, which one last layer could not do: they disagree about what they read. */
  @Test
  void everyTaskIsLearned() throws IOException {
    Examples[] tasks = {task(1, 0, 200), task(2, 3, 200)};
    List<MemoryCheckpoint> models = train(7, 300, List.of("fc3"), tasks);
    try (Workspace ws = Workspace.builder().threads(1).open()) {
      for (int t = 0; t < 2; t++) {
        assertThat(Evaluation.of(MLP, models.get(t), tasks[t], ws).accuracy()).isGreaterThan(0.9);
        assertThat(Evaluation.of(MLP, models.get(t), tasks[1 - t], ws).accuracy()).isLessThan(0.7);
      }
    }
  }

  @Test
  void oneTaskIsOrdinaryTraining() throws IOException {
    Examples data = task(1, 0, 40);
    try (Workspace ws = Workspace.builder().threads(1).seed(4).open();
        MemoryCheckpoint start = MLP.initialise(4)) {
      Trainer.Options epochs =
          new Trainer.Options(
              ADAM,
              new Schedule(0, Schedule.Decay.CONSTANT),
              3,
              BATCH,
              Double.POSITIVE_INFINITY,
              1);
      assertSame(
          train(4, 15, List.of("fc3"), data).get(0), Trainer.train(MLP, start, data, epochs, ws));
    }
  }

  /** The loss is the mean over tasks: the same task several times is that task. */
  @ParameterizedTest
  @ValueSource(ints = {2, 4})
  void theLossIsTheMeanOverTasks(int times) throws IOException {
    Examples[] same = new Examples[times];
    java.util.Arrays.setAll(same, t -> task(1, 0, 40));
    List<MemoryCheckpoint> all = train(4, 15, List.of(), same);
    MemoryCheckpoint one = train(4, 15, List.of(), same[0]).get(0);
    all.forEach(model -> assertSame(model, one));
  }

  @Test
  void whatDoesNotFitIsRefused() {
    assertThatThrownBy(() -> train(1, 5, List.of("head"), task(1, 0, 20)))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageStartingWith("own 'head': the network has neither a parameter nor a layer of");
    assertThatThrownBy(() -> train(1, 5, List.of("fc3")))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("no tasks to train the network on; give one or more");
    assertThatThrownBy(() -> train(1, 0, List.of("fc3"), task(1, 0, 20)))
        .hasMessage("steps and batch size must be at least 1, not 0 and 8");
    Examples four = new Examples(Oracle.normal(1, 5, 6), new int[5], 4);
    assertThatThrownBy(() -> train(1, 5, List.of("fc3"), task(1, 0, 20), four))
        .hasMessageContaining("data of task 1");
  }
}
