// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.transformer;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.PriorityQueue;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
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
    String said = metadata.get(PREFIX + "add_bos_token");
    boolean begins = said == null ? split.begins() : Boolean.parseBoolean(said);
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
    String pre = metadata.get(PREFIX + "pre");
    if (pre == null) {
      throw new FormatException(
          source
              + ": there is no tokenizer.ggml.pre, which says how texts are divided into words; add"
              + " it ("
              + WordSplit.names()
              + ") or give a folder with tokenizer.json");
    }
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
    Word parts = new Word(word);
    for (int left = 0; left + 1 < word.length(); left++) {
      offer(parts, left, left + 1);
    }
    while (!parts.pairs.isEmpty()) {
      Pair pair = parts.pairs.poll();
      if (parts.holds(pair)) {
        parts.join(pair);
        offer(parts, parts.previous[pair.left], pair.left);
        offer(parts, pair.left, parts.next[pair.left]);
      }
    }
    return Arrays.stream(parts.texts).filter(Objects::nonNull).toList();
  }

  private void offer(Word parts, int left, int right) {
    if (left >= 0 && right < parts.texts.length) {
      Integer rank = ranks.get(parts.texts[left] + " " + parts.texts[right]);
      if (rank != null) {
        int length = parts.texts[left].length() + parts.texts[right].length();
        parts.pairs.add(new Pair(rank, left, right, length));
      }
    }
  }

  /**
   * Neighbours that may be merged.
   *
   * @param left place of the left one, as right of the other
   * @param length of both: parts only grow, so that at equal length they are the same
   */
  private record Pair(int rank, int left, int right, int length) {}

  /** The parts of a word as a list with neighbours, and its pairs, of the lowest rank first. */
  private static final class Word {
    private final String[] texts;
    private final int[] previous;
    private final int[] next;
    private final PriorityQueue<Pair> pairs =
        new PriorityQueue<>(Comparator.comparingInt(Pair::rank).thenComparingInt(Pair::left));

    Word(String word) {
      texts = word.split("");
      previous = IntStream.range(0, texts.length).map(i -> i - 1).toArray();
      next = IntStream.range(0, texts.length).map(i -> i + 1).toArray();
    }

    boolean holds(Pair pair) {
      String left = texts[pair.left];
      String right = texts[pair.right];
      return left != null && right != null && left.length() + right.length() == pair.length;
    }

    void join(Pair pair) {
      texts[pair.left] += texts[pair.right];
      texts[pair.right] = null;
      int after = next[pair.right];
      next[pair.left] = after;
      if (after < texts.length) {
        previous[after] = pair.left;
      }
    }
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
  private record NamedTokens(Pattern pattern, Map<String, Integer> ids) {
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
              .map(Pattern::quote)
              .toList();
      return names.isEmpty()
          ? Optional.empty()
          : Optional.of(new NamedTokens(Pattern.compile(String.join("|", names)), ids));
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
