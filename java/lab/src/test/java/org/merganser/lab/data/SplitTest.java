// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.merganser.linalg.Tensor;
import org.merganser.torch.Examples;

class SplitTest {
  private static final int CLASSES = 10;

  /** Class c has 10 + c samples, dealt in turn. */
  private static int[] labels() {
    return IntStream.range(0, 20)
        .flatMap(round -> IntStream.range(0, CLASSES).filter(c -> round < 10 + c))
        .toArray();
  }

  private static long count(int[] samples, int[] labels, int c) {
    return Arrays.stream(samples).filter(i -> labels[i] == c).count();
  }

  private static void assertPartition(List<int[]> parts, int samples) {
    assertThat(parts.stream().flatMapToInt(Arrays::stream).sorted().toArray())
        .isEqualTo(IntStream.range(0, samples).toArray());
    parts.forEach(part -> assertThat(part).isSorted().isNotEmpty());
  }

  @Test
  void noneGivesAllToAll() {
    int[] labels = labels();
    List<int[]> parts = Split.NONE.samples(labels, CLASSES, 3, 1);
    assertThat(parts).hasSize(3);
    parts.forEach(part -> assertThat(part).isEqualTo(IntStream.range(0, labels.length).toArray()));
  }

  @Test
  void eightyTwentyGivesTheFirstFifthOfAClassToOneModel() {
    int[] labels = labels();
    List<int[]> parts = Split.EIGHTY_TWENTY.samples(labels, CLASSES, 2, 1);
    assertPartition(parts, labels.length);
    for (int c = 0; c < CLASSES; c++) {
      int of = c;
      int[] own = IntStream.range(0, labels.length).filter(i -> labels[i] == of).toArray();
      int[] fifth = Arrays.copyOf(own, own.length / 5);
      int small = c < 5 ? 0 : 1;
      int[] found = Arrays.stream(parts.get(small)).filter(i -> labels[i] == of).toArray();
      assertThat(found).as("class %d", c).isEqualTo(fifth);
    }
    // 10 + c samples: a fifth is 2 for the first half, 3 (of 15 to 19) for the second.
    assertThat(parts.get(0).length).isEqualTo(5 * 2 + (12 + 13 + 14 + 15 + 16));
  }

  @Test
  void theMiddleOfAnOddNumberOfClassesBelongsToTheFirstHalf() {
    int[] labels = {0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2};
    List<int[]> parts = Split.EIGHTY_TWENTY.samples(labels, 3, 2, 0);
    assertThat(parts.get(0)).containsExactly(0, 5, 11, 12, 13, 14);
    assertThat(parts.get(1)).containsExactly(1, 2, 3, 4, 6, 7, 8, 9, 10);
  }

  @ParameterizedTest
  @CsvSource({"2, 10", "5, 10", "3, 10", "10, 10", "2, 3"})
  void classesAreSharedOutEqually(int models, int classes) {
    int[] labels = IntStream.range(0, 7 * classes).map(i -> i % classes).toArray();
    List<int[]> parts = Split.CLASSES.samples(labels, classes, models, 4);
    assertPartition(parts, labels.length);
    List<int[]> owned = Split.classes(classes, models, 4);
    assertPartition(owned, classes);
    for (int k = 0; k < models; k++) {
      int[] found = Arrays.stream(parts.get(k)).map(i -> labels[i]).distinct().sorted().toArray();
      assertThat(found).isEqualTo(owned.get(k));
      assertThat(found.length).isBetween(classes / models, (classes + models - 1) / models);
    }
  }

  @Test
  void classesAreDrawnAtRandom() {
    int[] first = new int[CLASSES];
    for (long seed = 0; seed < 400; seed++) {
      for (int c : Split.classes(CLASSES, 2, seed).get(0)) {
        first[c]++;
      }
    }
    for (int count : first) {
      assertThat(count).isBetween(160, 240);
    }
  }

  @Test
  void dirichletIsAPartitionWithWholeCountsNearItsProportions() {
    int[] labels = labels();
    for (int models = 2; models < 6; models++) {
      for (long seed = 0; seed < 20; seed++) {
        assertPartition(Split.DIRICHLET.samples(labels, CLASSES, models, seed), labels.length);
      }
    }
  }

  /** The share of one of two models has the arcsine distribution: mean 1/2, variance 1/8. */
  @Test
  void dirichletHasTheRightSpread() {
    int[] labels = new int[200];
    double sum = 0;
    double squares = 0;
    int low = 0;
    int draws = 0;
    for (long seed = 0; seed < 2000; seed++) {
      double share;
      try {
        share = Split.DIRICHLET.samples(labels, 1, 2, seed).get(0).length / 200.0;
      } catch (IllegalArgumentException empty) {
        assertThat(empty).hasMessageContaining("without samples; use more samples");
        // Which of the two had none is not told; both ends are equally likely.
        share = draws % 2;
      }
      draws++;
      sum += share;
      squares += share * share;
      low += share < 0.1 ? 1 : 0;
    }
    assertThat(sum / draws).isCloseTo(0.5, within(0.03));
    assertThat(squares / draws - Math.pow(sum / draws, 2)).isCloseTo(0.125, within(0.01));
    // P(share < 0.1) = 2/pi asin(sqrt(0.1)) = 0.205.
    assertThat((double) low / draws).isCloseTo(0.205, within(0.03));
  }

  @Test
  void dirichletTakesSamplesFromEverywhere() {
    int[] labels = new int[1000];
    int[] part = Split.DIRICHLET.samples(labels, 1, 2, 3).get(0);
    double mean = Arrays.stream(part).average().orElseThrow();
    assertThat(mean).isCloseTo(500, within(4 * 289 / Math.sqrt(part.length)));
  }

  @Test
  void theSeedDecides() {
    int[] labels = labels();
    for (Split split : List.of(Split.DIRICHLET, Split.CLASSES)) {
      int[] wanted = split.samples(labels, CLASSES, 2, 8).get(0);
      assertThat(split.samples(labels, CLASSES, 2, 8).get(0)).isEqualTo(wanted);
      assertThat(split.samples(labels, CLASSES, 2, 9).get(0)).isNotEqualTo(wanted);
    }
  }

  @Test
  void examplesFollowTheirSamples() {
    float[] values = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
    int[] labels = {0, 0, 0, 0, 0, 1, 1, 1, 1, 1};
    try (Examples all = new Examples(Tensor.of(values, 10, 1), labels, 2)) {
      List<Examples> parts = Split.EIGHTY_TWENTY.apply(all, 2, 0);
      assertThat(parts.get(0).inputs().toFloatArray()).containsExactly(0, 6, 7, 8, 9);
      assertThat(parts.get(0).labels()).containsExactly(0, 1, 1, 1, 1);
      assertThat(parts.get(1).inputs().toFloatArray()).containsExactly(1, 2, 3, 4, 5);
      assertThat(parts.get(1).classes()).isEqualTo(2);
      parts.forEach(Examples::close);
      assertThat(Split.NONE.apply(all, 2, 0)).containsExactly(all, all);
    }
  }

  @Test
  void whatCannotBeSplitIsRefused() {
    assertThatThrownBy(() -> Split.EIGHTY_TWENTY.samples(labels(), CLASSES, 3, 0))
        .hasMessage("the split 80-20 is for 2 models, not 3");
    assertThatThrownBy(() -> Split.CLASSES.samples(labels(), CLASSES, 11, 0))
        .hasMessage("the split by classes needs a class for each model: 11 models, 10 classes");
    assertThatThrownBy(() -> Split.CLASSES.samples(new int[] {0, 0}, 2, 2, 0))
        .hasMessageMatching(
            "the split classes with seed 0 leaves model [01] without samples; use more samples or"
                + " another seed");
  }
}
