// SPDX-License-Identifier: Apache-2.0
package org.merganser.recipe;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.util.DefaultPrettyPrinter;
import java.io.IOException;
import java.io.StringWriter;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;

/** {@code tokenizer.json} with more tokens, each found in a text as it is. */
final class AddedTokens {
  private static final String KEY = "added_tokens";
  private static final String[] FLAGS = {
    "single_word", "lstrip", "rstrip", "normalized", "special"
  };

  private AddedTokens() {}

  /**
   * @param flags what is true of a token
   */
  static String add(String text, Map<String, Integer> tokens, Function<String, Set<String>> flags)
      throws IOException {
    StringWriter out = new StringWriter();
    try (JsonParser p = new JsonFactory().createParser(text);
        JsonGenerator g = new JsonFactory().createGenerator(out)) {
      g.setPrettyPrinter(new DefaultPrettyPrinter());
      int depth = 0;
      boolean written = false;
      while (p.nextToken() != null) {
        JsonToken token = p.currentToken();
        depth += token.isStructStart() ? 1 : 0;
        if (token == JsonToken.END_ARRAY && depth == 2 && KEY.equals(p.currentName())) {
          write(g, tokens, flags);
          written = true;
        }
        if (token == JsonToken.END_OBJECT && depth == 1 && !written) {
          g.writeArrayFieldStart(KEY);
          write(g, tokens, flags);
          g.writeEndArray();
        }
        depth -= token.isStructEnd() ? 1 : 0;
        g.copyCurrentEventExact(p);
      }
    }
    return out + "\n";
  }

  private static void write(
      JsonGenerator g, Map<String, Integer> tokens, Function<String, Set<String>> flags)
      throws IOException {
    for (Map.Entry<String, Integer> token : tokens.entrySet()) {
      g.writeStartObject();
      g.writeNumberField("id", token.getValue());
      g.writeStringField("content", token.getKey());
      Set<String> own = flags.apply(token.getKey());
      for (String flag : FLAGS) {
        g.writeBooleanField(flag, own.contains(flag));
      }
      g.writeEndObject();
    }
  }
}
