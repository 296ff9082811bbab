// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.transformer;

import java.text.Normalizer;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** How byte-level BPE divides texts into words, by llama.cpp's names. */
enum WordSplit {
  GPT_2("gpt-2", Expressions.GPT2),
  /** That of GPT-2, every digit on its own. */
  SMOLLM("smollm", Expressions.GPT2),
  LLAMA_BPE("llama-bpe", Expressions.llama3("\\p{N}{1,3}")),
  QWEN2("qwen2", Expressions.llama3("\\p{N}"));

  /** Those that the models publish in tokenizer.json. */
  private static final class Expressions {
    private static final String GPT2 =
        "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

    static String llama3(String numbers) {
      return "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|"
          + numbers
          + "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
    }
  }

  private static final Pattern DIGIT = Pattern.compile("\\p{N}|\\P{N}+", flags());

  private final String text;
  private final Pattern pattern;

  WordSplit(String text, String expression) {
    this.text = text;
    this.pattern = Pattern.compile(expression, flags());
  }

  /** Blanks are those of Unicode. */
  private static int flags() {
    return Pattern.UNICODE_CHARACTER_CLASS;
  }

  static Optional<WordSplit> of(String name) {
    for (WordSplit split : values()) {
      if (split.text.equals(name.toLowerCase(Locale.ROOT))) {
        return Optional.of(split);
      }
    }
    return Optional.empty();
  }

  static String names() {
    List<String> names = new ArrayList<>();
    for (WordSplit split : values()) {
      names.add(split.text);
    }
    return String.join(", ", names);
  }

  /** Whether a word that is a token is not merged from its bytes. */
  boolean wholeWords() {
    return this == LLAMA_BPE;
  }

  /** Whether texts begin with a token for that where the file does not say, as in llama.cpp. */
  boolean begins() {
    return this == LLAMA_BPE;
  }

  /** In order; together they are the text, which Qwen2 has in Unicode's form C. */
  List<String> words(String whole) {
    String normal = this == QWEN2 ? Normalizer.normalize(whole, Normalizer.Form.NFC) : whole;
    List<String> words = new ArrayList<>();
    if (this == SMOLLM) {
      Matcher parts = DIGIT.matcher(normal);
      while (parts.find()) {
        split(parts.group(), words);
      }
    } else {
      split(normal, words);
    }
    return words;
  }

  private void split(String part, List<String> words) {
    Matcher matcher = pattern.matcher(part);
    while (matcher.find()) {
      words.add(matcher.group());
    }
  }
}
