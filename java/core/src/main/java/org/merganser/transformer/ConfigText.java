// SPDX-License-Identifier: Apache-2.0
package org.merganser.transformer;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonFactoryBuilder;
import com.fasterxml.jackson.core.JsonLocation;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.core.json.JsonReadFeature;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.merganser.error.FormatException;
import org.merganser.internal.Names;

/** The values of a {@code config.json}; one that is null is as one that is absent, unless asked. */
final class ConfigText {
  /** Python writes Infinity and NaN. */
  private static final JsonFactory JSON =
      new JsonFactoryBuilder()
          .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
          .enable(JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS)
          .streamReadConstraints(StreamReadConstraints.builder().maxNestingDepth(100).build())
          .build();

  private final String where;
  private final String path;
  private final Map<String, Object> values;
  private final Set<String> nulls;

  private ConfigText(String where, String path, Map<String, Object> all) {
    this.where = where;
    this.path = path;
    this.values = new LinkedHashMap<>(all);
    values.values().removeIf(Objects::isNull);
    this.nulls = new HashSet<>(all.keySet());
    nulls.removeAll(values.keySet());
  }

  /**
   * @param where the file, for messages
   */
  static ConfigText parse(String where, String text) throws IOException {
    try (JsonParser p = JSON.createParser(text)) {
      if (p.nextToken() != JsonToken.START_OBJECT) {
        throw new FormatException(where + ": a configuration is an object in braces");
      }
      ConfigText config = new ConfigText(where, "", object(p));
      if (p.nextToken() != null) {
        throw new FormatException(where + ": text follows the closing brace");
      }
      return config;
    } catch (JsonProcessingException e) {
      JsonLocation at = e.getLocation();
      throw new FormatException(
          where
              + (at == null ? "" : ":" + at.getLineNr() + ":" + at.getColumnNr())
              + ": no valid JSON: "
              + Names.cut(e.getOriginalMessage().lines().findFirst().orElse("")),
          e);
    }
  }

  private static Map<String, Object> object(JsonParser p) throws IOException {
    Map<String, Object> values = new LinkedHashMap<>();
    while (p.nextToken() != JsonToken.END_OBJECT) {
      String key = p.currentName();
      p.nextToken();
      values.put(key, value(p));
    }
    return values;
  }

  private static Object value(JsonParser p) throws IOException {
    return switch (p.currentToken()) {
      case START_OBJECT -> object(p);
      case START_ARRAY -> {
        List<Object> items = new ArrayList<>();
        while (p.nextToken() != JsonToken.END_ARRAY) {
          items.add(String.valueOf(value(p)));
        }
        yield items;
      }
      case VALUE_NUMBER_INT, VALUE_NUMBER_FLOAT -> p.getDoubleValue();
      case VALUE_TRUE, VALUE_FALSE -> p.getBooleanValue();
      case VALUE_NULL -> null;
      default -> p.getText();
    };
  }

  String where() {
    return where;
  }

  boolean has(String key) {
    return values.containsKey(key);
  }

  /** Whether it is there, and null. */
  boolean isNull(String key) {
    return nulls.contains(key);
  }

  /** A part in braces; empty where there is none. */
  ConfigText part(String key) {
    Object part = values.getOrDefault(key, Map.of());
    if (!(part instanceof Map<?, ?> map)) {
      throw wrong(key, "an object in braces");
    }
    Map<String, Object> inner = new LinkedHashMap<>();
    map.forEach((name, value) -> inner.put(String.valueOf(name), value));
    return new ConfigText(where, path + key + ".", inner);
  }

  boolean isEmpty() {
    return values.isEmpty();
  }

  double number(String key) {
    if (!(values.get(key) instanceof Double number)) {
      throw wrong(key, "a number");
    }
    return number;
  }

  double number(String key, double initial) {
    return has(key) ? number(key) : initial;
  }

  int count(String key) {
    Object value = values.get(key);
    if (!(value instanceof Double number)
        || number != Math.rint(number)
        || number < 0
        || number > Integer.MAX_VALUE) {
      throw wrong(key, "a whole number below 2^31");
    }
    return number.intValue();
  }

  int count(String key, int initial) {
    return has(key) ? count(key) : initial;
  }

  boolean truth(String key, boolean initial) {
    Object value = values.getOrDefault(key, initial);
    if (!(value instanceof Boolean truth)) {
      throw wrong(key, "true or false");
    }
    return truth;
  }

  String text(String key, String initial) {
    Object value = values.getOrDefault(key, initial);
    if (!(value instanceof String text)) {
      throw wrong(key, "a text");
    }
    return text;
  }

  /** The items as texts; none where there is no list. */
  List<String> texts(String key) {
    Object value = values.getOrDefault(key, List.of());
    if (!(value instanceof List<?> items)) {
      throw wrong(key, "a list");
    }
    return items.stream().map(String::valueOf).toList();
  }

  /** As it is in messages. */
  String shown(String key) {
    Object value = values.get(key);
    String text =
        value instanceof Double number && number == Math.rint(number) && Math.abs(number) < 1e15
            ? Long.toString(number.longValue())
            : String.valueOf(value);
    return path + key + " " + Names.cut(text);
  }

  private FormatException wrong(String key, String wanted) {
    return new FormatException(
        has(key)
            ? "%s: %s, needed is %s".formatted(where, shown(key), wanted)
            : "%s lacks %s%s, %s".formatted(where, path, key, wanted));
  }
}
