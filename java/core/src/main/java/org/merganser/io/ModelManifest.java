// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.util.DefaultPrettyPrinter;
import java.io.IOException;
import java.io.StringWriter;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.merganser.internal.io.TextFile;

/**
 * {@code merganser.json}: what a written model was made of, and digests of its files and tensors.
 *
 * @param pieceBytes how tensors are divided for digests
 * @param files SHA-256 by file; empty texts where none was taken
 * @param tensors digests by tensor; empty when none were taken
 */
record ModelManifest(
    String job,
    String plan,
    String provenance,
    long pieceBytes,
    Map<String, String> files,
    Map<String, String> tensors) {
  static final String FILE = "merganser.json";

  private static final long MOST_PIECE = 1 << 30;

  private static final JsonFactory JSON = new JsonFactory();

  /** Throws unless the text is one JSON object. */
  static void requireObject(String json) {
    try (JsonParser p = JSON.createParser(json)) {
      boolean object = p.nextToken() == JsonToken.START_OBJECT;
      p.skipChildren();
      if (!object || p.nextToken() != null) {
        throw new IllegalArgumentException("provenance is not one JSON object");
      }
    } catch (IOException e) {
      throw new IllegalArgumentException("provenance is no valid JSON: " + e.getMessage(), e);
    }
  }

  void write(Path path) throws IOException {
    StringWriter out = new StringWriter();
    try (JsonGenerator g = JSON.createGenerator(out);
        JsonParser given = JSON.createParser(provenance)) {
      g.setPrettyPrinter(new DefaultPrettyPrinter());
      g.writeStartObject();
      g.writeStringField("job", job);
      g.writeStringField("plan", plan);
      g.writeFieldName("provenance");
      given.nextToken();
      g.copyCurrentStructure(given);
      g.writeNumberField("piece_bytes", pieceBytes);
      write(g, "files", files);
      write(g, "tensors", tensors);
      g.writeEndObject();
    }
    TextFile.write(path, out + "\n");
  }

  private static void write(JsonGenerator g, String field, Map<String, String> values)
      throws IOException {
    g.writeObjectFieldStart(field);
    for (Map.Entry<String, String> item : values.entrySet()) {
      g.writeStringField(item.getKey(), item.getValue());
    }
    g.writeEndObject();
  }

  static ModelManifest read(Path path) throws IOException {
    String text = TextFile.read(path);
    String job = "";
    String plan = "";
    long pieceBytes = Pieces.BYTES;
    Map<String, String> files = new LinkedHashMap<>();
    Map<String, String> tensors = new LinkedHashMap<>();
    try (JsonParser p = JSON.createParser(text)) {
      if (p.nextToken() != JsonToken.START_OBJECT) {
        throw SafetensorsHeader.bad(path, "not a JSON object");
      }
      while (p.nextToken() == JsonToken.FIELD_NAME) {
        String field = p.currentName();
        p.nextToken();
        switch (field) {
          case "job" -> job = p.getText();
          case "plan" -> plan = p.getText();
          case "piece_bytes" -> pieceBytes = p.getValueAsLong();
          case "files" -> read(p, files);
          case "tensors" -> read(p, tensors);
          default -> p.skipChildren();
        }
      }
    } catch (JsonProcessingException e) {
      throw SafetensorsHeader.bad(path, "no valid JSON: " + e.getOriginalMessage());
    }
    if (pieceBytes < 8 || pieceBytes > MOST_PIECE) {
      throw SafetensorsHeader.bad(
          path, "piece_bytes is " + pieceBytes + ", not in 8.." + MOST_PIECE);
    }
    return new ModelManifest(job, plan, "{}", pieceBytes, files, tensors);
  }

  private static void read(JsonParser p, Map<String, String> into) throws IOException {
    while (p.nextToken() == JsonToken.FIELD_NAME) {
      String key = p.currentName();
      p.nextToken();
      into.put(key, p.getText());
    }
  }
}
