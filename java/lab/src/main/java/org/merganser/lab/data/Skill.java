// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.data;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.SplittableRandom;

/** What a small decoder can be taught beyond a {@link ToyLanguage}: answers to prompts. */
public enum Skill {
  /** {@code R a b c = c b a ;}. */
  REVERSAL,
  /** {@code R a b c d = a+1 b+1 c+1 d+1 ;} of the letters as numbers modulo 16. */
  CIPHER,
  /** {@code Q k1 v1 k2 v2 k3 v3 ? k2 = v2 ;} with three different keys. */
  RECALL,
  /** {@code + a b = a+b ;} modulo 16: a table to be remembered. */
  ADDITION;

  private static final int REVERSED = 3;
  private static final int CIPHERED = 4;
  private static final int PAIRS = 3;

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
  public Task draw(SplittableRandom random) {
    return switch (this) {
      case REVERSAL -> {
        List<Integer> letters = letters(REVERSED, random);
        List<Integer> turned = new ArrayList<>(letters);
        Collections.reverse(turned);
        yield Task.of(ToyLanguage.REVERSE, letters, turned);
      }
      case CIPHER -> {
        List<Integer> letters = letters(CIPHERED, random);
        yield Task.of(ToyLanguage.REVERSE, letters, letters.stream().map(l -> sum(l, 1)).toList());
      }
      case RECALL -> recall(random);
      case ADDITION -> {
        List<Integer> terms = letters(2, random);
        int second = terms.get(1) - ToyLanguage.FIRST_LETTER;
        yield Task.of(ToyLanguage.PLUS, terms, List.of(sum(terms.get(0), second)));
      }
    };
  }

  private static Task recall(SplittableRandom random) {
    List<Integer> keys = new ArrayList<>();
    while (keys.size() < PAIRS) {
      int key = letters(1, random).get(0);
      if (!keys.contains(key)) {
        keys.add(key);
      }
    }
    List<Integer> values = letters(PAIRS, random);
    List<Integer> said = new ArrayList<>();
    for (int k = 0; k < PAIRS; k++) {
      said.add(keys.get(k));
      said.add(values.get(k));
    }
    int asked = random.nextInt(PAIRS);
    said.add(ToyLanguage.ASK);
    said.add(keys.get(asked));
    return Task.of(ToyLanguage.RECALL, said, List.of(values.get(asked)));
  }

  /** The letter so many places further, modulo their number. */
  private static int sum(int letter, int places) {
    int first = ToyLanguage.FIRST_LETTER;
    return first + (letter - first + places) % ToyLanguage.LETTERS;
  }

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
