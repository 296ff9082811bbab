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
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import org.merganser.error.RecipeException;

/**
 * {@code config.json} of a result: that of a model with some values changed, of the whole model or
 * else of the part of it that is called {@code text_config}. Everything else stays as it is.
 */
final class ConfigFile {
  private static final String TEXT = "text_config";

  /** Names of one value; those that are there are changed. */
  static final List<String> LAYERS =
      List.of("num_hidden_layers", "n_layer", "n_layers", "num_layers");

  /** Names of lists that have a value for each layer. */
  private static final Set<String> OF_LAYERS = Set.of("layer_types", "mlp_layer_types");

  static final List<String> VOCABULARY = List.of("vocab_size");
  static final String TIED = "tie_word_embeddings";
  static final List<String> TYPE = List.of("torch_dtype", "dtype");

  /** Python writes Infinity and NaN. */
  private static final JsonFactory JSON =
      new JsonFactoryBuilder()
          .enable(JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS)
          .disable(JsonWriteFeature.WRITE_NAN_AS_STRINGS)
          .build();

  private final String text;
  private final Map<String, Object> changes = new LinkedHashMap<>();
  private final List<String> required = new ArrayList<>();
  private int layers;
  private List<Integer> chosen = List.of();

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

  /**
   * Takes the values of these layers for lists that have one for each layer.
   *
   * @param count how many layers there were
   * @param numbers of those of the result among them; empty for all
   */
  ConfigFile withLayers(int count, List<Integer> numbers) {
    layers = count;
    chosen = numbers;
    return this;
  }

  private List<Object> chosen(String key, List<Object> values) {
    if (chosen.isEmpty() || values.size() != layers) {
      return values;
    }
    int last = Collections.max(chosen);
    if (last >= layers) {
      throw new RecipeException(
          "slices",
          "%s of config.json has a value for each of %d layers, and none for layer %d"
              .formatted(key, layers, last));
    }
    return chosen.stream().map(values::get).toList();
  }

  /** Copies a list, its layers chosen if it is one of plain values. */
  private void writeList(String key, JsonParser p, JsonGenerator g, Map<String, String> before)
      throws IOException {
    List<Object> values = new ArrayList<>();
    while (p.nextToken() != JsonToken.END_ARRAY) {
      if (p.currentToken().isNumeric()) {
        values.add(p.getNumberValue());
      } else if (p.currentToken() == JsonToken.VALUE_STRING) {
        values.add(p.getText());
      } else {
        throw new RecipeException(
            "slices", key + " of config.json is no list of names or numbers, one for each layer");
      }
    }
    List<Object> wanted = chosen(key, values);
    if (!wanted.equals(values)) {
      before.put(key, "");
    }
    g.writeStartArray();
    for (Object value : wanted) {
      g.writePOJO(value);
    }
    g.writeEndArray();
  }

  /** Gives it a value, at the end of the whole where the configuration does not have it. */
  ConfigFile require(String name, Optional<?> value) {
    value.ifPresent(v -> required.add(name));
    return with(List.of(name), value);
  }

  /** Those that the configuration does not have. */
  private List<String> missing(Map<String, String> before) {
    return required.stream()
        .filter(name -> !before.containsKey(name) && !before.containsKey(TEXT + "." + name))
        .toList();
  }

  /** The configuration; the very text when nothing changes. */
  String changed() throws IOException {
    Map<String, String> before = new LinkedHashMap<>();
    write(before);
    boolean same =
        missing(before).isEmpty()
            && before.entrySet().stream()
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
        if (here
            && token == JsonToken.START_ARRAY
            && OF_LAYERS.contains(key)
            && !chosen.isEmpty()) {
          writeList(key, p, g, before);
          continue;
        }
        if (token.isStructStart()) {
          inText |= depth == 1 && TEXT.equals(key) && token == JsonToken.START_OBJECT;
          depth++;
        } else if (token.isStructEnd()) {
          depth--;
          inText &= depth > 1;
          if (depth == 0 && token == JsonToken.END_OBJECT) {
            for (String name : missing(before)) {
              g.writePOJOField(name, changes.get(name));
            }
          }
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
