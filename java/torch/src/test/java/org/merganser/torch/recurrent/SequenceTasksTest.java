// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.recurrent;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.compute.Workspace;
import org.merganser.error.ShapeException;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;
import org.merganser.torch.recurrent.RecurrentUnit.Plain;
import org.merganser.torch.recurrent.SequenceTasks.Characters;
import org.merganser.torch.recurrent.SequenceTasks.Copy;

class SequenceTasksTest {
  @TempDir Path folder;

  @Test
  void copyHasTheAuthorsLayout() {
    Copy task = Copy.of(5);
    Sequences drawn = task.draw(20, 3);
    assertThat(drawn.steps()).isEqualTo(25);
    boolean[] seen = new boolean[9];
    for (int i = 0; i < drawn.size(); i++) {
      int[] targets = drawn.targets(i);
      try (Tensor x = drawn.inputs(i)) {
        for (int t = 0; t < 25; t++) {
          if (t < 10) {
            assertThat(x.get(t)).isBetween(1.0, 8.0).isEqualTo(targets[15 + t]);
            seen[(int) x.get(t)] = true;
          } else {
            assertThat(x.get(t)).isEqualTo(t == 14 ? 9 : 0);
          }
          assertThat(targets[t] == 0).isEqualTo(t < 15);
        }
      }
    }
    assertThat(seen).containsExactly(false, true, true, true, true, true, true, true, true);
    try (Tensor same = task.draw(20, 3).inputs(7);
        Tensor first = drawn.inputs(7);
        Tensor other = task.draw(20, 4).inputs(7);
        Tensor hot = new Copy(5, 8, 10, true).draw(20, 3).inputs(7)) {
      assertThat(same.sameBytes(first)).isTrue();
      assertThat(other.sameBytes(first)).isFalse();
      for (int t = 0; t < 25; t++) {
        for (int code = 0; code < 10; code++) {
          assertThat(hot.get(10L * t + code)).isEqualTo(first.get(t) == code ? 1 : 0);
        }
      }
    }
  }

  @ParameterizedTest
  @CsvSource({"200, 0.0945", "100, 0.1733"})
  void whoForgetsHasTheKnownLoss(int delay, double loss) {
    assertThat(Copy.of(delay).memorylessLoss()).isCloseTo(loss, within(5e-5));
  }

  @Test
  void onlyTheAnswerCountsForTheAccuracyOfCopy() throws IOException {
    Copy task = new Copy(2, 1, 2, false);
    VanillaRnn rnn = VanillaRnn.of(1, 2, 2, Plain.TANH);
    // With no weights the bias of the readout says the one symbol at every step.
    try (Workspace ws = Workspace.builder().threads(1).open();
        MemoryCheckpoint theta = rnn.initialise(1)) {
      for (String name : rnn.parameters().keySet()) {
        Tensor tensor = theta.tensor(name);
        for (long i = 0; i < tensor.size(); i++) {
          tensor.set(i, name.equals(VanillaRnn.C) && i == 1 ? 3 : 0);
        }
      }
      try (RnnSession session = rnn.open(theta, ws)) {
        RnnSession.Score score = session.score(task.draw(4, 1));
        assertThat(score.accuracy()).isEqualTo(1);
        double wrong = Math.log1p(Math.exp(3));
        double right = Math.log1p(Math.exp(-3));
        assertThat(score.loss()).isCloseTo((4 * wrong + 2 * right) / 6, within(1e-6));
      }
    }
  }

  @Test
  void aTextBecomesStreamsOfWindows() throws IOException {
    Path file = folder.resolve("text.txt");
    Files.writeString(file, "hello hello hello hello!é");
    Characters text = Characters.read(file);
    assertThat(text.vocabulary()).isEqualTo(" !ehloé");
    // 24 predictions, two streams of 12, windows of 5: two each.
    Sequences windows = text.windows(2, 5);
    assertThat(windows).hasToString("4 sequences of 5 steps of 7 values");
    assertThat(windows.streamLength()).isEqualTo(2);
    assertThat(said(windows.targets(0))).isEqualTo("ello ");
    assertThat(said(windows.targets(1))).isEqualTo("hello");
    assertThatThrownBy(() -> text.windows(2, 13))
        .hasMessageContaining("25 characters does not give 2 streams of at least one window of 13");
    assertThatThrownBy(() -> new Characters("ab", "abc").windows(1, 2))
        .hasMessageContaining("character 'c' at 2 is not in the vocabulary");
  }

  /** Its loss would be 0 whatever the network says. */
  @ParameterizedTest
  @ValueSource(strings = {"a", "aaaaaaaaaa", ""})
  void aTextOfOneCharacterIsRefused(String text) {
    assertThatThrownBy(() -> Characters.of(text))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("a vocabulary has at least two characters, each once, not '")
        .hasMessageContaining("take a text of different characters");
    assertThatThrownBy(() -> new Characters("aba", "ab")).hasMessageContaining("not 'aba'");
    assertThat(Characters.of("ab").part(0, 1).vocabulary()).isEqualTo("ab");
  }

  private static String said(int... codes) {
    StringBuilder text = new StringBuilder();
    for (int code : codes) {
      text.append(" !ehloé".charAt(code));
    }
    return text.toString();
  }

  /** A window that begins in the middle goes on with the state of the one before. */
  @Test
  void statesAreCarriedFromWindowToWindow() throws IOException {
    String cycle = "abcab".repeat(60);
    Characters text = Characters.of(cycle);
    VanillaRnn rnn = VanillaRnn.of(3, 12, 3, Plain.TANH);
    try (Workspace ws = Workspace.builder().threads(1).seed(2).open();
        MemoryCheckpoint start = rnn.initialise(1);
        RnnSession session = rnn.open(start, ws)) {
      // One stream: cut anywhere, what is said is the same but for rounding.
      double whole = session.score(text.windows(1, 298)).loss();
      double cut = session.score(text.windows(1, 149)).loss();
      assertThat(cut).isCloseTo(whole, within(1e-6));
      // Alone, each window begins anew.
      assertThat(session.score(text.windows(1, 149).select(0, 1)).loss())
          .isNotCloseTo(whole, within(1e-6));
      RnnTraining.Options options = RnnTraining.Options.adam(1e-2, 150);
      try (RnnTraining trained = RnnTraining.of(rnn, start, text.windows(5, 6), options, ws);
          RnnSession after = rnn.open(trained.model(), ws)) {
        RnnSession.Score score = after.score(text.windows(5, 6));
        assertThat(score.accuracy()).isGreaterThan(.95);
        assertThat(score.bits()).isCloseTo(score.loss() / Math.log(2), within(1e-12)).isLessThan(1);
      }
    }
  }

  @Test
  void nothingToDrawIsRefused() {
    assertThatThrownBy(() -> Copy.of(3).draw(0, 1))
        .isInstanceOf(ShapeException.class)
        .hasMessageContaining("at least one sequence");
    assertThatThrownBy(() -> Copy.of(0)).hasMessageContaining("at least 1");
  }
}
