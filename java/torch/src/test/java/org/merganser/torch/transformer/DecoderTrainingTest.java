// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.transformer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.error.ShapeException;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.model.EarlyStopping;
import org.merganser.torch.transformer.DecoderTraining.Options;
import org.merganser.torch.transformer.MultipleChoice.Question;
import org.merganser.torch.transformer.MultipleChoice.Score;
import org.merganser.transformer.TransformerConfig;

class DecoderTrainingTest {
  private static final int VOCABULARY = 16;
  static final TransformerNetwork NETWORK =
      TransformerNetwork.of(TransformerConfig.llama(VOCABULARY, 24, 2, 4, 2, 6, 48));

  /** Arithmetic progressions: the step is to be seen in the first two. */
  static TokenWindows progressions(int count, int steps, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    List<int[]> sequences = new ArrayList<>();
    for (int s = 0; s < count; s++) {
      int[] sequence = new int[10];
      int at = random.nextInt(VOCABULARY);
      int step = 1 + random.nextInt(steps);
      for (int i = 0; i < sequence.length; i++) {
        sequence[i] = at;
        at = (at + step) % VOCABULARY;
      }
      sequences.add(sequence);
    }
    return TokenWindows.of(sequences);
  }

  static Workspace seeded(long seed) {
    return Workspace.builder().threads(2).seed(seed).open();
  }

  /** Whether the model goes on with the steps of progressions that it has not seen. */
  static double accuracy(Checkpoint theta, int step, Workspace ws) throws IOException {
    List<Question> questions = new ArrayList<>();
    for (int at = 0; at < VOCABULARY; at++) {
      List<Integer> context = new ArrayList<>();
      for (int i = 0; i < 4; i++) {
        context.add((at + i * step) % VOCABULARY);
      }
      List<List<Integer>> choices = new ArrayList<>();
      for (int v = 0; v < VOCABULARY; v++) {
        choices.add(List.of(v));
      }
      questions.add(new Question(context, choices, (at + 4 * step) % VOCABULARY));
    }
    return MultipleChoice.of(NETWORK, theta, questions, Score.SUM, ws).accuracy();
  }

  @Test
  void itLearnsAndFineTuningTeachesMore() throws IOException {
    try (Workspace ws = seeded(1);
        MemoryCheckpoint initial = NETWORK.initialise(1);
        DecoderTraining base =
            DecoderTraining.of(
                NETWORK, initial, progressions(256, 2, 1), Options.adamW(1e-2, 120), ws)) {
      assertThat(base.losses()).hasSize(120);
      // Without knowledge it is log 16.
      assertThat(base.losses().get(0)).isBetween(2.6, 3.0);
      assertThat(accuracy(initial, 1, ws)).isLessThan(0.4);
      assertThat(accuracy(base.model(), 1, ws)).isGreaterThan(0.9);
      assertThat(accuracy(base.model(), 2, ws)).isGreaterThan(0.9);
      assertThat(accuracy(base.model(), 4, ws)).isLessThan(0.4);
      try (DecoderTraining tuned =
          DecoderTraining.of(
              NETWORK, base.model(), progressions(256, 4, 2), Options.adamW(5e-3, 120), ws)) {
        assertThat(accuracy(tuned.model(), 4, ws)).isGreaterThan(0.9);
        assertThat(tuned.losses().get(0)).isGreaterThan(tuned.losses().get(119));
      }
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2})
  void theSameSeedGivesTheSameBits(int threads) throws IOException {
    Options options = Options.adamW(1e-2, 6).withThreads(threads).withBatch(20);
    List<MemoryCheckpoint> models = new ArrayList<>();
    try (MemoryCheckpoint initial = NETWORK.initialise(3)) {
      for (long seed : new long[] {7, 7, 8}) {
        try (Workspace ws = seeded(seed)) {
          models.add(
              DecoderTraining.of(NETWORK, initial, progressions(64, 3, 3), options, ws).model());
        }
      }
    }
    boolean changed = false;
    for (String name : NETWORK.parameters().keySet()) {
      assertThat(models.get(0).tensor(name).sameBytes(models.get(1).tensor(name))).isTrue();
      changed |= !models.get(0).tensor(name).sameBytes(models.get(2).tensor(name));
    }
    assertThat(changed).isTrue();
    models.forEach(MemoryCheckpoint::close);
  }

  @Test
  void theModelOfTheLeastHeldOutLossIsKept() throws IOException {
    EarlyStopping stopping = new EarlyStopping(5, 1);
    try (Workspace ws = seeded(4);
        MemoryCheckpoint initial = NETWORK.initialise(4);
        DecoderTraining found =
            DecoderTraining.of(
                NETWORK,
                initial,
                progressions(8, 1, 5),
                // Of other steps: learning the first makes these worse.
                TokenWindows.of(List.of(new int[] {0, 7, 14, 5, 12}, new int[] {3, 3, 3, 3, 3})),
                stopping,
                Options.adamW(1e-2, 200),
                ws)) {
      assertThat(found.losses()).hasSizeLessThan(200);
      double least =
          found.heldOut().stream().mapToDouble(EarlyStopping.HeldOut::score).min().getAsDouble();
      TokenWindows heldOut =
          TokenWindows.of(List.of(new int[] {0, 7, 14, 5, 12}, new int[] {3, 3, 3, 3, 3}));
      try (TransformerNetwork.Gradient again = NETWORK.gradient(found.model(), heldOut, ws)) {
        assertThat(again.loss()).isEqualTo(least);
      }
    }
  }

  /** Accuracy by the answers to questions whose choices are all tokens. */
  @Test
  void accuracyOfNextTokensMayBeTheScore() throws IOException {
    EarlyStopping stopping = new EarlyStopping(EarlyStopping.Policy.plateau(60).every(10, 3, 3));
    try (Workspace ws = seeded(4);
        MemoryCheckpoint initial = NETWORK.initialise(4);
        DecoderTraining found =
            DecoderTraining.of(
                NETWORK,
                initial,
                progressions(32, 1, 5),
                TokenWindows.of(List.of(new int[] {0, 1, 2, 3, 4}, new int[] {9, 8, 7, 6, 5})),
                stopping,
                Options.adamW(1e-2, 60),
                ws)) {
      // Steps of 1 are learned, those of -1 never seen: of eight next tokens four.
      assertThat(found.heldOut()).extracting(EarlyStopping.HeldOut::step).startsWith(10L);
      double best =
          found.heldOut().stream().mapToDouble(EarlyStopping.HeldOut::score).max().orElseThrow();
      assertThat(best).isEqualTo(.5);
      assertThat(accuracy(found.model(), 1, ws)).isGreaterThan(.9);
    }
  }

  @Test
  void whatCannotBeLearnedIsNamed() throws IOException {
    try (Workspace ws = seeded(1);
        MemoryCheckpoint initial = NETWORK.initialise(1)) {
      Options options = Options.adamW(1e-2, 1);
      assertThatThrownBy(
              () ->
                  DecoderTraining.of(
                      NETWORK, initial, TokenWindows.of(List.of(new int[] {1})), options, ws))
          .isInstanceOf(ShapeException.class)
          .hasMessage(
              "the training data are windows of one token, of which none is the next; give at"
                  + " least 2");
      assertThatThrownBy(
              () ->
                  DecoderTraining.of(
                      NETWORK, initial, TokenWindows.of(List.of(new int[] {1, 16})), options, ws))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessage(
              "token 1 of sequence 0 is 16, and there are 16 rows of the embedding, from 0");
      initial.tensor("model.norm.weight").set(0, Double.NaN);
      assertThatThrownBy(
              () -> DecoderTraining.of(NETWORK, initial, progressions(4, 1, 1), options, ws))
          .isInstanceOf(NumericalException.class)
          .hasMessage(
              "training diverged in step 1 of 1: the loss is NaN; lower the learning rate (now"
                  + " 0.01)");
    }
  }
}
