// SPDX-License-Identifier: Apache-2.0
package org.merganser.recipe;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.util.DefaultPrettyPrinter;
import java.io.IOException;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.util.List;
import java.util.Map;
import org.merganser.compute.DType;
import org.merganser.recipe.Recipe.Case;
import org.merganser.recipe.Recipe.Input;
import org.merganser.recipe.Recipe.Parameter;
import org.merganser.recipe.Recipe.Slice;

/** A recipe as JSON, which is YAML too: what reads recipes reads it. */
final class RecipeJson {
  private final JsonGenerator g;

  private RecipeJson(JsonGenerator g) {
    this.g = g;
  }

  static String write(Recipe recipe) {
    StringWriter text = new StringWriter();
    try (JsonGenerator g = new JsonFactory().createGenerator(text)) {
      g.setPrettyPrinter(new DefaultPrettyPrinter());
      new RecipeJson(g).recipe(recipe);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return text.toString();
  }

  private void recipe(Recipe recipe) throws IOException {
    g.writeStartObject();
    g.writeStringField("merge_method", recipe.method());
    if (recipe.base().isPresent()) {
      g.writeStringField("base_model", recipe.base().get());
    }
    if (!recipe.models().isEmpty()) {
      inputs("models", recipe.models());
    } else {
      g.writeArrayFieldStart("slices");
      for (Slice slice : recipe.slices()) {
        g.writeStartObject();
        inputs("sources", slice.sources());
        if (slice.base().isPresent()) {
          g.writeStringField("base_model", slice.base().get());
        }
        parameters(slice.parameters());
        g.writeEndObject();
      }
      g.writeEndArray();
    }
    parameters(recipe.parameters());
    if (recipe.dtype().isPresent()) {
      g.writeStringField("dtype", name(recipe.dtype().get()));
    }
    if (recipe.outDtype().isPresent()) {
      g.writeStringField("out_dtype", name(recipe.outDtype().get()));
    }
    if (recipe.tokenizerSource().isPresent()) {
      g.writeStringField("tokenizer_source", recipe.tokenizerSource().get());
    }
    if (recipe.chatTemplate().isPresent()) {
      g.writeStringField("chat_template", recipe.chatTemplate().get());
    }
    if (recipe.align().isPresent()) {
      align(recipe.align().get());
    }
    g.writeEndObject();
  }

  private void align(Recipe.Align align) throws IOException {
    g.writeObjectFieldStart("align");
    g.writeStringField("method", align.method());
    if (align.architecture().isPresent()) {
      g.writeStringField("architecture", align.architecture().get());
    }
    if (!align.activations().isEmpty()) {
      g.writeFieldName("activations");
      g.writeArray(align.activations().toArray(String[]::new), 0, align.activations().size());
    }
    g.writeEndObject();
  }

  private void inputs(String field, List<Input> inputs) throws IOException {
    g.writeArrayFieldStart(field);
    for (Input input : inputs) {
      g.writeStartObject();
      g.writeStringField("model", input.model());
      if (input.layers().isPresent()) {
        g.writeFieldName("layer_range");
        g.writeArray(new int[] {input.layers().get().from(), input.layers().get().to()}, 0, 2);
      }
      if (input.importance().isPresent()) {
        g.writeStringField("importance", input.importance().get());
      }
      parameters(input.parameters());
      g.writeEndObject();
    }
    g.writeEndArray();
  }

  private void parameters(Map<String, Parameter> parameters) throws IOException {
    if (parameters.isEmpty()) {
      return;
    }
    g.writeObjectFieldStart("parameters");
    for (Map.Entry<String, Parameter> item : parameters.entrySet()) {
      List<Case> cases = item.getValue().cases();
      g.writeFieldName(item.getKey());
      if (cases.size() == 1 && cases.get(0).filter().isEmpty()) {
        values(cases.get(0).values());
        continue;
      }
      g.writeStartArray();
      for (Case each : cases) {
        g.writeStartObject();
        if (each.filter().isPresent()) {
          g.writeStringField("filter", each.filter().get());
        }
        g.writeFieldName("value");
        values(each.values());
        g.writeEndObject();
      }
      g.writeEndArray();
    }
    g.writeEndObject();
  }

  private void values(List<Object> values) throws IOException {
    if (values.size() == 1) {
      g.writePOJO(values.get(0));
      return;
    }
    g.writeStartArray();
    for (Object value : values) {
      g.writePOJO(value);
    }
    g.writeEndArray();
  }

  static String name(DType dtype) {
    return Recipe.TYPES.entrySet().stream()
        .filter(type -> type.getValue() == dtype)
        .map(Map.Entry::getKey)
        .findFirst()
        .orElse(dtype.name());
  }
}
