// SPDX-License-Identifier: Apache-2.0
package org.merganser.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.merganser.testing.Work.WS;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.merganser.compute.DType;
import org.merganser.error.ShapeException;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;
import org.merganser.model.ExampleDifficulty.Bucket;
import org.merganser.testing.Cases;
import org.merganser.testing.Draw;
import org.merganser.testing.JavaNetwork;
import org.merganser.testing.JavaNetwork.Activation;
import org.merganser.testing.LabelledRows;
import org.merganser.testing.Oracle;

class ExampleDifficultyTest {

  @ParameterizedTest
  @CsvSource({"0,.374165739", "1,1.067707825", "2,1.157583690"})
  void theDistanceToTheLabel(int label, double expected) {
    assertThat(ExampleDifficulty.el2n(new double[] {.7, .2, .1}, label))
        .isCloseTo(expected, within(1e-9));
  }

  @Test
  void theEndsOfItsRange() {
    assertThat(ExampleDifficulty.el2n(new double[] {0, 1}, 1)).isZero();
    assertThat(ExampleDifficulty.el2n(new double[] {0, 1, 0}, 0)).isEqualTo(Math.sqrt(2));
    assertThat(ExampleDifficulty.el2n(new double[] {1}, 0)).isZero();
  }

  private static double[][] softmax(Draw draw, int examples, int classes) {
    double[][] p = new double[examples][classes];
    for (double[] row : p) {
      Arrays.setAll(row, c -> Math.exp(16 * draw.random().nextDouble() - 8));
      double sum = Arrays.stream(row).sum();
      Arrays.setAll(row, c -> row[c] / sum);
    }
    return p;
  }

  private static Tensor tensor(double[][] rows, boolean wide) {
    double[] flat = Arrays.stream(rows).flatMapToDouble(Arrays::stream).toArray();
    if (wide) {
      return Tensor.of(flat, rows.length, rows[0].length);
    }
    float[] narrow = new float[flat.length];
    IntStream.range(0, flat.length).forEach(i -> narrow[i] = (float) flat[i]);
    return Tensor.of(narrow, rows.length, rows[0].length);
  }

  /** Between 0 and sqrt 2, whatever the order of the classes; over seeds it is the mean. */
  @Cases(50)
  void meansOverNetworks(Draw draw) {
    int examples = draw.integer(1, 30);
    int classes = draw.integer(1, 12);
    int networks = draw.integer(1, 5);
    boolean wide = draw.of(false, true);
    int[] labels = IntStream.range(0, examples).map(i -> draw.random().nextInt(classes)).toArray();
    List<double[][]> all = new ArrayList<>();
    List<Tensor> given = new ArrayList<>();
    for (int s = 0; s < networks; s++) {
      all.add(softmax(draw, examples, classes));
      given.add(tensor(all.get(s), wide));
    }
    double[] scores = ExampleDifficulty.el2n(given, labels).scores();
    for (int i = 0; i < examples; i++) {
      double mean = 0;
      for (double[][] p : all) {
        double square = 0;
        for (int c = 0; c < classes; c++) {
          square += Math.pow(p[i][c] - (c == labels[i] ? 1 : 0), 2);
        }
        mean += Math.sqrt(square) / networks;
        double[] reversed = new double[classes];
        for (int c = 0; c < classes; c++) {
          reversed[c] = p[i][classes - 1 - c];
        }
        assertThat(ExampleDifficulty.el2n(reversed, classes - 1 - labels[i]))
            .isCloseTo(Math.sqrt(square), within(1e-14));
      }
      assertThat(scores[i]).isCloseTo(mean, within(wide ? 1e-14 : 1e-6)).isBetween(0.0, 1.4143);
    }
    given.forEach(Tensor::close);
  }

  @Test
  void modelsOfANetworkGiveTheirProbabilities() throws IOException {
    JavaNetwork network = JavaNetwork.mlp(Activation.RELU, 5, 9, 4);
    double[][] x = Oracle.gaussian(7, 5, 1);
    int[] labels = {0, 1, 2, 3, 0, 1, 2};
    try (MemoryCheckpoint a = network.random(DType.F32, 1, WS);
        MemoryCheckpoint b = network.random(DType.F32, 2, WS)) {
      double[] expected = new double[7];
      for (MemoryCheckpoint model : List.of(a, b)) {
        double[][] logits = network.outputs(model, x, WS);
        for (int i = 0; i < 7; i++) {
          double sum = Arrays.stream(logits[i]).map(Math::exp).sum();
          double[] p = Arrays.stream(logits[i]).map(v -> Math.exp(v) / sum).toArray();
          expected[i] += ExampleDifficulty.el2n(p, labels[i]) / 2;
        }
      }
      Inputs.Labelled data = new LabelledRows(x, labels, 4, 3);
      double[] found = ExampleDifficulty.el2n(network, List.of(a, b), data, WS).scores();
      for (int i = 0; i < 7; i++) {
        assertThat(found[i]).isCloseTo(expected[i], within(1e-5));
      }
    }
  }

  @Test
  void whatIsNoProbabilityIsRefused() {
    assertThatThrownBy(() -> ExampleDifficulty.el2n(new double[] {.7, .2}, 0))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageMatching(
            "the probabilities for example 0 sum to 0\\.89*, not 1; give the softmax, not logits");
    assertThatThrownBy(() -> ExampleDifficulty.el2n(new double[] {1.5, -.5}, 0))
        .hasMessage("the probability of class 1 for example 0 is -0.5");
    try (Tensor p = Tensor.of(new double[] {.5, .5, .25, Double.NaN}, 2, 2);
        Tensor infinite = Tensor.of(new double[] {Double.POSITIVE_INFINITY, 0}, 1, 2)) {
      assertThatThrownBy(() -> ExampleDifficulty.el2n(List.of(p), 0, 1))
          .hasMessage("the probability of class 1 for example 1 is NaN");
      assertThatThrownBy(() -> ExampleDifficulty.el2n(List.of(infinite), 0))
          .hasMessageContaining("sum to Infinity");
      assertThatThrownBy(() -> ExampleDifficulty.el2n(List.of(p), 2, 1))
          .hasMessage("label 2 of example 0 is not in 0..1");
      assertThatThrownBy(() -> ExampleDifficulty.el2n(List.of(p), -1, 1))
          .hasMessage("label -1 of example 0 is not in 0..1");
      assertThatThrownBy(() -> ExampleDifficulty.el2n(List.of(p), 0, 1, 1))
          .isInstanceOf(ShapeException.class)
          .hasMessage("probabilities are F64 [2, 2] for 3 labels; give [examples x classes]");
    }
    assertThatThrownBy(() -> ExampleDifficulty.el2n(List.of(), 0))
        .hasMessage("no network has given probabilities");
    assertThatThrownBy(() -> ExampleDifficulty.of(new double[] {1, Double.NaN}))
        .hasMessage("the score of example 1 is NaN");
    assertThatThrownBy(() -> ExampleDifficulty.of(new double[0])).hasMessage("no examples");
  }

  private static boolean[] flags(String text) {
    boolean[] flags = new boolean[text.length()];
    IntStream.range(0, flags.length).forEach(i -> flags[i] = text.charAt(i) == '1');
    return flags;
  }

  @Test
  void changesFromRightToWrongAreCounted() {
    // Down the columns: 1110, 1010, 0000, 0101.
    List<boolean[]> right = List.of(flags("1100"), flags("1001"), flags("1100"), flags("0001"));
    assertThat(ExampleDifficulty.forgettingEvents(right).scores()).containsExactly(1, 2, 0, 1);
    assertThatThrownBy(() -> ExampleDifficulty.forgettingEvents(List.of(flags("1"))))
        .hasMessage(
            "an example is forgotten from one evaluation to the next; give 2 or more, not 1");
    assertThatThrownBy(() -> ExampleDifficulty.forgettingEvents(List.of(flags("11"), flags("110"))))
        .hasMessage("evaluation 1 is given for 3 examples, there are 2");
  }

  @Test
  void whatIsNeverRightIsTheHardest() {
    // Down the columns: 1110, 1010, 0000, 0101, 1111.
    List<boolean[]> right = List.of(flags("11001"), flags("10011"), flags("11001"), flags("00011"));
    ExampleDifficulty difficulty = ExampleDifficulty.forgettingEventsOrNeverRight(right);
    assertThat(difficulty.scores()).containsExactly(1, 2, 4, 1, 0);
    assertThat(difficulty.order()).containsExactly(4, 0, 3, 1, 2);
    assertThat(ExampleDifficulty.forgettingEvents(right).order()).containsExactly(2, 4, 0, 3, 1);
    assertThatThrownBy(
            () ->
                ExampleDifficulty.forgettingEventsOrNeverRight(List.of(flags("11"), flags("110"))))
        .hasMessage("evaluation 1 is given for 3 examples, there are 2");
  }

  @Test
  void equalScoresKeepTheirOrder() {
    ExampleDifficulty difficulty = ExampleDifficulty.of(new double[] {2, 1, 2, 1, 0, 1, 2});
    assertThat(difficulty.order()).containsExactly(4, 1, 3, 5, 0, 2, 6);
    // Places 0 1 2 | 3 4 | 5 6.
    assertThat(difficulty.buckets(3)).containsExactly(1, 0, 2, 0, 0, 1, 2);
    assertThatThrownBy(() -> difficulty.buckets(8))
        .hasMessage("7 examples are cut into 1 to 7 parts, not 8");
    assertThatThrownBy(() -> difficulty.buckets(0)).hasMessageContaining("not 0");
  }

  /** Parts are as even as they go, no easier one has a harder example, and counts add up. */
  @Cases(50)
  void whatMergingForgotByParts(Draw draw) {
    int n = draw.integer(1, 200);
    int count = draw.integer(1, Math.min(n, 12));
    double[] scores = new double[n];
    boolean[] expert = new boolean[n];
    boolean[] merged = new boolean[n];
    for (int i = 0; i < n; i++) {
      scores[i] = draw.random().nextInt(20);
      expert[i] = draw.random().nextBoolean();
      merged[i] = draw.random().nextBoolean();
    }
    ExampleDifficulty difficulty = ExampleDifficulty.of(scores);
    int[] bucketOf = difficulty.buckets(count);
    List<Bucket> buckets = difficulty.forgotten(expert, merged, count);
    assertThat(buckets).hasSize(count);
    assertThat(buckets).allMatch(b -> b.examples() == n / count || b.examples() == n / count + 1);
    for (int i = 0; i < n; i++) {
      for (int j = 0; j < n; j++) {
        if (bucketOf[i] < bucketOf[j]) {
          assertThat(scores[i]).isLessThanOrEqualTo(scores[j]);
        }
      }
    }
    int forgotten = 0;
    int right = 0;
    for (int i = 0; i < n; i++) {
      forgotten += expert[i] && !merged[i] ? 1 : 0;
      right += expert[i] ? 1 : 0;
    }
    assertThat(buckets.stream().mapToInt(Bucket::forgotten).sum()).isEqualTo(forgotten);
    assertThat(buckets.stream().mapToInt(Bucket::expert).sum()).isEqualTo(right);
    assertThat(buckets.stream().reduce(Bucket::plus).orElseThrow().merged())
        .isEqualTo((int) IntStream.range(0, n).filter(i -> merged[i]).count());
    assertThat(buckets).allMatch(b -> b.forgotten() <= b.expert());
    assertThat(buckets).allMatch(b -> b.expert() - b.forgotten() <= b.merged());
  }

  @Test
  void whatMergingForgotOnAHandMadeCase() {
    ExampleDifficulty difficulty = ExampleDifficulty.of(new double[] {.1, .9, .2, .8});
    List<Bucket> buckets = difficulty.forgotten(flags("1110"), flags("1001"), 2);
    assertThat(buckets).containsExactly(new Bucket(2, 2, 1, 1), new Bucket(2, 1, 1, 1));
    assertThat(buckets.get(0).forgottenRate()).isEqualTo(.5);
    assertThat(buckets.get(0).expertAccuracy()).isEqualTo(1);
    assertThat(buckets.get(0).mergedAccuracy()).isEqualTo(.5);
    assertThatThrownBy(() -> difficulty.forgotten(flags("111"), flags("1001"), 2))
        .hasMessage("the expert is given for 3 examples, there are 4");
    assertThatThrownBy(() -> difficulty.forgotten(flags("1111"), flags("10"), 2))
        .hasMessage("the merged model is given for 2 examples, there are 4");
  }

  @Test
  void whatWasLearnedByHeart() {
    assertThat(ExampleDifficulty.memorised(flags("110100"), flags("101100"))).isEqualTo(2.0 / 3);
    assertThatThrownBy(() -> ExampleDifficulty.memorised(flags("11"), flags("00")))
        .hasMessage(
            "none of 2 labels is wrong on purpose; nothing shows what was learned by heart");
    assertThatThrownBy(() -> ExampleDifficulty.memorised(flags("11"), flags("001")))
        .hasMessage("the network is given for 2 examples, there are 3");
  }

  @Test
  void theLargestOutputIsTheAnswerOfEqualsTheFirst() {
    try (Tensor outputs = Tensor.of(new float[] {1, 3, 2, 5, 5, 0}, 2, 3);
        Tensor unknown = Tensor.of(new float[] {1, Float.NaN}, 1, 2)) {
      assertThat(ExampleDifficulty.right(outputs, 1, 0)).containsExactly(true, true);
      assertThat(ExampleDifficulty.right(outputs, 2, 1)).containsExactly(false, false);
      assertThatThrownBy(() -> ExampleDifficulty.right(unknown, 0))
          .hasMessage("output 1 for example 0 is not a number");
      assertThatThrownBy(() -> ExampleDifficulty.right(outputs, 0, 3))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessage("label 3 of example 1 is not in 0..2");
      assertThatThrownBy(() -> ExampleDifficulty.right(outputs, -1, 0))
          .hasMessage("label -1 of example 0 is not in 0..2");
      assertThatThrownBy(() -> ExampleDifficulty.right(outputs, 0))
          .isInstanceOf(ShapeException.class)
          .hasMessage("outputs are F32 [2, 3] for 1 labels; give [examples x classes]");
    }
  }
}
