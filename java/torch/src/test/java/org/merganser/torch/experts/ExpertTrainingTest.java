// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.experts;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;
import org.merganser.model.EarlyStopping;
import org.merganser.model.EarlyStopping.HeldOut;
import org.merganser.model.Evaluation;
import org.merganser.model.Mode;
import org.merganser.model.Network;
import org.merganser.torch.Examples;
import org.merganser.torch.Oracle;
import org.merganser.torch.TorchNetwork;
import org.merganser.torch.experts.Expert.Kept;
import org.merganser.torch.experts.ExpertTraining.Task;
import org.merganser.torch.experts.ExpertTraining.Trained;
import org.merganser.torch.layers.Activation;
import org.merganser.torch.layers.AveragePool;
import org.merganser.torch.layers.BatchNorm;
import org.merganser.torch.layers.Convolution;
import org.merganser.torch.layers.Flatten;
import org.merganser.torch.layers.Linear;
import org.merganser.torch.layers.Sequential;
import org.merganser.torch.training.Schedule;

class ExpertTrainingTest {
  static final TorchNetwork MLP = TorchNetwork.mlp(6, 12, 2, 3, Activation.RELU);

  static final TorchNetwork CONVOLUTIONAL =
      TorchNetwork.of(
          Sequential.of(
              Convolution.of("conv1", 2, 5, 3, 1, 1, false),
              new BatchNorm("bn1", 5),
              Activation.RELU,
              Convolution.of("conv2", 5, 6, 3, 2, 0, true),
              Activation.RELU,
              new AveragePool(),
              new Flatten(),
              new Linear("fc", 6, 3)),
          2,
          7,
          7);

  @TempDir Path folder;

  private static Workspace workspace(int threads) {
    return Workspace.builder().threads(threads).seed(3).open();
  }

  static Examples images(long seed, int samples) {
    SplittableRandom random = new SplittableRandom(seed);
    int[] labels = random.ints(samples, 0, 3).toArray();
    Tensor inputs = Oracle.normal(seed, samples, 2, 7, 7);
    for (int i = 0; i < samples; i++) {
      for (long p = 0; p < 40; p++) {
        long at = 98L * i + p;
        inputs.set(at, inputs.get(at) + labels[i] - 1);
      }
    }
    return new Examples(inputs, labels, 3);
  }

  private static Trained train(
      TorchNetwork network, Checkpoint base, ExpertOptions options, Workspace ws, Task... tasks)
      throws IOException {
    return new ExpertTraining(network, base, options, Optional.empty(), ws)
        .train(List.of(tasks), "experts");
  }

  private static ExpertOptions constant(long steps) {
    ExpertOptions o = ExpertOptions.adam(5e-3, steps);
    return new ExpertOptions(
        o.optimizer(),
        new Schedule(0, Schedule.Decay.CONSTANT),
        steps,
        o.kept(),
        16,
        o.clipNorm(),
        o.augmentation(),
        o.frozen(),
        o.lora(),
        o.stopping(),
        o.watched());
  }

  static void assertSame(MemoryCheckpoint found, MemoryCheckpoint wanted) {
    assertThat(List.copyOf(found.tensors().keySet()))
        .isEqualTo(List.copyOf(wanted.tensors().keySet()));
    for (String name : wanted.tensors().keySet()) {
      assertThat(found.tensor(name).sameBytes(wanted.tensor(name))).as(name).isTrue();
    }
  }

  /** A grid of one training is what trainings of each length would give, at a constant rate. */
  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void aGridIsOneTrainingLookedAtOnItsWay(boolean adapters) throws IOException {
    try (Workspace ws = workspace(1);
        Examples data = Oracle.clusters(1, 50, 6, 3);
        Examples heldOut = Oracle.clusters(1, 30, 6, 3);
        MemoryCheckpoint base = MLP.initialise(1)) {
      Task task = new Task("clusters", data, heldOut, 7);
      ExpertOptions whole = constant(20).withKept(4, 9, 20);
      ExpertOptions part = constant(9);
      if (adapters) {
        whole = whole.withLora(LoraOptions.all(2, 4));
        part = part.withLora(LoraOptions.all(2, 4));
      }
      try (Trained all = train(MLP, base, whole, ws, task);
          Trained nine = train(MLP, base, part, ws, task)) {
        Expert expert = all.experts().get(0);
        assertThat(expert.kept()).extracting(Kept::step).containsExactly(4L, 9L, 20L);
        assertThat(expert.best()).isEmpty();
        assertThat(expert.heldOut()).isEmpty();
        assertThat(expert.losses()).hasSize(20);
        Kept wanted = nine.experts().get(0).kept().get(0);
        assertSame(expert.after(9).orElseThrow().tensors(), wanted.tensors());
        assertThat(expert.after(9).orElseThrow().heldOut()).isEqualTo(wanted.heldOut());
        assertThat(expert.losses().subList(0, 9)).isEqualTo(nine.experts().get(0).losses());
        assertThat(expert.after(5)).isEmpty();
      }
    }
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void scoresAndWatchedOutputsAreThoseOfTheModel(boolean convolutional) throws IOException {
    TorchNetwork network = convolutional ? CONVOLUTIONAL : MLP;
    for (boolean adapters : new boolean[] {false, true}) {
      try (Workspace ws = workspace(1);
          Examples data = convolutional ? images(1, 70) : Oracle.clusters(1, 70, 6, 3);
          Examples heldOut = convolutional ? images(2, 40) : Oracle.clusters(1, 40, 6, 3);
          Examples watched = convolutional ? images(3, 25) : Oracle.clusters(1, 25, 6, 3);
          MemoryCheckpoint base = Oracle.lively(network, 1)) {
        ExpertOptions options = constant(30).withKept(10, 30).withWatched(0, 10, 30);
        options = adapters ? options.withLora(LoraOptions.all(3, 6)) : options;
        Task task = new Task("task", data, heldOut, Optional.of(watched), List.of(), 7);
        try (Trained trained = train(network, base, options, ws, task)) {
          Expert expert = trained.experts().get(0);
          assertThat(expert.watched())
              .extracting(Expert.Watched::step)
              .containsExactly(0L, 10L, 30L);
          assertSoftmax(expert.watched().get(0).probabilities(), network, base, watched, ws);
          for (int k = 0; k < 2; k++) {
            Kept kept = expert.kept().get(k);
            Checkpoint model = kept.model(base);
            assertScores(kept.train(), Evaluation.of(network, model, data, ws));
            assertScores(kept.heldOut(), Evaluation.of(network, model, heldOut, ws));
            assertSoftmax(expert.watched().get(k + 1).probabilities(), network, model, watched, ws);
          }
          assertThat(expert.kept().get(1).train().loss())
              .isLessThan(.9 * Evaluation.of(network, base, data, ws).loss());
        }
      }
    }
  }

  private static void assertScores(Expert.Scores found, Evaluation wanted) {
    assertThat(found.loss()).isCloseTo(wanted.loss(), within(2e-5));
    assertThat(found.accuracy()).isEqualTo(wanted.accuracy());
  }

  private static void assertSoftmax(
      Tensor found, TorchNetwork network, Checkpoint model, Examples data, Workspace ws)
      throws IOException {
    double[][] p = Oracle.rows(found);
    assertThat(p).hasNumberOfRows(data.size());
    try (var session = network.open(model, ws)) {
      session.run(
          data.inputs(),
          Mode.EVAL,
          Set.of(Network.OUTPUT),
          (tap, logits) -> {
            double[][] rows = Oracle.rows(logits);
            for (int i = 0; i < rows.length; i++) {
              assertThat(p[i]).containsExactly(Oracle.softmax(rows[i]), within(2e-6));
            }
          });
    }
  }

  @Test
  void whatIsFrozenStaysAndIsNoPartOfTheExpert() throws IOException {
    try (Workspace ws = workspace(1);
        Examples data = images(1, 60);
        MemoryCheckpoint base = Oracle.lively(CONVOLUTIONAL, 1)) {
      Task task = new Task("images", data, data, 1);
      ExpertOptions options = constant(12).withFrozen("fc", "conv1.weight");
      try (Trained trained = train(CONVOLUTIONAL, base, options, ws, task)) {
        Kept kept = trained.experts().get(0).kept().get(0);
        assertThat(kept.tensors().tensors().keySet())
            .containsExactly(
                "bn1.weight",
                "bn1.bias",
                "bn1.running_mean",
                "bn1.running_var",
                "bn1.num_batches_tracked",
                "conv2.weight",
                "conv2.bias");
        Checkpoint model = kept.model(base);
        assertThat(model.tensors()).isEqualTo(base.tensors());
        for (String name : base.tensors().keySet()) {
          try (Tensor found = model.read(name, ws)) {
            assertThat(found.sameBytes(base.tensor(name)))
                .as(name)
                .isEqualTo(name.startsWith("fc") || name.startsWith("conv1"));
          }
        }
        // Where a frozen layer is, no adapter goes.
        ExpertOptions adapters = options.withLora(LoraOptions.all(2, 2));
        try (Trained low = train(CONVOLUTIONAL, base, adapters, ws, task)) {
          assertThat(low.experts().get(0).kept().get(0).adapter().orElseThrow().targets())
              .containsExactly("conv2.weight");
        }
      }
    }
  }

  /** Labels that nothing says anything about: learning them is forgetting. */
  private static Examples noisy(Examples data, double part) {
    SplittableRandom random = new SplittableRandom(5);
    int[] labels =
        Arrays.stream(data.labels())
            .map(label -> random.nextDouble() < part ? random.nextInt(3) : label)
            .toArray();
    return new Examples(data.inputs().copy(), labels, 3);
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void aPolicyStopsTrainingAndKeepsTheBest(boolean adapters) throws IOException {
    EarlyStopping.Policy policy = EarlyStopping.Policy.plateau(2000);
    try (Workspace ws = workspace(1);
        Examples clean = Oracle.clusters(4, 60, 6, 3);
        Examples data = noisy(clean, .5);
        Examples heldOut = Oracle.clusters(4, 200, 6, 3);
        MemoryCheckpoint base = MLP.initialise(1)) {
      ExpertOptions options = constant(2000).withKept(5, 2000).withStopping(policy);
      options = adapters ? options.withLora(LoraOptions.all(3, 6)) : options;
      try (Trained trained = train(MLP, base, options, ws, new Task("noisy", data, heldOut, 1))) {
        Expert expert = trained.experts().get(0);
        int steps = expert.losses().size();
        assertThat(steps).isLessThan(500).isEqualTo((int) last(expert).step());
        assertThat(expert.kept()).extracting(Kept::step).containsExactly(5L);
        assertThat(expert.heldOut()).extracting(HeldOut::step).startsWith(5L, 10L);
        Kept best = expert.best().orElseThrow();
        double most = expert.heldOut().stream().mapToDouble(HeldOut::score).max().orElseThrow();
        assertThat(best.heldOut().accuracy()).isEqualTo(most).isGreaterThan(.6);
        assertThat(Evaluation.of(MLP, best.model(base), heldOut, ws).accuracy()).isEqualTo(most);
        // The policy, replayed over the same scores, ends here.
        EarlyStopping replayed = new EarlyStopping(policy);
        for (HeldOut each : expert.heldOut()) {
          assertThat(replayed.isOver()).isFalse();
          replayed.add(each.step(), each.score());
        }
        assertThat(replayed.isOver()).isTrue();
        assertThat(replayed.reductions()).isEqualTo(3);
        assertThat(best.step()).isEqualTo(replayed.bestStepOr(-1));
      }
    }
  }

  /** Two of three classes, and a base that says the third: it is none for such a task. */
  private static Examples pairs(long seed, int samples) {
    Examples all = Oracle.clusters(seed, 2 * samples, 6, 3);
    int[] some = IntStream.range(0, 2 * samples).filter(i -> all.label(i) != 1).toArray();
    return all.select(some);
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void accuraciesAreDecidedAmongTheClassesOfATask(boolean adapters) throws IOException {
    try (Workspace ws = workspace(1);
        Examples data = pairs(1, 40);
        Examples heldOut = pairs(1, 30);
        MemoryCheckpoint base = Oracle.lively(MLP, 1)) {
      Tensor bias = base.tensor("fc3.bias");
      bias.set(1, bias.get(1) + 50);
      assertThat(Evaluation.of(MLP, base, heldOut, ws).accuracy()).isZero();
      ExpertOptions options =
          constant(12).withKept(12).withStopping(EarlyStopping.Policy.plateau(12).fromStart(true));
      options = adapters ? options.withLora(LoraOptions.all(2, 4)) : options;
      Task task = new Task("pair", data, heldOut, Optional.empty(), List.of(0, 2), 7);
      try (Trained trained = train(MLP, base, options, ws, task)) {
        Expert expert = trained.experts().get(0);
        double atFirst = amongTwo(base, heldOut, ws);
        assertThat(atFirst).isPositive();
        assertThat(expert.heldOut().get(0).score()).isEqualTo(atFirst);
        Kept last = expert.after(12).orElseThrow();
        assertThat(last.heldOut().accuracy()).isEqualTo(amongTwo(last.model(base), heldOut, ws));
        assertThat(last.train().accuracy()).isEqualTo(amongTwo(last.model(base), data, ws));
        Kept best = expert.best().orElseThrow();
        assertThat(best.heldOut().accuracy())
            .isEqualTo(expert.heldOut().stream().mapToDouble(HeldOut::score).max().orElseThrow())
            .isEqualTo(amongTwo(best.model(base), heldOut, ws));
        // Losses are still of all outputs.
        Checkpoint model = last.model(base);
        assertThat(last.heldOut().loss())
            .isCloseTo(Evaluation.of(MLP, model, heldOut, ws).loss(), within(2e-4));
      }
    }
  }

  /** By hand, of the outputs 0 and 2. */
  private static double amongTwo(Checkpoint model, Examples data, Workspace ws) throws IOException {
    try (Tensor logits = Evaluation.logits(MLP, model, data, ws)) {
      double[][] rows = Oracle.rows(logits);
      long right =
          IntStream.range(0, rows.length)
              .filter(i -> data.label(i) == (rows[i][2] > rows[i][0] ? 2 : 0))
              .count();
      return right / (double) rows.length;
    }
  }

  private static HeldOut last(Expert expert) {
    return expert.heldOut().get(expert.heldOut().size() - 1);
  }

  @Test
  void expertsSideBySideAreThoseTrainedAloneAndAreTrainedOnce() throws IOException {
    try (Workspace one = workspace(1);
        Workspace two = workspace(2);
        Examples data = images(1, 50);
        Examples heldOut = images(2, 30);
        MemoryCheckpoint base = Oracle.lively(CONVOLUTIONAL, 1)) {
      for (ExpertOptions options :
          List.of(
              constant(8).withKept(4, 8).withWatched(0, 6),
              constant(8)
                  .withKept(3)
                  .withLora(LoraOptions.of(2, 1, "conv.", "fc"))
                  .withStopping(EarlyStopping.Policy.leastLoss(2, 1)))) {
        Path cache = folder.resolve("" + options.lora().isPresent());
        List<Task> tasks = new ArrayList<>();
        for (long seed = 0; seed < 3; seed++) {
          tasks.add(new Task("task" + seed, data, heldOut, seed));
        }
        ExpertTraining training =
            new ExpertTraining(CONVOLUTIONAL, base, options, Optional.of(cache), two);
        try (Trained together = training.train(tasks, "experts");
            Trained read = training.train(tasks, "experts")) {
          assertThat(together.trained()).isEqualTo(3);
          assertThat(read.trained()).isZero();
          for (int i = 0; i < 3; i++) {
            try (Trained alone = train(CONVOLUTIONAL, base, options, one, tasks.get(i))) {
              assertSame(together.experts().get(i), alone.experts().get(0));
              assertSame(read.experts().get(i), alone.experts().get(0));
            }
          }
          assertThat(together.experts().get(0).losses())
              .isNotEqualTo(together.experts().get(1).losses());
        }
        // One of them was lost.
        assertThat(cache.toFile().listFiles()).hasSize(3);
        assertThat(cache.toFile().listFiles()[0].delete()).isTrue();
        try (Trained again = training.train(tasks, "experts")) {
          assertThat(again.trained()).isEqualTo(1);
        }
        // What is watched, and what is the base, is part of the recipe.
        try (MemoryCheckpoint other = Oracle.lively(CONVOLUTIONAL, 2);
            Trained elsewhere =
                new ExpertTraining(CONVOLUTIONAL, other, options, Optional.of(cache), two)
                    .train(tasks.subList(0, 1), "experts")) {
          assertThat(elsewhere.trained()).isEqualTo(1);
        }
      }
    }
  }

  private static void assertSame(Expert found, Expert wanted) {
    assertThat(found.task()).isEqualTo(wanted.task());
    assertThat(found.losses()).isEqualTo(wanted.losses());
    assertThat(found.heldOut()).isEqualTo(wanted.heldOut());
    assertThat(found.kept()).hasSameSizeAs(wanted.kept());
    for (int k = 0; k < found.kept().size(); k++) {
      assertSame(found.kept().get(k), wanted.kept().get(k));
    }
    assertThat(found.best().isPresent()).isEqualTo(wanted.best().isPresent());
    found.best().ifPresent(best -> assertSame(best, wanted.best().orElseThrow()));
    assertThat(found.watched()).hasSameSizeAs(wanted.watched());
    for (int k = 0; k < found.watched().size(); k++) {
      assertThat(found.watched().get(k).step()).isEqualTo(wanted.watched().get(k).step());
      assertThat(
              found
                  .watched()
                  .get(k)
                  .probabilities()
                  .sameBytes(wanted.watched().get(k).probabilities()))
          .isTrue();
    }
  }

  private static void assertSame(Kept found, Kept wanted) {
    assertThat(found.step()).isEqualTo(wanted.step());
    assertThat(List.of(found.train(), found.heldOut()))
        .isEqualTo(List.of(wanted.train(), wanted.heldOut()));
    assertSame(found.tensors(), wanted.tensors());
    assertThat(found.tensors().metadata()).isEqualTo(wanted.tensors().metadata());
    assertThat(found.adapter().map(a -> Map.copyOf(a.layers())))
        .isEqualTo(wanted.adapter().map(a -> Map.copyOf(a.layers())));
  }
}
