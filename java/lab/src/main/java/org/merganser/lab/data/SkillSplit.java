// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.data;

import java.util.ArrayList;
import java.util.EnumMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import org.merganser.internal.Seeds;

/**
 * Questions of a skill in three parts that have no prompt in common: of a random number that
 * follows from the seed and the prompt, one tenth is {@code SELECTION}, one {@code TEST}, the rest
 * {@code TRAIN}.
 *
 * @param seed parts of different seeds are independent
 */
public record SkillSplit(Skill skill, long seed) {
  private static final int TENTHS = 10;

  /** What questions are for. */
  public enum Part {
    TRAIN,
    SELECTION,
    TEST
  }

  private Part part(long task) {
    return switch (new SplittableRandom(Seeds.derive(seed, "split") ^ task).nextInt(TENTHS)) {
      case 0 -> Part.SELECTION;
      case 1 -> Part.TEST;
      default -> Part.TRAIN;
    };
  }

  /** A question of a part, all of which are equally likely. */
  private long draw(Part part, SplittableRandom random) {
    long task;
    do {
      task = random.nextLong(skill.tasks());
    } while (part(task) != part);
    return task;
  }

  /**
   * Different questions of a part, of which {@link #requireQuestions} says that there are enough.
   */
  public List<Skill.Task> questions(Part part, int count, SplittableRandom random) {
    requireQuestions(count);
    Set<Long> drawn = new LinkedHashSet<>();
    while (drawn.size() < count) {
      drawn.add(draw(part, random));
    }
    return drawn.stream().map(skill::task).toList();
  }

  /** The first {@code length} tokens of a text of questions for training with their answers. */
  public int[] text(int length, SplittableRandom random) {
    List<Integer> text = new ArrayList<>(List.of(ToyLanguage.START));
    while (text.size() < length) {
      text.addAll(skill.task(draw(Part.TRAIN, random)).tokens());
      text.add(ToyLanguage.END);
    }
    return text.stream().limit(length).mapToInt(t -> t).toArray();
  }

  /**
   * Each part is to have so many.
   *
   * @throws IllegalArgumentException when one has fewer
   */
  public void requireQuestions(int count) {
    Map<Part, Integer> sizes = new EnumMap<>(Part.class);
    for (long task = 0; task < skill.tasks(); task++) {
      sizes.merge(part(task), 1, Integer::sum);
      if (sizes.size() == Part.values().length
          && sizes.values().stream().allMatch(size -> size >= count)) {
        return;
      }
    }
    throw new IllegalArgumentException(
        ("%d different questions are asked for of each part, and %s has %d: by a hash of the seed"
                + " %d to train on, %d to choose on, %d to test on; give fewer questions")
            .formatted(
                count,
                skill.name().toLowerCase(Locale.ROOT),
                skill.tasks(),
                sizes.getOrDefault(Part.TRAIN, 0),
                sizes.getOrDefault(Part.SELECTION, 0),
                sizes.getOrDefault(Part.TEST, 0)));
  }
}
