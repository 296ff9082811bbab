// SPDX-License-Identifier: Apache-2.0
package org.merganser.model;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonFactoryBuilder;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonLocation;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.core.util.DefaultPrettyPrinter;
import java.io.IOException;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import org.merganser.error.FormatException;
import org.merganser.internal.Names;
import org.merganser.model.Binding.Block;

/**
 * The JSON form of an architecture.
 *
 * <pre>{@code
 * {"spaces": [{"id": "fc1", "width": 64, "exact": "scaled-permutation", "bindings": [
 *    {"tensor": "fc1.weight", "axis": 0, "role": "weight-out"},
 *    {"tensor": "fc1.bias",   "axis": 0, "role": "bias"},
 *    {"tensor": "fc2.weight", "axis": 1, "role": "weight-in", "offset": 0, "repeat": 1}]}],
 *  "counters": []}
 * }</pre>
 */
final class ArchitectureFile {
  private static final JsonFactory JSON =
      new JsonFactoryBuilder().enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION).build();

  private ArchitectureFile() {}

  static Architecture parse(String source, String json) throws IOException {
    try (JsonParser p = JSON.createParser(json)) {
      return new Reader(source, p).read();
    } catch (JsonProcessingException e) {
      // What breaks a limit of the parser, such as a number of 1001 digits, has no place.
      JsonLocation at = e.getLocation();
      String place = at == null ? "" : ":" + at.getLineNr() + ":" + at.getColumnNr();
      throw new FormatException(
          source + place + ": " + e.getOriginalMessage().lines().findFirst().orElse(""), e);
    }
  }

  static String format(Architecture architecture) {
    StringWriter out = new StringWriter();
    try (JsonGenerator g = JSON.createGenerator(out)) {
      g.setPrettyPrinter(new DefaultPrettyPrinter());
      g.writeStartObject();
      g.writeArrayFieldStart("spaces");
      for (FeatureSpace space : architecture.spaces()) {
        write(space, g);
      }
      g.writeEndArray();
      g.writeArrayFieldStart("counters");
      for (String counter : architecture.counters()) {
        g.writeString(counter);
      }
      g.writeEndArray();
      g.writeEndObject();
    } catch (IOException e) {
      throw new UncheckedIOException("writing to a string cannot fail", e);
    }
    return out.toString();
  }

  private static void write(FeatureSpace space, JsonGenerator g) throws IOException {
    g.writeStartObject();
    g.writeStringField("id", space.id());
    g.writeNumberField("width", space.width());
    g.writeStringField("exact", id(space.symmetry()));
    if (space.featureAxis() != 1) {
      g.writeNumberField("feature-axis", space.featureAxis());
    }
    g.writeArrayFieldStart("bindings");
    for (Binding binding : space.bindings()) {
      write(binding, g);
    }
    g.writeEndArray();
    g.writeEndObject();
  }

  private static void write(Binding binding, JsonGenerator g) throws IOException {
    g.writeStartObject();
    g.writeStringField("tensor", binding.tensor());
    g.writeNumberField("axis", binding.axis());
    g.writeStringField("role", binding.role().id());
    if (!binding.block().equals(Block.WHOLE)) {
      g.writeNumberField("offset", binding.block().offset());
      g.writeNumberField("repeat", binding.block().repeat());
      if (!binding.block().isDense()) {
        g.writeNumberField("stride", binding.block().stride());
      }
    }
    g.writeEndObject();
  }

  private static String id(Enum<?> value) {
    return value.name().toLowerCase(Locale.ROOT).replace('_', '-');
  }

  private record Reader(String source, JsonParser p) {

    Architecture read() throws IOException {
      Architecture.Builder builder = Architecture.builder();
      expect(p.nextToken(), JsonToken.START_OBJECT, "the file");
      while (p.nextToken() != JsonToken.END_OBJECT) {
        String field = p.currentName();
        if (!field.equals("spaces") && !field.equals("counters")) {
          throw unknown(field, "spaces, counters");
        }
        expect(p.nextToken(), JsonToken.START_ARRAY, "'" + field + "'");
        switch (field) {
          case "spaces" -> {
            while (p.nextToken() != JsonToken.END_ARRAY) {
              add(builder, space());
            }
          }
          case "counters" -> {
            while (p.nextToken() != JsonToken.END_ARRAY) {
              builder.counter(text("counter"));
            }
          }
          default -> throw new AssertionError(field);
        }
      }
      if (p.nextToken() != null) {
        throw bad("there is text after the closing brace");
      }
      return builder.build();
    }

    private void add(Architecture.Builder builder, FeatureSpace space) {
      try {
        builder.space(space);
      } catch (IllegalArgumentException e) {
        throw bad(e.getMessage());
      }
    }

    private FeatureSpace space() throws IOException {
      String id = null;
      long width = 0;
      MapFamily exact = MapFamily.PERMUTATION;
      int featureAxis = 1;
      List<Binding> bindings = new ArrayList<>();
      expect(p.currentToken(), JsonToken.START_OBJECT, "a space");
      while (p.nextToken() != JsonToken.END_OBJECT) {
        String field = p.currentName();
        p.nextToken();
        switch (field) {
          case "id" -> id = text(field);
          case "width" -> width = number(field);
          case "exact" -> exact = choice(field, MapFamily.values());
          case "feature-axis" -> featureAxis = axis(field);
          case "bindings" -> {
            expect(p.currentToken(), JsonToken.START_ARRAY, "'bindings'");
            while (p.nextToken() != JsonToken.END_ARRAY) {
              bindings.add(binding());
            }
          }
          default -> throw unknown(field, "id, width, exact, feature-axis, bindings");
        }
      }
      if (id == null || bindings.isEmpty()) {
        throw bad("a space needs 'id', 'width' and at least one of 'bindings'");
      }
      try {
        return new FeatureSpace(id, width, exact, featureAxis, bindings);
      } catch (IllegalArgumentException e) {
        throw bad(e.getMessage());
      }
    }

    private Binding binding() throws IOException {
      String tensor = "";
      int axis = -1;
      Role role = null;
      long offset = 0;
      long repeat = 1;
      long stride = 0;
      expect(p.currentToken(), JsonToken.START_OBJECT, "a binding");
      while (p.nextToken() != JsonToken.END_OBJECT) {
        String field = p.currentName();
        p.nextToken();
        switch (field) {
          case "tensor" -> tensor = text(field);
          case "axis" -> axis = Math.max(-1, axis(field));
          case "role" -> role = choice(field, Role.values());
          case "offset" -> offset = number(field);
          case "repeat" -> repeat = number(field);
          case "stride" -> stride = positive(field);
          default -> throw unknown(field, "tensor, axis, role, offset, repeat, stride");
        }
      }
      if (role == null) {
        throw bad("a binding needs 'tensor', 'axis' and 'role'");
      }
      try {
        Block block = new Block(offset, repeat, stride == 0 ? repeat : stride);
        return new Binding(tensor, axis, role, block);
      } catch (IllegalArgumentException e) {
        throw bad(e.getMessage());
      }
    }

    private <E extends Enum<E>> E choice(String field, E[] values) throws IOException {
      String text = text(field);
      for (E value : values) {
        if (id(value).equals(text)) {
          return value;
        }
      }
      List<String> known = Arrays.stream(values).map(ArchitectureFile::id).toList();
      throw bad("'" + field + "' is " + Names.quote(text) + "; it must be one of " + known);
    }

    private String text(String what) throws IOException {
      expect(p.currentToken(), JsonToken.VALUE_STRING, "'" + what + "'");
      return p.getText();
    }

    private long number(String what) throws IOException {
      expect(p.currentToken(), JsonToken.VALUE_NUMBER_INT, "'" + what + "'");
      return p.getLongValue();
    }

    private int axis(String what) throws IOException {
      return (int) Math.max(Integer.MIN_VALUE, Math.min(number(what), Integer.MAX_VALUE));
    }

    private long positive(String what) throws IOException {
      long value = number(what);
      if (value < 1) {
        throw bad("'" + what + "' is " + value + ", it must be at least 1");
      }
      return value;
    }

    private void expect(JsonToken found, JsonToken wanted, String what) {
      if (found != wanted) {
        throw bad(what + " is " + found + ", expected " + wanted);
      }
    }

    private FormatException unknown(String field, String known) {
      return bad("unknown field " + Names.quote(field) + "; known: " + known);
    }

    private FormatException bad(String problem) {
      return new FormatException(
          source
              + ":"
              + p.currentTokenLocation().getLineNr()
              + ":"
              + p.currentTokenLocation().getColumnNr()
              + ": "
              + problem);
    }
  }
}
