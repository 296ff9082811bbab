// SPDX-License-Identifier: Apache-2.0
package org.merganser.recipe;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonFactoryBuilder;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.json.JsonReadFeature;
import com.fasterxml.jackson.core.json.JsonWriteFeature;
import com.fasterxml.jackson.core.util.DefaultIndenter;
import com.fasterxml.jackson.core.util.DefaultPrettyPrinter;
import com.fasterxml.jackson.core.util.Separators;
import java.io.IOException;
import java.io.StringWriter;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeSet;

/**
 * {@code config.json} of a result: that of a model with some values changed, of the whole model or
 * else of the part of it that is called {@code text_config}. Everything else stays as it is.
 */
final class ConfigFile {
  private static final String TEXT = "text_config";

  /** Names of one value; those that are there are changed. */
  static final List<String> LAYERS =
      List.of("num_hidden_layers", "n_layer", "n_layers", "num_layers");

  static final List<String> VOCABULARY = List.of("vocab_size");
  static final List<String> TIED = List.of("tie_word_embeddings");
  static final List<String> TYPE = List.of("torch_dtype", "dtype");

  /** Python writes Infinity and NaN. */
  private static final JsonFactory JSON =
      new JsonFactoryBuilder()
          .enable(JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS)
          .disable(JsonWriteFeature.WRITE_NAN_AS_STRINGS)
          .build();

  private final String text;
  private final Map<String, Object> changes = new LinkedHashMap<>();

  ConfigFile(String text) {
    this.text = text;
  }

  /**
   * Gives a value to those of its names that the configuration has; an integer, truth value or
   * text.
   */
  ConfigFile with(List<String> names, Optional<?> value) {
    value.ifPresent(v -> names.forEach(name -> changes.put(name, v)));
    return this;
  }

  /** The configuration; the very text when nothing changes. */
  String changed() throws IOException {
    Map<String, String> before = new LinkedHashMap<>();
    write(before);
    boolean same =
        before.entrySet().stream()
            .allMatch(
                value ->
                    String.valueOf(changes.get(value.getKey().replaceFirst(".*\\.", "")))
                        .equals(value.getValue()));
    return same ? text : write(new LinkedHashMap<>());
  }

  /**
   * @param before receives the values that are changed, those of the part under {@code
   *     text_config.NAME}
   */
  private String write(Map<String, String> before) throws IOException {
    StringWriter out = new StringWriter();
    TreeSet<String> open = new TreeSet<>();
    try (JsonParser p = JSON.createParser(text);
        JsonGenerator g = JSON.createGenerator(out)) {
      g.setPrettyPrinter(
          new DefaultPrettyPrinter(
                  Separators.createDefaultInstance()
                      .withObjectFieldValueSpacing(Separators.Spacing.AFTER))
              .withArrayIndenter(new DefaultIndenter("  ", "\n")));
      int depth = 0;
      boolean inText = false;
      while (p.nextToken() != null) {
        JsonToken token = p.currentToken();
        String key = p.currentName();
        boolean here = depth == 1 || depth == 2 && inText;
        if (token.isStructStart()) {
          inText |= depth == 1 && TEXT.equals(key) && token == JsonToken.START_OBJECT;
          depth++;
        } else if (token.isStructEnd()) {
          depth--;
          inText &= depth > 1;
        } else if (here && token.isScalarValue() && changes.containsKey(key)) {
          before.put((inText ? TEXT + "." : "") + key, p.getText());
          g.writePOJO(changes.get(key));
          continue;
        }
        if (token == JsonToken.VALUE_NUMBER_FLOAT) {
          // As it is written: 1e-05 stays 1e-05.
          g.writeNumber(p.getText());
        } else {
          g.copyCurrentEventExact(p);
        }
      }
    }
    return out + "\n";
  }
}
