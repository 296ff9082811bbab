// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.recurrent;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.stream.DoubleStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.ShapeException;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;
import org.merganser.model.EarlyStopping.HeldOut;
import org.merganser.model.EarlyStopping.Policy;
import org.merganser.torch.recurrent.RecurrentUnit.Constraint;
import org.merganser.torch.recurrent.RecurrentUnit.Gamma;
import org.merganser.torch.recurrent.RecurrentUnit.Mode;
import org.merganser.torch.recurrent.RecurrentUnit.Plain;
import org.merganser.torch.recurrent.RnnTraining.Options;
import org.merganser.torch.recurrent.RnnTraining.Watch;

class RnnTrainingTest {

  /** The class is the sign of the first value, which has to be kept over noise. */
  private static Sequences memory(int count, int steps, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    float[][][] inputs = new float[count][steps][1];
    int[] labels = new int[count];
    for (int i = 0; i < count; i++) {
      labels[i] = random.nextInt(2);
      for (int t = 0; t < steps; t++) {
        inputs[i][t][0] = (float) (t == 0 ? 2 * labels[i] - 1 : .3 * random.nextGaussian());
      }
    }
    return Sequences.of(inputs, labels, 2);
  }

  private static Workspace seeded(long seed) {
    return Workspace.builder().threads(2).seed(seed).open();
  }

  static List<RecurrentUnit> units() {
    List<RecurrentUnit> all = new ArrayList<>(List.of(Plain.values()));
    for (Mode mode : Mode.values()) {
      all.add(Gamma.of(mode, 5, .25));
    }
    return all;
  }

  @ParameterizedTest
  @MethodSource("units")
  void whatHasToBeKeptIsLearnedAndTheSameEachTime(RecurrentUnit unit) throws IOException {
    VanillaRnn rnn = VanillaRnn.of(1, 16, 2, unit);
    Sequences data = memory(500, 8, 1);
    Options options = Options.adam(1e-2, 60).withBatch(50);
    try (Workspace ws = seeded(4);
        MemoryCheckpoint start = rnn.initialise(2);
        RnnTraining trained = RnnTraining.of(rnn, start, data, options, ws);
        RnnTraining again = RnnTraining.of(rnn, start, data, options, ws);
        RnnSession session = rnn.open(trained.model(), ws)) {
      assertThat(trained.diverged()).isEmpty();
      assertThat(trained.losses()).hasSize(60).isEqualTo(again.losses());
      assertThat(session.score(memory(300, 8, 2)).accuracy()).isGreaterThan(.95);
      for (String name : rnn.parameters().keySet()) {
        Tensor moved = trained.model().tensor(name);
        assertThat(moved.sameBytes(again.model().tensor(name))).isTrue();
        assertThat(moved.sameBytes(start.tensor(name)))
            .as(name)
            .isEqualTo(!rnn.learned().contains(name));
      }
    }
  }

  @Test
  void onlyTheShapeMovesWhenToldSo() throws IOException {
    VanillaRnn rnn = VanillaRnn.of(1, 8, 2, Gamma.of(Mode.STATIC, 5, .25));
    Options options = Options.adam(1e-2, 5).withLearned(rnn.shape());
    try (Workspace ws = seeded(4);
        MemoryCheckpoint start = rnn.initialise(2);
        RnnTraining trained = RnnTraining.of(rnn, start, memory(100, 5, 1), options, ws)) {
      for (String name : rnn.parameters().keySet()) {
        assertThat(trained.model().tensor(name).sameBytes(start.tensor(name)))
            .as(name)
            .isEqualTo(!rnn.shape().contains(name));
      }
      assertThat(rnn.size(rnn.shape())).isEqualTo(16);
    }
    assertThatThrownBy(() -> run(rnn, memory(10, 5, 1), options.withLearned(Set.of("weight_hh"))))
        .hasMessageContaining("'weight_hh' cannot be learned");
  }

  @Test
  void aPolicyEndsItAndTheBestStateIsKept() throws IOException {
    VanillaRnn rnn = VanillaRnn.of(1, 12, 2, Plain.TANH);
    Sequences data = memory(200, 5, 1);
    Sequences heldOut = memory(100, 5, 2);
    Policy policy = Policy.plateau(400).every(4, 2, 2);
    Options options = Options.adam(1e-2, 500).withBatch(50).withStopping(policy);
    try (Workspace ws = seeded(4);
        MemoryCheckpoint start = rnn.initialise(2);
        RnnTraining found = RnnTraining.of(rnn, start, data, heldOut, options, Watch.NONE, ws);
        RnnSession session = rnn.open(found.model(), ws)) {
      assertThat(found.diverged()).isEmpty();
      assertThat(found.losses()).hasSizeLessThan(400);
      HeldOut last = found.heldOut().get(found.heldOut().size() - 1);
      assertThat(last.step()).isEqualTo(found.losses().size());
      double best = found.heldOut().stream().mapToDouble(HeldOut::score).max().orElseThrow();
      assertThat(best).isGreaterThan(.95);
      assertThat(session.score(heldOut).accuracy()).isEqualTo(best);
    }
    Options byLoss = options.withStopping(Policy.leastLoss(4, 2));
    try (Workspace ws = seeded(4);
        MemoryCheckpoint start = rnn.initialise(2);
        RnnTraining found =
            RnnTraining.of(rnn, start, data, inverted(100, 5), byLoss, Watch.NONE, ws);
        RnnSession session = rnn.open(found.model(), ws)) {
      double least = found.heldOut().stream().mapToDouble(HeldOut::score).min().orElseThrow();
      assertThat(found.losses()).hasSizeLessThan(100);
      assertThat(found.heldOut().get(found.heldOut().size() - 1).score()).isGreaterThan(least);
      assertThat(session.score(inverted(100, 5)).loss()).isEqualTo(least);
    }
  }

  /** What is learned from {@link #memory} makes these worse. */
  private static Sequences inverted(int count, int steps) {
    float[][][] inputs = new float[count][steps][1];
    int[] labels = new int[count];
    for (int i = 0; i < count; i++) {
      labels[i] = i % 2;
      inputs[i][0][0] = 1 - 2 * labels[i];
    }
    return Sequences.of(inputs, labels, 2);
  }

  @Test
  void aPolicyNeedsHeldOutDataAndTheyAPolicy() {
    VanillaRnn rnn = VanillaRnn.of(1, 8, 2, Plain.TANH);
    Sequences data = memory(20, 5, 1);
    Options plain = Options.adam(1e-2, 5);
    assertThatThrownBy(() -> run(rnn, data, plain.withStopping(Policy.plateau(5))))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage(
            "no held-out data, by which training is stopped; give some sequences that training does not see, or no policy of stopping");
    try (Workspace ws = seeded(4);
        MemoryCheckpoint start = rnn.initialise(2)) {
      assertThatThrownBy(() -> RnnTraining.of(rnn, start, data, data, plain, Watch.NONE, ws))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessage(
              "held-out data without a policy of stopping that looks at them; give one (withStopping)");
      Sequences other = Sequences.of(new float[3][4][2], new int[3], 2);
      Options stopping = plain.withStopping(Policy.plateau(5));
      assertThatThrownBy(() -> RnnTraining.of(rnn, start, data, other, stopping, Watch.NONE, ws))
          .isInstanceOf(ShapeException.class)
          .hasMessageContaining("the held-out data are");
    }
  }

  private static RnnTraining run(VanillaRnn rnn, Sequences data, Options options)
      throws IOException {
    try (Workspace ws = seeded(4);
        MemoryCheckpoint start = rnn.initialise(2)) {
      return RnnTraining.of(rnn, start, data, options, ws);
    }
  }

  /** Up to there it is the network that keeps n and s, to the bit. */
  @ParameterizedTest
  @EnumSource(names = {"HOMOGENEOUS", "HETEROGENEOUS"})
  void theShapeMovesLate(Mode mode) throws IOException {
    VanillaRnn fixed = VanillaRnn.of(1, 8, 2, Gamma.of(Mode.STATIC, 5, .25));
    VanillaRnn rnn = fixed.withUnit(Gamma.of(mode, 5, .25));
    Sequences data = memory(100, 5, 1);
    Options options = Options.adam(1e-2, 6).withBatch(20);
    try (RnnTraining kept = run(fixed, data, options);
        RnnTraining late = run(rnn, data, options.withShapeFrom(4));
        RnnTraining never = run(rnn, data, options.withShapeFrom(6));
        RnnTraining early = run(rnn, data, options)) {
      assertThat(late.losses().subList(0, 5)).isEqualTo(kept.losses().subList(0, 5));
      assertThat(late.losses().get(5)).isNotEqualTo(kept.losses().get(5));
      assertThat(early.losses().get(1)).isNotEqualTo(kept.losses().get(1));
      assertThat(never.losses()).isEqualTo(kept.losses());
      for (String name : rnn.shape()) {
        double start = name.equals(VanillaRnn.N) ? 5 : .25;
        assertThat(never.model().tensor(name).toDoubleArray()).containsOnly(start);
        // Two steps of Adam, which begins with n and s only then: at most the rate each.
        for (double value : late.model().tensor(name).toDoubleArray()) {
          assertThat(Math.abs(value - start)).isBetween(1e-4, 2.01e-2);
        }
      }
    }
    assertThatThrownBy(() -> options.withShapeFrom(-1))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("n and s cannot move from step -1 on");
  }

  @Test
  void clampsKeepTheShapeInItsRange() throws IOException {
    Gamma gamma = Gamma.of(Mode.HETEROGENEOUS, .5, .5);
    VanillaRnn rnn = VanillaRnn.of(1, 8, 2, gamma.withConstraint(Constraint.CLAMP));
    Options options = Options.adam(1, 1);
    try (RnnTraining trained = run(rnn, memory(200, 5, 1), options)) {
      assertThat(DoubleStream.of(trained.model().tensor(VanillaRnn.N).toDoubleArray()))
          .allMatch(n -> n >= (float) Gamma.LEAST_GAIN);
      assertThat(DoubleStream.of(trained.model().tensor(VanillaRnn.S).toDoubleArray()))
          .allMatch(s -> s == 0 || s == 1);
    }
  }

  @Test
  void aRunThatDivergesIsRecordedWithItsState() throws IOException {
    VanillaRnn rnn = VanillaRnn.of(1, 8, 2, Plain.RELU);
    Options options = Options.adam(1e30, 20).withClipNorm(Double.POSITIVE_INFINITY);
    try (RnnTraining trained = run(rnn, memory(200, 5, 1), options)) {
      assertThat(trained.losses()).hasSizeLessThan(20);
      assertThat(trained.diverged().orElseThrow())
          .contains("training diverged in step " + (trained.losses().size() + 1) + " of 20")
          .containsPattern("unit \\d+ is (NaN|-?Infinity) after step \\d+ of sequence \\d+");
    }
  }

  @Test
  void aRunThatBlowsUpInItsLastStepHasDiverged() throws IOException {
    VanillaRnn wide = VanillaRnn.of(1, 8, 2, Plain.TANH).withPrecision(DType.F64);
    try (RnnTraining trained = run(wide, memory(200, 5, 1), Options.adam(1e308, 1))) {
      assertThat(trained.losses()).hasSize(1);
      assertThat(trained.diverged().orElseThrow())
          .containsPattern(
              "training diverged in step 1 of 1: value \\d+ of '\\S+' is (NaN|-?Infinity)");
    }
  }

  /** Parameters are finite, states are not: whoever scores the network sees it. */
  @Test
  void aRunThatDivergedBeforeItsWatchIsRecorded() throws IOException {
    VanillaRnn rnn = VanillaRnn.of(1, 8, 2, Plain.RELU);
    Sequences data = memory(200, 5, 1);
    for (long steps : new long[] {1, 3}) {
      try (Workspace ws = seeded(4);
          MemoryCheckpoint start = rnn.initialise(2);
          RnnTraining trained =
              RnnTraining.of(
                  rnn,
                  start,
                  data,
                  Options.adam(1e30, steps),
                  (step, now) -> {
                    try (RnnSession session = now.open()) {
                      session.score(data);
                    }
                  },
                  ws)) {
        assertThat(trained.diverged().orElseThrow())
            .startsWith("training diverged in step 1 of " + steps + ": in data")
            .containsPattern("in data that it is watched on, the state of unit \\d+ is");
      }
    }
  }

  /** Nothing was trained yet: no step is to blame. */
  @Test
  void aNetworkThatIsNotFiniteFromTheStartIsNoFaultOfAStep() throws IOException {
    VanillaRnn rnn = VanillaRnn.of(1, 8, 2, Plain.RELU);
    Sequences data = memory(20, 5, 1);
    try (Workspace ws = seeded(4);
        MemoryCheckpoint start = rnn.initialise(2)) {
      start.tensor(VanillaRnn.B).set(3, Double.POSITIVE_INFINITY);
      try (RnnTraining trained =
          RnnTraining.of(
              rnn,
              start,
              data,
              Options.adam(1e-3, 2),
              (step, now) -> {
                try (RnnSession session = now.open()) {
                  session.score(data);
                }
              },
              ws)) {
        assertThat(trained.losses()).isEmpty();
        assertThat(trained.diverged().orElseThrow())
            .startsWith("the network to be trained is not finite: in data that it is watched on, ")
            .contains("the state of unit 3 is Infinity after step 0 of sequence 0");
      }
    }
  }

  /** Each of its squares overflows in F32; clipped by that norm it would be 0. */
  @Test
  void aGradientOfInfiniteNormIsADivergence() throws IOException {
    VanillaRnn rnn = VanillaRnn.of(1, 8, 2, Plain.RELU);
    Sequences data = memory(50, 1, 1).changed(new Sequences.Change.Affine(1e25, 0));
    try (RnnTraining trained = run(rnn, data, Options.adam(1e-3, 3))) {
      assertThat(trained.losses()).isEmpty();
      assertThat(trained.diverged())
          .contains("training diverged in step 1 of 3: the norm of the gradient is Infinity");
    }
    Options free = Options.adam(1e-3, 3).withClipNorm(Double.POSITIVE_INFINITY);
    try (RnnTraining trained = run(rnn, data, free)) {
      assertThat(trained.losses()).hasSize(3);
    }
  }

  @Test
  void aWatchSeesTheNetworkBeforeAndAfterEachStep() throws IOException {
    VanillaRnn rnn = VanillaRnn.of(1, 4, 2, Gamma.of(Mode.HOMOGENEOUS, 5, .25));
    List<Long> steps = new ArrayList<>();
    List<Double> gains = new ArrayList<>();
    try (Workspace ws = seeded(4);
        MemoryCheckpoint start = rnn.initialise(2);
        RnnTraining trained =
            RnnTraining.of(
                rnn,
                start,
                memory(50, 5, 1),
                Options.adam(1e-2, 3),
                (step, now) -> {
                  steps.add(step);
                  try (RnnSession session = now.open()) {
                    gains.add(session.shape().gain().get(0));
                  }
                },
                ws)) {
      assertThat(steps).containsExactly(0L, 1L, 2L, 3L);
      assertThat(gains.get(0)).isEqualTo(5.0);
      assertThat(gains.get(3)).isEqualTo(trained.model().tensor(VanillaRnn.N).get(0));
      assertThat(gains).doesNotHaveDuplicates();
    }
  }

  @Test
  void noStepsAreRefused() {
    assertThatThrownBy(() -> RnnTraining.Options.adam(1e-3, 0))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage(
            "steps, batch and clip norm must be positive, not 0, 100 and 1.0; set each above 0");
  }

  @Test
  void dataOfAnotherWidthAreRefused() {
    assertThatThrownBy(
            () -> run(VanillaRnn.of(2, 4, 2, Plain.TANH), memory(9, 5, 1), Options.adam(1, 1)))
        .hasMessageContaining("reads 2 values a step");
  }
}
