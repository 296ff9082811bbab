// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.recurrent;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.SplittableRandom;
import org.merganser.internal.Names;
import org.merganser.internal.Seeds;

/** Sequences to be learned that are no images: copying, and the characters of a text. */
public final class SequenceTasks {
  private SequenceTasks() {}

  /**
   * Symbols that have to be said again after a delay (Hochreiter and Schmidhuber 1997). Codes of
   * steps, d symbols 1 to k, 0 for blank, k + 1 for go:
   *
   * <pre>
   *   read   d symbols, delay - 1 blanks, go, d blanks
   *   say    delay + d blanks, the d symbols
   * </pre>
   *
   * so {@code delay + 2 d} steps and k + 1 classes. Answers count from step {@code delay + d} on.
   *
   * @param delay at least 1
   * @param symbols k, of which each has the same chance; the authors have 8
   * @param length d; the authors have 10
   * @param oneHot whether a step is a vector of k + 2 values; else it is the code as one number
   */
  public record Copy(int delay, int symbols, int length, boolean oneHot) {
    public Copy {
      if (delay < 1 || symbols < 1 || length < 1) {
        throw new IllegalArgumentException(
            "delay, symbols and their number must be at least 1, not "
                + delay
                + ", "
                + symbols
                + " and "
                + length);
      }
    }

    /** 10 of 8 symbols, codes as numbers. */
    public static Copy of(int delay) {
      return new Copy(delay, 8, 10, false);
    }

    /** Steps of a sequence. */
    public int steps() {
      return delay + 2 * length;
    }

    /** Values of a step. */
    public int width() {
      return oneHot ? symbols + 2 : 1;
    }

    /** What is said at a step: a symbol, or 0. */
    public int classes() {
      return symbols + 1;
    }

    /**
     * Mean loss of who says blank, then each symbol with the same probability: {@code d ln k /
     * (delay + 2 d)}.
     */
    public double memorylessLoss() {
      return length * Math.log(symbols) / steps();
    }

    /** So many sequences, drawn. */
    public Sequences draw(int count, long seed) {
      SplittableRandom random = Seeds.stream(seed, "copy");
      int[][] codes = new int[count][steps()];
      int[][] targets = new int[count][steps()];
      for (int i = 0; i < count; i++) {
        for (int k = 0; k < length; k++) {
          codes[i][k] = 1 + random.nextInt(symbols);
          targets[i][delay + length + k] = codes[i][k];
        }
        codes[i][length + delay - 1] = symbols + 1;
      }
      return coded(codes, targets, width(), classes(), delay + length, 0);
    }
  }

  /**
   * A text, of which each character is to be told from those before it. The characters of the whole
   * text, in order, are the classes.
   *
   * @param vocabulary every character once, at least two: of one alone nothing is left to tell
   */
  public record Characters(String vocabulary, String text) {
    public Characters {
      long different = vocabulary.chars().distinct().count();
      if (different < 2 || different < vocabulary.length()) {
        throw new IllegalArgumentException(
            "a vocabulary has at least two characters, each once, not "
                + Names.quote(vocabulary)
                + "; take a text of different characters");
      }
    }

    /** A text with its own vocabulary. */
    public static Characters of(String text) {
      StringBuilder known = new StringBuilder();
      text.chars().sorted().distinct().forEach(c -> known.append((char) c));
      return new Characters(known.toString(), text);
    }

    /** The text of a file in UTF-8. */
    public static Characters read(Path file) throws IOException {
      return of(Files.readString(file, StandardCharsets.UTF_8));
    }

    /** A part of the text with the vocabulary of the whole. */
    public Characters part(int from, int to) {
      return new Characters(vocabulary, text.substring(from, to));
    }

    /**
     * The text in so many streams of equal length, each cut into windows; the rest at the end is
     * left out. A batch has a window of each stream, states are carried from one to the next, and
     * gradients end at a window (truncated back-propagation). A step is a vector with one 1.
     *
     * @throws IllegalArgumentException when the text is too short for a window of each stream
     */
    public Sequences windows(int streams, int window) {
      if (streams < 1 || window < 1 || (text.length() - 1L) / streams < window) {
        throw new IllegalArgumentException(
            "a text of %d characters does not give %d streams of at least one window of %d and what follows it"
                .formatted(text.length(), streams, window));
      }
      int each = (text.length() - 1) / streams / window;
      int[][] codes = new int[streams * each][window];
      int[][] targets = new int[codes.length][window];
      for (int i = 0; i < codes.length; i++) {
        for (int t = 0; t < window; t++) {
          int at = i * window + t;
          codes[i][t] = code(at);
          targets[i][t] = code(at + 1);
        }
      }
      return coded(codes, targets, vocabulary.length(), vocabulary.length(), 0, each);
    }

    private int code(int at) {
      int code = vocabulary.indexOf(text.charAt(at));
      if (code < 0) {
        throw new IllegalArgumentException(
            "character '" + text.charAt(at) + "' at " + at + " is not in the vocabulary");
      }
      return code;
    }
  }

  /** Codes as vectors with one 1, or as numbers when the width is 1. */
  private static Sequences coded(
      int[][] codes, int[][] targets, int width, int classes, int scoredFrom, int streamLength) {
    Sequences.Values values =
        (i, into, at) -> {
          for (int t = 0; t < codes[i].length; t++) {
            if (width == 1) {
              into[at + t] = codes[i][t];
            } else {
              into[at + t * width + codes[i][t]] = 1;
            }
          }
        };
    int steps = codes.length == 0 ? 0 : codes[0].length;
    return Sequences.of(values, steps, width, targets, classes, scoredFrom, streamLength);
  }
}
