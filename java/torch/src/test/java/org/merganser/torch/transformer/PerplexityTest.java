// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.transformer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.symmetry.ReferenceForward;
import org.merganser.torch.transformer.MultipleChoice.Question;
import org.merganser.torch.transformer.MultipleChoice.Score;
import org.merganser.transformer.GoldenModel;

class PerplexityTest {
  private static final TransformerNetwork NETWORK =
      TransformerNetwork.of(GoldenModel.LLAMA.config());

  @TempDir Path temp;

  private static int[] tokens(int count) {
    return TransformerNetworkTest.sequences(NETWORK.config(), 1, count, 5)[0];
  }

  /** {@code log p} of a token after others, by plain loops. */
  private static double score(MemoryCheckpoint theta, int[] before, int token, Workspace ws)
      throws IOException {
    double[][] logits = ReferenceForward.logits(NETWORK.config(), theta, before, ws);
    double[] last = logits[before.length - 1];
    return last[token] - Math.log(Arrays.stream(last).map(Math::exp).sum());
  }

  /** By the definition: each token but the first, after what the window that scores it has. */
  @ParameterizedTest
  @CsvSource({"40, 8, 3", "40, 8, 7", "40, 64, 32", "41, 10, 1", "2, 2, 1", "24, 8, 4"})
  void itIsWhatIsDefined(int count, int window, int stride) throws IOException {
    int[] tokens = tokens(count);
    try (Workspace ws = Workspace.builder().threads(2).open();
        MemoryCheckpoint theta = GoldenModel.LLAMA.weights()) {
      double sum = 0;
      for (int i = 1; i < count; i++) {
        int from = 0;
        while (i >= from + window) {
          from += stride;
        }
        sum -= score(theta, Arrays.copyOfRange(tokens, from, i), tokens[i], ws);
      }
      Perplexity.Options options = new Perplexity.Options(window, stride);
      Perplexity exact = Perplexity.of(NETWORK.in(DType.F64), theta, tokens, options, ws);
      assertThat(exact.tokens()).isEqualTo(count - 1);
      assertThat(exact.nats()).isCloseTo(sum / (count - 1), within(1e-10));
      assertThat(exact.value()).isEqualTo(Math.exp(exact.nats()));
      Perplexity single = Perplexity.of(NETWORK, theta, tokens, options, ws);
      assertThat(single.nats()).isCloseTo(exact.nats(), within(1e-5));
      try (Workspace one = Workspace.builder().threads(1).open()) {
        assertThat(Perplexity.of(NETWORK, theta, tokens, options, one)).isEqualTo(single);
      }
    }
  }

  @Test
  void ofTextItIsThatOfItsTokens() throws IOException {
    Path text = Files.writeString(temp.resolve("text.txt"), "BADCAFE");
    try (Workspace ws = Workspace.open();
        MemoryCheckpoint theta = GoldenModel.LLAMA.weights()) {
      Perplexity.Options options = Perplexity.Options.defaults();
      assertThat(Perplexity.ofText(NETWORK, theta, new Letters(), text, options, ws))
          .isEqualTo(
              Perplexity.of(NETWORK, theta, new int[] {31, 1, 0, 3, 2, 0, 5, 4}, options, ws));
    }
  }

  @Test
  void choicesAreTheMostProbableContinuations() throws IOException {
    try (Workspace ws = Workspace.builder().threads(2).open();
        MemoryCheckpoint theta = GoldenModel.LLAMA.weights()) {
      Question question = Question.of(new Letters(), "ABC", List.of("D", "EFG", "HI", "D"), 0);
      for (Score how : Score.values()) {
        MultipleChoice found =
            MultipleChoice.of(NETWORK.in(DType.F64), theta, List.of(question, question), how, ws);
        List<Double> scores = found.answers().get(0).scores();
        for (int c = 0; c < 4; c++) {
          List<Integer> choice = question.choices().get(c);
          double sum = 0;
          for (int i = 0; i < choice.size(); i++) {
            int[] before =
                Stream.concat(question.context().stream(), choice.subList(0, i).stream())
                    .mapToInt(Integer::intValue)
                    .toArray();
            sum += score(theta, before, choice.get(i), ws);
          }
          assertThat(scores.get(c))
              .isCloseTo(how == Score.MEAN ? sum / choice.size() : sum, within(1e-10));
        }
        int best = found.answers().get(1).chosen();
        assertThat(scores.get(best))
            .isEqualTo(scores.stream().mapToDouble(Double::doubleValue).max().getAsDouble());
        assertThat(best).isLessThan(3);
        assertThat(found.accuracy()).isEqualTo(best == 0 ? 1 : 0);
      }
    }
  }

  @Test
  void whatIsWrongIsNamed() throws IOException {
    assertThatThrownBy(() -> new Perplexity.Options(8, 8))
        .hasMessage(
            "stride must be less than the window of 8 tokens, not 8: the first token of a window"
                + " has nothing before it");
    assertThatThrownBy(() -> new Question(List.of(1), List.of(List.of(1)), 0))
        .hasMessageContaining("two choices");
    assertThatThrownBy(() -> new Question(List.of(1), List.of(List.of(1), List.of(2)), 2))
        .hasMessage("the right choice is 0..1, not 2");
    try (Workspace ws = Workspace.open();
        MemoryCheckpoint theta = GoldenModel.LLAMA.weights()) {
      Perplexity.Options options = Perplexity.Options.defaults();
      assertThatThrownBy(() -> Perplexity.of(NETWORK, theta, tokens(1), options, ws))
          .hasMessage("a text of 1 tokens has none that is predicted; give at least 2");
      theta.tensor("model.norm.weight").set(3, Double.NaN);
      assertThatThrownBy(() -> Perplexity.of(NETWORK, theta, new int[] {4, 5}, options, ws))
          .hasMessageStartingWith("log p of token 1 (id 5) is NaN");
    }
  }

  /** A is 0, and texts begin with 31. */
  private static final class Letters implements TokenSource {
    @Override
    public int[] ids(String text) {
      return text.chars().map(c -> c - 'A').toArray();
    }

    @Override
    public String text(int... ids) {
      throw new UnsupportedOperationException();
    }

    @Override
    public int size() {
      return 32;
    }

    @Override
    public OptionalInt beginning() {
      return OptionalInt.of(31);
    }

    @Override
    public OptionalInt end() {
      return OptionalInt.empty();
    }
  }
}
