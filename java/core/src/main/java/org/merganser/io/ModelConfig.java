// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.Set;
import org.merganser.error.FormatException;
import org.merganser.internal.Names;
import org.merganser.internal.io.JsonFile;

/** Reads {@code config.json}: a few of its keys, of the whole or else of {@code text_config}. */
final class ModelConfig {
  private static final String TEXT = "text_config";
  private static final List<String> LAYERS =
      List.of("num_hidden_layers", "n_layer", "n_layers", "num_layers");
  private static final List<String> HIDDEN = List.of("hidden_size", "n_embd", "d_model");
  private static final List<String> DTYPE = List.of("torch_dtype", "dtype");
  private static final Set<String> NUMBERS =
      Set.of(
          "num_hidden_layers",
          "n_layer",
          "n_layers",
          "num_layers",
          "hidden_size",
          "n_embd",
          "d_model",
          "vocab_size");
  private static final Set<String> TEXTS = Set.of("model_type", "torch_dtype", "dtype");

  /** Says nothing. */
  static final ModelDirectory.Config NONE = new ModelConfig(null).config();

  private final Path path;
  private JsonFile file;
  private final List<String> architectures = new ArrayList<>();

  /** Values by key, those of the part for text under {@code text_config.KEY}. */
  private final Map<String, Object> values = new HashMap<>();

  private ModelConfig(Path path) {
    this.path = path;
  }

  static ModelDirectory.Config read(Path path) throws IOException {
    ModelConfig reader = new ModelConfig(path);
    JsonFile.read(
        path,
        (file, p) -> {
          reader.file = file;
          reader.read(p, "");
        });
    return reader.config();
  }

  private void read(JsonParser p, String prefix) throws IOException {
    while (p.nextToken() != JsonToken.END_OBJECT) {
      String key = p.currentName();
      JsonToken token = p.nextToken();
      if (token == JsonToken.VALUE_NULL) {
        continue;
      }
      if (NUMBERS.contains(key)) {
        boolean count = token == JsonToken.VALUE_NUMBER_INT && p.getLongValue() >= 0;
        file.expect(p, count, Names.quote(prefix + key), "a whole number");
        values.put(prefix + key, p.getLongValue());
      } else if (TEXTS.contains(key)) {
        file.expect(p, token == JsonToken.VALUE_STRING, Names.quote(prefix + key), "a text");
        values.put(prefix + key, p.getText());
      } else if (key.equals("tie_word_embeddings")) {
        file.expect(p, token.isBoolean(), Names.quote(prefix + key), "true or false");
        values.put(prefix + key, p.getBooleanValue());
      } else if (key.equals("architectures") && prefix.isEmpty()) {
        readArchitectures(p, token);
      } else if (key.equals(TEXT) && prefix.isEmpty() && token == JsonToken.START_OBJECT) {
        read(p, TEXT + ".");
      } else {
        p.skipChildren();
      }
    }
  }

  private void readArchitectures(JsonParser p, JsonToken token) throws IOException {
    file.expect(p, token == JsonToken.START_ARRAY, "'architectures'", "a list of texts");
    while (p.nextToken() != JsonToken.END_ARRAY) {
      boolean text = p.currentToken() == JsonToken.VALUE_STRING;
      file.expect(p, text, "'architectures'", "a list of texts");
      architectures.add(p.getText());
    }
  }

  private ModelDirectory.Config config() {
    Optional<Long> layers = value(LAYERS, Long.class);
    if (layers.isPresent() && layers.get() > Integer.MAX_VALUE) {
      throw new FormatException(path + ": " + layers.get() + " layers");
    }
    return new ModelDirectory.Config(
        architectures,
        value(List.of("model_type"), String.class),
        layers.map(n -> OptionalInt.of(n.intValue())).orElse(OptionalInt.empty()),
        number(HIDDEN),
        number(List.of("vocab_size")),
        value(List.of("tie_word_embeddings"), Boolean.class),
        value(DTYPE, String.class));
  }

  private OptionalLong number(List<String> keys) {
    return value(keys, Long.class).map(OptionalLong::of).orElse(OptionalLong.empty());
  }

  /** The first that is there: of the whole, then of the part for text. */
  private <T> Optional<T> value(List<String> keys, Class<T> type) {
    for (String prefix : List.of("", TEXT + ".")) {
      for (String key : keys) {
        if (values.containsKey(prefix + key)) {
          return Optional.of(type.cast(values.get(prefix + key)));
        }
      }
    }
    return Optional.empty();
  }
}
