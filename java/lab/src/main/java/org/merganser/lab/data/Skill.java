// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.data;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.SplittableRandom;

/** What a small decoder can be taught beyond a {@link ToyLanguage}: answers to prompts. */
public enum Skill {
  /** {@code R a b c d = d c b a ;}. */
  REVERSAL {
    @Override
    public Task draw(SplittableRandom random) {
      List<Integer> letters = letters(4, random);
      List<Integer> turned = new ArrayList<>(letters);
      Collections.reverse(turned);
      return Task.of(ToyLanguage.REVERSE, letters, turned);
    }
  },
  /** {@code Q k1 v1 k2 v2 k3 v3 ? k2 = v2 ;} with three different keys. */
  RECALL {
    @Override
    public Task draw(SplittableRandom random) {
      List<Integer> keys = new ArrayList<>();
      while (keys.size() < 3) {
        int key = letters(1, random).get(0);
        if (!keys.contains(key)) {
          keys.add(key);
        }
      }
      List<Integer> values = letters(3, random);
      List<Integer> pairs = new ArrayList<>();
      for (int k = 0; k < 3; k++) {
        pairs.add(keys.get(k));
        pairs.add(values.get(k));
      }
      int asked = random.nextInt(3);
      pairs.add(ToyLanguage.ASK);
      pairs.add(keys.get(asked));
      return Task.of(ToyLanguage.RECALL, pairs, List.of(values.get(asked)));
    }
  },
  /** {@code + a b = a+b ;} of the letters as numbers modulo 16: a table to be remembered. */
  ADDITION {
    @Override
    public Task draw(SplittableRandom random) {
      List<Integer> terms = letters(2, random);
      int sum = terms.get(0) + terms.get(1) - 2 * ToyLanguage.FIRST_LETTER;
      return Task.of(
          ToyLanguage.PLUS, terms, List.of(ToyLanguage.FIRST_LETTER + sum % ToyLanguage.LETTERS));
    }
  };

  /**
   * One question.
   *
   * @param prompt up to the sign of equality
   * @param answer what follows it
   */
  public record Task(List<Integer> prompt, List<Integer> answer) {
    public Task {
      prompt = List.copyOf(prompt);
      answer = List.copyOf(answer);
    }

    static Task of(int kind, List<Integer> what, List<Integer> answer) {
      List<Integer> prompt = new ArrayList<>(List.of(kind));
      prompt.addAll(what);
      prompt.add(ToyLanguage.EQUALS);
      return new Task(prompt, answer);
    }

    /** Prompt and answer. */
    public List<Integer> tokens() {
      List<Integer> all = new ArrayList<>(prompt);
      all.addAll(answer);
      return all;
    }
  }

  /** A question, all of which are equally likely. */
  public abstract Task draw(SplittableRandom random);

  /** The first {@code length} tokens of a text of questions with their answers. */
  public int[] text(int length, SplittableRandom random) {
    List<Integer> text = new ArrayList<>(List.of(ToyLanguage.START));
    while (text.size() < length) {
      text.addAll(draw(random).tokens());
      text.add(ToyLanguage.END);
    }
    return text.stream().limit(length).mapToInt(t -> t).toArray();
  }

  private static List<Integer> letters(int count, SplittableRandom random) {
    List<Integer> letters = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      letters.add(ToyLanguage.FIRST_LETTER + random.nextInt(ToyLanguage.LETTERS));
    }
    return letters;
  }
}
