// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.report;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.util.DefaultPrettyPrinter;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.merganser.internal.io.PartialFile;

/** Maps, lists, texts, truth values, longs and doubles as JSON; numbers come back as they were. */
public final class Json {
  private Json() {}

  /** Writes a file, complete or not at all. Values of maps that are NaN are left out. */
  public static void write(Map<String, ?> value, Path path) throws IOException {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (JsonGenerator g = new JsonFactory().createGenerator(bytes)) {
      g.setPrettyPrinter(new DefaultPrettyPrinter());
      write(value, g);
    }
    try (PartialFile file = new PartialFile(path)) {
      file.write(ByteBuffer.wrap(bytes.toByteArray()));
      file.commit();
    }
  }

  private static void write(Object value, JsonGenerator g) throws IOException {
    if (value instanceof Map<?, ?> map) {
      g.writeStartObject();
      for (Map.Entry<?, ?> entry : map.entrySet()) {
        if (!entry.getValue().equals(Double.NaN)) {
          g.writeFieldName(entry.getKey().toString());
          write(entry.getValue(), g);
        }
      }
      g.writeEndObject();
    } else if (value instanceof List<?> list) {
      g.writeStartArray();
      for (Object item : list) {
        write(item, g);
      }
      g.writeEndArray();
    } else if (value instanceof Double number) {
      g.writeNumber(number);
    } else if (value instanceof Number number) {
      g.writeNumber(number.longValue());
    } else if (value instanceof Boolean truth) {
      g.writeBoolean(truth);
    } else {
      g.writeString(value.toString());
    }
  }

  /** Reads a file that holds one object. */
  @SuppressWarnings("unchecked")
  public static Map<String, Object> read(Path path) throws IOException {
    try (JsonParser parser = new JsonFactory().createParser(path.toFile())) {
      parser.nextToken();
      Map<String, Object> found = (Map<String, Object>) value(parser);
      if (parser.nextToken() != null) {
        throw new IOException(path + " goes on after its end");
      }
      return found;
    }
  }

  private static Object value(JsonParser parser) throws IOException {
    return switch (parser.currentToken()) {
      case START_OBJECT -> {
        Map<String, Object> map = new LinkedHashMap<>();
        while (parser.nextToken() != JsonToken.END_OBJECT) {
          String name = parser.currentName();
          parser.nextToken();
          if (map.put(name, value(parser)) != null) {
            throw new IOException("'" + name + "' is there twice");
          }
        }
        yield map;
      }
      case START_ARRAY -> {
        List<Object> list = new ArrayList<>();
        while (parser.nextToken() != JsonToken.END_ARRAY) {
          list.add(value(parser));
        }
        yield list;
      }
      case VALUE_STRING -> parser.getText();
      case VALUE_TRUE, VALUE_FALSE -> parser.getBooleanValue();
      case VALUE_NUMBER_INT -> parser.getLongValue();
      case VALUE_NUMBER_FLOAT -> parser.getDoubleValue();
      default -> throw new IOException("unexpected " + parser.currentToken());
    };
  }
}
