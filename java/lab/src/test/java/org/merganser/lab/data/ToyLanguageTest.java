// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.data;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Text of toy languages and skills: what it depends on, and that answers are right. */
class ToyLanguageTest {
  @Test
  void textFollowsFromItsSeeds() {
    int[] text = ToyLanguage.of(1, 0).text(200, new SplittableRandom(5));
    assertThat(text)
        .hasSize(200)
        .isEqualTo(ToyLanguage.of(1, 0).text(200, new SplittableRandom(5)));
    assertThat(Arrays.copyOf(text, 50))
        .isEqualTo(ToyLanguage.of(1, 0).text(50, new SplittableRandom(5)));
    assertThat(text).isNotEqualTo(ToyLanguage.of(1, 1).text(200, new SplittableRandom(5)));
    assertThat(text).isNotEqualTo(ToyLanguage.of(2, 0).text(200, new SplittableRandom(5)));
    assertThat(Arrays.stream(text).allMatch(t -> t >= 0 && t < ToyLanguage.VOCABULARY)).isTrue();
  }

  /** A dialect is learned by its phrases; another one has others. */
  @Test
  void dialectsShareWordsAndFewPairsOfThem() {
    Set<List<Integer>> own = pairs(ToyLanguage.of(3, 0), 1);
    Set<List<Integer>> again = pairs(ToyLanguage.of(3, 0), 2);
    Set<List<Integer>> other = pairs(ToyLanguage.of(3, 1), 3);
    again.retainAll(own);
    other.retainAll(own);
    assertThat(again.size()).isGreaterThan(2 * other.size());
  }

  /** Pairs of words that are frequent in a text. */
  private static Set<List<Integer>> pairs(ToyLanguage language, long seed) {
    int[] text = language.text(20_000, new SplittableRandom(seed));
    Set<List<Integer>> frequent = new HashSet<>();
    int[] count = new int[ToyLanguage.VOCABULARY * ToyLanguage.VOCABULARY];
    for (int i = 1; i < text.length; i++) {
      boolean words = Math.min(text[i - 1], text[i]) >= ToyLanguage.VOCABULARY - ToyLanguage.WORDS;
      if (words && ++count[text[i - 1] * ToyLanguage.VOCABULARY + text[i]] == 10) {
        frequent.add(List.of(text[i - 1], text[i]));
      }
    }
    return frequent;
  }

  @ParameterizedTest
  @EnumSource
  void answersAreRight(Skill skill) {
    SplittableRandom random = new SplittableRandom(7);
    for (int i = 0; i < 500; i++) {
      Skill.Task task = skill.task(random.nextLong(skill.tasks()));
      List<Integer> prompt = task.prompt();
      List<Integer> said = prompt.subList(1, prompt.size() - 1);
      assertThat(prompt.get(prompt.size() - 1)).isEqualTo(ToyLanguage.EQUALS);
      switch (skill) {
        case REVERSAL ->
            assertThat(task.answer())
                .isEqualTo(IntStream.range(0, 3).mapToObj(k -> said.get(2 - k)).toList());
        case CIPHER ->
            assertThat(task.answer())
                .isEqualTo(
                    said.subList(0, 4).stream().map(letter -> 8 + (letter - 8 + 1) % 16).toList());
        case RECALL -> {
          List<Integer> keys = List.of(said.get(0), said.get(2), said.get(4));
          assertThat(keys).doesNotHaveDuplicates();
          int asked = keys.indexOf(said.get(7));
          assertThat(task.answer()).containsExactly(said.get(2 * asked + 1));
        }
        default -> assertThat((said.get(0) + said.get(1) - task.answer().get(0) - 8) % 16).isZero();
      }
    }
  }
}
