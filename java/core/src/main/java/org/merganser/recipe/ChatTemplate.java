// SPDX-License-Identifier: Apache-2.0
package org.merganser.recipe;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import org.merganser.error.FormatException;
import org.merganser.error.RecipeException;
import org.merganser.internal.Names;
import org.merganser.internal.io.TextFile;
import org.merganser.io.ModelDirectory;

/** The key {@code chat_template}: the template itself, or {@code auto}, that of most models. */
final class ChatTemplate {
  static final String FILE = "chat_template.jinja";
  static final String CONFIG = "tokenizer_config.json";
  static final String KEY = "chat_template";
  private static final String AUTO = "auto";

  /** A text that is shorter, or without a brace, is a name. */
  private static final int SHORTEST = 20;

  private ChatTemplate() {}

  /**
   * What is written; empty when the models have none, of which most is taken.
   *
   * @throws RecipeException for a name
   */
  static Optional<String> of(String value, Collection<ModelDirectory> models) throws IOException {
    if (!value.equals(AUTO)) {
      if (value.length() < SHORTEST || !value.contains("{")) {
        throw new RecipeException(
            KEY,
            Names.quote(value)
                + " is the name of a template, and none are here; write the template itself, or"
                + " auto for that of most models");
      }
      return Optional.of(value);
    }
    Map<String, Integer> counts = new LinkedHashMap<>();
    for (ModelDirectory model : models) {
      read(model.path()).ifPresent(text -> counts.merge(text, 1, Integer::sum));
    }
    int most = counts.values().stream().mapToInt(Integer::intValue).max().orElse(0);
    return counts.keySet().stream().filter(text -> counts.get(text) == most).findFirst();
  }

  private static Optional<String> read(Path folder) throws IOException {
    if (Files.exists(folder.resolve(FILE))) {
      return Optional.of(TextFile.read(folder.resolve(FILE)).strip());
    }
    Path config = folder.resolve(CONFIG);
    if (!Files.exists(config)) {
      return Optional.empty();
    }
    try (JsonParser p = new JsonFactory().createParser(TextFile.read(config))) {
      p.nextToken();
      while (p.nextToken() == JsonToken.FIELD_NAME) {
        boolean wanted = p.currentName().equals(KEY);
        if (p.nextToken() == JsonToken.VALUE_STRING && wanted) {
          return Optional.of(p.getText().strip());
        }
        p.skipChildren();
      }
      return Optional.empty();
    } catch (JsonProcessingException e) {
      throw new FormatException(
          config + ": no valid JSON: " + Names.cut(e.getOriginalMessage()), e);
    }
  }
}
