// SPDX-License-Identifier: Apache-2.0
package org.merganser.recipe;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.merganser.error.FormatException;
import org.merganser.internal.Names;
import org.merganser.internal.io.TextFile;
import org.merganser.io.ModelDirectory;
import org.merganser.io.ModelDirectory.Tokens;

/**
 * The tokens of a model and the rows of its embeddings that they have, from {@code tokenizer.json},
 * from {@code vocab.json} and {@code added_tokens.json}, or from inside a file of GGUF.
 *
 * @param ids row by token
 * @param flags what is true of tokens that were added, such as {@code special}
 */
record Vocabulary(Map<String, Integer> ids, Map<String, Set<String>> flags) {
  static final String FILE = "tokenizer.json";
  private static final String VOCABULARY = "vocab.json";
  private static final String ADDED = "added_tokens.json";

  /** Kinds of GGUF whose texts are those of {@code tokenizer.json}. */
  private static final List<String> AS_IN_JSON = List.of("gpt2", "llama");

  Vocabulary {
    ids = Collections.unmodifiableMap(new LinkedHashMap<>(ids));
    flags = Map.copyOf(flags);
  }

  Vocabulary(Map<String, Integer> ids) {
    this(ids, Map.of());
  }

  /**
   * Files beside the parameters come first: they are the model's own.
   *
   * @throws FormatException when there is none, or it is not understood
   */
  static Vocabulary read(ModelDirectory model) throws IOException {
    return find(model).orElseThrow(() -> new FormatException(absence(model)));
  }

  /**
   * As {@link #read(ModelDirectory)}; empty where a model has no tokens.
   *
   * @throws FormatException when there are some, and they are not understood
   */
  static Optional<Vocabulary> find(ModelDirectory model) throws IOException {
    Path path = model.path();
    Optional<Vocabulary> files = Files.isDirectory(path) ? read(path) : Optional.empty();
    if (files.isPresent()) {
      return files;
    }
    return model.tokens().map(inside -> of(path, inside));
  }

  /** What to do about a model without tokens. */
  static String absence(ModelDirectory model) {
    Path path = model.path();
    return Files.isDirectory(path)
        ? path
            + " has neither tokenizer.json nor vocab.json, so its tokens are not known; save its"
            + " tokenizer with the tokenizers library"
        : path
            + " is a file without tokens; name a folder that has tokenizer.json of the model"
            + " beside it";
  }

  /** What the files of a folder say; empty where there are none. */
  static Optional<Vocabulary> read(Path folder) throws IOException {
    Map<String, Integer> ids = new LinkedHashMap<>();
    Map<String, Set<String>> flags = new HashMap<>();
    if (Files.exists(folder.resolve(FILE))) {
      read(folder.resolve(FILE), ids, Optional.of(flags));
    } else if (Files.exists(folder.resolve(VOCABULARY))) {
      read(folder.resolve(VOCABULARY), ids, Optional.empty());
      if (Files.exists(folder.resolve(ADDED))) {
        read(folder.resolve(ADDED), ids, Optional.empty());
      }
    } else {
      return Optional.empty();
    }
    return Optional.of(filled(folder, ids, flags));
  }

  private static Vocabulary filled(
      Path path, Map<String, Integer> ids, Map<String, Set<String>> flags) {
    if (ids.isEmpty()) {
      throw new FormatException(path + ": a tokenizer without tokens");
    }
    return new Vocabulary(ids, flags);
  }

  /** Rows that only pad the embeddings have no token. */
  private static Vocabulary of(Path path, Tokens tokens) {
    if (!AS_IN_JSON.contains(tokens.model())) {
      throw new FormatException(
          "%s has tokens for %s, whose texts are not those of tokenizer.json (read are %s); name a folder that has tokenizer.json of the model beside it"
              .formatted(path, Names.quote(tokens.model()), AS_IN_JSON));
    }
    Map<String, Integer> ids = new LinkedHashMap<>();
    Map<String, Set<String>> flags = new HashMap<>();
    for (int id = 0; id < tokens.texts().size(); id++) {
      if (tokens.isPadding(id)) {
        continue;
      }
      String text = tokens.texts().get(id);
      Integer before = ids.put(text, id);
      if (before != null) {
        throw new FormatException(
            "%s: tokens %d and %d are both %s".formatted(path, before, id, Names.quote(text)));
      }
      if (!tokens.kinds().isEmpty() && tokens.kinds().get(id) == Tokens.Kind.CONTROL) {
        flags.put(text, Set.of("special"));
      }
    }
    return filled(path, ids, flags);
  }

  /**
   * @param flags of added tokens, for a file of the tokenizers library
   */
  private static void read(
      Path file, Map<String, Integer> ids, Optional<Map<String, Set<String>>> flags)
      throws IOException {
    try (JsonParser p = new JsonFactory().createParser(TextFile.read(file))) {
      require(file, p, p.nextToken() == JsonToken.START_OBJECT, "an object");
      if (flags.isPresent()) {
        tokenizer(file, p, ids, flags.get());
      } else {
        map(file, p, ids);
      }
    } catch (JsonProcessingException e) {
      throw new FormatException(file + ": no valid JSON: " + Names.cut(e.getOriginalMessage()), e);
    }
  }

  private static void tokenizer(
      Path file, JsonParser p, Map<String, Integer> ids, Map<String, Set<String>> flags)
      throws IOException {
    while (p.nextToken() == JsonToken.FIELD_NAME) {
      String key = p.currentName();
      p.nextToken();
      if (key.equals("added_tokens") && p.currentToken() == JsonToken.START_ARRAY) {
        added(file, p, ids, flags);
      } else if (key.equals("model") && p.currentToken() == JsonToken.START_OBJECT) {
        model(file, p, ids);
      } else {
        p.skipChildren();
      }
    }
  }

  private static void model(Path file, JsonParser p, Map<String, Integer> ids) throws IOException {
    while (p.nextToken() == JsonToken.FIELD_NAME) {
      boolean vocabulary = p.currentName().equals("vocab");
      JsonToken token = p.nextToken();
      if (vocabulary && token == JsonToken.START_OBJECT) {
        map(file, p, ids);
      } else if (vocabulary && token == JsonToken.START_ARRAY) {
        scores(file, p, ids);
      } else {
        p.skipChildren();
      }
    }
  }

  /** {@code {"token": id}}. */
  private static void map(Path file, JsonParser p, Map<String, Integer> ids) throws IOException {
    while (p.nextToken() == JsonToken.FIELD_NAME) {
      String token = p.currentName();
      p.nextToken();
      put(file, p, ids, token, id(file, p));
    }
  }

  /** {@code [["token", score]]}: the place in the list is the id. */
  private static void scores(Path file, JsonParser p, Map<String, Integer> ids) throws IOException {
    for (int id = 0; p.nextToken() != JsonToken.END_ARRAY; id++) {
      require(file, p, p.currentToken() == JsonToken.START_ARRAY, "a token with its score");
      require(file, p, p.nextToken() == JsonToken.VALUE_STRING, "a token");
      put(file, p, ids, p.getText(), id);
      while (p.nextToken() != JsonToken.END_ARRAY) {
        p.skipChildren();
      }
    }
  }

  /** {@code [{"id": 5, "content": "token", "special": true}]}. */
  private static void added(
      Path file, JsonParser p, Map<String, Integer> ids, Map<String, Set<String>> flags)
      throws IOException {
    while (p.nextToken() != JsonToken.END_ARRAY) {
      require(file, p, p.currentToken() == JsonToken.START_OBJECT, "an added token");
      String content = null;
      int id = -1;
      Set<String> own = new HashSet<>();
      while (p.nextToken() == JsonToken.FIELD_NAME) {
        String key = p.currentName();
        p.nextToken();
        if (key.equals("content")) {
          content = p.getText();
        } else if (key.equals("id")) {
          id = id(file, p);
        } else if (p.currentToken() == JsonToken.VALUE_TRUE) {
          own.add(key);
        } else {
          p.skipChildren();
        }
      }
      require(file, p, content != null && id >= 0, "content and id of an added token");
      put(file, p, ids, content, id);
      flags.put(content, Set.copyOf(own));
    }
  }

  private static int id(Path file, JsonParser p) throws IOException {
    boolean number = p.currentToken() == JsonToken.VALUE_NUMBER_INT;
    require(file, p, number && p.getLongValue() >= 0 && p.getLongValue() < 1 << 28, "an id");
    return p.getIntValue();
  }

  private static void put(Path file, JsonParser p, Map<String, Integer> ids, String token, int id) {
    Integer before = ids.put(token, id);
    require(file, p, before == null || before == id, "one id of token " + Names.quote(token));
  }

  private static void require(Path file, JsonParser p, boolean right, String what) {
    if (!right) {
      var at = p.currentLocation();
      throw new FormatException(
          file + ":" + at.getLineNr() + ":" + at.getColumnNr() + ": expected " + what);
    }
  }

  /** Rows that the tokens need. */
  int rows() {
    return ids.values().stream().mapToInt(id -> id + 1).max().orElse(0);
  }
}
