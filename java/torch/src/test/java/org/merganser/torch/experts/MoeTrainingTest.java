// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.experts;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.merganser.torch.experts.MoeNetworkTest.CNN;
import static org.merganser.torch.experts.MoeNetworkTest.MLP;
import static org.merganser.torch.experts.MoeNetworkTest.WS;
import static org.merganser.torch.experts.MoeNetworkTest.adapters;
import static org.merganser.torch.experts.MoeNetworkTest.normal;

import java.io.IOException;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.error.NumericalException;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;
import org.merganser.lora.MoeModel;
import org.merganser.lora.MoeUpcycler;
import org.merganser.model.EarlyStopping;
import org.merganser.model.Evaluation;
import org.merganser.torch.Examples;
import org.merganser.torch.TorchNetwork;
import org.merganser.torch.experts.MoeTraining.Options;
import org.merganser.torch.experts.MoeTraining.Parts;
import org.merganser.torch.experts.MoeTraining.Task;
import org.merganser.torch.experts.MoeTraining.Trained;
import org.merganser.torch.training.Optimizer;
import org.merganser.torch.training.Schedule;

class MoeTrainingTest {
  /** The class is the sign pattern of two features. */
  private static Examples data(long seed, boolean images) {
    long[] shape = images ? new long[] {80, 2, 6, 5} : new long[] {80, 5};
    Tensor inputs = normal(seed, shape);
    int per = (int) (inputs.size() / 80);
    int[] labels = new int[80];
    for (int i = 0; i < 80; i++) {
      labels[i] =
          (inputs.get((long) i * per) > 0 ? 1 : 0) + (inputs.get((long) i * per + 1) > 0 ? 2 : 0);
    }
    return new Examples(inputs, labels, 4);
  }

  private static List<Task> tasks(MemoryCheckpoint base, boolean images) {
    return List.of(
        new Task("one", base, data(1, images), Optional.of(data(11, images))),
        new Task("two", base, data(2, images), Optional.of(data(12, images))));
  }

  private static double loss(
      TorchNetwork network, MoeModel experts, MemoryCheckpoint base, List<Task> tasks)
      throws IOException {
    double sum = 0;
    for (Task task : tasks) {
      sum += Evaluation.of(new MoeNetwork(network, experts), base, task.train(), WS).loss();
    }
    return sum / tasks.size();
  }

  @ParameterizedTest
  @EnumSource(Parts.class)
  void lowersTheLossByItsPartsAlone(Parts parts) throws IOException {
    for (TorchNetwork network : List.of(MLP, CNN)) {
      boolean images = network == CNN;
      try (MemoryCheckpoint base = network.initialise(3);
          MemoryCheckpoint before = network.initialise(3);
          MoeModel start = MoeUpcycler.arrow(2).upcycle(base, adapters(network, base, 3, 2), WS)) {
        List<Task> tasks = tasks(base, images);
        MoeTraining training = new MoeTraining(network, Options.adam(1e-2, 40).withParts(parts));
        try (Trained trained = training.train(start, tasks, WS);
            Trained again = training.train(start, tasks, WS)) {
          assertThat(trained.losses()).hasSize(40).isEqualTo(again.losses());
          assertThat(loss(network, trained.experts(), base, tasks))
              .isLessThan(loss(network, start, base, tasks) - .02);
          for (String name : start.tensors().tensors().keySet()) {
            boolean gate = name.endsWith(".gate");
            boolean factor = name.endsWith(".A") || name.endsWith(".B");
            boolean moves = gate && parts != Parts.FACTORS || factor && parts != Parts.GATES;
            try (Tensor old = start.tensors().read(name, WS);
                Tensor now = trained.experts().tensors().read(name, WS);
                Tensor twice = again.experts().tensors().read(name, WS)) {
              assertThat(now.sameBytes(twice)).as(name).isTrue();
              assertThat(now.sameBytes(old)).as(name).isEqualTo(!moves);
            }
          }
        }
        for (String name : base.tensors().keySet()) {
          assertThat(base.tensor(name).sameBytes(before.tensor(name))).as(name).isTrue();
        }
      }
    }
  }

  /** At a rate of almost 0 losses say what was drawn: of one order twins lose as one alone. */
  @Test
  void everyTaskHasAnOrderOfBatchesOfItsOwn() throws IOException {
    try (MemoryCheckpoint base = MLP.initialise(3);
        MoeModel start = MoeUpcycler.arrow(2).upcycle(base, adapters(MLP, base, 3, 2), WS)) {
      Options epoch =
          new Options(
              Parts.BOTH,
              new Optimizer.Sgd(1e-12, 0, 0),
              new Schedule(0, Schedule.Decay.CONSTANT),
              10,
              8,
              Double.POSITIVE_INFINITY,
              Optional.empty());
      Task task = tasks(base, false).get(0);
      try (Trained alone = new MoeTraining(MLP, epoch).train(start, List.of(task), WS);
          Trained twins = new MoeTraining(MLP, epoch).train(start, List.of(task, task), WS)) {
        int differ = 0;
        for (int step = 0; step < 10; step++) {
          differ += Math.abs(alone.losses().get(step) - twins.losses().get(step)) > 1e-4 ? 1 : 0;
        }
        assertThat(differ).isGreaterThan(5);
        assertThat(mean(twins.losses()))
            .isCloseTo(mean(alone.losses()), within(1e-5))
            .isCloseTo(loss(MLP, start, base, List.of(task)), within(1e-5));
      }
    }
  }

  private static double mean(List<Double> losses) {
    return losses.stream().mapToDouble(Double::doubleValue).average().orElseThrow();
  }

  /** As of an adapter with B = 0: of Arrow it stays, of the others it moves. */
  @ParameterizedTest
  @CsvSource({"true, false", "false, true"})
  void gatesOfZeroMoveOnlyWhereLogitsHaveASign(boolean arrow, boolean moves) throws IOException {
    try (MemoryCheckpoint base = MLP.initialise(3)) {
      MoeUpcycler upcycler = arrow ? MoeUpcycler.arrow(2) : MoeUpcycler.random(2);
      MoeModel made = upcycler.upcycle(base, adapters(MLP, base, 2, 2), WS);
      Map<String, Tensor> tensors = new LinkedHashMap<>();
      for (String name : made.tensors().tensors().keySet()) {
        Tensor tensor = made.tensors().read(name, WS);
        if (name.endsWith(".gate")) {
          // Of the first expert.
          for (long i = 0; i < tensor.size() / 2; i++) {
            tensor.set(i, 0);
          }
        }
        tensors.put(name, tensor);
      }
      MoeTraining training = new MoeTraining(MLP, Options.adam(1e-2, 5));
      try (MoeModel start = made.with(tensors);
          Trained trained = training.train(start, tasks(base, false), WS);
          Tensor gate = trained.experts().tensors().read("fc1.experts.gate", WS)) {
        double[] first = Arrays.copyOf(gate.toDoubleArray(), (int) gate.size() / 2);
        assertThat(Arrays.stream(first).anyMatch(v -> v != 0)).isEqualTo(moves);
      }
    }
  }

  /** The gradient of a step of plain descent, against differences. */
  @Test
  void followsTheGradient() throws IOException {
    try (MemoryCheckpoint base = MLP.initialise(3);
        MoeModel start = MoeUpcycler.random(2).upcycle(base, adapters(MLP, base, 3, 2), WS)) {
      List<Task> tasks = tasks(base, false);
      double rate = 1e-3;
      Options whole =
          new Options(
              Parts.BOTH,
              new Optimizer.Sgd(rate, 0, 0),
              new Schedule(0, Schedule.Decay.CONSTANT),
              1,
              80,
              Double.POSITIVE_INFINITY,
              Optional.empty());
      try (Trained trained = new MoeTraining(MLP, whole).train(start, tasks, WS)) {
        for (String name : List.of("fc1.experts.A", "fc2.experts.B", "fc1.experts.gate")) {
          try (Tensor old = start.tensors().read(name, WS);
              Tensor now = trained.experts().tensors().read(name, WS)) {
            long at = largest(old, now);
            double step = 2e-3;
            double slope =
                (shifted(start, base, tasks, name, at, step)
                        - shifted(start, base, tasks, name, at, -step))
                    / (2 * step);
            double moved = (old.get(at) - now.get(at)) / rate;
            assertThat(moved).as(name).isCloseTo(slope, within(.02 * Math.abs(slope) + 1e-3));
          }
        }
      }
    }
  }

  private static org.assertj.core.data.Offset<Double> within(double room) {
    return org.assertj.core.api.Assertions.within(room);
  }

  /** Where a tensor moved most. */
  private static long largest(Tensor old, Tensor now) {
    long best = 0;
    for (long i = 0; i < old.size(); i++) {
      if (Math.abs(old.get(i) - now.get(i)) > Math.abs(old.get(best) - now.get(best))) {
        best = i;
      }
    }
    return best;
  }

  private static double shifted(
      MoeModel start, MemoryCheckpoint base, List<Task> tasks, String name, long at, double by)
      throws IOException {
    java.util.Map<String, Tensor> tensors = new java.util.LinkedHashMap<>();
    for (String each : start.tensors().tensors().keySet()) {
      tensors.put(each, start.tensors().read(each, WS));
    }
    tensors.get(name).set(at, tensors.get(name).get(at) + by);
    try (MoeModel moved = start.with(tensors)) {
      return loss(MLP, moved, base, tasks);
    }
  }

  @Test
  void keepsWhatScoresBestOnHeldOutData() throws IOException {
    try (MemoryCheckpoint base = MLP.initialise(3);
        MoeModel start = MoeUpcycler.arrow(2).upcycle(base, adapters(MLP, base, 3, 2), WS)) {
      SplittableRandom random = new SplittableRandom(1);
      int[] labels = random.ints(80, 0, 4).toArray();
      List<Task> noise =
          List.of(
              new Task(
                  "noise",
                  base,
                  new Examples(normal(1, 80, 5), labels, 4),
                  Optional.of(new Examples(normal(2, 80, 5), labels, 4))));
      Options options = Options.adam(5e-2, 60).withStopping(EarlyStopping.Policy.leastLoss(5, 2));
      try (Trained trained = new MoeTraining(MLP, options).train(start, noise, WS)) {
        double least =
            trained.heldOut().stream()
                .mapToDouble(EarlyStopping.HeldOut::score)
                .min()
                .orElseThrow();
        assertThat(trained.losses().size()).isLessThan(60);
        assertThat(
                Evaluation.of(
                        new MoeNetwork(MLP, trained.experts()),
                        base,
                        noise.get(0).heldOut().orElseThrow(),
                        WS)
                    .loss())
            .isCloseTo(least, within(1e-5));
      }
    }
  }

  @Test
  void whatIsWrongIsToldBeforeAnyStep() throws IOException {
    try (MemoryCheckpoint base = MLP.initialise(3);
        MemoryCheckpoint other = MLP.initialise(4);
        MoeModel start = MoeUpcycler.arrow(2).upcycle(base, adapters(MLP, base, 3, 2), WS)) {
      MoeTraining plain = new MoeTraining(MLP, Options.adam(1e-2, 5));
      assertThatThrownBy(() -> plain.train(start, List.of(), WS))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessage("no tasks to train experts on; give one or more");
      Task none = new Task("alone", base, data(1, false), Optional.empty());
      MoeTraining stopped =
          new MoeTraining(MLP, Options.adam(1e-2, 5).withStopping(EarlyStopping.Policy.plateau(5)));
      assertThatThrownBy(() -> stopped.train(start, List.of(none), WS))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageStartingWith("task 'alone' has no held-out data");
      Task another = new Task("other", other, data(1, false), Optional.empty());
      assertThatThrownBy(() -> plain.train(start, List.of(another), WS))
          .isInstanceOf(IncompatibleModelsException.class)
          .hasMessageContaining("was not trained for this model");
      assertThatThrownBy(() -> Options.adam(1e-2, 0))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("must be positive, not 0, 64");
      assertThatThrownBy(
              () -> new MoeTraining(MLP, Options.adam(1e30, 20)).train(start, List.of(none), WS))
          .isInstanceOf(NumericalException.class)
          .hasMessageContaining("training of experts diverged in step ");
    }
  }
}
