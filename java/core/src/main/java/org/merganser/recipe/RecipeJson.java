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
    if (recipe.tokenizer().isPresent()) {
      tokenizer(recipe.tokenizer().get());
    }
    if (recipe.chatTemplate().isPresent()) {
      g.writeStringField("chat_template", recipe.chatTemplate().get());
    }
    if (recipe.align().isPresent()) {
      align(recipe.align().get());
    }
    if (recipe.fit().commonRows()) {
      g.writeStringField("embeddings", "common_rows");
    }
    if (!recipe.fit().copied().isEmpty()) {
      texts("copy_from_base", recipe.fit().copied());
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
      texts("activations", align.activations());
    }
    if (align.from().isPresent()) {
      g.writeStringField("from", align.from().get());
    }
    if (align.element().isPresent()) {
      g.writeStringField("element", align.element().get());
    }
    g.writeEndObject();
  }

  private void texts(String field, List<String> texts) throws IOException {
    g.writeFieldName(field);
    g.writeArray(texts.toArray(String[]::new), 0, texts.size());
  }

  private void tokenizer(Tokenizer tokenizer) throws IOException {
    if (tokenizer.isPlain()) {
      g.writeStringField("tokenizer_source", tokenizer.source());
      return;
    }
    g.writeObjectFieldStart("tokenizer");
    g.writeStringField("source", tokenizer.source());
    if (!tokenizer.tokens().isEmpty()) {
      g.writeObjectFieldStart("tokens");
      for (Map.Entry<String, Tokenizer.Row> token : tokenizer.tokens().entrySet()) {
        g.writeObjectFieldStart(token.getKey());
        row(token.getValue());
        g.writeBooleanField("force", token.getValue().force());
        g.writeEndObject();
      }
      g.writeEndObject();
    }
    if (tokenizer.multiple() > 1) {
      g.writeNumberField("pad_to_multiple_of", tokenizer.multiple());
    }
    g.writeEndObject();
  }

  private void row(Tokenizer.Row row) throws IOException {
    if (row.model().isPresent() && row.token().isEmpty() && row.id().isEmpty()) {
      g.writeStringField("source", row.model().get());
      return;
    }
    g.writeObjectFieldStart("source");
    g.writeStringField("kind", row.model().isPresent() ? "model_token" : "zero");
    if (row.model().isPresent()) {
      g.writeStringField("model", row.model().get());
    }
    if (row.token().isPresent()) {
      g.writeStringField("token", row.token().get());
    }
    if (row.id().isPresent()) {
      g.writeNumberField("token_id", row.id().get());
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
