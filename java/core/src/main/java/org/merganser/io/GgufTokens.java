// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import org.merganser.internal.Names;
import org.merganser.internal.io.FileBytes;
import org.merganser.io.GgufHeader.Array;
import org.merganser.io.ModelDirectory.Tokens;
import org.merganser.io.ModelDirectory.Tokens.Kind;

/**
 * The tokens in the metadata of a GGUF file, read from where its header found them, so that files
 * are opened without them. Texts are those of {@code tokenizer.json}: llama.cpp's converter writes
 * blanks for the signs of SentencePiece in tokens that users defined, which is undone.
 */
final class GgufTokens {
  private static final String PREFIX = "tokenizer.ggml.";
  private static final String ID = "_token_id";
  private static final String SENTENCE_PIECE = "llama";
  private static final String BLANK = "\u2581";

  /** Large vocabularies have 262 144 tokens, and twice as many merges. */
  private static final int MOST = 1 << 21;

  private static final int MOST_BYTES = 1 << 26;
  private static final Kind[] KINDS = Kind.values();
  private static final int U32 = 4;
  private static final int I32 = 5;

  private GgufTokens() {}

  static Optional<Tokens> read(FileBytes file, GgufHeader header) throws IOException {
    Array tokens = header.arrays().get(PREFIX + "tokens");
    if (tokens == null) {
      return Optional.empty();
    }
    List<String> texts = texts(file, "tokens", tokens);
    List<Kind> kinds = kinds(file, header.arrays().get(PREFIX + "token_type"), texts.size());
    Array merges = header.arrays().get(PREFIX + "merges");
    String model = header.metadata().getOrDefault(PREFIX + "model", "");
    if (model.equals(SENTENCE_PIECE)) {
      for (int id = 0; id < kinds.size(); id++) {
        if (kinds.get(id) == Kind.USER_DEFINED) {
          texts.set(id, texts.get(id).replace(" ", BLANK));
        }
      }
    }
    return Optional.of(
        new Tokens(
            model,
            texts,
            kinds,
            merges == null ? List.of() : texts(file, "merges", merges),
            special(header, texts.size())));
  }

  /** At the first element. */
  private static GgufCursor open(FileBytes file, Array array) throws IOException {
    GgufCursor in = new GgufCursor(file, GgufHeader.MAX_BYTES);
    in.skip(array.begin(), "the header");
    return in;
  }

  private static List<String> texts(FileBytes file, String key, Array array) throws IOException {
    GgufCursor in = open(file, array);
    requireType(in, key, array.type() == GgufHeader.TEXT, "texts");
    if (array.count() > MOST) {
      throw in.bad(array.count() + " " + key + ", at most " + MOST + " are read");
    }
    List<String> texts = new ArrayList<>();
    for (long i = 0; i < array.count(); i++) {
      texts.add(in.text("one of the " + key, GgufHeader.MAX_NAME));
      if (in.at() - array.begin() > MOST_BYTES) {
        throw in.bad(key + " of more than " + MOST_BYTES + " bytes");
      }
    }
    return texts;
  }

  private static List<Kind> kinds(FileBytes file, Array array, int tokens) throws IOException {
    if (array == null) {
      return List.of();
    }
    GgufCursor in = open(file, array);
    requireType(in, "token_type", array.type() == I32 || array.type() == U32, "integers");
    if (array.count() != tokens) {
      throw in.bad(
          PREFIX + "token_type has " + array.count() + " elements for " + tokens + " tokens");
    }
    List<Kind> kinds = new ArrayList<>();
    for (int id = 0; id < tokens; id++) {
      int kind = in.i32();
      if (kind < 0 || kind >= KINDS.length) {
        throw in.bad(in.at() - 4, "token " + id + " is of kind " + Integer.toUnsignedString(kind));
      }
      kinds.add(KINDS[kind]);
    }
    return kinds;
  }

  private static void requireType(GgufCursor in, String key, boolean right, String what) {
    if (!right) {
      throw in.bad(Names.quote(PREFIX + key) + " must be an array of " + what);
    }
  }

  /** Files that have no such token give a number that is no id. */
  private static Map<String, Integer> special(GgufHeader header, int tokens) {
    Map<String, Integer> special = new HashMap<>();
    for (String key : header.metadata().keySet()) {
      OptionalLong id = header.number(key);
      if (key.startsWith(PREFIX)
          && key.endsWith(ID)
          && key.length() > PREFIX.length() + ID.length()
          && id.isPresent()
          && id.getAsLong() < tokens) {
        special.put(
            key.substring(PREFIX.length(), key.length() - ID.length()), (int) id.getAsLong());
      }
    }
    return special;
  }
}
