// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonFactoryBuilder;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.core.util.DefaultPrettyPrinter;
import java.io.IOException;
import java.io.StringWriter;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.OptionalLong;
import org.merganser.error.FormatException;
import org.merganser.internal.Names;
import org.merganser.internal.io.TextFile;

/**
 * The index of a checkpoint in several files: {@code {"metadata": {"total_size": N}, "weight_map":
 * {"tensor": "file"}}}. File names must be bare, so that an index cannot point out of its folder.
 *
 * @param weightMap file of each tensor, in order
 * @param totalSize bytes of all tensors, as the index claims
 */
record ShardIndex(Map<String, String> weightMap, OptionalLong totalSize) {
  static final String FILE = "model.safetensors.index.json";

  private static final JsonFactory JSON =
      new JsonFactoryBuilder().enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION).build();

  static ShardIndex read(Path path) throws IOException {
    String text = TextFile.read(path);
    Map<String, String> weightMap = new LinkedHashMap<>();
    OptionalLong total = OptionalLong.empty();
    try (JsonParser p = JSON.createParser(text)) {
      expect(path, p.nextToken(), JsonToken.START_OBJECT, "index");
      while (p.nextToken() != JsonToken.END_OBJECT) {
        String field = p.currentName();
        JsonToken token = p.nextToken();
        if (field.equals("weight_map")) {
          expect(path, token, JsonToken.START_OBJECT, "weight_map");
          readMap(path, p, weightMap);
        } else if (field.equals("metadata") && token == JsonToken.START_OBJECT) {
          total = readTotal(p);
        } else {
          p.skipChildren();
        }
      }
    } catch (JsonProcessingException e) {
      throw new FormatException(
          path + ": index is no valid JSON: " + Names.cut(e.getOriginalMessage()), e);
    }
    if (weightMap.isEmpty()) {
      throw SafetensorsHeader.bad(path, "index has no weight_map, or an empty one");
    }
    return new ShardIndex(weightMap, total);
  }

  void write(Path path) throws IOException {
    StringWriter out = new StringWriter();
    try (JsonGenerator g = JSON.createGenerator(out)) {
      g.setPrettyPrinter(new DefaultPrettyPrinter());
      g.writeStartObject();
      g.writeObjectFieldStart("metadata");
      g.writeNumberField("total_size", totalSize.orElseThrow());
      g.writeEndObject();
      g.writeObjectFieldStart("weight_map");
      for (Map.Entry<String, String> item : weightMap.entrySet()) {
        g.writeStringField(item.getKey(), item.getValue());
      }
      g.writeEndObject();
      g.writeEndObject();
    }
    TextFile.write(path, out.toString());
  }

  private static void readMap(Path path, JsonParser p, Map<String, String> map) throws IOException {
    while (p.nextToken() != JsonToken.END_OBJECT) {
      String tensor = p.currentName();
      expect(path, p.nextToken(), JsonToken.VALUE_STRING, "weight_map " + Names.quote(tensor));
      String file = p.getText();
      boolean bare =
          !file.isEmpty()
              && !file.equals(".")
              && !file.contains("..")
              && file.indexOf('/') < 0
              && file.indexOf('\\') < 0
              && file.indexOf('\0') < 0;
      if (!bare) {
        throw SafetensorsHeader.bad(
            path,
            "weight_map "
                + Names.quote(tensor)
                + " is "
                + Names.quote(file)
                + ", not the bare name of a file");
      }
      map.put(tensor, file);
    }
  }

  /** Some writers put a float there. */
  private static OptionalLong readTotal(JsonParser p) throws IOException {
    OptionalLong total = OptionalLong.empty();
    while (p.nextToken() != JsonToken.END_OBJECT) {
      String field = p.currentName();
      JsonToken token = p.nextToken();
      if (field.equals("total_size") && token.isNumeric()) {
        total = OptionalLong.of(p.getValueAsLong());
      } else {
        p.skipChildren();
      }
    }
    return total;
  }

  private static void expect(Path path, JsonToken found, JsonToken wanted, String what) {
    if (found != wanted) {
      throw SafetensorsHeader.bad(path, what + " is " + found + ", expected " + wanted);
    }
  }
}
