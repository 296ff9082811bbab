// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.data;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.stream.IntStream;

/** What a small decoder can be taught beyond a {@link ToyLanguage}: answers to prompts. */
public enum Skill {
  /** {@code R a b c = c b a ;}. */
  REVERSAL,
  /** {@code R a b c d = a+1 b+1 c+1 d+1 ;} of the letters as numbers modulo 16. */
  CIPHER,
  /** {@code Q k1 v1 k2 v2 k3 v3 ? k2 = v2 ;} with three different keys. */
  RECALL,
  /** {@code + a b = a+b ;} modulo 16: a table, of which training does not see all. */
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

  /** How many different questions there are. */
  public long tasks() {
    return switch (this) {
      case REVERSAL -> power(REVERSED);
      case CIPHER -> power(CIPHERED);
      case RECALL -> keys() * power(PAIRS) * PAIRS;
      case ADDITION -> power(2);
    };
  }

  /**
   * A question.
   *
   * @param number 0 to {@link #tasks} - 1; different ones have different prompts
   */
  public Task task(long number) {
    return switch (this) {
      case REVERSAL -> {
        List<Integer> letters = letters(REVERSED, number);
        List<Integer> turned = new ArrayList<>(letters);
        Collections.reverse(turned);
        yield Task.of(ToyLanguage.REVERSE, letters, turned);
      }
      case CIPHER -> {
        List<Integer> letters = letters(CIPHERED, number);
        yield Task.of(ToyLanguage.REVERSE, letters, letters.stream().map(l -> sum(l, 1)).toList());
      }
      case RECALL -> recall(number);
      case ADDITION -> {
        List<Integer> terms = letters(2, number);
        int second = terms.get(1) - ToyLanguage.FIRST_LETTER;
        yield Task.of(ToyLanguage.PLUS, terms, List.of(sum(terms.get(0), second)));
      }
    };
  }

  private static Task recall(long number) {
    List<Integer> values = letters(PAIRS, number);
    List<Integer> keys = keys(number / power(PAIRS));
    int asked = (int) (number / power(PAIRS) / keys());
    List<Integer> said = new ArrayList<>();
    for (int k = 0; k < PAIRS; k++) {
      said.add(keys.get(k));
      said.add(values.get(k));
    }
    said.add(ToyLanguage.ASK);
    said.add(keys.get(asked));
    return Task.of(ToyLanguage.RECALL, said, List.of(values.get(asked)));
  }

  /** In how many ways different keys follow each other. */
  private static long keys() {
    long ways = 1;
    for (int k = 0; k < PAIRS; k++) {
      ways *= ToyLanguage.LETTERS - k;
    }
    return ways;
  }

  /** Each is one of the letters that are left. */
  private static List<Integer> keys(long number) {
    List<Integer> left = new ArrayList<>(letters());
    List<Integer> keys = new ArrayList<>();
    long rest = number;
    for (int k = 0; k < PAIRS; k++) {
      int size = left.size();
      keys.add(left.remove((int) (rest % size)));
      rest /= size;
    }
    return keys;
  }

  /** The letter so many places further, modulo their number. */
  private static int sum(int letter, int places) {
    int first = ToyLanguage.FIRST_LETTER;
    return first + (letter - first + places) % ToyLanguage.LETTERS;
  }

  private static long power(int count) {
    long power = 1;
    for (int i = 0; i < count; i++) {
      power *= ToyLanguage.LETTERS;
    }
    return power;
  }

  private static List<Integer> letters() {
    return IntStream.range(0, ToyLanguage.LETTERS)
        .mapToObj(i -> ToyLanguage.FIRST_LETTER + i)
        .toList();
  }

  /** The last digits of a number to the base of the letters. */
  private static List<Integer> letters(int count, long number) {
    List<Integer> letters = new ArrayList<>();
    long rest = number;
    for (int i = 0; i < count; i++) {
      letters.add(ToyLanguage.FIRST_LETTER + (int) (rest % ToyLanguage.LETTERS));
      rest /= ToyLanguage.LETTERS;
    }
    return letters;
  }
}
