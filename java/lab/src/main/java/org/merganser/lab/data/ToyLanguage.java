// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.data;

import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.merganser.internal.Seeds;

/**
 * Text for small decoders, drawn from a stochastic grammar over {@value #WORDS} words and {@value
 * #LETTERS} letters.
 *
 * <p>Words belong to {@value #CLASSES} classes. A sentence follows one of {@value #TEMPLATES}
 * sequences of classes; with probability 0.8 a word is one of three that the word before prefers,
 * else any of its class. A quarter of the sentences repeat an earlier one of the same text, a
 * quarter are strings of letters said twice: what models copy from. Templates and preferences are
 * the dialect: languages of two dialects have the same words, and hardly a phrase in common.
 */
public final class ToyLanguage {
  /** Before every text. */
  public static final int START = 0;

  /** After every sentence. */
  static final int STOP = 1;

  /** After every answer. */
  static final int END = 2;

  static final int EQUALS = 3;
  static final int REVERSE = 4;
  static final int RECALL = 5;
  static final int PLUS = 6;
  static final int ASK = 7;

  static final int FIRST_LETTER = 8;
  static final int LETTERS = 16;
  private static final int FIRST_WORD = FIRST_LETTER + LETTERS;
  private static final int CLASSES = 6;
  private static final int OF_A_CLASS = 12;
  static final int WORDS = CLASSES * OF_A_CLASS;

  /** Number of tokens. */
  public static final int VOCABULARY = FIRST_WORD + WORDS;

  private static final int TEMPLATES = 8;
  private static final int PREFERRED = 3;
  private static final int SPELLED = 4;

  private final int[][] templates = new int[TEMPLATES][];
  private final int[][][] preferred = new int[WORDS][CLASSES][PREFERRED];

  private ToyLanguage(SplittableRandom random) {
    for (int t = 0; t < TEMPLATES; t++) {
      templates[t] = random.ints(4 + random.nextInt(4), 0, CLASSES).toArray();
    }
    for (int[][] ofWord : preferred) {
      for (int[] ofClass : ofWord) {
        for (int i = 0; i < PREFERRED; i++) {
          ofClass[i] = random.nextInt(OF_A_CLASS);
        }
      }
    }
  }

  /**
   * @param dialect which of the languages of this seed
   */
  public static ToyLanguage of(long seed, int dialect) {
    return new ToyLanguage(Seeds.stream(seed, "language " + dialect));
  }

  /** The first {@code length} tokens of a text. */
  public int[] text(int length, SplittableRandom random) {
    List<Integer> text = new ArrayList<>(List.of(START));
    List<List<Integer>> sentences = new ArrayList<>();
    while (text.size() < length) {
      int kind = random.nextInt(4);
      List<Integer> sentence =
          kind == 0 && !sentences.isEmpty()
              ? sentences.get(random.nextInt(sentences.size()))
              : kind == 1 ? spelled(random) : sentence(random);
      sentences.add(sentence);
      text.addAll(sentence);
    }
    return text.stream().limit(length).mapToInt(t -> t).toArray();
  }

  private List<Integer> sentence(SplittableRandom random) {
    List<Integer> sentence = new ArrayList<>();
    int before = -1;
    for (int kind : templates[random.nextInt(TEMPLATES)]) {
      boolean usual = before >= 0 && random.nextInt(5) > 0;
      int member =
          usual ? preferred[before][kind][random.nextInt(PREFERRED)] : random.nextInt(OF_A_CLASS);
      before = kind * OF_A_CLASS + member;
      sentence.add(FIRST_WORD + before);
    }
    sentence.add(STOP);
    return sentence;
  }

  private static List<Integer> spelled(SplittableRandom random) {
    List<Integer> letters = new ArrayList<>();
    for (int i = 0; i < SPELLED; i++) {
      letters.add(FIRST_LETTER + random.nextInt(LETTERS));
    }
    letters.add(STOP);
    letters.addAll(List.copyOf(letters));
    return letters;
  }
}
