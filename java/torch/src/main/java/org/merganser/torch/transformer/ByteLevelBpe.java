// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.transformer;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.regex.Matcher;
import org.merganser.error.FormatException;
import org.merganser.internal.Names;
import org.merganser.io.ModelDirectory.Tokens;
import org.merganser.io.ModelDirectory.Tokens.Kind;

/**
 * Byte-level byte pair encoding (Sennrich et al. 2016, Radford et al. 2019). Tokens that are named
 * in a text are cut out; the rest is split into words; the bytes of each word, written with
 * printable characters, are merged: again and again the adjacent pair of the lowest rank, the
 * leftmost first.
 */
final class ByteLevelBpe implements TokenSource {
  private static final String PREFIX = "tokenizer.ggml.";

  /** How a byte is written: as itself where Latin-1 has a visible sign, else from U+0100 on. */
  private static final char[] SIGNS = signs();

  private final String source;
  private final List<String> texts;
  private final Map<String, Integer> ids = new HashMap<>();
  private final Map<String, Integer> ranks = new HashMap<>();
  private final WordSplit split;
  private final Optional<NamedTokens> named;
  private final boolean[] isNamed;
  private final OptionalInt beginning;
  private final OptionalInt end;

  private ByteLevelBpe(
      String source, Tokens tokens, WordSplit split, Map<String, String> metadata) {
    this.source = source;
    this.texts = tokens.texts();
    this.split = split;
    this.isNamed = new boolean[texts.size()];
    Map<String, Integer> cut = new HashMap<>();
    for (int id = 0; id < texts.size(); id++) {
      Kind kind = tokens.kinds().isEmpty() ? Kind.NORMAL : tokens.kinds().get(id);
      isNamed[id] = kind == Kind.CONTROL || kind == Kind.USER_DEFINED;
      (isNamed[id] ? cut : ids).putIfAbsent(texts.get(id), id);
    }
    this.named = NamedTokens.of(cut);
    for (int rank = 0; rank < tokens.merges().size(); rank++) {
      String merge = tokens.merges().get(rank);
      int blank = merge.indexOf(' ', 1);
      if (blank < 0 || !ids.containsKey(merge.replaceFirst("(?<=.) ", ""))) {
        throw new FormatException(
            source + ": merge " + rank + " " + Names.quote(merge) + " gives no token");
      }
      ranks.putIfAbsent(merge, rank);
    }
    boolean begins = Boolean.parseBoolean(metadata.get(PREFIX + "add_bos_token"));
    this.beginning = begins ? special(tokens, "bos") : OptionalInt.empty();
    this.end = special(tokens, "eos");
  }

  /**
   * @param source of the tokens, for messages
   * @param metadata of the file
   */
  static ByteLevelBpe of(String source, Tokens tokens, Map<String, String> metadata) {
    if (!tokens.model().equals("gpt2")) {
      throw new FormatException(
          source
              + ": tokenizer.ggml.model is "
              + Names.quote(tokens.model())
              + ", only byte-level BPE (gpt2) is read; give a folder with tokenizer.json");
    }
    String pre = metadata.getOrDefault(PREFIX + "pre", "gpt-2");
    WordSplit split =
        WordSplit.of(pre)
            .orElseThrow(
                () ->
                    new FormatException(
                        source
                            + ": tokenizer.ggml.pre is "
                            + Names.quote(pre)
                            + ", known are "
                            + WordSplit.names()
                            + "; give a folder with tokenizer.json"));
    return new ByteLevelBpe(source, tokens, split, metadata);
  }

  private static OptionalInt special(Tokens tokens, String use) {
    Integer id = tokens.special().get(use);
    return id == null ? OptionalInt.empty() : OptionalInt.of(id);
  }

  private static char[] signs() {
    char[] signs = new char[256];
    char next = 0x100;
    for (int b = 0; b < 256; b++) {
      boolean visible = b >= 33 && b <= 126 || b >= 161 && b <= 172 || b >= 174;
      signs[b] = visible ? (char) b : next++;
    }
    return signs;
  }

  @Override
  public int[] ids(String text) {
    List<Integer> found = new ArrayList<>();
    if (named.isPresent()) {
      named.get().divide(text, words -> encode(words, found), found::add);
    } else {
      encode(text, found);
    }
    return found.stream().mapToInt(Integer::intValue).toArray();
  }

  private void encode(String text, List<Integer> found) {
    for (String part : split.words(text)) {
      StringBuilder word = new StringBuilder();
      for (byte b : part.getBytes(StandardCharsets.UTF_8)) {
        word.append(SIGNS[b & 0xff]);
      }
      Integer whole = split.wholeWords() ? ids.get(word.toString()) : null;
      if (whole != null) {
        found.add(whole);
      } else {
        merged(word.toString()).forEach(token -> found.add(id(token, part)));
      }
    }
  }

  private int id(String token, String word) {
    Integer id = ids.get(token);
    if (id == null) {
      throw new IllegalArgumentException(
          source + ": no token for " + Names.quote(token) + " of the word " + Names.quote(word));
    }
    return id;
  }

  private List<String> merged(String word) {
    List<String> parts = new ArrayList<>();
    word.chars().forEach(c -> parts.add(String.valueOf((char) c)));
    while (parts.size() > 1) {
      int best = -1;
      int lowest = Integer.MAX_VALUE;
      for (int i = 0; i + 1 < parts.size(); i++) {
        Integer rank = ranks.get(parts.get(i) + " " + parts.get(i + 1));
        if (rank != null && rank < lowest) {
          lowest = rank;
          best = i;
        }
      }
      if (best < 0) {
        break;
      }
      parts.set(best, parts.get(best) + parts.remove(best + 1));
    }
    return parts;
  }

  @Override
  public String text(int... tokens) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    for (int id : tokens) {
      if (id < 0 || id >= texts.size()) {
        throw new IllegalArgumentException(
            "there is no token " + id + "; they are 0.." + (texts.size() - 1));
      }
      String text = texts.get(id);
      if (isNamed[id]) {
        bytes.writeBytes(text.getBytes(StandardCharsets.UTF_8));
      } else {
        text.chars().forEach(sign -> bytes.write(byteOf((char) sign)));
      }
    }
    return bytes.toString(StandardCharsets.UTF_8);
  }

  /** Signs that stand for no byte, in tokens that no text gives, become question marks. */
  private static int byteOf(char sign) {
    if (sign < 256 && SIGNS[sign] == sign) {
      return sign;
    }
    for (int b = 0; b < 256; b++) {
      if (SIGNS[b] == sign) {
        return b;
      }
    }
    return '?';
  }

  @Override
  public int size() {
    return texts.size();
  }

  @Override
  public OptionalInt beginning() {
    return beginning;
  }

  @Override
  public OptionalInt end() {
    return end;
  }

  /** Tokens that are cut out of texts, of those that begin at one place the longest. */
  private record NamedTokens(java.util.regex.Pattern pattern, Map<String, Integer> ids) {
    interface Words {
      void accept(String text);
    }

    interface Found {
      void accept(int id);
    }

    static Optional<NamedTokens> of(Map<String, Integer> ids) {
      List<String> names =
          ids.keySet().stream()
              .filter(name -> !name.isEmpty())
              .sorted((a, b) -> b.length() - a.length())
              .map(java.util.regex.Pattern::quote)
              .toList();
      return names.isEmpty()
          ? Optional.empty()
          : Optional.of(
              new NamedTokens(java.util.regex.Pattern.compile(String.join("|", names)), ids));
    }

    void divide(String text, Words words, Found found) {
      Matcher matcher = pattern.matcher(text);
      int at = 0;
      while (matcher.find()) {
        words.accept(text.substring(at, matcher.start()));
        found.accept(ids.get(matcher.group()));
        at = matcher.end();
      }
      words.accept(text.substring(at));
    }
  }
}
