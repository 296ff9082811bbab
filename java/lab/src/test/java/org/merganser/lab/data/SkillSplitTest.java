// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** Questions to train on, to choose on and to test on: none is in two of these sets. */
class SkillSplitTest {
  private static final int LENGTH = 4000;

  @ParameterizedTest
  @CsvSource({"REVERSAL, 4096", "CIPHER, 65536", "RECALL, 41287680", "ADDITION, 256"})
  void tasksHaveDifferentPrompts(Skill skill, long count) {
    assertThat(skill.tasks()).isEqualTo(count);
    long step = Math.max(1, count / 5000);
    Set<List<Integer>> prompts =
        LongStream.iterate(0, n -> n < count, n -> n + step)
            .mapToObj(n -> skill.task(n).prompt())
            .collect(Collectors.toSet());
    assertThat(prompts).hasSize((int) ((count + step - 1) / step));
    assertThat(skill.task(count - 1).tokens())
        .allMatch(token -> token >= 0 && token < ToyLanguage.FIRST_LETTER + ToyLanguage.LETTERS);
  }

  @ParameterizedTest
  @EnumSource
  void partsHaveNoPromptInCommon(Skill skill) {
    for (long seed = 0; seed < 20; seed++) {
      SkillSplit split = new SkillSplit(skill, seed);
      int count = skill == Skill.ADDITION ? 10 : 300;
      SplittableRandom random = new SplittableRandom(seed);
      Set<List<Integer>> selection = prompts(split, SkillSplit.Part.SELECTION, count, random);
      Set<List<Integer>> test = prompts(split, SkillSplit.Part.TEST, count, random);
      Set<List<Integer>> train = new HashSet<>();
      int length = skill.task(0).tokens().size() + 1;
      int[] text = split.text(1 + 1000 * length, random);
      for (int at = 1; at < text.length; at += length) {
        int equals = skill.task(0).prompt().size();
        assertThat(text[at + length - 1]).isEqualTo(ToyLanguage.END);
        train.add(Arrays.stream(text, at, at + equals).boxed().toList());
      }
      assertThat(selection).hasSize(count).doesNotContainAnyElementsOf(test);
      assertThat(test).hasSize(count).doesNotContainAnyElementsOf(train);
      assertThat(train).doesNotContainAnyElementsOf(selection);
    }
  }

  private static Set<List<Integer>> prompts(
      SkillSplit split, SkillSplit.Part part, int count, SplittableRandom random) {
    return split.questions(part, count, random).stream()
        .map(Skill.Task::prompt)
        .collect(Collectors.toSet());
  }

  /** Eight, one and one tenths, and others for another seed. */
  @Test
  void trainingSeesFourFifthsOfTheQuestions() {
    Set<List<Integer>> all = new HashSet<>();
    for (long seed = 0; seed < 3; seed++) {
      SkillSplit split = new SkillSplit(Skill.REVERSAL, seed);
      int[] text = split.text(20 * 4096 * 9 + 1, new SplittableRandom(seed));
      Set<List<Integer>> train =
          IntStream.range(0, text.length / 9)
              .mapToObj(i -> Arrays.stream(text, 1 + 9 * i, 6 + 9 * i).boxed().toList())
              .collect(Collectors.toSet());
      assertThat(train.size() / 4096.0).isCloseTo(0.8, within(0.03));
      all.addAll(train);
    }
    assertThat(all).hasSizeGreaterThan(4000);
  }

  @ParameterizedTest
  @EnumSource
  void textsAreQuestionsAndAnswers(Skill skill) {
    SkillSplit split = new SkillSplit(skill, 3);
    int[] text = split.text(LENGTH, new SplittableRandom(1));
    assertThat(text).hasSize(LENGTH).startsWith(ToyLanguage.START);
    assertThat(Arrays.copyOf(text, 100)).isEqualTo(split.text(100, new SplittableRandom(1)));
  }

  @Test
  void moreQuestionsThanThereAreAreRefused() {
    SkillSplit split = new SkillSplit(Skill.ADDITION, 5);
    assertThatThrownBy(() -> split.questions(SkillSplit.Part.TEST, 100, new SplittableRandom(1)))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageMatching(
            "100 different questions are asked for of each part, and addition has 256: by a hash of"
                + " the seed \\d+ to train on, \\d+ to choose on, \\d+ to test on; give"
                + " fewer questions");
    new SkillSplit(Skill.RECALL, 5).requireQuestions(10_000);
  }
}
