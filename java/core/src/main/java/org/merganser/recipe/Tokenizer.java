// SPDX-License-Identifier: Apache-2.0
package org.merganser.recipe;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;

/**
 * The vocabulary of a result: rows of embeddings are matched by token before they are merged.
 *
 * @param source whose tokens it has: {@code union}, {@code base} or a model
 * @param tokens where rows of some tokens come from in models that do not have them, or in all;
 *     those that the vocabulary does not have are added to it
 * @param multiple rows of embeddings are a multiple of it; those that are added are the mean of all
 *     tokens
 */
public record Tokenizer(String source, Map<String, Row> tokens, int multiple) {
  private static final int LARGEST = 1 << 20;

  public Tokenizer {
    tokens = Collections.unmodifiableMap(new LinkedHashMap<>(tokens));
    if (multiple < 1 || multiple > LARGEST) {
      throw new IllegalArgumentException(
          "rows must be a multiple of 1 to " + LARGEST + ", not of " + multiple);
    }
  }

  /** That of all models ({@code union}), of the base ({@code base}), or of a model. */
  public static Tokenizer of(String source) {
    return new Tokenizer(source, Map.of(), 1);
  }

  /** With a row for a token. */
  public Tokenizer with(String token, Row row) {
    Map<String, Row> more = new LinkedHashMap<>(tokens);
    more.put(token, row);
    return new Tokenizer(source, more, multiple);
  }

  /** With so many rows, or the next multiple of it. */
  public Tokenizer paddedTo(int rows) {
    return new Tokenizer(source, tokens, rows);
  }

  /** Whether it says no more than its source. */
  boolean isPlain() {
    return tokens.isEmpty() && multiple == 1;
  }

  /** Place of a token's row in a recipe. */
  static String place(String token) {
    return "tokenizer.tokens." + token + ".source";
  }

  /**
   * A row of a model's embeddings.
   *
   * @param model empty for zeros
   * @param token whose row it is; empty for the same token, or where {@code id} is given
   * @param id the row itself
   * @param force whether models that have the token get it, too
   */
  public record Row(
      Optional<String> model, Optional<String> token, Optional<Integer> id, boolean force) {
    public static Row zero() {
      return new Row(Optional.empty(), Optional.empty(), Optional.empty(), false);
    }

    /** Of the same token. */
    public static Row of(String model) {
      return new Row(Optional.of(model), Optional.empty(), Optional.empty(), false);
    }

    /** Of another token. */
    public static Row of(String model, String token) {
      return new Row(Optional.of(model), Optional.of(token), Optional.empty(), false);
    }

    public static Row of(String model, int id) {
      return new Row(Optional.of(model), Optional.empty(), Optional.of(id), false);
    }

    /** In all models. */
    public Row forced() {
      return new Row(model, token, id, true);
    }
  }
}
