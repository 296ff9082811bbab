// SPDX-License-Identifier: Apache-2.0
package org.merganser.lora;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.util.DefaultPrettyPrinter;
import java.io.IOException;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.merganser.error.FormatException;
import org.merganser.internal.Names;
import org.merganser.internal.io.JsonFile;
import org.merganser.lora.MoeModel.Description;
import org.merganser.lora.MoeModel.Router;

/**
 * {@code moe_config.json}; every key is written, and another one is refused.
 *
 * @param baseIncluded whether the folder has the weights of the model
 */
record MoeConfig(Description description, boolean baseIncluded) {
  static final String FILE = "moe_config.json";

  private static final String FORMAT = "merganser-moe";
  private static final int VERSION = 1;

  String text(List<String> modules) throws IOException {
    StringWriter text = new StringWriter();
    try (JsonGenerator g = new JsonFactory().createGenerator(text)) {
      g.setPrettyPrinter(new DefaultPrettyPrinter());
      g.writeStartObject();
      g.writeStringField("format", FORMAT);
      g.writeNumberField("version", VERSION);
      g.writeStringField("router", description.router().id());
      g.writeNumberField("top_k", description.topK());
      g.writeNumberField("temperature", description.temperature());
      strings(g, "experts", description.experts());
      strings(g, "modules", modules);
      g.writeStringField("base", description.baseName());
      g.writeBooleanField("base_included", baseIncluded);
      g.writeEndObject();
    }
    return text + "\n";
  }

  private static void strings(JsonGenerator g, String key, List<String> values) throws IOException {
    g.writeFieldName(key);
    g.writeArray(values.toArray(String[]::new), 0, values.size());
  }

  /**
   * @throws FormatException when it is none, or one of a later version
   */
  static MoeConfig read(Path path) throws IOException {
    if (!Files.exists(path)) {
      throw new IOException(
          path.getParent() + ": no model of experts: there is no " + FILE + " in it");
    }
    Reader reader = new Reader(path);
    JsonFile.read(path, reader);
    return reader.config();
  }

  private static final class Reader implements JsonFile.Content {
    private final Path path;
    private final Map<String, String> texts = new LinkedHashMap<>();
    private final Map<String, Double> numbers = new LinkedHashMap<>();
    private final List<String> experts = new ArrayList<>();
    private Boolean included;

    Reader(Path path) {
      this.path = path;
    }

    @Override
    public void read(JsonFile file, JsonParser p) throws IOException {
      while (p.nextToken() != JsonToken.END_OBJECT) {
        String key = p.currentName();
        JsonToken token = p.nextToken();
        switch (key) {
          case "format", "router", "base" -> texts.put(key, text(file, p, key));
          case "version", "top_k", "temperature" -> {
            file.expect(p, token.isNumeric(), Names.quote(key), "a number");
            numbers.put(key, p.getDoubleValue());
          }
          case "base_included" -> {
            file.expect(p, token.isBoolean(), Names.quote(key), "true or false");
            included = token == JsonToken.VALUE_TRUE;
          }
          case "experts" -> {
            file.expect(p, token == JsonToken.START_ARRAY, Names.quote(key), "a list of names");
            while (p.nextToken() != JsonToken.END_ARRAY) {
              experts.add(text(file, p, key));
            }
          }
          // For readers: the tensors say it.
          case "modules" -> p.skipChildren();
          default -> throw bad("the key " + Names.quote(key) + " is not known here");
        }
      }
    }

    private static String text(JsonFile file, JsonParser p, String key) throws IOException {
      file.expect(p, p.currentToken() == JsonToken.VALUE_STRING, Names.quote(key), "a text");
      return p.getText();
    }

    private FormatException bad(String reason) {
      return new FormatException(path + ": " + reason);
    }

    private String text(String key) {
      if (!texts.containsKey(key)) {
        throw bad("no " + Names.quote(key));
      }
      return texts.get(key);
    }

    private double number(String key) {
      if (!numbers.containsKey(key)) {
        throw bad("no " + Names.quote(key));
      }
      return numbers.get(key);
    }

    private int count(String key) {
      double value = number(key);
      if (value != Math.rint(value) || Math.abs(value) > Integer.MAX_VALUE) {
        throw bad(Names.quote(key) + " is " + value + ", no whole number");
      }
      return (int) value;
    }

    MoeConfig config() {
      if (!text("format").equals(FORMAT)) {
        throw bad("'format' is " + Names.quote(text("format")) + ", not '" + FORMAT + "'");
      }
      if (count("version") != VERSION) {
        throw bad(
            "version %d of the format; this Merganser reads %d"
                .formatted(count("version"), VERSION));
      }
      if (included == null) {
        throw bad("no 'base_included'");
      }
      try {
        return new MoeConfig(
            new Description(
                Router.of(text("router")),
                count("top_k"),
                number("temperature"),
                experts,
                text("base")),
            included);
      } catch (IllegalArgumentException e) {
        throw bad(e.getMessage());
      }
    }
  }
}
